"""The self-play workers of a run: started, fed with numbers and networks, listened to, started again when they die."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rl.errors import UserError
from rl.train.processes import Child, Failed
from rl.train.worker import Numbers, Pause, Report, SharedLock, Stop, UseNetwork, WorkerSetup, work

_SETUP_STALL_FACTOR = 5.0
"""Compiling the kernels on a busy machine may take longer than a stall in play."""
_DEATHS_BEFORE_GIVING_UP = 5
"""So many deaths of one worker, with not a game finished between them, are no accident."""


@dataclass
class _Place:
    """One worker's place: who plays there now, and what it was given."""

    child: Child
    deaths: int = 0
    ready: bool = False
    """Whether its kernels are compiled and it has begun to play."""
    numbers: set[int] = field(default_factory=set)
    """Given and not yet reported."""
    given: int = 0
    begun: int = 0


class WorkerPool:
    """`num_workers` processes playing games.

    A worker that dies, or is silent for `stall_seconds`, is started again and costs the games that it had in flight.
    With `replays`, its numbers are played again by its successor; otherwise they are left out for ever, for some may
    be on disk without having been reported.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        num_workers: int,
        *,
        lock: int,
        stacks: Path,
        stall_seconds: float,
        replays: bool,
        say: Callable[[str], None],
        loud: Callable[[str], None],
    ) -> None:
        """`setup.writer_name` is the stem of the workers' names. `say` gets lines for a person, `loud` those that
        must not be overlooked."""
        self._setup = setup
        self._lock = lock
        self._stacks = stacks
        self._stall_seconds = stall_seconds
        self._replays = replays
        self._say = say
        self._loud = loud
        self._network: UseNetwork | None = None
        self._paused = False
        self._told: set[str] = set()
        self.restarts = 0
        """Workers started again."""
        self._places: list[_Place] = []
        for index in range(num_workers):
            self._places.append(_Place(self._start(index)))

    @property
    def pids(self) -> list[int]:
        return [place.child.pid for place in self._places]

    @property
    def ready(self) -> bool:
        """Whether play has begun."""
        return any(place.ready for place in self._places)

    def use_network(self, network: UseNetwork) -> None:
        """All workers play with these weights from their next batch on."""
        self._network = network
        self._send_all(self._network)

    def pause(self, paused: bool) -> None:
        """Stop or go on playing, games in flight being kept."""
        if paused != self._paused:
            self._paused = paused
            self._send_all(Pause(paused))

    def numbers_left(self) -> list[int]:
        """How many games each worker was given and has not begun."""
        return [place.given - place.begun for place in self._places]

    @property
    def num_outstanding(self) -> int:
        """Games given to the workers and not finished."""
        return sum(len(place.numbers) for place in self._places)

    def give(self, index: int, numbers: Sequence[int]) -> None:
        """Have a worker play these games after those it has."""
        place = self._places[index]
        place.numbers.update(numbers)
        place.given += len(numbers)
        place.child.send(Numbers(tuple(numbers)))

    def poll(self) -> list[Report]:
        """What the workers have reported; restarts those that are dead or stalled.

        Raises UserError when one had an error that a person can mend (a full disk), RuntimeError when one dies again
        and again.
        """
        reports: list[Report] = []
        for index, place in enumerate(self._places):
            ended = place.child.ended  # asked first: what comes before the end is then all there
            reports += self._hear(place)
            if ended:
                why = f"self-play worker {index} (process {place.child.pid}) ended unexpectedly"
                reports += self._restart(index, why)
            elif time.monotonic() - place.child.last_heard > self._patience(place):
                self._loud(
                    f"STALLED: self-play worker {index} (process {place.child.pid}) was silent for "
                    f"{self._patience(place):.0f} s; stacks in {self._stacks}"
                )
                place.child.dump_stacks()
                reports += self._restart(index, f"self-play worker {index} is killed")
        return reports

    def stop(self, seconds: float) -> list[Report]:
        """Have all workers close their chunks and end; those that have not within `seconds` are killed."""
        self._send_all(Stop())
        deadline = time.monotonic() + seconds
        for place in self._places:
            place.child.join(max(0.0, deadline - time.monotonic()))
        self.kill()
        return [report for place in self._places for report in self._hear(place)]

    def kill(self) -> None:
        """End all workers at once."""
        for place in self._places:
            place.child.kill()

    def _patience(self, place: _Place) -> float:
        return self._stall_seconds * (1.0 if place.ready else _SETUP_STALL_FACTOR)

    def _send_all(self, message: object) -> None:
        for place in self._places:
            place.child.send(message)

    def _hear(self, place: _Place) -> list[Report]:
        reports = []
        for message in place.child.messages():
            if isinstance(message, Failed):
                if message.is_user_error:
                    raise UserError(message.text)
                self._loud(message.text)
                continue
            assert isinstance(message, Report)
            place.ready |= message.counts.get("places", 0) > 0
            place.numbers.difference_update(message.numbers)
            place.begun = message.begun
            self._tell(message.evaluated_by)
            if message.games:
                place.deaths = 0
            reports.append(message)
        return reports

    def _tell(self, evaluated_by: str) -> None:
        """Say once what evaluates the networks; workers may have measured differently."""
        if evaluated_by and evaluated_by not in self._told:
            self._told.add(evaluated_by)
            self._say(f"self-play: networks are evaluated by {evaluated_by}")

    def _start(self, index: int) -> Child:
        setup = replace(self._setup, writer_name=f"{self._setup.writer_name}{index}")
        name = f"keima-worker-{index}"
        return Child(name, work, (setup, SharedLock(self._lock)), self._stacks)

    def _restart(self, index: int, why: str) -> list[Report]:
        """Put a new worker in the place of one that is dead or to be killed; returns what the old one still said."""
        old = self._places[index]
        old.child.kill()
        reports = self._hear(old)
        if old.deaths >= _DEATHS_BEFORE_GIVING_UP:
            raise RuntimeError(f"{why}, for the {old.deaths + 1}th time without having finished a game: giving up")
        fate = "are played anew" if self._replays else "are given up"
        self._say(f"{why}: it is started again; its {len(old.numbers)} games {fate}")
        self.restarts += 1
        place = self._places[index] = _Place(self._start(index), deaths=old.deaths + 1)
        if self._network is not None:
            place.child.send(self._network)
        place.child.send(Pause(self._paused))
        if self._replays:
            self.give(index, sorted(old.numbers))
        return reports
