"""`keima bench truth`, `labels`, `strength` and `shipped`: they tell players apart, and play what they say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_reports import bench_json, check
from minimax import solve_tic_tac_toe

import games
from games.base import HashArray, IndexArray, StateArray, TruthPosition
from rl.arena.match import MatchResult, play_match
from rl.arena.players import Stop
from scripts.bench import labels, searches, shipped
from scripts.bench.strength import every_line
from scripts.cli import main
from scripts.solvers.connect_four import best_result


def test_truth_tells_players_apart(capsys: pytest.CaptureFixture[str], connect_four_agent: Path) -> None:
    sizes = ["--positions", "30", "--simulations", "3", "--rollouts", "20", "--agent", str(connect_four_agent)]
    report = bench_json(capsys, "truth", "connect_four", *sizes)
    figures = check(report, "truth")
    random, tactics = (figures[name, ""]["median"] for name in ("random play", "one-ply tactics"))
    assert 0.2 < random < tactics < 0.9
    assert len(figures) == 7 and all(figure["max"] <= 1 for figure in figures.values())
    assert any("95 % interval" in note and "in plies 0 to 5, " in note for note in report["notes"])


@pytest.mark.compiled_only  # five matches
def test_searches_play_against_the_search_without(capsys: pytest.CaptureFixture[str], small_agent: Path) -> None:
    sizes = ["tic_tac_toe", "--games", "4", "--simulations", "16", "--agent", str(small_agent)]
    figures = check(bench_json(capsys, "searches", *sizes), "searches")
    assert [name.split(":")[0] for name, _ in figures] == list(searches.TECHNIQUES)
    assert all(0 <= figure["min"] <= figure["median"] <= figure["max"] <= 1 for figure in figures.values())


@pytest.mark.parametrize(("file", "options"), [("connect_four_held_out", []), ("connect_four_truth", ["--watched"])])
def test_truth_baselines_are_those_that_the_set_names(
    file: str, options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The set's maker worked them out from its own rules and wrote them into the head of the file.
    head = resources.files("games.board").joinpath(f"data/{file}.txt").read_text("ascii")
    by_random, by_tactics = (
        float(match[1]) for match in re.finditer(r"(?:best outcome|else random\)) in (0\.\d+)", head)
    )
    monkeypatch.setattr("scripts.agents.shipped_agent", lambda name: None)
    report = bench_json(capsys, "truth", "--rollouts", "1", *options)
    figures = check(report, "truth")
    assert figures["random play", ""]["median"] == pytest.approx(by_random, abs=0.0006)
    assert figures["one-ply tactics", ""]["median"] == pytest.approx(by_tactics, abs=0.0006)
    assert "no agent ships" in report["notes"][0]


def test_positions_of_a_file_are_asked_but_for_those_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], connect_four_agent: Path
) -> None:
    """Mirrored ones are held out, too."""
    data = resources.files("games.board").joinpath("data")
    lines = data.joinpath("connect_four_held_out.txt").read_text("ascii").splitlines()[-3:]
    mirrored = ["".join(str(8 - int(column)) for column in line.split()[0]) + " " + line[-7:][::-1] for line in lines]
    watched = data.joinpath("connect_four_truth.txt").read_text("ascii").splitlines()[-5:]
    path = tmp_path / "solved.txt"
    path.write_text("\n".join(["# a comment", *mirrored, *lines, *watched]) + "\n")
    sizes = ["--simulations", "3", "--rollouts", "1", "--agent", str(connect_four_agent)]
    report = bench_json(capsys, "truth", "--solved", str(path), *sizes)
    assert report["settings"]["positions"] == 5 and report["settings"]["set"] == "solved.txt"
    for line in ("1234567 WWWWWW", "1111111 WLDWLDW", "18 WWWLLLL", ". -------"):
        path.write_text(f"{line}\n")
        assert main(["bench", "truth", "--solved", str(path), *sizes]) == 2
        assert capsys.readouterr().err.count("\n") == 1


class MinimaxPlayer:
    """Tic-tac-toe by the tests' own minimax: the best cell, or the worst."""

    def __init__(self, *, perfect: bool) -> None:
        self.name = "minimax"
        self._choose = max if perfect else min

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        return np.array([self._cell(state["board"]) for state in states], np.int64)

    def _cell(self, board: Any) -> int:
        crosses, noughts = (np.flatnonzero(board == stone).tolist() for stone in (1, 2))
        moves = [cell for pair in zip_longest(crosses, noughts) for cell in pair if cell is not None]
        results = solve_tic_tac_toe(moves)
        return self._choose(results, key=lambda cell: results[cell].outcome)


