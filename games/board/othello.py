"""Othello: place a disc so that it brackets the other player's in a row, and turn these over; most discs win.

Moves are `a1` to `h8`, the letter the column, row 1 at the top, and `pass`, which is legal exactly where no disc can be
placed. Player 0 is Black and begins. Discs are counted as they lie: empty cells at the end belong to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State, Symmetry
from games.board.square import LETTERS, cell_named, cell_names, mixed, relabelled, square_turns
from games.look import BLACK, WHITE, Colour, Look, disc, empty, placements

_DIRECTIONS = (1, 7, 8, 9)
_MOST_PLACEMENTS = 34
"""No position with its centre occupied has more on 8x8 (Takizawa 2023, "The maximum number of legal moves of Othello in
reachable positions is 33", proved by SAT solvers); a smaller board is part of that one."""


class Othello(Game):
    """`discs` [2] uint64 holds each player's bitboard.

    Row r from the top and column c are bit 8r + c on every size, as rows of eight make shifts by 1, 7, 8, 9 steps to
    a neighbour. Actions are the cells, then the pass.
    """

    family = "othello"
    sgf_number = 2
    is_scored: ClassVar[bool] = True

    def __init__(self, size: int = 8) -> None:
        if size not in (4, 6, 8):
            raise ValueError(f"othello{size}: the sizes are 4, 6 and 8")
        self.size = size
        self.name = f"othello{size}"
        self.state_dtype = np.dtype([("discs", np.uint64, (2,)), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players = 2
        self.num_cells = size * size
        self.num_actions = self.num_cells + 1
        self.num_slots = min(self.num_cells - 4, _MOST_PLACEMENTS)
        self.max_num_moves = 2 * (self.num_cells - 4)  # no two passes follow each other
        self.observation_shape = (3, size, size)
        self.num_policy_planes, self.num_extra_actions = 1, 1
        self.board = sum(1 << self.bit(cell) for cell in range(self.num_cells))
        self.inner = sum(1 << self.bit(cell) for cell in range(self.num_cells) if 0 < cell % size < size - 1)
        self._names = cell_names(size, LETTERS, row_one_on_top=True)

    def bit(self, cell: int) -> int:
        """The bit of a cell."""
        return cell // self.size * 8 + cell % self.size

    def reset(self, state: State) -> None:
        corner = self.size // 2 - 1  # of the four cells in the centre, the upper left one is at (corner, corner)
        upper, lower = np.uint64(8 * corner + corner), np.uint64(8 * (corner + 1) + corner)
        state["discs"][0] = (np.uint64(2) << upper) | (np.uint64(1) << lower)
        state["discs"][1] = (np.uint64(1) << upper) | (np.uint64(2) << lower)
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        player = int(state["to_play"])
        placements = self.placements(state["discs"][player], state["discs"][1 - player])
        for row in range(self.size):
            for column in range(self.size):
                bit = np.uint64(8 * row + column)
                mask[row * self.size + column] = (placements >> bit) & np.uint64(1) != np.uint64(0)
        mask[self.num_cells] = placements == np.uint64(0)

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        player = int(state["to_play"])
        own, other = state["discs"][player], state["discs"][1 - player]
        if action < self.num_cells:
            placed = np.uint64(1) << np.uint64(self.bit(action))
            turned = self.turned(own, other, placed)
            own = own | placed | turned
            other = other & ~turned
            state["discs"][player] = own
            state["discs"][1 - player] = other
        state["to_play"] = 1 - player
        state["num_moves"] += 1
        if self.placements(other, own) == np.uint64(0) and self.placements(own, other) == np.uint64(0):
            lead = self.count(own) - self.count(other)
            return (1.0 if lead > 0 else -1.0 if lead < 0 else 0.0), True
        return 0.0, False

    def placements(self, own: np.uint64, other: np.uint64) -> np.uint64:
        """The cells where the player of `own` can place a disc: the empty ones at the far end of a row of `other`.

        Both ways of each direction grow their rows by one, one and twice two cells: six is the longest on this board.
        Only rows through inner columns are rows; sideways, the outer ones would go on at the other side of the board.
        """
        found = np.uint64(0)
        for direction in _DIRECTIONS:
            near, far = np.uint64(direction), np.uint64(2 * direction)
            crossed = other & (np.uint64(self.board) if direction == 8 else np.uint64(self.inner))
            ahead, behind = crossed & (own << near), crossed & (own >> near)
            ahead |= crossed & (ahead << near)
            behind |= crossed & (behind >> near)
            ahead_pairs, behind_pairs = crossed & (crossed << near), crossed & (crossed >> near)
            ahead |= ahead_pairs & (ahead << far)
            behind |= behind_pairs & (behind >> far)
            ahead |= ahead_pairs & (ahead << far)
            behind |= behind_pairs & (behind >> far)
            found |= (ahead << near) | (behind >> near)
        return np.uint64(found & np.uint64(self.board) & ~(own | other))

    def turned(self, own: np.uint64, other: np.uint64, placed: np.uint64) -> np.uint64:
        """The discs of `other` that a disc of `own` on `placed` turns over: rows as in `placements`, from `placed`."""
        turned = np.uint64(0)
        for direction in _DIRECTIONS:
            near, far = np.uint64(direction), np.uint64(2 * direction)
            crossed = other & (np.uint64(self.board) if direction == 8 else np.uint64(self.inner))
            ahead, behind = crossed & (placed << near), crossed & (placed >> near)
            ahead |= crossed & (ahead << near)
            behind |= crossed & (behind >> near)
            ahead_pairs, behind_pairs = crossed & (crossed << near), crossed & (crossed >> near)
            ahead |= ahead_pairs & (ahead << far)
            behind |= behind_pairs & (behind >> far)
            ahead |= ahead_pairs & (ahead << far)
            behind |= behind_pairs & (behind >> far)
            if (ahead << near) & own != np.uint64(0):
                turned |= ahead
            if (behind >> near) & own != np.uint64(0):
                turned |= behind
        return np.uint64(turned)

    def count(self, discs: np.uint64) -> int:
        """How many discs a bitboard holds: sums in ever wider fields of its bits."""
        pairs = discs - ((discs >> np.uint64(1)) & np.uint64(0x5555555555555555))
        fours = (pairs & np.uint64(0x3333333333333333)) + ((pairs >> np.uint64(2)) & np.uint64(0x3333333333333333))
        bytes_ = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        # Not int(...), which leaves a uint64 as it is in compiled code: the difference of two counts has a sign.
        return np.int64((bytes_ * np.uint64(0x0101010101010101)) >> np.uint64(56))  # type: ignore[return-value]

    def observe(self, state: State, observation: FloatArray) -> None:
        """Own discs, the other's discs, where a disc can be placed."""
        player = int(state["to_play"])
        own, other = state["discs"][player], state["discs"][1 - player]
        placements = self.placements(own, other)
        for row in range(self.size):
            for column in range(self.size):
                bit = np.uint64(8 * row + column)
                observation[0, row, column] = (own >> bit) & np.uint64(1)
                observation[1, row, column] = (other >> bit) & np.uint64(1)
                observation[2, row, column] = (placements >> bit) & np.uint64(1)

    def hash(self, state: State) -> np.uint64:
        player = int(state["to_play"])
        key = mixed(np.uint64(mixed(state["discs"][player])) ^ state["discs"][1 - player])
        return np.uint64(key) if key != 0 else np.uint64(1)

    def ownership(self, state: State, owners: npt.NDArray[np.int8]) -> None:
        for cell in range(self.num_cells):
            bit = np.uint64(self.bit(cell))
            if (state["discs"][0] >> bit) & np.uint64(1) != np.uint64(0):
                owners[cell] = 1
            elif (state["discs"][1] >> bit) & np.uint64(1) != np.uint64(0):
                owners[cell] = -1
            else:
                owners[cell] = 0

    def score(self, state: State) -> float:
        return float(self.count(state["discs"][0]) - self.count(state["discs"][1]))

    def action_cells(self) -> IndexArray:
        return np.array([*((0, *divmod(cell, self.size)) for cell in range(self.num_cells)), (-1, 0, 0)])

    def symmetries(self) -> tuple[Symmetry, ...]:
        """Those that take the first position to itself, and those that take it to itself with colours exchanged."""
        centre = (self.size // 2 - 1) * (self.size + 1)  # on the long diagonal, where player 1 has the centre
        return tuple(
            relabelled(cells, 1, swaps_players=bool(cells[centre] // self.size != cells[centre] % self.size))
            for cells in square_turns(self.size)
        )

    def look(self) -> Look:
        ground, ink = Colour("#1f7a4d", "green"), Colour("#8fd9b0", "bright_green")
        return Look(
            pieces=(empty(ink), disc("Black", BLACK, 0), disc("White", WHITE, 1)),
            columns=tuple(LETTERS[: self.size]),
            rows=tuple(str(row + 1) for row in range(self.size)),
            moves=placements(self.num_cells, self.num_actions),
            ground=ground,
            ink=ink,
            second_ground=Colour("#23875a", "green"),
            columns_on_top=True,
        )

    def to_text(self, state: State) -> str:
        owners = np.zeros(self.num_cells, np.int8)
        self.ownership(state, owners)
        rows = [" ".join(".XO"[owner] for owner in row) for row in owners.reshape(self.size, self.size)]
        lines = [f"{index + 1} {row}" for index, row in enumerate(rows)]
        return "\n".join([f"  {' '.join(LETTERS[: self.size])}", *lines, f"  {'XO'[int(state['to_play'])]} to move"])

    def action_to_text(self, action: int) -> str:
        return "pass" if action == self.num_cells else self._names[action]

    def text_to_action(self, text: str) -> int:
        return self.num_cells if text == "pass" else cell_named(text, self._names)

    def set_up(self, state: State, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        self.reset(state)
        discs = [0, 0]
        for player, cell in stones:
            if not 0 <= cell < self.num_cells or (discs[0] | discs[1]) >> self.bit(cell) & 1:
                raise ValueError(f"set-up discs of {self.name} stand on the board, one a cell")
            discs[player] |= 1 << self.bit(cell)
        centre = int(state["discs"][0] | state["discs"][1])
        if (discs[0] | discs[1]) & centre != centre:
            raise ValueError(f"{self.name}: the four cells in the centre are never empty")
        state["discs"][0], state["discs"][1] = np.uint64(discs[0]), np.uint64(discs[1])
        state["to_play"] = to_play
        first, second = state["discs"]
        if self.placements(first, second) == 0 and self.placements(second, first) == 0:
            raise ValueError(f"{self.name}: nobody can move in the position set up")
