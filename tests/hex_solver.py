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
_TABLE_BITS = {2: 10, 3: 14, 4: 20, 5: 24}
"""Answers that are remembered, by the size of the board."""


class HexSolver:
    """Answers are remembered from one question to the next."""

    def __init__(self, size: int) -> None:
        assert size <= 5, "two boards and a bit have to fit into a key"
        self.size = size
        first = sum(1 << size * row for row in range(size))  # the left column
        top = (1 << size) - 1
        self._edges = np.array([top, top << size * (size - 1), first, first << size - 1], np.uint64)
        middle = (size - 1) / 2
        cells = sorted(range(size * size), key=lambda cell: abs(cell // size - middle) + abs(cell % size - middle))
        self._order = np.array(cells)
        self._keys = np.zeros(1 << _TABLE_BITS[size], np.uint64)
        self._known = np.zeros(1 << _TABLE_BITS[size], np.uint64)

    def wins(self, stones: tuple[int, int], to_play: int) -> bool:
        """Whether the player to move wins; `stones` are both players' bitboards, neither joined yet."""
        own, other = np.uint64(stones[to_play]), np.uint64(stones[1 - to_play])
        answer = _solve(own, other, to_play, self.size, self._edges, self._order, self._keys, self._known)
        return bool(int(answer) & int(_WON))


@njit
def _next_to(cells: Bits, size: int, edges: npt.NDArray[np.uint64]) -> Bits:
    """The six neighbours of each cell, some of them perhaps above or below the board."""
    row, next_row = np.uint64(size), np.uint64(size - 1)
    left, right = cells & ~edges[2], cells & ~edges[3]  # those with a neighbour to their left, to their right
    neighbours = (cells << row) | (cells >> row) | (right << np.uint64(1)) | (left >> np.uint64(1))
    return neighbours | (left << next_row) | (right >> next_row)


@njit
def _joined(stones: Bits, player: int, size: int, edges: npt.NDArray[np.uint64]) -> bool:
    """Flood from the player's first edge to its second one."""
    reached = stones & edges[2 * player]
    while True:
        grown = reached | (_next_to(reached, size, edges) & stones)
        if grown == reached:
            return bool(reached & edges[2 * player + 1] != np.uint64(0))
        reached = grown


@njit
def _stones_missing(stones: Bits, others: Bits, player: int, size: int, edges: npt.NDArray[np.uint64]) -> int:
    """How many more stones the player needs to join its edges if the other one does nothing; size * size if cut off."""
    open_cells = ~others & ((np.uint64(1) << np.uint64(size * size)) - np.uint64(1))
    reached = np.uint64(0)  # with `missing` stones more
    near = edges[2 * player] & open_cells  # reached, and next to it
    missing = 0
    while True:
        while True:
            inside = reached | (near & stones)
            grown = (_next_to(inside, size, edges) & open_cells) | near
            if inside == reached and grown == near:
                break
            reached, near = inside, grown
        if reached & edges[2 * player + 1] != np.uint64(0):
            return missing
        if near == reached:
            return size * size
        reached = near
        missing += 1


@njit
def _promising_first(
    own: Bits,
    other: Bits,
    player: int,
    size: int,
    edges: npt.NDArray[np.uint64],
    order: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Indices into `order` of the empty cells, by the lead in missing stones that a stone there gives. Without it, 5x5
    had not been solved after ten minutes; with it, it takes seconds."""
    ranks = np.full(order.size, np.iinfo(np.int64).max)
    num_empty = 0
    for index in range(order.size):
        bit = np.uint64(1) << np.uint64(order[index])
        if bit & (own | other) == np.uint64(0):
            lead = _stones_missing(other, own | bit, 1 - player, size, edges)
            lead -= _stones_missing(own | bit, other, player, size, edges)
            ranks[index] = order.size * -lead + index
            num_empty += 1
    return np.argsort(ranks)[:num_empty]


@njit
def _solve(
    own: Bits,
    other: Bits,
    player: int,
    size: int,
    edges: npt.NDArray[np.uint64],
    order: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
    known: npt.NDArray[np.uint64],
) -> Bits:
    """Whether `player`, who owns `own` and is to move, wins (the top bit), and the empty cells the winner needs for it.

    What the other player needs to win against one move, no better move may leave alone: it has to be among all of
    these sets. A full table forgets what is in the way.
    """
    first, second = (own, other) if player == 0 else (other, own)
    key = (first << np.uint64(26)) | (second << np.uint64(1)) | np.uint64(player) | _WON
    slot = np.int64(((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) % np.uint64(keys.size))
    if keys[slot] == key:
        return known[slot]
    for index in range(order.size):
        bit = np.uint64(1) << np.uint64(order[index])
        if bit & (own | other) == np.uint64(0) and _joined(own | bit, player, size, edges):
            return bit | _WON
    left_to_try, needed, answer = ~(own | other), np.uint64(0), np.uint64(0)
    for index in _promising_first(own, other, player, size, edges, order):
        bit = np.uint64(1) << np.uint64(order[index])
        if bit & left_to_try != np.uint64(0):
            reply = _solve(other, own | bit, 1 - player, size, edges, order, keys, known)
            if reply & _WON == np.uint64(0):
                answer = reply | bit | _WON
                break
            needed |= reply & ~_WON
            left_to_try &= reply
    if answer == np.uint64(0):
        answer = needed
    keys[slot] = key
    known[slot] = answer
    return answer
