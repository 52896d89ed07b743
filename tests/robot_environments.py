"""The robot environments that contract tests run over."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import games.robots
from games.robots import rendering
from games.robots.environment import GoalEnv, TaskEnv
from games.robots.task import SpatialTask, Task

IDS = tuple(games.robots.ENVIRONMENTS)
TASKS = games.robots.names()


def make(name: str, **options: Any) -> TaskEnv:
    env = gymnasium.make(name, **options).unwrapped
    assert isinstance(env, TaskEnv)
    return env


GOAL_IDS = [name for name in IDS if isinstance(make(name), GoalEnv)]


def actions_of(task: Task, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, task.action_size)).astype(np.float32)


def can_be_drawn(task: str) -> bool:
    """Whether there are pictures of a task on this machine: those of MuJoCo's models want OpenGL."""
    return not isinstance(games.robots.make(task), SpatialTask) or rendering.library() is not None


def needs_pictures(task: str) -> None:
    """Skip a test where there are none."""
    if not can_be_drawn(task):
        pytest.skip("neither EGL nor OSMesa draws here: on Debian, apt-get install libegl1 libgl1-mesa-dri")
