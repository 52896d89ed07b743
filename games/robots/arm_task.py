"""What the tasks of the seven-joint arm share: how its tip is moved, what is seen of it, what varies."""

from __future__ import annotations

import functools
from typing import ClassVar

import mujoco
import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray
from games.compiled import njit
from games.goals import GoalNumber, GoalSetting
from games.robots.chain import NUM_JOINTS, Chain, Vector, bring_tip, chain_of, place, velocity_of_tip
from games.robots.scalars import clip
from games.robots.simulation import Fields, Layout, SimulatedTask, load_model
from games.robots.task import GoalTask, Parameter, RowArray, distances, sparse_rewards

RATE = 25  # Hz
STEP = 0.05  # m that the tip goes along an axis where it is told 1
LEASH = 0.08  # m along an axis that the commanded tip may be away from the real one
WORKSPACE = (-0.22, -0.25, 0.02), (0.22, 0.25, 0.45)  # m: where the tip can be told to go
TOLERANCE = 0.05  # m
GOAL_RANGE = 0.15  # m that goals and boxes lie from the middle, along each axis
OPENING = 0.045  # m that a finger opens
PLACE_LIMIT, SPEED_LIMIT, SPIN_LIMIT = 1.0, 5.0, 50.0  # m, m/s, rad/s: what is seen of more
_REST = (0.0, 0.565, 0.0, 2.01, 0.0, 0.566, 0.0)  # rad

PLACES, SPEEDS = (PLACE_LIMIT,) * 3, (SPEED_LIMIT,) * 3
FINGERS = (OPENING, OPENING)


@functools.cache
def arm_of(model: mujoco.MjModel) -> Chain:
    return chain_of(model, _REST)


@functools.cache
def home_angles(model: mujoco.MjModel, place: tuple[float, float, float]) -> Vector:
    """[7] float64: joint angles with the tip at `place` (m)."""
    angles = np.array(_REST)
    for _ in range(50):
        bring_tip(arm_of(model), angles, np.array(place))
    return angles


@njit
def command(
    chain: Chain,
    states: RowArray,
    act: int,
    actions: FloatArray,
    low: Vector,
    high: Vector,
    controls: npt.NDArray[np.float64],
) -> None:
    """Write the velocities of the motors' angles, which stand in the columns from `act` and are those of the commanded
    tip, into `controls` [n, >= 7]: in one control period they bring it where `actions` [n, >= 3] want it."""
    joints, frame = np.empty((NUM_JOINTS + 1, 6)), np.empty((3, 3))
    angles, tip, target = np.empty(NUM_JOINTS), np.empty(3), np.empty(3)
    for row in range(len(states)):
        state = states[row]
        place(chain, state, joints, frame)  # the arm's angles are the first columns of a row
        for axis in range(3):
            tip[axis] = joints[NUM_JOINTS, axis]
        for joint in range(NUM_JOINTS):
            angles[joint] = state[act + joint]
        place(chain, angles, joints, frame)
        for axis in range(3):
            ahead = joints[NUM_JOINTS, axis] + STEP * clip(float(actions[row, axis]), -1.0, 1.0) - tip[axis]
            target[axis] = clip(tip[axis] + clip(ahead, -LEASH, LEASH), low[axis], high[axis])
        bring_tip(chain, angles, target)
        for joint in range(NUM_JOINTS):
            controls[row, joint] = (angles[joint] - state[act + joint]) * RATE


@njit
def tips(chain: Chain, states: RowArray) -> FloatArray:
    """[n, 3] float32: where the tips are."""
    found = np.empty((len(states), 3), np.float32)
    joints, frame = np.empty((NUM_JOINTS + 1, 6)), np.empty((3, 3))
    for row in range(len(states)):
        place(chain, states[row], joints, frame)
        for axis in range(3):
            found[row, axis] = joints[NUM_JOINTS, axis]
    return found


@njit
def observe_arm(chain: Chain, states: RowArray, qvel: int, num_fingers: int, observations: FloatArray) -> None:
    """Write place of the tip, openings of the fingers, velocity of the tip and of the fingers into `observations`
    [n, 10]; fingers that do not move are closed."""
    joints, frame = np.empty((NUM_JOINTS + 1, 6)), np.empty((3, 3))
    for row in range(len(states)):
        state, seen = states[row], observations[row]
        place(chain, state, joints, frame)
        for axis in range(3):
            seen[axis] = joints[NUM_JOINTS, axis]
        seen[5], seen[6], seen[7] = velocity_of_tip(joints, state[qvel : qvel + NUM_JOINTS])
        for finger in range(2):
            moves = finger < num_fingers
            seen[3 + finger] = state[NUM_JOINTS + finger] if moves else 0.0
            seen[8 + finger] = state[qvel + NUM_JOINTS + finger] if moves else 0.0


