"""Tic-tac-toe: three in a row on a 3x3 board. Moves are `a1` to `c3`, the letter the column, row 1 at the bottom."""

from __future__ import annotations

import numpy as np

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State, Symmetry
from games.look import FAINT, SLATE, Colour, Look, Piece, empty, placements

_CROSS = Piece("X", "✕", "X", Colour("#ff6b6b", "bright_red"), 0, (("▚ ▞", " █ ", "▞ ▚"),))
_RING = Piece("O", "◯", "O", Colour("#ffd166", "bright_yellow"), 1, (("╭─╮", "│ │", "╰─╯"),))
_LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


class TicTacToe(Game):
    """Cells are numbered row by row from the top; action = cell. `board` holds 1 for player 0, 2 for player 1."""

    def __init__(self) -> None:
        self.name = "tic_tac_toe"
        self.state_dtype = np.dtype([("board", np.int8, (9,)), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players = 2
        self.num_actions = self.num_slots = self.max_num_moves = 9
        self.observation_shape = (2, 3, 3)
        self.num_policy_planes, self.num_extra_actions = 1, 0
        self.lines = _LINES

    def reset(self, state: State) -> None:
        state["board"][:] = 0
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        for cell in range(9):
            mask[cell] = state["board"][cell] == 0

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        stone = state["to_play"] + 1
        board = state["board"]
        board[action] = stone
        state["to_play"] = 2 - stone
        state["num_moves"] += 1
        for first, second, third in self.lines:
            if board[first] == stone and board[second] == stone and board[third] == stone:
                return 1.0, True
        return 0.0, state["num_moves"] == 9

    def observe(self, state: State, observation: FloatArray) -> None:
        own = state["to_play"] + 1
        for cell in range(9):
            stone = state["board"][cell]
            observation[0, cell // 3, cell % 3] = stone == own
            observation[1, cell // 3, cell % 3] = stone == 3 - own

    def hash(self, state: State) -> np.uint64:
        code = np.uint64(1)  # a leading digit, so that no position hashes to 0
        for cell in range(9):
            code = code * np.uint64(3) + np.uint64(state["board"][cell])
        return code  # whose turn it is follows from the number of stones

    def action_cells(self) -> IndexArray:
        return np.array([(0, cell // 3, cell % 3) for cell in range(9)])

    def symmetries(self) -> tuple[Symmetry, ...]:
        board = np.arange(9).reshape(3, 3)
        turned = [np.rot90(side, turns) for side in (board, board.T) for turns in range(4)]
        return tuple(Symmetry(cells.ravel(), np.argsort(cells.ravel())) for cells in turned)

    def look(self) -> Look:
        lighter = Colour("#3a4150", "black")
        moves = placements(9, 9)
        return Look((empty(FAINT), _CROSS, _RING), tuple("abc"), tuple("321"), moves, SLATE, second_ground=lighter)

    def to_text(self, state: State) -> str:
        rows = [" ".join(".XO"[stone] for stone in row) for row in state["board"].reshape(3, 3)]
        return "\n".join(f"{3 - index} {row}" for index, row in enumerate(rows)) + "\n  a b c"

    def action_to_text(self, action: int) -> str:
        return "abc"[action % 3] + "321"[action // 3]

    def text_to_action(self, text: str) -> int:
        if len(text) != 2 or text[0] not in "abc" or text[1] not in "123":
            raise ValueError(f"{text!r} is no cell: cells are a1 to c3, a1 at the bottom left")
        return "abc".index(text[0]) + 3 * "321".index(text[1])
