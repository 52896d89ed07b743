"""`keima bench lessons`: the same games for all, networks that are there are kept, and each is judged."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_reports import bench_json

import games
from scripts.bench.lessons import LEARNING_TECHNIQUES, training_config
from scripts.cli import main

SIZES = ["--games", "40", "--play-simulations", "2", "--steps", "3", "--simulations", "2", "--matches", "4"]


@pytest.fixture(autouse=True)
def few_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging takes longer than three steps of learning."""
    monkeypatch.setattr("scripts.bench.lessons._JUDGED_BATCHES", 2)


@pytest.mark.plain_only  # nothing here is compiled
@pytest.mark.parametrize("name", LEARNING_TECHNIQUES)
def test_a_technique_of_learning_leaves_the_games_alone(name: str) -> None:
    game = games.make("go5")
    config, default = training_config(game, name, 2), training_config(game, "default", 2)
    assert (config == default) == (name == "default")
    of_learning = {field: getattr(default, field) for field in ("network", "window", "learner")}
    assert replace(config, **of_learning) == default and config.seed == 2


def lessons(game: str, out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    return bench_json(capsys, "lessons", game, *SIZES, "--out", str(out), *more)


@pytest.mark.compiled_only
def test_networks_learn_from_the_same_games_and_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["--techniques", "no_ema", "--seeds", "0", "1"]
    report = lessons("tic_tac_toe", tmp_path, capsys, *wanted, "--processes", "2")
    assert [figure["name"] for figure in report["figures"]] == [
        "default: policy, games held out",
        "default: value, games held out",
        "no_ema: policy, games held out",
        "no_ema: value, games held out",
        "no_ema: against the default",
    ]
    assert all(len(figure["values"]) == 2 for figure in report["figures"])
    folder = tmp_path / "tic_tac_toe-40x2"
    chunks = {path: path.read_bytes() for path in (folder / "games").iterdir()}
    networks = {path: path.stat().st_mtime_ns for path in (folder / "3").iterdir()}
    assert sorted(path.name for path in networks) == [
        f"{name}-{seed}.safetensors" for name in ("default", "no_ema") for seed in (0, 1)
    ]

    lost = folder / "3" / "no_ema-1.safetensors"
    before = lost.read_bytes()
    lost.unlink()
    again = lessons("tic_tac_toe", tmp_path, capsys, *wanted)
    assert {path: path.read_bytes() for path in (folder / "games").iterdir()} == chunks
    assert {path for path in networks if path.stat().st_mtime_ns != networks[path]} == {lost}
    assert lost.read_bytes() == before, "the same games and the same seed give the same network"
    assert again["figures"] == report["figures"]


@pytest.mark.compiled_only
def test_solved_positions_are_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = lessons("connect_four", tmp_path, capsys, "--techniques", "default", "--seeds", "3")
    values = {figure["name"]: figure["values"][0] for figure in report["figures"]}
    assert list(values) == [
        "default: policy, games held out",
        "default: value, games held out",
        "default: value",
        "default: bare policy",
        "default: 2 simulations",
    ]
    # Three steps teach all but nothing: the policy is nearly even over the columns that are open, at most seven, each
    # of three outcomes is about as likely as the others, and a value of 0 is wrong by 1 wherever nobody draws.
    assert 1.4 < values["default: policy, games held out"] < math.log(7)
    assert values["default: value, games held out"] == pytest.approx(math.log(3), abs=0.15)
    assert 0.7 < values["default: value"] < 1.1
    straight = lessons(
        "connect_four", tmp_path, capsys, "--techniques", "default", "--seeds", "3", "--play-detours", "0"
    )
    assert straight["settings"]["positions"] > 1.1 * report["settings"]["positions"], "detours lose games sooner"


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, complaint in (
        (["--techniques", "detours"], "there is no technique of learning 'detours'"),
        (["--steps", "0"], "--steps 0: must be positive"),
        (["breakthrough", "--agent", "nowhere.safetensors"], "nowhere.safetensors"),
    ):
        assert main(["bench", "lessons", *arguments, "--out", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert complaint in error and error.count("\n") <= 2, error
