"""Looking one step ahead: what to do in states that no search has seen, and what they are worth.

The actions of a state are proposed as in the search, each is played once, and the network values what comes of it. That
is a search of as many simulations as there are slots: its policy is the softmax of the completed values as at a Gumbel
root (`rl.search.roots`), its value the expectation of that policy.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from games.base import FloatArray, HashArray, StateArray
from games.simulated import SimulatedGame
from rl.network.device import Precision
from rl.network.vector import VectorNetwork
from rl.network.vector_device import VectorDevice
from rl.replay.episode_batch import Followed, Successors
from rl.search.kernels import Settings
from rl.search.proposals import GaussianProposer, log_density
from rl.search.simulator import state_values

Reference = Literal["policy", "proposals"]
_PLAYED = -1
"""The slot that what was played is tried in: one of those that are drawn evenly."""
_LARGEST_LOG_RATIO = 3.0
"""One action may count so much more, or less, than the policy that proposed it had it: 20 times."""


class Findings(NamedTuple):
    """What is found of n states."""

    actions: FloatArray
    """[n, K, D] the actions that were tried."""
    policy: FloatArray
    """[n, K] their weights, summing to 1, or to less where they say less."""
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
        reference: Reference = "policy",
    ) -> None:
        """`settings` are those of the searches that play; `network` is one like those that will be asked; `reference`
        is for `recall`."""
        self._reference = reference
        self._game, self._settings, self._device = game, settings, device
        self._proposer = GaussianProposer(game.num_slots, game.action_size)
        dtype = torch.float32 if precision == "float32" else None
        self._evaluating = VectorDevice(network.shape, network.config, network.state_dict(), 1, device, dtype=dtype)

    def look(
        self,
        network: VectorNetwork,
        states: StateArray,
        observations: FloatArray,
        keys: HashArray,
        followed: Followed,
    ) -> Findings:
        """From `states` [n], which are seen as `observations` [n, O, 1, 1]; random numbers from `keys` [n]. Those of
        `followed` try what was played there too, in the place of one of the proposals."""
        game, count, num_slots = self._game, len(states), self._game.num_slots
        self._evaluating.load(network.state_dict())
        with torch.inference_mode():
            outputs = self._evaluating.evaluate(self._moved(observations))[0].cpu().numpy()
        actions, prior_logits, _ = self._proposer.propose(states, outputs, keys)
        self._take_played(followed, outputs, actions, prior_logits)
        following = np.repeat(states, num_slots)
        rewards, terminated = game.step_batch(following, actions.reshape(count * num_slots, -1))
        later, ends = np.split(self._values(np.concatenate((following, followed.states))), [len(following)])
        later = np.where(terminated, np.float32(0), later)
        returns = (rewards + np.float32(game.discount) * later).reshape(count, num_slots)
        returns[followed.rows, _PLAYED] = np.maximum(
            returns[followed.rows, _PLAYED], followed.rewards + followed.discounts * ends
        )
        policy = _softmax(prior_logits + self._sigma(returns))
        return Findings(actions, policy, (policy * returns).sum(1).astype(np.float32))

    def _take_played(
        self, followed: Followed, outputs: FloatArray, actions: FloatArray, prior_logits: FloatArray
    ) -> None:
        """Write what was played into `actions` [n, K, D], where one of the uniform samples was, and its prior logit as
        that of any sample into `prior_logits` [n, K]."""
        played, outputs = followed.actions[:, None], outputs[followed.rows]
        actions[followed.rows, _PLAYED] = followed.actions
        logits = log_density(outputs, played) - self._proposer.log_proposals(outputs, played)
        prior_logits[followed.rows, _PLAYED] = logits[:, 0]

    def _values(self, states: StateArray) -> FloatArray:
        """[n] what the network holds of `states` [n]."""
        game = self._game
        seen = np.empty((len(states), game.rows_per_state, *game.observation_shape), np.float32)
        game.observe_batch(states, seen)
        with torch.inference_mode():
            values = self._evaluating.evaluate(self._moved(seen.reshape(-1, *game.observation_shape)))[1]
        return state_values(game, values.cpu().numpy())

    def recall(self, network: VectorNetwork, observations: FloatArray, known: Successors) -> Findings:
        """From what is known to come of m states, seen as `observations` [m, O, 1, 1], none of it by actions that the
        newest policy proposed.

        The policy's weights are those of a search whose slots these actions are, with log pi - log beta as their prior
        logits where the policy is the `reference`; where it would hardly have proposed any of them, they say little of
        it, and sum to less than 1. With the proposals as the reference they are the exponentials of the values alone,
        as in advantage-weighted regression (Peng et al. 2019, arXiv 1910.00177).

        The value does not ask who proposed: it is the better part of what is known to be possible, as steps have no
        chance (Park et al. 2023, arXiv 2307.11949, learn values without actions likewise).
        """
        self._evaluating.load(network.state_dict())
        with torch.inference_mode():
            outputs = self._evaluating.evaluate(self._moved(observations))[0].cpu().numpy()
            seen = known.observations.reshape(-1, *self._game.observation_shape)
            values = self._evaluating.evaluate(self._moved(seen))[1].cpu().numpy().reshape(known.rewards.shape)
        later = np.where(known.terminated, np.float32(0), values).astype(np.float32)
        returns = known.rewards + np.float32(self._game.discount) * later
        lowest = np.where(known.known, returns, np.inf).min(1, keepdims=True)
        sigma = np.where(known.known, self._sigma(np.where(known.known, returns, lowest)), -np.inf)
        better = _softmax(sigma)
        values = (better * returns).sum(1).astype(np.float32)
        if self._reference == "proposals":
            return Findings(known.actions, better, values)
        ratios = log_density(outputs, known.actions) - known.log_proposals
        ratios = np.clip(ratios, -_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO)
        mass = np.where(known.known, np.exp(ratios), 0.0).sum(1, keepdims=True)  # 1 a slot where the policy proposed
        said = np.minimum(1.0, mass / known.known.sum(1, keepdims=True)).astype(np.float32)
        return Findings(known.actions, said * _softmax(ratios + sigma), values)

    def _sigma(self, returns: FloatArray) -> npt.NDArray[np.float64]:
        """[n, K] sigma of the values, normalised by their range in each row, every action having one visit."""
        low, high = returns.min(1, keepdims=True), returns.max(1, keepdims=True)
        least = max(self._settings.least_range, 1e-9)
        scale = (self._settings.c_visit + 1.0) * self._settings.c_scale
        scaled: npt.NDArray[np.float64] = scale * (returns - low) / np.maximum(high - low, least)
        return scaled

    def _moved(self, observations: FloatArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(observations)).flatten(1).to(self._device)


def _softmax(logits: npt.NDArray[np.floating[Any]]) -> FloatArray:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    shares: FloatArray = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return shares
