"""Matches with outside engines: the referee's rules, engines that misbehave, early ends, and none left behind."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sgfmill import sgf

import games
from games.base import Game
from rl.arena.match import MatchGame
from rl.arena.players import RandomPlayer, UniformPlayer
from rl.errors import UserError
from rl.protocols.gtp.client import EngineFailure, EngineRefusal, GtpProcess
from rl.protocols.gtp.contest import Contest
from rl.protocols.gtp.engine_match import OutsideSeat, OwnSeat, play_engine_match
from rl.protocols.gtp.judge import EngineJudge, Judge, PlayOutJudge, RulesJudge
from rl.protocols.gtp.seat import EngineSeat
from rl.protocols.played_game import replayed
from rl.search.driver import SearchConfig
from scripts.cli import main
from tests.toy_area import ToyArea

ROOT = Path(__file__).resolve().parent.parent
TIC_TAC_TOE, OTHELLO = games.make("tic_tac_toe"), games.make("othello4")
CELLS = " ".join(column + row for row in "321" for column in "abc")
POINTS = CELLS.upper()


def fake(behaviour: str, after: int = 0, points: str = CELLS) -> str:
    return f"gtp:{sys.executable} {ROOT / 'tests' / 'fake_engine.py'} {behaviour} {after} {points}"


@pytest.fixture(autouse=True)
def nobody_is_left_behind() -> Iterator[None]:
    """No process that a test starts outlives it."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        engines = [process for process in psutil.process_iter(["cmdline"]) if "sleep(1000)" in str(process.info)]
        left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
        if not left and not engines:
            return
        time.sleep(0.05)
    raise AssertionError(f"left behind: {left} {engines}")


def play(
    first: str, second: str = "", num_games: int = 2, game: Game = TIC_TAC_TOE, judge: Judge | None = None
) -> list[MatchGame]:
    """The games of a match between an engine and another one, or random play."""
    engines = [EngineSeat(name, seconds=1.5, first_reply_seconds=20) for name in (first, second) if name]
    seats = [OutsideSeat(engine) for engine in engines]
    other = seats[1] if second else OwnSeat(RandomPlayer(game))
    try:
        result = play_engine_match(game, seats[0], other, num_games, 5, judge or RulesJudge())
    finally:
        for engine in engines:
            engine.close()
    assert len(result.games) == num_games
    return list(result.games)


def test_engines_play_whole_games_by_the_rules() -> None:
    played = play(fake("good"), num_games=6)
    assert [one.first_begins for one in played] == [True, False] * 3
    for one in played:
        assert one.forfeit == "" and one.result == "" and one.num_opening_moves >= 2
        state = TIC_TAC_TOE.new_state()
        for action in one.moves[:-1]:
            assert not TIC_TAC_TOE.step(state, action, None)[1]  # type: ignore[arg-type]
        reward, over = TIC_TAC_TOE.step(state, one.moves[-1], None)  # type: ignore[arg-type]
        assert over
        black = 0.5 if reward == 0 else float(len(one.moves) % 2 == 1)
        assert one.score == (black if one.first_begins else 1 - black)


def test_the_engine_is_told_of_every_move() -> None:
    """Its own list of free points would make it play an occupied one otherwise."""
    assert all(not one.forfeit for one in play(fake("good"), fake("good"), num_games=4))


def test_a_match_may_be_played_in_parts() -> None:
    seats = OwnSeat(RandomPlayer(TIC_TAC_TOE)), OwnSeat(UniformPlayer(TIC_TAC_TOE, 3))
    whole = play_engine_match(TIC_TAC_TOE, *seats, 7, 5, RulesJudge()).games
    openings = [one.moves[: one.num_opening_moves] for one in whole[::2]]
    parts = []
    for start, num_games in ((0, 3), (3, 1), (4, 3)):
        parts += play_engine_match(
            TIC_TAC_TOE, *seats, num_games, 5, RulesJudge(), openings=openings, start=start
        ).games
    assert tuple(parts) == whole and [one.number for one in parts] == list(range(7))


@pytest.mark.plain_only  # the engine is tested, not the game
@pytest.mark.parametrize(
    ("behaviour", "reason", "result"),
    [
        ("illegal", "illegal move", "F"),
        ("nonsense", "answered genmove with 'pay 5'", "F"),
        ("garbage", "answered 'genmove [BW]' with 'hello there', which is no GTP", "F"),
        ("refuse", "gives no move at ply [34]: no idea", "F"),
        ("pass", "illegal move pass at ply [34]", "F"),
        ("crash", "ended with code 7 on 'genmove [BW]': out of cheese", "F"),
        ("hang", "no answer to 'genmove [BW]' within 1.5 seconds", "T"),
        ("stubborn", "refuses the legal move", "F"),
        ("resign", "resigns at ply [34]", "R"),
    ],
)
def test_engines_that_misbehave_lose_for_a_reason(behaviour: str, reason: str, result: str) -> None:
    after = 3 if behaviour == "stubborn" else 0
    first, second = play(fake(behaviour, after))
    assert (first.score, second.score) == (0.0, 0.0)
    assert re.search(reason, first.remark) and re.search(reason, second.remark)
    assert (first.result, second.result) == (f"W+{result}", f"B+{result}")
    assert bool(first.forfeit) == (result != "R")


