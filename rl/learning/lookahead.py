"""Looking one step ahead: what to do in states that no search has seen, and what they are worth.

The actions of a state are proposed as in the search, each is played once, and the network values what comes of it. That
is a search of as many simulations as there are slots: its policy is the softmax of the completed values as at a Gumbel
root (`rl.search.roots`), its value the expectation of that policy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from games.base import FloatArray, HashArray, SimulatedGame, StateArray
from rl.network.device import Precision
from rl.network.vector import VectorNetwork
from rl.network.vector_device import VectorDevice
from rl.search.kernels import Settings
from rl.search.proposals import GaussianProposer
from rl.search.simulator import state_values


class Findings(NamedTuple):
    """What is found of n states."""

    actions: FloatArray
    """[n, K, D] the actions that were tried."""
    policy: FloatArray
    """[n, K] their weights, summing to 1."""
    values: FloatArray
    """[n] the states' values."""


class Lookahead:
    """Looks ahead in one game."""

    def __init__(
        self,
        game: SimulatedGame,
        settings: Settings,
        network: VectorNetwork,
        device: torch.device,
        precision: Precision,
    ) -> None:
        """`settings` are those of the searches that play; `network` is one like those that will be asked."""
        self._game, self._settings, self._device = game, settings, device
        self._proposer = GaussianProposer(game.num_slots, game.action_size)
        dtype = torch.float32 if precision == "float32" else None
        self._evaluating = VectorDevice(network.shape, network.config, network.state_dict(), 1, device, dtype=dtype)

    def look(self, network: VectorNetwork, states: StateArray, observations: FloatArray, keys: HashArray) -> Findings:
        """From `states` [n], which are seen as `observations` [n, O, 1, 1]; random numbers from `keys` [n]."""
        game, count, num_slots = self._game, len(states), self._game.num_slots
        self._evaluating.load(network.state_dict())
        with torch.inference_mode():
            outputs = self._evaluating.evaluate(self._moved(observations))[0].cpu().numpy()
        proposals = self._proposer.propose(states, outputs, keys)
        following = np.repeat(states, num_slots)
        rewards, terminated = game.step_batch(following, proposals.actions.reshape(count * num_slots, -1))
        seen = np.empty((len(following), game.rows_per_state, *game.observation_shape), np.float32)
        game.observe_batch(following, seen)
        with torch.inference_mode():
            values = self._evaluating.evaluate(self._moved(seen.reshape(-1, *game.observation_shape)))[1]
        later = np.where(terminated, np.float32(0), state_values(game, values.cpu().numpy())).astype(np.float32)
        returns = (rewards + np.float32(game.discount) * later).reshape(count, num_slots)
        policy = _softmax(proposals.prior_logits + self._sigma(returns))
        return Findings(proposals.actions, policy, (policy * returns).sum(1).astype(np.float32))

    def _sigma(self, returns: FloatArray) -> npt.NDArray[np.float64]:
        """[n, K] sigma of the values, normalised by their range in each row, every action having one visit."""
        low, high = returns.min(1, keepdims=True), returns.max(1, keepdims=True)
        scale = (self._settings.c_visit + 1.0) * self._settings.c_scale
        scaled: npt.NDArray[np.float64] = scale * (returns - low) / np.maximum(high - low, 1e-9)
        return scaled

    def _moved(self, observations: FloatArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(observations)).flatten(1).to(self._device)


def _softmax(logits: npt.NDArray[np.floating[Any]]) -> FloatArray:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    shares: FloatArray = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return shares
