"""The board as a widget: shows a picture, and says which cell is clicked."""

from __future__ import annotations

from rich.segment import Segment
from rich.text import Text
from textual.events import Click
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from scripts.terminal.app.drawing import Canvas, Picture, draw
from scripts.terminal.app.layout import Layout, Size
from scripts.terminal.app.palette import Depth, paint

_MARGIN = 1


class Board(Widget):
    """A picture in a layout, or, of a game without a look, lines of text."""

    class Picked(Message):
        """A cell was clicked."""

        def __init__(self, cell: int) -> None:
            super().__init__()
            self.cell = cell

    def __init__(self, depth: Depth) -> None:
        super().__init__(id="board")
        self._depth = depth
        self._drawn: Layout | None = None
        self._shown = Size(0, 0)
        self._lines: list[Strip] = []

    def show(self, picture: Picture, layout: Layout) -> None:
        """Draw a picture; only the lines that changed are sent to the terminal."""
        self._drawn = layout
        canvas = draw(picture, layout, self._depth)
        self._replace([_strip(canvas, line) for line in range(layout.size.height)], layout.size)

    def show_text(self, lines: list[Text]) -> None:
        """Show lines as they are."""
        size = Size(max((line.cell_len for line in lines), default=0), len(lines))
        self._replace([Strip(list(line.render(self.app.console))) for line in lines], size)

    def _replace(self, lines: list[Strip], size: Size) -> None:
        before, self._lines = self._lines, lines
        if size != self._shown:
            self._shown = size
            self.styles.width, self.styles.height = size.width + 2 * _MARGIN, size.height
        if len(before) != len(lines):
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, lines, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, size.width + 2 * _MARGIN, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """A line of the board, with the margin at its left."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        margin = Segment(" " * _MARGIN, paint(self._depth))
        strip = Strip([margin, *self._lines[y]]).extend_cell_length(self.size.width)
        return strip.apply_style(self.rich_style) if self._depth == "full" else strip

    def on_click(self, event: Click) -> None:
        """Say which cell it was."""
        if self._drawn is not None:
            cell = self._drawn.cell_at(event.x - _MARGIN, event.y)
            if cell is not None:
                self.post_message(self.Picked(cell))


def _strip(canvas: Canvas, line: int) -> Strip:
    return Strip(canvas.segments(line), canvas.size.width)
