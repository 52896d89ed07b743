"""Value calibration: where a score was expected, what was scored."""

from __future__ import annotations

from html import escape

import numpy as np

from rl.pictures.scene import Disc, Label, Scene, Shape, Stroke
from rl.pictures.svg import svg
from scripts.report.run_record import RunRecord

_SIZE = 10.0
_MARGIN = 1.4
_INK, _FAINT, _LEARNT, _HELD_OUT = "#7d8597", "#b9c0cc", "#3b82f6", "#f59e0b"
_TEXT = (
    "Each dot is a tenth of the positions by the score that the network expected, over the last tenth of the run; "
    "filled: learnt from, hollow: held out. <b>Healthy:</b> on the diagonal. <b>Otherwise:</b> flatter than the "
    "diagonal: values say too much; steeper: too little."
)


def html(record: RunRecord) -> str:
    """A figure; nothing where the run has not measured it."""
    learnt, held_out = _points(record, ""), _points(record, "holdout/")
    if not learnt:
        return ""
    shapes = [*_frame(), *(_dot(point, _LEARNT, True) for point in learnt)]
    shapes += [_dot(point, _HELD_OUT, False) for point in held_out]
    side = _SIZE + 2.0 * _MARGIN
    picture = svg(Scene(side, side, tuple(shapes)), cell_pixels=24.0)
    return f"<figure><figcaption>{escape('Value calibration, now')}</figcaption>{picture}<p>{_TEXT}</p></figure>"


def _points(record: RunRecord, prefix: str) -> list[tuple[float, float]]:
    """(expected, actual) scores."""
    recent = record.lines[-max(1, len(record.lines) // 10) :]
    points = []
    for tenth in range(10):
        name = f"{prefix}calibration/score_at_{10 * tenth + 5:02d}"
        values = [value for line in recent if (value := line.get(name)) is not None]
        if values:
            points.append(((tenth + 0.5) / 10.0, float(np.mean(values))))
    return points


def _at(expected: float, actual: float) -> tuple[float, float]:
    return _MARGIN + _SIZE * expected, _MARGIN + _SIZE * (1.0 - actual)


def _dot(point: tuple[float, float], colour: str, filled: bool) -> Disc:
    return Disc(_at(*point), 0.2, colour if filled else None, colour, 0.08)


def _frame() -> list[Shape]:
    shapes: list[Shape] = [Stroke((_at(0.0, 0.0), _at(1.0, 1.0)), _FAINT, 0.06)]
    for tick in (0.0, 0.5, 1.0):
        shapes += [
            Stroke((_at(tick, 0.0), _at(tick, 1.0)), _FAINT, 0.02),
            Stroke((_at(0.0, tick), _at(1.0, tick)), _FAINT, 0.02),
            Label((_at(tick, 0.0)[0], _MARGIN + _SIZE + 0.5), f"{tick:g}", 0.5, _INK),
            Label((_MARGIN - 0.25, _at(0.0, tick)[1]), f"{tick:g}", 0.5, _INK, "end"),
        ]
    middle = _MARGIN + _SIZE / 2.0
    return [
        *shapes,
        Label((middle, _MARGIN + _SIZE + 1.1), "expected score", 0.5, _INK),
        Label((_MARGIN, _MARGIN - 0.6), "actual score", 0.5, _INK, "start"),
    ]
