"""The robot as a widget: shows pictures of characters, and says where the mouse points."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.events import Click, MouseMove
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from scripts.terminal.app.layout import Size
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.robots.cells import NO_COLOUR, Cells

_MARGIN = 1
_MOST_STYLES = 1 << 14


class View(Widget):
    """A picture of characters; only the lines that changed are sent to the terminal."""

    class Pointed(Message):
        """The mouse is at a place, told as shares of the picture's width and height from its upper left corner."""

        def __init__(self, x: float, y: float, *, clicked: bool) -> None:
            super().__init__()
            self.x, self.y, self.clicked = x, y, clicked

    def __init__(self, depth: Depth) -> None:
        super().__init__(id="view")
        self._depth = depth
        self._shown = Size(0, 0)
        self._lines: list[Strip] = []

    def show(self, cells: Cells) -> None:
        """Draw a picture."""
        self.replace([_strip(cells, line, self._depth) for line in range(cells.size.height)], cells.size)

    def show_text(self, lines: list[str], width: int) -> None:
        """Words in the place of a picture."""
        self.replace([Strip([Segment(line)]) for line in lines], Size(width, len(lines)))

    def replace(self, lines: list[Strip], size: Size) -> None:
        """Show lines that make up a picture of some size."""
        before, self._lines = self._lines, lines
        width = size.width + 2 * _MARGIN
        if size != self._shown:
            self._shown = size
            self.styles.width, self.styles.height = width, size.height
        if len(before) != len(lines):
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, lines, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """A line of the picture, with the margin at its left."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        margin = Segment(" " * _MARGIN)
        strip = Strip([margin, *self._lines[y]]).extend_cell_length(self.size.width)
        return strip.apply_style(self.rich_style) if self._depth == "full" else strip

    def on_click(self, event: Click) -> None:
        """Say where."""
        self._point(event.x, event.y, clicked=True)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Say where, and whether a button is held."""
        self._point(event.x, event.y, clicked=event.button != 0)

    def _point(self, x: int, y: int, *, clicked: bool) -> None:
        width, height = self._shown
        column = x - _MARGIN
        if 0 <= column < width and 0 <= y < height:
            self.post_message(self.Pointed((column + 0.5) / width, (y + 0.5) / height, clicked=clicked))


def _strip(cells: Cells, line: int, depth: Depth) -> Strip:
    """A line, runs of the same colours together."""
    text, inks, grounds = cells.lines[line], cells.inks[line].tolist(), cells.grounds[line].tolist()
    runs: list[Segment] = []
    begin = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or inks[end] != inks[begin] or grounds[end] != grounds[begin]:
            runs.append(Segment(text[begin:end], _style(inks[begin], grounds[begin], depth)))
            begin = end
    return Strip(runs, len(text))


@lru_cache(maxsize=_MOST_STYLES)
def _style(ink: int, ground: int, depth: Depth) -> Style:
    return Style(color=_colour(ink, depth), bgcolor=_colour(ground, depth))


def _colour(code: int, depth: Depth) -> Color | None:
    if code == NO_COLOUR:
        return None
    if depth == "sixteen":
        return Color.from_ansi(code)
    return Color.from_rgb(code >> 16, code >> 8 & 255, code & 255)
