"""`keima bench peers`: players play Connect Four by its rules, are held to a core, and are compared as told.

The peers themselves are of the extra `peers`, which is too large for CI: their tests skip where it is not installed.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from importlib import metadata
from typing import Any, ClassVar

import numpy as np
import pytest

import games
from rl.errors import UserError
from scripts.bench import peers
from scripts.bench.peers.contenders import KEIMA, OPPONENTS, Contender, Player, Stretch, Work, rounds
from scripts.bench.peers.processes import PinnedPlayer, Played, last_core
from scripts.bench.report import Lap
from scripts.cli import main

NO_HISTORY = np.zeros(0, np.uint64)
SMALL = Work(seed=3, simulations=24, blocks=1, channels=8, lockstep=8, precision="float32")


def after(columns: list[int]) -> tuple[Any, bool]:
    """(the position, whether the game is over); a full column or a move after the end is an error."""
    game = games.make("connect_four")
    state, ended = game.new_state(), False
    legal = np.zeros(7, np.bool_)
    for column in columns:
        game.legal_actions(state, NO_HISTORY, legal)
        assert not ended and legal[column], f"{column} after {columns}"
        _, ended = game.step(state, column, NO_HISTORY)
    return state, ended


def wins_taken(played: list[list[int]], first_ply: int) -> tuple[int, int]:
    """(how often a win at once was played, how often it could have been), from this ply of each game on."""
    taken = possible = 0
    for columns in played:
        for ply in range(first_ply, len(columns)):
            game = games.make("connect_four")
            legal = np.zeros(7, np.bool_)
            game.legal_actions(after(columns[:ply])[0], NO_HISTORY, legal)
            winning = []
            for column in np.flatnonzero(legal).tolist():
                reward, _ = game.step(after(columns[:ply])[0], column, NO_HISTORY)
                if reward > 0:
                    winning.append(column)
            possible += bool(winning)
            taken += columns[ply] in winning
    return taken, possible


def check_games(player: Player, num_games: int, first_ply: int) -> list[Stretch]:
    """Play until so many games have ended, all of them by the rules, most wins at once being played: to a search that
    took a reward for the wrong player's they would be the last moves to play."""
    stretches: list[Stretch] = []
    while sum(len(stretch.games) for stretch in stretches) < num_games:
        stretches.append(player.play(0.2))
    played = [columns for stretch in stretches for columns in stretch.games]
    assert all(after(columns)[1] for columns in played)
    taken, possible = wins_taken(played, first_ply)
    assert possible > 0 and taken >= 0.75 * possible, f"{taken} of {possible} wins"
    return stretches


def total(stretches: list[Stretch], what: str) -> int:
    return sum(getattr(stretch, what) for stretch in stretches)


# --- players --------------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only  # as the two that play below: long as plain Python, and no kernel is what they test
def test_keima_plays_by_the_rules_and_the_cache_saves_evaluations() -> None:
    asked = []
    for contender in KEIMA[:2]:
        stretches = check_games(contender.make(Work(3, 8, 1, 8, 8, "fastest")), 16, first_ply=16)  # an opening's length
        simulations = total(stretches, "simulations")
        assert simulations <= 8 * (total(stretches, "moves") + 8), "of moves, and of those that are being searched"
        asked.append(total(stretches, "evaluations") / simulations)
    assert asked[0] < asked[1] <= 1


def test_keima_plays_with_the_agent_that_ships() -> None:
    stretch = KEIMA[2].make(Work(3, 2, 1, 8, 2, "fastest")).play(0.05)
    assert stretch.evaluations >= stretch.moves > 0


@pytest.mark.parametrize("contender", [pytest.param(one, id=one.name) for name in OPPONENTS for one in OPPONENTS[name]])
def test_peers_play_by_the_rules(contender: Contender) -> None:
    package = contender.player.partition(":")[0].rpartition(".")[2]
    needed = {"mctx_pgx": ("mctx", "pgx"), "openspiel": ("pyspiel", "flax")}[package]
    for module in needed:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed here: pip install 'keima[peers]'")
    as_it_ships = dict(contender.options).get("compiled") is False  # a move takes seconds
    work = SMALL if contender.lockstep is None else replace(SMALL, lockstep=1)
    player = contender.make(replace(work, simulations=2) if as_it_ships else work)
    if as_it_ships:
        stretch = player.play(0.0)
        assert (stretch.moves, stretch.simulations, stretch.games) == (1, 2, [])
        return
    stretches = check_games(player, 8, first_ply=10)
    assert total(stretches, "simulations") == SMALL.simulations * total(stretches, "moves")
    assert 0 < total(stretches, "evaluations") <= total(stretches, "simulations")


def test_rounds_are_one_at_least() -> None:
    assert len(list(rounds(0.0))) == 1
    assert len(list(rounds(0.001))) > 1


# --- processes ------------------------------------------------------------------------------------------------------

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processes held to a core here")


@needs_affinity
@pytest.mark.compiled_only
def test_a_player_and_its_threads_are_held_to_one_core() -> None:
    before = os.sched_getaffinity(0)
    player = PinnedPlayer(Contender("surveyor", "pinned_players:Surveyor"), SMALL, last_core(), 0.0)
    stretch, lap = player.play(0.25)
    player.close()
    assert stretch.games == [[last_core()], [last_core()]]
    assert (stretch.moves, stretch.simulations, stretch.evaluations) == (SMALL.lockstep, SMALL.simulations, 250)
    assert lap.amount == SMALL.lockstep and lap.wall_seconds > 0 and os.sched_getaffinity(0) == before


