"""A ladder drawn: ratings with their 95 % intervals, one below the other or over what training had cost."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rl.arena.standings import Row, Standings

Axis = Literal["players", "games", "evaluations", "hours"]
"""What the other axis is: the players' names, or what an agent's training had cost."""

AXIS_LABELS = {
    "games": "games of self-play",
    "evaluations": "network evaluations of self-play",
    "hours": "hours of training",
}
_WIDTH = 7.5
"""Inches, as everything here."""
_ROW_HEIGHT = 0.32
_LABEL_HEIGHT = 0.04
"""Of a line of small text, as a share of the picture's height."""
_LONGEST_NAME = 44
_COLOUR = "#22577a"


def draw(standing: Standings, axis: Axis) -> bytes:
    """The picture as SVG, the same bytes for the same standings; text is text. Who has no rating is left out."""
    rows = [row for row in standing.rows if row.rating is not None]
    height = max(4.2, _ROW_HEIGHT * len(rows)) if axis != "players" else 1.1 + _ROW_HEIGHT * len(rows)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    label = f"Elo, 95 % intervals; {_shortened(_name_of(standing, standing.anchor))} is 0"
    if axis == "players":
        _draw_players(axes, rows)
        axes.set_xlabel(label)
    else:
        _draw_curves(axes, rows, axis)
        axes.set_ylabel(label)
    axes.set_title(standing.game, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "keima", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _draw_players(axes: Axes, rows: Sequence[Row]) -> None:
    """The best above."""
    places = [float(-place) for place in range(len(rows))]
    elos, margins = _elos(rows)
    axes.errorbar(elos, places, xerr=margins, fmt="o", color=_COLOUR, capsize=3)
    axes.set_yticks(places, [_shortened(row.short_name) for row in rows])
    axes.margins(y=0.5 / max(1, len(rows)))


def _draw_curves(axes: Axes, rows: Sequence[Row], axis: Axis) -> None:
    """A curve for each run, and each number of simulations, whose agents know their cost; a line for everyone else."""
    curves: defaultdict[tuple[str, int | None], list[Row]] = defaultdict(list)
    others = []
    for row in rows:
        if getattr(row.entrant, axis) is None:
            others.append(row)
        else:
            curves[row.entrant.run, row.entrant.num_simulations].append(row)
    for (run, num_simulations), own in curves.items():
        own.sort(key=lambda row: float(getattr(row.entrant, axis)))
        elos, margins = _elos(own)
        costs = [getattr(row.entrant, axis) for row in own]
        axes.errorbar(
            costs, elos, yerr=margins, marker="o", markersize=4, capsize=3, label=_curve_name(run, num_simulations)
        )
    for row in others:
        assert row.rating is not None
        axes.axhline(row.rating.elo, color="0.5", linestyle="--", linewidth=1)
    axes.set_xlim(left=0.0)
    _name_lines(axes, others)
    axes.set_xlabel(AXIS_LABELS[axis])
    if curves:
        axes.legend(frameon=False)


def _name_lines(axes: Axes, rows: Sequence[Row]) -> None:
    """Write the names of `rows` (the best first) above their lines, at the right end, none over another."""
    low, high = axes.get_ylim()
    distance = _LABEL_HEIGHT * (high - low)
    axes.set_ylim(low, high + distance)
    above = low - distance
    for row in reversed(rows):
        assert row.rating is not None
        above = max(above + distance, row.rating.elo + distance / 6.0)
        place = (0.995, above)
        name = _shortened(row.short_name)
        axes.annotate(name, place, xycoords=("axes fraction", "data"), ha="right", color="0.4", fontsize="small")


def _curve_name(run: str, num_simulations: int | None) -> str:
    folder = Path(run)
    search = "bare network" if num_simulations == 1 else f"{num_simulations} simulations"
    return f"{folder.parent if folder.name == 'networks' else folder}, {search}"


def _elos(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """(ratings, halves of their intervals)."""
    return [row.rating.elo for row in rows if row.rating is not None], [row.margin or 0.0 for row in rows]


def _name_of(standing: Standings, name: str) -> str:
    return next((row.short_name for row in standing.rows if row.entrant.name == name), name)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
