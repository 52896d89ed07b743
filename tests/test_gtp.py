"""The GTP engine: conversations by their exact text, for games with and without passes, komi and handicap."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

import games
from games.base import Game
from rl.errors import UserError
from rl.protocols.gtp.engine import GtpEngine
from rl.protocols.gtp.search import GameSearch
from rl.protocols.gtp.session import GtpConfig, Session
from rl.search.driver import SearchConfig
from rl.search.evaluation import UniformEvaluator
from scripts.variants import remake as remake_by_name
from tests.gtp_talk import QUICK, TIC_TAC_TOE, Ponderous, make_session, reply, talk
from tests.toy_area import ToyArea

pytestmark = pytest.mark.plain_only  # the protocol; compiled, the command is tested in test_gtp_command.py

# --- the form of the protocol ---------------------------------------------------------------------------------------


def test_a_conversation_letter_by_letter() -> None:
    lines = [
        "1 protocol_version",
        "name",
        "007 version",
        "known_command genmove",
        "5 known_command fly",
        "6 fly to the moon",
        "boardsize 3",
        "komi -1.5",
        "clear_board",
        "play b B2",
        "9 play white b2",
        "10 play WHITE c3",
        "showboard",
        "undo",
        "undo",
        "undo",
        "quit",
        "name",
    ]
    assert talk(lines) == (
        "=1 2\n\n"
        "= Keima\n\n"
        "=007 1.2.3\n\n"
        "= true\n\n"
        "=5 false\n\n"
        "?6 unknown command\n\n"
        "=\n\n=\n\n=\n\n=\n\n"
        "?9 B2 is not legal here\n\n"
        "=10\n\n"
        "=\n3 . . O\n2 . X .\n1 . . .\n  A B C\nB to move\n\n"
        "=\n\n=\n\n"
        "? cannot undo\n\n"
        "=\n\n"
    )


def test_comments_controls_and_line_ends_are_as_the_protocol_wants_them() -> None:
    lines: list[bytes] = [
        b"\r\n",
        b"",
        b"   \t ",
        b"# nothing",
        b"3\tname\r\n",
        b"na\x01\x7fme # who",
        b"4 # only a number",
        b"4",
        b"  8   known_command \t name  ",
        b"-1 name",
        b"\xff\xfe name",
        "boardsize \u2028\u0085".encode(),
    ]
    assert talk(lines) == (
        "=3 Keima\n\n= Keima\n\n?4 unknown command\n\n?4 unknown command\n\n=8 true\n\n? unknown command\n\n"
        "? unknown command\n\n? '\\u2028\\x85' is no size: an integer from 1 to 52\n\n"
    )


def test_list_commands_names_what_is_known_and_nothing_else() -> None:
    listed = reply("list_commands").removeprefix("= ").split("\n")
    assert len(set(listed)) == len(listed)
    wanted = (
        "protocol_version name version known_command list_commands quit boardsize clear_board komi play undo genmove "
        "reg_genmove showboard time_settings time_left final_score final_status_list fixed_handicap "
        "place_free_handicap set_free_handicap loadsgf printsgf kata-analyze lz-analyze kata-genmove_analyze "
        "kata-raw-nn kata-get-rules kata-set-rules kata-set-param"
    )
    assert set(wanted.split()) <= set(listed)
    for command in (*listed, "rectangular_boardsize"):
        if command != "quit":
            assert "unknown command" not in talk([command])
            assert reply(f"known_command {command}") == ("= true" if command in listed else "= false")


def test_commands_that_a_game_has_no_meaning_for_say_so() -> None:
    assert reply("rectangular_boardsize 3 4") == "? boards that are not square are not played: use boardsize"
    for command in ("komi 6.5", "fixed_handicap 2", "final_status_list dead", "kata-get-rules", "printsgf"):
        told = reply(command, game=TIC_TAC_TOE)
        assert told.startswith("? ") and "tic_tac_toe" in told
        assert reply(f"known_command {command.split()[0]}", game=TIC_TAC_TOE) == "= false"


def test_a_failure_of_the_program_is_one_reply_too() -> None:
    session = make_session()
    complaints: list[str] = []
    written: list[str] = []
    engine = GtpEngine(session, "1", complaints.append)

    def fail(request: object) -> str:
        session.table = replace(session.table, komi=99.0)
        raise ZeroDivisionError

    engine._handlers["name"] = fail
    engine.serve([b"4 name", b"5 version"], written.append)
    assert written == ["?4 internal error\n\n", "=5 1\n\n"]
    assert len(complaints) == 1 and "ZeroDivisionError" in complaints[0]
    assert session.table.komi is None


def test_games_for_one_have_no_engine() -> None:
    game = games.make("tic_tac_toe")
    game.num_players = 1
    with pytest.raises(UserError, match="no game for two"):
        make_session(game)


# --- moves -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["play b a1"], "="),
        (["play Black pAsS"], "="),
        (["play b", "play b"], "? play takes a colour and a move"),
        (["play green a1"], "? 'green' is no colour: colours are black and white"),
        (["play b j9"], "? 'j9' is no move"),
        (["play b a1", "play w A1"], "? A1 is not legal here"),
        (["play b pass", "play w pass", "play b a1"], "? the game is over"),
        (["play b pass", "play w pass", "genmove b"], "? the game is over"),
        (["play b pass", "play w pass", "undo", "play w a1"], "="),
        (["play b pass", "play b a1"], "? B is not to move, W is"),  # White's pass would end the game
        (["genmove"], "? genmove takes a colour"),
        (["genmove x"], "? 'x' is no colour: colours are black and white"),
        (["boardsize 1"], "? unacceptable size: toy boards are of 2 to 19 rows"),
        (["boardsize 25"], "? unacceptable size: toy boards are of 2 to 19 rows"),
        (["boardsize x"], "? 'x' is no size: an integer from 1 to 52"),
        (["boardsize 5", "play b E5"], "="),
        (["komi x"], "? 'x' is no komi: a number"),
        (["komi nan"], "? 'nan' is no komi: a number"),
        (["komi 1e9"], "? '1e9' is no komi: a number"),
        (["komi 0.1", "get_komi"], "= 0.1"),
        (["komi 7", "boardsize 4", "clear_board", "get_komi"], "= 7"),
    ],
)
def test_moves_and_boards(lines: list[str], told: str) -> None:
    assert reply(*lines) == told


def test_a_player_may_move_twice_where_the_other_can_pass() -> None:
    session = make_session()
    assert talk(["play b a1", "play b a2", "play w a3", "genmove w"], session=session).startswith("=\n\n=\n\n=\n\n= ")
    assert [ply.inserted for ply in session.table.played.plies] == [False, True, False, False, True, False]
    assert talk(["undo", "undo", "undo"], session=session) == "=\n\n" * 3
    assert [ply.player for ply in session.table.played.plies] == [0]


def test_without_passes_only_the_player_to_move_moves() -> None:
    lines = ["play w a1", "genmove white", "kata-analyze w", "play b a1", "play b a2", "play b pass", "genmove b"]
    told = talk(lines, TIC_TAC_TOE).split("\n\n")
    assert told[:5] == ["? W is not to move, B is"] * 3 + ["=", "? B is not to move, W is"]
    assert told[5].startswith("? ") and told[6] == "? B is not to move, W is"


def test_genmove_plays_what_it_answers_and_reg_genmove_does_not() -> None:
    session = make_session(TIC_TAC_TOE)
    told = talk(["reg_genmove b", "reg_genmove b", "genmove b", "genmove w"], session=session).split("\n\n")
    assert told[0] == told[1] == told[2] == "= a3"
    played = session.table.played
    assert [TIC_TAC_TOE.action_to_text(ply.action) for ply in played.plies] == [told[2][2:], told[3][2:]]


def test_it_wins_when_it_can() -> None:
    lines = ["play b a1", "play w c3", "play b b1", "play w c2", "genmove b", "final_score", "genmove w", "showboard"]

    def make_search(game: Game) -> GameSearch:
        return GameSearch(game, UniformEvaluator(game, 4), SearchConfig(root="puct"), leaves_per_tree=4, memory=1)

    session = Session(TIC_TAC_TOE, remake_by_name, make_search, GtpConfig(simulations=60))
    told = talk(lines, session=session).split("\n\n")
    assert told[4:7] == ["= c1", "= B+", "? the game is over"]
    assert told[7] == "=\n3 . . O\n2 . . O\n1 X X X\n  a b c\nover: B+"


def test_the_score_counts_the_komi_as_it_stands() -> None:
    lines = ["komi 2", "play b a1", "final_score", "play w b1", "komi -3", "final_score", "komi 0", "final_score"]
    told = talk(lines).split("\n\n")
    assert [told[2], told[5], told[7]] == ["= W+1", "= B+3", "= 0"]
    assert reply("play b a1", "play w b2", "final_status_list alive") == "= B2 A1"
    assert reply("play b a1", "play w b2", "final_status_list dead") == "="
    assert reply("final_status_list asleep") == "? 'asleep' is no status: they are alive, dead and seki"
    assert reply("final_score", game=TIC_TAC_TOE) == "? cannot score: the game is not over"


def test_it_resigns_only_when_told_to() -> None:
    lines = ["genmove b", "genmove w", "genmove b", "genmove w", "genmove b", "genmove w"]
    hopeless = make_session(ToyArea(4), GtpConfig(simulations=1, resign=0.3), value=-0.9)
    told = talk(lines, session=hopeless).split("\n\n")
    assert told.index("= resign") == 4, "the third search of Black sees the third hopeless position in a row"
    assert len(hopeless.table.played.plies) == 4
    proud = make_session(ToyArea(4), GtpConfig(simulations=1), value=-0.9)
    assert "resign" not in talk(lines, session=proud)


# --- handicap and rules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "count", "points"),
    [
        (19, 2, "D4 Q16"),
        (19, 3, "D4 Q16 D16"),
        (19, 5, "D4 Q16 D16 Q4 K10"),
        (19, 6, "D4 Q16 D16 Q4 D10 Q10"),
        (19, 7, "D4 Q16 D16 Q4 D10 Q10 K10"),
        (19, 8, "D4 Q16 D16 Q4 D10 Q10 K4 K16"),
        (19, 9, "D4 Q16 D16 Q4 D10 Q10 K4 K16 K10"),
        (13, 4, "D4 K10 D10 K4"),
        (9, 5, "C3 G7 C7 G3 E5"),
        (8, 4, "C3 F6 C6 F3"),
        (7, 4, "C3 E5 C5 E3"),
    ],
)
def test_fixed_handicap_is_where_the_protocol_puts_it(size: int, count: int, points: str) -> None:
    from rl.protocols.gtp.board import handicap_points

    game = ToyArea(size)
    assert " ".join(game.action_to_text(action) for action in handicap_points(game, count)) == points


def test_handicap_stones_are_on_an_empty_board_and_white_moves_then() -> None:
    board = "=\n7 . . . . . . .\n6 . . . . . . .\n5 . . . . X . .\n4 . . . . . . .\n3 . . X . . . .\n2 . . . . . . .\n"
    board += "1 . . . . . . .\n  A B C D E F G\nW to move"
    assert reply("boardsize 7", "komi 3.5", "fixed_handicap 2", "showboard") == board
    assert reply("boardsize 7", "komi 3.5", "fixed_handicap 2", "get_komi") == "= 3.5"
    assert reply("boardsize 7", "fixed_handicap 5") == "? at most 4 handicap stones have fixed points on this board"
    assert reply("boardsize 7", "place_free_handicap 9") == "= C3 E5 C5 E3"
    assert reply("boardsize 7", "fixed_handicap 1") == "? '1' is no number of stones: an integer from 2 to 9"
    assert reply("boardsize 7", "play b a1", "fixed_handicap 2") == "? board not empty"
    assert reply("place_free_handicap 2") == "? no handicap stones on a board this small"
    assert reply("set_free_handicap a1 b2", "genmove w").startswith("= ")
    assert reply("set_free_handicap a1 a1").startswith("? bad vertex list")
    assert reply("set_free_handicap a1").startswith("? bad vertex list")
    assert reply("set_free_handicap a1 pass").startswith("? bad vertex list")
    assert reply("set_free_handicap a1 b2", "set_free_handicap a2 b1") == "? board not empty"
    assert reply("set_free_handicap a1 b2", "undo") == "? cannot undo"


def test_rules_are_katago_s_and_the_board_stays() -> None:
    session = make_session()
    told = talk(["play b a1", "kata-get-rules", 'kata-set-rules {"ko": "SIMPLE"}', "kata-get-rules"], session=session)
    plain = (
        '{"friendlyPassOk":false,"hasButton":false,"ko":"%s","scoring":"AREA","suicide":true,"tax":"NONE",'
        '"whiteHandicapBonus":"0"}'
    )
    assert told == f"=\n\n= {plain % 'POSITIONAL'}\n\n=\n\n= {plain % 'SIMPLE'}\n\n"
    assert session.game.name == "toy3:ko=simple" and session.table.played.actions == (6,)
    assert reply('kata-set-rules {"scoring": "TERRITORY"}') == '? scoring is always "AREA"'
    assert reply("kata-set-rules chinese") == "? toys know no such rules"
    assert reply("kata-set-rules japanese").startswith("? unknown rules 'japanese'")
    assert reply('kata-set-rules {"ko": 3}') == "? rules know no 'ko' of '3'"


def test_boards_of_the_registry_are_found_by_size() -> None:
    assert reply("boardsize 3", game=TIC_TAC_TOE) == "="
    assert reply("boardsize 4", game=TIC_TAC_TOE).startswith("? unacceptable size: unknown game 'tic_tac_toe4x4'")
    assert remake_by_name(games.make("connect_four5x4"), None, {}).name == "connect_four5x4"


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_clocks_are_set_kept_and_obeyed() -> None:
    session = make_session(ToyArea(5), GtpConfig(lag=0.0), evaluator=Ponderous)
    begun = time.monotonic()
    told = talk(["time_settings 0 4 10", "genmove b", "genmove w", "time_left b 1 5", "genmove b"], session=session)
    assert told.count("= ") == 3 and told.count("=\n\n") == 2
    assert 0.8 < time.monotonic() - begun < 3.0, "twice 0.4 seconds and once 0.2"
    black, white = session.table.clocks
    assert black is not None and white is not None
    assert black.stones_left == 4 and 0.5 < black.period_left < 0.9
    assert white.stones_left == 9 and 3.2 < white.period_left < 3.7
    talk(["clear_board"], session=session)
    assert session.table.clocks == (session.table.start_clock,) * 2, "a new game starts them afresh"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("time_settings 60 0 0", "="),
        ("time_settings 0 1 0", "="),
        ("time_settings 1 2", "? time_settings takes main time, byo-yomi time and byo-yomi stones"),
        ("time_settings -1 0 0", "? '-1' is no time: seconds, at least 0"),
        ("time_settings 1 1 x", "? 'x' is no number of stones: an integer from 0 to 1000000"),
        ("time_left b 10", "? time_left takes a colour, a time and a number of stones"),
        ("time_left b inf 0", "? 'inf' is no time: a number"),
        ("time_left w 3 1", "="),
    ],
)
def test_time_commands(line: str, told: str) -> None:
    assert reply(line) == told


# --- records ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def records(tmp_path: Path) -> GtpConfig:
    (tmp_path / "records").mkdir()
    return replace(QUICK, sgf_dir=tmp_path / "records")


def test_a_game_is_printed_written_and_loaded_again(records: GtpConfig) -> None:
    assert records.sgf_dir is not None
    played = ["boardsize 4", "komi 1.5", "play b a1", "play w d4", "play b pass"]
    text = "(;FF[4]AP[Keima]CA[UTF-8]GM[1]KM[1.5]RE[?]SZ[4];B[ad];W[da];B[])"
    assert reply(*played, "printsgf", config=records) == f"=\n{text}"
    assert talk([*played, "printsgf game.sgf"], config=records).endswith("=\n\n")
    assert (records.sgf_dir / "game.sgf").read_text() == text + "\n"
    board = "=\n4 . . . O\n3 . . . .\n2 . . . .\n1 X . . .\n  A B C D\n"
    assert reply("loadsgf game.sgf", "showboard", config=records) == board + "W to move"
    assert reply("loadsgf game.sgf", "get_komi", config=records) == "= 1.5"
    assert reply("loadsgf game.sgf 3", "showboard", config=records) == board + "B to move"
    assert reply("loadsgf game.sgf 1", "undo", config=records) == "? cannot undo"


def test_win_rates_of_searched_moves_are_comments(records: GtpConfig) -> None:
    told = reply("genmove b", "play w c1", "printsgf", session=make_session(config=records, value=0.0))
    assert re.search(r";B\[aa\]C\[B [0-9.]+ % \([0-9]+ visits\)\];\s?W\[cc\]\)", told)


@pytest.mark.parametrize(
    "name", ["../secret.sgf", "/etc/passwd", "link.sgf", "dir.sgf", "missing.sgf", "a.txt", "..", "broken.sgf", "~.sgf"]
)
def test_no_other_files_are_read_or_written(name: str, records: GtpConfig, tmp_path: Path) -> None:
    assert records.sgf_dir is not None
    (tmp_path / "secret.sgf").write_text("(;GM[1]SZ[3];B[aa])")
    (records.sgf_dir / "link.sgf").symlink_to(tmp_path / "secret.sgf")
    (records.sgf_dir / "dir.sgf").mkdir()
    (records.sgf_dir / "a.txt").write_text("(;GM[1]SZ[3];B[aa])")
    (records.sgf_dir / "broken.sgf").write_bytes(b"\x00\xff(;")
    before = (tmp_path / "secret.sgf").read_text()
    session = make_session(config=records)
    told = talk(["play b b2", f"loadsgf {name}", "undo"], session=session).split("\n\n")
    assert told[0] == "=" and told[1].startswith("? ") and told[2] == "=", "the game on the board is as it was"
    if name not in ("missing.sgf", "broken.sgf", "~.sgf"):
        assert talk([f"printsgf {name}"], session=session).startswith("? ")
    assert (tmp_path / "secret.sgf").read_text() == before


def test_without_a_directory_there_are_no_files() -> None:
    assert reply("loadsgf game.sgf") == "? no directory for records: start with --sgf-dir"
    assert reply("printsgf game.sgf") == "? no directory for records: start with --sgf-dir"
