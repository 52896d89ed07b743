"""One chart of one or more runs as a picture, for pages that show what training brought."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import cycle
from typing import Literal

import matplotlib
from matplotlib.figure import Figure

from rl.errors import UserError
from rl.train.charts import CHARTS
from scripts.report import curves
from scripts.report.run_record import RunRecord

Axis = Literal["games", "steps", "hours"]
"""What the curves are drawn over."""
_AXIS_LABELS = {"games": "games of self-play", "steps": "learner steps", "hours": "hours of training"}
_SIZE = (7.5, 4.2)
"""Inches."""
_FEW_POINTS = 40
"""So many measurements are marked, more are a line."""
_LINES = ("-", "--", ":", "-.")
"""One for each curve of the chart; a colour stands for a run."""


def draw(records: Sequence[RunRecord], title: str, axis: Axis) -> bytes:
    """The chart called `title` as SVG, the same bytes for the same metrics; text is text.

    Raises UserError when there is no such chart, or no run has anything for it.
    """
    if title not in {chart.title for chart in CHARTS}:
        raise UserError(f"there is no chart {title!r}: there are {', '.join(chart.title for chart in CHARTS)}")
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    for record, colour in zip(records, cycle(matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]), strict=False):
        told = curves.data(record)
        across = told["axes"][axis]
        for curve, line in zip(told["charts"].get(title, {"curves": []})["curves"], cycle(_LINES), strict=False):
            known = [(x, y) for x, y in zip(across, curve["values"], strict=True) if y is not None]
            if known:
                marker = "o" if len(known) <= _FEW_POINTS else ""
                label = f"{record.name}: {curve['name']}"
                axes.plot(
                    *zip(*known, strict=True), color=colour, linestyle=line, marker=marker, markersize=4, label=label
                )
    if not axes.lines:
        raise UserError(f"no run has anything to show as {title!r} yet")
    axes.set_xlim(left=0.0)
    axes.set_xlabel(_AXIS_LABELS[axis])
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize="small")
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "keima", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