def test_an_engine_may_take_forced_passes_for_granted() -> None:
    """GRhino refuses to be told of a pass. Where one could have moved, a refusal stays one."""
    moves = ("b1", "a3", "d4", "d3", "b4", "c1", "a1", "a4", "d2", "d1")
    forced = replayed(OTHELLO, [OTHELLO.text_to_action(move) for move in moves])
    engine = EngineSeat(fake("passless"), seconds=5)
    try:
        assert forced.legal_actions().sum() == 1
        forced.play(forced.to_play, int(forced.legal_actions().argmax()))
        assert OTHELLO.action_to_text(forced.plies[-1].action) == "pass"
        engine.begin(forced)
        engine.tell(forced, len(forced.plies) - 1)
        go = games.make("go3")
        with pytest.raises(EngineRefusal, match="syntax error"):
            engine.begin(replayed(go, [go.text_to_action("pass")]))
    finally:
        engine.close()


def test_an_engine_that_failed_is_started_again() -> None:
    played = play(fake("crash", 1), num_games=4)
    assert all(one.score == 0.0 for one in played) and all("cheese" in one.forfeit for one in played)
    assert all(len(one.moves) > one.num_opening_moves for one in played), "each time it played its first move"


@pytest.mark.plain_only  # the engine is tested, not the game
def test_engines_that_cannot_be_used_are_told_at_once() -> None:
    for command, complaint in (
        ("gtp:", "needs a command"),
        ("gtp:/nowhere/engine --gtp", "cannot be started: No such file"),
        ("gtp:'unbalanced", "No closing quotation"),
        ("gtp:true", "ended with code 0"),
        ("gtp:echo hello", "ended with code 0"),
        (fake("mute"), "no answer to 'protocol_version' within 1 seconds"),
    ):
        with pytest.raises(UserError) as error:
            EngineSeat(command, seconds=0.5, first_reply_seconds=1)
        assert complaint in str(error.value) and "\n" not in str(error.value)


@pytest.mark.plain_only  # the engine is tested, not the game
def test_an_engine_that_does_not_quit_is_ended() -> None:
    seat = EngineSeat(fake("immortal"), seconds=2)
    begun = time.monotonic()
    seat.close()
    assert time.monotonic() - begun < 8


def test_endless_answers_are_cut() -> None:
    process = GtpProcess("yes")
    with pytest.raises(EngineFailure, match="without end"):
        process.ask("name", 60)
    process.kill()


# --- early ends ------------------------------------------------------------------------------------------------------


def test_two_passes_end_a_game_by_its_own_score() -> None:
    (one,) = play(fake("pass", 0, POINTS), fake("pass", 0, POINTS), 1, ToyArea())
    assert one.moves[-2:] == (9, 9) and one.result == "W+0.5" and one.score == 0.0 and one.remark == ""


@pytest.mark.plain_only
def test_a_player_plays_out_what_was_ended_early() -> None:
    game = ToyArea()
    judge = PlayOutJudge(UniformPlayer(game, 12))
    (one,) = play(fake("pass", 0, POINTS), fake("pass", 0, POINTS), 1, game, judge)
    assert one.moves[-2:] == (9, 9) and one.remark.startswith("played out by uniform:12, ")
    assert one.result in ("B+0.5", "W+0.5", "W+1.5", "B+1.5")


def test_an_engine_says_which_stones_are_dead() -> None:
    game = ToyArea()
    black, white = fake("pass", 2, "A1 B1 C1 A2"), fake("pass", 2, "A3 B3 C3 C2")
    judge = EngineSeat(fake("good", 0, "A1 B1"), seconds=5)
    try:
        (one,) = play(black, white, 1, game, EngineJudge(judge))
    finally:
        judge.close()
    state = game.new_state()
    for action in one.moves:
        game.step(state, action, None)  # type: ignore[arg-type]
    living = [(player, action) for player, action in game.stones(state) if game.action_to_text(action) in ("A1", "B1")]
    expected = sum(1 if player == 0 else -1 for player, _ in living) - 0.5
    assert one.result == f"{'B' if expected > 0 else 'W'}+{abs(expected):g}"
    assert one.remark.endswith(" says") and f"{len(game.stones(state)) - len(living)} stones dead" in one.remark


