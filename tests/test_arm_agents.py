"""The agents that ship for the arms do what their cards say."""

from __future__ import annotations

import numpy as np
import pytest

import games
from games.simulated import SimulatedGame
from rl.agents import shipped_agent
from rl.train.episodes import play_episodes, policy_actor, search_actor
from scripts.agents import load_evaluator
from scripts.presets import preset

_KEYS = np.arange(7000, 7006, dtype=np.uint64)
"""None of the episodes that the cards tell of."""


@pytest.mark.plain_only  # the search's kernels would be compiled for every game here
@pytest.mark.parametrize(("name", "searches", "least"), [("arm_reach", False, 6), ("arm_push", True, 4)])
def test_the_arms_agents_do_their_tasks(name: str, searches: bool, least: int) -> None:
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    path = shipped_agent(game)
    assert path is not None and path.with_suffix(".md").is_file()
    evaluator = load_evaluator(game, path, len(_KEYS))
    actor = policy_actor(game, evaluator)
    if searches:
        actor = search_actor(game, evaluator, preset(game, "quick").selfplay.search, 16, len(_KEYS))
    assert play_episodes(game, actor, _KEYS).successes.sum() >= least
