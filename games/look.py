"""How a board looks, as plain data: a game declares it (`Game.look`), and whatever draws boards draws it.

Cells are numbered row by row from the top, as in observations. Characters are of one column each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Art = tuple[str, ...]
"""Lines of equal length that draw a piece larger than one character; a space leaves what is below."""


class Colour(NamedTuple):
    """A colour, and what stands for it where there are 16."""

    rgb: str
    """`#rrggbb`"""
    ansi: str
    """One of `ANSI_NAMES`."""


_ANSI_BASE = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
ANSI_NAMES = (*_ANSI_BASE, *(f"bright_{name}" for name in _ANSI_BASE))

BLACK = Colour("#17181c", "black")
WHITE = Colour("#f7f5ee", "bright_white")
WOOD = Colour("#d8a65c", "yellow")
SLATE = Colour("#2b303b", "black")
FAINT = Colour("#7d8597", "white")


@dataclass(frozen=True)
class Piece:
    """What may stand on a cell."""

    name: str
    """As people call it: `Black`."""
    glyph: str
    """Where there are colours."""
    bare: str
    """Where there are none: tells the pieces apart by itself."""
    colour: Colour
    player: int = -1
    """Whose it is; -1 nobody's."""
    arts: tuple[Art, ...] = ()
    """Larger drawings; the largest that a cell has room for is used."""


@dataclass(frozen=True)
class Look:
    """How the boards of one game are drawn."""

    pieces: tuple[Piece, ...]
    """By the numbers that `Game.contents` gives; the first is the empty cell, which may have a look too."""
    columns: tuple[str, ...]
    """[W] the name of each column as moves have it; empty texts where they have none."""
    rows: tuple[str, ...]
    """[H] the name of each row from the top, likewise."""
    moves: tuple[tuple[int, ...], ...]
    """[num_actions] the cells that name each action: the one that a piece is put on, or those of its step, from and to;
    none for actions that belong to no cell (a pass)."""
    ground: Colour
    """Of the board."""
    ink: Colour = FAINT
    """Of lines, and of marks on the ground."""
    second_ground: Colour | None = None
    """Of every other cell, as on a chess board; None: the ground's."""
    on_lines: bool = False
    """Pieces stand where lines cross, not in cells."""
    stars: tuple[int, ...] = ()
    """Cells whose crossing has a dot."""
    slanted: bool = False
    """Each row stands half a cell to the right of the one above."""
    falls: bool = False
    """A piece put on a column's top cell falls down to its lowest empty one."""
    columns_on_top: bool = False
    """Columns are named above the board, not below."""
    tasks: tuple[str, str] = ("", "")
    """What each player is after, where pieces do not tell: `joins top and bottom`."""
    edges: tuple[int, int, int, int] | None = None
    """Whose the edges are, top, right, bottom, left, where they are somebody's. Such boards are named on all sides."""


_DISC = (
    (" ▄▄▄▄ ", "▐████▌", " ▀▀▀▀ "),
    ("▗▄▄▄▖", "▐███▌", "▝▀▀▀▘"),
    ("▗██▖", "▝██▘"),
    ("▐█▌",),
)
_PAWN = (
    (" ▗██▖ ", " ▝██▘ ", " ▟██▙ "),
    ("▗██▖", "▟██▙"),
)


def disc(name: str, colour: Colour, player: int) -> Piece:
    """A round stone or disc: player 0's is filled where there are no colours, player 1's is hollow."""
    return Piece(name, "●", "●○"[player], colour, player, _DISC)


def pawn(name: str, colour: Colour, player: int) -> Piece:
    """A man that steps."""
    return Piece(name, "♟", "♟♙"[player], colour, player, _PAWN)


def hole(colour: Colour) -> Piece:
    """An empty place for a disc."""
    return Piece("empty", "·", "·", colour, arts=_DISC)


def empty(colour: Colour) -> Piece:
    """An empty cell of which nothing is drawn but, on a small board, a dot."""
    return Piece("empty", "·", "·", colour)


def placements(num_cells: int, num_actions: int) -> tuple[tuple[int, ...], ...]:
    """`Look.moves` of games whose first actions put a piece on their cell, and whose others belong to no cell."""
    return tuple((action,) if action < num_cells else () for action in range(num_actions))


def star_points(size: int) -> tuple[int, ...]:
    """The dots of a square board with lines: on the third line from the edge, from 13 lines on on the fourth, and in
    the centre; from 17 lines on also at the sides."""
    if size < 7:
        return ()
    near = 3 if size >= 13 else 2
    far, centre = size - 1 - near, size // 2
    corners = {(row, column) for row in (near, far) for column in (near, far)}
    middle = {(centre, centre)} if size % 2 else set()
    sides = {(centre, near), (centre, far), (near, centre), (far, centre)} if size % 2 and size >= 17 else set()
    return tuple(sorted(row * size + column for row, column in corners | middle | sides))
