"""Boards as scenes, after what the game says of its look (`Game.look`); games without one as the text of `to_text`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from games.base import Game, State
from rl.pictures.scene import Disc, Label, Point, Polygon, Scene, Shape, Stroke, mixed, readable_on

INK = "#30343c"
"""Of what stands beside a board."""
HEAT = "#c026d3"
BEST = "#18c964"
_MARK = "#f5a524"
_MARGIN = 0.9
"""Room for names beside the board."""
_EDGE = 0.3
"""Room where there are none."""
_LEAST_SHOWN = 0.02
"""Weights below are not written."""
_HEXAGON = 1.0 / math.sqrt(3.0)
"""Radius of a hexagon of width 1."""


class BoardPicture:
    """Draws the positions of one game. Cells are numbered row by row from the top."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.look = game.look()
        _, self.height, self.width = game.observation_shape
        on_top, has_rows = (
            self.look is not None and self.look.columns_on_top,
            self.look is not None and any(self.look.rows),
        )
        self._left = _MARGIN if has_rows else _EDGE
        self._top, self._bottom = (_MARGIN, _EDGE) if on_top else (_EDGE, _MARGIN)
        self._row_height = 1.5 * _HEXAGON if self.look is not None and self.look.slanted else 1.0

    # --- geometry ---------------------------------------------------------------------------------------------------

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) of every picture of the board, in cells."""
        if self.look is None:
            lines = self.game.to_text(self.game.new_state()).splitlines()
            return 0.6 * max(map(len, lines)) + 1.0, len(lines) + 0.6
        slant = 0.5 * (self.height - 1) if self.look.slanted else 0.0
        return self.width + slant + self._left + _EDGE, self.height * self._row_height + self._top + self._bottom

    def centre(self, cell: int) -> Point:
        """Where the middle of a cell is."""
        row, column = divmod(cell, self.width)
        slant = 0.5 * row if self.look is not None and self.look.slanted else 0.0
        return self._left + column + 0.5 + slant, self._top + (row + 0.5) * self._row_height

    def cells(self, action: int, contents: Sequence[int]) -> tuple[int, ...]:
        """The cells of a move in the position with these contents: one that a piece is put on, or those of its step.
        None for actions that belong to no cell, and for games without a look."""
        if self.look is None:
            return ()
        cells = self.look.moves[action]
        if self.look.falls and cells:
            column = cells[0] % self.width
            free = [cell for cell in range(column, self.width * self.height, self.width) if contents[cell] == 0]
            return (free[-1],) if free else cells
        return cells

    def contents(self, state: State) -> list[int]:
        """[H*W] the piece on each cell; all 0 for games without a look."""
        if self.look is None:
            return [0] * (self.width * self.height)
        found: list[int] = np.asarray(self.game.contents(state)).tolist()
        return found

    # --- parts ------------------------------------------------------------------------------------------------------

    def ground(self) -> list[Shape]:
        """The empty board with its names. Games with a look only."""
        assert self.look is not None
        shapes: list[Shape] = self._hexagons() if self.look.slanted else self._squares()
        return [*shapes, *self._names(), *self._empty_cells()]

    def piece(self, content: int) -> list[Shape]:
        """A piece, its middle at (0, 0): the exchangeable part of how pieces are drawn."""
        assert self.look is not None
        piece = self.look.pieces[content]
        colour = piece.colour.rgb
        edge = mixed(colour, readable_on(colour), 0.45)
        if piece.glyph == "●":
            return [Disc((0.0, 0.0), 0.43, colour, edge, 0.04)]
        if piece.glyph == "◯":
            return [Disc((0.0, 0.0), 0.34, None, colour, 0.11)]
        if piece.glyph == "✕":
            return [
                Stroke(((-0.27, -0.27), (0.27, 0.27)), colour, 0.12),
                Stroke(((-0.27, 0.27), (0.27, -0.27)), colour, 0.12),
            ]
        if piece.glyph == "♟":
            body = Polygon(((-0.3, 0.38), (-0.1, -0.08), (0.1, -0.08), (0.3, 0.38)), colour)
            outline = Stroke((*body.points, body.points[0]), edge, 0.05)
            return [outline, body, Disc((0.0, -0.17), 0.2, colour, edge, 0.04)]
        letter = Label((0.0, 0.0), piece.bare, 0.5, readable_on(colour))
        return [Disc((0.0, 0.0), 0.43, colour, edge, 0.04), letter]

    def mark(self, cells: Iterable[int], contents: Sequence[int]) -> list[Shape]:
        """Marks the last move, whose cells these are."""
        return [Disc(self.centre(cell), 0.47 if contents[cell] else 0.2, None, _MARK, 0.09) for cell in cells]

    # --- whole pictures ---------------------------------------------------------------------------------------------

    def position(self, state: State, last: int | None = None, before: State | None = None) -> Scene:
        """A position, and on it the mark of the `last` action, played in the position `before`."""
        if self.look is None:
            return self._as_text(state)
        contents = self.contents(state)
        shapes = [*self.ground(), *self._pieces(contents)]
        if last is not None and before is not None:
            shapes += self.mark(self.cells(last, self.contents(before)), contents)
        return Scene(*self.size, tuple(shapes))

    def heat_map(self, state: State, weights: Mapping[int, float], best: Iterable[int] = ()) -> Scene:
        """A position, and how likely each action is: colour and per cent; rings around the `best` actions."""
        if self.look is None:
            return self._as_text(state)
        contents = self.contents(state)
        shapes = [*self.ground(), *self._pieces(contents), *self.heat(contents, weights)]
        for action in best:
            for cell in self.cells(action, contents)[-1:]:
                shapes.append(Disc(self.centre(cell), 0.48, None, BEST, 0.08))
        return Scene(*self.size, tuple(shapes))

    def heat(self, contents: Sequence[int], weights: Mapping[int, float]) -> list[Shape]:
        """The weights of a heat map, for actions that have a cell."""
        shapes: list[Shape] = []
        for action, weight in sorted(weights.items(), key=lambda entry: entry[1]):
            cells = self.cells(action, contents)
            if not cells or weight < 0.005:
                continue
            colour = mixed(self._base(cells[-1]), HEAT, min(1.0, 0.15 + 0.85 * math.sqrt(weight)))
            written = f"{100.0 * weight:.0f}" if weight >= _LEAST_SHOWN else ""
            if len(cells) == 1:
                shapes.append(Disc(self.centre(cells[0]), 0.42, colour))
                shapes.append(Label(self.centre(cells[0]), written, 0.42, readable_on(colour)))
            else:
                shapes += self._arrow(cells, colour, weight, written)
        return shapes

    # --- how it is done ---------------------------------------------------------------------------------------------

    def _base(self, cell: int) -> str:
        """The colour of an empty cell."""
        assert self.look is not None
        if self.look.pieces[0].arts:
            return self.look.pieces[0].colour.rgb
        row, column = divmod(cell, self.width)
        second = self.look.second_ground
        return second.rgb if second is not None and (row + column) % 2 else self.look.ground.rgb

    def _arrow(self, cells: Sequence[int], colour: str, weight: float, written: str) -> list[Shape]:
        (x, y), (to_x, to_y) = self.centre(cells[0]), self.centre(cells[-1])
        length = math.hypot(to_x - x, to_y - y) or 1.0
        ahead, across = ((to_x - x) / length, (to_y - y) / length), ((y - to_y) / length, (to_x - x) / length)
        thick = 0.06 + 0.2 * math.sqrt(weight)
        neck = (to_x - 0.35 * ahead[0], to_y - 0.35 * ahead[1])
        wings = [
            (neck[0] + side * across[0] * 1.3 * thick, neck[1] + side * across[1] * 1.3 * thick) for side in (1, -1)
        ]
        head = Polygon((wings[0], (to_x, to_y), wings[1]), colour)
        middle = ((x + to_x) / 2.0, (y + to_y) / 2.0)
        return [Stroke(((x, y), neck), colour, thick), head, Label(middle, written, 0.34, INK)]

    def _pieces(self, contents: Sequence[int]) -> list[Shape]:
        return [
            shape.moved(*self.centre(cell))
            for cell, content in enumerate(contents)
            if content
            for shape in self.piece(content)
        ]

    def _empty_cells(self) -> list[Shape]:
        """Places that are seen though nothing stands on them: the holes of Connect Four."""
        assert self.look is not None
        empty = self.look.pieces[0]
        if not empty.arts or self.look.slanted:
            return []
        return [Disc(self.centre(cell), 0.42, empty.colour.rgb) for cell in range(self.width * self.height)]

    def _squares(self) -> list[Shape]:
        assert self.look is not None
        left, top = self._left, self._top
        right, bottom = left + self.width, top + self.height
        shapes: list[Shape] = [
            Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), self.look.ground.rgb)
        ]
        ink = self.look.ink.rgb
        if self.look.second_ground is not None:
            shapes += [self._square(cell, self._base(cell)) for cell in range(self.width * self.height)]
        if self.look.on_lines:
            first, last = self.centre(0), self.centre(self.width * self.height - 1)
            for row in range(self.height):
                shapes.append(Stroke(((first[0], top + row + 0.5), (last[0], top + row + 0.5)), ink, 0.035))
            for column in range(self.width):
                shapes.append(Stroke(((left + column + 0.5, first[1]), (left + column + 0.5, last[1])), ink, 0.035))
        return [*shapes, *(Disc(self.centre(cell), 0.1, ink) for cell in self.look.stars)]

    def _square(self, cell: int, colour: str) -> Polygon:
        x, y = self.centre(cell)
        return Polygon(((x - 0.5, y - 0.5), (x + 0.5, y - 0.5), (x + 0.5, y + 0.5), (x - 0.5, y + 0.5)), colour)

    def _hexagons(self) -> list[Shape]:
        """Cells of six sides, and coloured edges, whose they are."""
        assert self.look is not None
        shapes: list[Shape] = []
        if self.look.edges is not None:
            for side, player in enumerate(self.look.edges):
                colour = next(piece.colour.rgb for piece in self.look.pieces if piece.player == player)
                shapes += [Stroke(line, colour, 0.28) for line in self._border(side)]
        empty = self.look.pieces[0].colour.rgb
        for cell in range(self.width * self.height):
            corners = self._corners(cell)
            shapes += [Polygon(corners, empty), Stroke((*corners, corners[0]), self.look.ground.rgb, 0.06)]
        return shapes

    def _corners(self, cell: int) -> tuple[Point, ...]:
        """The six corners, clockwise from the top."""
        x, y = self.centre(cell)
        half = _HEXAGON / 2.0
        return (
            (x, y - _HEXAGON),
            (x + 0.5, y - half),
            (x + 0.5, y + half),
            (x, y + _HEXAGON),
            (x - 0.5, y + half),
            (x - 0.5, y - half),
        )

    def _border(self, side: int) -> list[tuple[Point, ...]]:
        """The outer lines of the cells along the top (0), right, bottom or left (3)."""
        first, last = {
            0: (range(self.width), (5, 0, 1)),
            1: (range(self.width - 1, self.width * self.height, self.width), (0, 1, 2)),
            2: (range(self.width * (self.height - 1), self.width * self.height), (2, 3, 4)),
            3: (range(0, self.width * self.height, self.width), (3, 4, 5)),
        }[side]
        return [tuple(self._corners(cell)[corner] for corner in last) for cell in first]

    def _names(self) -> list[Shape]:
        assert self.look is not None
        labels: list[Shape] = []
        last_row = self.width * (self.height - 1)
        for column, name in enumerate(self.look.columns):
            if self.look.columns_on_top:
                x, y = self.centre(column)
                labels.append(Label((x - (0.25 if self.look.slanted else 0.0), y - 0.95), name, 0.42, INK))
            else:
                x, y = self.centre(last_row + column)
                labels.append(Label((x, y + 0.8), name, 0.42, INK))
        for row, name in enumerate(self.look.rows):
            x, y = self.centre(row * self.width)
            labels.append(Label((x - 0.95 if self.look.slanted else x - 0.8, y), name, 0.42, INK))
        return labels

    def _as_text(self, state: State) -> Scene:
        """Letter by letter, for the fonts at hand are not all of fixed width."""
        shapes: list[Shape] = [
            Label((0.5 + 0.6 * column, 0.8 + row), letter, 0.8, INK)
            for row, line in enumerate(self.game.to_text(state).splitlines())
            for column, letter in enumerate(line)
            if letter != " "
        ]
        return Scene(*self.size, tuple(shapes))
