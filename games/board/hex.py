"""Hex: place stones in turn; player 0 joins the top and the bottom edge, player 1 the left and the right one. A full
board joins exactly one of them, so there are no draws.

Moves are `a1` to `s19`, the letter the column, row 1 at the top. A cell touches the next ones of its row, the two above
(same column and the one to its right) and the two below (same column and the one to its left):

    a b c
  1 . . .
   2 . . .
    3 . . .

With the option swap, player 1 may answer the first stone with `swap` and takes over its place: the stone goes, and one
of player 1's stands on the cell that mirrors it in the long diagonal, which is as good for the other direction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State, Symmetry
from games.board.square import LETTERS, cell_named, cell_names, mixed, relabelled
from games.look import FAINT, Colour, Look, disc, hole, placements

_NEIGHBOURS = ((-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0))
_EMPTY_KEY = 0x9E3779B97F4A7C15


class Hex(Game):
    """`board` holds 1 for player 0, 2 for player 1; `key` hashes it stone by stone.

    `links` is a union-find forest over the cells and, after them, the top, bottom, left and right edges: each entry
    names another member of its chain with a higher number, a root itself. So an edge is always a root, and a player
    has won when a stone links one edge to the other. Actions are the cells, row by row from the top, then `swap`; it is
    there without the option too, though never legal, so that one network plays both.
    """

    family = "hex"
    sgf_number = 11
    sgf_letters = False

    def __init__(self, size: int = 11, swap: bool = False) -> None:
        if not 3 <= size <= 19:
            raise ValueError(f"hex{size}: the sizes are 3 to 19")
        self.size, self.swap = size, swap
        self.name = f"hex{size}{':swap' if swap else ''}"
        self.num_cells = self.num_slots = size * size
        self.state_dtype = np.dtype(
            [
                ("key", np.uint64),
                ("links", np.int16, (self.num_cells + 4,)),
                ("num_moves", np.int16),
                ("to_play", np.int8),
                ("board", np.int8, (self.num_cells,)),
            ]
        )
        self.num_players = 2
        self.num_actions = self.num_cells + 1
        self.max_num_moves = self.num_cells + int(swap)
        self.observation_shape = (4, size, size)
        self.num_policy_planes, self.num_extra_actions = 1, 1
        self._names = cell_names(size, LETTERS, row_one_on_top=True)

    def reset(self, state: State) -> None:
        self.clear(state)
        state["to_play"] = 0
        state["num_moves"] = 0

    def clear(self, state: State) -> None:
        """Take all stones off the board."""
        board, links = state["board"], state["links"]
        for cell in range(self.num_cells):
            board[cell] = 0
        for member in range(self.num_cells + 4):
            links[member] = member
        state["key"] = np.uint64(_EMPTY_KEY)

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        board = state["board"]
        for cell in range(self.num_cells):
            mask[cell] = board[cell] == 0
        mask[self.num_cells] = self.swap and state["num_moves"] == 1

    def is_legal(self, state: State, action: int, history: HashArray) -> bool:
        if action == self.num_cells:
            return bool(self.swap and state["num_moves"] == 1)
        return bool(state["board"][action] == 0)

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        player = int(state["to_play"])
        cell = action
        if action == self.num_cells:
            cell = self.mirrored_stone(state)
            self.clear(state)
        won = self.place(state, cell, player)
        state["to_play"] = 1 - player
        state["num_moves"] += 1
        return (1.0 if won else 0.0), won

    def mirrored_stone(self, state: State) -> int:
        """The cell that mirrors the only stone on the board in the long diagonal."""
        cell = 0
        while state["board"][cell] == 0:
            cell += 1
        return cell % self.size * self.size + cell // self.size

    def place(self, state: State, cell: int, player: int) -> bool:
        """Put a stone on an empty cell; whether it joins the player's edges."""
        board, links = state["board"], state["links"]
        stone = player + 1
        board[cell] = stone
        state["key"] = state["key"] ^ np.uint64(mixed(np.uint64(2 * cell + stone)))
        row, column = cell // self.size, cell % self.size
        along = column if player == 1 else row
        first_edge = self.num_cells + 2 * player
        won = False
        if along == 0:
            won |= self.link(links, cell, first_edge)
        if along == self.size - 1:
            won |= self.link(links, cell, first_edge + 1)
        for down, right in _NEIGHBOURS:
            next_row, next_column = row + down, column + right
            if 0 <= next_row < self.size and 0 <= next_column < self.size:
                neighbour = next_row * self.size + next_column
                if board[neighbour] == stone:
                    won |= self.link(links, cell, neighbour)
        return won

    def link(self, links: npt.NDArray[np.int16], first: int, second: int) -> bool:
        """Make one chain of the chains of two members; whether that joins two edges."""
        first, second = self.root(links, first), self.root(links, second)
        links[min(first, second)] = max(first, second)
        return min(first, second) >= self.num_cells and first != second

    def root(self, links: npt.NDArray[np.int16], member: int) -> int:
        """The root of a member's chain. Halves the way to it for the next time."""
        above = int(links[member])
        while above != member:
            higher = int(links[above])
            links[member] = higher
            member = higher
            above = int(links[member])
        return member

    def observe(self, state: State, observation: FloatArray) -> None:
        """Own stones, the other's stones, the cells on the edges to join, and all ones where `swap` is legal.

        The edges turn with the board, so that transposing the planes shows the same position with colours exchanged.
        """
        board, player = state["board"], int(state["to_play"])
        may_swap = self.swap and state["num_moves"] == 1
        last = self.size - 1
        for row in range(self.size):
            for column in range(self.size):
                stone = board[row * self.size + column]
                along = column if player == 1 else row
                observation[0, row, column] = stone == player + 1
                observation[1, row, column] = stone == 2 - player
                observation[2, row, column] = along == 0 or along == last
                observation[3, row, column] = may_swap

    def hash(self, state: State) -> np.uint64:
        key = state["key"] + np.uint64(int(state["to_play"]))
        return np.uint64(key) if key != 0 else np.uint64(1)

    def action_cells(self) -> IndexArray:
        return np.array([*((0, *divmod(cell, self.size)) for cell in range(self.num_cells)), (-1, 0, 0)])

    def symmetries(self) -> tuple[Symmetry, ...]:
        """The board, itself turned by 180 degrees, and both mirrored in the long diagonal with colours exchanged."""
        board = np.arange(self.num_cells)
        mirrored = board.reshape(self.size, self.size).T.ravel()
        return (
            relabelled(board, 1),
            relabelled(board[::-1], 1),
            relabelled(mirrored, 1, swaps_players=True),
            relabelled(mirrored[::-1], 1, swaps_players=True),
        )

    def look(self) -> Look:
        red, blue = Colour("#f0605d", "bright_red"), Colour("#5aa9ff", "bright_blue")
        return Look(
            pieces=(hole(Colour("#3f4757", "white")), disc("Red", red, 0), disc("Blue", blue, 1)),
            columns=tuple(LETTERS[: self.size]),
            rows=tuple(str(row + 1) for row in range(self.size)),
            moves=placements(self.num_cells, self.num_actions),
            ground=Colour("#20242d", "black"),
            ink=FAINT,
            slanted=True,
            columns_on_top=True,
            tasks=("joins top and bottom", "joins left and right"),
            edges=(0, 1, 0, 1),
        )

    def to_text(self, state: State) -> str:
        rows = [" ".join(".XO"[stone] for stone in row) for row in state["board"].reshape(self.size, self.size)]
        lines = [f"{' ' * index}{index + 1:2} {row}" for index, row in enumerate(rows)]
        return "\n".join([f"   {' '.join(LETTERS[: self.size])}", *lines])

    def action_to_text(self, action: int) -> str:
        return "swap" if action == self.num_cells else self._names[action]

    def text_to_action(self, text: str) -> int:
        return self.num_cells if text == "swap" else cell_named(text, self._names)

    def set_up(self, state: State, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        self.reset(state)
        won = False
        for player, cell in stones:
            if not 0 <= cell < self.num_cells or state["board"][cell] != 0:
                raise ValueError(f"set-up stones of {self.name} stand on the board, one a cell")
            won |= self.place(state, cell, player)
        if won:
            raise ValueError(f"{self.name}: the position set up is won already")
        state["to_play"] = to_play
        state["num_moves"] = len(stones)
