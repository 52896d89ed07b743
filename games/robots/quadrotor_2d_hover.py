"""Quadrotor2DHover: a quadrotor that moves in a vertical plane flies to a point and hovers there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray
from games.compiled import inlined, njit
from games.goals import GoalNumber, GoalSetting
from games.random import uniform
from games.robots.environment import GoalEnv
from games.robots.scalars import between, clip, wrap_angle
from games.robots.task import GoalTask, Parameter, RowArray, distances, sparse_rewards
from games.robots.vector import TaskVectorEnv

if TYPE_CHECKING:
    from games.robots.drawing import Canvas

# Columns of a state row: m, rad, m/s, rad/s, the goal in m, kg and kg m^2.
PLACE, HEIGHT, TILT, SPEED, CLIMB, SPIN, GOAL_PLACE, GOAL_HEIGHT, MASS, INERTIA = range(10)

GRAVITY = 9.81  # m/s^2
ARM = 0.2  # m from the middle to either rotor
TOP_THRUST = 0.5 * GRAVITY  # N of a rotor: both together lift twice the nominal weight
WALL, CEILING = 2.0, 3.0  # m: the room is from -WALL to WALL and from 0 to CEILING
MARGIN = 0.5  # m that goals and starts keep from walls, floor and ceiling
SPEED_LIMIT, SPIN_LIMIT = 10.0, 20.0  # m/s, rad/s
TOLERANCE = 0.1  # m
CRASH = -150.0
RATE = 25  # Hz
SUBSTEPS = 2


class Craft(NamedTuple):
    """kg, kg m^2"""

    mass: float
    inertia: float


class Motion(NamedTuple):
    """Where the craft is (m), how it is tilted (rad, counter-clockwise), and how fast all that changes."""

    place: float
    height: float
    tilt: float
    speed: float
    climb: float
    spin: float


@inlined
def advance_craft(craft: Craft, right: float, left: float, motion: Motion, seconds: float) -> Motion:
    """The motion `seconds` later under constant thrusts (N) of the right and the left rotor.

    The planar quadrotor (Tedrake, "Underactuated Robotics", chapter 3): m x'' = -(right + left) sin tilt,
    m z'' = (right + left) cos tilt - m g, I tilt'' = (right - left) arm. The tilt is a parabola in time, so it is
    exact; the rest is one step of the classical fourth-order Runge-Kutta method, which is Simpson's rule here.
    """
    push, turn = (right + left) / craft.mass, (right - left) * ARM / craft.inertia
    half = 0.5 * seconds
    middle = motion.tilt + half * (motion.spin + 0.5 * half * turn)
    end = motion.tilt + seconds * (motion.spin + 0.5 * seconds * turn)
    x1, x2, x3 = -push * math.sin(motion.tilt), -push * math.sin(middle), -push * math.sin(end)
    z1, z2, z3 = push * math.cos(motion.tilt), push * math.cos(middle), push * math.cos(end)
    z1, z2, z3 = z1 - GRAVITY, z2 - GRAVITY, z3 - GRAVITY
    sixth = seconds / 6.0
    return Motion(
        motion.place + seconds * (motion.speed + sixth * (x1 + 2.0 * x2)),
        motion.height + seconds * (motion.climb + sixth * (z1 + 2.0 * z2)),
        end,
        motion.speed + sixth * (x1 + 4.0 * x2 + x3),
        motion.climb + sixth * (z1 + 4.0 * z2 + z3),
        motion.spin + seconds * turn,
    )


@njit
def _advance_rows(states: RowArray, actions: FloatArray) -> None:
    seconds = 1.0 / (RATE * SUBSTEPS)
    for row in range(len(states)):
        state = states[row]
        craft = Craft(state[MASS], state[INERTIA])
        right = 0.5 * TOP_THRUST * (1.0 + clip(float(actions[row, 0]), -1.0, 1.0))
        left = 0.5 * TOP_THRUST * (1.0 + clip(float(actions[row, 1]), -1.0, 1.0))
        motion = Motion(state[PLACE], state[HEIGHT], state[TILT], state[SPEED], state[CLIMB], state[SPIN])
        for _ in range(SUBSTEPS):
            motion = advance_craft(craft, right, left, motion, seconds)
        # What has left the room lies on its bounds: there it has crashed, which goals then tell.
        state[PLACE] = clip(motion.place, -WALL, WALL)
        state[HEIGHT] = clip(motion.height, 0.0, CEILING)
        state[TILT] = wrap_angle(motion.tilt)
        state[SPEED] = clip(motion.speed, -SPEED_LIMIT, SPEED_LIMIT)
        state[CLIMB] = clip(motion.climb, -SPEED_LIMIT, SPEED_LIMIT)
        state[SPIN] = clip(motion.spin, -SPIN_LIMIT, SPIN_LIMIT)


@njit
def _reset_rows(states: RowArray, keys: HashArray) -> None:
    for row in range(len(states)):
        state, key = states[row], keys[row]
        across, top = WALL - MARGIN, CEILING - MARGIN
        state[PLACE] = between(-across, across, uniform(key, np.uint64(0)))
        state[HEIGHT] = between(MARGIN, top, uniform(key, np.uint64(1)))
        state[TILT] = between(-0.3, 0.3, uniform(key, np.uint64(2)))
        state[SPEED] = between(-0.3, 0.3, uniform(key, np.uint64(3)))
        state[CLIMB] = between(-0.3, 0.3, uniform(key, np.uint64(4)))
        state[SPIN] = between(-0.3, 0.3, uniform(key, np.uint64(5)))
        state[GOAL_PLACE] = np.float32(between(-across, across, uniform(key, np.uint64(6))))
        state[GOAL_HEIGHT] = np.float32(between(MARGIN, top, uniform(key, np.uint64(7))))


@njit
def _scripted_rows(states: RowArray, actions: FloatArray) -> None:
    """Tilt so that the thrust points where the craft should accelerate to: a damped spring to the goal."""
    for row in range(len(states)):
        state = states[row]
        across = clip(2.5 * (state[GOAL_PLACE] - state[PLACE]) - 2.6 * state[SPEED], -4.0, 4.0)
        up = clip(4.0 * (state[GOAL_HEIGHT] - state[HEIGHT]) - 3.5 * state[CLIMB], -5.0, 5.0) + GRAVITY
        error = wrap_angle(-math.atan2(across, up) - state[TILT])
        total = state[MASS] * up / max(math.cos(state[TILT]), 0.5)
        difference = state[INERTIA] / ARM * (45.0 * error - 11.0 * state[SPIN])
        difference = clip(difference, -TOP_THRUST, TOP_THRUST)
        total = clip(total, abs(difference), 2.0 * TOP_THRUST - abs(difference))
        actions[row, 0] = clip((total + difference) / TOP_THRUST - 1.0, -1.0, 1.0)
        actions[row, 1] = clip((total - difference) / TOP_THRUST - 1.0, -1.0, 1.0)


class Quadrotor2DHover(GoalTask):
    """The task on state rows; `Quadrotor2DHoverEnv` tells its observations, actions and rewards."""

    name = "quadrotor_2d_hover"
    state_size = 10
    action_size = 2
    observation_low = (-WALL, 0.0, -math.pi, -SPEED_LIMIT, -SPEED_LIMIT, -SPIN_LIMIT)
    observation_high = (WALL, CEILING, math.pi, SPEED_LIMIT, SPEED_LIMIT, SPIN_LIMIT)
    goal_low = (-WALL, 0.0)
    goal_high = (WALL, CEILING)
    goal_setting = GoalSetting(
        (
            GoalNumber("place", "m", MARGIN - WALL, WALL - MARGIN),
            GoalNumber("height", "m", MARGIN, CEILING - MARGIN),
        ),
        ((0.1, 0.0), (0.0, 0.1)),
    )
    control_rate = RATE
    max_episode_steps = 150
    discount = 0.97
    value_range = (-170.0, 0.0)
    parameters: ClassVar = {
        "mass": Parameter(MASS, 0.5, 0.4, 0.6, "kg"),
        "inertia": Parameter(INERTIA, 0.03, 0.024, 0.036, "kg m^2"),
    }
    view = (-2.2, -0.2, 2.2, 3.2)

    def reset(self, states: RowArray, keys: HashArray) -> None:
        _reset_rows(states, keys)

    def advance(self, states: RowArray, actions: FloatArray) -> None:
        _advance_rows(states, actions)

    def observe(self, states: RowArray, observations: FloatArray) -> None:
        observations[:] = states[:, PLACE : SPIN + 1]

    def achieved_goals(self, states: RowArray) -> FloatArray:
        return states[:, PLACE : HEIGHT + 1].astype(np.float32)

    def desired_goals(self, states: RowArray) -> FloatArray:
        return states[:, GOAL_PLACE : GOAL_HEIGHT + 1].astype(np.float32)

    def set_desired_goals(self, states: RowArray, goals: FloatArray) -> None:
        states[:, GOAL_PLACE : GOAL_HEIGHT + 1] = goals

    def goal_successes(self, achieved: FloatArray, desired: FloatArray) -> BoolArray:
        return (distances(achieved, desired, 2) <= TOLERANCE) & ~self.terminations(achieved)

    def terminations(self, achieved: FloatArray) -> BoolArray:
        place, height = achieved[:, 0], achieved[:, 1]
        return (np.abs(place) >= WALL) | (height <= 0.0) | (height >= CEILING)

    def rewards(self, achieved: FloatArray, desired: FloatArray) -> FloatArray:
        flying = (
            -distances(achieved, desired, 2) if self.dense else sparse_rewards(self.goal_successes(achieved, desired))
        )
        return np.where(self.terminations(achieved), np.float32(CRASH), flying)

    def scripted_actions(self, states: RowArray) -> FloatArray:
        actions = np.empty((len(states), 2), np.float32)
        _scripted_rows(states, actions)
        return actions

    def draw(self, canvas: Canvas, state: npt.NDArray[np.float64]) -> None:
        middle = state[[PLACE, HEIGHT]]
        along = np.array([math.cos(state[TILT]), math.sin(state[TILT])])
        up = np.array([-along[1], along[0]])
        corners = [(-WALL, 0.0), (WALL, 0.0), (WALL, CEILING), (-WALL, CEILING)]
        for corner, following in zip(corners, [*corners[1:], corners[0]], strict=True):
            canvas.line(corner, following, 0.03, "faint")
        canvas.disc((state[GOAL_PLACE], state[GOAL_HEIGHT]), TOLERANCE, "goal")
        canvas.line(middle - ARM * along, middle + ARM * along, 0.05, "body")
        for side in (-1.0, 1.0):
            hub = middle + side * ARM * along
            canvas.line(hub, hub + 0.07 * up, 0.03, "joint")
            canvas.line(hub + 0.07 * up - 0.1 * along, hub + 0.07 * up + 0.1 * along, 0.02, "accent")


class Quadrotor2DHoverEnv(GoalEnv):
    """
    ## Description

    A quadrotor seen from the side, with a rotor at either end, flies to a point in a room and hovers there. The physics
    is the planar quadrotor of Tedrake's "Underactuated Robotics" (chapter 3): 0.5 kg, 0.03 kg m^2, rotors 0.2 m from
    the middle, each with a thrust of up to the craft's weight.

    ## Action Space

    `Box(-1, 1, (2,), float32)`, 25 times a second. All zeros hover.

    | Num | Action                         | Min | Max | Stands for   |
    |-----|--------------------------------|-----|-----|--------------|
    | 0   | thrust of the right rotor      | -1  | 1   | 0 to 4.905 N |
    | 1   | thrust of the left rotor       | -1  | 1   | 0 to 4.905 N |

    ## Observation Space

    A dictionary: `observation` (6), `achieved_goal` (2), `desired_goal` (2), all float32.

    | Num | Observation                    | Min  | Max | Unit  |
    |-----|--------------------------------|------|-----|-------|
    | 0   | place, to the right            | -2   | 2   | m     |
    | 1   | height                         | 0    | 3   | m     |
    | 2   | tilt, counter-clockwise        | -pi  | pi  | rad   |
    | 3   | speed to the right             | -10  | 10  | m/s   |
    | 4   | speed upwards                  | -10  | 10  | m/s   |
    | 5   | spin, counter-clockwise        | -20  | 20  | rad/s |

    | Num | Goal                           | Min  | Max | Unit  |
    |-----|--------------------------------|------|-----|-------|
    | 0   | place                          | -2   | 2   | m     |
    | 1   | height                         | 0    | 3   | m     |

    ## Rewards

    `keima/Quadrotor2DHover-v0`: 0 within 10 cm of the goal, else -1.
    `keima/Quadrotor2DHoverDense-v0`: minus the distance in m.
    The step that crashes earns -150 in both: what an episode costs that never comes near its goal. At -1 a crash would
    be the cheapest way out. Success is to be within 10 cm.

    ## Starting State

    Place and goal uniform over the room less 0.5 m on each side; tilt within 0.3 rad, speeds within 0.3 m/s, spin
    within 0.3 rad/s.

    ## Episode End

    It terminates when the craft's middle reaches a wall, the floor or the ceiling, and is truncated after 150 steps
    (6 s).

    ## Options of reset

    `options={"goal": [place, height]}` sets the goal. `options={"randomize": True}` draws the parameters from the
    ranges below, `options={"randomize": {"mass": (0.3, 0.8)}}` those that are named from other ranges; they are told in
    `info["parameters"]`.

    | Parameter | Nominal | Low   | High  | Unit   |
    |-----------|---------|-------|-------|--------|
    | `mass`    | 0.5     | 0.4   | 0.6   | kg     |
    | `inertia` | 0.03    | 0.024 | 0.036 | kg m^2 |
    """

    task_class = Quadrotor2DHover


class Quadrotor2DHoverVectorEnv(TaskVectorEnv):
    """Many `Quadrotor2DHoverEnv` in one."""

    task_class = Quadrotor2DHover
