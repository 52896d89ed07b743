"""A tiny scored game for tests of what Go needs of the tools: komi, passes, set-up stones, sizes, a repetition rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State


class Patches(Game):
    """Two players fill a board; two passes, or a full board, end it.

    A stone owns its cell, and an empty cell belongs to a player all of whose neighbouring stones are his. With
    `superko` a player may not pass twice in a row: a rule that reads the history. Cells are numbered row by row from
    the top, `a1` the top left one; the last action is `pass`.
    """

    is_scored = True

    def __init__(self, width: int = 3, height: int | None = None, superko: bool = False, komi: float = 0.5) -> None:
        self.width, self.height = width, height or width
        self.uses_history = superko  # type: ignore[misc]  # an option of this game
        size = f"{width}" if height in (None, width) else f"{width}x{height}"
        self.name = f"patches{size}{':superko' if superko else ''}"
        cells = self.width * self.height
        self.state_dtype = np.dtype(
            [
                ("board", np.int8, (cells,)),
                ("komi", np.float32),
                ("to_play", np.int8),
                ("passes", np.int8),
                ("num_moves", np.int16),
            ]
        )
        self.num_players = 2
        self.num_actions = self.num_slots = cells + 1
        self.max_num_moves = 2 * cells + 1
        self.observation_shape = (4, self.height, self.width)
        self.num_policy_planes, self.num_extra_actions = 1, 1
        self.default_komi = komi

    def reset(self, state: State) -> None:
        state["board"][:] = 0
        state["komi"] = self.default_komi
        state["to_play"] = 0
        state["passes"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        cells = self.width * self.height
        for cell in range(cells):
            mask[cell] = state["board"][cell] == 0
        mask[cells] = True
        if self.uses_history and history.size >= 2:
            before, after = history[history.size - 2], history[history.size - 1]  # his last move, the low bit his turn
            mask[cells] = before >> np.uint64(1) != after >> np.uint64(1)

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        player, cells = int(state["to_play"]), self.width * self.height
        passes = int(state["passes"]) + 1 if action == cells else 0
        if action < cells:
            state["board"][action] = player + 1
        num_moves = int(state["num_moves"]) + 1
        state["passes"] = passes
        state["num_moves"] = num_moves
        state["to_play"] = 1 - player
        full = True
        for cell in range(cells):
            full = full and state["board"][cell] != 0
        if passes < 2 and not full and num_moves < self.max_num_moves:
            return 0.0, False
        lead = self.score(state) if player == 0 else -self.score(state)
        return (1.0 if lead > 0 else -1.0 if lead < 0 else 0.0), True

    def observe(self, state: State, observation: FloatArray) -> None:
        player = int(state["to_play"])
        for cell in range(self.width * self.height):
            row, column = cell // self.width, cell % self.width
            stone = int(state["board"][cell])
            observation[0, row, column] = stone == player + 1
            observation[1, row, column] = stone == 2 - player
            observation[2, row, column] = float(state["komi"]) * (1 if player == 1 else -1)
            observation[3, row, column] = state["passes"]

    def hash(self, state: State) -> np.uint64:
        code = self.history_hash(state) * np.uint64(4) + np.uint64(int(state["passes"]))
        return code * np.uint64(4096) + np.uint64(2048 + int(2 * float(state["komi"])))

    def history_hash(self, state: State) -> np.uint64:
        code = np.uint64(1)
        for cell in range(self.width * self.height):
            code = code * np.uint64(3) + np.uint64(int(state["board"][cell]))
        return code * np.uint64(2) + np.uint64(int(state["to_play"]))

    def ownership(self, state: State, owners: npt.NDArray[np.int8]) -> None:
        for cell in range(self.width * self.height):
            owners[cell] = self.owner(state, cell)

    def owner(self, state: State, cell: int) -> int:
        stone = int(state["board"][cell])
        if stone != 0:
            return 3 - 2 * stone
        row, column = cell // self.width, cell % self.width
        seen = 0
        if row > 0:
            seen |= int(state["board"][cell - self.width])
        if row < self.height - 1:
            seen |= int(state["board"][cell + self.width])
        if column > 0:
            seen |= int(state["board"][cell - 1])
        if column < self.width - 1:
            seen |= int(state["board"][cell + 1])
        return 1 if seen == 1 else -1 if seen == 2 else 0

    def score(self, state: State) -> float:
        points = -float(state["komi"])
        for cell in range(self.width * self.height):
            points += self.owner(state, cell)
        return points

    def action_cells(self) -> IndexArray:
        cells = [(0, row, column) for row in range(self.height) for column in range(self.width)]
        return np.array([*cells, (-1, 0, 0)])

    def to_text(self, state: State) -> str:
        rows = state["board"].reshape(self.height, self.width)
        return "\n".join(" ".join(".XO"[stone] for stone in row) for row in rows)

    def action_to_text(self, action: int) -> str:
        if action == self.num_actions - 1:
            return "pass"
        return f"{'abcdefghi'[action % self.width]}{action // self.width + 1}"

    def text_to_action(self, text: str) -> int:
        for action in range(self.num_actions):
            if self.action_to_text(action) == text.lower():
                return action
        raise ValueError(f"{text!r} is no move: moves are a1 to {self.action_to_text(self.num_actions - 2)} and pass")

    def set_up(self, state: State, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        self.reset(state)
        for player, action in stones:
            if action == self.num_actions - 1 or state["board"][action] != 0:
                raise ValueError(f"{self.action_to_text(action)} is no free cell for a stone")
            state["board"][action] = player + 1
        if (state["board"] != 0).all():
            raise ValueError("the board is full")
        state["to_play"] = to_play
