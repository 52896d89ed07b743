"""A stage in the tests' own process, whose time goes on when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from games.base import StateArray
from games.simulated import SimulatedGame
from scripts.terminal.app.layout import Size
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.robots.messages import Order, Room, Said, Scene, Seen
from scripts.terminal.app.robots.stage import Stage
from scripts.terminal.robots.pilot import Decision, Option, Pilot, ScriptPilot

ROOM = Size(48, 21)
_SHORT = 0.011


class MadeUpPilot(ScriptPilot):
    """The script, with made-up values and, where it is asked to search, made-up thoughts."""

    searches = True

    def __init__(self, game: SimulatedGame) -> None:
        super().__init__(game)
        self.description, self.simulations = "somebody", 0
        self.asked = 0

    def decide(self, states: StateArray, stop: Callable[[], bool]) -> Decision | None:
        self.asked += 1
        decision = super().decide(states, stop)
        assert decision is not None
        value = -20.0 + 0.25 * int(states["num_moves"][0])
        if not self.simulations:
            return decision._replace(value=value)
        if stop():
            return None
        action = tuple(np.round(decision.actions[0], 2).tolist())
        return decision._replace(
            value=value, visits=self.simulations, options=(Option(action, 5, value), Option(action, 3, value - 1.0))
        )


class ToldLink:
    """The app's way to a stage, and the tests' to its time."""

    def __init__(self, game: SimulatedGame, pilot: Pilot, *, with_person: bool = False, seed: int = 1) -> None:
        self.now = 0.0
        self.said: list[Any] = []
        self.orders: list[Order] = []
        self.closed = self.interrupted = False
        self.stage = Stage(
            game,
            pilot,
            seed,
            self.said.append,
            with_person=with_person,
            called=lambda: self.interrupted,
            clock=lambda: self.now,
        )

    def send(self, message: Order) -> None:
        self.orders.append(message)
        self.stage.hear(message)

    def news(self) -> list[Any]:
        found, self.said[:] = list(self.said), []
        return found

    def close(self) -> None:
        self.closed = True

    def pass_time(self, seconds: float) -> None:
        """Let the stage act for so long. What it does takes no time."""
        end = self.now + seconds
        while (wait := self.stage.wait()) is not None and self.now + wait <= end:
            self.now += wait
            self.stage.act()
        self.now = end

    def watch(self, seconds: float) -> Scene:
        """The same, each scene being seen at once; returns the last one."""
        scene: Scene | None = None
        end = self.now + seconds
        while self.now < end or scene is None:
            self.pass_time(_SHORT)
            for news in self.news():
                if isinstance(news, Scene):
                    scene = news
                    self.send(Seen())
        return scene

    def told(self) -> str:
        """What was answered last."""
        return [news.text for news in self.news() if isinstance(news, Said)][-1]


def watched(game: SimulatedGame, *, depth: Depth = "full", with_person: bool = False) -> ToldLink:
    """A stage with a made-up pilot that draws, as if an app were there."""
    link = ToldLink(game, MadeUpPilot(game), with_person=with_person)
    link.send(Room(ROOM, depth))
    return link
