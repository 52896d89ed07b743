"""CartPoleSwingUp: a cart swings a hanging pole up and balances it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray
from games.compiled import inlined, njit
from games.random import uniform
from games.robots.environment import TaskEnv
from games.robots.scalars import between, clip, wrap_angle
from games.robots.task import Parameter, RowArray, Task
from games.robots.vector import TaskVectorEnv

if TYPE_CHECKING:
    from games.robots.drawing import Canvas

# Columns of a state row: m, m/s, rad, rad/s, a count of steps, then kg and m.
PLACE, SPEED, ANGLE, SPIN, UPRIGHT_STEPS, CART_MASS, POLE_MASS, HALF_LENGTH = range(8)

GRAVITY = 9.81  # m/s^2
TOP_FORCE = 10.0  # N
RAIL = 2.4  # m to either side
SPEED_LIMIT, SPIN_LIMIT = 20.0, 40.0  # m/s, rad/s
UPRIGHT = math.radians(12.0)  # as Barto, Sutton and Anderson have it
RATE = 25  # Hz
BALANCED_STEPS = 2 * RATE
SUBSTEPS = 4

# Of the script: state feedback that is optimal (LQR) for the nominal model near the top at this rate, with the costs
# 1, 0.1, 5 and 0.1 on the squares of place, speed, angle and spin, and 0.02 on that of the force.
_FEEDBACK = (-5.43, -6.74, -49.2, -12.4)


class Pose(NamedTuple):
    """Where the cart is (m, m/s), and the pole's angle from upright, towards positive places (rad, rad/s)."""

    place: float
    speed: float
    angle: float
    spin: float


class Body(NamedTuple):
    """Masses (kg) and half the pole's length (m)."""

    cart_mass: float
    pole_mass: float
    half_length: float


@inlined
def _accelerations(body: Body, force: float, angle: float, spin: float) -> tuple[float, float]:
    """(cart's m/s^2, pole's rad/s^2): equations 23 and 24 of Florian 2007 without friction."""
    total, sine, cosine = body.cart_mass + body.pole_mass, math.sin(angle), math.cos(angle)
    moment = body.pole_mass * body.half_length
    push = (force + moment * spin * spin * sine) / total
    turn = (GRAVITY * sine - cosine * push) / (
        body.half_length * (4.0 / 3.0 - body.pole_mass * cosine * cosine / total)
    )
    return push - moment * turn * cosine / total, turn


@inlined
def advance_pose(body: Body, force: float, pose: Pose, seconds: float) -> Pose:
    """The pose `seconds` later on an endless rail: one step of the classical fourth-order Runge-Kutta method."""
    half = 0.5 * seconds
    v1, w1 = pose.speed, pose.spin
    a1, b1 = _accelerations(body, force, pose.angle, w1)
    v2, w2 = v1 + half * a1, w1 + half * b1
    a2, b2 = _accelerations(body, force, pose.angle + half * w1, w2)
    v3, w3 = v1 + half * a2, w1 + half * b2
    a3, b3 = _accelerations(body, force, pose.angle + half * w2, w3)
    v4, w4 = v1 + seconds * a3, w1 + seconds * b3
    a4, b4 = _accelerations(body, force, pose.angle + seconds * w3, w4)
    sixth = seconds / 6.0
    return Pose(
        pose.place + sixth * (v1 + 2.0 * v2 + 2.0 * v3 + v4),
        v1 + sixth * (a1 + 2.0 * a2 + 2.0 * a3 + a4),
        pose.angle + sixth * (w1 + 2.0 * w2 + 2.0 * w3 + w4),
        w1 + sixth * (b1 + 2.0 * b2 + 2.0 * b3 + b4),
    )


@inlined
def buffered(body: Body, pose: Pose) -> Pose:
    """The pose after the buffers at the rail's ends, which take the cart's speed and nothing else: their impulse does
    not act on the pole's angle, whose momentum (4/3 m l^2 spin + m l cos(angle) speed) stays."""
    place, speed, spin = pose.place, pose.speed, pose.spin
    if abs(place) > RAIL:
        place = math.copysign(RAIL, place)
        if place * speed > 0.0:
            spin += 0.75 * math.cos(pose.angle) * speed / body.half_length
            speed = 0.0
    return Pose(place, clip(speed, -SPEED_LIMIT, SPEED_LIMIT), pose.angle, clip(spin, -SPIN_LIMIT, SPIN_LIMIT))


