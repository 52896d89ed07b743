"""Gomoku: place stones in turn; five in a row in any direction win, six and more too unless the option exactly_five is
set. Moves are GTP vertices: `A1` to `T19`, the letter the column and never I, row 1 at the bottom.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State, Symmetry
from games.board.square import GTP_LETTERS, cell_named, cell_names, mixed, relabelled, square_turns
from games.look import BLACK, WHITE, WOOD, Colour, Look, disc, empty, placements, star_points

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
_EMPTY_KEY = 0x9E3779B97F4A7C15


class Gomoku(Game):
    """`board` holds 1 for player 0, 2 for player 1; `key` hashes it stone by stone. Action = cell, row by row from the
    top."""

    family = "gomoku"
    sgf_number = 4

    def __init__(self, size: int = 15, exactly_five: bool = False) -> None:
        if not 9 <= size <= 19:
            raise ValueError(f"gomoku{size}: the sizes are 9 to 19")
        self.size, self.exactly_five = size, exactly_five
        self.name = f"gomoku{size}{':exactly_five' if exactly_five else ''}"
        self.num_actions = self.num_slots = self.max_num_moves = self.num_cells = size * size
        self.state_dtype = np.dtype(
            [("key", np.uint64), ("num_moves", np.int16), ("to_play", np.int8), ("board", np.int8, (self.num_cells,))]
        )
        self.num_players = 2
        self.observation_shape = (2, size, size)
        self.num_policy_planes, self.num_extra_actions = 1, 0
        self._names = cell_names(size, GTP_LETTERS, row_one_on_top=False)

    def reset(self, state: State) -> None:
        state["board"][:] = 0
        state["to_play"] = 0
        state["num_moves"] = 0
        state["key"] = np.uint64(_EMPTY_KEY)

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        board = state["board"]
        for cell in range(self.num_cells):
            mask[cell] = board[cell] == 0

    def is_legal(self, state: State, action: int, history: HashArray) -> bool:
        return bool(state["board"][action] == 0)

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        player = int(state["to_play"])
        self.place(state, action, player)
        state["to_play"] = 1 - player
        num_moves = int(state["num_moves"]) + 1
        state["num_moves"] = num_moves
        if self.has_line(state, action, player + 1):
            return 1.0, True
        return 0.0, num_moves == self.max_num_moves

    def place(self, state: State, cell: int, player: int) -> None:
        """Put a stone on an empty cell."""
        state["board"][cell] = player + 1
        state["key"] = state["key"] ^ np.uint64(mixed(np.uint64(2 * cell + player + 1)))

    def has_line(self, state: State, cell: int, stone: int) -> bool:
        """Whether the stone on `cell` stands in a row that wins. No other stone needs a look after a move."""
        for down, right in _DIRECTIONS:
            length = 1 + self.run(state, cell, stone, down, right) + self.run(state, cell, stone, -down, -right)
            if length == 5 or (length > 5 and not self.exactly_five):
                return True
        return False

    def run(self, state: State, cell: int, stone: int, down: int, right: int) -> int:
        """How many stones alike follow one another from `cell` on, itself not counted; five are as good as more."""
        board = state["board"]
        row, column = cell // self.size, cell % self.size
        for length in range(5):
            row += down
            column += right
            if row < 0 or row >= self.size or column < 0 or column >= self.size:
                return length
            if board[row * self.size + column] != stone:
                return length
        return 5

    def observe(self, state: State, observation: FloatArray) -> None:
        """Own stones, the other's stones."""
        board, own = state["board"], int(state["to_play"]) + 1
        for row in range(self.size):
            for column in range(self.size):
                stone = board[row * self.size + column]
                observation[0, row, column] = stone == own
                observation[1, row, column] = stone == 3 - own

    def hash(self, state: State) -> np.uint64:
        key = state["key"] + np.uint64(int(state["to_play"]))
        return np.uint64(key) if key != 0 else np.uint64(1)

    def action_cells(self) -> IndexArray:
        return np.array([(0, *divmod(cell, self.size)) for cell in range(self.num_cells)])

    def symmetries(self) -> tuple[Symmetry, ...]:
        return tuple(relabelled(cells) for cells in square_turns(self.size))

    def look(self) -> Look:
        return Look(
            pieces=(empty(BLACK), disc("Black", BLACK, 0), disc("White", WHITE, 1)),
            columns=tuple(GTP_LETTERS[: self.size]),
            rows=tuple(str(self.size - row) for row in range(self.size)),
            moves=placements(self.num_cells, self.num_actions),
            ground=WOOD,
            ink=Colour("#6b4a1f", "black"),
            on_lines=True,
            stars=star_points(self.size),
        )

    def to_text(self, state: State) -> str:
        rows = [" ".join(".XO"[stone] for stone in row) for row in state["board"].reshape(self.size, self.size)]
        lines = [f"{self.size - index:2} {row}" for index, row in enumerate(rows)]
        return "\n".join([*lines, f"   {' '.join(GTP_LETTERS[: self.size])}"])

    def action_to_text(self, action: int) -> str:
        return self._names[action]

    def text_to_action(self, text: str) -> int:
        return cell_named(text, self._names)

    def set_up(self, state: State, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        self.reset(state)
        for player, cell in stones:
            if not 0 <= cell < self.num_cells or state["board"][cell] != 0:
                raise ValueError(f"set-up stones of {self.name} stand on the board, one a cell")
            self.place(state, cell, player)
        if any(self.has_line(state, cell, player + 1) for player, cell in stones):
            raise ValueError(f"{self.name}: the position set up is won already")
        if len(stones) == self.num_cells:
            raise ValueError(f"{self.name}: the board set up is full")
        state["to_play"] = to_play
        state["num_moves"] = len(stones)
