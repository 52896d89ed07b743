"""DiffDrivePark: a car with two driven wheels parks at a place, facing a given way."""

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

# Columns of a state row: m, rad, m/s, the goal in m and rad, shares of the nominal, m/s^2.
X, Y, HEADING, SPEED, GOAL_X, GOAL_Y, GOAL_HEADING, DRIVE, STEERING, GRIP = range(10)

TOP_SPEED = 0.8  # m/s
TOP_TURN = 2.0  # rad/s
SPEED_LIMIT = 1.0  # m/s, whatever the wheels are told and make of it
LOT = 1.5  # m: the lot is from -LOT to LOT both ways
ROOM = 1.0  # m: starts and goals are from -ROOM to ROOM
TOLERANCE, ANGLE_TOLERANCE = 0.05, math.radians(10.0)  # m, rad
ANGLE_WEIGHT = 0.2  # m/rad, of the dense reward
RATE = 10  # Hz
SUBSTEPS = 5


class Car(NamedTuple):
    """m, m, rad, m/s"""

    x: float
    y: float
    heading: float
    speed: float


@inlined
def advance_car(car: Car, wanted_speed: float, turn: float, grip: float, seconds: float) -> Car:
    """The car `seconds` later: the unicycle x' = v cos heading, y' = v sin heading, heading' = turn (Siegwart and
    Nourbakhsh 2004, "Introduction to Autonomous Mobile Robots", section 3.2), whose speed nears the wanted one by at
    most `grip` (m/s^2). At the mean of both speeds it moves on a circle, and the chord of that arc is exact."""
    change = clip(wanted_speed - car.speed, -grip * seconds, grip * seconds)
    half_turn = 0.5 * turn * seconds
    straightness = 1.0 - half_turn * half_turn / 6.0 * (1.0 - half_turn * half_turn / 20.0)  # sin(a) / a
    way = (car.speed + 0.5 * change) * seconds * straightness
    middle = car.heading + half_turn
    return Car(car.x + way * math.cos(middle), car.y + way * math.sin(middle), middle + half_turn, car.speed + change)


@njit
def _advance_rows(states: RowArray, actions: FloatArray) -> None:
    seconds = 1.0 / (RATE * SUBSTEPS)
    for row in range(len(states)):
        state = states[row]
        wanted = TOP_SPEED * state[DRIVE] * clip(float(actions[row, 0]), -1.0, 1.0)
        wanted = clip(wanted, -SPEED_LIMIT, SPEED_LIMIT)
        turn = TOP_TURN * state[STEERING] * clip(float(actions[row, 1]), -1.0, 1.0)
        car = Car(state[X], state[Y], state[HEADING], state[SPEED])
        for _ in range(SUBSTEPS):
            car = advance_car(car, wanted, turn, state[GRIP], seconds)
            if abs(car.x) > LOT or abs(car.y) > LOT:  # the wall stops it
                car = Car(clip(car.x, -LOT, LOT), clip(car.y, -LOT, LOT), car.heading, 0.0)
        state[X] = car.x
        state[Y] = car.y
        state[HEADING] = wrap_angle(car.heading)
        state[SPEED] = car.speed


@njit
def _reset_rows(states: RowArray, keys: HashArray) -> None:
    for row in range(len(states)):
        state, key = states[row], keys[row]
        state[X] = between(-ROOM, ROOM, uniform(key, np.uint64(0)))
        state[Y] = between(-ROOM, ROOM, uniform(key, np.uint64(1)))
        state[HEADING] = between(-math.pi, math.pi, uniform(key, np.uint64(2)))
        state[SPEED] = 0.0
        state[GOAL_X] = np.float32(between(-ROOM, ROOM, uniform(key, np.uint64(3))))
        state[GOAL_Y] = np.float32(between(-ROOM, ROOM, uniform(key, np.uint64(4))))
        state[GOAL_HEADING] = np.float32(between(-math.pi, math.pi, uniform(key, np.uint64(5))))


@njit
def _observe_rows(states: RowArray, observations: FloatArray) -> None:
    for row in range(len(states)):
        state, seen = states[row], observations[row]
        seen[0] = state[X]
        seen[1] = state[Y]
        seen[2] = math.cos(state[HEADING])
        seen[3] = math.sin(state[HEADING])
        seen[4] = state[SPEED]


@njit
def _angles_between(achieved: FloatArray, desired: FloatArray) -> FloatArray:
    """[n] float32: by how much (rad) headings differ, the shorter way round."""
    angles = np.empty(len(achieved), np.float32)
    for row in range(len(achieved)):
        angles[row] = abs(wrap_angle(float(achieved[row, 2]) - float(desired[row, 2])))
    return angles


