"""Colours as the terminal has them: millions, sixteen, or none."""

from __future__ import annotations

import os
from functools import cache
from typing import Literal

from rich.color import Color
from rich.console import Console
from rich.style import Style
from textual.constants import COLOR_SYSTEM

from games.look import Colour

Depth = Literal["full", "sixteen", "none"]
"""How many colours there are. `none` still has bold and reversed text."""

ACCENT = Colour("#4fd1c5", "bright_cyan")
"""The cursor, and what may be chosen."""
HEAT = Colour("#ff7a45", "magenta")
"""Where the agent looks."""
PAPER = Colour("#16181d", "default")
INK = Colour("#d6d9e0", "default")
DIM = Colour("#868d9c", "default")
GOOD = Colour("#7bd88f", "bright_green")
BAD = Colour("#ff6b6b", "bright_red")


def blend(base: Colour, other: Colour, share: float) -> Colour:
    """`share` of `other` in `base`; with 16 colours the nearer of the two."""
    mixed = (
        round(int(base.rgb[place : place + 2], 16) * (1 - share) + int(other.rgb[place : place + 2], 16) * share)
        for place in (1, 3, 5)
    )
    return Colour("#" + "".join(f"{part:02x}" for part in mixed), other.ansi if share > 0.5 else base.ansi)


@cache
def paint(
    depth: Depth,
    colour: Colour | None = None,
    ground: Colour | None = None,
    *,
    bold: bool = False,
    dim: bool = False,
    reverse: bool = False,
) -> Style:
    """The style of text in a colour on a ground; None is what the terminal has by itself."""
    return Style(
        color=_colour(depth, colour),
        bgcolor=_colour(depth, ground),
        bold=bold or None,
        dim=(dim and depth != "full") or None,
        reverse=reverse or None,
    )


def _colour(depth: Depth, colour: Colour | None) -> Color | None:
    if colour is None or depth == "none":
        return None
    return Color.parse(colour.rgb if depth == "full" else colour.ansi)


def depth_of_terminal() -> Depth:
    """What the environment says of the terminal: NO_COLOR, COLORTERM and TERM, or what serves the app."""
    if "NO_COLOR" in os.environ:
        return "none"
    colours = Console(color_system=COLOR_SYSTEM, force_terminal=True).color_system  # type: ignore[arg-type]
    return "full" if colours in ("truecolor", "256") else "sixteen"
