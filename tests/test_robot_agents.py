"""The agents that ship for robots: found by the task's name, and as good as their pages say, by the policy alone."""

from __future__ import annotations

import numpy as np
import pytest

import games
from games.simulated import SimulatedGame
from rl.train.episodes import play_episodes, policy_actor
from scripts.agents import find_agent, load_evaluator

_EPISODES = 40
# None of those that the pages tell of. The bounds leave room for chance: three standard errors.
_KEYS = np.arange(5000, 5000 + _EPISODES, dtype=np.uint64)


@pytest.mark.parametrize(
    ("name", "least_return", "least_success"),
    [
        ("pendulum", -220.0, None),
        ("planar_reach", -30.0, 0.75),
        ("cart_pole_swing_up", 190.0, 0.85),
        ("quadrotor_2d_hover", -60.0, 0.85),
        ("diff_drive_park", -60.0, 0.7),
    ],
)
def test_a_robot_s_agent_ships(name: str, least_return: float, least_success: float | None) -> None:
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    path = find_agent(game, None)
    assert path is not None and path.with_suffix(".md").is_file()
    actor = policy_actor(game, load_evaluator(game, path, _EPISODES, backend="torch"))
    played = play_episodes(game, actor, _KEYS)
    assert played.returns.mean() > least_return
    if least_success is not None:
        assert played.successes.mean() > least_success
