"""The contract of a robot task: what is simulated, apart from who learns it and how it is shown.

A task acts on many states at once. A state is a **row** of `state_size` float64 numbers that holds all there is to it:
physics, the goal, the parameters that domain randomisation varies. So rows are copied, saved and searched at will, and
the same row and action always give the same next row, bit for bit.

Axes: n rows, S = state_size, A = action_size, O = observation_size, G = goal_size. All quantities are in SI units;
actions are in [-1, 1] and each task tells what that means.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray
from games.compiled import njit
from games.goals import GoalSetting
from games.random import uniform
from games.robots.scalars import between

if TYPE_CHECKING:
    from games.robots.drawing import Canvas

RowArray = npt.NDArray[np.float64]
"""[n, S] float64 state rows."""

# Counters of the random numbers of one reset: starting states count from 0, parameters from here.
_FIRST_PARAMETER = 1 << 20


class Parameter(NamedTuple):
    """A physical quantity that domain randomisation may vary from one episode to the next."""

    column: int
    """Where it stands in a state row."""
    nominal: float
    low: float
    high: float
    """Drawn uniformly from [low, high) where no other range is asked for."""
    unit: str


class Task(ABC):
    """What every task declares and does."""

    name: ClassVar[str]
    """As people and commands call it: `planar_reach`."""
    state_size: ClassVar[int]
    action_size: ClassVar[int]
    observation_low: ClassVar[tuple[float, ...]]
    """[O] no observation lies below."""
    observation_high: ClassVar[tuple[float, ...]]
    """[O] nor above."""
    control_rate: ClassVar[int]
    """Steps a second, in Hz."""
    max_episode_steps: ClassVar[int]
    """After so many steps an episode is truncated, which is no end of the task."""
    parameters: ClassVar[Mapping[str, Parameter]] = {}
    discount: ClassVar[float] = 0.95
    """For learning: a reward this many steps later counts discount**steps."""
    value_range: ClassVar[tuple[float, float]] = (-20.0, 0.0)
    """For learning: what sums of discounted rewards lie in. As written here, for rewards from -1 to 0."""
    costly_steps: ClassVar[bool] = False
    """Whether a step costs more than a small network's evaluation: what was stepped once is then better kept."""
    view: ClassVar[tuple[float, float, float, float]]
    """What a picture shows, in metres: (left, bottom, right, top)."""
    in_perspective: ClassVar[bool] = False
    """Whether pictures are a camera's: of `view`, their shape alone counts then."""

    @property
    def observation_size(self) -> int:
        return len(self.observation_low)

    @abstractmethod
    def reset(self, states: RowArray, keys: HashArray) -> None:
        """Write a starting state into each row of `states` [n, S], whatever it held, but for the parameters, which
        stand there already; everything drawn is a function of the row's key, `keys` [n] uint64."""

    @abstractmethod
    def step(self, states: RowArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Move `states` [n, S] one control period on, in place, under `actions` [n, A] float32, where what lies outside
        [-1, 1] counts as its nearest end. Returns (rewards [n] float32, terminated [n]), True at true ends alone."""

    @abstractmethod
    def observe(self, states: RowArray, observations: FloatArray) -> None:
        """Write what an agent sees of `states` [n, S] into `observations` [n, O] float32, goals left out."""

    @abstractmethod
    def successes(self, states: RowArray) -> BoolArray:
        """[n] whether the task is achieved in each state."""

    @abstractmethod
    def scripted_actions(self, states: RowArray) -> FloatArray:
        """[n, A] float32: what a simple controller, which knows the model, does. The measure of a learned agent."""

    @abstractmethod
    def draw(self, canvas: Canvas, state: npt.NDArray[np.float64]) -> None:
        """Paint one state [S]."""

    # --- the same for every task ------------------------------------------------------------------------------------

    def set_parameters(
        self, states: RowArray, keys: HashArray, ranges: Mapping[str, tuple[float, float]] | None = None
    ) -> None:
        """Write the parameters of `states` [n, S]: drawn from the named `ranges`, the others nominal.

        Raises ValueError on a name or a range that there is not.
        """
        for name, (low, high) in (ranges or {}).items():
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise ValueError(f"{self.name} has no parameter {name!r}: its parameters are {known}")
            if not (np.isfinite([low, high]).all() and 0.0 < low <= high):
                raise ValueError(f"{self.name}: the range of {name} has to be above 0, the low end first")
        for index, (name, parameter) in enumerate(self.parameters.items()):
            low, high = (ranges or {}).get(name, (parameter.nominal, parameter.nominal))
            _draw_column(states, keys, np.uint64(_FIRST_PARAMETER + index), parameter.column, float(low), float(high))

    def new_states(self, keys: HashArray) -> RowArray:
        """[n, S] fresh starting states with nominal parameters, one for each of `keys` [n]."""
        states = np.zeros((len(keys), self.state_size))
        self.set_parameters(states, keys)
        self.reset(states, keys)
        return states

    def observations(self, states: RowArray) -> FloatArray:
        """[n, O] float32: what `observe` writes."""
        observations = np.empty((len(states), self.observation_size), np.float32)
        self.observe(states, observations)
        return observations


class SpatialTask(Task):
    """A task in three dimensions: its pictures have depth."""

    @abstractmethod
    def depths(self, state: npt.NDArray[np.float64]) -> FloatArray:
        """[height, width] float32: how far from the eye, in m along its axis, what a picture of one state [S] shows
        at each pixel is."""


class GoalTask(Task):
    """A task with a goal that can be exchanged: the reward is a function of the achieved and the desired goal alone.

    Hindsight relabelling (Andrychowicz et al. 2017, "Hindsight experience replay") asks for the reward of a step that
    was made, had another goal been desired: `rewards` of the goals achieved, with that goal.

    Goals are float32, as agents are given them, so that rewards worked out from observations equal those of `step`.
    """

    goal_low: ClassVar[tuple[float, ...]]
    """[G] no goal, achieved or desired, lies below."""
    goal_high: ClassVar[tuple[float, ...]]
    """[G] nor above."""
    goal_setting: ClassVar[GoalSetting]
    """How people set it."""

    def __init__(self, dense: bool = False) -> None:
        self.dense = dense

    @property
    def goal_size(self) -> int:
        return len(self.goal_low)

    @abstractmethod
    def advance(self, states: RowArray, actions: FloatArray) -> None:
        """The physics of `step`."""

    @abstractmethod
    def achieved_goals(self, states: RowArray) -> FloatArray:
        """[n, G] float32: the goal that each state has achieved."""

    @abstractmethod
    def desired_goals(self, states: RowArray) -> FloatArray:
        """[n, G] float32: the goal that each state desires."""

    @abstractmethod
    def set_desired_goals(self, states: RowArray, goals: FloatArray) -> None:
        """Have `states` [n, S] desire `goals` [n, G] float32, which lie within the bounds."""

    @abstractmethod
    def rewards(self, achieved: FloatArray, desired: FloatArray) -> FloatArray:
        """[n] float32: the rewards of steps that achieved `achieved` [n, G] where `desired` [n, G] was wanted."""

    def terminations(self, achieved: FloatArray) -> BoolArray:
        """[n] whether the steps that achieved `achieved` [n, G] were the last ones."""
        return np.zeros(len(achieved), np.bool_)

    @abstractmethod
    def goal_successes(self, achieved: FloatArray, desired: FloatArray) -> BoolArray:
        """[n] whether `achieved` [n, G] is `desired` [n, G], within the task's tolerance."""

    def missing(self, achieved: FloatArray, desired: FloatArray) -> FloatArray:
        """[n, G] float32: what `achieved` [n, G] lacks of `desired` [n, G], which a policy is shown."""
        return desired - achieved

    # --- the same for every goal task -------------------------------------------------------------------------------

    def step(self, states: RowArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        self.advance(states, actions)
        achieved = self.achieved_goals(states)
        return self.rewards(achieved, self.desired_goals(states)), self.terminations(achieved)

    def successes(self, states: RowArray) -> BoolArray:
        return self.goal_successes(self.achieved_goals(states), self.desired_goals(states))


@njit
def distances(achieved: FloatArray, desired: FloatArray, num_coordinates: int) -> FloatArray:
    """[n] float32: how far apart the first `num_coordinates` of `achieved` and of `desired`, both [n, G], are."""
    found = np.empty(len(achieved), np.float32)
    for row in range(len(achieved)):
        square = 0.0
        for index in range(num_coordinates):
            difference = float(achieved[row, index]) - float(desired[row, index])
            square += difference * difference
        found[row] = math.sqrt(square)
    return found


def sparse_rewards(successes: BoolArray) -> FloatArray:
    """[n] float32: 0 for each success, else -1."""
    return successes.astype(np.float32) - np.float32(1.0)


@njit
def _draw_column(states: RowArray, keys: HashArray, counter: np.uint64, column: int, low: float, high: float) -> None:
    for row in range(len(states)):
        states[row, column] = between(low, high, uniform(keys[row], counter))
