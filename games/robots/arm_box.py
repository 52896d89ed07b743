"""What the tasks of the arm with a box share: where the box starts, what is seen of it, what of it varies."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import numpy as np

from games.base import FloatArray, HashArray
from games.compiled import inlined, njit
from games.random import uniform
from games.robots.arm_task import (
    FINGERS,
    GOAL_RANGE,
    PLACES,
    SPEED_LIMIT,
    SPEEDS,
    SPIN_LIMIT,
    ArmTask,
    arm_parameters,
)
from games.robots.scalars import between, clip
from games.robots.simulation import Fields, Layout
from games.robots.task import Parameter, RowArray

BOX = 0.025  # m, half of its side
_APART = 0.1  # m at least from the tip to the box, seen from above, at the start
_FIRST_TRY = 8  # counter of the first random numbers for the place of the box


@njit
def _place_boxes(states: RowArray, keys: HashArray, qpos: int) -> None:
    """On the table, uniform where the tip is not."""
    for row in range(len(states)):
        state, x, y, counter = states[row], 0.0, 0.0, _FIRST_TRY
        while x * x + y * y < _APART * _APART:
            x = between(-GOAL_RANGE, GOAL_RANGE, uniform(keys[row], np.uint64(counter)))
            y = between(-GOAL_RANGE, GOAL_RANGE, uniform(keys[row], np.uint64(counter + 1)))
            counter += 2
        state[qpos], state[qpos + 1], state[qpos + 2], state[qpos + 3] = x, y, BOX, 1.0


@njit
def observe_box(states: RowArray, qpos: int, qvel: int, arm: FloatArray, observations: FloatArray) -> None:
    """Write what Fetch's tasks with an object show into `observations` [n, 25]: of the arm, as `observe_arm` wrote it
    into `arm` [n, 10], and of the box, a free joint with its columns from `qpos` and `qvel` on."""
    for row in range(len(states)):
        state, seen = states[row], observations[row]
        for axis in range(3):
            seen[axis] = arm[row, axis]
            seen[3 + axis] = state[qpos + axis]
            seen[6 + axis] = state[qpos + axis] - float(arm[row, axis])
            seen[14 + axis] = state[qvel + axis] - float(arm[row, 5 + axis])
            seen[20 + axis] = arm[row, 5 + axis]
        for finger in range(2):
            seen[9 + finger] = arm[row, 3 + finger]
            seen[23 + finger] = arm[row, 8 + finger]
        w, x, y, z = state[qpos + 3], state[qpos + 4], state[qpos + 5], state[qpos + 6]
        seen[11], seen[12], seen[13] = euler_angles(w, x, y, z)
        # MuJoCo has a free body's angular velocity along its own axes: v + 2 u x (u x v + w v) turns it.
        a, b, c = state[qvel + 3], state[qvel + 4], state[qvel + 5]
        p, q, r = y * c - z * b + w * a, z * a - x * c + w * b, x * b - y * a + w * c
        seen[17] = a + 2.0 * (y * r - z * q)
        seen[18] = b + 2.0 * (z * p - x * r)
        seen[19] = c + 2.0 * (x * q - y * p)


@inlined
def euler_angles(w: float, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Roll, pitch and yaw (rad) of a unit quaternion: turned by them about the fixed axes x, then y, then z."""
    roll = math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = math.asin(clip(2.0 * (w * y - z * x), -1.0, 1.0))
    return roll, pitch, math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


class BoxTask(ArmTask):
    """A task of the arm whose goal is a place of the box; it tells where goals are, and a script of what is seen."""

    varied_fields: ClassVar[tuple[str, ...]] = (*ArmTask.varied_fields, "geom_friction")
    observation_low = (
        *(-bound for bound in PLACES * 3),
        *(0.0, 0.0),
        *(-math.pi, -0.5 * math.pi, -math.pi),
        *(-bound for bound in (*SPEEDS, SPIN_LIMIT, SPIN_LIMIT, SPIN_LIMIT, *SPEEDS)),
        *(-SPEED_LIMIT, -SPEED_LIMIT),
    )
    observation_high = (
        *PLACES * 3,
        *FINGERS,
        *(math.pi, 0.5 * math.pi, math.pi),
        *(*SPEEDS, SPIN_LIMIT, SPIN_LIMIT, SPIN_LIMIT, *SPEEDS),
        *(SPEED_LIMIT, SPEED_LIMIT),
    )

    @abstractmethod
    def draw_goals(self, states: RowArray, keys: HashArray) -> None:
        """Write goals into `states` [n, S], as functions of `keys` [n]."""

    @abstractmethod
    def script(self, seen: FloatArray, goals: FloatArray, actions: FloatArray) -> None:
        """Write the actions [n, A] of a simple controller for observations [n, 25] and goals [n, 3]."""

    @property
    def _box(self) -> slice:
        """The columns of the box's place and its quaternion."""
        return slice(self.layout.qpos.stop - 7, self.layout.qpos.stop)

    def reset(self, states: RowArray, keys: HashArray) -> None:
        self.begin_arm(states)
        _place_boxes(states, keys, self._box.start)
        self.draw_goals(states, keys)

    def observe(self, states: RowArray, observations: FloatArray) -> None:
        velocities = self.layout.qvel.stop - 6
        observe_box(states, self._box.start, velocities, self.observed_arm(states), observations)
        np.clip(observations, self.observation_low, self.observation_high, out=observations)

    def achieved_goals(self, states: RowArray) -> FloatArray:
        start = self._box.start
        places: FloatArray = np.clip(states[:, start : start + 3], self.goal_low, self.goal_high).astype(np.float32)
        return places

    def scripted_actions(self, states: RowArray) -> FloatArray:
        actions = np.empty((len(states), self.action_size), np.float32)
        self.script(self.observations(states), self.desired_goals(states), actions)
        return actions

    def vary(self, fields: Fields, states: RowArray) -> None:
        super().vary(fields, states)
        self.vary_mass(fields, "box", states[:, self.parameters["box_mass"].column])
        box = self.model.geom("box").id
        fields["geom_friction"][:, box, 0] = states[:, self.parameters["box_friction"].column]


def box_parameters(layout: Layout) -> dict[str, Parameter]:
    """Those of the arm, then those of the box."""
    found = arm_parameters(layout)
    first = layout.size + 3 + len(found)
    return {
        **found,
        "box_mass": Parameter(first, 0.1, 0.05, 0.2, "kg"),
        "box_friction": Parameter(first + 1, 0.6, 0.3, 1.0, "of force"),
    }
