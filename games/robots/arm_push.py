"""ArmPush: a seven-joint arm pushes a box over a table to a place."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from games.base import FloatArray, HashArray
from games.compiled import njit
from games.random import uniform
from games.robots.arm_box import BOX, BoxTask, box_parameters
from games.robots.arm_task import GOAL_RANGE, STEP, arm_goals
from games.robots.environment import GoalEnv
from games.robots.scalars import between, clip
from games.robots.simulation import layout_of
from games.robots.task import RowArray
from games.robots.vector import TaskVectorEnv

_LAYOUT = layout_of(7 + 7, 7 + 6, 7)
_BEHIND = 0.055  # m from the box's middle to the tip that is about to push it


@njit
def _script(seen: FloatArray, goals: FloatArray, actions: FloatArray) -> None:
    """Rise and go behind the box, seen from the goal; go down there; push, slower as the box comes near."""
    for row in range(len(seen)):
        x, y, z = float(seen[row, 0]), float(seen[row, 1]), float(seen[row, 2])
        box_x, box_y = float(seen[row, 3]), float(seen[row, 4])
        way_x, way_y = float(goals[row, 0]) - box_x, float(goals[row, 1]) - box_y
        distance = max(math.hypot(way_x, way_y), 1e-6)
        way_x, way_y = way_x / distance, way_y / distance
        behind = (box_x - x) * way_x + (box_y - y) * way_y
        beside = (box_x - x) * way_y - (box_y - y) * way_x
        low = z < 0.04
        if distance < 0.015:
            wanted_x, wanted_y, wanted_z = x, y, z
        elif low and behind > 0.03 and abs(beside) < 0.03:
            hurry = clip(0.3 * distance, 0.004, 0.02)
            wanted_x = x + way_x * hurry + 0.8 * beside * way_y
            wanted_y = y + way_y * hurry - 0.8 * beside * way_x
            wanted_z = 0.025
        else:
            wanted_x, wanted_y = box_x - way_x * (_BEHIND + 0.02), box_y - way_y * (_BEHIND + 0.02)
            near = math.hypot(wanted_x - x, wanted_y - y) < 0.02
            wanted_z = 0.025 if near else 0.1
            if not near and z < 0.07 and math.hypot(box_x - x, box_y - y) < 0.1:
                wanted_x, wanted_y = x, y  # up first
        actions[row, 0] = clip((wanted_x - x) / STEP, -1.0, 1.0)
        actions[row, 1] = clip((wanted_y - y) / STEP, -1.0, 1.0)
        actions[row, 2] = clip((wanted_z - z) / STEP, -1.0, 1.0)


@njit
def _draw_goals(states: RowArray, keys: HashArray, goal: int) -> None:
    for row in range(len(states)):
        for axis in range(2):
            share = uniform(keys[row], np.uint64(axis))
            states[row, goal + axis] = np.float32(between(-GOAL_RANGE, GOAL_RANGE, share))
        states[row, goal + 2] = np.float32(BOX)


class ArmPush(BoxTask):
    """The task on state rows; `ArmPushEnv` tells its observations, actions and rewards."""

    name = "arm_push"
    layout = _LAYOUT
    without = ("left_finger", "right_finger")
    home = (0.0, 0.0, 0.03)
    goal_setting = arm_goals(BOX, BOX)
    parameters: ClassVar = box_parameters(_LAYOUT)
    state_size = _LAYOUT.size + 3 + len(parameters)
    action_size = 3

    def draw_goals(self, states: RowArray, keys: HashArray) -> None:
        _draw_goals(states, keys, self.layout.size)

    def script(self, seen: FloatArray, goals: FloatArray, actions: FloatArray) -> None:
        _script(seen, goals, actions)


class ArmPushEnv(GoalEnv):
    """
    ## Description

    The arm of `ArmReachEnv`, its fingers closed, pushes a box with sides of 5 cm over the table to a place. How the tip
    is moved, and what the axes are, is told there. A box that is hit hard slides on, and may come to lie where the arm
    does not reach.

    ## Action Space

    `Box(-1, 1, (3,), float32)`, 25 times a second.

    | Num | Action                 | Min | Max | Stands for        |
    |-----|------------------------|-----|-----|-------------------|
    | 0   | way of the tip along x | -1  | 1   | -0.05 m to 0.05 m |
    | 1   | way of the tip along y | -1  | 1   | -0.05 m to 0.05 m |
    | 2   | way of the tip along z | -1  | 1   | -0.05 m to 0.05 m |

    ## Observation Space

    A dictionary: `observation` (25), `achieved_goal` (3), `desired_goal` (3), all float32, in the order of
    Gymnasium-Robotics' FetchPush, but in SI units. What lies beyond a bound is seen as the bound.

    | Num | Observation                               | Min     | Max    | Unit  |
    |-----|-------------------------------------------|---------|--------|-------|
    | 0   | x of the tip                              | -1      | 1      | m     |
    | 1   | y of the tip                              | -1      | 1      | m     |
    | 2   | z of the tip                              | -1      | 1      | m     |
    | 3   | x of the box                              | -1      | 1      | m     |
    | 4   | y of the box                              | -1      | 1      | m     |
    | 5   | z of the box                              | -1      | 1      | m     |
    | 6   | x of the box, from the tip                | -1      | 1      | m     |
    | 7   | y of the box, from the tip                | -1      | 1      | m     |
    | 8   | z of the box, from the tip                | -1      | 1      | m     |
    | 9   | opening of the left finger, 0             | 0       | 0.045  | m     |
    | 10  | opening of the right finger, 0            | 0       | 0.045  | m     |
    | 11  | roll of the box, about x                  | -pi     | pi     | rad   |
    | 12  | pitch of the box, about y                 | -1.5708 | 1.5708 | rad   |
    | 13  | yaw of the box, about z                   | -pi     | pi     | rad   |
    | 14  | velocity of the box along x, from the tip | -5      | 5      | m/s   |
    | 15  | velocity of the box along y, from the tip | -5      | 5      | m/s   |
    | 16  | velocity of the box along z, from the tip | -5      | 5      | m/s   |
    | 17  | turning of the box about x                | -50     | 50     | rad/s |
    | 18  | turning of the box about y                | -50     | 50     | rad/s |
    | 19  | turning of the box about z                | -50     | 50     | rad/s |
    | 20  | velocity of the tip along x               | -5      | 5      | m/s   |
    | 21  | velocity of the tip along y               | -5      | 5      | m/s   |
    | 22  | velocity of the tip along z               | -5      | 5      | m/s   |
    | 23  | velocity of the left finger, 0            | -5      | 5      | m/s   |
    | 24  | velocity of the right finger, 0           | -5      | 5      | m/s   |

    | Num | Goal         | Min | Max | Unit |
    |-----|--------------|-----|-----|------|
    | 0   | x of the box | -1  | 1   | m    |
    | 1   | y of the box | -1  | 1   | m    |
    | 2   | z of the box | -1  | 1   | m    |

    ## Rewards

    `keima/ArmPush-v0`: 0 where the middle of the box is within 5 cm of the goal, else -1.
    `keima/ArmPushDense-v0`: minus the distance in m. Success is to be within 5 cm.

    ## Starting State

    The tip 3 cm above the middle, at rest. The box on the table, uniform in a square around the middle with sides of
    0.3 m, but 0.1 m at least from the tip. The goal uniform in the same square.

    ## Episode End

    It never terminates, and is truncated after 50 steps (2 s).

    ## Options of reset

    `options={"goal": [x, y, z]}` sets the goal. `options={"randomize": True}` draws the parameters from the ranges
    below, `options={"randomize": {"box_mass": (0.05, 0.5)}}` those that are named from other ranges; they are told in
    `info["parameters"]`.

    | Parameter       | Nominal | Low  | High | Unit       |
    |-----------------|---------|------|------|------------|
    | `hand_mass`     | 0.25    | 0.15 | 0.5  | kg         |
    | `joint_damping` | 1       | 0.5  | 2    | of nominal |
    | `servo_gain`    | 1       | 0.7  | 1.3  | of nominal |
    | `box_mass`      | 0.1     | 0.05 | 0.2  | kg         |
    | `box_friction`  | 0.6     | 0.3  | 1    | of force   |
    """

    task_class = ArmPush


class ArmPushVectorEnv(TaskVectorEnv):
    """Many `ArmPushEnv` in one."""

    task_class = ArmPush
