"""Where the cells of a board are on the screen, at each of a few sizes."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from games.look import Art, Look, Piece


class Size(NamedTuple):
    """Columns and lines of something on the screen."""

    width: int
    height: int


_CELLS = (Size(6, 3), Size(4, 2), Size(2, 1))
_SLANTED = (Size(4, 2), Size(2, 1))
"""Rows are moved by half a cell, so that its width is even."""


class Layout:
    """The board of one look, drawn with cells of one size. Positions are (column, line) from the upper left corner."""

    def __init__(self, look: Look, cell: Size) -> None:
        self.look, self.cell = look, cell
        self.left = max(map(len, look.rows), default=0) + 1
        self.top = 1 if look.columns_on_top or look.edges is not None else 0
        self._shift = cell.width // 2 if look.slanted else 0

    @cached_property
    def size(self) -> Size:
        """Of the whole, the names of columns and rows included."""
        right = max(map(len, self.look.rows), default=0) + 1 if self.look.edges is not None else 0
        width = self.left + self.num_columns * self.cell.width + (self.num_rows - 1) * self._shift + max(right, 1)
        bottom = 1 if self.look.edges is not None or not self.look.columns_on_top else 0
        return Size(width, self.top + self.num_rows * self.cell.height + bottom)

    @property
    def num_columns(self) -> int:
        return len(self.look.columns)

    @property
    def num_rows(self) -> int:
        return len(self.look.rows)

    def corner(self, cell: int) -> tuple[int, int]:
        """The upper left corner of a cell."""
        row, column = divmod(cell, self.num_columns)
        return self.left + column * self.cell.width + row * self._shift, self.top + row * self.cell.height

    def centre(self, cell: int) -> tuple[int, int]:
        """Where a cell's glyph stands; on boards of lines, where they cross."""
        x, y = self.corner(cell)
        return x + (self.cell.width - 1) // 2, y + (self.cell.height - 1) // 2

    def cell_at(self, x: int, y: int) -> int | None:
        """The cell under a position of the screen."""
        row = (y - self.top) // self.cell.height
        column = (x - self.left - row * self._shift) // self.cell.width
        inside = y >= self.top and 0 <= row < self.num_rows and 0 <= column < self.num_columns
        return row * self.num_columns + column if inside else None

    def art(self, piece: Piece) -> Art | None:
        """The largest drawing of a piece that a cell has room for; None where only its glyph has."""
        room = _room_on_lines(self.cell) if self.look.on_lines else self.cell
        fitting = [art for art in piece.arts if len(art[0]) <= room.width and len(art) <= room.height]
        return max(fitting, key=lambda art: len(art) * len(art[0]), default=None)

    def place(self, cell: int, art: Art) -> tuple[int, int]:
        """The upper left corner of a drawing in a cell."""
        x, y = self.centre(cell)
        if not self.look.on_lines:
            x, y = self.corner(cell)
            return x + (self.cell.width - len(art[0])) // 2, y + (self.cell.height - len(art)) // 2
        return x - len(art[0]) // 2, y - len(art) // 2


def _room_on_lines(cell: Size) -> Size:
    """What is drawn around a crossing has an odd size."""
    return Size(cell.width - 1, cell.height if cell.height % 2 else cell.height - 1)


def fitting_layout(look: Look, room: Size) -> Layout:
    """The largest layout that there is room for; where there is for none, the smallest."""
    layouts = [Layout(look, cell) for cell in (_SLANTED if look.slanted else _CELLS)]
    fits = (layout for layout in layouts if layout.size.width <= room.width and layout.size.height <= room.height)
    return next(fits, layouts[-1])
