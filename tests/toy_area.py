"""A small scored game with a komi, passes and set-up stones, for the tests of protocols: Go without captures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State

_COLUMNS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"


class ToyArea(Game):
    """Put a stone on an empty point or pass; two passes end it, and who has more stones wins, White's komi counted.

    `board` holds 1 for player 0, 2 for player 1, row by row from the top; action = point, the last one passes.
    """

    is_scored = True
    sgf_number = 1

    def __init__(self, size: int = 3, rules: str = "") -> None:
        self.size, self.num_points = size, size * size
        self.name = f"toy{size}:{rules}" if rules else f"toy{size}"
        self.state_dtype = np.dtype(
            [
                ("board", np.int8, (self.num_points,)),
                ("komi", np.float32),
                ("passes", np.int8),
                ("to_play", np.int8),
                ("num_moves", np.int16),
            ]
        )
        self.num_players = 2
        self.num_actions = self.num_slots = self.num_points + 1
        self.max_num_moves = 3 * self.num_points
        self.observation_shape = (4, size, size)
        self.num_policy_planes, self.num_extra_actions = 1, 1

    def reset(self, state: State) -> None:
        state["board"][:] = 0
        state["komi"] = 0.5
        state["passes"] = 0
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        for point in range(self.num_points):
            mask[point] = state["board"][point] == 0
        mask[self.num_points] = True

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        player = int(state["to_play"])
        passes = int(state["passes"]) + 1
        if action < self.num_points:
            state["board"][action] = player + 1
            passes = 0
        num_moves = int(state["num_moves"]) + 1
        state["passes"] = passes
        state["to_play"] = 1 - player
        state["num_moves"] = num_moves
        if passes < 2 and num_moves < self.max_num_moves:
            return 0.0, False
        score = self.score(state)
        won = 1.0 if score > 0.0 else (-1.0 if score < 0.0 else 0.0)
        return (won if player == 0 else -won), True

    def observe(self, state: State, observation: FloatArray) -> None:
        own = int(state["to_play"]) + 1
        for point in range(self.num_points):
            stone = int(state["board"][point])
            row, column = point // self.size, point % self.size
            observation[0, row, column] = stone == own
            observation[1, row, column] = stone == 3 - own
            observation[2, row, column] = int(state["passes"])
            observation[3, row, column] = state["komi"] if own == 2 else -state["komi"]

    def hash(self, state: State) -> np.uint64:
        code = np.uint64(1 + int(state["to_play"]) + 2 * int(state["passes"]) + 8 * int(2.0 * state["komi"] + 1000.0))
        for point in range(self.num_points):
            code = code * np.uint64(3) + np.uint64(int(state["board"][point]))
        return code

    def ownership(self, state: State, owners: npt.NDArray[np.int8]) -> None:
        for point in range(self.num_points):
            stone = int(state["board"][point])
            owners[point] = 1 if stone == 1 else (-1 if stone == 2 else 0)

    def score(self, state: State) -> float:
        lead = 0.0
        for point in range(self.num_points):
            stone = int(state["board"][point])
            lead += 1.0 if stone == 1 else (-1.0 if stone == 2 else 0.0)
        return lead - float(state["komi"])

    def action_cells(self) -> IndexArray:
        points = [(0, point // self.size, point % self.size) for point in range(self.num_points)]
        return np.array([*points, (-1, 0, 0)])

    def to_text(self, state: State) -> str:
        rows = state["board"].reshape(self.size, self.size)
        lines = [f"{self.size - row} {' '.join('.XO'[stone] for stone in line)}" for row, line in enumerate(rows)]
        return "\n".join([*lines, "  " + " ".join(_COLUMNS[: self.size])])

    def action_to_text(self, action: int) -> str:
        if action == self.num_points:
            return "pass"
        return f"{_COLUMNS[action % self.size]}{self.size - action // self.size}"

    def text_to_action(self, text: str) -> int:
        texts = [self.action_to_text(action) for action in range(self.num_actions)]
        if text not in texts:
            raise ValueError(f"{text!r} is no move")
        return texts.index(text)

    def set_up(self, state: State, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        self.reset(state)
        for player, point in stones:
            if not 0 <= point < self.num_points or state["board"][point] != 0:
                raise ValueError("set-up stones are on different points of the board")
            state["board"][point] = player + 1
        state["to_play"] = to_play


def remake(game: Game, size: tuple[int, int] | None, options: Mapping[str, str]) -> Game:
    """As `keima gtp` does by name: sizes 2 to 19, and the option `ko`."""
    found = re.fullmatch(r"toy([0-9]+)(:.*)?", game.name)
    assert found is not None
    if size is not None and not (size[0] == size[1] and 2 <= size[0] <= 19):
        raise ValueError("toy boards are of 2 to 19 rows")
    if set(options) - {"ko"}:
        raise ValueError("toys know no such rules")
    return ToyArea(
        size[0] if size else int(found[1]), f"ko={options['ko']}" if "ko" in options else (found[2] or "")[1:]
    )
