"""mctx's Gumbel MuZero over pgx's Connect Four: games in lock-step, search and network in one compiled function."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import mctx
import numpy as np
import pgx

from scripts.bench.peers.contenders import Stretch, Work, rounds

_PLANES, _ROWS, _COLUMNS = 2, 6, 7
_POLICY_PLANES, _VALUE_PLANES = 2, 1
"""Of the heads' 1x1 convolutions (Silver et al. 2017)."""


class MctxPlayer:
    """B games in lock-step: one call searches and plays a move of each; a game that ends begins anew at once."""

    def __init__(self, work: Work) -> None:
        self._size, self._simulations = work.lockstep, work.simulations
        self._environment = pgx.make("connect_four")
        weights_key, start_key, self._key = jax.random.split(jax.random.key(work.seed), 3)
        self._weights = random_weights(weights_key, work.blocks, work.channels, jnp.dtype(work.precision))
        self._states = jax.vmap(self._environment.init)(jax.random.split(start_key, self._size))
        self._move = jax.jit(self._searched_move)
        self._columns: list[list[int]] = [[] for _ in range(self._size)]

    def play(self, seconds: float) -> Stretch:
        """One move of every game at least."""
        stretch = Stretch()
        for _ in rounds(seconds):
            self._key, key = jax.random.split(self._key)
            self._states, columns, ended = self._move(self._weights, key, self._states)
            for line, column, over in zip(self._columns, columns.tolist(), ended.tolist(), strict=True):
                line.append(column)
                if over:
                    stretch.games.append(line.copy())
                    line.clear()
            stretch.moves += self._size
        stretch.simulations = stretch.evaluations = stretch.moves * self._simulations
        return stretch

    def _searched_move(self, weights: Any, key: Any, states: Any) -> tuple[Any, Any, Any]:
        """(states after the move, [B] columns played, [B] whether that ended the game)."""
        search_key, start_key = jax.random.split(key)
        logits, values = evaluate(weights, states)
        found = mctx.gumbel_muzero_policy(
            weights,
            search_key,
            mctx.RootFnOutput(prior_logits=logits, value=values, embedding=states),
            self._expand,
            num_simulations=self._simulations - 1,  # as Keima counts: the root's evaluation is the first
            invalid_actions=~states.legal_action_mask,
        )
        after = jax.vmap(self._environment.step)(states, found.action)
        fresh = jax.vmap(self._environment.init)(jax.random.split(start_key, self._size))

        def renewed(new: Any, old: Any) -> Any:
            return jnp.where(after.terminated.reshape(-1, *[1] * (old.ndim - 1)), new, old)

        return jax.tree.map(renewed, fresh, after), found.action, after.terminated

    def _expand(self, weights: Any, key: Any, actions: Any, states: Any) -> tuple[Any, Any]:
        """mctx's recurrent function: the model is the game itself."""
        after = jax.vmap(self._environment.step)(states, actions)
        logits, values = evaluate(weights, after)
        output = mctx.RecurrentFnOutput(
            reward=jnp.take_along_axis(after.rewards, states.current_player[:, None], 1)[:, 0],
            discount=jnp.where(after.terminated, 0.0, -1.0),  # what follows is the opponent's
            prior_logits=logits,
            value=jnp.where(after.terminated, 0.0, values),
        )
        return output, after


def random_weights(key: Any, blocks: int, channels: int, dtype: Any) -> dict[str, Any]:
    """(kernel, bias) of every layer of a residual network, as batch norm leaves them once it is folded in."""
    keys = iter(jax.random.split(key, 2 * blocks + 6))

    def layer(*shape: int) -> tuple[Any, Any]:
        deviation = (2.0 / np.prod(shape[:-1])) ** 0.5
        return (jax.random.normal(next(keys), shape) * deviation).astype(dtype), jnp.zeros(shape[-1], dtype)

    cells = _ROWS * _COLUMNS
    return {
        "stem": layer(3, 3, _PLANES, channels),
        "blocks": [(layer(3, 3, channels, channels), layer(3, 3, channels, channels)) for _ in range(blocks)],
        "policy": (layer(1, 1, channels, _POLICY_PLANES), layer(cells * _POLICY_PLANES, _COLUMNS)),
        "value": (layer(1, 1, channels, _VALUE_PLANES), layer(cells * _VALUE_PLANES, channels), layer(channels, 1)),
    }


def evaluate(weights: dict[str, Any], states: Any) -> tuple[Any, Any]:
    """([B, 7] logits with full columns masked, [B] values for the player to move), float32, of B pgx states."""
    planes = states.observation.astype(weights["stem"][0].dtype)  # [B, 6, 7, 2]
    features = _rectified(planes, weights["stem"])
    for first, second in weights["blocks"]:
        features = jax.nn.relu(features + _convolved(_rectified(features, first), second))
    convolution, (kernel, bias) = weights["policy"]
    logits = (_flat(_rectified(features, convolution)) @ kernel + bias).astype(jnp.float32)
    convolution, (kernel, bias), (last_kernel, last_bias) = weights["value"]
    hidden = jax.nn.relu(_flat(_rectified(features, convolution)) @ kernel + bias)
    values = jnp.tanh((hidden @ last_kernel + last_bias)[:, 0].astype(jnp.float32))
    return jnp.where(states.legal_action_mask, logits, jnp.finfo(jnp.float32).min), values


def _convolved(features: Any, layer: tuple[Any, Any]) -> Any:
    """[B, H, W, C] to [B, H, W, out]: with the channels last, XLA's convolution is fastest on a CPU."""
    kernel, bias = layer
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(features, kernel, (1, 1), "SAME", dimension_numbers=layout) + bias


def _rectified(features: Any, layer: tuple[Any, Any]) -> Any:
    return jax.nn.relu(_convolved(features, layer))


def _flat(features: Any) -> Any:
    return features.reshape(len(features), -1)
