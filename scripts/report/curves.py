"""Curves: the charts of `rl.train.charts`, each with what it should look like."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np

from rl.train.charts import CHARTS, Chart, found
from scripts.report.run_record import RunRecord

_MOST_POINTS = 280
"""Of a curve: neighbouring lines of metrics are averaged, since no screen shows more."""
_DIGITS = 4


def data(record: RunRecord) -> dict[str, Any]:
    """What charts.js draws: axes [points] by name, and charts with their series [points], null where unknown."""
    buckets = _buckets(record)
    names = _names(record)
    charts = {}
    for chart in CHARTS:
        if curves := [_series(name, buckets) for name in found(chart, names)]:
            band = [_averages(buckets, end) for end in chart.band] if chart.band and chart.band[0] in names else None
            charts[chart.title] = {"curves": curves, "band": band}
    return {"axes": _axes(buckets), "charts": charts}


def html(record: RunRecord, category: str, more: str = "") -> str:
    """The charts of a category, and `more` figures behind them; nothing where there are none."""
    names = _names(record)
    shown = [chart for chart in CHARTS if chart.category == category and found(chart, names)]
    figures = "".join(map(_figure, shown)) + more
    return f'<div class="charts">{figures}</div>' if figures else ""


def _figure(chart: Chart) -> str:
    title = escape(chart.title, quote=True)
    return (
        f'<figure><figcaption>{title}</figcaption><div class="chart" data-chart="{title}"></div>'
        f"<p><b>Healthy:</b> {_words(chart.healthy)}. <b>Otherwise:</b> {_words(chart.otherwise)}.</p></figure>"
    )


def _words(text: str) -> str:
    """Text in which what stands between backticks is code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(text))


def _names(record: RunRecord) -> list[str]:
    """Metrics that are numbers or summaries of histograms."""
    kinds = {
        name for line in record.lines for name, value in line.items() if "/" in name and isinstance(value, float | dict)
    }
    return sorted(kinds)


def _buckets(record: RunRecord) -> list[list[Mapping[str, Any]]]:
    count = min(_MOST_POINTS, len(record.lines))
    return [list(map(record.lines.__getitem__, part)) for part in np.array_split(np.arange(len(record.lines)), count)]


def _axes(buckets: list[list[Mapping[str, Any]]]) -> dict[str, list[float | None]]:
    last = [bucket[-1] for bucket in buckets]
    hours = [_rounded(float(line["seconds"]) / 3600.0) for line in last]
    return {"steps": [line["steps"] for line in last], "games": [line["games"] for line in last], "hours": hours}


def _series(name: str, buckets: list[list[Mapping[str, Any]]]) -> dict[str, Any]:
    values = _averages(buckets, name)
    series: dict[str, Any] = {"name": name, "values": values}
    if any(isinstance(line.get(name), dict) for bucket in buckets for line in bucket):
        series["values"] = _averages(buckets, name, "p50")
        series["low"], series["high"] = _averages(buckets, name, "p10"), _averages(buckets, name, "p90")
    return series


def _averages(buckets: list[list[Mapping[str, Any]]], name: str, part: str | None = None) -> list[float | None]:
    """[points] the mean of a metric in each bucket, or of a part of its histograms' summaries."""
    return [_mean(_part(line.get(name), part) for line in bucket) for bucket in buckets]


def _part(value: Any, part: str | None) -> float | None:
    if isinstance(value, dict):
        value = value.get(part)
    return value if isinstance(value, int | float) else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _rounded(sum(known) / len(known)) if known else None


def _rounded(value: float) -> float:
    if value == 0.0 or not math.isfinite(value):
        return 0.0
    return float(f"{value:.{_DIGITS}g}")