def test_a_judge_that_fails_leaves_the_board_as_it_stands() -> None:
    judge = EngineSeat(fake("good", 0, "somewhere"), seconds=5)
    try:
        (one,) = play(fake("pass", 0, POINTS), fake("pass", 0, POINTS), 1, ToyArea(), EngineJudge(judge))
    finally:
        judge.close()
    assert one.result == "W+0.5" and "gave no judgement" in one.remark


# --- the command -----------------------------------------------------------------------------------------------------


def contest_by_the_rules() -> Contest:
    return Contest(
        TIC_TAC_TOE,
        num_simulations=9,
        config=SearchConfig(),
        num_threads=1,
        average_symmetries=False,
        engine_seconds=5.0,
        judge="rules",
    )


def test_agents_are_evaluated_by_whatever_is_faster_against_engines_alone(
    monkeypatch: pytest.MonkeyPatch, small_agent: Path
) -> None:
    backends = []

    def make(name: str, game: Game, **options: object) -> RandomPlayer:
        backends.append(options["backend"])
        return RandomPlayer(game)

    monkeypatch.setattr("rl.protocols.gtp.contest.make_player", make)
    with contest_by_the_rules() as contest:
        contest.play(str(small_agent), "random", 2, 5)
        assert backends == ["torch", "torch"], "what a seed repeats"
        contest.play(str(small_agent), fake("good"), 2, 5)
        assert backends[2:] == ["measured"]


def test_the_command_plays_engines(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["match", "random", "--b", fake("illegal"), "--game", "tic_tac_toe", "--games", "2"]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["wins"] == 2 and [one["result"] for one in told["games"]] == ["B+F", "W+F"]
    assert all("illegal move" in one["remark"] for one in told["games"]) and len(told["notes"]) == 2


def test_an_engine_may_play_against_itself_in_two_processes(capsys: pytest.CaptureFixture[str]) -> None:
    engine = fake("good")
    arguments = ["match", engine, engine, "--judge", engine, "--game", "tic_tac_toe", "--games", "4", "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["notes"] and told["first"] == told["second"] == engine
    assert told["score"] == 0.5, "the same program on either side of the same openings"
    with contest_by_the_rules() as contest:
        contest.play(engine, engine, 2, 5)
        assert (
            len([child for child in _descendants(psutil.Process().pid) if "fake_engine" in str(child.cmdline())]) == 2
        )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["random"], "B is missing"),
        (["random", "random", "--b", "random"], "one too many"),
        (["random", "gtp:/nowhere/engine"], "/nowhere/engine"),
        (["random", fake("good"), "--engine-seconds", "0"], "--engine-seconds 0"),
        (["random", "random", "--sgf-dir", "records"], "SGF has no records of connect_four"),
    ],
)
def test_the_command_refuses_bad_input_in_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["match", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and complaint in told.err


@pytest.mark.plain_only  # the engine is tested, not the game
def test_a_match_that_is_ended_leaves_no_engine() -> None:
    command = [sys.executable, "-m", "scripts.cli", "match", fake("good"), fake("hang"), "--game", "tic_tac_toe"]
    process = subprocess.Popen([*command, "--games", "2"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not any("fake_engine.py hang" in " ".join(child.cmdline()) for child in _descendants(process.pid)):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    time.sleep(1.0)
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and b"Traceback" not in told


def _descendants(pid: int) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        if child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            found.append(child)
    return found


# --- a real engine ---------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_nine_by_nine_against_gnu_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gnugo = shutil.which("gnugo") or shutil.which("/usr/games/gnugo")
    if gnugo is None:
        pytest.skip("GNU Go is not installed: on Debian, apt-get install gnugo")
    game = games.make("go9")
    engine = f"gtp:{gnugo} --mode gtp --chinese-rules --allow-suicide --positional-superko --level"
    arguments = ["match", "random", f"{engine} 1", "--game", "go9", "--games", "2", "--json"]
    assert main([*arguments, "--judge", f"{engine} 10", "--sgf-dir", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["losses"] == 2, "random play does not beat GNU Go where dead stones are known"
    assert not told["notes"] and all("F" not in one["result"] for one in told["games"]), "both kept to the rules"
    for number, one in enumerate(told["games"], start=1):
        record = sgf.Sgf_game.from_bytes((tmp_path / f"game{number:04d}.sgf").read_bytes())
        assert record.get_size() == 9 and record.get_komi() == float(game.new_state()["komi"])
        assert len(record.get_main_sequence()) == len(one["moves"]) + 1
        assert record.get_winner() == ("w" if one["first_begins"] else "b")
