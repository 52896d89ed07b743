"""Exact solvers for tests: what each action of tic-tac-toe and Connect Four leads to, and in how many plies.

Written from the games' rules alone; of games/ they use nothing but the compiler's wrapper, so that agreement means
something.
Actions are numbered as the games number them: columns from the left, tic-tac-toe's cells row by row from the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
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


# --- tic-tac-toe ----------------------------------------------------------------------------------------------------

_ROWS = [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {0, 3, 6}, {1, 4, 7}, {2, 5, 8}, {0, 4, 8}, {2, 4, 6}]


def solve_tic_tac_toe(moves: Sequence[int]) -> dict[int, ActionResult]:
    """The result of each legal cell after `moves` (a game that has not ended)."""
    return _solve_cells(frozenset(moves[len(moves) % 2 :: 2]), frozenset(moves[1 - len(moves) % 2 :: 2]))


@cache
def _solve_cells(own: frozenset[int], other: frozenset[int]) -> dict[int, ActionResult]:
    results = {}
    for cell in set(range(9)) - own - other:
        after = own | {cell}
        if any(row <= after for row in _ROWS):
            results[cell] = ActionResult(1, 1)
        elif len(after) + len(other) == 9:
            results[cell] = ActionResult(0, 0)
        else:
            answer = best_result(_solve_cells(other, after))
            results[cell] = ActionResult(-answer.outcome, answer.plies + 1 if answer.outcome else 0)
    return results


# --- Connect Four ---------------------------------------------------------------------------------------------------
#
# A score is for the player to move: 0 a draw, else `cells + 1 - stones` with `stones` the number on the board when the
# game is over, positive for a win and negative for a loss. So a quicker win scores more, and no depth is passed along.


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
        cells = self.width * self.height
        results = {}
        for column, score in self._scores(moves, cells).items():
            outcome = (score > 0) - (score < 0)
            results[column] = ActionResult(outcome, cells + 1 - abs(score) - len(moves) if outcome else 0)
        return results

    def outcomes(self, moves: Sequence[int]) -> dict[int, int]:
        """The outcome alone of each legal column after `moves`: much quicker than with distances."""
        return {column: (score > 0) - (score < 0) for column, score in self._scores(moves, 1).items()}

    def _scores(self, moves: Sequence[int], most: int) -> dict[int, int]:
        """The score of each legal column, exact between -most and most."""
        cells, stones, stride = self.width * self.height, [0, 0], self.height + 1
        heights = [0] * self.width
        for ply, column in enumerate(moves):
            stones[ply % 2] |= 1 << column * stride + heights[column]
            heights[column] += 1
        player, scores = len(moves) % 2, {}
        other = np.uint64(stones[1 - player])
        for column in range(self.width):
            if heights[column] == self.height:
                continue
            own = np.uint64(stones[player] | 1 << column * stride + heights[column])
            if _makes_four(own, self.height):
                scores[column] = cells - len(moves)
            else:
                scores[column] = -int(
                    _search(
                        other, own, len(moves) + 1, -most, most, cells, self.height, self._bottom, self._board,
                        self._columns, self._keys, self._bounds,
                    )
                )  # fmt: skip
        return scores


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
