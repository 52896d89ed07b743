"""`keima bench levels` and `keima bench app`: small runs, and what they write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import games
from games.base import Game, IndexArray, StateArray
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


def test_full_strength_is_the_bare_search() -> None:
    level = Level(40, LEVELS[-1].temperature, LEVELS[-1].slips)
    player = LevelPlayer(GAME, level, "full", UniformEvaluator(GAME, 64), 0)
    search = Search(GAME, SearchConfig(root="puct"), 1, 40, leaves_per_tree=LEAVES_PER_TREE)
    best = int(search.run(UniformEvaluator(GAME, 8), start_rows(GAME, 1), 40).best_actions[0])
    assert set(chosen(player, 5).tolist()) == {best}


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
    assert [figure["name"] for figure in report["figures"]][1:] == ["level 1", "level 3"]
    table._table.cache_clear()
    found = table.level_elos(GAME)
    table._table.cache_clear()
    assert set(found) == {1, 3} and found[1].num_games == 12 and found[3].num_games == 6
    assert all(elo.low <= elo.elo <= elo.high for elo in found.values())
    saved = json.loads(path.read_text())
    assert saved["go9"] == {"levels": {}}
    assert saved["tic_tac_toe"]["command"] == "keima bench levels tic_tac_toe --matches 6 --seed 2"


@pytest.mark.parametrize("levels", [["0"], ["11"], ["3", "2"], ["2", "2"]])
def test_levels_that_are_none_are_refused(levels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "levels", "tic_tac_toe", "--levels", *levels]) == 2
    assert "rising" in capsys.readouterr().err


def test_the_table_that_ships_holds_what_the_command_writes() -> None:
    """Every level was measured by 200 games at least."""
    for name, entry in json.loads(table.TABLE.read_text("utf-8")).items():
        assert entry["command"].startswith(f"keima bench levels {name} ") and entry["machine"]
        elos = table.level_elos(games.make(name))
        assert set(elos) == set(range(1, len(LEVELS) + 1))
        assert all(elo.num_games >= 200 and elo.low < elo.high for elo in elos.values())
