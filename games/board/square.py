"""What games on square boards share: cells as text, the symmetries of the square, and a mixer of 64 bits for hashes.

Cells are numbered row by row from the top.
"""

from __future__ import annotations

import numpy as np

from games.base import IndexArray, Symmetry
from games.compiled import inlined

LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Column letters of `a1`-style cells."""
GTP_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
"""Column letters of GTP vertices, which leave out the I."""


@inlined
def mixed(bits: np.uint64) -> np.uint64:
    """A bijection of uint64 that scatters, keeping 0: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    bits = np.uint64(bits)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(bits ^ (bits >> np.uint64(31)))


def cell_names(size: int, letters: str, *, row_one_on_top: bool) -> tuple[str, ...]:
    """[size * size] the text of each cell: a column letter and a row number."""
    rows = range(1, size + 1) if row_one_on_top else range(size, 0, -1)
    return tuple(f"{letter}{row}" for row in rows for letter in letters[:size])


def cell_named(text: str, names: tuple[str, ...]) -> int:
    """The cell that `text` names. Raises ValueError, in one line, when it names none."""
    if text not in names:
        raise ValueError(f"{text!r} is no cell: cells are {names[0]} to {names[-1]}, row by row from the top")
    return names.index(text)


def square_turns(size: int) -> list[IndexArray]:
    """The eight turned and mirrored boards, as [size * size] the cells of the board that they show; itself first."""
    board = np.arange(size * size).reshape(size, size)
    return [np.rot90(side, turns).ravel() for side in (board, board.T) for turns in range(4)]


def relabelled(cells: IndexArray, num_extra_actions: int = 0, *, swaps_players: bool = False) -> Symmetry:
    """The symmetry that shows `cells`, of a game whose actions are the cells and then so many that no turn changes."""
    extras = np.arange(num_extra_actions) + len(cells)
    return Symmetry(cells, np.concatenate([np.argsort(cells), extras]), swaps_players)
