"""Any robot task as a game that is searched and learnt: its state rows, its actions, its goals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import games.robots
from games.base import BoolArray, FloatArray, HashArray, State, StateArray
from games.robots.showing import picture
from games.robots.task import GoalTask, RowArray, Task
from games.simulated import SimulatedGame


class RobotGame(SimulatedGame):
    """A `Task` as a `SimulatedGame`.

    A state is the task's row and the count of steps. An observation is what the task shows of it, each number brought
    to [-1, 1] by its bounds; where there is a goal, the goal follows, and then what is missing to it, both in halves
    of the goals' range.
    """

    def __init__(self, task: Task, name: str) -> None:
        self.task, self.name = task, name
        self.state_dtype = np.dtype(
            [("row", np.float64, (task.state_size,)), ("to_play", np.int8), ("num_moves", np.int32)]
        )
        self.action_size = task.action_size
        self.action_dtype = np.dtype((np.float32, (task.action_size,)))
        self.num_actions = self.num_extra_actions = 2 * task.action_size
        self.max_num_moves = task.max_episode_steps
        self.discount, self.value_range = task.discount, task.value_range
        self.picture_area = None if task.in_perspective else task.view
        self._middles, self._halves = _scales(task.observation_low, task.observation_high)
        num_seen = task.observation_size
        self._goals = task if isinstance(task, GoalTask) else None
        if self._goals is not None:
            self.goal_size, self.goal_setting = self._goals.goal_size, self._goals.goal_setting
            self.stores_successors = task.costly_steps
            self._goal_middles, self._goal_halves = _scales(self._goals.goal_low, self._goals.goal_high)
            num_seen += 2 * self.goal_size
        self.observation_shape = (num_seen, 1, 1)

    def reset_batch(self, states: StateArray, keys: HashArray) -> None:
        states["row"], states["to_play"], states["num_moves"] = self.task.new_states(keys), 0, 0

    def step_batch(self, states: StateArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        rows = rows_of(states)
        rewards, terminated = self.task.step(rows, actions)
        states["row"] = rows
        states["num_moves"] += 1
        return rewards, terminated

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        rows, task = rows_of(states), self.task
        num_seen = task.observation_size
        seen = observations[:, 0, :, 0, 0]
        np.subtract(task.observations(rows), self._middles, out=seen[:, :num_seen])
        seen[:, :num_seen] *= self._halves
        if self._goals is not None:
            self.show_goals(observations[:, 0], self._goals.achieved_goals(rows), self._goals.desired_goals(rows))

    def successes(self, states: StateArray) -> BoolArray:
        return self.task.successes(rows_of(states))

    def achieved_goals(self, states: StateArray) -> FloatArray:
        return super().achieved_goals(states) if self._goals is None else self._goals.achieved_goals(rows_of(states))

    def desired_goals(self, states: StateArray) -> FloatArray:
        return super().desired_goals(states) if self._goals is None else self._goals.desired_goals(rows_of(states))

    def set_goals(self, states: StateArray, goals: FloatArray) -> None:
        assert self._goals is not None
        rows = rows_of(states)
        self._goals.set_desired_goals(rows, goals)
        states["row"] = rows

    def show_goals(self, observations: FloatArray, achieved: FloatArray, goals: FloatArray) -> None:
        assert self._goals is not None
        seen, first = observations[:, :, 0, 0], self.observation_shape[0] - 2 * self.goal_size
        middle = first + self.goal_size
        seen[:, first:middle] = (goals - self._goal_middles) * self._goal_halves
        seen[:, middle:] = self._goals.missing(achieved, goals) * self._goal_halves

    def goal_rewards(self, achieved: FloatArray, desired: FloatArray) -> tuple[FloatArray, BoolArray]:
        assert self._goals is not None
        return self._goals.rewards(achieved, desired), self._goals.terminations(achieved)

    def picture(self, state: State, width: int = 480) -> npt.NDArray[np.uint8]:
        return picture(self.task, state["row"], width)

    def scripted_actions(self, states: StateArray) -> FloatArray:
        return self.task.scripted_actions(rows_of(states))

    @property
    def steps_per_second(self) -> float:
        return float(self.task.control_rate)

    def to_text(self, state: State) -> str:
        numbers = " ".join(f"{number:.4g}" for number in state["row"])
        return f"step {int(state['num_moves'])}: {numbers}"


def make_game(task_name: str) -> RobotGame:
    """The game of the task called `task_name`."""
    return RobotGame(games.robots.make(task_name), task_name)


def make_goal_game(task_name: str, dense: bool = False) -> RobotGame:
    """The same of a goal task, `dense` being its option."""
    name = f"{task_name}:dense" if dense else task_name
    return RobotGame(games.robots.make(task_name, dense=dense), name)


def rows_of(states: StateArray) -> RowArray:
    """[n, S] the states' rows, contiguous: kernels are compiled for such alone."""
    return np.ascontiguousarray(states["row"])


def _scales(low: tuple[float, ...], high: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """What to subtract from numbers between `low` and `high`, and what to multiply them by, to have them in [-1, 1]."""
    lows, highs = np.array(low, np.float32), np.array(high, np.float32)
    return 0.5 * (lows + highs), 2.0 / (highs - lows)
