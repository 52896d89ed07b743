"""The robot environments that contract tests run over."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

import games.robots
from games.robots.environment import GoalEnv, TaskEnv
from games.robots.task import Task

IDS = tuple(games.robots.ENVIRONMENTS)
TASKS = games.robots.names()


def make(name: str, **options: Any) -> TaskEnv:
    env = gymnasium.make(name, **options).unwrapped
    assert isinstance(env, TaskEnv)
    return env


GOAL_IDS = [name for name in IDS if isinstance(make(name), GoalEnv)]


def actions_of(task: Task, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, task.action_size)).astype(np.float32)
