"""The agent as the app has it: in a process of its own, asked and heard without ever waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import NamedTuple, Protocol

from games.base import FloatArray
from scripts.terminal.app.child import Child, Failure, Ready, ready
from scripts.terminal.thinking import Budget, Situation, Thinker, Thought

_INTERVAL = 0.1
"""Seconds between two reports."""


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


class ProcessMind(Child):
    """The agents in a process of their own, which ends with this one."""

    def __init__(self, make: Maker) -> None:
        """`make` has to be picklable: a function of a module, or a partial of one."""
        super().__init__(partial(_serve, make=make))
        self._asked = 0

    def ask(self, situation: Situation, budget: Budget, agent: int = 0) -> int:
        self._asked += 1
        self.send(Question(self._asked, agent, situation, budget))
        return self._asked

    def rest(self) -> None:
        self.send(None)


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
    thinkers = make()
    ready(connection)
    while True:
        question = connection.recv()
        if question is not None:
            thinker = thinkers[question.agent]
            onlooker = _Onlooker(question, thinker, connection)
            onlooker.told(thinker.think(question.situation, question.budget, onlooker), done=True)
