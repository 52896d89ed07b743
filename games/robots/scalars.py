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
    """The same direction in [-pi, pi)."""
    return angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))


@inlined
def between(low: float, high: float, share: float) -> float:
    """The number that lies `share` of the way from `low` to `high`."""
    return low + (high - low) * share
