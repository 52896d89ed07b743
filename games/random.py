"""A counter-based generator: random numbers as a pure function of (key, counter).

No state is carried, so a game plays the same whichever worker, batch or restart plays it. The mixing function is the
finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
"""

from __future__ import annotations

import math

import numpy as np

from games.compiled import inlined


@inlined
def mix(bits: np.uint64) -> np.uint64:
    """SplitMix64's finaliser, a bijection of uint64."""
    bits = np.uint64(bits)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@inlined
def random_bits(key: np.uint64, counter: np.uint64) -> np.uint64:
    """64 random bits for a (key, counter) pair."""
    return mix(mix(np.uint64(key)) + (np.uint64(counter) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


@inlined
def uniform(key: np.uint64, counter: np.uint64) -> float:
    """A float64 in [0, 1) with 53 random bits."""
    return float(random_bits(key, counter) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inlined
def below(bits: np.uint64, bound: int) -> int:
    """An int in [0, bound) from 64 random bits, `bound` < 2**32 (Lemire 2019, "Fast random integer generation")."""
    return int(((bits >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


@inlined
def normal(key: np.uint64, counter: np.uint64) -> float:
    """A standard normal variate from this counter and the next (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(key, counter)))
    return radius * math.cos(2.0 * math.pi * uniform(key, counter + np.uint64(1)))
