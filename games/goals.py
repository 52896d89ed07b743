"""How people set the goal of a simulated game."""

from __future__ import annotations

from typing import NamedTuple


class GoalNumber(NamedTuple):
    """One of the numbers of a goal."""

    name: str
    unit: str
    """"m", or "rad" for an angle from -pi to pi, which goes round."""
    low: float
    """People set it no lower."""
    high: float
    """Nor higher."""


class GoalSetting(NamedTuple):
    """How a person sets the goal of a simulated game."""

    numbers: tuple[GoalNumber, ...]
    """[G]"""
    steps: tuple[tuple[float, ...], ...]
    """[2 or 3, G] what a press of a key adds to a goal: to the right in the picture, up or away in it, and, where there
    is a third way (height, or a turn to the left), that."""