@inlined
def _reward(place: float, angle: float) -> float:
    """How upright the pole is, times how near the middle the cart is."""
    return 0.5 * (1.0 + math.cos(angle)) * (1.0 - 0.5 * (place / RAIL) ** 2)


@njit
def _step_rows(states: RowArray, actions: FloatArray, rewards: FloatArray) -> None:
    seconds = 1.0 / (RATE * SUBSTEPS)
    for row in range(len(states)):
        state = states[row]
        body = Body(state[CART_MASS], state[POLE_MASS], state[HALF_LENGTH])
        force = TOP_FORCE * clip(float(actions[row, 0]), -1.0, 1.0)
        pose = Pose(state[PLACE], state[SPEED], state[ANGLE], state[SPIN])
        for _ in range(SUBSTEPS):
            pose = buffered(body, advance_pose(body, force, pose, seconds))
        state[PLACE] = pose.place
        state[SPEED] = pose.speed
        state[ANGLE] = wrap_angle(pose.angle)
        state[SPIN] = pose.spin
        state[UPRIGHT_STEPS] = state[UPRIGHT_STEPS] + 1.0 if abs(state[ANGLE]) < UPRIGHT else 0.0
        rewards[row] = _reward(state[PLACE], state[ANGLE])


@njit
def _reset_rows(states: RowArray, keys: HashArray) -> None:
    for row in range(len(states)):
        state, key = states[row], keys[row]
        state[PLACE] = between(-0.5, 0.5, uniform(key, np.uint64(0)))
        state[SPEED] = 0.0
        state[ANGLE] = wrap_angle(math.pi + between(-0.1, 0.1, uniform(key, np.uint64(1))))
        state[SPIN] = between(-0.1, 0.1, uniform(key, np.uint64(2)))
        state[UPRIGHT_STEPS] = 0.0


@njit
def _observe_rows(states: RowArray, observations: FloatArray) -> None:
    for row in range(len(states)):
        state, seen = states[row], observations[row]
        seen[0] = state[PLACE]
        seen[1] = state[SPEED]
        seen[2] = math.cos(state[ANGLE])
        seen[3] = math.sin(state[ANGLE])
        seen[4] = state[SPIN]


@njit
def _scripted_rows(states: RowArray, actions: FloatArray) -> None:
    """Pump energy into the pole as Åström and Furuta do ("Swinging up a pendulum by energy control", 2000) until it is
    near the top, then balance it by state feedback."""
    for row in range(len(states)):
        state = states[row]
        place, speed, angle, spin = state[PLACE], state[SPEED], state[ANGLE], state[SPIN]
        if abs(angle) < 0.5 and abs(angle + 0.25 * spin) < 0.6:
            gain_1, gain_2, gain_3, gain_4 = _FEEDBACK
            force = -(gain_1 * place + gain_2 * speed + gain_3 * angle + gain_4 * spin)
        else:
            half_length = state[HALF_LENGTH]
            missing = 2.0 / 3.0 * half_length * spin * spin / GRAVITY + math.cos(angle) - 1.0
            pumping = clip(8.0 * missing, -1.0, 1.0) * math.copysign(TOP_FORCE, spin * math.cos(angle))
            force = pumping - 2.0 * place - 1.0 * speed
        actions[row, 0] = clip(force / TOP_FORCE, -1.0, 1.0)


