"""The page put together: sections, style, scripts and their data, all in one file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Any, NamedTuple

from rl.train.charts import CATEGORIES
from rl.train.display import duration
from scripts.report import calibration, curves, films, health, ladder, positions, sample_games, settings
from scripts.report.run_record import RunRecord


class Section(NamedTuple):
    """A part of the page."""

    anchor: str
    title: str
    html: str


def build(record: RunRecord) -> str:
    """The whole page."""
    boards = {game.name: sample_games.board_data(game) for game in record.boards}
    data = {
        "curves": curves.data(record),
        "games": sample_games.data(record),
        "positions": positions.data(record),
        "boards": boards,
    }
    sections = [
        Section("health", "Health", health.html(record) + curves.html(record, "Health")),
        Section("learning", "Learning", curves.html(record, "Learning", calibration.html(record))),
        *(Section(name.lower(), name, curves.html(record, name)) for name in CATEGORIES[1:-1]),
        Section("ladder", "Ladder", ladder.html(record)),
        Section("films", "Episodes", films.html(record)),
        Section("positions", "Positions", positions.html(record)),
        Section("games", "Sample games", sample_games.html(record)),
        Section("settings", "Settings", settings.html(record)),
    ]
    shown = [section for section in sections if section.html]
    title = f"{record.name}: {record.mixture.name}"
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{_file('page.css')}</style></head><body>",
            _head(record, shown),
            *(f'<section id="{part.anchor}"><h2>{part.title}</h2>{part.html}</section>' for part in shown),
            _notes(record),
            f"<svg width='0' height='0' style='position:absolute'><defs>{sample_games.symbols(record)}</defs></svg>",
            f'<script type="application/json" id="run-data">{_embedded(data)}</script>',
            *(f"<script>{_file(name)}</script>" for name in ("charts.js", "boards.js")),
            "</body></html>",
        ]
    )


def _head(record: RunRecord, sections: Sequence[Section]) -> str:
    last = record.lines[-1]
    low, high = record.latest("elo/low"), record.latest("elo/high")
    elo = record.latest("elo/agent")
    margin = f" ± {(high - low) / 2:.0f}" if low is not None and high is not None else ""
    truth, score = record.latest("truth/search_accuracy"), record.latest("score/random")
    success, earned = record.latest("episodes/search_success"), record.latest("episodes/search_return")
    ill = record.health.current
    facts = [
        ("trained for", duration(float(last["seconds"]))),
        ("games", f"{last['games']:,}"),
        ("positions", f"{last['positions']:,}"),
        ("learner steps", f"{last['steps']:,}"),
        ("Elo over random play", None if elo is None else f"{elo:.0f}{margin}"),
        ("solved positions kept, with search", None if truth is None else f"{truth:.1%}"),
        ("score against random play", None if score is None else f"{score:.2f}"),
        ("successes, with search", None if success is None else f"{success:.0%}"),
        ("mean return, with search", None if earned is None else f"{earned:.3g}"),
        ("health", "well" if not ill else ", ".join(finding.rule.name for finding in ill)),
    ]
    tiles = "".join(
        f'<div class="tile"><b>{escape(text)}</b><span>{name}</span></div>' for name, text in facts if text is not None
    )
    links = " ".join(f'<a href="#{section.anchor}">{section.title}</a>' for section in sections)
    return (
        f"<header><h1>{escape(record.name)} <small>{escape(record.mixture.name)}</small></h1>"
        f'<div class="tiles">{tiles}</div><nav>{links}</nav></header>'
    )


def _notes(record: RunRecord) -> str:
    if not record.notes:
        return ""
    return f"<footer>Left out: {'; '.join(map(escape, record.notes))}</footer>"


def _embedded(data: Any) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
