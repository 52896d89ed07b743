"""`keima check-game`: every check finds the game that breaks its promise, and the command tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broken_games import BROKEN, CrookedSymmetry, DoesNotCompile, NoEnd, SmallIntegers, TooLong
from scored_game import Patches

import games
from games.base import Game, HashArray, State
from games.board.tic_tac_toe import TicTacToe
from games.check import CHECKS, Finding, check_game, run_check
from games.check.sample import Sample, advance, play, start
from scripts.cli import main

BROKEN_CASES = [
    pytest.param(check, broken, marks=pytest.mark.compiled_only if check == "compiled" else (), id=broken.__name__)
    for check, classes in BROKEN.items()
    for broken in classes
]


def findings(game: Game) -> dict[str, Finding]:
    return {finding.check: finding for finding in check_game(game, Sample(game, 200))}


def test_there_is_a_broken_game_for_every_check() -> None:
    assert list(BROKEN) == list(CHECKS)


@pytest.mark.parametrize(("check", "broken"), BROKEN_CASES)
def test_each_check_finds_its_broken_game(check: str, broken: type[Game]) -> None:
    game = broken()
    finding = run_check(check, game, Sample(game, 200))
    assert finding.status == "failed" and finding.check == check
    assert len(finding.text) > 20 and "\n" not in finding.text


def test_a_broken_promise_is_found_by_few_checks() -> None:
    """What is told is where to mend, so a fault must not redden the whole table."""
    for check, classes in BROKEN.items():
        if check in ("looking", "observations", "compiled"):  # a state that changes, NaN, plain overflow: seen by many
            continue
        for broken in classes:
            failed = [name for name, finding in findings(broken()).items() if finding.status == "failed"]
            assert check in failed and len(failed) <= 3, (broken, failed)


@pytest.mark.parametrize("game", [Patches(), Patches(3, 2, superko=True), TicTacToe()], ids=lambda game: game.name)
def test_a_sound_game_passes(game: Game) -> None:
    for name, finding in findings(game).items():
        if name != "compiled":  # with the JIT off it is not run; with it on, the next test tells
            assert finding.status == "passed" or (name == "score" and not game.is_scored), finding


@pytest.mark.compiled_only
def test_a_scored_game_with_history_is_the_same_compiled() -> None:
    game = Patches(3, 2, superko=True)
    assert run_check("compiled", game, Sample(game)).status == "passed"


@pytest.mark.compiled_only
def test_what_does_not_compile_is_told_with_its_line() -> None:
    text = run_check("compiled", DoesNotCompile(), Sample(DoesNotCompile())).text
    assert "TicTacToe" in text and "broken_games.py line" in text
    text = run_check("compiled", SmallIntegers(), Sample(SmallIntegers())).text
    assert text.startswith("observe at move") and "200.0 compiled" in text


def test_messages_name_the_moves() -> None:
    text = run_check("ends", NoEnd(), Sample(NoEnd())).text
    assert "no action is legal" in text and "... " in text
    text = run_check("ends", TooLong(), Sample(TooLong())).text
    assert "goes on after 7 moves" in text and "max_num_moves" in text
    assert "symmetry 1" in run_check("symmetries", CrookedSymmetry(), Sample(CrookedSymmetry())).text


@pytest.mark.parametrize(
    ("attribute", "value", "told"),
    [
        ("name", "two words", "one word"),
        ("name", 3, "as str"),
        ("num_players", 3, "one or two"),
        ("num_players", True, "as int"),
        ("num_slots", 10, "num_slots"),
        ("max_num_moves", 0, "at least 1"),
        ("max_num_moves", 200, "at most 127"),
        ("observation_shape", (2, 9), "planes, rows, columns"),
        ("observation_shape", [2, 3, 3], "as tuple"),
        ("num_policy_planes", 0, "outside 0 planes"),
        ("value_bounds", (1.0, -1.0), "lower bound first"),
        ("discount", 0.0, "discount"),
        ("action_dtype", np.dtype(np.float32), "action_dtype"),
        ("state_dtype", np.dtype([("to_play", np.int8), ("num_moves", np.float32)]), "num_moves"),
        ("state_dtype", np.dtype([("to_play", np.int8), ("num_moves", np.int8), ("x", object)]), "Python objects"),
    ],
)
def test_declarations_that_do_not_fit(attribute: str, value: Any, told: str) -> None:
    game = TicTacToe()
    setattr(game, attribute, value)
    finding = run_check("declarations", game, Sample(game))
    assert finding.status == "failed" and told in finding.text


def test_a_game_that_cannot_be_played_is_told_once() -> None:
    class Raises(TicTacToe):
        def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
            return float(state["nothing"]), True

    found = findings(Raises())
    failed = [finding for finding in found.values() if finding.status == "failed"]
    assert len(failed) == 1 and "nothing" in failed[0].text and "step, test_check_game.py line" in failed[0].text
    assert found["ends"].status == found["compiled"].status == "not run"


def test_random_games_are_given_the_real_history() -> None:
    game = Patches(2, superko=True)
    plies = play(game, Sample(game).numbers(3))
    position, known = start(game), []
    for ply in plies:
        assert ply.before.history.tolist() == known == position.history.tolist()
        known.append(int(game.history_hash(position.state)))
        position, _, _ = advance(game, position, ply.action)


def test_games_are_the_same_for_the_same_seed() -> None:
    game = games.make("connect_four4x4")
    first, again, other = (
        [[ply.action for ply in plies] for plies in Sample(game, 100, seed).games] for seed in (0, 0, 1)
    )
    assert first == again != other
    assert sum(map(len, first)) >= 100


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def own_games(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with a module of games, as the current directory."""
    (tmp_path / "my_games.py").write_text(
        "from games.board.tic_tac_toe import TicTacToe\n"
        "class Sound(TicTacToe): pass\n"
        "class Broken(TicTacToe):\n"
        "    def to_text(self, state): return 'board'\n"
        "def made(): return Sound()\n"
        "class NeedsSize(TicTacToe):\n"
        "    def __init__(self, size): pass\n"
        "number = 3\n"
    )
    (tmp_path / "my_error.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("own_games")
@pytest.mark.parametrize(("name", "code"), [("my_games:Sound", 0), ("my_games:made", 0), ("my_games:Broken", 1)])
def test_a_game_of_ones_own(
    name: str, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)  # nothing compiles here
    assert main(["check-game", name, "--moves", "60"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CHECKS) + 1 and "checks passed" in lines[-1]
    assert all("\x1b" not in line and "│" not in line for line in lines)
    (boards,) = [line for line in lines if line.startswith("boards as text")]
    assert ("changes nothing on the board" in boards) == (code == 1) == (" failed " in boards)
    assert ("1 failed" in lines[-1]) == (code == 1)


@pytest.mark.usefixtures("own_games")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chess"], "unknown game 'chess'"),
        (["no_such_module:Game"], "nor is there a module no_such_module"),
        (["no.such.module:Game"], "nor is there a module no.such.module"),
        (["my_games:Missing"], "has no Missing"),
        (["my_games:number"], "is no game"),
        (["my_games:NeedsSize"], "cannot be made: TypeError"),
        (["my_error:Game"], "ZeroDivisionError"),
        (["tic_tac_toe", "--moves", "0"], "--moves"),
    ],
)
def test_what_is_no_game_is_one_line_and_exit_code_two(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-game", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and told in captured.err


@pytest.mark.compiled_only
def test_a_registered_game_is_told_with_its_speed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-game", "tic_tac_toe", "--moves", "60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("speed") and "moves a second" in lines[-2]
    assert lines[-1] == f"tic_tac_toe: {len(CHECKS) - 1} of {len(CHECKS)} checks passed, 1 not run"
