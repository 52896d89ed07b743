"""States of a simulated game as pictures of characters."""

from __future__ import annotations

from games.base import FloatArray, State
from games.simulated import SimulatedGame
from scripts.terminal.app.layout import Size
from scripts.terminal.app.robots.cells import NO_COLOUR, Cells, cells_of, fitting, marked
from scripts.terminal.app.robots.messages import Room

_NARROW, _PICTURE, _LARGE_PICTURE = 60, 240, 480
"""Up to so many columns pictures of the first width in pixels do, then of the second."""
MARK = "✛"
"""Where a person wants to be."""
_MARK_INK = {"full": 0x101418, "sixteen": 0, "none": NO_COLOUR}


class Scenery:
    """Draws states. Where nothing can be drawn, that is tried once."""

    def __init__(self, game: SimulatedGame) -> None:
        self._game = game
        self._note = ""

    def draw(self, state: State, room: Room, target: FloatArray | None) -> tuple[Cells | None, str]:
        """(the picture, why there is none) of a state; `target` [2] is where a person wants to be, in m."""
        if self._note:
            return None, self._note
        try:
            picture = self._game.picture(state, _PICTURE if room.size.width <= _NARROW else _LARGE_PICTURE)
        except RuntimeError as error:
            self._note = f"{error}"
            return None, self._note
        height, width, _ = picture.shape
        cells = cells_of(picture, fitting(Size(width, height), room.size), room.depth)
        if target is not None and self._game.picture_area is not None:
            left, bottom, right, top = self._game.picture_area
            share = (float(target[0]) - left) / (right - left), (top - float(target[1])) / (top - bottom)
            cells = marked(cells, share, MARK, _MARK_INK[room.depth])
        return cells, ""
