"""Made-up batches, and learners small enough for them, for the tests of learning."""

from __future__ import annotations

import numpy as np

from games.base import Game
from games.board.tic_tac_toe import TicTacToe
from rl.learning.learner import Learner, LearnerConfig
from rl.network.model import NetworkConfig
from rl.replay.window import Batch

SMALL_NETWORK = NetworkConfig(blocks=1, channels=8, policy_channels=4, value_channels=4, value_hidden=8)


def make_batch(game: Game, seed: int, size: int = 16) -> Batch:
    """Boards of coin tosses; what is best to play and who wins can be read off the first plane."""
    random = np.random.default_rng(seed)
    observations = random.integers(0, 2, (size, *game.observation_shape)).astype(np.float32)
    legal = random.random((size, game.num_actions)) < 0.7
    legal[:, -1] = True
    weights = np.where(legal, random.random((size, game.num_actions)) + 0.1, 0)
    outcome = np.eye(3, dtype=np.float32)[2 * observations[:, 0, 0, 0].astype(int)]
    policy = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    replies = random.permutation(policy)
    replies[0] = 0
    returns, ages = outcome[:, 0] - outcome[:, 2], np.zeros(size, np.int64)
    return Batch(observations, legal, policy, outcome, returns, replies, 0.5 * returns, ages)


def make_learner(game: Game | None = None, seed: int = 1, *, num_threads: int = 1, **settings: object) -> Learner:
    config = LearnerConfig(**{"warmup_steps": 2, "precision": "float32", **settings})  # type: ignore[arg-type]
    return Learner(game or TicTacToe(), SMALL_NETWORK, config, seed, num_threads=num_threads)