@njit
def _scripted_rows(states: RowArray, actions: FloatArray) -> None:
    """Steer as Aicardi et al. do ("Closed loop steering of unicycle-like vehicles via Lyapunov techniques", 1995):
    forwards or backwards, whichever way the goal lies, on a curve that ends in the wanted heading."""
    for row in range(len(states)):
        state = states[row]
        across, up = state[GOAL_X] - state[X], state[GOAL_Y] - state[Y]
        distance = math.sqrt(across * across + up * up)
        facing = wrap_angle(state[GOAL_HEADING] - state[HEADING])
        speed, turn = 0.0, 3.0 * facing
        if distance > 0.6 * TOLERANCE:
            bearing = math.atan2(up, across)
            ahead = wrap_angle(bearing - state[HEADING])
            direction = 1.0
            if abs(ahead) > 0.5 * math.pi:
                direction = -1.0
                ahead = wrap_angle(ahead + math.pi)
                bearing += math.pi
            off = wrap_angle(bearing - state[GOAL_HEADING])
            speed = direction * 1.8 * distance * math.cos(ahead)
            bent = math.sin(ahead) * math.cos(ahead) / ahead if abs(ahead) > 1e-6 else 1.0
            turn = 3.0 * ahead + 1.8 * bent * (ahead + 2.0 * off)
        actions[row, 0] = clip(speed / TOP_SPEED, -1.0, 1.0)
        actions[row, 1] = clip(turn / TOP_TURN, -1.0, 1.0)


class DiffDrivePark(GoalTask):
    """The task on state rows; `DiffDriveParkEnv` tells its observations, actions and rewards."""

    name = "diff_drive_park"
    state_size = 10
    action_size = 2
    observation_low = (-LOT, -LOT, -1.0, -1.0, -SPEED_LIMIT)
    observation_high = (LOT, LOT, 1.0, 1.0, SPEED_LIMIT)
    goal_low = (-LOT, -LOT, -math.pi)
    goal_high = (LOT, LOT, math.pi)
    goal_setting = GoalSetting(
        (
            GoalNumber("x", "m", -ROOM, ROOM),
            GoalNumber("y", "m", -ROOM, ROOM),
            GoalNumber("heading", "rad", -math.pi, math.pi),
        ),
        ((0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, 0.0, math.pi / 12)),
    )
    control_rate = RATE
    max_episode_steps = 100
    discount = 0.97
    value_range = (-34.0, 0.0)
    parameters: ClassVar = {
        "drive": Parameter(DRIVE, 1.0, 0.8, 1.2, "of nominal"),
        "steering": Parameter(STEERING, 1.0, 0.8, 1.2, "of nominal"),
        "grip": Parameter(GRIP, 2.0, 1.0, 3.0, "m/s^2"),
    }
    view = (-1.7, -1.7, 1.7, 1.7)

    def reset(self, states: RowArray, keys: HashArray) -> None:
        _reset_rows(states, keys)

    def advance(self, states: RowArray, actions: FloatArray) -> None:
        _advance_rows(states, actions)

    def observe(self, states: RowArray, observations: FloatArray) -> None:
        _observe_rows(states, observations)

    def achieved_goals(self, states: RowArray) -> FloatArray:
        return states[:, X : HEADING + 1].astype(np.float32)

    def desired_goals(self, states: RowArray) -> FloatArray:
        return states[:, GOAL_X : GOAL_HEADING + 1].astype(np.float32)

    def set_desired_goals(self, states: RowArray, goals: FloatArray) -> None:
        states[:, GOAL_X : GOAL_HEADING + 1] = goals

    def goal_successes(self, achieved: FloatArray, desired: FloatArray) -> BoolArray:
        near = distances(achieved, desired, 2) <= TOLERANCE
        return near & (_angles_between(achieved, desired) <= ANGLE_TOLERANCE)

    def missing(self, achieved: FloatArray, desired: FloatArray) -> FloatArray:
        """The heading's by the shorter way round: a car that is nearly parked is then always near to 0."""
        lacking = desired - achieved
        lacking[:, 2] = (lacking[:, 2] + np.float32(math.pi)) % np.float32(2.0 * math.pi) - np.float32(math.pi)
        return lacking

    def rewards(self, achieved: FloatArray, desired: FloatArray) -> FloatArray:
        if not self.dense:
            return sparse_rewards(self.goal_successes(achieved, desired))
        return -distances(achieved, desired, 2) - np.float32(ANGLE_WEIGHT) * _angles_between(achieved, desired)

    def scripted_actions(self, states: RowArray) -> FloatArray:
        actions = np.empty((len(states), 2), np.float32)
        _scripted_rows(states, actions)
        return actions

    def draw(self, canvas: Canvas, state: npt.NDArray[np.float64]) -> None:
        corners = [(-LOT, -LOT), (LOT, -LOT), (LOT, LOT), (-LOT, LOT)]
        for corner, following in zip(corners, [*corners[1:], corners[0]], strict=True):
            canvas.line(corner, following, 0.03, "faint")
        _draw_car(canvas, state[GOAL_X], state[GOAL_Y], state[GOAL_HEADING], ("goal", "goal", "paper"))
        _draw_car(canvas, state[X], state[Y], state[HEADING], ("body", "joint", "accent"))


