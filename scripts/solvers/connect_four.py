"""Exact Connect Four on boards of any size: what each column leads to, and in how many plies.

Alpha-beta on bitboards with a transposition table, as Tromp (Fhourstones) and Pons ("Solving Connect 4") describe it.
Written from the game's rules alone; of games/ it uses nothing but the compiler's wrapper, so that agreement of the two
means something. On the 7x6 board a position of seven plies takes seconds, an earlier one minutes.

A score is for the player to move: 0 a draw, else `cells + 1 - stones` with `stones` the number on the board when the
game is over, positive for a win and negative for a loss. So a quicker win scores more, and no depth is passed along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from games.compiled import njit

Bits = Any
"""A uint64 bitboard: np.uint64 in Python, a machine word in the compiled search."""


class ActionResult(NamedTuple):
    """What an action leads to when both sides then play perfectly: the winner quickly, the loser slowly."""

    outcome: int
    """1 win, 0 draw, -1 loss, for the player who takes the action."""
    plies: int
    """Plies until the game is won or lost, the action itself included; 0 for a draw."""


def best_result(results: dict[int, ActionResult]) -> ActionResult:
    """The result of a position from those of its actions: the quickest win, else a draw, else the slowest loss."""
    return max(results.values(), key=_preference)


def _preference(result: ActionResult) -> int:
    return result.outcome * 1000 - result.outcome * result.plies


class ConnectFourSolver:
    """Alpha-beta with a transposition table on a board of any size up to 62 bits (`width * (height + 1)`)."""

    def __init__(self, width: int, height: int, table_entries: int = 1_000_003) -> None:
        self.width, self.height = width, height
        bottom = sum(1 << column * (height + 1) for column in range(width))
        self._bottom, self._board = np.uint64(bottom), np.uint64(bottom * ((1 << height) - 1))
        self._columns = np.array(sorted(range(width), key=lambda column: abs(2 * column - width + 1)))
        self._keys = np.zeros(table_entries, np.uint64)
        self._bounds = np.zeros((table_entries, 2), np.int8)  # the least and the most that the score can be

    def solve(self, moves: Sequence[int]) -> dict[int, ActionResult]:
        """The result of each legal column after `moves` (a game that has not ended), with its distance."""
        scores = self._scores(moves, self.width * self.height)
        return {column: self._result(score, len(moves)) for column, score in scores.items()}

    def outcomes(self, moves: Sequence[int]) -> dict[int, int]:
        """The outcome alone of each legal column after `moves`: much quicker than with distances."""
        return {column: (score > 0) - (score < 0) for column, score in self._scores(moves, 1).items()}

    def best_columns(self, moves: Sequence[int]) -> tuple[ActionResult, tuple[int, ...]]:
        """The result of the position after `moves`, with its distance, and the columns that reach it.

        Quicker than `solve`: of the other columns it learns no more than that they are worse.
        """
        cells = self.width * self.height
        best = -cells
        columns: list[int] = []
        for column in self._columns.tolist():
            after = self._after(moves, column)
            if after is None:
                continue
            score = self._score(after, len(moves) + 1, best - 1, cells)
            if score > best:
                best, columns = score, []
            if score == best:
                columns.append(column)
        return self._result(best, len(moves)), tuple(sorted(columns))

    def _result(self, score: int, num_moves: int) -> ActionResult:
        outcome = (score > 0) - (score < 0)
        return ActionResult(outcome, self.width * self.height + 1 - abs(score) - num_moves if outcome else 0)

    def _scores(self, moves: Sequence[int], most: int) -> dict[int, int]:
        """The score of each legal column, exact between -most and most."""
        scores = {}
        for column in range(self.width):
            after = self._after(moves, column)
            if after is not None:
                scores[column] = self._score(after, len(moves) + 1, -most, most)
        return scores

    def _after(self, moves: Sequence[int], column: int) -> tuple[np.uint64, np.uint64] | None:
        """The stones of the player who drops one in `column` after `moves`, and the other's; None where it is full."""
        stones, heights = [0, 0], [0] * self.width
        for ply, played in enumerate([*moves, column]):
            if heights[played] == self.height:
                return None
            stones[ply % 2] |= 1 << played * (self.height + 1) + heights[played]
            heights[played] += 1
        player = len(moves) % 2
        return np.uint64(stones[player]), np.uint64(stones[1 - player])

    def _score(self, after: tuple[np.uint64, np.uint64], num_stones: int, alpha: int, beta: int) -> int:
        """The score for the player who has just moved, exact when within (alpha, beta), else a bound on that side."""
        (own, other), cells = after, self.width * self.height
        if _makes_four(own, self.height):
            return cells + 1 - num_stones
        return -int(
            _search(
                other, own, num_stones, -beta, -alpha, cells, self.height, self._bottom, self._board, self._columns,
                self._keys, self._bounds,
            )
        )  # fmt: skip


