"""What a policy head proposes as the slots of a leaf: all legal actions, or a sample of a continuous policy.

Sampled actions are the search of Hubert et al. 2021, "Learning and planning in complex action spaces": K samples from a
proposal beta are the slots, with the prior logit log pi - log beta.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from games.base import FloatArray, HashArray, IndexArray, StateArray
from games.compiled import inlined, njit
from rl.search.random import normal, random_bits, uniform

ActionArray = npt.NDArray[Any]
"""[n, ...] of the game's action_dtype."""

LARGEST_ACTION = 0.9999
"""Numbers of an action are cut to this size: at 1 a Gaussian before tanh has no density."""
_PEAK_ITERATIONS = 16
_UNIFORM = 0x756E69  # "uni": apart from the normal variates


class Proposals(NamedTuple):
    """The slots of n leaves."""

    actions: ActionArray
    """[n, A, ...]"""
    prior_logits: FloatArray
    """[n, A] log pi - log beta, or the logits themselves where all legal actions are proposed."""
    num_slots: IndexArray
    """[n] slots in use, the first ones; at least 1."""


class Proposer(Protocol):
    """Turns what a policy head says into slots."""

    def propose(self, states: StateArray, outputs: FloatArray, keys: HashArray) -> Proposals:
        """Slots for `states` [n] from the head's `outputs` [n, num_outputs], random numbers from `keys` [n]."""
        ...

    def sample(self, outputs: FloatArray, keys: HashArray) -> ActionArray:
        """One action [n, ...] a row, drawn from the policy that the head's `outputs` [n, num_outputs] describe."""
        ...


@inlined
def _cut(number: float) -> float:
    return min(max(number, -LARGEST_ACTION), LARGEST_ACTION)


@njit
def propose_gaussian(
    outputs: FloatArray, keys: HashArray, num_uniform: int, actions: FloatArray, prior_logits: FloatArray
) -> None:
    """Write K samples a row into `actions` [n, K, D] and log pi - log beta of each into `prior_logits` [n, K].

    `outputs` [n, 2 * D] are means and logarithms of deviations before tanh. The last `num_uniform` samples are uniform
    in the box, the others come from pi; beta is their mixture.
    """
    num_rows, num_samples, size = actions.shape
    share = num_uniform / num_samples
    log_own, constant = math.log(max(1.0 - share, 1e-30)), 0.5 * math.log(2.0 * math.pi)
    log_even = math.log(max(share, 1e-30)) - size * math.log(2.0)
    for row in range(num_rows):
        key = keys[row]
        uniform_key = random_bits(key, np.uint64(_UNIFORM))
        for sample in range(num_samples):
            log_density = 0.0
            for index in range(size):
                mean, log_deviation = float(outputs[row, index]), float(outputs[row, size + index])
                place = sample * size + index
                if sample < num_samples - num_uniform:
                    score = normal(key, np.uint64(2 * place))
                    action = _cut(math.tanh(mean + math.exp(log_deviation) * score))
                else:
                    action = _cut(2.0 * uniform(uniform_key, np.uint64(place)) - 1.0)
                    score = (math.atanh(action) - mean) * math.exp(-log_deviation)
                log_density -= 0.5 * score * score + log_deviation + constant + math.log1p(-action * action)
                actions[row, sample, index] = action
            # log of 1 / (own share + uniform density / pi)
            own, even = log_own, log_even - log_density
            largest = max(own, even)
            prior_logits[row, sample] = -largest - math.log(math.exp(own - largest) + math.exp(even - largest))


class GaussianProposer:
    """K actions of D numbers in [-1, 1], three quarters of them from the policy and the others uniform in the box.

    The policy is a Gaussian before tanh (`rl.network.vector.GaussianHead`). What it holds for impossible is then
    proposed all the same, so that a search can find what the policy has forgotten.
    """

    def __init__(self, num_samples: int, action_size: int, uniform_share: float = 0.25) -> None:
        if num_samples < 1 or action_size < 1 or not 0 <= uniform_share < 1:
            raise ValueError("num_samples and action_size are at least 1, uniform_share is from 0 to below 1")
        self.num_samples, self.action_size = num_samples, action_size
        self.num_uniform = int(uniform_share * num_samples)

    def propose(self, states: StateArray, outputs: FloatArray, keys: HashArray) -> Proposals:
        return self._draw(outputs, keys, self.num_samples, self.num_uniform)

    def log_proposals(self, outputs: FloatArray, actions: FloatArray) -> FloatArray:
        """[n, K] log beta of `actions` [n, K, D]: the density with which they are proposed for `outputs` [n, 2 * D]."""
        share = self.num_uniform / self.num_samples
        own = log_density(outputs, actions) + math.log1p(-share)
        return own if share == 0.0 else np.logaddexp(own, math.log(share) - self.action_size * math.log(2.0))

    def sample(self, outputs: FloatArray, keys: HashArray) -> ActionArray:
        return self._draw(outputs, keys, 1, 0).actions[:, 0]

    def _draw(self, outputs: FloatArray, keys: HashArray, num_samples: int, num_uniform: int) -> Proposals:
        actions = np.empty((len(keys), num_samples, self.action_size), np.float32)
        logits = np.empty((len(keys), num_samples), np.float32)
        propose_gaussian(np.ascontiguousarray(outputs), keys, num_uniform, actions, logits)
        return Proposals(actions, logits, np.full(len(keys), num_samples))


def log_density(outputs: FloatArray, actions: FloatArray) -> FloatArray:
    """[n, K] log pi of `actions` [n, K, D] under the policies that `outputs` [n, 2 * D] describe."""
    means, log_deviations = np.split(outputs[:, None], 2, axis=2)
    cut = np.clip(actions, -LARGEST_ACTION, LARGEST_ACTION)
    scores = (np.arctanh(cut) - means) * np.exp(-log_deviations)
    terms = 0.5 * scores * scores + log_deviations + 0.5 * math.log(2.0 * math.pi) + np.log1p(-cut * cut)
    densities: FloatArray = -terms.sum(2)
    return densities


def mode_of(outputs: FloatArray) -> FloatArray:
    """[n, D] the likeliest action of each policy that `outputs` [n, 2 * D] describe: the policy without chance.

    The density of tanh(u), u normal with mean m and deviation s, peaks where u = m + 2 s**2 tanh(u), which is iterated
    from m on. That is further out than tanh(m): a wide policy has learnt which way, and not yet how far.
    """
    means, log_deviations = np.split(outputs.astype(np.float64), 2, axis=1)
    doubled_variances, inner = 2.0 * np.exp(2.0 * log_deviations), means
    for _ in range(_PEAK_ITERATIONS):
        inner = means + doubled_variances * np.tanh(inner)
    return np.tanh(inner).astype(np.float32)
