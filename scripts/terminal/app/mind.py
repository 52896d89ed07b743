"""The agent as the app has it: in a process of its own, asked and heard without ever waiting.

A process, not a thread: importing torch and compiling kernels hold Python's lock for long stretches, and a person sees
each of them. It also runs at a lower priority than the app, so that keys are answered while the search uses every core.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple, Protocol

from games.base import FloatArray
from rl.errors import UserError
from scripts.terminal.thinking import Budget, Situation, Thinker, Thought

_INTERVAL = 0.1
"""Seconds between two reports."""
_LOWER_PRIORITY = 5
_PATIENCE = 0.5


class Question(NamedTuple):
    """What the agent is asked to think about."""

    number: int
    """Reports carry it."""
    agent: int
    """Which agent: where two play each other there are two."""
    situation: Situation
    budget: Budget


class Report(NamedTuple):
    """What it thinks so far."""

    number: int
    thought: Thought
    speed: float
    """Positions looked at in a second, since it began to think; 0 while unknown."""
    done: bool
    """It thinks no longer."""
    ownership: FloatArray | None
    """As `Thinker.ownership`."""


class Ready(NamedTuple):
    """The agents are loaded and their kernels compiled."""


class Failure(NamedTuple):
    """The agent is no more."""

    text: str
    """Why, in one line."""


News = Report | Ready | Failure
Maker = Callable[[], Sequence[Thinker]]
"""Makes the agents; called where they will think."""


class Mind(Protocol):
    """Thinks about one question at a time; no method waits for it."""

    def ask(self, situation: Situation, budget: Budget, agent: int = 0) -> int:
        """Think about this position, and no longer about anything else; returns the number that its reports carry."""
        ...

    def rest(self) -> None:
        """Think about nothing."""
        ...

    def news(self) -> list[News]:
        """What it has said since the last call, the oldest first."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class ProcessMind:
    """The agents in a process of their own, which ends with this one."""

    def __init__(self, make: Maker) -> None:
        """`make` has to be picklable: a function of a module, or a partial of one."""
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), name="agent", daemon=True)
        self._process.start()
        theirs.close()
        self._failed = False
        self._asked = 0

    def ask(self, situation: Situation, budget: Budget, agent: int = 0) -> int:
        self._asked += 1
        self._send(Question(self._asked, agent, situation, budget))
        return self._asked

    def rest(self) -> None:
        self._send(None)

    def _send(self, message: Question | None) -> None:
        with contextlib.suppress(OSError):  # that it has ended is among the news
            self._connection.send(message)

    def news(self) -> list[News]:
        found: list[News] = []
        try:
            while not self._failed and self._connection.poll():
                found.append(self._connection.recv())
        except (EOFError, OSError):
            self._failed = True
            self._process.join(_PATIENCE)
            found.append(Failure(f"the agent's process ended (exit code {self._process.exitcode})"))
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()


class _Onlooker:
    """Tells the app of a question's thoughts ten times a second, and ends them when another message has come."""

    def __init__(self, question: Question, thinker: Thinker, connection: Connection) -> None:
        self._question, self._thinker, self._connection = question, thinker, connection
        self._told = time.monotonic()
        self._first: tuple[float, int] | None = None
        """When it was first told, and the visits at that time: some may be kept from the position before."""
        self._ownership = thinker.ownership(question.situation)

    def is_due(self) -> bool:
        return time.monotonic() >= self._told + _INTERVAL or self._connection.poll()

    def told(self, thought: Thought, *, done: bool = False) -> bool:
        self._told = time.monotonic()
        self._first = self._first or (self._told, thought.visits)
        begun, visits = self._first
        speed = max(0.0, (thought.visits - visits) / (self._told - begun)) if self._told > begun else 0.0
        self._connection.send(Report(self._question.number, thought, speed, done, self._ownership))
        return not self._connection.poll()


def _serve(connection: Connection, make: Maker) -> None:
    """Answer questions until the app is gone."""
    _be_quiet()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            thinkers = make()
            if hasattr(os, "nice"):
                os.nice(_LOWER_PRIORITY)
            connection.send(Ready())
            while True:
                question = connection.recv()
                if question is not None:
                    thinker = thinkers[question.agent]
                    onlooker = _Onlooker(question, thinker, connection)
                    onlooker.told(thinker.think(question.situation, question.budget, onlooker), done=True)
        except (EOFError, OSError):
            raise
        except UserError as error:
            connection.send(Failure(str(error)))
        except Exception as error:  # whatever it is, the person at the board has to hear of it
            connection.send(Failure(" ".join(f"{type(error).__name__}: {error}".split())))


def _be_quiet() -> None:
    """Leave the screen to the app."""
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
