"""AirHockey as a game that is searched and learnt: two players who act at once, either of them played by a policy."""

from __future__ import annotations

import numpy as np

from games.base import BoolArray, FloatArray, HashArray, StateArray
from games.robots import air_hockey_table as table
from games.robots.air_hockey import AirHockey, scripted_player
from games.robots.game import RobotGame, rows_of
from games.robots.task import RowArray

USUAL_PERIODS = 2
"""How many of the task's control periods a step holds its actions for."""
_SPEED, _NEAR = 2.5, 0.25  # m/s and m that stand for 1: pucks and mallets are seldom as fast
_SCALES = np.array((1.0 / table.LENGTH, 1.0 / table.WIDTH, 1.0 / _SPEED, 1.0 / _SPEED) * 3, np.float32)
_HURRY = 12.0
"""1/s: how fast a person's mallet goes where it is wanted, for each metre that it is away."""


class AirHockeyGame(RobotGame):
    """The two-player side of `AirHockey` as a `SimulatedGame`.

    | field | meaning |
    | --- | --- |
    | `row` | the task's row: both arms, the puck, who has scored |
    | `answer` | what player 1 does in the next step, as seen from its own end; nothing until it has been asked |
    | `to_play` | 0: it is player 0 who is searched, and whose rewards are told |
    | `num_moves` | steps made |

    A step holds both actions for `periods` of the task's control periods, 80 ms. What a move changes is then easier to
    tell from noise, and a search and the way to a goal are half as many steps long.

    Row 0 of an observation is what player 0 sees and row 1 what player 1 sees, each from its own end, so one network
    plays both: the task's 12 numbers, in units that bring them to about 1, and then the ways from either mallet to the
    puck, drawn out where that is near.
    """

    rows_per_state = 2
    person_area = (table.MALLET, table.MALLET - table.WIDTH, table.LENGTH - table.MALLET, table.WIDTH - table.MALLET)
    task: AirHockey

    def __init__(self, periods: int = USUAL_PERIODS) -> None:
        """Raises ValueError where `periods` does not divide the task's steps."""
        task = AirHockey("still")
        if periods < 1 or task.max_episode_steps % periods:
            raise ValueError(f"air_hockey: periods={periods} does not divide its {task.max_episode_steps} steps")
        super().__init__(task, "air_hockey" if periods == USUAL_PERIODS else f"air_hockey:periods={periods}")
        self.periods, self.observation_shape = periods, (task.observation_size + 4, 1, 1)
        self.max_num_moves, self.discount = task.max_episode_steps // periods, task.discount**periods
        fields = [("row", np.float64, (self.task.state_size,)), ("answer", np.float32, (self.action_size,))]
        self.state_dtype = np.dtype([*fields, ("to_play", np.int8), ("num_moves", np.int32)])

    def reset_batch(self, states: StateArray, keys: HashArray) -> None:
        super().reset_batch(states, keys)
        states["answer"] = 0.0

    def step_batch(self, states: StateArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        rows = rows_of(states)
        both, rewards = np.stack((actions, states["answer"]), axis=1), np.zeros(len(rows), np.float32)
        for _ in range(self.periods):
            more, terminated = self.task.step_both(rows, both)  # after a goal nothing moves, nor earns
            rewards += more
        states["row"], states["answer"] = rows, 0.0
        states["num_moves"] += 1
        return rewards, terminated

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        seen, shown = self.task.observe_both(rows_of(states)), observations[..., 0, 0]
        np.multiply(seen, _SCALES, out=shown[..., :12])
        for first, mallet in ((12, 4), (14, 8)):  # from the own mallet to the puck, and from the other one
            np.tanh((seen[..., :2] - seen[..., mallet : mallet + 2]) / _NEAR, out=shown[..., first : first + 2])

    def answer_batch(self, states: StateArray, answers: FloatArray) -> None:
        states["answer"] = answers[:, 0]

    def reference_answers(self, states: StateArray) -> FloatArray:
        """[n, 1, 2] what the scripted player does on the right."""
        return scripted_player(np.ascontiguousarray(self.task.observe_both(rows_of(states))[:, 1]))[:, None]

    @property
    def steps_per_second(self) -> float:
        return super().steps_per_second / self.periods

    def person_places(self, states: StateArray) -> FloatArray:
        """[n, 2] the mallet on the right."""
        return -self.task.observe_both(rows_of(states))[:, 1, 4:6]  # its own frame is turned by half a turn

    def person_answers(self, states: StateArray, targets: FloatArray) -> FloatArray:
        missing = self.person_places(states) - targets
        answers: FloatArray = np.clip(_HURRY * missing / table.MALLET_SPEED, -1.0, 1.0).astype(np.float32)
        return answers[:, None]

    def exchange_batch(self, states: StateArray, actions: FloatArray) -> None:
        states["row"], states["answer"] = _turned(states["row"]), actions


def _turned(rows: RowArray) -> RowArray:
    """[n, S] the table turned by half a turn about its middle: player 1 stands where player 0 stood."""
    other = rows.copy()
    first, second = slice(table.ARM_0, table.ARM_0 + 4), slice(table.ARM_1, table.ARM_1 + 4)
    other[:, first], other[:, second] = rows[:, second], rows[:, first]
    other[:, table.PUCK_X : table.SCORE + 1] = 0.0 - rows[:, table.PUCK_X : table.SCORE + 1]
    return other
