"""A trot of four legs: where the feet go, and the joint angles that bring them there.

Legs are front left, front right, rear left, rear right; each has an abduction joint about x, a hip about y and a knee
about y. At angles of zero a leg hangs straight down. x is forward, y to the left, z up. Inside kernels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from games.compiled import inlined
from games.robots.scalars import clip

NUM_LEGS = 4
HIP_X, HIP_Y = 0.18, 0.06  # m from the trunk's middle to the abduction joints
SHOULDER = 0.08  # m from an abduction joint sideways to the leg
LIMB = 0.2  # m, of the thigh and of the shank
STANDING = 2.0 * LIMB * math.cos(0.75)  # m from the hips down to the feet at rest

_PERIOD = 0.32  # s of a trot's cycle: two legs are on the floor for the first half, the other two for the second
_LIFT = 0.055  # m that a foot is lifted
_GAIN = 1.7  # the speed of the feet on the floor, of the wanted one: the motors lag behind, and feet slip
_HASTE = 0.25  # of the speed that is missing, added to it
_PLACING = 0.1  # s: feet stand further ahead by so much of the speed that is too high
_STEADYING = 0.025  # s of the trunk's rolling and pitching, given to the legs' lengths


class Motion(NamedTuple):
    """How a trunk moves, or has to: seen along its own axes."""

    forward: float
    """m/s"""
    left: float
    """m/s"""
    turn: float
    """rad/s about z"""
    rolling: float
    """rad/s about x"""
    pitching: float
    """rad/s about y"""


@inlined
def trot_foot(leg: int, seconds: float, wanted: Motion, seen: Motion) -> tuple[float, float, float]:
    """Where the foot of a leg has to be `seconds` after the start, from the leg's abduction joint in m.

    The gait is open loop but for the place of the feet (Raibert, "Legged robots that balance", 1986), their speed on
    the floor, and the lengths of the legs, which slow the trunk's rolling and pitching.
    """
    side_x = HIP_X if leg < 2 else -HIP_X
    side_y = HIP_Y + SHOULDER if leg % 2 == 0 else -HIP_Y - SHOULDER
    cycle = seconds / _PERIOD + (0.0 if leg in (0, 3) else 0.5)
    phase = 2.0 * (cycle - math.floor(cycle))
    # Phases below 1: a foot on the floor goes from ahead of the hip to as far behind. Then it comes back in the air.
    ahead = 1.0 - 2.0 * phase if phase < 1.0 else -math.cos(math.pi * (phase - 1.0))
    raised = 0.0 if phase < 1.0 else _LIFT * math.sin(math.pi * (phase - 1.0))
    too_fast, too_left = seen.forward - wanted.forward, seen.left - wanted.left
    turn = _GAIN * wanted.turn - _HASTE * (seen.turn - wanted.turn)
    reach = 0.25 * _PERIOD * ahead
    x = reach * (_GAIN * wanted.forward - _HASTE * too_fast - turn * side_y) + _PLACING * too_fast
    y = reach * (_GAIN * wanted.left - _HASTE * too_left + turn * side_x) + _PLACING * too_left
    length = STANDING + _STEADYING * (side_x * seen.pitching - side_y * seen.rolling)
    return x, y + math.copysign(SHOULDER, side_y), raised - length


@inlined
def leg_angles(leg: int, x: float, y: float, z: float) -> tuple[float, float, float]:
    """(abduction, hip, knee) in rad that bring a foot to a place, in m from the leg's abduction joint, or near it where
    it is out of reach."""
    shoulder = SHOULDER if leg % 2 == 0 else -SHOULDER
    drop = math.sqrt(max(y * y + z * z - shoulder * shoulder, 1e-6))  # m from the hip down, in the leg's plane
    abduction = math.atan2(z, y) - math.atan2(-drop, shoulder)
    straight = clip(math.hypot(x, drop), 0.1 * LIMB, 2.0 * LIMB)
    knee = -2.0 * math.acos(straight / (2.0 * LIMB))
    return abduction, math.atan2(-x, drop) - 0.5 * knee, knee