def test_perfect_players_play_positions_out_to_what_they_are_worth() -> None:
    game = games.make("tic_tac_toe")
    lines = [(), (0,), (1, 4), (0, 1), (4, 1, 0), (0, 4, 8, 1), (0, 1, 3)]
    worth = [best_result(solve_tic_tac_toe(line)).outcome for line in lines]
    assert set(worth) == {1, 0, -1}
    positions = [TruthPosition(line, ()) for line in lines]
    assert labels.played_out(game, positions, MinimaxPlayer(perfect=True)).tolist() == worth
    assert labels.played_out(game, positions, MinimaxPlayer(perfect=False)).tolist() != worth


def test_labels_are_measured_by_part_of_the_game(capsys: pytest.CaptureFixture[str], connect_four_agent: Path) -> None:
    sizes = ["--positions", "30", "--searches", "3", "--playouts", "1", "--agent", str(connect_four_agent)]
    figures = check(bench_json(capsys, "labels", "connect_four", *sizes), "labels")
    assert len(figures) == 4 * 4
    searches = (f"search of 3 simulations, {what}" for what in ("mean return", "what it teaches"))
    for name in ("network's value", *searches, "game played out, 1 simulation a move"):
        whole, *parts = (figure["median"] for (label, _), figure in figures.items() if label.startswith(name))
        assert min(parts) <= whole <= max(parts) <= 2


def test_every_line_is_played() -> None:
    game = games.make("tic_tac_toe")
    for player in (0, 1):
        perfect = every_line(game, MinimaxPlayer(perfect=True), player)
        assert perfect[-1] == 0 and perfect[1] > 0 and perfect[0] > 0
        assert every_line(game, MinimaxPlayer(perfect=False), player)[-1] > 0


def test_strength_plays_a_match_and_every_line(capsys: pytest.CaptureFixture[str], small_agent: Path) -> None:
    sizes = ["--games", "4", "--simulations", "16", "--opponent", "random", "--agent", str(small_agent)]
    report = bench_json(capsys, "strength", "tic_tac_toe", *sizes)
    figures = check(report, "strength")
    low, score, high = (
        figures[f"score against random{end}", ""]["median"] for end in (", lower end", "", ", upper end")
    )
    assert 0 <= low < score <= high <= 1
    assert figures["lost as first, all lines", ""]["at_most"] and figures["lost as second, all lines", ""]["goal"] == 0
    assert len(report["notes"]) >= 3


def test_without_an_agent_there_is_no_strength_to_measure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.agents.shipped_agent", lambda game: None)
    for bench in ("strength", "searches"):
        assert main(["bench", bench]) == 2
        assert "no agent ships for connect_four: give one with --agent" in capsys.readouterr().err


@pytest.mark.plain_only  # else a search of Hex 5x5 is compiled for this alone
def test_shipped_agents_play_from_the_openings_that_they_are_asked_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = (
        shipped.Trial("hex5", "won", "random", 4, 1.0, ("c3", "b3")),
        shipped.Trial("tic_tac_toe", "score", "random", 16, None),
    )
    monkeypatch.setattr(shipped, "_TRIALS", trials)
    played: list[MatchResult] = []

    def watched(*arguments: Any, **options: Any) -> MatchResult:
        played.append(play_match(*arguments, **options))
        return played[-1]

    monkeypatch.setattr(shipped, "play_match", watched)
    report = bench_json(capsys, "shipped", "--games", "hex5", "tic_tac_toe", "--matches", "4")
    figures = check(report, "shipped")
    assert figures["hex5, 4 simulations against random: won", ""]["median"] >= 0.75
    assert figures["tic_tac_toe, 16 simulations against random: score", ""]["median"] > 0.5
    hex5, tic_tac_toe = played
    c3, b3 = (games.make("hex5").text_to_action(move) for move in ("c3", "b3"))
    assert [game.moves[0] for game in hex5.games] == [c3, b3, c3, b3] and all(game.first_begins for game in hex5.games)
    assert [game.first_begins for game in tic_tac_toe.games] == [True, False] * 2
    assert len(report["notes"]) == 2