@needs_affinity
@pytest.mark.compiled_only
def test_a_player_that_fails_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="bench peers: broken failed, for the reason above"):
        PinnedPlayer(Contender("broken", "pinned_players:Broken"), SMALL, last_core(), 0.0)
    assert "it does not fit its libraries" in capfd.readouterr().err


# --- the benchmark --------------------------------------------------------------------------------------------------


class Scripted:
    """In place of a process: plays at a rate that depends on who it is, and writes down what it was asked."""

    asked: ClassVar[list[str]] = []
    RATES: ClassVar[dict[str, float]] = {
        "Keima": 600.0,
        "Keima, no evaluation cache": 300.0,
        "Keima, the shipped agent": 900.0,
        "OpenSpiel": 1.0,
        "OpenSpiel, its network compiled": 60.0,
    }

    def __init__(self, contender: Contender, work: Work, core: int, warm_up_seconds: float) -> None:
        self._name, self._num_plays = contender.name, 0
        own = work.lockstep if work.precision == "float32" else work.lockstep - 1  # the largest in float32 is fastest
        self._rate = self.RATES.get(contender.name, float(own))
        self.asked.append(f"{self._name} {work.lockstep} {work.precision} {warm_up_seconds:g}")

    def play(self, seconds: float) -> Played:
        self.asked.append(self._name)
        self._num_plays += 1
        moves = round(self._rate * self._num_plays)
        return Played(Stretch(moves, 64 * moves, 32 * moves, [[3]]), Lap(moves, 1.0, 0.5))

    def close(self) -> None:
        self.asked.append(f"{self._name} closed")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    monkeypatch.setattr(Scripted, "asked", [])
    monkeypatch.setattr(peers, "PinnedPlayer", Scripted)
    monkeypatch.setattr(metadata, "version", lambda package: "1.2")
    return Scripted


@needs_affinity
def test_the_fastest_choice_plays_and_stretches_take_turns(scripted: type[Scripted]) -> None:
    options = {"against": ("mctx",), "batch_sizes": (32, 100), "warm_up_seconds": 3.0, "repeats": 2}
    report = peers.measure(peers.PeersBench(**options))
    names = [*(contender.name for contender in KEIMA), "mctx with pgx"]
    tried = [f"mctx with pgx {size} {precision} 0" for size in (32, 100) for precision in ("float32", "bfloat16")]
    sweep = [line for one in tried for line in (one, "mctx with pgx", "mctx with pgx closed")]
    ready = ["Keima 256 fastest 3", f"{names[1]} 256 fastest 3", f"{names[2]} 256 fastest 3"]
    chosen = "mctx with pgx 100 float32 3"
    closed = [f"{name} closed" for name in reversed(names)]
    assert scripted.asked == [*sweep, *ready, chosen, *names, *names, *closed]
    assert "32 in bfloat16 62, 100 in float32 200" in report.notes[0]
    assert "batches of 100, float32; 64.0 simulations and 32.0 network evaluations a move; 2 games" in report.notes[-1]
    assert report.settings["mctx"] == report.settings["jax"] == "1.2" and "flax" not in report.settings


@needs_affinity
def test_ratios_are_of_the_same_round(scripted: type[Scripted]) -> None:
    report = peers.measure(peers.PeersBench(batch_sizes=(150,), repeats=3))
    figures = {(figure.name, figure.clock): figure for figure in report.figures}
    assert figures["Keima", "wall"].values == (600.0, 1200.0, 1800.0) and figures["Keima", "wall"].met is True
    assert figures["Keima", "cpu"].values == (1200.0, 2400.0, 3600.0)
    assert figures["mctx with pgx: network", "wall"].values[0] == 32 * 150.0
    for own, peer, ratio in (
        ("Keima", "mctx with pgx", 4.0),
        ("Keima, no evaluation cache", "mctx with pgx", 2.0),
        ("Keima, the shipped agent", "OpenSpiel, its network compiled", 15.0),
        ("Keima", "OpenSpiel", 600.0),
    ):
        figure = figures[f"{own} over {peer}", "wall"]
        assert figure.values == (ratio, ratio, ratio) and figure.met is (ratio >= 3)
    assert len([figure for figure in report.figures if figure.unit == "ratio"]) == 9


@pytest.mark.parametrize("missing", ["mctx", "jax", "flax"])
def test_without_the_extra_one_line_names_it(
    missing: str, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(package: str) -> str:
        if package == missing:
            raise metadata.PackageNotFoundError(package)
        return "1.2"

    monkeypatch.setattr(metadata, "version", version)
    assert main(["bench", "peers"]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"keima: bench peers needs {missing}: pip install 'keima[peers]'\n"
    assert captured.out == "" and scripted.asked == [], "nothing was started"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "0"],
        ["--seconds", "nan"],
        ["--warm-up-seconds", "-1"],
        ["--repeats", "0"],
        ["--simulations", "0"],
        ["--simulations", "1"],
        ["--batch-sizes", "128", "0"],
        ["--batch-sizes"],
        ["--against", "leela"],
    ],
)
def test_bad_arguments_are_one_line(
    arguments: list[str], scripted: type[Scripted], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "peers", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("keima: ") and captured.err.count("\n") == 1 and scripted.asked == []


def test_where_processes_cannot_be_held_to_a_core(
    scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert main(["bench", "peers"]) == 2
    assert "use Linux" in capsys.readouterr().err and scripted.asked == []
