"""Game records: written, read again by another reader, and refused where they are none."""

from __future__ import annotations

import pytest
from sgfmill import sgf

import games
from games.base import Game
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import PlayedGame, SearchNote
from rl.protocols.sgf import SgfInfo, actions_to_sgf, read_sgf, write_sgf
from tests.toy_area import ToyArea


class ToyText(ToyArea):
    """The same, written in its own notation as Hex is."""

    sgf_number = 11
    sgf_letters = False


def make(size: int) -> Game:
    return ToyArea(size)


def actions_of(played: PlayedGame) -> list[str]:
    return [f"{'BW'[ply.player]} {played.game.action_to_text(ply.action)}" for ply in played.plies if not ply.inserted]


def test_a_record_is_what_another_reader_reads() -> None:
    game = ToyArea(9)
    actions = [game.text_to_action(move) for move in ("D4", "A9", "J1", "pass", "pass")]
    info = SgfInfo("Kei]ma\\", "gnu: go", comment="two\n\nlines", more={"EV": "a match"})
    text = actions_to_sgf(game, actions, [0.5, -0.25, None, None, 1.0], info)
    read = sgf.Sgf_game.from_bytes(text.encode())
    root = read.get_root()
    assert (read.get_size(), read.get_komi(), root.get("GM"), root.get("RE")) == (9, 0.5, 1, "B+0.5")
    assert (read.get_player_name("b"), read.get_player_name("w")) == ("Kei]ma\\", "gnu: go")
    assert (root.get("C"), root.get("EV")) == ("two\nlines", "a match")
    nodes = read.get_main_sequence()[1:]
    assert [node.get_move() for node in nodes] == [
        ("b", (3, 3)),
        ("w", (8, 0)),
        ("b", (0, 8)),
        ("w", None),
        ("b", None),
    ]
    comments = [node.get("C") if node.has_property("C") else None for node in nodes]
    assert comments == ["B 75.0 %", "W 37.5 %", None, None, "B 100.0 %"]
    assert "\n\n" not in text


def test_what_is_written_is_read_as_it_was() -> None:
    played = PlayedGame(ToyArea(5), komi=3.5)
    played.set_up([(0, 0), (0, 7), (1, 24)], 1)
    for player, move in ((1, "C3"), (1, "B1"), (0, "pass"), (1, "E5")):
        played.play(player, played.game.text_to_action(move), SearchNote(0.1, 20))
    text = write_sgf(played)
    assert "PL[W]" in text and "C[W 55.0 % (20 visits)]" in text
    again = read_sgf(text.encode(), make)
    assert actions_of(again) == ["W C3", "W B1", "B pass", "W E5"]
    assert again.actions == played.actions, "the pass between White's two moves is put in again"
    assert again.komi == 3.5 and again.state.tobytes() == played.state.tobytes()
    assert again.game.stones(again.state) == played.game.stones(played.state)
    assert [ply.player for ply in read_sgf(text.encode(), make, 1).plies] == [1]
    assert read_sgf(text.encode(), make, 0).plies == []


def test_games_with_notation_of_their_own_are_written_in_it() -> None:
    game = ToyText(4)
    text = actions_to_sgf(game, [game.text_to_action("A1"), game.text_to_action("D3")])
    assert "GM[11]" in text and text.endswith(";B[A1];W[D3])\n")
    assert actions_of(read_sgf(text.encode(), ToyText)) == ["B A1", "W D3"]
    assert actions_of(read_sgf(b"(;GM[11]SZ[4];B[a1];W[d3])", ToyText)) == ["B A1", "W D3"]


def test_records_of_others_are_read() -> None:
    record = b"""Some mail before it (;GM[1] FF[3]SZ[13]KM[6]HA[2]AB[dd][jj]PB[A \\] B]
        C[Text with (;brackets\\]];W[cc]LB[aa:1](;B[tt];W[])(;B[aa]))(;GM[1]SZ[9])"""
    played = read_sgf(record, make)
    assert played.game.name == "toy13" and played.komi == 6.0
    assert actions_of(played) == ["W C11", "B pass", "W pass"] and played.terminated
    assert played.set_up_stones == ((0, 42), (0, 126))
    assert actions_of(read_sgf(b"(;SZ[5];B[C3];W[c4])", make)) == ["B C3", "W C4"], "the game's own notation will do"
    assert len(read_sgf(b"(;SZ[5]AB[aa:bc]AW[ee]PL[B])", make).set_up_stones) == 7


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (b"", "no SGF"),
        (b"(;", "no SGF"),
        (b"hello", "no SGF"),
        (b"\x00\xff" * 100, "no SGF"),
        (b"(;GM[2]SZ[3])", "game 2 (GM), not of toy3"),
        (b"(;GM[x])", "GM of the record is no number"),
        (b"(;SZ[3:4])", "not square"),
        (b"(;SZ[99999999])", "SZ of the record is no number"),
        (b"(;SZ[])", "SZ of the record is no number"),
        (b"(;SZ[3]KM[many])", "KM of the record is no number"),
        (b"(;SZ[3];B[aa];W[aa])", "move 2 of the record: A3 is not legal here"),
        (b"(;SZ[3];B[zz])", "move 1 of the record: zz is no point of the board"),
        (b"(;SZ[3];B[banana])", "move 1 of the record: 'banana' is no move"),
        (b"(;SZ[3];B[];W[];B[aa])", "move 3 of the record: the game is over"),
        (b"(;SZ[3];B[aa];AB[bb])", "changes stones after move 1"),
        (b"(;SZ[3]AE[aa])", "empties points"),
        (b"(;SZ[3]AB[aa]AW[aa])", "different points"),
        (b"(;SZ[3]AB[])", "set-up stones"),
        (b"(;SZ[3]AB[aa]PL[green])", "PL of the record"),
        (b"(;SZ[3]" + b"C[x]" * 300_000 + b")", "longer than"),
        (b"(" * 50_000, "no SGF"),
    ],
)
def test_what_is_no_record_is_told_in_one_line(record: bytes, complaint: str) -> None:
    with pytest.raises(BadRequest) as error:
        read_sgf(record, make)
    assert complaint in str(error.value) and "\n" not in str(error.value)


def test_games_that_sgf_does_not_know_are_not_saved() -> None:
    with pytest.raises(BadRequest, match="SGF has no records of tic_tac_toe"):
        write_sgf(PlayedGame(games.make("tic_tac_toe")))
