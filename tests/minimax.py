"""Tic-tac-toe solved by hand for tests: what each cell leads to, and in how many plies. It knows nothing of games/."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from scripts.solvers.connect_four import ActionResult, best_result

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
