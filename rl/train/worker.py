"""A self-play worker process: many games in lock-step, each finished one on disk before the main process hears of it.

It has no global state and needs nothing but what it is given: the game itself (not its name), a folder for its games,
a network file, and game numbers to play. So it could as well run on another machine.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from multiprocessing import connection
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rl.network.agent_file import load_agent
from rl.network.evaluator import NetworkEvaluator
from rl.replay.chunks import ChunkWriter
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord, encode
from rl.selfplay.kinds import AnySelfplayConfig, make_selfplay

_REPORT_SECONDS = 1.0
"""A worker is heard at least so often, once it has been set up."""
_IDLE_SECONDS = 0.25


# --- what the main process tells a worker ---------------------------------------------------------------------------


class UseNetwork(NamedTuple):
    """Play with these weights from the next batch on."""

    path: Path
    network_id: int
    progress: float
    """How much of the run is done, 0 to 1."""
    past: Path | None = None
    """An older network of the run, to play those who act at the same time; None: there is none, or nobody does."""


class Numbers(NamedTuple):
    """Games to play, after those that were given before."""

    numbers: tuple[int, ...]


class Pause(NamedTuple):
    """Play on only when `paused` is False."""

    paused: bool


class Stop(NamedTuple):
    """Drop the games in flight, close the chunk and end."""


# --- what a worker tells the main process ---------------------------------------------------------------------------


class Report(NamedTuple):
    """What happened since the last report; also the sign of life."""

    numbers: tuple[int, ...]
    """Of the games that were finished."""
    games: tuple[bytes, ...]
    """These games as `rl.replay.records.encode` makes them, all on disk already."""
    counts: dict[str, float]
    """`Counts.take` of the self-play, and the `seconds` that were not idle."""
    begun: int
    """How many of the numbers given it has begun, since its start."""
    evaluated_by: str
    """What evaluates its networks, for people; empty before there is one."""


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker is started with. Pickled once, by the process that starts it."""

    mixture: Mixture
    config: AnySelfplayConfig
    seed: int
    replay: Path
    writer_name: str
    device: str
    fixed_batch: bool
    """Results of a position must not depend on the others in its batch: the deterministic mode."""


class SharedLock:
    """An open file that a spawned process shares; pickled by `Process.start` alone, and there it becomes the number
    of the descriptor. A `flock` on it is held until the last of these processes has ended."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> Any:
        return _descriptor_of, (DupFd(self._descriptor),)


def _descriptor_of(duplicate: Any) -> int:
    descriptor: int = duplicate.detach()
    return descriptor


def work(pipe: connection.Connection, setup: WorkerSetup, lock: SharedLock) -> None:
    """The process's main function. That `lock` was handed over keeps the run directory locked until it ends."""
    torch.set_num_threads(1)
    _Worker(pipe, setup).run()


