"""What a policy head proposes as the slots of a leaf: all legal actions, or a sample of a continuous policy.

Sampled actions are the search of Hubert et al. 2021, "Learning and planning in complex action spaces": K samples from a
proposal beta are the slots, with the prior logit log pi - log beta.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from games.base import FloatArray, HashArray, IndexArray, StateArray
from games.compiled import njit
from rl.search.random import normal

ActionArray = npt.NDArray[Any]
"""[n, ...] of the game's action_dtype."""


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


@njit
def draw_normals(keys: HashArray, out: npt.NDArray[np.float64]) -> None:
    """Standard normal variates into `out` [n, K, D]; each row's are a function of its key."""
    _, num_samples, size = out.shape
    for row in range(keys.size):
        for sample in range(num_samples):
            for index in range(size):
                out[row, sample, index] = normal(keys[row], np.uint64(2 * (sample * size + index)))


class GaussianProposer:
    """K actions of D numbers for a head whose outputs are D means and D logarithms of standard deviations.

    With z standard normal, samples mean + spread * deviation * z come from a beta that is `spread` times as wide as pi,
    so log pi - log beta is the sum over D of log(spread) + (1 - spread**2) / 2 * z**2.
    """

    def __init__(self, num_samples: int, action_size: int, spread: float = 1.0) -> None:
        if num_samples < 1 or action_size < 1 or spread <= 0:
            raise ValueError("num_samples and action_size are at least 1, spread is above 0")
        self.num_samples, self.action_size, self.spread = num_samples, action_size, spread

    def propose(self, states: StateArray, outputs: FloatArray, keys: HashArray) -> Proposals:
        normals, actions = self._draw(outputs, keys, self.num_samples, self.spread)
        logits = (np.log(self.spread) + 0.5 * (1.0 - self.spread**2) * normals**2).sum(axis=-1)
        return Proposals(actions, logits.astype(np.float32), np.full(len(keys), self.num_samples))

    def sample(self, outputs: FloatArray, keys: HashArray) -> ActionArray:
        return self._draw(outputs, keys, 1, 1.0)[1][:, 0]

    def _draw(
        self, outputs: FloatArray, keys: HashArray, num_samples: int, spread: float
    ) -> tuple[npt.NDArray[np.float64], FloatArray]:
        """(standard normals, actions), both [n, num_samples, D]."""
        normals = np.empty((len(keys), num_samples, self.action_size))
        draw_normals(keys, normals)
        means, log_deviations = outputs[:, None, : self.action_size], outputs[:, None, self.action_size :]
        return normals, (means + spread * np.exp(log_deviations) * normals).astype(np.float32)
