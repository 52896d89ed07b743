"""Robot tasks: what can be moved. `import games.robots` registers them with Gymnasium as `keima/NAME-v0`.

A task is a class of `games.robots.task`, which acts on batches of state rows; the environments for one or many are made
of it. `make("planar_reach")` gives the task alone, as a search wants it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium

from games.robots.task import Task


class _Entry(NamedTuple):
    title: str
    """The name in Gymnasium's registry, and of the classes in the module."""
    max_episode_steps: int
    has_goal: bool = False
    """Whether there is a twin with dense rewards, `titleDense-v0`."""


_TASKS = {
    "planar_reach": _Entry("PlanarReach", 50, has_goal=True),
    "cart_pole_swing_up": _Entry("CartPoleSwingUp", 250),
    "quadrotor_2d_hover": _Entry("Quadrotor2DHover", 150, has_goal=True),
    "diff_drive_park": _Entry("DiffDrivePark", 100, has_goal=True),
    "arm_reach": _Entry("ArmReach", 50, has_goal=True),
    "arm_push": _Entry("ArmPush", 50, has_goal=True),
    "arm_pick_place": _Entry("ArmPickPlace", 50, has_goal=True),
    "quadruped_walk": _Entry("QuadrupedWalk", 500),
    "air_hockey": _Entry("AirHockey", 500),
}


class UnknownTask(ValueError):
    """No task has this name. One line, for people."""


def names() -> tuple[str, ...]:
    """The tasks by the names that `make` takes; each is a module of this package."""
    return tuple(_TASKS)


def make(name: str, **options: Any) -> Task:
    """The task called `name` with its options (`dense=True`). Raises UnknownTask when there is none."""
    if name not in _TASKS:
        raise UnknownTask(f"unknown task {name!r}: the tasks are {', '.join(_TASKS)}")
    task: Task = getattr(importlib.import_module(f"games.robots.{name}"), _TASKS[name].title)(**options)
    return task


class Environment(NamedTuple):
    """What stands behind an id in Gymnasium's registry."""

    task: str
    options: Mapping[str, Any]
    """Of the task."""


def _environments() -> dict[str, Environment]:
    found = {}
    for name, entry in _TASKS.items():
        found[f"keima/{entry.title}-v0"] = Environment(name, {})
        if entry.has_goal:
            found[f"keima/{entry.title}Dense-v0"] = Environment(name, {"dense": True})
    return found


ENVIRONMENTS: Mapping[str, Environment] = _environments()
"""By the ids that `gymnasium.make` takes: each task, and the twin of each goal task whose rewards are dense."""


def _register() -> None:
    for name, environment in ENVIRONMENTS.items():
        entry = _TASKS[environment.task]
        gymnasium.register(
            name,
            entry_point=f"games.robots.{environment.task}:{entry.title}Env",
            vector_entry_point=f"games.robots.{environment.task}:{entry.title}VectorEnv",
            max_episode_steps=entry.max_episode_steps,
            kwargs=dict(environment.options),
        )


_register()
