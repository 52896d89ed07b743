"""PlanarReach: a two-link arm on a table brings its tip to a point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray
from games.compiled import njit
from games.goals import GoalNumber, GoalSetting
from games.random import uniform
from games.robots.arm import Motion, Servo, advance_arm, mass_of, reach_angles, stopped, tip_of
from games.robots.environment import GoalEnv
from games.robots.scalars import between, clip, wrap_angle
from games.robots.task import GoalTask, Parameter, RowArray, distances, sparse_rewards
from games.robots.vector import TaskVectorEnv

if TYPE_CHECKING:
    from games.robots.drawing import Canvas

# Columns of a state row. Angles in rad, velocities in rad/s, the goal in m, masses in kg.
ANGLE_1, ANGLE_2, VELOCITY_1, VELOCITY_2, GOAL_X, GOAL_Y, MASS_1, MASS_2, GAIN = range(9)

LENGTH_1, LENGTH_2 = 0.3, 0.2  # m
ROTORS = 0.03, 0.006  # kg m^2
GAIN_1, GAIN_2 = 2.5, 0.2  # N m s/rad; GAIN of a row scales both
TOP_SPEED = 2.5  # rad/s, of a joint that is told 1
ELBOW_LIMIT = 2.8  # rad
VELOCITY_LIMIT = 10.0  # rad/s
TOLERANCE = 0.05  # m
GOAL_RADII = 0.14, 0.48  # m: what the tip can reach, less a little
RATE = 25  # Hz
SUBSTEPS = 4

_REACH = LENGTH_1 + LENGTH_2


@njit
def advance_rows(states: RowArray, actions: FloatArray) -> None:
    """One control period of `states` [n, S] under `actions` [n, 2]."""
    seconds = 1.0 / (RATE * SUBSTEPS)
    for row in range(len(states)):
        state = states[row]
        mass = mass_of((LENGTH_1, LENGTH_2), (state[MASS_1], state[MASS_2]), 0.0, ROTORS)
        servo = Servo(
            GAIN_1 * state[GAIN],
            GAIN_2 * state[GAIN],
            TOP_SPEED * clip(float(actions[row, 0]), -1.0, 1.0),
            TOP_SPEED * clip(float(actions[row, 1]), -1.0, 1.0),
        )
        motion = Motion(state[ANGLE_1], state[ANGLE_2], state[VELOCITY_1], state[VELOCITY_2])
        for _ in range(SUBSTEPS):
            motion = stopped(mass, advance_arm(mass, servo, motion, seconds), ELBOW_LIMIT, VELOCITY_LIMIT)
        state[ANGLE_1] = wrap_angle(motion.angle_1)
        state[ANGLE_2] = motion.angle_2
        state[VELOCITY_1] = motion.velocity_1
        state[VELOCITY_2] = motion.velocity_2


@njit
def _reset_rows(states: RowArray, keys: HashArray) -> None:
    for row in range(len(states)):
        state, key = states[row], keys[row]
        state[ANGLE_1] = between(-math.pi, math.pi, uniform(key, np.uint64(0)))
        state[ANGLE_2] = between(-ELBOW_LIMIT, ELBOW_LIMIT, uniform(key, np.uint64(1)))
        state[VELOCITY_1] = 0.0
        state[VELOCITY_2] = 0.0
        # Uniform over the area of the ring.
        inner, outer = GOAL_RADII
        radius = math.sqrt(between(inner * inner, outer * outer, uniform(key, np.uint64(2))))
        direction = between(-math.pi, math.pi, uniform(key, np.uint64(3)))
        state[GOAL_X] = np.float32(radius * math.cos(direction))
        state[GOAL_Y] = np.float32(radius * math.sin(direction))


@njit
def _observe_rows(states: RowArray, observations: FloatArray) -> None:
    for row in range(len(states)):
        state, seen = states[row], observations[row]
        seen[0] = math.cos(state[ANGLE_1])
        seen[1] = math.sin(state[ANGLE_1])
        seen[2] = math.cos(state[ANGLE_2])
        seen[3] = math.sin(state[ANGLE_2])
        seen[4] = state[VELOCITY_1]
        seen[5] = state[VELOCITY_2]
        seen[6], seen[7] = tip_of(LENGTH_1, LENGTH_2, state[ANGLE_1], state[ANGLE_2])


@njit
def _tips(states: RowArray) -> FloatArray:
    tips = np.empty((len(states), 2), np.float32)
    for row in range(len(states)):
        tips[row, 0], tips[row, 1] = tip_of(LENGTH_1, LENGTH_2, states[row, ANGLE_1], states[row, ANGLE_2])
    return tips


@njit
def _scripted_rows(states: RowArray, actions: FloatArray) -> None:
    """Turn both joints towards the angles that reach the goal, the elbow bent as it is, so as to stop there."""
    for row in range(len(states)):
        state = states[row]
        angle_1, angle_2 = reach_angles(LENGTH_1, LENGTH_2, state[GOAL_X], state[GOAL_Y], state[ANGLE_2])
        actions[row, 0] = clip(6.0 * wrap_angle(angle_1 - state[ANGLE_1]) / TOP_SPEED, -1.0, 1.0)
        actions[row, 1] = clip(6.0 * (angle_2 - state[ANGLE_2]) / TOP_SPEED, -1.0, 1.0)


class PlanarReach(GoalTask):
    """The task on state rows; `PlanarReachEnv` tells its observations, actions and rewards."""

    name = "planar_reach"
    state_size = 9
    action_size = 2
    observation_low = (-1.0, -1.0, -1.0, -1.0, -VELOCITY_LIMIT, -VELOCITY_LIMIT, -_REACH, -_REACH)
    observation_high = (1.0, 1.0, 1.0, 1.0, VELOCITY_LIMIT, VELOCITY_LIMIT, _REACH, _REACH)
    goal_low = (-_REACH, -_REACH)
    goal_high = (_REACH, _REACH)
    goal_setting = GoalSetting(
        (GoalNumber("x", "m", -_REACH, _REACH), GoalNumber("y", "m", -_REACH, _REACH)), ((0.04, 0.0), (0.0, 0.04))
    )
    control_rate = RATE
    max_episode_steps = 50
    parameters: ClassVar = {
        "mass_1": Parameter(MASS_1, 1.0, 0.7, 1.3, "kg"),
        "mass_2": Parameter(MASS_2, 0.6, 0.4, 0.8, "kg"),
        "servo_gain": Parameter(GAIN, 1.0, 0.7, 1.3, "of nominal"),
    }
    view = (-0.6, -0.6, 0.6, 0.6)

    def reset(self, states: RowArray, keys: HashArray) -> None:
        _reset_rows(states, keys)

    def advance(self, states: RowArray, actions: FloatArray) -> None:
        advance_rows(states, actions)

    def observe(self, states: RowArray, observations: FloatArray) -> None:
        _observe_rows(states, observations)

    def achieved_goals(self, states: RowArray) -> FloatArray:
        return _tips(states)

    def desired_goals(self, states: RowArray) -> FloatArray:
        return states[:, GOAL_X : GOAL_Y + 1].astype(np.float32)

    def set_desired_goals(self, states: RowArray, goals: FloatArray) -> None:
        states[:, GOAL_X : GOAL_Y + 1] = goals

    def goal_successes(self, achieved: FloatArray, desired: FloatArray) -> BoolArray:
        return distances(achieved, desired, 2) <= TOLERANCE

    def rewards(self, achieved: FloatArray, desired: FloatArray) -> FloatArray:
        return (
            -distances(achieved, desired, 2) if self.dense else sparse_rewards(self.goal_successes(achieved, desired))
        )

    def scripted_actions(self, states: RowArray) -> FloatArray:
        actions = np.empty((len(states), 2), np.float32)
        _scripted_rows(states, actions)
        return actions

    def draw(self, canvas: Canvas, state: npt.NDArray[np.float64]) -> None:
        angle_1, angle_2 = state[ANGLE_1], state[ANGLE_2]
        elbow = (LENGTH_1 * math.cos(angle_1), LENGTH_1 * math.sin(angle_1))
        tip = tip_of(LENGTH_1, LENGTH_2, angle_1, angle_2)
        canvas.ring((0.0, 0.0), _REACH, "faint")
        canvas.disc((state[GOAL_X], state[GOAL_Y]), TOLERANCE, "goal")
        canvas.line((0.0, 0.0), elbow, 0.04, "body")
        canvas.line(elbow, tip, 0.03, "body")
        canvas.disc((0.0, 0.0), 0.03, "joint")
        canvas.disc(elbow, 0.022, "joint")
        canvas.disc(tip, 0.018, "accent")


class PlanarReachEnv(GoalEnv):
    """
    ## Description

    A planar arm of two links (0.3 m and 0.2 m) stands on a table and brings its tip to a point. Its joints follow the
    velocities that they are told, as motors with inertia do: the physics is the manipulator equation of a two-link arm
    (Murray, Li and Sastry 1994, section 4.2.3), with links that are uniform rods of 1.0 kg and 0.6 kg and servos that
    take about 50 ms to reach a velocity. The first joint turns all the way round, the second as far as 2.8 rad to
    either side.

    ## Action Space

    `Box(-1, 1, (2,), float32)`, 25 times a second.

    | Num | Action                         | Min | Max | Stands for       |
    |-----|--------------------------------|-----|-----|------------------|
    | 0   | wanted velocity of joint 1     | -1  | 1   | -2.5 to 2.5 rad/s |
    | 1   | wanted velocity of joint 2     | -1  | 1   | -2.5 to 2.5 rad/s |

    ## Observation Space

    A dictionary: `observation` (8), `achieved_goal` (2), `desired_goal` (2), all float32.

    | Num | Observation                    | Min  | Max | Unit  |
    |-----|--------------------------------|------|-----|-------|
    | 0   | cosine of joint 1              | -1   | 1   |       |
    | 1   | sine of joint 1                | -1   | 1   |       |
    | 2   | cosine of joint 2              | -1   | 1   |       |
    | 3   | sine of joint 2                | -1   | 1   |       |
    | 4   | velocity of joint 1            | -10  | 10  | rad/s |
    | 5   | velocity of joint 2            | -10  | 10  | rad/s |
    | 6   | x of the tip                   | -0.5 | 0.5 | m     |
    | 7   | y of the tip                   | -0.5 | 0.5 | m     |

    | Num | Goal                           | Min  | Max | Unit  |
    |-----|--------------------------------|------|-----|-------|
    | 0   | x of the tip                   | -0.5 | 0.5 | m     |
    | 1   | y of the tip                   | -0.5 | 0.5 | m     |

    ## Rewards

    `keima/PlanarReach-v0`: 0 where the tip is within 5 cm of the goal, else -1.
    `keima/PlanarReachDense-v0`: minus the distance in m. Success is to be within 5 cm.

    ## Starting State

    Both angles uniform over their range, at rest; the goal uniform over the ring that the tip can reach, between 0.14 m
    and 0.48 m from the first joint.

    ## Episode End

    It never terminates, and is truncated after 50 steps (2 s).

    ## Options of reset

    `options={"goal": [x, y]}` sets the goal. `options={"randomize": True}` draws the parameters from the ranges below,
    `options={"randomize": {"mass_1": (0.5, 2.0)}}` those that are named from other ranges; they are told in
    `info["parameters"]`.

    | Parameter    | Nominal | Low | High | Unit       |
    |--------------|---------|-----|------|------------|
    | `mass_1`     | 1       | 0.7 | 1.3  | kg         |
    | `mass_2`     | 0.6     | 0.4 | 0.8  | kg         |
    | `servo_gain` | 1       | 0.7 | 1.3  | of nominal |
    """

    task_class = PlanarReach


class PlanarReachVectorEnv(TaskVectorEnv):
    """Many `PlanarReachEnv` in one."""

    task_class = PlanarReach