class CartPoleSwingUp(Task):
    """The task on state rows; `CartPoleSwingUpEnv` tells its observations, actions and rewards."""

    name = "cart_pole_swing_up"
    state_size = 8
    action_size = 1
    observation_low = (-RAIL, -SPEED_LIMIT, -1.0, -1.0, -SPIN_LIMIT)
    observation_high = (RAIL, SPEED_LIMIT, 1.0, 1.0, SPIN_LIMIT)
    control_rate = RATE
    max_episode_steps = 250
    discount = 0.98
    value_range = (0.0, 50.0)
    parameters: ClassVar = {
        "cart_mass": Parameter(CART_MASS, 1.0, 0.8, 1.2, "kg"),
        "pole_mass": Parameter(POLE_MASS, 0.1, 0.05, 0.2, "kg"),
        "pole_half_length": Parameter(HALF_LENGTH, 0.5, 0.4, 0.6, "m"),
    }
    view = (-3.6, -1.3, 3.6, 1.3)

    def reset(self, states: RowArray, keys: HashArray) -> None:
        _reset_rows(states, keys)

    def step(self, states: RowArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        rewards = np.empty(len(states), np.float32)
        _step_rows(states, actions, rewards)
        return rewards, np.zeros(len(states), np.bool_)

    def observe(self, states: RowArray, observations: FloatArray) -> None:
        _observe_rows(states, observations)

    def successes(self, states: RowArray) -> BoolArray:
        return states[:, UPRIGHT_STEPS] >= BALANCED_STEPS

    def scripted_actions(self, states: RowArray) -> FloatArray:
        actions = np.empty((len(states), 1), np.float32)
        _scripted_rows(states, actions)
        return actions

    def draw(self, canvas: Canvas, state: npt.NDArray[np.float64]) -> None:
        place, angle, length = state[PLACE], state[ANGLE], 2.0 * state[HALF_LENGTH]
        tip = (place + length * math.sin(angle), length * math.cos(angle))
        canvas.line((-RAIL, 0.0), (RAIL, 0.0), 0.03, "faint")
        for end in (-RAIL, RAIL):
            canvas.line((end, -0.1), (end, 0.1), 0.03, "faint")
        corners = [(place + x, y) for x, y in ((-0.22, -0.12), (0.22, -0.12), (0.22, 0.12), (-0.22, 0.12))]
        canvas.polygon(corners, "body")
        canvas.line((place, 0.0), tip, 0.07, "accent")
        canvas.disc((place, 0.0), 0.05, "joint")


class CartPoleSwingUpEnv(TaskEnv):
    """
    ## Description

    A cart on a rail carries a pole that hangs down and turns freely. The cart is pushed so that the pole swings up and
    stays balanced, near the middle of the rail. The physics is that of Barto, Sutton and Anderson ("Neuronlike adaptive
    elements that can solve difficult learning control problems", 1983) as corrected by Florian ("Correct equations for
    the dynamics of the cart-pole system", 2007), without friction: a cart of 1 kg, a pole of 0.1 kg and 1 m.

    ## Action Space

    `Box(-1, 1, (1,), float32)`, 25 times a second.

    | Num | Action                         | Min | Max | Stands for  |
    |-----|--------------------------------|-----|-----|-------------|
    | 0   | force on the cart              | -1  | 1   | -10 to 10 N |

    ## Observation Space

    `Box(float32)` of 5 numbers. The angle is 0 where the pole stands, and grows as it leans to positive places.

    | Num | Observation                    | Min  | Max | Unit  |
    |-----|--------------------------------|------|-----|-------|
    | 0   | place of the cart              | -2.4 | 2.4 | m     |
    | 1   | speed of the cart              | -20  | 20  | m/s   |
    | 2   | cosine of the pole's angle     | -1   | 1   |       |
    | 3   | sine of the pole's angle       | -1   | 1   |       |
    | 4   | spin of the pole               | -40  | 40  | rad/s |

    ## Rewards

    At each step (1 + cos angle) / 2 times 1 - (place / 2.4 m)^2 / 2: from 0, hanging, to 1, upright in the middle.
    Success is to have been upright, within 12 degrees, for the last 2 s.

    ## Starting State

    Hanging within 0.1 rad, spinning at up to 0.1 rad/s; the cart at rest within 0.5 m of the middle.

    ## Episode End

    It never terminates: at the rail's ends, 2.4 m from the middle, buffers take the cart's speed. It is truncated after
    250 steps (10 s).

    ## Options of reset

    `options={"randomize": True}` draws the parameters from the ranges below, `options={"randomize": {"pole_mass": (0.1,
    0.5)}}` those that are named from other ranges; they are told in `info["parameters"]`.

    | Parameter          | Nominal | Low  | High | Unit |
    |--------------------|---------|------|------|------|
    | `cart_mass`        | 1       | 0.8  | 1.2  | kg   |
    | `pole_mass`        | 0.1     | 0.05 | 0.2  | kg   |
    | `pole_half_length` | 0.5     | 0.4  | 0.6  | m    |
    """

    task_class = CartPoleSwingUp


class CartPoleSwingUpVectorEnv(TaskVectorEnv):
    """Many `CartPoleSwingUpEnv` in one."""

    task_class = CartPoleSwingUp
