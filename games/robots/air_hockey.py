"""AirHockey: two arms with mallets play against each other; as a task for both, and for one against an opponent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray
from games.compiled import njit
from games.random import uniform
from games.robots import air_hockey_table as table
from games.robots.air_hockey_table import tip_of_motion
from games.robots.arm import Motion, reach_angles
from games.robots.environment import TaskEnv
from games.robots.scalars import between, clip
from games.robots.task import Parameter, RowArray, Task
from games.robots.vector import TaskVectorEnv

if TYPE_CHECKING:
    from games.robots.drawing import Canvas

Opponent = Callable[[FloatArray], FloatArray]
"""Gives actions [n, 2] float32 for observations [n, 12], as an agent sees and acts at its own end."""

MALLET_SPEED_LIMIT = 12.0  # m/s: more than both joints at their fastest give the mallet


@njit
def _reset_rows(states: RowArray, keys: HashArray) -> None:
    """Both mallets before their goals, the puck near the middle, on its way to either end with the same chance."""
    for row in range(len(states)):
        state, key = states[row], keys[row]
        for side in range(2):
            x = 0.3 + between(-0.05, 0.05, uniform(key, np.uint64(2 * side)))
            y = between(-0.05, 0.05, uniform(key, np.uint64(2 * side + 1)))
            angle_1, angle_2 = reach_angles(table.LINKS[0], table.LINKS[1], x, y, 1.0)
            first = table.ARM_1 if side else table.ARM_0
            state[first] = angle_1
            state[first + 1] = angle_2
            state[first + 2] = 0.0
            state[first + 3] = 0.0
        state[table.PUCK_X] = between(-0.05, 0.05, uniform(key, np.uint64(4)))
        state[table.PUCK_Y] = between(-0.25, 0.25, uniform(key, np.uint64(5)))
        along = between(0.4, 1.0, uniform(key, np.uint64(6)))
        state[table.PUCK_SPEED_X] = along if uniform(key, np.uint64(7)) < 0.5 else -along
        state[table.PUCK_SPEED_Y] = between(-0.5, 0.5, uniform(key, np.uint64(8)))
        state[table.SCORE] = 0.0


@njit
def _observe_rows(states: RowArray, observations: FloatArray) -> None:
    """[n, 24]: what player 0 sees, then what player 1 sees."""
    for row in range(len(states)):
        state, seen = states[row], observations[row]
        for index in range(4):
            seen[index] = state[table.PUCK_X + index]
            seen[12 + index] = -state[table.PUCK_X + index]
        for player in range(2):
            first = table.ARM_1 if player else table.ARM_0
            tip = tip_of_motion(Motion(state[first], state[first + 1], state[first + 2], state[first + 3]))
            own, others = (16, 8) if player else (4, 20)
            x = tip.x - table.BASE
            seen[own], seen[own + 1], seen[own + 2], seen[own + 3] = x, tip.y, tip.speed_x, tip.speed_y
            seen[others], seen[others + 1], seen[others + 2], seen[others + 3] = -x, -tip.y, -tip.speed_x, -tip.speed_y


@njit
def _script(observations: FloatArray, actions: FloatArray) -> None:
    """Guard the goal while the puck is away or fast; behind a slow puck in the own half, drive it at the other goal."""
    for row in range(len(observations)):
        seen = observations[row]
        x, y, speed_x, speed_y = float(seen[0]), float(seen[1]), float(seen[2]), float(seen[3])
        mallet_x, mallet_y = float(seen[4]), float(seen[5])
        wanted_x, wanted_y, hurry = -0.55, clip(y, -0.13, 0.13), 12.0
        if speed_x < -0.2:  # where it will cross the line of the guard, sides reflecting it
            side = table.WIDTH - table.PUCK
            crossing = y + speed_y * (wanted_x - x) / speed_x + side
            folded = abs(crossing - 4.0 * side * math.floor(crossing / (4.0 * side) + 0.5))
            wanted_y = clip(folded - side, -0.16, 0.16)
        if x < -0.6:  # by the own end: come between puck and goal, then push it away along the end
            wanted_x, wanted_y = -0.7, y - math.copysign(0.11, y)
            if mallet_x < x + 0.02 and abs(mallet_y) < abs(y):
                wanted_x, wanted_y, hurry = -0.6, y, 30.0
        elif x < 0.03 and abs(speed_x) < 0.8:
            behind_x, behind_y = x + 0.04 * speed_x - 0.12, y + 0.04 * speed_y
            if mallet_x < x - 0.06 and abs(mallet_y - behind_y) < 0.05:
                wanted_x, wanted_y, hurry = x + 0.2, behind_y, 30.0
            elif mallet_x > x - 0.08 and abs(mallet_y - y) < 0.1:  # round it, not into the own goal
                wanted_x, wanted_y = behind_x - 0.05, y + math.copysign(0.14, mallet_y - y)
            else:
                wanted_x, wanted_y = behind_x, behind_y
        actions[row, 0] = clip(hurry * (wanted_x - mallet_x) / table.MALLET_SPEED, -1.0, 1.0)
        actions[row, 1] = clip(hurry * (wanted_y - mallet_y) / table.MALLET_SPEED, -1.0, 1.0)


def scripted_player(observations: FloatArray) -> FloatArray:
    """[n, 2] float32: what the scripted player does where it sees `observations` [n, 12]."""
    actions = np.empty((len(observations), 2), np.float32)
    _script(observations, actions)
    return actions


def still_player(observations: FloatArray) -> FloatArray:
    """[n, 2] float32: nothing."""
    return np.zeros((len(observations), 2), np.float32)


OPPONENTS: dict[str, Opponent] = {"scripted": scripted_player, "still": still_player}


class AirHockey(Task):
    """The task on state rows; `AirHockeyEnv` tells its observations, actions and rewards.

    `step_both` and `observe_both` are the game of two agents at once. `step`, `observe` and the rest are player 0's
    side of it, `opponent` playing the other: one of OPPONENTS by name, or any function of observations. Raises
    ValueError on another name.
    """

    name = "air_hockey"
    state_size = table.NUM_COLUMNS
    action_size = 2
    _bounds = (
        *(table.LENGTH, table.WIDTH, table.PUCK_SPEED_LIMIT, table.PUCK_SPEED_LIMIT),
        *(table.LENGTH, table.WIDTH, MALLET_SPEED_LIMIT, MALLET_SPEED_LIMIT) * 2,
    )
    observation_low = tuple(-bound for bound in _bounds)
    observation_high = _bounds
    control_rate = table.RATE
    max_episode_steps = 500
    discount = 0.99
    value_range = (-1.0, 1.0)
    parameters: ClassVar = {
        "puck_mass": Parameter(table.PUCK_MASS, 0.05, 0.03, 0.08, "kg"),
        "restitution": Parameter(table.RESTITUTION, 0.9, 0.8, 0.98, "of speed"),
        "drag": Parameter(table.DRAG, 0.1, 0.05, 0.3, "1/s"),
    }
    view = (-0.95, -0.55, 0.95, 0.55)

    def __init__(self, opponent: str | Opponent = "scripted") -> None:
        if isinstance(opponent, str) and opponent not in OPPONENTS:
            raise ValueError(f"unknown opponent {opponent!r}: {', '.join(OPPONENTS)}, or a function of observations")
        self.opponent = OPPONENTS[opponent] if isinstance(opponent, str) else opponent

    def reset(self, states: RowArray, keys: HashArray) -> None:
        _reset_rows(states, keys)

    def step_both(self, states: RowArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        """As `step`, of both agents' `actions` [n, 2, 2] float32, player 0's first, each as seen from its own end;
        returns (player 0's rewards [n], terminated [n]). Player 1's rewards are the negative."""
        rewards, terminated = np.empty(len(states), np.float32), np.empty(len(states), np.bool_)
        table.step_rows(states, actions.reshape(len(states), 4), rewards, terminated)
        return rewards, terminated

    def observe_both(self, states: RowArray) -> FloatArray:
        """[n, 2, 12] float32: what player 0 and player 1 see, each from its own end."""
        observations = np.empty((len(states), 2 * self.observation_size), np.float32)
        _observe_rows(states, observations)
        return observations.reshape(len(states), 2, self.observation_size)

    def step(self, states: RowArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        both = np.empty((len(states), 2, 2), np.float32)
        both[:, 0] = actions
        both[:, 1] = self.opponent(self.observe_both(states)[:, 1])
        return self.step_both(states, both)

    def observe(self, states: RowArray, observations: FloatArray) -> None:
        observations[:] = self.observe_both(states)[:, 0]

    def scores(self, states: RowArray) -> RowArray:
        """[n] who has scored: 1 player 0, -1 player 1, 0 nobody yet."""
        return states[:, table.SCORE]

    def successes(self, states: RowArray) -> BoolArray:
        return self.scores(states) > 0.0

    def scripted_actions(self, states: RowArray) -> FloatArray:
        return scripted_player(self.observations(states))

    def draw(self, canvas: Canvas, state: npt.NDArray[np.float64]) -> None:
        length, width = table.LENGTH, table.WIDTH
        for side in (-1.0, 1.0):
            canvas.line((-length, side * width), (length, side * width), 0.02, "joint")
            canvas.line((side * length, -width), (side * length, width), 0.02, "joint")
            canvas.line((side * length, -table.GOAL), (side * length, table.GOAL), 0.02, "goal")
        canvas.line((0.0, -width), (0.0, width), 0.008, "faint")
        canvas.disc((state[table.PUCK_X], state[table.PUCK_Y]), table.PUCK, "joint")
        for side, first, colour in ((1.0, table.ARM_0, "accent"), (-1.0, table.ARM_1, "rival")):
            base = np.array([-side * table.BASE, 0.0])
            elbow = base + side * table.LINKS[0] * np.array([math.cos(state[first]), math.sin(state[first])])
            both = state[first] + state[first + 1]
            tip = elbow + side * table.LINKS[1] * np.array([math.cos(both), math.sin(both)])
            canvas.disc(tip, table.MALLET, colour)
            canvas.line(base, elbow, 0.03, "body")
            canvas.line(elbow, tip, 0.022, "body")


class AirHockeyEnv(TaskEnv):
    """
    ## Description

    Two arms of two links stand behind the ends of an air-hockey table, each with a mallet in its hand, and play a puck
    at each other's goal. The agent is the one on the left, and sees and moves everything from its own end; whoever
    plays on the right sees the table turned round. The arms are those of PlanarReach (Murray, Li and Sastry 1994,
    section 4.2.3), longer and heavier; impacts are impulses with Newton's restitution, which the arms feel
    (Featherstone 2008, section 11.7).

    `opponent` is `"scripted"` (the default), `"still"`, or a function from observations [n, 12] to actions [n, 2].
    `games.robots.air_hockey_parallel` has the game of two agents as a PettingZoo environment.

    ## Action Space

    `Box(-1, 1, (2,), float32)`, 25 times a second. The joints are told the velocities that move the mallet so from
    where it is.

    | Num | Action                                  | Min | Max | Stands for  |
    |-----|-----------------------------------------|-----|-----|-------------|
    | 0   | the mallet's wanted speed to the front  | -1  | 1   | -2 to 2 m/s |
    | 1   | the mallet's wanted speed to the left   | -1  | 1   | -2 to 2 m/s |

    ## Observation Space

    `Box(float32)` of 12 numbers. The origin is the table's middle; x points to the other end, y to the left.

    | Num | Observation                    | Min   | Max  | Unit  |
    |-----|--------------------------------|-------|------|-------|
    | 0   | x of the puck                  | -0.75 | 0.75 | m     |
    | 1   | y of the puck                  | -0.4  | 0.4  | m     |
    | 2   | speed of the puck along x      | -5    | 5    | m/s   |
    | 3   | speed of the puck along y      | -5    | 5    | m/s   |
    | 4   | x of the own mallet            | -0.75 | 0.75 | m     |
    | 5   | y of the own mallet            | -0.4  | 0.4  | m     |
    | 6   | speed of the own mallet, x     | -12   | 12   | m/s   |
    | 7   | speed of the own mallet, y     | -12   | 12   | m/s   |
    | 8   | x of the other mallet          | -0.75 | 0.75 | m     |
    | 9   | y of the other mallet          | -0.4  | 0.4  | m     |
    | 10  | speed of the other mallet, x   | -12   | 12   | m/s   |
    | 11  | speed of the other mallet, y   | -12   | 12   | m/s   |

    ## Rewards

    1 for a goal, -1 for a goal against, else 0. Success is to have scored.

    ## Starting State

    The mallets before their goals, the puck near the middle, sliding to either end with the same chance.

    ## Episode End

    It terminates with the first goal, and is truncated after 500 steps (20 s).

    ## Options of reset

    `options={"randomize": True}` draws the parameters from the ranges below, `options={"randomize": {"drag": (0.2,
    0.5)}}` those that are named from other ranges; they are told in `info["parameters"]`.

    | Parameter     | Nominal | Low  | High | Unit     |
    |---------------|---------|------|------|----------|
    | `puck_mass`   | 0.05    | 0.03 | 0.08 | kg       |
    | `restitution` | 0.9     | 0.8  | 0.98 | of speed |
    | `drag`        | 0.1     | 0.05 | 0.3  | 1/s      |
    """

    task_class = AirHockey


class AirHockeyVectorEnv(TaskVectorEnv):
    """Many `AirHockeyEnv` in one."""

    task_class = AirHockey
