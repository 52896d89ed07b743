"""What the text beside the board is written with."""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from games.look import Colour
from scripts.terminal.app.palette import INK, Depth, paint


class Pen(NamedTuple):
    """What text is written with, and how much room there is."""

    depth: Depth
    width: int

    def text(self, words: str, colour: Colour = INK, *, bold: bool = False, dim: bool = False) -> Text:
        """One line, cut where the panel ends."""
        return Text(words, paint(self.depth, colour, bold=bold, dim=dim), no_wrap=True, overflow="ellipsis")

    def wrapped(self, words: str, colour: Colour = INK) -> Text:
        """As many lines as it takes."""
        return Text(words, paint(self.depth, colour))
