"""OpenSpiel's Python AlphaZero: its tree search, its evaluator with a cache, and its network, one game at a time."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyspiel
from flax import nnx
from open_spiel.python.algorithms import mcts
from open_spiel.python.algorithms.alpha_zero.evaluator import AlphaZeroEvaluator

from scripts.bench.peers.contenders import Stretch, Work, rounds

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says which of its two networks it is
    from open_spiel.python.algorithms.alpha_zero import model_nnx

_SAMPLED_PLIES = 10
"""So many moves of a game are drawn by visits, the others are the most visited."""
_UCT_C, _NOISE_SHARE, _NOISE_ALPHA = 1.41, 0.25, 1.0
"""OpenSpiel's own defaults for AlphaZero."""


class OpenSpielPlayer:
    """Self-play as its actors do it. `compiled` puts one compiled function in place of its network's inference."""

    def __init__(self, work: Work, *, compiled: bool) -> None:
        self._game = pyspiel.load_game("connect_four")
        self._simulations = work.simulations
        self._random = np.random.RandomState(work.seed % 2**32)
        make = CompiledModel if compiled else _its_model
        self._evaluator = AlphaZeroEvaluator(self._game, make(self._game, work))
        self._bot = mcts.MCTSBot(
            self._game,
            _UCT_C,
            work.simulations,
            self._evaluator,
            solve=False,
            random_state=self._random,
            child_selection_fn=mcts.SearchNode.puct_value,
            dirichlet_noise=(_NOISE_SHARE, _NOISE_ALPHA),
            dont_return_chance_node=True,
        )
        self._state = self._game.new_initial_state()

    def play(self, seconds: float) -> Stretch:
        """One move at least."""
        stretch = Stretch()
        asked = self._evaluator.cache_info().misses
        for _ in rounds(seconds):
            self._state.apply_action(self._column(self._bot.mcts_search(self._state)))
            stretch.moves += 1
            stretch.simulations += self._simulations
            if self._state.is_terminal():
                stretch.games.append(self._state.history())
                self._state = self._game.new_initial_state()
        stretch.evaluations = self._evaluator.cache_info().misses - asked
        return stretch

    def _column(self, root: Any) -> int:
        if self._state.move_number() >= _SAMPLED_PLIES:
            return int(root.best_child().action)
        visits = np.array([child.explore_count for child in root.children], float)
        return int(self._random.choice([child.action for child in root.children], p=visits / visits.sum()))


def _its_model(game: Any, work: Work) -> Any:
    """OpenSpiel's network as its training makes it; the optimiser's numbers mean nothing here."""
    return model_nnx.Model.build_model(
        "resnet",
        game.observation_tensor_shape(),
        game.num_distinct_actions(),
        work.channels,
        work.blocks,
        weight_decay=1e-4,
        learning_rate=1e-3,
        path=None,
        seed=work.seed % 2**31,
    )


class CompiledModel:
    """The same network with its inference compiled once, and its answers as NumPy arrays.

    It is given the planes as the last axis: by itself it takes [planes, rows, columns] for [rows, columns, channels].
    """

    def __init__(self, game: Any, work: Work) -> None:
        planes, rows, columns = game.observation_tensor_shape()
        network = model_nnx.AlphaZeroModel(
            "resnet",
            (rows, columns, planes),
            game.num_distinct_actions(),
            work.channels,
            work.blocks,
            seed=work.seed % 2**31,
        )
        network.eval()
        definition, self._weights = nnx.split(network)

        def predict(weights: Any, observation: Any, legal: Any) -> tuple[Any, Any]:
            board = observation.reshape(planes, rows, columns).transpose(1, 2, 0)
            logits, value = nnx.merge(definition, weights)(board)
            return value, jax.nn.softmax(jnp.where(legal, logits, jnp.finfo(jnp.float32).min))

        self._predict = jax.jit(predict)

    def inference(self, observation: Any, legals_mask: Any) -> tuple[float, Any]:
        """(value for the player to move, [7] priors); what `AlphaZeroEvaluator` asks of a model."""
        value, policy = self._predict(self._weights, np.float32(observation), np.asarray(legals_mask, np.bool_))
        return float(value), np.asarray(policy)
