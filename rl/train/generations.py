"""The deterministic way to train: by generations, so that the same seed gives the same weights byte for byte.

A generation is a fixed set of game numbers, played to the end with one network; only then the learner trains, on a
window that took the games in the order of their numbers, and a checkpoint is written. Which worker played a game, and
when, leaves no trace. What an interruption cuts short is done again from the last boundary; the generation's games
that are on disk already are kept, for they would be played the same again.
"""

from __future__ import annotations

import time

from rl.replay.records import GameRecord
from rl.train.session import Session
from rl.train.workers import WorkerPool

_IDLE_SECONDS = 0.02


class Generations:
    """Drives a `Session` until it is finished or a stop is asked for."""

    def __init__(self, session: Session, pool: WorkerPool) -> None:
        self._session = session
        self._run = session.run
        self._pool = pool

    def train(self) -> None:
        """Returns when a limit is reached, or a signal has come."""
        run, session = self._run, self._session
        while not session.stopping and not run.finished:
            records = self._play()
            if session.stopping or len(records) < len(self._numbers()):
                break
            run.add_games(records.values())
            if not self._learn():
                break
            for number in self._numbers():
                run.ahead.pop(number, None)
            run.generation += 1
            run.save_checkpoint()
        session.drain(self._pool)  # games of an unfinished generation are on disk, and taken up from there

    def _numbers(self) -> range:
        """The games of the generation."""
        size = self._run.config.games_per_generation
        end = (self._run.generation + 1) * size
        limit = self._run.config.limits.games
        return range(self._run.generation * size, end if limit is None else min(end, limit))

    def _play(self) -> dict[int, GameRecord]:
        """The generation's games by number: those on disk, and the others played now. Not all when stopped."""
        run, session, pool = self._run, self._session, self._pool
        numbers = self._numbers()
        records = {number: run.ahead[number] for number in numbers if number in run.ahead}
        missing = [number for number in numbers if number not in records]
        pool.use_network(run.network_for_workers())
        for index in range(run.resources.workers):
            pool.give(index, missing[index :: run.resources.workers])
        while len(records) < len(numbers) and not session.stopping:
            for report in session.hear(pool):
                records.update((record.game_number, record) for record in run.decode(report))
            session.housekeep(pool, checkpoints=False)
            time.sleep(_IDLE_SECONDS)
        return records

    def _learn(self) -> bool:
        """All steps that the ratio allows now; False when cut short by a signal."""
        run, session = self._run, self._session
        while run.may_learn:
            run.learn()
            session.hear(self._pool)
            session.housekeep(self._pool, checkpoints=False)
            if session.stopping:
                return False
        return True
