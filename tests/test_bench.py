"""`keima bench`: every benchmark runs, at sizes that say nothing of speed, and says what it has to say."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from backends import needs_openvino
from bench_reports import bench_json, check

import games
import scripts.bench as bench
from rl.network.model import NetworkConfig
from scripts.bench.games import play_by_drawing
from scripts.bench.play import play_at_random
from scripts.bench.report import Figure, Lap, interleaved, rates
from scripts.bench.search import Searcher, distinct_states
from scripts.bench.stages import STAGES, StagedWaves
from scripts.cli import main

TINY = {
    "play": ["--moves", "300", "--repeats", "2"],
    "games": [
        *("--games", "hex5", "tic_tac_toe", "--moves", "300", "--trees", "2", "--simulations", "8", "--repeats", "2"),
    ],
    "search": ["tic_tac_toe", "--trees", "4", "--simulations", "12", "--repeats", "2"],
    "robots": [
        "--tasks",
        "planar_reach",
        "cart_pole_swing_up",
        "--rows",
        "3",
        "--steps",
        "30",
        "--episodes",
        "3",
        "--repeats",
        "2",
    ],
    "rollouts": ["tic_tac_toe", "--positions", "2", "--simulations", "10", "--repeats", "2"],
    "learner": [
        *("tic_tac_toe", "--games", "3", "--steps", "1", "--batch-size", "8", "--repeats", "2"),
        *("--network.blocks", "1", "--network.channels", "8", "--threads", "1", "2"),
        *("--precisions", "float32", "bfloat16"),
    ],
}
"""The arguments of the benchmarks that need no agent and start no process."""

LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


# --- the frame ------------------------------------------------------------------------------------------------------


@pytest.mark.plain_only  # a report is tested: its kernels would be compiled for every game
@pytest.mark.parametrize("name", TINY)
def test_each_tells_its_figures(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = bench_json(capsys, name, *TINY[name], "--seed", "7")
    figures = check(report, name)
    assert report["seed"] == 7 and report["settings"]["repeats"] == 2
    rated = [figure for figure in figures.values() if figure["unit"].endswith("/s")]
    assert len(rated) >= 2 and all(len(figure["values"]) == 2 for figure in rated)
    assert {clock for _, clock in figures} >= {"wall", "cpu"}


@pytest.mark.plain_only  # nothing of a report is compiled
def test_page_tells_how_long_a_report_takes_and_how_large_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    figures = check(bench_json(capsys, "page", "tic_tac_toe", "--iterations", "10", "--repeats", "1"), "page")
    assert figures["keima report", "wall"]["goal"] == 10 and figures["keima report", "cpu"]["median"] > 0.1
    assert 0.0 < figures["its page", ""]["median"] < 1.0


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "play", *TINY["play"]]) == 0
    shown = capsys.readouterr().out
    assert "cores, load" in shown.splitlines()[0] and "torch" in shown.splitlines()[0]
    for word in ("median", "goal", "moves/s", "wall", "cpu", "tic_tac_toe", "connect_four", "missed", ">= 50,000,000"):
        assert word in shown


def test_all_runs_the_quick_ones(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def measured(command: bench.Options) -> bench.Report:
        seeds.append(command.seed)
        return bench.Report(type(command).__name__, command.seed, {"tiny": True}, (Figure("one", "share", (1.0,)),))

    monkeypatch.setattr(bench, "_MEASURES", dict.fromkeys(bench._MEASURES, measured))
    reports = bench_json(capsys, "all", "--seed", "3")
    names = [report["benchmark"] for report in reports]
    assert names[:2] == ["PlayBench", "GamesBench"]
    assert names[2:5] == ["SearchBench", "RolloutsBench", "RobotsBench"]
    assert names[5:] == ["LearnerBench", "StartupBench", "PageBench", "TruthBench"]
    assert seeds == [3] * len(names)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["play", "--moves", "0"],
        ["play", "--repeats", "-1"],
        ["play", "--seed", "-1"],
        ["games", "--games", "checkers"],
        ["games", "--trees", "0"],
        ["robots", "--tasks", "toaster"],
        ["robots", "--rows", "0"],
        ["hockey", "--games", "0"],
        ["hockey", "--networks", "1"],
        ["search", "checkers"],
        ["search", "--simulations", "0"],
        ["rollouts", "--positions", "none"],
        ["learner", "--batch-size", "0"],
        ["learner", "--threads", "2", "0"],
        ["learner", "--precisions"],
        ["evaluators", "--batch-sizes", "8", "0"],
        ["evaluators", "--seconds", "0"],
        ["selfplay", "--stretches", "0"],
        ["selfplay", "--minutes", "0"],
        ["selfplay", "--minutes", "nan"],
        ["selfplay", "--batch-sizes", "64", "0"],
        ["selfplay", "--agent", "/nowhere/agent.safetensors"],
        ["startup", "--repeats", "0"],
        ["truth", "tic_tac_toe"],
        ["truth", "--positions", "0"],
        ["truth", "--solved", "/nowhere/solved.txt"],
        ["truth", "--solved", __file__],
        ["truth", "tic_tac_toe", "--solved", __file__],
        ["labels", "tic_tac_toe"],
        ["labels", "--playouts", "8", "0"],
        ["searches", "--techniques", "magic"],
        ["shipped", "--games", "chess"],
        ["shipped", "--matches", "0"],
        ["strength", "--agent", "/nowhere/agent.safetensors"],
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("keima: ") and captured.err.count("\n") == 1


def test_rates_are_amounts_over_either_clock() -> None:
    laps = [Lap(100.0, 2.0, 1.0), Lap(90.0, 3.0, 0.5), Lap(10.0, 1.0, 1.0)]
    wall, cpu = rates("thing", "moves", laps, 40.0)
    assert wall.values == (50.0, 30.0, 10.0) and wall.clock == "wall" and wall.unit == "moves/s"
    assert cpu.values == (100.0, 180.0, 10.0) and cpu.clock == "cpu" and cpu.goal is None and cpu.met is None
    assert wall.median == 30.0 and wall.met is False
    assert Figure("wait", "s", (1.0, 4.0, 2.0), "wall", 2.0, at_most=True).met is True


def test_works_take_turns_and_the_first_round_is_not_counted() -> None:
    called = []

    def work(name: str, amount: float) -> Any:
        return lambda turn: called.append((turn, name)) or amount + turn

    laps = interleaved({"a": work("a", 10.0), "b": work("b", 20.0)}, 2)
    assert called == [(0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "a"), (2, "b")]
    assert [lap.amount for lap in laps["a"]] == [11.0, 12.0] and [lap.amount for lap in laps["b"]] == [21.0, 22.0]


# --- what is counted ------------------------------------------------------------------------------------------------


@cache
def expected_length(own: frozenset[int], other: frozenset[int]) -> float:
    """Moves that a random game of tic-tac-toe still takes, exactly; `own` are the cells of the player to move."""
    free = set(range(9)) - own - other
    lengths = []
    for cell in free:
        after = own | {cell}
        ended = len(free) == 1 or any(after.issuperset(line) for line in LINES)
        lengths.append(1.0 if ended else 1.0 + expected_length(other, after))
    return sum(lengths) / len(lengths)


def test_random_play_plays_games_of_the_exact_length() -> None:
    exact = expected_length(frozenset(), frozenset())
    assert 4000 / play_at_random(games.make("tic_tac_toe"), 4000, 1) == pytest.approx(exact, abs=0.15)


def test_drawing_until_legal_is_random_play_too() -> None:
    game = games.make("hex3")
    assert 4000 / play_by_drawing(game, 4000, 2) == pytest.approx(160 / 21, abs=0.2)  # exact, by a recursion


@pytest.mark.plain_only  # a report is tested: kernels would be compiled for it
def test_games_are_searched_and_drawn_where_they_can_be(capsys: pytest.CaptureFixture[str]) -> None:
    figures = check(bench_json(capsys, "games", *TINY["games"]), "games")
    assert figures["hex5, node of a tree", ""]["median"] > figures["tic_tac_toe, node of a tree", ""]["median"] > 50
    names = {name for name, clock in figures if clock == "wall"}
    kinds = {"all legal actions at every ply", "search in waves"}
    assert names == {f"{game}, {kind}" for game in ("hex5", "tic_tac_toe") for kind in kinds} | {
        "hex5, drawing until legal"
    }


def test_roots_are_distinct() -> None:
    game = games.make("connect_four")
    states = distinct_states(game, 40, 0)
    assert len(states) == len({state.tobytes() for state in states}) == 40
    assert len({int(state["num_moves"]) for state in states}) == 1 and int(states[0]["num_moves"]) > 0


@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_search_counts_what_took_place(root: Literal["gumbel", "puct"]) -> None:
    game = games.make("tic_tac_toe")
    states = distinct_states(game, 3, 0)
    searcher = Searcher(game, states, root, 5, 0)
    assert searcher.in_waves(0) == searcher.in_one_kernel(1) == searcher.in_waves(2) == 5 * len(states)
    late = states[:1].copy()
    game.reset(late[0])
    for cell in (0, 1, 2, 4, 3, 5, 7):  # a draw is still open; two cells are left, so the tree is soon proven
        game.step(late[0], cell, np.zeros(0, np.uint64))
    searcher = Searcher(game, late, root, 100, 0)
    assert 2 <= searcher.in_waves(0) < 10 and 2 <= searcher.in_one_kernel(1) < 10


def test_search_tells_its_memory(capsys: pytest.CaptureFixture[str]) -> None:
    figures = check(bench_json(capsys, "search", *TINY["search"]), "search")
    assert figures["node of a tree", ""]["median"] > 50
    assert 0 <= figures["gumbel, answered by the cache", ""]["median"] < 1


@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_stages_are_those_of_the_search(root: Literal["gumbel", "puct"]) -> None:
    game = games.make("tic_tac_toe")
    states = distinct_states(game, 3, 0)
    plain = Searcher(game, states, root, 20, 0)
    staged = Searcher(game, states, root, 20, 0, StagedWaves)
    assert plain.in_waves(0) == staged.in_waves(0)
    assert plain.waves.trees.tobytes() == staged.waves.trees.tobytes()
    assert isinstance(staged.waves, StagedWaves) and (staged.waves.nanoseconds > 0).all()


def test_stages_sum_to_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    figures = check(bench_json(capsys, "search", *TINY["search"], "--stages"), "search")
    for root in ("gumbel", "puct"):
        taken = {name.removeprefix(f"{root}, "): figure for (name, _), figure in figures.items() if root in name}
        whole = taken.pop("in all")["values"]
        assert taken.keys() == {*STAGES, "calls from Python"}
        np.testing.assert_allclose(np.sum([figure["values"] for figure in taken.values()], axis=0), whole)


# --- with a network -------------------------------------------------------------------------------------------------


@pytest.mark.plain_only  # a report is tested: kernels would be compiled for it
def test_selfplay_and_the_bare_network(capsys: pytest.CaptureFixture[str], connect_four_agent: Path) -> None:
    sizes = ["--games", "3", "--lockstep", "4", "--simulations", "4", "--stretches", "2", "--bare-seconds", "0.001"]
    agent = ["--agent", str(connect_four_agent), "--batch-sizes", "4", "8"]
    report = bench_json(capsys, "selfplay", "connect_four", *sizes, *agent)
    figures = check(report, "selfplay")
    assert report["settings"]["network"] == "1x8, small.safetensors" and report["settings"]["games"] >= 3
    bare = [name for name, clock in figures if name.startswith("bare network") and clock == "wall"]
    assert len(bare) == 2 and sum(name.endswith("(best)") for name in bare) == 1
    shares = [figure for figure in report["figures"] if figure["name"].startswith("evaluations, share")]
    assert [len(figure["values"]) for figure in shares] == [2, 2, 1, 1]
    assert "of the simulations asked the network" in report["notes"][0]


@pytest.mark.plain_only  # a report is tested: kernels would be compiled for it
def test_selfplay_without_an_agent_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.agents.shipped_agent", lambda name: None)
    monkeypatch.setattr("scripts.bench.agents.NetworkConfig", lambda: NetworkConfig(blocks=1, channels=8))
    sizes = ["--lockstep", "2", "--simulations", "2", "--stretches", "1", "--bare-seconds", "0.001"]
    limits = ["--games", "1000", "--minutes", "0.0001", "--batch-sizes", "2"]
    report = bench_json(capsys, "selfplay", "tic_tac_toe", *sizes, *limits)
    assert "random weights" in report["settings"]["network"] and report["settings"]["games"] < 1000


@pytest.mark.parametrize("installed", [pytest.param(True, marks=needs_openvino), False])
def test_evaluators_are_compared_and_chosen(
    installed: bool, capsys: pytest.CaptureFixture[str], connect_four_agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not installed:
        monkeypatch.setattr("rl.network.openvino.runtime", lambda: None)
    sizes = ["--batch-sizes", "1", "20", "--seconds", "0.001", "--repeats", "2", "--agent", str(connect_four_agent)]
    report = bench_json(capsys, "evaluators", "connect_four", *sizes)
    figures = check(report, "evaluators")
    for size in (1, 20):
        for precision in ("native", "fastest"):
            found = [name for name, clock in figures if name.startswith(f"batch {size}, {precision}: ") and clock]
            libraries = {re.search("PyTorch|OpenVINO", name).group() for name in found}  # type: ignore[union-attr]
            assert libraries == ({"PyTorch", "OpenVINO"} if installed else {"PyTorch"})
            assert any(name.endswith("over PyTorch") for name in found) == installed
    agreement = [figure["median"] for (name, _), figure in figures.items() if name.endswith("against float32")]
    assert len(agreement) == (8 if installed else 4) and max(agreement) < 0.2
    assert sum(note.startswith("chosen by measuring") for note in report["notes"]) == 2
    assert any("not installed" in note for note in report["notes"]) is not installed


# --- starting a process ---------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
@pytest.mark.long  # compiles the search from nothing
def test_startup_waits_for_the_prompt_and_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    figures = check(bench_json(capsys, "startup", "tic_tac_toe", "--repeats", "1"), "startup")
    prompt, answer = "first prompt", "the agent's first answer"
    seconds = {name: figure["median"] for (name, _), figure in figures.items()}
    for kind in ("warm", "cold"):
        assert 0 < seconds[f"{prompt}, {kind}"] < seconds[f"{answer}, {kind}"]
    assert seconds[f"{answer}, warm"] < seconds[f"{answer}, cold"]