class _Table:
    """Where one of the games is played: its numbers to play, its boards, and the network as this board needs it."""

    def __init__(self, setup: WorkerSetup, index: int) -> None:
        self._setup = setup
        self._game = setup.mixture.games[index]
        config = replace(setup.config, games_per_worker=_num_places(setup, index))
        self.selfplay = make_selfplay(self._game, config, setup.seed)
        self.numbers: deque[int] = deque()
        self.begun = 0
        self._evaluator: NetworkEvaluator | None = None
        self._past: NetworkEvaluator | None = None

    @property
    def evaluated_by(self) -> str:
        return "" if self._evaluator is None else self._evaluator.description

    @property
    def has_work(self) -> bool:
        return bool(self.numbers) or self.selfplay.num_active > 0

    def wave(self) -> list[GameRecord]:
        """The games that end in one wave."""
        assert self._evaluator is not None
        return self.selfplay.wave(self._evaluator, self._next_number)

    def use(self, message: UseNetwork) -> None:
        self.selfplay.set_progress(message.progress)
        self._evaluator = self._loaded(self._evaluator, message.path, message.network_id)
        if message.past is not None:
            self._past = self._loaded(self._past, message.past, message.network_id)
            self.selfplay.set_past(self._past)

    def _loaded(self, evaluator: NetworkEvaluator | None, path: Path, network_id: int) -> NetworkEvaluator:
        """`evaluator`, or a new one, with the weights in a file."""
        network = load_agent(path, self._game)
        if evaluator is not None:
            evaluator.load_weights(network.state_dict(), network_id)
            return evaluator
        # A GPU evaluates one half of the games while the other half is searched.
        halves = 1 if self._setup.device == "cpu" else 2
        return NetworkEvaluator(
            self._game,
            network,
            -(-self.selfplay.config.games_per_worker // halves) * self._game.rows_per_state,
            device=self._setup.device,
            network_id=network_id,
            fixed_batch=self._setup.fixed_batch,
            precision="fastest",
            backend="torch" if self._setup.fixed_batch else "measured",
        )

    def _next_number(self) -> int | None:
        if not self.numbers:
            return None
        self.begun += 1
        return self.numbers.popleft()


def _num_places(setup: WorkerSetup, index: int) -> int:
    """The boards of one game: as many as its share of the games and their length ask for, so that all get through
    their numbers equally fast."""
    mixture = setup.mixture
    weights = [share * game.max_num_moves for game, share in zip(mixture.games, mixture.shares, strict=True)]
    return max(1, round(setup.config.games_per_worker * weights[index] / sum(weights)))


class _Worker:
    """The loop of one worker process."""

    def __init__(self, pipe: connection.Connection, setup: WorkerSetup) -> None:
        self._pipe = pipe
        self._setup = setup
        self._writer = ChunkWriter(setup.replay, setup.mixture.canvas, setup.writer_name)
        self._tables = [_Table(setup, index) for index in range(len(setup.mixture.games))]
        self._has_network = False
        self._paused = False
        self._stopped = False
        self._seconds = 0.0
        self._last_report = 0.0

    def run(self) -> None:
        while True:
            self._listen()
            if self._stopped:
                break
            finished = [] if self._is_idle() else self._play()
            if finished or time.monotonic() - self._last_report >= _REPORT_SECONDS:
                self._report(finished)
        for table in self._tables:
            table.selfplay.abandon()
        self._writer.close()
        self._report([])

    def _is_idle(self) -> bool:
        return self._paused or not self._has_network or not any(table.has_work for table in self._tables)

    def _play(self) -> list[GameRecord]:
        begun = time.monotonic()
        finished = [record for table in self._tables if table.has_work for record in table.wave()]
        for record in finished:
            self._writer.append(record)
        self._seconds += time.monotonic() - begun
        return finished

    def _report(self, finished: list[GameRecord]) -> None:
        counts = Counter[str]()
        for table in self._tables:
            counts.update(table.selfplay.take_counts())
        counts["seconds"] = self._seconds  # type: ignore[assignment]
        self._seconds = 0.0
        self._last_report = time.monotonic()
        numbers = tuple(record.game_number for record in finished)
        begun = sum(table.begun for table in self._tables)
        # The first game has most of the boards.
        evaluated_by = self._tables[0].evaluated_by
        games = tuple(encode(record) for record in finished)
        self._pipe.send(Report(numbers, games, dict(counts), begun, evaluated_by))

    def _listen(self) -> None:
        """Take all messages that are there; wait a little for one when there is nothing to play."""
        network: UseNetwork | None = None
        while self._pipe.poll(_IDLE_SECONDS if self._is_idle() and network is None and not self._stopped else 0):
            message = self._pipe.recv()
            if isinstance(message, UseNetwork):
                network = message
            elif isinstance(message, Numbers):
                for number in message.numbers:
                    self._tables[self._setup.mixture.index(number)].numbers.append(number)
            elif isinstance(message, Pause):
                self._paused = message.paused
            else:
                self._stopped = isinstance(message, Stop)
        if network is not None and not self._stopped:
            self._use(network)

    def _use(self, message: UseNetwork) -> None:
        for table in self._tables:
            table.use(message)
        self._has_network = True
