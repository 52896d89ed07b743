"""Every rule of the health table, on made-up metrics that do and do not show its sign."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import games
from rl.train.charts import CATEGORIES, CHARTS, charts_of, found, guides, layout
from rl.train.config import TrainConfig
from rl.train.health import RULES, HealthWatch, examined, health_text
from rl.train.metrics import NAMES
from scripts.presets import preset

SECONDS = 5.0
WELL = {
    "policy/entropy": 0.8,
    "policy/target_entropy": 0.5,
    "policy/log_partition": 0.4,
    "loss/value": 0.6,
    "holdout/loss/value": 0.65,
    "value/calibration_error": 0.08,
    "time/network": 0.5,
    "selfplay/evaluations_per_second": 9000.0,
    "selfplay/batch_fill": 0.98,
    "selfplay/first_player_score": 0.55,
    "selfplay/worker_restarts": 0.0,
    "learner/skipped_steps": 0.0,
    "replay/sample_age": 3000.0,
    "time/progress": 0.7,
    "elo/best": 900.0,
    "elo/agent": 890.0,
    "elo/high": 950.0,
}
ILL: dict[str, Mapping[str, Any]] = {
    "policy collapse": {"policy/entropy": 0.1},
    "one move only": {"policy/entropy": 0.01, "policy/target_entropy": 0.01},
    "logits adrift": {"policy/log_partition": 900.0},
    "value overfitting": {"holdout/loss/value": 0.9},
    "values astray": {"value/calibration_error": 0.3},
    "idle network": {"time/network": 0.03},
    "empty batches": {"selfplay/batch_fill": 0.2},
    "stale window": {"replay/sample_age": 15_000.0},
    "self-play stands still": {"games": 20_000},
    "first-player bias": {"selfplay/first_player_score": 0.95},
    "NaN skips": {"learner/skipped_steps": range(0, 1000)},
    "dying workers": {"selfplay/worker_restarts": range(0, 1000)},
    "falling strength": {"elo/agent": 600.0, "elo/high": 700.0},
}


def lines(number: int, changed: Mapping[str, Any] = WELL, first: int = 0) -> Iterator[dict[str, Any]]:
    """So many lines of a run that is well but for what is `changed`; of a range, the next number each line."""
    for index in range(first, first + number):
        values = {name: value[index] if isinstance(value, range) else value for name, value in changed.items()}
        games = 20_000 + 40 * index
        yield {"steps": 50 * index, "games": games, "seconds": SECONDS * index, **WELL, **values}


def test_every_rule_is_tested() -> None:
    assert {rule.name for rule in RULES} == ILL.keys() and len(RULES) == len(ILL)


def test_healthy_run_has_no_findings() -> None:
    watch = examined(lines(400))
    assert watch.findings == [] and "No sign" in health_text(watch.current)


@pytest.mark.parametrize("name", ILL)
def test_sign_is_found_and_nothing_else(name: str) -> None:
    watch = examined(lines(150, ILL[name]))
    assert [finding.rule.name for finding in watch.findings] == [name]
    text = health_text(watch.current)
    assert text.startswith(f"{name}: ") and watch.findings[0].rule.advice in text


@pytest.mark.parametrize("name", ILL)
def test_what_passes_quickly_is_no_sickness(name: str) -> None:
    """The sign must last: one line of it in a healthy run is nothing, and neither is a run that has just begun."""
    rule = next(rule for rule in RULES if rule.name == name)
    assert examined(lines(int(60 * rule.minutes / SECONDS), ILL[name])).findings == []
    if name != "falling strength":  # one evaluation is all there is
        single = [*lines(150), *lines(1, ILL[name], 150), *lines(100, first=151)]
        single[150]["learner/skipped_steps"] = single[150]["selfplay/worker_restarts"] = 0.0
        assert examined(single).findings == []


def test_findings_begin_and_end() -> None:
    watch, changes = HealthWatch(), []
    for line in [*lines(150), *lines(150, ILL["policy collapse"], 150), *lines(150, first=300)]:
        changes += watch.add(line)
    begun, ended = changes
    assert begun.rule.name == ended.rule.name == "policy collapse"
    assert begun.until is None and ended.until is not None
    assert 150 * SECONDS < begun.since < 150 * SECONDS + 180.0
    assert 300 * SECONDS < ended.until < 300 * SECONDS + 180.0
    assert watch.current == [] and watch.findings == [ended]


def test_what_is_measured_now_and_then_lasts_until_it_is_measured_again() -> None:
    """Strength: a line in a hundred tells it, and the second evaluation finds it well again."""
    watch, told = HealthWatch(), []
    for index, line in enumerate(lines(400)):
        for name in ("elo/best", "elo/agent", "elo/high"):
            del line[name]
        if index in (100, 300):
            line |= {"elo/best": 900.0, "elo/high": 700.0 if index == 100 else 950.0}
        told += [(index, change.until is None) for change in watch.add(line)]
    (begun, is_beginning), (ended, is_end_beginning) = told
    assert is_beginning and not is_end_beginning
    assert 100 <= begun < 104 and 300 <= ended < 304


def test_documentation_has_the_table() -> None:
    text = (Path(__file__).parent.parent / "docs" / "monitoring.md").read_text()
    for rule in RULES:
        assert f"| {rule.name} | {rule.sign} | {rule.minutes:g} min |" in text


def test_numbers_that_are_missing_or_not_finite_say_nothing() -> None:
    bare = [{"steps": line["steps"], "games": line["games"], "seconds": line["seconds"]} for line in lines(200)]
    assert examined(bare).findings == []
    empty = [{**line, **{name: None for name in WELL}} for line in lines(200)]
    assert examined(empty).findings == []


def test_run_that_goes_back_to_a_checkpoint_is_judged_anew() -> None:
    watch = HealthWatch()
    for line in [*lines(100), *lines(30, ILL["policy collapse"], 50)]:
        watch.add(line)
    assert watch.findings == []
    for line in lines(60, ILL["policy collapse"], 80):
        watch.add(line)
    assert [finding.rule.name for finding in watch.current] == ["policy collapse"]


def test_last_evaluation_is_not_held_against_a_run_that_stops_playing() -> None:
    """While the run is measured for the last time nobody plays, and neither learns nor uses the network."""
    quiet = {"time/network": 0.0, "selfplay/evaluations_per_second": 0.0, "games": 20_000, "steps": 100}
    assert examined(lines(200, quiet)).findings == []


# --- charts ---------------------------------------------------------------------------------------------------------


def test_charts_show_names_that_there_are() -> None:
    families = tuple(name.removesuffix("*") for name in NAMES if name.endswith("*"))
    for chart in CHARTS:
        for curve in (*chart.curves, *(chart.band or ())):
            assert curve in NAMES or curve.startswith(families), curve
        assert chart.category in CATEGORIES and chart.healthy and chart.otherwise
    assert {chart.category for chart in CHARTS} == set(CATEGORIES)
    titles = [chart.title for chart in CHARTS]
    assert len(titles) == len(set(titles))


def test_curves_of_a_chart_are_found() -> None:
    by_title = {chart.title: chart for chart in CHARTS}
    names = ["loss/value", "holdout/loss/value", "calibration/score_at_15", "calibration/score_at_05", "score/random"]
    assert found(by_title["Value loss"], names) == ["loss/value", "holdout/loss/value"]
    assert found(by_title["Value calibration"], names) == ["calibration/score_at_05", "calibration/score_at_15"]
    assert found(by_title["Score"], names) == ["score/random"]


def test_layout_and_guide_have_all_charts() -> None:
    pages = layout()
    assert list(pages) == list(CATEGORIES)
    for chart in CHARTS:
        assert chart.spread != (chart.title in pages[chart.category])
        if not chart.spread:
            kind, tags = pages[chart.category][chart.title]
            assert kind == "Multiline" and all(re.compile(tag) for tag in tags)
        assert f"**{chart.title}**" in guides()[f"charts/{chart.category}"]
    assert pages["Strength"]["Elo, 95 % interval"] == ["Margin", ["elo/agent", "elo/low", "elo/high"]]


def test_a_run_is_shown_the_charts_that_it_has_curves_for() -> None:
    """An empty chart looks like a fault."""
    told = {"connect_four": "boards solved", "hex5": "boards", "planar_reach": "robots"}
    for name, kinds in told.items():
        charts = charts_of(games.make(name))
        assert {chart.only for chart in charts} == {"", *kinds.split()}
        assert charts == tuple(chart for chart in CHARTS if chart in charts), "in the same order"
        assert list(layout(charts)) == list(CATEGORIES)
    guided = guides(charts)["charts/Strength"]
    assert "**Successes**" in guided and "**Elo**" not in guided and "**Truth**" not in guided


def options(section: Any, prefix: str = "") -> Iterator[str]:
    for field in dataclasses.fields(section):
        name, value = f"{prefix}{field.name.replace('_', '-')}", getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from options(value, f"{name}.")
            if name in ("limits", "resources"):  # without a prefix on the command line
                yield from options(value)
        else:
            yield f"--{name}"


def test_advice_names_options_that_there_are() -> None:
    robots = preset(games.make("planar_reach"), "quick")  # whose window and network have options of their own
    known = {*options(TrainConfig()), *options(robots), "--also"}
    texts = [rule.advice for rule in RULES] + [f"{chart.otherwise} {chart.healthy}" for chart in CHARTS]
    for option in re.findall(r"--[a-z][a-z.-]*[a-z]", " ".join(texts)):
        assert option in known, option
