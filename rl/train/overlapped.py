"""The usual way to train: the workers play without a pause while the learner trains as fast as the ratio allows."""

from __future__ import annotations

import time

from rl.replay.leases import Leases
from rl.train.session import Session
from rl.train.workers import WorkerPool

_IDLE_SECONDS = 0.02
_MOST_STEPS_BEHIND = 64
"""The workers pause when the learner is this many steps behind the ratio, and go on at half of it."""


class Overlapped:
    """Drives a `Session` until it is finished or a stop is asked for."""

    def __init__(self, session: Session, pool: WorkerPool) -> None:
        self._session = session
        self._run = session.run
        self._pool = pool
        self._leases = Leases(session.run.directory.replay / "leases.jsonl")
        self._last_publish = time.monotonic()
        self._published = -1
        first_steps = session.run.config.samples_per_target * session.run.config.first_targets
        self._most_behind = first_steps + _MOST_STEPS_BEHIND * session.run.config.learner.batch_size

    def train(self) -> None:
        """Returns when a limit is reached, or a signal has come."""
        run, session = self._run, self._session
        self._publish()
        while not session.stopping and not run.finished:
            reports = session.hear(self._pool)
            run.add_games(record for report in reports for record in run.decode(report))
            self._give_numbers()
            self._hold_ratio()
            if run.may_learn:
                run.learn()
            else:
                time.sleep(_IDLE_SECONDS)
            self._publish_when_due()
            session.housekeep(self._pool)
        run.add_games(record for report in self._session.drain(self._pool) for record in run.decode(report))
        run.save_checkpoint()

    def _give_numbers(self) -> None:
        """Keep each worker in stock of numbers, and play no more games than asked for."""
        run, pool = self._run, self._pool
        stock = run.config.selfplay.games_per_worker
        for index, left in enumerate(pool.numbers_left()):
            wanted = stock if left < stock // 2 + 1 else 0
            if run.config.limits.games is not None:
                wanted = min(wanted, run.config.limits.games - run.games - pool.num_outstanding)
            if wanted > 0:
                writer = f"worker{index}"
                pool.give(index, self._leases.take(writer, wanted, first_free=run.window.newest_game + 1))

    def _hold_ratio(self) -> None:
        """The learner waits for positions by itself; here the workers wait for the learner, should it lag behind."""
        if self._run.backlog > self._most_behind:
            self._pool.pause(True)
        elif self._run.backlog < self._most_behind / 2:
            self._pool.pause(False)

    def _publish_when_due(self) -> None:
        run = self._run
        if time.monotonic() - self._last_publish >= run.config.schedule.publish_seconds:
            self._last_publish = time.monotonic()
            self._publish()

    def _publish(self) -> None:
        """Have the workers play with the newest network, if it is newer than theirs."""
        if self._run.learner.steps != self._published:
            self._published = self._run.learner.steps
            self._pool.use_network(self._run.network_for_workers())
