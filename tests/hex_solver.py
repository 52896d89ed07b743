"""Who wins Hex on small boards, by exhaustive search. Written from the rules alone; of games/ it uses nothing but the
compiler's wrapper.

Cells are numbered row by row; player 0 joins the top to the bottom. Stones are bitboards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from games.compiled import njit

Bits = Any
"""A uint64 bitboard: np.uint64 in Python, a machine word in the compiled search."""
_WON = np.uint64(1 << 62)
_FAR = 99


class HexSolver:
    """Answers are remembered from one question to the next."""

    def __init__(self, size: int) -> None:
        assert size <= 5, "two boards and a bit have to fit into a key"
        self.size = size
        first = sum(1 << size * row for row in range(size))  # the left column
        top = (1 << size) - 1
        self._edges = np.array([top, top << size * (size - 1), first, first << size - 1], np.uint64)
        self._keys = np.zeros(1 << 20, np.uint64)
        self._known = np.zeros(1 << 20, np.uint64)

    def wins(self, stones: tuple[int, int], to_play: int) -> bool:
        """Whether the player to move wins; `stones` are both players' bitboards, neither joined yet."""
        own, other = np.uint64(stones[to_play]), np.uint64(stones[1 - to_play])
        answer = _solve(own, other, to_play, self.size, self._edges, self._keys, self._known)
        return bool(int(answer) & int(_WON))


@njit
def _beside(cells: Bits, size: int, edges: npt.NDArray[np.uint64]) -> Bits:
    """The cells that touch some of `cells`, some of them beyond the bottom of the board."""
    row, next_row = np.uint64(size), np.uint64(size - 1)
    from_left, from_right = cells & ~edges[3], cells & ~edges[2]
    grown = (cells << row) | (cells >> row) | (from_left << np.uint64(1)) | (from_right >> np.uint64(1))
    return grown | (from_right << next_row) | (from_left >> next_row)


@njit
def _add_distances(
    own: Bits, empty: Bits, edge: Bits, size: int, edges: npt.NDArray[np.uint64], total: npt.NDArray[np.int64]
) -> None:
    """Add to `total` [cells] how many stones the owner of `own` needs to join each empty cell, itself included, to the
    edge; `_FAR` where it cannot."""
    candidates, visited = edge, np.uint64(0)
    for distance in range(1, total.size + 1):
        joined = candidates & own & ~visited
        while joined != np.uint64(0):
            visited |= joined
            candidates |= _beside(joined, size, edges)
            joined = candidates & own & ~visited
        layer = candidates & empty & ~visited
        visited |= layer
        candidates |= _beside(layer, size, edges)
        for cell in range(total.size):
            if (layer >> np.uint64(cell)) & np.uint64(1) != np.uint64(0):
                total[cell] += distance
    for cell in range(total.size):
        if (visited >> np.uint64(cell)) & np.uint64(1) == np.uint64(0):
            total[cell] += _FAR


@njit
def _solve(
    own: Bits,
    other: Bits,
    player: int,
    size: int,
    edges: npt.NDArray[np.uint64],
    keys: npt.NDArray[np.uint64],
    known: npt.NDArray[np.uint64],
) -> Bits:
    """Whether `player`, who owns `own` and is to move, wins (the top bit), and the empty cells the winner needs for it.

    What the other player needs to win against one move, no better move may leave alone: it has to be among all of
    these sets. Cells on short ways for either player are tried first. A full table forgets what is in the way.
    """
    first, second = (own, other) if player == 0 else (other, own)
    key = (first << np.uint64(26)) | (second << np.uint64(1)) | np.uint64(player) | _WON
    slot = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(44))
    if keys[slot] == key:
        return known[slot]
    num_cells = size * size
    empty = ~(own | other) & ((np.uint64(1) << np.uint64(num_cells)) - np.uint64(1))
    total = np.zeros(num_cells, np.int64)
    for edge in range(2):
        _add_distances(own, empty, edges[2 * player + edge], size, edges, total)
    answer = np.uint64(0)
    for cell in range(num_cells):
        if total[cell] == 2:
            answer = (np.uint64(1) << np.uint64(cell)) | _WON
    for edge in range(2):
        _add_distances(other, empty, edges[2 * (1 - player) + edge], size, edges, total)
    left_to_try, needed = empty, np.uint64(0)
    while answer == np.uint64(0) and left_to_try != np.uint64(0):
        best = -1
        for cell in range(num_cells):
            open_cell = (left_to_try >> np.uint64(cell)) & np.uint64(1) != np.uint64(0)
            if open_cell and (best < 0 or total[cell] < total[best]):
                best = cell
        bit = np.uint64(1) << np.uint64(best)
        reply = _solve(other, own | bit, 1 - player, size, edges, keys, known)
        if reply & _WON == np.uint64(0):
            answer = reply | bit | _WON
        else:
            needed |= reply & ~_WON
            left_to_try &= reply & ~bit
    if answer == np.uint64(0):
        answer = needed
    keys[slot] = key
    known[slot] = answer
    return answer
