"""A planar arm of two links, each a uniform rod, that moves in the horizontal plane: its physics, inside kernels.

The manipulator equation M(q) q'' + C(q, q') q' = torque as Murray, Li and Sastry write it for this arm ("A Mathematical
Introduction to Robotic Manipulation", 1994, section 4.2.3), with three numbers for its mass:

    M = [alpha + 2 beta cos q2   delta + beta cos q2]     C q' = beta sin q2 [-q2' (2 q1' + q2')]
        [delta + beta cos q2     elbow              ]                        [q1'^2             ]

Without rotors elbow is delta; the inertia of a motor's rotor, as the joint feels it, adds to the diagonal alone.

Angles are counter-clockwise: q1 from the x axis to the first link, q2 from the first link to the second. Each joint
has a velocity servo, a motor with the torque gain * (wanted velocity - velocity). The second joint has a hard stop on
either side, which takes its velocity away and no more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from games.compiled import inlined
from games.robots.scalars import clip, turned


class Mass(NamedTuple):
    """What the manipulator equation has to know of an arm, in kg m^2."""

    alpha: float
    beta: float
    delta: float
    elbow: float


class Motion(NamedTuple):
    """Joint angles (rad) and velocities (rad/s) of an arm."""

    angle_1: float
    angle_2: float
    velocity_1: float
    velocity_2: float


class Servo(NamedTuple):
    """What the motors do during a time step: torque = gain * (target - velocity), in N m, N m s/rad and rad/s."""

    gain_1: float
    gain_2: float
    target_1: float
    target_2: float


@inlined
def mass_of(
    lengths: tuple[float, float], masses: tuple[float, float], payload: float, rotors: tuple[float, float]
) -> Mass:
    """Of two uniform rods (m, kg) with a point mass `payload` (kg) at the tip, and `rotors` (kg m^2)."""
    length_1, length_2 = lengths
    mass_1, mass_2 = masses
    carried = mass_2 + payload
    delta = (mass_2 / 3.0 + payload) * length_2 * length_2
    beta = length_1 * length_2 * (0.5 * mass_2 + payload)
    alpha = (mass_1 / 3.0 + carried) * length_1 * length_1 + delta + rotors[0]
    return Mass(alpha, beta, delta, delta + rotors[1])


@inlined
def _accelerations(
    mass: Mass, servo: Servo, bend: tuple[float, float], velocity_1: float, velocity_2: float
) -> tuple[float, float]:
    """q'' from the manipulator equation; `bend` is (cos q2, sin q2)."""
    coupling, turning = mass.beta * bend[0], mass.beta * bend[1]
    m11, m12, m22 = mass.alpha + 2.0 * coupling, mass.delta + coupling, mass.elbow
    force_1 = servo.gain_1 * (servo.target_1 - velocity_1) + turning * velocity_2 * (2.0 * velocity_1 + velocity_2)
    force_2 = servo.gain_2 * (servo.target_2 - velocity_2) - turning * velocity_1 * velocity_1
    scale = 1.0 / (m11 * m22 - m12 * m12)
    return (m22 * force_1 - m12 * force_2) * scale, (m11 * force_2 - m12 * force_1) * scale


@inlined
def advance_arm(mass: Mass, servo: Servo, motion: Motion, seconds: float) -> Motion:
    """The motion `seconds` later, without stops: one step of the classical fourth-order Runge-Kutta method."""
    half = 0.5 * seconds
    p1, p2, v1, v2 = motion.angle_1, motion.angle_2, motion.velocity_1, motion.velocity_2
    cosine, sine = math.cos(p2), math.sin(p2)
    a1, a2 = _accelerations(mass, servo, (cosine, sine), v1, v2)
    v1b, v2b = v1 + half * a1, v2 + half * a2
    b1, b2 = _accelerations(mass, servo, turned(cosine, sine, half * v2), v1b, v2b)
    v1c, v2c = v1 + half * b1, v2 + half * b2
    c1, c2 = _accelerations(mass, servo, turned(cosine, sine, half * v2b), v1c, v2c)
    v1d, v2d = v1 + seconds * c1, v2 + seconds * c2
    d1, d2 = _accelerations(mass, servo, turned(cosine, sine, seconds * v2c), v1d, v2d)
    sixth = seconds / 6.0
    return Motion(
        p1 + sixth * (v1 + 2.0 * v1b + 2.0 * v1c + v1d),
        p2 + sixth * (v2 + 2.0 * v2b + 2.0 * v2c + v2d),
        v1 + sixth * (a1 + 2.0 * b1 + 2.0 * c1 + d1),
        v2 + sixth * (a2 + 2.0 * b2 + 2.0 * c2 + d2),
    )


@inlined
def stopped(mass: Mass, motion: Motion, limit_2: float, velocity_limit: float) -> Motion:
    """The motion after the second joint's stops at -limit_2 and limit_2, and within the velocity limit.

    The stop's impulse acts on the second joint alone, so the momentum of the first, M11 q1' + M12 q2', stays.
    """
    p1, p2, v1, v2 = motion.angle_1, motion.angle_2, motion.velocity_1, motion.velocity_2
    if abs(p2) > limit_2:
        p2 = math.copysign(limit_2, p2)
        if p2 * v2 > 0.0:
            coupling = mass.beta * math.cos(p2)
            v1 += v2 * (mass.delta + coupling) / (mass.alpha + 2.0 * coupling)
            v2 = 0.0
    return Motion(p1, p2, clip(v1, -velocity_limit, velocity_limit), clip(v2, -velocity_limit, velocity_limit))


@inlined
def tip_of(length_1: float, length_2: float, angle_1: float, angle_2: float) -> tuple[float, float]:
    """Where the tip is (m), seen from the first joint."""
    sum_of_angles = angle_1 + angle_2
    return (
        length_1 * math.cos(angle_1) + length_2 * math.cos(sum_of_angles),
        length_1 * math.sin(angle_1) + length_2 * math.sin(sum_of_angles),
    )


@inlined
def reach_angles(length_1: float, length_2: float, x: float, y: float, bend: float) -> tuple[float, float]:
    """Joint angles that bring the tip to (x, y), or as near as the links allow; the elbow bends to the side of `bend`'s
    sign (Spong, Hutchinson and Vidyasagar 2006, "Robot Modeling and Control", section 1.4)."""
    square = x * x + y * y
    cosine = clip((square - length_1 * length_1 - length_2 * length_2) / (2.0 * length_1 * length_2), -1.0, 1.0)
    angle_2 = math.copysign(math.acos(cosine), bend)
    angle_1 = math.atan2(y, x) - math.atan2(length_2 * math.sin(angle_2), length_1 + length_2 * cosine)
    return angle_1, angle_2
