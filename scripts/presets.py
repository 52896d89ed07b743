"""How a game is trained when nothing else is said: by its size, and by how much time there is for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from games.base import Game
from games.simulated import SimulatedGame
from rl.learning.learner import LearnerConfig
from rl.network.model import NetworkConfig
from rl.replay.window import WindowConfig
from rl.selfplay.lockstep import SelfplayConfig
from rl.train.config import EvaluationConfig, LimitsConfig, TrainConfig
from scripts.robot_presets import robot_preset

Budget = Literal["quick", "laptop", "gpu"]
BUDGETS: tuple[Budget, ...] = get_args(Budget)

SMALL, MEDIUM = 100, 1000
"""Bounds of `_size`: tic-tac-toe and Connect Four on 5x4 are small, Connect Four is of medium size."""


def preset(game: Game, budget: Budget) -> TrainConfig:
    """The settings for a game of this size; where a budget has none of its own, those of `quick`."""
    if isinstance(game, SimulatedGame):
        return robot_preset(game)
    if _size(game) <= SMALL:
        return _SMALL
    if _size(game) <= MEDIUM:
        return _MEDIUM[budget]
    return _large(game, budget)


_SMALL = TrainConfig(
    network=NetworkConfig(blocks=2, channels=32),
    selfplay=SelfplayConfig(games_per_worker=128, simulations=32),
    window=WindowConfig(min_positions=10_000),
    first_targets=500,
    limits=LimitsConfig(minutes=1.25),
    evaluation=EvaluationConfig(seconds=40.0, rollouts=(100,)),
)

# Half of the openings stay near good play, which a perfect player keeps to. Detours have later positions vary as well:
# docs/training.md compares runs, and says what single ones cannot show.
_MEDIUM_SELFPLAY = SelfplayConfig(first_simulations=24, simulations=96, opening_policy_share=0.5, detour_share=0.2)

_MEDIUM: dict[Budget, TrainConfig] = {
    "quick": TrainConfig(limits=LimitsConfig(minutes=18.0)),
    # As many games as the quick run plays in 18 minutes; three times the simulations for each position, and each
    # position learnt from three times as often, take most of the hour. rl/agents/connect_four.md has what comes of it.
    "laptop": TrainConfig(
        samples_per_target=6.0,
        selfplay=_MEDIUM_SELFPLAY,
        evaluation=EvaluationConfig(seconds=600.0),
        limits=LimitsConfig(minutes=60.0, games=40_000),
    ),
    # The laptop's with as many boards and rows as keep a GPU busy, and a network twice as wide. Not run on one yet.
    "gpu": TrainConfig(
        samples_per_target=6.0,
        network=NetworkConfig(blocks=6, channels=128),
        selfplay=replace(_MEDIUM_SELFPLAY, games_per_worker=2048),
        learner=LearnerConfig(batch_size=1024),
        evaluation=EvaluationConfig(seconds=60.0),
        limits=LimitsConfig(minutes=20.0),
    ),
}


_LAPTOP_MINUTES = {"othello": 120.0, "hex": 90.0, "gomoku": 45.0}
"""By family: how long a large game is trained for on a laptop. The others have four hours."""
_LAPTOP_SEARCHES = {"gomoku": (24, 4.0)}
"""By family: (simulations of a search, samples of its position), where rl/agents has a card that says what they bring.
The others have what is set where nothing else is said."""


def _large(game: Game, budget: Budget) -> TrainConfig:
    if budget == "quick":
        return TrainConfig(limits=LimitsConfig(minutes=480.0))
    # As KataGo does it (Wu 2019, arXiv 1902.10565): openings drawn from the policy, decided games ended quickly,
    # ownership and score learnt where there is a score. Not compared with runs without them yet.
    plain = TrainConfig()
    simulations, samples = _LAPTOP_SEARCHES.get(game.family, (plain.selfplay.simulations, plain.samples_per_target))
    selfplay = SelfplayConfig(
        games_per_worker=128,
        simulations=simulations,
        fast_simulations=4,
        opening_policy_share=0.75,
        decided_value=0.9,
    )
    laptop = TrainConfig(
        samples_per_target=samples,
        network=NetworkConfig(score_heads=game.is_scored),
        selfplay=selfplay,
        evaluation=EvaluationConfig(seconds=900.0, rollouts=(1000,)),
        limits=LimitsConfig(minutes=_LAPTOP_MINUTES.get(game.family, 240.0)),
    )
    if budget == "laptop":
        return laptop
    # KataGo's second network size, 10 blocks of 128 channels (Wu 2019). Not run on a GPU yet.
    return replace(
        laptop,
        network=NetworkConfig(score_heads=game.is_scored, blocks=10, channels=128),
        selfplay=replace(selfplay, games_per_worker=1024, simulations=32),
        learner=LearnerConfig(batch_size=512),
        evaluation=EvaluationConfig(seconds=600.0, rollouts=(1000,)),
    )


def _size(game: Game) -> int:
    return game.max_num_moves * game.num_slots
