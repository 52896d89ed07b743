"""A chain of seven joints with a tip: where the tip is, how it moves, and which joint angles bring it elsewhere.

At joint angles of zero all links have the world's axes; each joint turns about its link's y or z axis. The numbers of a
chain come from a MuJoCo model, so the geometry stands in the model alone. Inside kernels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import mujoco
import numpy as np
import numpy.typing as npt

from games.compiled import inlined, njit
from games.robots.scalars import clip

Vector = npt.NDArray[np.float64]

NUM_JOINTS = 7
_POSTURE_GAIN = 0.1  # of the way to the rest posture in a step, where the tip leaves the joints free to go
_DAMPING = 0.003  # m and rad: little inside the workspace, but no joint ever has to fly
_ITERATIONS = 2


class Chain(NamedTuple):
    """The geometry of an arm."""

    offsets: npt.NDArray[np.float64]
    """[8, 3] float64: from each joint to the next in the link before, in m; the first from the world's origin, the last
    to the tip."""
    about_z: npt.NDArray[np.bool_]
    """[7] bool: whether a joint turns about z, and not about y."""
    low: Vector
    """[7] float64: the least angle of each joint, in rad."""
    high: Vector
    """[7] float64: the largest."""
    rest: Vector
    """[7] float64: the posture that the joints are drawn to."""


def chain_of(model: mujoco.MjModel, rest: tuple[float, ...]) -> Chain:
    """The chain of a model's first seven joints, to its site `tip`."""
    bodies = model.jnt_bodyid[:NUM_JOINTS]
    offsets = np.concatenate([model.body_pos[bodies], model.site("tip").pos[None]])
    about_z = model.jnt_axis[:NUM_JOINTS, 2] == 1.0
    low, high = model.jnt_range[:NUM_JOINTS].T
    return Chain(offsets, about_z, low.copy(), high.copy(), np.array(rest))


@njit
def place(chain: Chain, angles: Vector, joints: npt.NDArray[np.float64], frame: npt.NDArray[np.float64]) -> None:
    """Write where the joints at `angles` [7] and the tip are, and the axes they turn about, into `joints` [8, 6]: x, y
    and z, and the axis, of which the tip has none; and the axes of the hand, as columns, into `frame` [3, 3]."""
    for row in range(3):
        for column in range(3):
            frame[row, column] = 1.0 if row == column else 0.0
    x, y, z = 0.0, 0.0, 0.0
    for joint in range(NUM_JOINTS + 1):
        right, forward, up = chain.offsets[joint, 0], chain.offsets[joint, 1], chain.offsets[joint, 2]
        x += frame[0, 0] * right + frame[0, 1] * forward + frame[0, 2] * up
        y += frame[1, 0] * right + frame[1, 1] * forward + frame[1, 2] * up
        z += frame[2, 0] * right + frame[2, 1] * forward + frame[2, 2] * up
        joints[joint, 0], joints[joint, 1], joints[joint, 2] = x, y, z
        if joint == NUM_JOINTS:
            return
        cosine, sine = math.cos(angles[joint]), math.sin(angles[joint])
        axis, second = (2, 1) if chain.about_z[joint] else (1, 2)
        if axis == 1:
            sine = -sine  # about y, x turns away from z
        for row in range(3):
            joints[joint, 3 + row] = frame[row, axis]
            first = frame[row, 0]
            frame[row, 0] = cosine * first + sine * frame[row, second]
            frame[row, second] = cosine * frame[row, second] - sine * first


@inlined
def velocity_of_tip(joints: npt.NDArray[np.float64], speeds: Vector) -> tuple[float, float, float]:
    """Of the tip, in m/s, where `place` put `joints` [8, 6] that turn at `speeds` [7] (rad/s)."""
    x, y, z = 0.0, 0.0, 0.0
    for joint in range(NUM_JOINTS):
        lever_x = joints[NUM_JOINTS, 0] - joints[joint, 0]
        lever_y = joints[NUM_JOINTS, 1] - joints[joint, 1]
        lever_z = joints[NUM_JOINTS, 2] - joints[joint, 2]
        axis_x, axis_y, axis_z = joints[joint, 3], joints[joint, 4], joints[joint, 5]
        x += speeds[joint] * (axis_y * lever_z - axis_z * lever_y)
        y += speeds[joint] * (axis_z * lever_x - axis_x * lever_z)
        z += speeds[joint] * (axis_x * lever_y - axis_y * lever_x)
    return x, y, z