@njit
def _makes_four(stones: Bits, height: int) -> bool:
    for step in (1, height, height + 1, height + 2):
        one, two, three = np.uint64(step), np.uint64(2 * step), np.uint64(3 * step)
        if stones & (stones >> one) & (stones >> two) & (stones >> three):
            return True
    return False


@njit
def _winning_cells(stones: Bits, height: int, empty: Bits) -> Bits:
    """The empty cells, reachable now or not, where one more stone makes four."""
    one = np.uint64(1)
    cells = (stones << one) & (stones << np.uint64(2)) & (stones << np.uint64(3))
    for step in (height, height + 1, height + 2):
        near, far, farther = np.uint64(step), np.uint64(2 * step), np.uint64(3 * step)
        above, below = (stones << near) & (stones << far), (stones >> near) & (stones >> far)
        cells |= above & ((stones << farther) | (stones >> near)) | below & ((stones >> farther) | (stones << near))
    return cells & empty


@njit
def _count(bits: Bits) -> int:
    count = 0
    while bits:
        bits &= bits - np.uint64(1)
        count += 1
    return count


@njit
def _search(
    own: Bits, other: Bits, num_stones: int, alpha: int, beta: int, cells: int, height: int, bottom: Bits, board: Bits,
    columns: npt.NDArray[np.int64], keys: npt.NDArray[np.uint64], bounds: npt.NDArray[np.int8],
) -> int:  # fmt: skip
    """The score of a position in which nobody has won, exact when within (alpha, beta), else a bound on that side."""
    occupied = own | other
    empty = board & ~occupied
    reachable = (occupied + bottom) & board
    if not reachable:
        return 0
    if _winning_cells(own, height, empty) & reachable:
        return cells - num_stones
    threats = _winning_cells(other, height, empty)
    forced = threats & reachable
    if forced and forced & (forced - np.uint64(1)):
        return num_stones + 1 - cells
    # A stone right below a threat lets the other player complete it.
    moves = (forced if forced else reachable) & ~(threats >> np.uint64(1))
    if not moves:
        return num_stones + 1 - cells

    key = own + occupied + bottom  # own stones and a bit on top of each column: one number a position
    slot = int(key % np.uint64(keys.size))
    least, most = min(0, num_stones + 3 - cells), max(0, cells - num_stones - 2)  # nobody wins in two plies
    if keys[slot] == key:
        least, most = max(least, int(bounds[slot, 0])), min(most, int(bounds[slot, 1]))
    if least >= beta or least == most:
        return least
    if most <= alpha:
        return most
    alpha, beta = max(alpha, least), min(beta, most)

    count = 0
    order = np.empty(columns.size, np.uint64)
    merit = np.empty(columns.size, np.int64)
    stride = np.uint64(height + 1)
    for column in columns:
        move = moves & (((np.uint64(1) << np.uint64(height)) - np.uint64(1)) << (np.uint64(column) * stride))
        if move:
            worth = _count(_winning_cells(own | move, height, empty))
            place = count
            while place > 0 and merit[place - 1] < worth:
                order[place], merit[place] = order[place - 1], merit[place - 1]
                place -= 1
            order[place], merit[place] = move, worth
            count += 1

    best, floor = -cells, alpha
    for place in range(count):
        after = own | order[place]
        score = -_search(
            other, after, num_stones + 1, -beta, -floor, cells, height, bottom, board, columns, keys, bounds
        )  # fmt: skip
        best = max(best, score)
        floor = max(floor, score)
        if floor >= beta:
            break
    keys[slot] = key
    bounds[slot, 0] = least if best <= alpha else max(least, best)
    bounds[slot, 1] = most if best >= beta else min(most, best)
    return best
