"""The counter-based generator of `games.random`, and the distributions that a search draws from besides."""

from __future__ import annotations

import math

import numpy as np

from games.base import FloatArray
from games.compiled import inlined, njit
from games.random import below, mix, normal, random_bits, uniform

__all__ = ["below", "dirichlet", "gumbel", "mix", "normal", "random_bits", "uniform"]


@inlined
def gumbel(key: np.uint64, counter: np.uint64) -> float:
    """A standard Gumbel variate."""
    return -math.log(-math.log(uniform(key, counter) + 1e-300) + 1e-300)


@njit
def dirichlet(key: np.uint64, concentration: float, out: FloatArray) -> None:
    """Fill `out` [k] with a symmetric Dirichlet variate.

    Gamma variates by Marsaglia and Tsang (2000); for a concentration below 1 by their boost, done in logarithms so that
    tiny concentrations do not underflow to all zeros.
    """
    shape = concentration + 1.0 if concentration < 1.0 else concentration
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    counter = np.uint64(0)
    largest = -math.inf
    for index in range(out.size):
        accepted = False
        log_gamma = 0.0
        while not accepted:
            variate = normal(key, counter)
            root = 1.0 + c * variate
            if root > 0.0:
                cube = root * root * root
                bound = 0.5 * variate * variate + d - d * cube + d * math.log(cube)
                accepted = math.log(1.0 - uniform(key, counter + np.uint64(2))) < bound
                log_gamma = math.log(d * cube)
            counter += np.uint64(3)
        if concentration < 1.0:
            log_gamma += math.log(1.0 - uniform(key, counter)) / concentration
            counter += np.uint64(1)
        out[index] = log_gamma
        largest = max(largest, log_gamma)
    total = 0.0
    for index in range(out.size):
        out[index] = math.exp(out[index] - largest)
        total += out[index]
    for index in range(out.size):
        out[index] /= total
