"""A self-play worker process: many games in lock-step, each finished one on disk before the main process hears of it.

It has no global state and needs nothing but what it is given: the game itself (not its name), a folder for its games,
a network file, and game numbers to play. So it could as well run on another machine.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, NamedTuple

import torch

from games.base import Game
from rl.agent_file import load_agent
from rl.evaluator import TorchEvaluator
from rl.replay.chunks import ChunkWriter
from rl.replay.records import GameRecord, encode
from rl.selfplay import Selfplay, SelfplayConfig

_REPORT_SECONDS = 1.0
"""A worker is heard at least so often, once it has been set up."""
_IDLE_SECONDS = 0.25


# --- what the main process tells a worker ---------------------------------------------------------------------------


class UseNetwork(NamedTuple):
    """Play with these weights from the next batch on."""

    path: Path
    network_id: int


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
    """`Selfplay.take_counts`, and the `seconds` that were not idle."""
    begun: int
    """How many of the numbers given it has begun, since its start."""


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker is started with. Pickled once, by the process that starts it."""

    game: Game
    config: SelfplayConfig
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


class _Worker:
    """The loop of one worker process."""

    def __init__(self, pipe: connection.Connection, setup: WorkerSetup) -> None:
        self._pipe = pipe
        self._setup = setup
        self._writer = ChunkWriter(setup.replay, setup.game, setup.writer_name)
        self._selfplay = Selfplay(setup.game, setup.config, setup.seed)
        self._evaluator: TorchEvaluator | None = None
        self._numbers: deque[int] = deque()
        self._begun = 0
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
        self._selfplay.abandon()
        self._writer.close()
        self._report([])

    def _is_idle(self) -> bool:
        return self._paused or self._evaluator is None or (not self._numbers and self._selfplay.num_active == 0)

    def _play(self) -> list[GameRecord]:
        assert self._evaluator is not None
        begun = time.monotonic()
        finished = self._selfplay.wave(self._evaluator, self._next_number)
        for record in finished:
            self._writer.append(record)
        self._seconds += time.monotonic() - begun
        return finished

    def _next_number(self) -> int | None:
        if not self._numbers:
            return None
        self._begun += 1
        return self._numbers.popleft()

    def _report(self, finished: list[GameRecord]) -> None:
        counts = {**self._selfplay.take_counts(), "seconds": self._seconds}
        self._seconds = 0.0
        self._last_report = time.monotonic()
        numbers = tuple(record.game_number for record in finished)
        self._pipe.send(Report(numbers, tuple(encode(record) for record in finished), counts, self._begun))

    def _listen(self) -> None:
        """Take all messages that are there; wait a little for one when there is nothing to play."""
        network: UseNetwork | None = None
        while self._pipe.poll(_IDLE_SECONDS if self._is_idle() and network is None and not self._stopped else 0):
            message = self._pipe.recv()
            if isinstance(message, UseNetwork):
                network = message
            elif isinstance(message, Numbers):
                self._numbers.extend(message.numbers)
            elif isinstance(message, Pause):
                self._paused = message.paused
            else:
                self._stopped = isinstance(message, Stop)
        if network is not None and not self._stopped:
            self._use(network)

    def _use(self, message: UseNetwork) -> None:
        network = load_agent(message.path, self._setup.game)
        if self._evaluator is None:
            # A GPU evaluates one half of the games while the other half is searched.
            halves = 1 if self._setup.device == "cpu" else 2
            self._evaluator = TorchEvaluator(
                self._setup.game,
                network,
                -(-self._setup.config.games_per_worker // halves),
                device=self._setup.device,
                network_id=message.network_id,
                fixed_batch=self._setup.fixed_batch,
                precision="fastest",
            )
        else:
            self._evaluator.load_weights(network.state_dict(), message.network_id)
