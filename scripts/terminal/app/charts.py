"""Bars and lines of block characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from games.look import Colour
from scripts.terminal.app.palette import ACCENT, DIM, Depth, paint

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ACROSS = " ▏▎▍▌▋▊▉█"


def bar(share: float | None, width: int, colours: tuple[Colour, Colour], depth: Depth) -> Text:
    """`share` of a line in the first colour, the rest in the second: who is expected to win."""
    if share is None:
        return Text("·" * width, paint(depth, DIM, dim=True))
    if depth == "none":
        filled = round(share * width)
        return Text("█" * filled + "░" * (width - filled))
    eighths = round(share * width * 8)
    whole, part = divmod(eighths, 8)
    text = "█" * whole + (_ACROSS[part] if whole < width else "")
    return Text(text.ljust(width), paint(depth, *colours))


def sparkline(estimates: Mapping[int, float], last: int, width: int, colour: Colour, depth: Depth) -> Text:
    """The estimates from the first ply to the last, or the last `width` of them, in one line."""
    first = max(0, last + 1 - width)
    marks = [_level(estimates.get(ply)) for ply in range(first, last + 1)]
    return Text("".join(marks), paint(depth, colour))


def graph(
    estimates: Mapping[int, float],
    last: int,
    at: int,
    size: tuple[int, int],
    colour: Colour,
    depth: Depth,
    marked: Sequence[int] = (),
) -> Text:
    """Estimates as columns of (width, height), a mark below the one at `at` and below those in `marked`.

    A longer game than there are columns is shown by every n-th position.
    """
    width, height = size
    step = max(1, -(-(last + 1) // width))
    columns = [_nearest(estimates, range(first, first + step)) for first in range(0, last + 1, step)]
    lines = []
    for line in range(height - 1, -1, -1):
        cells = [_slice(value, line, height) for value in columns]
        lines.append(Text("".join(cells), paint(depth, colour)))
    below = Text()
    for column in range(len(columns)):
        plies = range(column * step, (column + 1) * step)
        if at in plies:
            below.append("▲", paint(depth, ACCENT, bold=True))
        elif any(ply in plies for ply in marked):
            below.append("?", paint(depth, DIM, bold=True))
        else:
            below.append("─", paint(depth, DIM, dim=True))
    return Text("\n").join([*lines, below])


def _level(estimate: float | None) -> str:
    return "·" if estimate is None else _EIGHTHS[1 + min(7, int(8 * estimate))]


def _nearest(estimates: Mapping[int, float], plies: range) -> float | None:
    return next((estimates[ply] for ply in plies if ply in estimates), None)


def _slice(value: float | None, line: int, height: int) -> str:
    if value is None:
        return "·" if line == 0 else " "
    filled = max(1, round(8 * height * value)) - 8 * line
    return _EIGHTHS[min(max(filled, 0), 8)]
