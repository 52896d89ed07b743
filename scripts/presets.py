"""How a game is trained when nothing else is said: by its size, and by how much time there is for it."""

from __future__ import annotations

from typing import Literal, get_args

from games.base import Game
from rl.network.model import NetworkConfig
from rl.replay.window import WindowConfig
from rl.selfplay.lockstep import SelfplayConfig
from rl.train.config import EvaluationConfig, LimitsConfig, TrainConfig

Budget = Literal["quick", "laptop"]
BUDGETS: tuple[Budget, ...] = get_args(Budget)

SMALL, MEDIUM = 100, 1000
"""Bounds of `_size`: tic-tac-toe and Connect Four on 5x4 are small, Connect Four is of medium size."""


def preset(game: Game, budget: Budget) -> TrainConfig:
    """The settings for a game of this size; where a budget has none of its own, those of `quick`."""
    if _size(game) <= SMALL:
        return TrainConfig(
            network=NetworkConfig(blocks=2, channels=32),
            selfplay=SelfplayConfig(games_per_worker=128, simulations=32),
            window=WindowConfig(min_positions=10_000),
            first_targets=500,
            limits=LimitsConfig(minutes=1.25),
            evaluation=EvaluationConfig(seconds=40.0, rollouts=(100,)),
        )
    if _size(game) <= MEDIUM and budget == "laptop":
        # As many games as the quick run plays in 18 minutes; three times the simulations for each position, and each
        # position learnt from three times as often, take the hour. Half of the openings stay near good play, which a
        # perfect player keeps to. rl/agents/connect_four.md has what comes of it.
        return TrainConfig(
            samples_per_target=6.0,
            selfplay=SelfplayConfig(simulations=64, opening_policy_share=0.5),
            evaluation=EvaluationConfig(seconds=400.0),
            limits=LimitsConfig(minutes=60.0, games=40_000),
        )
    if _size(game) <= MEDIUM:
        return TrainConfig(limits=LimitsConfig(minutes=18.0))
    if budget == "laptop":
        # As KataGo does it (Wu 2019, arXiv 1902.10565): openings drawn from the policy, decided games ended quickly,
        # ownership and score learnt where there is a score. None of it has been measured here yet.
        return TrainConfig(
            network=NetworkConfig(score_heads=game.is_scored),
            selfplay=SelfplayConfig(
                games_per_worker=128, fast_simulations=4, opening_policy_share=0.75, decided_value=0.9
            ),
            evaluation=EvaluationConfig(seconds=900.0, rollouts=(1000,)),
            limits=LimitsConfig(minutes=240.0),
        )
    return TrainConfig(limits=LimitsConfig(minutes=480.0))


def _size(game: Game) -> int:
    return game.max_num_moves * game.num_slots
