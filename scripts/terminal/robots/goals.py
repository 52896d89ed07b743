"""Goals as people set and read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from games.base import FloatArray
from games.goals import GoalNumber, GoalSetting
from rl.protocols.moves import BadRequest

_LEAST = 5e-3
"""What is less is written as 0."""


def stepped(setting: GoalSetting, goal: FloatArray, way: int, times: int) -> FloatArray:
    """[G] a goal after so many presses of the key of one of the setting's `steps`; less than 0 go back."""
    return _kept(setting, goal + times * np.array(setting.steps[way], np.float32))


def placed(setting: GoalSetting, goal: FloatArray, place: tuple[float, float]) -> FloatArray:
    """[G] a goal brought to a place of the picture, in metres."""
    moved = goal.copy()
    moved[:2] = place
    return _kept(setting, moved)


def typed(setting: GoalSetting, text: str) -> FloatArray:
    """[G] the goal that a person has written. Raises BadRequest where it is none; what lies beyond the bounds is
    brought to them."""
    words = text.replace(",", " ").split()
    asked = " ".join(number.name for number in setting.numbers)
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != len(setting.numbers) or not all(map(math.isfinite, numbers)):
        example = " ".join(f"{0.5 * (number.low + number.high):.4g}" for number in setting.numbers)
        raise BadRequest(f"a goal is {len(setting.numbers)} numbers, {asked}: goal {example}")
    return _kept(setting, np.array(numbers, np.float32))


def _kept(setting: GoalSetting, goal: FloatArray) -> FloatArray:
    """Within its bounds; angles go round."""
    low, high = (np.array([getattr(number, end) for number in setting.numbers]) for end in ("low", "high"))
    angles = np.array([number.unit == "rad" for number in setting.numbers])
    turned = (goal + math.pi) % (2.0 * math.pi) - math.pi
    found: FloatArray = np.where(angles, turned, np.clip(goal, low, high)).astype(np.float32)
    return found


def goal_text(setting: GoalSetting, goal: Sequence[float]) -> str:
    """A goal in words: metres, and degrees."""
    return " ".join(
        f"{number.name} {_amount(number, value)}" for number, value in zip(setting.numbers, goal, strict=True)
    )


def distance(setting: GoalSetting, achieved: FloatArray, desired: FloatArray) -> float:
    """How far apart two goals [G] are, in m; what is an angle is left out."""
    metres = [number.unit == "m" for number in setting.numbers]
    return float(np.linalg.norm((desired - achieved)[metres]))


def turn(setting: GoalSetting, achieved: FloatArray, desired: FloatArray) -> float | None:
    """By how much, in degrees, the angles of two goals [G] differ at most; None where they have none."""
    angles = np.array([number.unit == "rad" for number in setting.numbers])
    if not angles.any():
        return None
    missing = ((desired - achieved)[angles] + math.pi) % (2.0 * math.pi) - math.pi
    return float(np.degrees(np.abs(missing).max()))


def _amount(number: GoalNumber, value: float) -> str:
    if number.unit == "rad":
        return f"{math.degrees(value):.0f}°"
    return f"{value if abs(value) >= _LEAST else 0.0:.2f}"
