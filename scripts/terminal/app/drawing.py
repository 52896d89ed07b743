"""Draws a board by its look: pieces, coordinates, the last move, what may be played, and heat. Knows no game."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from rich.style import Style

from games.look import Colour, Look
from scripts.terminal.app.layout import Layout, Size
from scripts.terminal.app.palette import ACCENT, BAD, DIM, HEAT, Depth, blend, paint


class Heat(NamedTuple):
    """How much the agent makes of a cell."""

    weight: float
    """From 0, nothing, to 1, the most of all cells."""
    text: str
    """One or two characters that say the same."""


@dataclass(frozen=True)
class Picture:
    """What is to be seen on a board."""

    contents: npt.NDArray[np.int8]
    """[H*W] as `Game.contents`."""
    last: tuple[int, ...] = ()
    """The cells of the last move."""
    cursor: int | None = None
    chosen: int | None = None
    """The piece that is about to move."""
    legal: frozenset[int] = frozenset()
    """Cells that may be played on."""
    shows_legal: bool = True
    heat: Mapping[int, Heat] = field(default_factory=dict)
    owners: npt.NDArray[np.float32] | None = None
    """[H*W] whose each cell will be, from 1, player 0's, to -1, player 1's."""


class Canvas:
    """Characters with styles, one by one."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._texts = [[" "] * size.width for _ in range(size.height)]
        self._styles = [[Style.null()] * size.width for _ in range(size.height)]

    def write(self, x: int, y: int, text: str, style: Style) -> None:
        """Put text on what is there; its ground shows through where the style has none."""
        for place, letter in enumerate(text, start=x):
            if 0 <= place < self.size.width and 0 <= y < self.size.height:
                self._texts[y][place] = letter
                self._styles[y][place] = self._styles[y][place] + style

    def text(self) -> str:
        """The lines without styles."""
        return "\n".join("".join(line).rstrip() for line in self._texts)

    def segments(self, y: int) -> list[Segment]:
        """A line, runs of one style together."""
        runs: list[Segment] = []
        texts, styles = self._texts[y], self._styles[y]
        begin = 0
        for end in range(1, self.size.width + 1):
            if end == self.size.width or styles[end] != styles[begin]:
                runs.append(Segment("".join(texts[begin:end]), styles[begin]))
                begin = end
        return runs


def draw(picture: Picture, layout: Layout, depth: Depth) -> Canvas:
    """The board as characters."""
    drawing = _Drawing(picture, layout, depth)
    drawing.names()
    for cell in range(len(picture.contents)):
        drawing.ground(cell)
    for cell in range(len(picture.contents)):
        drawing.content(cell)
    for cell in picture.last:
        drawing.brackets(cell, "[]", None)
    if picture.chosen is not None:
        drawing.brackets(picture.chosen, "()", ACCENT)
    if picture.cursor is not None:
        drawing.brackets(picture.cursor, "<>", ACCENT)
    return drawing.canvas


