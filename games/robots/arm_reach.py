"""ArmReach: a seven-joint arm brings the tip of its hand to a point in space."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from games.base import FloatArray, HashArray
from games.compiled import njit
from games.random import uniform
from games.robots.arm_task import (
    FINGERS,
    GOAL_RANGE,
    PLACES,
    SPEED_LIMIT,
    SPEEDS,
    STEP,
    ArmTask,
    arm_goals,
    arm_parameters,
    tips,
)
from games.robots.environment import GoalEnv
from games.robots.scalars import between
from games.robots.simulation import layout_of
from games.robots.task import RowArray
from games.robots.vector import TaskVectorEnv

_LAYOUT = layout_of(7, 7, 7)


@njit
def _draw_goals(states: RowArray, keys: HashArray, goal: int, height: float) -> None:
    for row in range(len(states)):
        for axis in range(3):
            middle = height if axis == 2 else 0.0
            share = uniform(keys[row], np.uint64(axis))
            states[row, goal + axis] = np.float32(between(middle - GOAL_RANGE, middle + GOAL_RANGE, share))


class ArmReach(ArmTask):
    """The task on state rows; `ArmReachEnv` tells its observations, actions and rewards."""

    name = "arm_reach"
    layout = _LAYOUT
    without = ("box", "left_finger", "right_finger")
    home = (0.0, 0.0, 0.2)
    goal_setting = arm_goals(0.2 - GOAL_RANGE, 0.2 + GOAL_RANGE)
    parameters: ClassVar = arm_parameters(_LAYOUT)
    state_size = _LAYOUT.size + 3 + len(parameters)
    action_size = 3
    observation_low = tuple(-bound for bound in PLACES) + (0.0, 0.0) + (-SPEED_LIMIT,) * 5
    observation_high = PLACES + FINGERS + SPEEDS + (SPEED_LIMIT,) * 2

    def reset(self, states: RowArray, keys: HashArray) -> None:
        self.begin_arm(states)
        _draw_goals(states, keys, self.layout.size, self.home[2])

    def observe(self, states: RowArray, observations: FloatArray) -> None:
        np.clip(self.observed_arm(states), self.observation_low, self.observation_high, out=observations)

    def achieved_goals(self, states: RowArray) -> FloatArray:
        return tips(self.chain, states)

    def scripted_actions(self, states: RowArray) -> FloatArray:
        missing = self.desired_goals(states) - self.achieved_goals(states)
        actions: FloatArray = np.clip(missing / STEP, -1.0, 1.0).astype(np.float32)
        return actions


class ArmReachEnv(GoalEnv):
    """
    ## Description

    An arm of seven joints stands at a table, its hand pointing down with the fingers closed, and brings its tip, the
    point between the fingers, to a place in space. MuJoCo simulates it (`models/arm.xml`, 8 steps of 5 ms a control
    period). Each step moves the commanded tip; damped least squares turn that into angles of the joints (Wampler 1986;
    Nakamura and Hanafusa 1986), which the motors follow. The commanded tip stays within 8 cm of the real one along each
    axis, and in the workspace: x from -0.22 m to 0.22 m, y from -0.25 m to 0.25 m, z from 0.02 m to 0.45 m. The origin
    is the middle of the workspace on the table's top; x points away from the arm, z up.

    ## Action Space

    `Box(-1, 1, (3,), float32)`, 25 times a second.

    | Num | Action                 | Min | Max | Stands for        |
    |-----|------------------------|-----|-----|-------------------|
    | 0   | way of the tip along x | -1  | 1   | -0.05 m to 0.05 m |
    | 1   | way of the tip along y | -1  | 1   | -0.05 m to 0.05 m |
    | 2   | way of the tip along z | -1  | 1   | -0.05 m to 0.05 m |

    ## Observation Space

    A dictionary: `observation` (10), `achieved_goal` (3), `desired_goal` (3), all float32, in the order of
    Gymnasium-Robotics' FetchReach. What lies beyond a bound is seen as the bound.

    | Num | Observation                     | Min | Max   | Unit |
    |-----|---------------------------------|-----|-------|------|
    | 0   | x of the tip                    | -1  | 1     | m    |
    | 1   | y of the tip                    | -1  | 1     | m    |
    | 2   | z of the tip                    | -1  | 1     | m    |
    | 3   | opening of the left finger, 0   | 0   | 0.045 | m    |
    | 4   | opening of the right finger, 0  | 0   | 0.045 | m    |
    | 5   | velocity of the tip along x     | -5  | 5     | m/s  |
    | 6   | velocity of the tip along y     | -5  | 5     | m/s  |
    | 7   | velocity of the tip along z     | -5  | 5     | m/s  |
    | 8   | velocity of the left finger, 0  | -5  | 5     | m/s  |
    | 9   | velocity of the right finger, 0 | -5  | 5     | m/s  |

    | Num | Goal         | Min | Max | Unit |
    |-----|--------------|-----|-----|------|
    | 0   | x of the tip | -1  | 1   | m    |
    | 1   | y of the tip | -1  | 1   | m    |
    | 2   | z of the tip | -1  | 1   | m    |

    ## Rewards

    `keima/ArmReach-v0`: 0 where the tip is within 5 cm of the goal, else -1.
    `keima/ArmReachDense-v0`: minus the distance in m. Success is to be within 5 cm.

    ## Starting State

    The tip 0.2 m above the middle, at rest; the goal uniform in a cube around it with sides of 0.3 m.

    ## Episode End

    It never terminates, and is truncated after 50 steps (2 s).

    ## Options of reset

    `options={"goal": [x, y, z]}` sets the goal. `options={"randomize": True}` draws the parameters from the ranges
    below, `options={"randomize": {"hand_mass": (0.1, 1.0)}}` those that are named from other ranges; they are told in
    `info["parameters"]`.

    | Parameter       | Nominal | Low  | High | Unit       |
    |-----------------|---------|------|------|------------|
    | `hand_mass`     | 0.25    | 0.15 | 0.5  | kg         |
    | `joint_damping` | 1       | 0.5  | 2    | of nominal |
    | `servo_gain`    | 1       | 0.7  | 1.3  | of nominal |
    """

    task_class = ArmReach


class ArmReachVectorEnv(TaskVectorEnv):
    """Many `ArmReachEnv` in one."""

    task_class = ArmReach
