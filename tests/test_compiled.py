"""Kernels that take a Game: cached across processes, never stale, and working where no cache can be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from games.compiled import njit

pytestmark = pytest.mark.compiled_only

ROOT = Path(__file__).resolve().parent.parent
KERNEL = """
import sys

import numpy as np

import games
from games.compiled import njit
from rl.search.bonus import bonus


@njit
def play_first(game, states, action):
    return game.step(states[0], action, np.zeros(0, np.uint64))[0] + bonus()


if __name__ == "__main__":
    name = sys.argv[1]
    if name == "own":
        from own_game import OneMove
        game = OneMove(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    else:
        game = games.make(name)
    states = np.array([game.new_state()], game.state_dtype)
    reward = play_first(game, states, 0)
    hits = sum(play_first.stats.cache_hits.values()) if hasattr(play_first, "stats") else 0
    print(reward, "cached" if hits else "compiled")
"""
RECORDS = """
import sys

import numpy as np

from games.compiled import njit


@njit
def largest(rows):
    total = best = spread = 0
    for index in range(rows.shape[0]):
        MANY
        best = max(best, rows[index]["value"]) if index else rows[index]["value"]
        spread ^= total
    return best + spread


@njit
def outer(rows, times):
    total = 0
    for _ in range(times):
        total += largest(rows)
    return total


for width in map(int, sys.argv[1:]):
    rows = np.zeros(3, [("filling", np.int8, (width,)), ("value", np.int64)])
    rows["value"] = [1, 2, 3 + width]
    print(outer(rows, 2))
"""
OWN_GAME = """
import numpy as np

from games.base import Game


class OneMove(Game):
    def __init__(self, extra):
        self.name = "one_move"
        self.state_dtype = np.dtype([("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 2, 1, 1, 1
        self.observation_shape = (1, 1, 1)
        self.extra = extra

    def reset(self, state):
        state["to_play"] = 0
        state["num_moves"] = 0

    def step(self, state, action, history):
        state["to_play"] = 1 - state["to_play"]
        state["num_moves"] += 1
        return 7.0 + self.extra, True
"""


class Tree:
    """A copy of what kernels are made of, with a kernel of its own, a helper in rl/search and a user's game."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tree"
        self.cache: Path = folder / "cache"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        shutil.copytree(ROOT / "games", self.folder / "games", ignore=shutil.ignore_patterns("__pycache__", "data"))
        (self.folder / "rl" / "search").mkdir(parents=True)
        for package in ("rl", "rl/search"):
            (self.folder / package / "__init__.py").touch()
        self.write_bonus(0)
        (self.folder / "kernel.py").write_text(KERNEL)
        (self.elsewhere / "own_game.py").write_text(OWN_GAME)

    def write_bonus(self, bonus: int) -> None:
        source = f"from games.compiled import inlined\n\n\n@inlined\ndef bonus():\n    return {bonus}\n"
        (self.folder / "rl" / "search" / "bonus.py").write_text(source)

    def edit(self, path: Path, old: str, new: str) -> None:
        source = path.read_text()
        assert old in source
        path.write_text(source.replace(old, new))

    def python(self, *arguments: str, own_games: bool = True, **environment: str) -> str:
        """What a fresh process prints."""
        paths = [str(self.folder), *([str(self.elsewhere)] if own_games else [])]
        settings = {"PYTHONPATH": os.pathsep.join(paths), "NUMBA_CACHE_DIR": str(self.cache)} | environment
        result = subprocess.run(
            [sys.executable, "-B", *arguments],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            cwd=self.folder,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def run(self, *arguments: str, own_games: bool = True, **environment: str) -> tuple[float, str]:
        """(what the kernel answered, "cached" or "compiled") of a fresh process."""
        reward, how = self.python("kernel.py", *arguments, own_games=own_games, **environment).split()
        return float(reward), how


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_kernels_are_cached_across_processes_and_games(tree: Tree) -> None:
    assert tree.run("tic_tac_toe") == (0.0, "compiled")
    assert tree.run("connect_four4x4") == (0.0, "compiled")
    files = sorted(tree.cache.rglob("*"))
    assert tree.run("tic_tac_toe") == (0.0, "cached")
    assert tree.run("connect_four4x4") == (0.0, "cached")
    assert sorted(tree.cache.rglob("*")) == files, "a warm start added files"


def test_an_edited_game_is_noticed(tree: Tree) -> None:
    tree.run("tic_tac_toe")
    tree.edit(
        tree.folder / "games" / "board" / "tic_tac_toe.py", 'return 0.0, state["num_moves"]', "return 5.0, state["
    )
    tree.edit(tree.folder / "games" / "board" / "tic_tac_toe.py", "return 5.0, state[ == 9", "return 5.0, False")
    assert tree.run("tic_tac_toe") == (5.0, "compiled")


def test_an_edited_callee_in_another_file_is_noticed(tree: Tree) -> None:
    tree.run("tic_tac_toe")
    tree.write_bonus(3)
    assert tree.run("tic_tac_toe") == (3.0, "compiled")
    tree.write_bonus(0)
    assert tree.run("tic_tac_toe") == (0.0, "cached")


def test_a_game_outside_the_tree(tree: Tree) -> None:
    assert tree.run("own") == (7.0, "compiled")
    assert tree.run("own") == (7.0, "cached")
    assert tree.run("own", "2") == (9.0, "compiled")  # other constants are another type
    tree.edit(tree.elsewhere / "own_game.py", "7.0", "8.0")
    assert tree.run("own") == (8.0, "compiled")
    assert tree.run("own") == (8.0, "cached")


def test_a_game_that_has_gone_leaves_the_cache_of_the_others_alone(tree: Tree) -> None:
    tree.run("own")
    assert tree.run("tic_tac_toe", own_games=False) == (0.0, "compiled")
    assert tree.run("tic_tac_toe", own_games=False) == (0.0, "cached")


def test_without_a_writable_cache_kernels_are_compiled_anew(tree: Tree) -> None:
    unwritable = "/proc/no/such/folder"
    for _ in range(2):
        assert tree.run("tic_tac_toe", NUMBA_CACHE_DIR=unwritable) == (0.0, "compiled")


def test_without_a_home_the_cache_goes_to_the_temporary_folder(tree: Tree, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for expected in ("compiled", "cached"):
        answer = tree.run("tic_tac_toe", NUMBA_CACHE_DIR="", HOME="/proc/no/home", TMPDIR=str(temporary))
        assert answer == (0.0, expected)
    (shared,) = temporary.glob("keima*")
    assert shared.stat().st_mode & 0o077 == 0, "the cache holds pickles: others must not be able to write it"


def test_old_caches_are_forgotten(tree: Tree) -> None:
    for bonus in range(6):
        tree.write_bonus(bonus)
        tree.python("-c", "import games.compiled")
    assert len(list(tree.cache.glob("kernels-*"))) == 4


def test_plain_python_without_the_jit(tree: Tree) -> None:
    assert tree.run("own", NUMBA_DISABLE_JIT="1") == (7.0, "compiled")


def test_kernels_over_different_records_from_different_processes_stay_apart(tmp_path: Path) -> None:
    """numba numbers records anew in each process, and puts the number into the names of cached functions."""
    # Long, lest it be inlined and its name be lost.
    many = "\n".join(f"        total = (total * {3 + step}) ^ rows[index]['value']" for step in range(60))
    (tmp_path / "records.py").write_text(RECORDS.replace("        MANY", f"{many}"))
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}

    def sums(*widths: int) -> list[int]:
        command = [sys.executable, str(tmp_path / "records.py"), *map(str, widths)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
        return [int(line) for line in done.stdout.split()]

    few, more = sums(5), sums(70)
    assert few != more
    assert sums(5, 70) == few + more and sums(70, 5) == more + few


@njit
def times_two(number: int) -> int:
    return number * 2


@njit
def doubled(count: int) -> int:
    total = times_two(3)
    for number in range(count):
        total += times_two(number) + times_two(count)
    return total


def test_a_number_that_is_written_out_compiles_nothing_anew() -> None:
    assert doubled(4) == 6 + 2 * (0 + 1 + 2 + 3) + 4 * 8
    assert len(times_two.signatures) == 1  # type: ignore[attr-defined]
