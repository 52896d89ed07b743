"""What the app and the stage say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scripts.terminal.app.child import Failure, Ready
from scripts.terminal.app.layout import Size
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.robots.cells import Cells
from scripts.terminal.robots.pilot import Option

# --- the app to the stage ---------------------------------------------------------------------------------------------


class Room(NamedTuple):
    """How large pictures are, and in which colours."""

    size: Size
    depth: Depth


class Pause(NamedTuple):
    """Stop or go on."""

    paused: bool


class Step(NamedTuple):
    """Make one step, and wait then."""


class Speed(NamedTuple):
    """So many seconds of the world in a second."""

    factor: float


class Think(NamedTuple):
    """Search so many states before each step; 0: the policy alone."""

    simulations: int


class Begin(NamedTuple):
    """Another episode."""


class SetGoal(NamedTuple):
    """The goal, as a person has written it."""

    text: str


class Steer(NamedTuple):
    """A key that moves the goal, or what a person plays with."""

    way: int
    """Which way: 0 to the right, 1 up or away, 2 the third."""
    times: int
    """How often; less than 0 the other way."""


class Point(NamedTuple):
    """The mouse moves it to a place."""

    x: float
    """Share of the picture's width, from the left."""
    y: float
    """Share of its height, from the top."""


class SaveFilm(NamedTuple):
    """Write the episode so far as an animated picture."""

    path: str


class Seen(NamedTuple):
    """The last scene is on the screen: another one may be sent."""


Order = Room | Pause | Step | Speed | Think | Begin | SetGoal | Steer | Point | SaveFilm | Seen

# --- the stage to the app ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """The episode in numbers."""

    pilot: str
    """Who moves the robot."""
    simulations: int
    number: int
    """Of the episode, from 1."""
    step: int
    most_steps: int | None
    """After which it is cut; None: it is not."""
    returns: float
    success: bool | None
    """Whether the task is achieved now; None where that is not told."""
    num_done: int
    """Whole episodes until now."""
    num_successes: int
    """How many of them succeeded."""
    score: tuple[int, int] | None
    """Points of the agent and of the person; None where nobody plays against it."""
    values: tuple[float, ...]
    """What was expected at each step."""
    visits: int
    speed: float
    """States looked at in a second; 0 without a search."""
    options: tuple[Option, ...]
    action: tuple[float, ...]
    """What was done last; empty at the start."""
    distance: float | None
    """To the goal, in m."""
    turn: float | None
    """To the goal's heading, in degrees."""
    goal: str
    """In words; empty where people set none."""
    factor: float
    """Seconds of the world in a second, as asked."""
    pace: float
    """As reached; 0 while unknown."""
    paused: bool
    over: bool
    match_over: bool
    """Between a person and the agent."""


class Scene(NamedTuple):
    """What is to be seen."""

    cells: Cells | None
    """None where nothing can be drawn: `note` says why."""
    note: str
    reading: Reading


class Said(NamedTuple):
    """An answer to a person, in one line."""

    text: str


News = Scene | Said | Ready | Failure
