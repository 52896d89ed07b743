"""`keima bench levels` and `keima bench app`: small runs, and what they write."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import games
from games.base import Game, IndexArray, StateArray
from rl.arena.elo import Pairing
from rl.arena.match import Tally
from rl.arena.players import Player
from rl.protocols.played_game import PlayedGame
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import UniformEvaluator
from scripts.bench.levels import LevelPlayer
from scripts.cli import main
from scripts.terminal.app import levels as table
from scripts.terminal.thinking import LEAVES_PER_TREE, LEVELS, Level

GAME = games.make("tic_tac_toe")


def start_rows(game: Game, num_rows: int) -> StateArray:
    return np.array([game.new_state()] * num_rows, game.state_dtype)


def chosen(player: LevelPlayer, num_rows: int, first_key: int = 0) -> IndexArray:
    nothing = [np.zeros(0, np.uint64)] * num_rows
    return player.choose(start_rows(GAME, num_rows), nothing, np.arange(num_rows, dtype=np.uint64) + first_key)


@pytest.mark.parametrize("name", ["tic_tac_toe", "connect_four"])
def test_full_strength_is_the_bare_search(name: str) -> None:
    """So it loses no more than that does: it plays the same moves, here in the positions of a whole game."""
    game, played = games.make(name), PlayedGame(games.make(name))
    level = Level(40, LEVELS[-1].temperature, LEVELS[-1].slips)
    player = LevelPlayer(game, level, "full", UniformEvaluator(game, 64), 0)
    search = Search(game, SearchConfig(root="puct"), 1, 40, leaves_per_tree=LEAVES_PER_TREE, cache_entries=1 << 16)
    for key in range(100):
        states = np.array([played.state], game.state_dtype)
        best = int(search.run(UniformEvaluator(game, 8), states, 40).best_actions[0])
        assert int(player.choose(states, [played.history], np.array([key], np.uint64))[0]) == best
        played.play(played.to_play, best)
        if played.terminated:
            return
    pytest.fail("the game does not end")


def test_a_level_draws_by_its_keys_alone() -> None:
    player = LevelPlayer(GAME, LEVELS[0], "weak", UniformEvaluator(GAME, 64), 0)
    together = chosen(player, 40)
    assert len(set(together.tolist())) > 3
    assert [int(chosen(player, 1, key)[0]) for key in range(6)] == together[:6].tolist()


def test_levels_are_rated_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "elos.json"
    path.write_text('{"go9": {"levels": {}}}')
    monkeypatch.setattr("scripts.bench.levels.TABLE", path)
    monkeypatch.setattr("scripts.terminal.app.levels.TABLE", path)
    monkeypatch.setattr("scripts.agents.shipped_agent", lambda name: None)
    arguments = ["tic_tac_toe", "--matches", "6", "--levels", "1", "3", "--seed", "2", "--save", "--json"]
    assert main(["bench", "levels", *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["settings"] == {"game": "tic_tac_toe", "agent": "random rollouts", "matches": 6}
    beginner, *elos = report["figures"]
    assert beginner["name"] == "score of level 1 against tactical play" and beginner["goal"] == 2 / 3
    assert [figure["name"] for figure in elos] == ["level 1", "level 3"]
    table._table.cache_clear()
    found = table.level_elos(GAME)
    table._table.cache_clear()
    assert set(found) == {1, 3} and found[1].num_games == 12 and found[3].num_games == 12
    assert all(elo.low <= elo.elo <= elo.high for elo in found.values())
    saved = json.loads(path.read_text())
    assert saved["go9"] == {"levels": {}}
    entry = saved["tic_tac_toe"]
    assert entry["command"] == "keima bench levels tic_tac_toe --matches 6 --seed 2"
    players = [("level 1", "tactical"), ("level 3", "tactical"), ("level 3", "level 1")]
    assert [(first, second) for first, second, *_ in entry["matches"]] == players
    assert all(sum(tally) == 6 for _, _, *tally in entry["matches"])


@pytest.fixture
def no_matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table that is empty, and matches that are won, each by one game more than the one before, and not played."""
    path = tmp_path / "elos.json"
    monkeypatch.setattr("scripts.bench.levels.TABLE", path)
    monkeypatch.setattr("scripts.agents.shipped_agent", lambda name: None)
    wins = itertools.count(1)

    def played(game: Game, first: Player, second: Player, num_games: int, seed: int) -> SimpleNamespace:
        won = next(wins)
        return SimpleNamespace(tally=Tally(won, 0, num_games - won))

    monkeypatch.setattr("scripts.bench.levels.play_match", played)
    return path


