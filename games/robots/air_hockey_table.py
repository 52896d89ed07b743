"""The table of AirHockey: two arms with mallets, one puck; its physics, inside kernels.

The table's middle is the origin, x points from player 0's end to player 1's. Each arm stands behind its own end, and
all that concerns an arm is worked out in its own frame, whose origin is its first joint and whose x axis points at the
other end: player 1's frame is player 0's turned by 180 degrees about the middle, so both play the same game.

Puck and mallets are discs without friction or spin. An impact is an impulse along the line of centres, with Newton's
restitution; the arm feels it through the mass that it has in that direction, 1 / (n' J inv(M) J' n) (Featherstone 2008,
"Rigid Body Dynamics Algorithms", section 11.7). A mallet cannot leave its half: an edge acts on it as an impact does,
without a rebound. Between impacts the puck is slowed by the drag of the air cushion, in proportion to its speed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from games.base import BoolArray, FloatArray
from games.compiled import inlined, njit
from games.robots.arm import Mass, Motion, Servo, advance_arm, mass_of, reach_angles, stopped
from games.robots.scalars import clip
from games.robots.task import RowArray

# Columns of a state row: for each arm rad, rad, rad/s, rad/s; the puck in m and m/s; who has scored, 1 player 0 and -1
# player 1; the puck's mass in kg, the restitution of impacts, the drag in 1/s.
ARM_0, ARM_1 = 0, 4
PUCK_X, PUCK_Y, PUCK_SPEED_X, PUCK_SPEED_Y, SCORE, PUCK_MASS, RESTITUTION, DRAG = range(8, 16)
NUM_COLUMNS = 16

LENGTH, WIDTH = 0.75, 0.4  # m, half of the table's
GOAL = 0.16  # m, half of the opening in either end
PUCK, MALLET = 0.04, 0.05  # m, radii
BASE = 0.85  # m from the middle to either arm's first joint
LINKS = 0.5, 0.45  # m
LINK_MASSES, MALLET_MASS = (1.0, 0.6), 0.1  # kg
ROTORS = 0.1, 0.04  # kg m^2
GAINS = 6.0, 1.8  # N m s/rad
ELBOW_LIMIT, JOINT_SPEED_LIMIT = 2.9, 8.0  # rad, rad/s
PUCK_SPEED_LIMIT = 5.0  # m/s, along and across
MALLET_SPEED = 2.0  # m/s, along and across, of a mallet that is told 1
RATE = 25  # Hz
SUBSTEPS = 4

# Where the mallet's middle may be, in the arm's frame.
NEAREST, FARTHEST, ASIDE = BASE - LENGTH + MALLET, BASE - MALLET, WIDTH - MALLET
SLACK = 0.002  # m that a mallet may stand beyond an edge
BRAKING = 10.0  # 1/s: towards an edge a mallet is told at most this times its distance from there


class Tip(NamedTuple):
    """The mallet in the arm's frame: its place (m), its velocity (m/s), and the second link as a vector (m), which with
    the place makes up the Jacobian [[-y, -link_y], [x, link_x]]."""

    x: float
    y: float
    speed_x: float
    speed_y: float
    link_x: float
    link_y: float


@inlined
def tip_of_motion(motion: Motion) -> Tip:
    """The mallet of an arm in motion."""
    first, both = motion.angle_1, motion.angle_1 + motion.angle_2
    link_x, link_y = LINKS[1] * math.cos(both), LINKS[1] * math.sin(both)
    x, y = LINKS[0] * math.cos(first) + link_x, LINKS[0] * math.sin(first) + link_y
    v1, v2 = motion.velocity_1, motion.velocity_2
    return Tip(x, y, -y * v1 - link_y * v2, x * v1 + link_x * v2, link_x, link_y)


@inlined
def arm_mass() -> Mass:
    """The mass numbers of either arm with its mallet."""
    return mass_of(LINKS, LINK_MASSES, MALLET_MASS, ROTORS)


@inlined
def _joint_speeds(tip: Tip, speed_x: float, speed_y: float) -> tuple[float, float]:
    """The joint velocities (rad/s) that give the mallet a velocity (m/s): the inverse of its Jacobian."""
    scale = 1.0 / (tip.x * tip.link_y - tip.y * tip.link_x)
    return (tip.link_x * speed_x + tip.link_y * speed_y) * scale, -(tip.x * speed_x + tip.y * speed_y) * scale


@inlined
def servo_for(motion: Motion, speed_x: float, speed_y: float) -> Servo:
    """The joint velocities that move the mallet at a velocity (m/s, the arm's frame) from where it is: slower towards
    the edges of its half, and both slower in the same proportion where a joint cannot turn that fast."""
    tip = tip_of_motion(motion)
    speed_x = clip(speed_x, BRAKING * (NEAREST - tip.x), BRAKING * (FARTHEST - tip.x))
    speed_y = clip(speed_y, BRAKING * (-ASIDE - tip.y), BRAKING * (ASIDE - tip.y))
    v1, v2 = _joint_speeds(tip, speed_x, speed_y)
    share = min(1.0, JOINT_SPEED_LIMIT / max(abs(v1), abs(v2), 1e-9))
    return Servo(GAINS[0], GAINS[1], share * v1, share * v2)


@inlined
def _response(mass: Mass, motion: Motion, tip: Tip, normal_x: float, normal_y: float) -> tuple[float, float, float]:
    """What an impulse of 1 N s on the mallet along a normal does: to both joints' velocities (rad/s), and to the
    mallet's along the normal (m/s)."""
    coupling = mass.beta * math.cos(motion.angle_2)
    m11, m12, m22 = mass.alpha + 2.0 * coupling, mass.delta + coupling, mass.elbow
    turn_1 = -tip.y * normal_x + tip.x * normal_y
    turn_2 = -tip.link_y * normal_x + tip.link_x * normal_y
    scale = 1.0 / (m11 * m22 - m12 * m12)
    w1, w2 = (m22 * turn_1 - m12 * turn_2) * scale, (m11 * turn_2 - m12 * turn_1) * scale
    return w1, w2, turn_1 * w1 + turn_2 * w2


@inlined
def _held_back(mass: Mass, motion: Motion, normal_x: float, normal_y: float, depth: float) -> Motion:
    """The motion of an arm whose mallet stands `depth` (m) beyond an edge: moved back, not going on outwards."""
    tip = tip_of_motion(motion)
    w1, w2, response = _response(mass, motion, tip, normal_x, normal_y)
    outwards = max(0.0, tip.speed_x * normal_x + tip.speed_y * normal_y)
    back, slower = depth / response, outwards / response
    return Motion(
        motion.angle_1 - back * w1,
        motion.angle_2 - back * w2,
        motion.velocity_1 - slower * w1,
        motion.velocity_2 - slower * w2,
    )


@inlined
def confined(mass: Mass, motion: Motion) -> tuple[Motion, Tip]:
    """The motion of an arm whose mallet keeps to its half of the table, and the mallet."""
    tip = tip_of_motion(motion)
    x, y = clip(tip.x, NEAREST, FARTHEST), clip(tip.y, -ASIDE, ASIDE)
    if x == tip.x and y == tip.y:
        return motion, tip
    if abs(tip.x - x) >= abs(tip.y - y):
        motion = _held_back(mass, motion, math.copysign(1.0, tip.x - x), 0.0, abs(tip.x - x))
    else:
        motion = _held_back(mass, motion, 0.0, math.copysign(1.0, tip.y - y), abs(tip.y - y))
    tip = tip_of_motion(motion)
    x, y = clip(tip.x, NEAREST, FARTHEST), clip(tip.y, -ASIDE, ASIDE)
    if abs(tip.x - x) + abs(tip.y - y) > SLACK:
        angle_1, angle_2 = reach_angles(LINKS[0], LINKS[1], x, y, motion.angle_2)
        motion = Motion(angle_1, angle_2, 0.0, 0.0)  # two edges at once stop it
        tip = tip_of_motion(motion)
    return motion, tip


class Disc(NamedTuple):
    """The puck in a frame: m and m/s."""

    x: float
    y: float
    speed_x: float
    speed_y: float


@inlined
def struck(
    mass: Mass, motion: Motion, tip: Tip, puck: Disc, puck_mass: float, restitution: float
) -> tuple[Motion, Disc]:
    """Arm and puck, in the arm's frame, after what happens where mallet and puck overlap: an impact if they approach;
    the puck is moved clear."""
    across_x, across_y = puck.x - tip.x, puck.y - tip.y
    square = across_x * across_x + across_y * across_y
    if square >= (PUCK + MALLET) ** 2 or square == 0.0:
        return motion, puck
    distance = math.sqrt(square)
    nx, ny = across_x / distance, across_y / distance
    x, y = tip.x + (PUCK + MALLET) * nx, tip.y + (PUCK + MALLET) * ny
    parting = (puck.speed_x - tip.speed_x) * nx + (puck.speed_y - tip.speed_y) * ny
    if parting >= 0.0:
        return motion, Disc(x, y, puck.speed_x, puck.speed_y)
    w1, w2, response = _response(mass, motion, tip, nx, ny)
    impulse = -(1.0 + restitution) * parting / (1.0 / puck_mass + response)
    return (
        Motion(motion.angle_1, motion.angle_2, motion.velocity_1 - impulse * w1, motion.velocity_2 - impulse * w2),
        Disc(x, y, puck.speed_x + impulse * nx / puck_mass, puck.speed_y + impulse * ny / puck_mass),
    )


@inlined
def bounced(puck: Disc, restitution: float) -> tuple[Disc, float]:
    """(the puck in the table's frame after the sides and the ends, who has scored): 1 where it is in player 1's goal,
    -1 where it is in player 0's, else 0."""
    x, y, speed_x, speed_y = puck.x, puck.y, puck.speed_x, puck.speed_y
    side, end = WIDTH - PUCK, LENGTH - PUCK
    if abs(y) > side:
        y = math.copysign(max(side - restitution * (abs(y) - side), 0.0), y)
        if y * speed_y > 0.0:
            speed_y = -restitution * speed_y
    if abs(x) > end:
        beyond = abs(x) - end
        crossing = y - speed_y * beyond / abs(speed_x) if x * speed_x > 0.0 else y
        if abs(crossing) <= GOAL - PUCK:
            return Disc(math.copysign(end, x), clip(crossing, -side, side), speed_x, speed_y), math.copysign(1.0, x)
        x = math.copysign(max(end - restitution * beyond, 0.0), x)
        if x * speed_x > 0.0:
            speed_x = -restitution * speed_x
    limit = PUCK_SPEED_LIMIT
    return Disc(x, y, clip(speed_x, -limit, limit), clip(speed_y, -limit, limit)), 0.0


@inlined
def drifted(puck: Disc, kept: float, way: float) -> Disc:
    """The puck a while later where nothing is in its way: it keeps a share `kept` of its velocity and makes `way` times
    its velocity (s) of distance."""
    return Disc(
        puck.x + way * puck.speed_x,
        puck.y + way * puck.speed_y,
        kept * puck.speed_x,
        kept * puck.speed_y,
    )


@inlined
def seen_from(side: float, puck: Disc) -> Disc:
    """The puck of the table's frame in the frame of the arm on a side (1 player 0's, -1 player 1's)."""
    return Disc(side * puck.x + BASE, side * puck.y, side * puck.speed_x, side * puck.speed_y)


@inlined
def on_table(side: float, puck: Disc) -> Disc:
    """The other way round."""
    return Disc(side * (puck.x - BASE), side * puck.y, side * puck.speed_x, side * puck.speed_y)


@njit
def step_rows(states: RowArray, actions: FloatArray, rewards: FloatArray, terminated: BoolArray) -> None:
    """One control period of `states` [n, 16] under `actions` [n, 4], player 0's and player 1's, each in its own frame;
    writes player 0's `rewards` [n] and whether there is a goal into `terminated` [n]. After a goal nothing moves."""
    seconds = 1.0 / (RATE * SUBSTEPS)
    mass = arm_mass()
    for row in range(len(states)):
        state = states[row]
        restitution, drag, puck_mass = state[RESTITUTION], state[DRAG], state[PUCK_MASS]
        puck = Disc(state[PUCK_X], state[PUCK_Y], state[PUCK_SPEED_X], state[PUCK_SPEED_Y])
        arm_0 = Motion(state[ARM_0], state[ARM_0 + 1], state[ARM_0 + 2], state[ARM_0 + 3])
        arm_1 = Motion(state[ARM_1], state[ARM_1 + 1], state[ARM_1 + 2], state[ARM_1 + 3])
        servo_0 = servo_for(arm_0, _told(actions[row, 0]), _told(actions[row, 1]))
        servo_1 = servo_for(arm_1, _told(actions[row, 2]), _told(actions[row, 3]))
        score = state[SCORE]
        kept = math.exp(-drag * seconds)
        way = (1.0 - kept) / drag
        for _ in range(SUBSTEPS):
            if score == 0.0:
                arm_0, tip_0 = confined(mass, _moved(mass, servo_0, arm_0, seconds))
                arm_1, tip_1 = confined(mass, _moved(mass, servo_1, arm_1, seconds))
                puck = drifted(puck, kept, way)
                arm_0, seen = struck(mass, arm_0, tip_0, seen_from(1.0, puck), puck_mass, restitution)
                puck = on_table(1.0, seen)
                arm_1, seen = struck(mass, arm_1, tip_1, seen_from(-1.0, puck), puck_mass, restitution)
                puck, score = bounced(on_table(-1.0, seen), restitution)
        for index in range(4):
            state[ARM_0 + index] = arm_0[index]
            state[ARM_1 + index] = arm_1[index]
            state[PUCK_X + index] = puck[index]
        rewards[row] = score - state[SCORE]
        state[SCORE] = score
        terminated[row] = score != 0.0


@inlined
def _told(action: float) -> float:
    """The mallet's wanted speed (m/s) that an action stands for."""
    return MALLET_SPEED * clip(float(action), -1.0, 1.0)


@inlined
def _moved(mass: Mass, servo: Servo, motion: Motion, seconds: float) -> Motion:
    return stopped(mass, advance_arm(mass, servo, motion, seconds), ELBOW_LIMIT, JOINT_SPEED_LIMIT)