def _draw_car(canvas: Canvas, x: float, y: float, heading: float, colours: tuple[str, str, str]) -> None:
    """A body, two wheels, and a stripe at the front, in these colours."""
    ahead = np.array([math.cos(heading), math.sin(heading)])
    side, middle = np.array([-ahead[1], ahead[0]]), np.array([x, y])
    body, wheels, front = colours
    outline = ((0.15, 0.08), (0.15, -0.08), (-0.12, -0.08), (-0.12, 0.08))
    for wheel in (-0.1 * side, 0.1 * side):
        canvas.line(middle + wheel - 0.05 * ahead, middle + wheel + 0.05 * ahead, 0.04, wheels)
    canvas.polygon([middle + along * ahead + across * side for along, across in outline], body)
    canvas.line(middle + 0.11 * ahead - 0.06 * side, middle + 0.11 * ahead + 0.06 * side, 0.03, front)


class DiffDriveParkEnv(GoalEnv):
    """
    ## Description

    A car with two driven wheels on one axle parks at a place, facing a given way. The physics is the unicycle (Siegwart
    and Nourbakhsh 2004, "Introduction to Autonomous Mobile Robots", section 3.2): it turns as it is told, and its speed
    follows at up to 2 m/s^2. Walls around the lot stop it.

    ## Action Space

    `Box(-1, 1, (2,), float32)`, 10 times a second.

    | Num | Action                         | Min | Max | Stands for        |
    |-----|--------------------------------|-----|-----|-------------------|
    | 0   | wanted speed                   | -1  | 1   | -0.8 to 0.8 m/s   |
    | 1   | turn rate, counter-clockwise   | -1  | 1   | -2 to 2 rad/s     |

    ## Observation Space

    A dictionary: `observation` (5), `achieved_goal` (3), `desired_goal` (3), all float32.

    | Num | Observation                    | Min  | Max | Unit  |
    |-----|--------------------------------|------|-----|-------|
    | 0   | x                              | -1.5 | 1.5 | m     |
    | 1   | y                              | -1.5 | 1.5 | m     |
    | 2   | cosine of the heading          | -1   | 1   |       |
    | 3   | sine of the heading            | -1   | 1   |       |
    | 4   | speed                          | -1   | 1   | m/s   |

    | Num | Goal                           | Min  | Max | Unit  |
    |-----|--------------------------------|------|-----|-------|
    | 0   | x                              | -1.5 | 1.5 | m     |
    | 1   | y                              | -1.5 | 1.5 | m     |
    | 2   | heading                        | -pi  | pi  | rad   |

    ## Rewards

    `keima/DiffDrivePark-v0`: 0 within 5 cm of the goal and 10 degrees of its heading, else -1.
    `keima/DiffDriveParkDense-v0`: minus the distance in m and 0.2 times the angle between the headings in rad.
    Success is to be within 5 cm and 10 degrees.

    ## Starting State

    Place and heading of car and goal uniform, the places within 1 m of the middle both ways; at rest.

    ## Episode End

    It never terminates, and is truncated after 100 steps (10 s).

    ## Options of reset

    `options={"goal": [x, y, heading]}` sets the goal. `options={"randomize": True}` draws the parameters from the
    ranges below, `options={"randomize": {"grip": (0.5, 1.0)}}` those that are named from other ranges; they are told in
    `info["parameters"]`. `drive` and `steering` are how much of a told speed and turn rate the wheels make.

    | Parameter  | Nominal | Low | High | Unit       |
    |------------|---------|-----|------|------------|
    | `drive`    | 1       | 0.8 | 1.2  | of nominal |
    | `steering` | 1       | 0.8 | 1.2  | of nominal |
    | `grip`     | 2       | 1   | 3    | m/s^2      |
    """

    task_class = DiffDrivePark


class DiffDriveParkVectorEnv(TaskVectorEnv):
    """Many `DiffDriveParkEnv` in one."""

    task_class = DiffDrivePark
