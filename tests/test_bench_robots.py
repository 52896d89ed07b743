"""`keima bench robots`: what each kind of physics is held to, and how much of it is stepped."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import games
from games.robots.arm_reach import ArmReach
from games.robots.planar_reach import PlanarReach
from rl.network.agent_file import save_agent
from rl.network.kinds import make_network
from rl.network.vector import VectorConfig
from scripts.bench.robots import RobotsBench, measure


def test_mujocos_tasks_have_their_own_rate_and_make_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    stepped = dict.fromkeys(("arm_reach", "planar_reach"), 0)
    for kind in (ArmReach, PlanarReach):
        step = kind.step

        def counted(task: Any, states: Any, actions: Any, step: Any = step) -> Any:
            stepped[task.name] += len(states)
            return step(task, states, actions)

        monkeypatch.setattr(kind, "step", counted)
    command = RobotsBench(tasks=tuple(stepped), rows=4, steps=1000, episodes=1, repeats=1)
    figures = measure(command).figures
    goals = {figure.name: figure.goal for figure in figures if figure.clock == "wall"}
    assert goals == {"arm_reach": 5e3, "planar_reach": 1e6}
    whole_episodes = 2 * 50
    assert stepped["planar_reach"] == 2 * 1000 + whole_episodes  # the warm-up and the repeat
    assert stepped["arm_reach"] == 2 * 20 + whole_episodes
    assert [(figure.name, figure.values) for figure in figures if figure.unit == "warnings"] == [("arm_reach", (0.0,))]
    assert all(np.isfinite(figure.values).all() for figure in figures)


def test_mujocos_warnings_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def warned(task: Any, states: Any, actions: Any) -> Any:
        warnings.warn(f"{task.name}: MuJoCo warned 1 times in a step", RuntimeWarning, stacklevel=1)
        return np.zeros(len(states), np.float32), np.zeros(len(states), np.bool_)

    monkeypatch.setattr(ArmReach, "step", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = measure(RobotsBench(tasks=("arm_reach",), rows=4, steps=1000, episodes=1, repeats=1))
    counted = next(figure for figure in report.figures if figure.unit == "warnings")
    assert counted.median == 2 * 1000 // 50 // 4 and counted.met is False


@pytest.mark.plain_only
def test_what_was_learnt_is_scored_with_and_without_a_search(tmp_path: Path) -> None:
    game = games.make("planar_reach")
    agent = tmp_path / "planar_reach.safetensors"
    save_agent(agent, make_network(game, VectorConfig(layers=1, width=8), 0), game, {})
    command = RobotsBench(
        tasks=("planar_reach",), rows=1, steps=1, episodes=2, repeats=1, agents=(agent,), simulations=3
    )
    units = {figure.name: len(figure.values) for figure in measure(command).figures if figure.unit == "return"}
    assert units == dict.fromkeys((f"planar_reach, {how}" for how in ("random", "scripted")), 2) | {
        "planar_reach, learned": 2,
        "planar_reach, learned, 3 simulations": 2,
    }