def measured(*arguments: str) -> None:
    assert main(["bench", "levels", "tic_tac_toe", "--matches", "40", *arguments]) == 0


def test_what_was_interrupted_goes_on(no_matches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured("--levels", "1", "2", "--save")
    measured("--levels", "1", "2", "9", "--save")
    assert capsys.readouterr().err.count("bench levels:") == 3 + 1
    entry = json.loads(no_matches.read_text())["tic_tac_toe"]
    wins = [[first, second, won] for first, second, won, *_ in entry["matches"]]
    assert wins == [
        ["level 1", "tactical", 1],
        ["level 2", "tactical", 2],
        ["level 2", "level 1", 3],
        ["level 9", "level 2", 4],
    ]
    assert set(entry["levels"]) == {"1", "2", "9"}


@pytest.mark.parametrize("change", [["--seed", "1"], ["--matches", "50"], []])
def test_matches_of_other_settings_are_played_anew(
    change: list[str], no_matches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured("--levels", "1", "--save")
    if not change:  # the levels themselves have changed
        monkeypatch.setattr("scripts.bench.levels.LEVELS", (Level(2, 2.0, 0.75), *LEVELS[1:]))
    measured("--levels", "1", "--save", *change)
    assert [match[2] for match in json.loads(no_matches.read_text())["tic_tac_toe"]["matches"]] == [2]


def test_full_strength_is_compared_with_the_bare_search(no_matches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured("--levels", "9", "10", "--bare", "8", "--json")
    figures = {figure["name"]: figure["median"] for figure in json.loads(capsys.readouterr().out)["figures"]}
    assert figures["level 10 against level 9: lost"] == 38 / 40
    assert figures["bare search against level 9: lost"] == 5 / 8
    assert not no_matches.exists(), "without --save nothing is written"


@pytest.mark.parametrize("levels", [["0"], ["11"], ["3", "2"], ["2", "2"]])
def test_levels_that_are_none_are_refused(levels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "levels", "tic_tac_toe", "--levels", *levels]) == 2
    assert "rising" in capsys.readouterr().err


def test_the_table_that_ships_holds_what_the_command_writes() -> None:
    """Every level was measured by 200 games at least, from the first one up, and a beginner can win."""
    for name, entry in json.loads(table.TABLE.read_text("utf-8")).items():
        assert entry["command"].startswith(f"keima bench levels {name} ") and entry["machine"]
        elos = table.level_elos(games.make(name))
        assert set(elos) == set(range(1, len(elos) + 1))
        assert all(elo.num_games >= 200 and elo.low < elo.high for elo in elos.values())
        assert elos[1].elo < 120.0, "who is 120 points better than one-ply tactics loses less than a third to it"
        matches = [Pairing(*match) for match in entry.get("matches", [])]
        for pairing in matches:
            if (pairing.first, pairing.second) == ("level 1", "tactical"):
                assert pairing.losses / 200 >= 1 / 3


@pytest.mark.compiled_only
def test_the_app_is_timed_in_a_terminal_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "app", "tic_tac_toe", "--starts", "1", "--keys", "3", "--json"]) == 0
    figures = {(found["name"], found["clock"]): found for found in json.loads(capsys.readouterr().out)["figures"]}
    start = "start to the board on the screen"
    assert 0.05 < figures[start, "cpu"]["median"] < 60.0 and figures[start, "wall"]["goal"] == 3.0
    keys = figures["key to redraw while the agent ponders", "wall"]
    assert len(keys["values"]) == 3 and all(0.0 < value < 10_000.0 for value in keys["values"])
