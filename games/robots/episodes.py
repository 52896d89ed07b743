"""What one environment and many in a batch have in common: how episodes begin, what agents are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from games.base import BoolArray, FloatArray, HashArray
from games.robots.task import GoalTask, RowArray, Task

StateRow = npt.NDArray[np.float64]
"""[S] float64: one state."""


def spaces_of(task: Task) -> tuple[spaces.Space[Any], spaces.Box]:
    """(observations, actions) of a task; those of a goal task are dictionaries, as Gymnasium-Robotics has them."""
    observation = _box(task.observation_low, task.observation_high)
    actions = spaces.Box(-1.0, 1.0, (task.action_size,), np.float32)
    if not isinstance(task, GoalTask):
        return observation, actions
    goals = {name: _box(task.goal_low, task.goal_high) for name in ("achieved_goal", "desired_goal")}
    return spaces.Dict({"observation": observation, **goals}), actions


def begin(
    task: Task, states: RowArray, keys: HashArray, options: Mapping[str, Any] | None
) -> dict[str, npt.NDArray[np.float64]]:
    """Write starting states into `states` [n, S] from `keys` [n]; returns the parameters [n] by name.

    Raises ValueError on options that there are not, and on a goal that does not fit.
    """
    unknown = set(options or {}) - {"randomize", "goal"}
    if unknown:
        raise ValueError(
            f"{task.name}: reset has no option {min(map(str, unknown))!r}: its options are goal and randomize"
        )
    task.set_parameters(states, keys, _ranges(task, (options or {}).get("randomize")))
    task.reset(states, keys)
    goal = (options or {}).get("goal")
    if goal is not None:
        if not isinstance(task, GoalTask):
            raise ValueError(f"{task.name} has no goal")
        goals = np.asarray(goal, np.float32)
        space = _box(task.goal_low, task.goal_high)
        if not space.contains(goals):
            raise ValueError(
                f"{task.name}: a goal is {task.goal_size} numbers from {task.goal_low} to {task.goal_high}"
            )
        task.set_desired_goals(states, np.broadcast_to(goals, (len(states), task.goal_size)))
    return {name: states[:, parameter.column].copy() for name, parameter in task.parameters.items()}


def _ranges(task: Task, asked: Any) -> Mapping[str, tuple[float, float]] | None:
    """The ranges that the option "randomize" stands for."""
    if asked is None or asked is False:
        return None
    if asked is True:
        return {name: (parameter.low, parameter.high) for name, parameter in task.parameters.items()}
    if not isinstance(asked, Mapping):
        raise ValueError(f"{task.name}: randomize is True, or a dictionary of ranges: {{name: (low, high)}}")
    return {name: (float(low), float(high)) for name, (low, high) in asked.items()}


def observed(task: Task, states: RowArray) -> FloatArray | dict[str, FloatArray]:
    """What agents are given of `states` [n, S]: float32 [n, O], or a dictionary of these with the goals."""
    observation = task.observations(states)
    if not isinstance(task, GoalTask):
        return observation
    return {
        "observation": observation,
        "achieved_goal": task.achieved_goals(states),
        "desired_goal": task.desired_goals(states),
    }


def success_info(task: Task, states: RowArray) -> dict[str, BoolArray]:
    """[n] under the two names by which others look for it: Stable-Baselines3, and Gymnasium's and MetaWorld's users."""
    successes = task.successes(states)
    return {"is_success": successes, "success": successes.copy()}


def checked_actions(task: Task, action: Any) -> FloatArray:
    """`action` as float32 [A]; raises ValueError where it has another shape or is not finite."""
    actions = np.asarray(action, np.float32)
    if actions.shape != (task.action_size,) or not np.isfinite(actions).all():
        raise ValueError(f"an action of {task.name} is {task.action_size} finite numbers: {action!r} is not")
    return actions


def checked_row(task: Task, state: Any) -> StateRow:
    """`state` as float64 [S]; raises ValueError where it has another shape."""
    row = np.asarray(state, np.float64)
    if row.shape != (task.state_size,):
        raise ValueError(f"a state of {task.name} is a row of {task.state_size} numbers")
    return row


def _box(low: tuple[float, ...], high: tuple[float, ...]) -> spaces.Box:
    return spaces.Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)