def arm_goals(lowest: float, highest: float) -> GoalSetting:
    """How people set a goal of the arm, between heights in m. The camera looks at the table from a corner: what is to
    the right in a picture is between x and y."""
    numbers = (
        GoalNumber("x", "m", -GOAL_RANGE, GOAL_RANGE),
        GoalNumber("y", "m", -GOAL_RANGE, GOAL_RANGE),
        GoalNumber("z", "m", lowest, highest),
    )
    return GoalSetting(numbers, ((0.02, 0.02, 0.0), (-0.02, 0.02, 0.0), (0.0, 0.0, 0.02))[: 2 + (lowest < highest)])


class ArmTask(GoalTask, SimulatedTask):
    """A goal task of the arm: a point in space that the tip or the box has to be at.

    After MuJoCo's columns stand the goal and then the parameters, in the order of `parameters`.
    """

    num_substeps = 8
    control_rate = RATE
    max_episode_steps = 50
    goal_low = (-PLACE_LIMIT,) * 3
    goal_high = (PLACE_LIMIT,) * 3
    varied_fields: ClassVar[tuple[str, ...]] = (
        "body_mass",
        "body_inertia",
        "dof_damping",
        "actuator_gainprm",
        "actuator_biasprm",
    )
    without: ClassVar[tuple[str, ...]]
    """What the model of `models/arm.xml` has more than the task."""
    home: ClassVar[tuple[float, float, float]]
    """Where the tip starts, in m."""

    @classmethod
    def load(cls) -> mujoco.MjModel:
        return load_model("arm", cls.without)

    @property
    def chain(self) -> Chain:
        return arm_of(self.model)

    def begin_arm(self, states: RowArray) -> None:
        """Write the arm at home and everything else of MuJoCo's at 0."""
        states[:, : self.layout.size] = 0.0
        angles = home_angles(self.model, self.home)
        states[:, :NUM_JOINTS] = states[:, self.layout.act] = angles

    def advance(self, states: RowArray, actions: FloatArray) -> None:
        controls = np.zeros((len(states), self.model.nu))
        low, high = np.array(WORKSPACE)
        command(self.chain, states, self.layout.act.start, actions, low, high, controls)
        if self.action_size > 3:
            controls[:, NUM_JOINTS:] = 0.5 * OPENING * (1.0 + np.clip(actions[:, 3:], -1.0, 1.0))
        self.simulate(states, controls)

    def observed_arm(self, states: RowArray) -> FloatArray:
        """[n, 10] float32: what `observe_arm` writes."""
        found = np.empty((len(states), 10), np.float32)
        observe_arm(self.chain, states, self.layout.qvel.start, self.model.nu - NUM_JOINTS, found)
        return found

    def vary(self, fields: Fields, states: RowArray) -> None:
        values = {name: states[:, parameter.column] for name, parameter in self.parameters.items()}
        self.vary_mass(fields, "hand", values["hand_mass"])
        joints = slice(0, NUM_JOINTS)
        self.vary_motors(fields, joints, joints, values["servo_gain"], values["joint_damping"])

    def mark(self, data: mujoco.MjData, state: npt.NDArray[np.float64]) -> None:
        data.site("goal").xpos[:] = state[self._goal]

    @property
    def _goal(self) -> slice:
        return slice(self.layout.size, self.layout.size + 3)

    def desired_goals(self, states: RowArray) -> FloatArray:
        return states[:, self._goal].astype(np.float32)

    def set_desired_goals(self, states: RowArray, goals: FloatArray) -> None:
        states[:, self._goal] = goals

    def goal_successes(self, achieved: FloatArray, desired: FloatArray) -> BoolArray:
        return distances(achieved, desired, 3) <= TOLERANCE

    def rewards(self, achieved: FloatArray, desired: FloatArray) -> FloatArray:
        return (
            -distances(achieved, desired, 3) if self.dense else sparse_rewards(self.goal_successes(achieved, desired))
        )


def arm_parameters(layout: Layout) -> dict[str, Parameter]:
    """Those of the arm, in the columns after the goal."""
    first = layout.size + 3
    return {
        "hand_mass": Parameter(first, 0.25, 0.15, 0.5, "kg"),
        "joint_damping": Parameter(first + 1, 1.0, 0.5, 2.0, "of nominal"),
        "servo_gain": Parameter(first + 2, 1.0, 0.7, 1.3, "of nominal"),
    }
