"""A contender in a process of its own that is held to one core, together with all its threads."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context
from typing import NamedTuple

from rl.errors import UserError
from scripts.bench.peers.contenders import Contender, Stretch, Work
from scripts.bench.report import Lap


class Played(NamedTuple):
    """A timed stretch."""

    stretch: Stretch
    lap: Lap
    """Of its moves."""


class PinnedPlayer:
    """A contender that has warmed up and waits, without using its core, to be asked to play."""

    def __init__(self, contender: Contender, work: Work, core: int, warm_up_seconds: float) -> None:
        """Returns when it is ready. Raises UserError when it fails, having told why on standard error."""
        self._name = contender.name
        context = get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, contender, work), daemon=True)
        with held_to(core):  # children inherit it, and so does each of their threads
            self._process.start()
        far_end.close()
        self.play(warm_up_seconds)

    def play(self, seconds: float) -> Played:
        """Self-play for so long at least, by the clocks of the process."""
        try:
            self._pipe.send(seconds)
            stretch, wall_seconds, cpu_seconds = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise UserError(f"bench peers: {self._name} failed, for the reason above") from None
        return Played(stretch, Lap(stretch.moves, wall_seconds, cpu_seconds))

    def close(self) -> None:
        """End the process: it has nothing to tidy."""
        self._pipe.close()
        self._process.kill()
        self._process.join()


def last_core() -> int:
    """The core to measure on: the last usable one, since systems tend to do their own work on the first.

    Raises UserError where a process cannot be held to a core.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise UserError("bench peers holds each player to one core, which this system does not offer: use Linux")
    return max(os.sched_getaffinity(0))


@contextmanager
def held_to(core: int) -> Iterator[None]:
    """This thread, and what is started by it meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _serve(pipe: connection.Connection, contender: Contender, work: Work) -> None:
    """The process: plays so many seconds whenever it is told a number, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which ends this one
    os.environ["JAX_PLATFORMS"] = "cpu"  # a core is compared, not a device that happens to be there
    player = contender.make(work)
    while True:
        try:
            seconds = pipe.recv()
        except EOFError:
            return
        wall, cpu = time.perf_counter(), time.process_time()
        stretch = player.play(seconds)
        pipe.send((stretch, time.perf_counter() - wall, time.process_time() - cpu))