class _Drawing:
    def __init__(self, picture: Picture, layout: Layout, depth: Depth) -> None:
        self.picture, self.layout, self.depth = picture, layout, depth
        self.look: Look = layout.look
        self.canvas = Canvas(layout.size)

    def names(self) -> None:
        """The columns and rows as moves name them; where the edges are somebody's, in his colour and on all sides."""
        layout, look = self.layout, self.look
        last_row = (layout.num_rows - 1) * layout.num_columns
        for column, name in enumerate(look.columns):
            x = layout.centre(column)[0]
            if layout.top:
                self.canvas.write(x, 0, name, self._edge(0))
            if look.edges is not None or not look.columns_on_top:
                below = layout.centre(last_row + column)[0] + (layout.cell.width // 2 if look.edges is not None else 0)
                self.canvas.write(below, layout.size.height - 1, name, self._edge(2))
        for row, name in enumerate(look.rows):
            x, y = layout.corner(row * layout.num_columns)
            middle = y + (layout.cell.height - 1) // 2
            self.canvas.write(x - 1 - len(name), middle, name, self._edge(3))
            if look.edges is not None:
                self.canvas.write(x + layout.num_columns * layout.cell.width + 1, middle, name, self._edge(1))

    def _edge(self, side: int) -> Style:
        if self.look.edges is None:
            return paint(self.depth, DIM, dim=True)
        return paint(self.depth, self._colour_of(self.look.edges[side]), bold=True)

    def _colour_of(self, player: int) -> Colour:
        return next(piece.colour for piece in self.look.pieces if piece.player == player)

    def _ground_of(self, cell: int) -> Colour:
        row, column = divmod(cell, self.layout.num_columns)
        look = self.look
        ground = look.second_ground if look.second_ground is not None and (row + column) % 2 else look.ground
        if self.picture.owners is not None:
            share = float(self.picture.owners[cell])
            owner = self._colour_of(0 if share > 0 else 1)
            ground = blend(ground, owner, 0.5 * min(abs(share), 1.0))
        if (heat := self.picture.heat.get(cell)) is not None:
            ground = blend(ground, HEAT, 0.15 + 0.75 * heat.weight)
        if cell == self.picture.cursor:
            ground = blend(ground, ACCENT, 0.35)
        return ground

    def ground(self, cell: int) -> None:
        """The cell without what stands on it, its lines included."""
        x, y = self.layout.corner(cell)
        style = paint(self.depth, self.look.ink, self._ground_of(cell))
        for line in range(self.layout.cell.height):
            self.canvas.write(x, y + line, " " * self.layout.cell.width, style)
        if self.look.on_lines:
            self._lines(cell, style)

    def _lines(self, cell: int, style: Style) -> None:
        row, column = divmod(cell, self.layout.num_columns)
        (x, y), (left, top) = self.layout.centre(cell), self.layout.corner(cell)
        last_row, last_column = row == self.layout.num_rows - 1, column == self.layout.num_columns - 1
        first = left if column > 0 else x
        end = left + self.layout.cell.width if not last_column else x + 1
        self.canvas.write(first, y, "─" * (end - first), style)
        for line in range(top if row > 0 else y, top + self.layout.cell.height if not last_row else y + 1):
            self.canvas.write(x, line, "│", style)
        crossing = _crossing(row > 0, not last_row, column > 0, not last_column)
        star = "•" if self.depth == "full" else "╋"  # a dot is too much like a stone without colours
        self.canvas.write(x, y, star if cell in self.look.stars else crossing, style)

    def content(self, cell: int) -> None:
        """What stands on the cell: a piece, or how good it would be to play there, or that it may be."""
        number = int(self.picture.contents[cell])
        heat = self.picture.heat.get(cell)
        if number != 0:
            self._piece(cell, number)
        elif heat is not None:
            self._number(cell, heat)
        else:
            self._empty(cell)
        if self.picture.owners is not None:
            self._owner(cell, number)

    def _piece(self, cell: int, number: int) -> None:
        piece = self.look.pieces[number]
        art = self.layout.art(piece) if self.depth != "none" else None
        style = paint(self.depth, piece.colour, bold=True)
        if art is None:
            x, y = self.layout.centre(cell)
            self.canvas.write(x, y, piece.bare if self.depth != "full" else piece.glyph, style)
            return
        x, y = self.layout.place(cell, art)
        for line, text in enumerate(art):
            for place, letter in enumerate(text):
                if letter != " ":
                    self.canvas.write(x + place, y + line, letter, style)

    def _empty(self, cell: int) -> None:
        playable = cell in self.picture.legal
        x, y = self.layout.centre(cell)
        if self.look.on_lines:
            if self.picture.shows_legal and self.picture.legal and not playable:
                self.canvas.write(x, y, "✕", paint(self.depth, BAD))
            return
        if self.look.pieces[0].arts and not self.look.on_lines:
            self._piece(cell, 0)
        if playable and self.picture.shows_legal:
            small = self.layout.cell.height == 1
            ground = self.look.pieces[0].colour if self.layout.art(self.look.pieces[0]) is not None else None
            self.canvas.write(x, y, "·" if small else "•", paint(self.depth, self._mark_colour(), ground, bold=True))
        elif self.look.pieces[0].arts:
            return
        elif self.depth == "none" or self.look.second_ground is None:
            self.canvas.write(x, y, self.look.pieces[0].bare, paint(self.depth, self.look.ink, dim=True))

    def _mark_colour(self) -> Colour:
        return ACCENT if self.look.second_ground is not None else self.look.ink

    def _number(self, cell: int, heat: Heat) -> None:
        x, y = self.layout.centre(cell)
        self.canvas.write(x, y, heat.text, paint(self.depth, _readable(self._ground_of(cell)), bold=True))

    def _owner(self, cell: int, number: int) -> None:
        """A small square in the owner's colour: on an empty cell, and on a piece that the other one will take."""
        share = float(self.picture.owners[cell]) if self.picture.owners is not None else 0.0
        owner = 0 if share > 0 else 1
        if abs(share) < 0.3 or (number != 0 and self.look.pieces[number].player == owner):
            return
        x, y = self.layout.centre(cell)
        self.canvas.write(x, y, "■□"[owner] if self.depth != "full" else "■", paint(self.depth, self._colour_of(owner)))

    def brackets(self, cell: int, marks: str, colour: Colour | None) -> None:
        """Marks to the left and right of what stands on a cell."""
        number = int(self.picture.contents[cell])
        piece = self.look.pieces[number]
        art = self.layout.art(piece) if self.depth != "none" else None
        x, y = self.layout.centre(cell)
        left, right = x - 1, x + 1
        if art is not None and len(art[0]) >= 3:
            start, first = self.layout.place(cell, art)
            left, right = start, start + len(art[0]) - 1
            y = first + len(art) // 2
        ink = colour if colour is not None and self.depth == "full" else _readable(self._ground_of(cell))
        for place, letter in ((left, marks[0]), (right, marks[1])):
            self.canvas.write(place, y, letter, paint(self.depth, ink, bold=True))


def _crossing(up: bool, down: bool, left: bool, right: bool) -> str:
    """The box-drawing character that has these arms."""
    arms = {(1, 1, 1, 1): "┼", (0, 1, 0, 1): "┌", (0, 1, 1, 0): "┐", (1, 0, 0, 1): "└", (1, 0, 1, 0): "┘"}
    arms |= {(0, 1, 1, 1): "┬", (1, 0, 1, 1): "┴", (1, 1, 0, 1): "├", (1, 1, 1, 0): "┤"}
    return arms.get((int(up), int(down), int(left), int(right)), "┼")


def _readable(ground: Colour) -> Colour:
    """Black or white, whichever is read better on a ground."""
    red, green, blue = (int(ground.rgb[place : place + 2], 16) for place in (1, 3, 5))
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 120
    dark_ansi = ground.ansi in ("black", "blue", "red", "magenta", "green", "bright_black", "default")
    return Colour("#101114" if bright else "#ffffff", "bright_white" if dark_ansi else "black")
