"""Arithmetic of single numbers that several robots share, inside kernels."""

from __future__ import annotations

import math

from games.compiled import inlined


@inlined
def clip(value: float, low: float, high: float) -> float:
    """`value`, or the end of [low, high] that it lies beyond."""
    return min(max(value, low), high)


@inlined
def wrap_angle(angle: float) -> float:
    """The same direction in [-pi, pi]."""
    return angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))


@inlined
def turned(cosine: float, sine: float, angle: float) -> tuple[float, float]:
    """Cosine and sine of an angle, given by its own, plus another `angle` (rad) that is small: the error is about
    angle**8 / 40000, so 3e-13 for 0.1. A quarter of the time of `math.cos` and `math.sin`."""
    square = angle * angle
    c = 1.0 - square * (1.0 / 2.0 - square * (1.0 / 24.0 - square / 720.0))
    s = angle * (1.0 - square * (1.0 / 6.0 - square * (1.0 / 120.0 - square / 5040.0)))
    return cosine * c - sine * s, sine * c + cosine * s


@inlined
def between(low: float, high: float, share: float) -> float:
    """The number that lies `share` of the way from `low` to `high`."""
    return low + (high - low) * share
