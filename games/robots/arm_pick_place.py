"""ArmPickPlace: a seven-joint arm takes a box between its fingers and brings it to a place, on the table or above."""

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

_LAYOUT = layout_of(9 + 7, 9 + 6, 7)
_HIGHEST = 0.3  # m that a goal may lie above the box on the table


@njit
def _draw_goals(states: RowArray, keys: HashArray, goal: int) -> None:
    for row in range(len(states)):
        key = keys[row]
        for axis in range(2):
            states[row, goal + axis] = np.float32(between(-GOAL_RANGE, GOAL_RANGE, uniform(key, np.uint64(axis))))
        in_the_air = uniform(key, np.uint64(2)) < 0.5
        states[row, goal + 2] = np.float32(BOX + (_HIGHEST * uniform(key, np.uint64(3)) if in_the_air else 0.0))


@njit
def _script(seen: FloatArray, goals: FloatArray, actions: FloatArray) -> None:
    """Go above the box with open fingers; down; close them; with the box between them, go where it has to be."""
    for row in range(len(seen)):
        x, y, z = float(seen[row, 0]), float(seen[row, 1]), float(seen[row, 2])
        box_x, box_y, box_z = float(seen[row, 3]), float(seen[row, 4]), float(seen[row, 5])
        opening = 0.5 * (float(seen[row, 9]) + float(seen[row, 10]))
        aside, above = math.hypot(box_x - x, box_y - y), z - box_z
        around = aside < 0.02 and abs(above) < 0.015
        fingers = -1.0 if around else 1.0
        if around and opening < 0.03:
            wanted_x, wanted_y, wanted_z = (
                x + float(goals[row, 0]) - box_x,
                y + float(goals[row, 1]) - box_y,
                z + float(goals[row, 2]) - box_z,
            )
        elif around:
            wanted_x, wanted_y, wanted_z = x, y, z
        elif aside < 0.012:
            wanted_x, wanted_y, wanted_z = box_x, box_y, box_z
        elif above < 0.06:
            wanted_x, wanted_y, wanted_z = x, y, box_z + 0.09
        else:
            wanted_x, wanted_y, wanted_z = box_x, box_y, box_z + 0.08
        actions[row, 0] = clip((wanted_x - x) / STEP, -1.0, 1.0)
        actions[row, 1] = clip((wanted_y - y) / STEP, -1.0, 1.0)
        actions[row, 2] = clip((wanted_z - z) / STEP, -1.0, 1.0)
        actions[row, 3] = fingers


class ArmPickPlace(BoxTask):
    """The task on state rows; `ArmPickPlaceEnv` tells its observations, actions and rewards."""

    name = "arm_pick_place"
    layout = _LAYOUT
    without = ()
    home = (0.0, 0.0, 0.2)
    goal_setting = arm_goals(BOX, BOX + _HIGHEST)
    parameters: ClassVar = box_parameters(_LAYOUT)
    state_size = _LAYOUT.size + 3 + len(parameters)
    action_size = 4

    def draw_goals(self, states: RowArray, keys: HashArray) -> None:
        _draw_goals(states, keys, self.layout.size)

    def script(self, seen: FloatArray, goals: FloatArray, actions: FloatArray) -> None:
        _script(seen, goals, actions)


class ArmPickPlaceEnv(GoalEnv):
    """
    ## Description

    The arm of `ArmReachEnv` takes a box with sides of 5 cm between its two fingers and brings it to a place: on the
    table or in the air. The fingers are moved by motors of their own, each of which presses with at most 20 N; the box
    is held by friction. How the tip is moved, and what the axes are, is told there.

    ## Action Space

    `Box(-1, 1, (4,), float32)`, 25 times a second.

    | Num | Action                  | Min | Max | Stands for        |
    |-----|-------------------------|-----|-----|-------------------|
    | 0   | way of the tip along x  | -1  | 1   | -0.05 m to 0.05 m |
    | 1   | way of the tip along y  | -1  | 1   | -0.05 m to 0.05 m |
    | 2   | way of the tip along z  | -1  | 1   | -0.05 m to 0.05 m |
    | 3   | opening of both fingers | -1  | 1   | 0 m to 0.045 m    |

    ## Observation Space

    A dictionary: `observation` (25), `achieved_goal` (3), `desired_goal` (3), all float32, in the order of
    Gymnasium-Robotics' FetchPickAndPlace, but in SI units. What lies beyond a bound is seen as the bound.

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
    | 9   | opening of the left finger                | 0       | 0.045  | m     |
    | 10  | opening of the right finger               | 0       | 0.045  | m     |
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
    | 23  | velocity of the left finger               | -5      | 5      | m/s   |
    | 24  | velocity of the right finger              | -5      | 5      | m/s   |

    | Num | Goal         | Min | Max | Unit |
    |-----|--------------|-----|-----|------|
    | 0   | x of the box | -1  | 1   | m    |
    | 1   | y of the box | -1  | 1   | m    |
    | 2   | z of the box | -1  | 1   | m    |

    ## Rewards

    `keima/ArmPickPlace-v0`: 0 where the middle of the box is within 5 cm of the goal, else -1.
    `keima/ArmPickPlaceDense-v0`: minus the distance in m. Success is to be within 5 cm.

    ## Starting State

    The tip 0.2 m above the middle, at rest, the fingers closed. The box on the table, uniform in a square around the
    middle with sides of 0.3 m, but 0.1 m at least from below the tip. The goal uniform in the same square: with even
    chances on the table or above it, the middle of the box at most 0.3 m higher.

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

    task_class = ArmPickPlace


class ArmPickPlaceVectorEnv(TaskVectorEnv):
    """Many `ArmPickPlaceEnv` in one."""

    task_class = ArmPickPlace