@njit
def bring_tip(chain: Chain, angles: Vector, target: Vector) -> None:
    """Change `angles` [7] so that the tip is at `target` [3] (m) and the hand points straight down, its x axis against
    the world's: damped least squares (Wampler 1986; Nakamura and Hanafusa 1986), the freedom that is left going to the
    rest posture. What is out of reach, or far away, is neared."""
    joints, frame = np.empty((NUM_JOINTS + 1, 6)), np.empty((3, 3))
    jacobian, square, error = np.empty((6, NUM_JOINTS)), np.empty((6, 6)), np.empty(6)
    for _ in range(_ITERATIONS):
        place(chain, angles, joints, frame)
        _errors(joints, frame, target, error)
        for joint in range(NUM_JOINTS):
            lever_x = joints[NUM_JOINTS, 0] - joints[joint, 0]
            lever_y = joints[NUM_JOINTS, 1] - joints[joint, 1]
            lever_z = joints[NUM_JOINTS, 2] - joints[joint, 2]
            axis_x, axis_y, axis_z = joints[joint, 3], joints[joint, 4], joints[joint, 5]
            jacobian[0, joint] = axis_y * lever_z - axis_z * lever_y
            jacobian[1, joint] = axis_z * lever_x - axis_x * lever_z
            jacobian[2, joint] = axis_x * lever_y - axis_y * lever_x
            jacobian[3, joint], jacobian[4, joint], jacobian[5, joint] = axis_x, axis_y, axis_z
        # angles += pull + J' (J J' + damping)^-1 (error - J pull), where the pull is that of the rest posture.
        for row in range(6):
            for joint in range(NUM_JOINTS):
                error[row] -= jacobian[row, joint] * _POSTURE_GAIN * (chain.rest[joint] - angles[joint])
            for column in range(row + 1):
                total = _DAMPING * _DAMPING if row == column else 0.0
                for joint in range(NUM_JOINTS):
                    total += jacobian[row, joint] * jacobian[column, joint]
                square[row, column] = total
        _solve(square, error)
        for joint in range(NUM_JOINTS):
            change = _POSTURE_GAIN * (chain.rest[joint] - angles[joint])
            for row in range(6):
                change += jacobian[row, joint] * error[row]
            angles[joint] = clip(angles[joint] + change, chain.low[joint], chain.high[joint])


@inlined
def _errors(joints: npt.NDArray[np.float64], frame: npt.NDArray[np.float64], target: Vector, error: Vector) -> None:
    """What is missing to the target (m), and half the sum of the cross products of the hand's axes with the wanted ones
    (-1, 0, 0), (0, 1, 0), (0, 0, -1), which is the rotation that is missing where it is small (rad)."""
    for axis in range(3):
        error[axis] = target[axis] - joints[NUM_JOINTS, axis]
    error[3] = 0.5 * (-frame[2, 1] - frame[1, 2])
    error[4] = 0.5 * (frame[0, 2] - frame[2, 0])
    error[5] = 0.5 * (frame[1, 0] + frame[0, 1])


@inlined
def _solve(square: npt.NDArray[np.float64], values: Vector) -> None:
    """Solve square @ x = values by Cholesky's method, in place: x stands in `values` [6] then. Of `square` [6, 6],
    which is positive definite, the lower half is read and overwritten."""
    for row in range(6):
        for column in range(row + 1):
            total = square[row, column]
            for index in range(column):
                total -= square[row, index] * square[column, index]
            square[row, column] = math.sqrt(total) if row == column else total / square[column, column]
        total = values[row]
        for index in range(row):
            total -= square[row, index] * values[index]
        values[row] = total / square[row, row]
    for row in range(5, -1, -1):
        total = values[row]
        for index in range(row + 1, 6):
            total -= square[index, row] * values[index]
        values[row] = total / square[row, row]
