"""Random and garbled lines: no crash, exactly one well-formed reply each, and no change by what fails."""

from __future__ import annotations

import random
import re

import pytest

import games
from games.base import Game
from rl.protocols.gtp.engine import GtpEngine
from rl.protocols.gtp.lines import parse_line
from rl.protocols.gtp.session import GtpConfig
from tests.gtp_talk import make_session
from tests.toy_area import ToyArea

COMMANDS = re.findall(
    r"\S+",
    """protocol_version name version known_command list_commands boardsize clear_board komi get_komi play undo
    genmove reg_genmove showboard time_settings time_left final_score final_status_list fixed_handicap
    place_free_handicap set_free_handicap loadsgf printsgf kata-analyze lz-analyze kata-genmove_analyze
    lz-genmove_analyze kata-raw-nn kata-get-rules kata-set-rules kata-set-param kata-get-param kata-list-params
    rectangular_boardsize fly""",
)
WORDS = (
    "b w B white BLACK green a1 b2 A1 B2 c3 C3 d4 T19 pass PASS resign 0 1 2 3 4 5 9 -1 0.5 1e9 nan inf 99999999999 "
    "interval minmoves maxmoves ownership true false all alive dead seki maxVisits maxTime ponderingEnabled "
    'chinese tromp-taylor {"ko":"SIMPLE"} {"ko":[[[ ../x.sgf game.sgf # ] \\ % ' + "\u00e9 \u2028 \u0000 \ud7ff"
).split(" ")
REPLY = re.compile(r"[=?][0-9]*( [^\n]+)?(\n[^\n]+)*\n\n")


def random_line(draw: random.Random) -> bytes:
    """A line: mostly commands with likely and unlikely arguments, some noise, some sensible moves."""
    kind = draw.random()
    if kind < 0.1:
        return bytes(draw.randrange(256) for _ in range(draw.randrange(40))).replace(b"\n", b"")
    words = [draw.choice(COMMANDS), *(draw.choice(WORDS) for _ in range(draw.randrange(5)))]
    if kind < 0.45:
        words = ["play", draw.choice("bw"), draw.choice("abc") + draw.choice("123")]
    elif kind < 0.5:
        words = ["genmove", draw.choice("bw")]
    if draw.random() < 0.3:
        words.insert(0, str(draw.randrange(10**6)))
    line = draw.choice([" ", "  ", "\t"]).join(words).encode()
    if draw.random() < 0.1:
        place = draw.randrange(len(line) + 1)
        line = line[:place] + bytes([draw.randrange(256)]).replace(b"\n", b"") + line[place:]
    return line + draw.choice([b"", b"\r", b" # so"])


def fuzz(game: Game, num_lines: int, seed: int) -> int:
    """Send lines one by one and check each reply; returns how many commands succeeded."""
    session = make_session(game, GtpConfig(simulations=2, seconds=0.02))
    engine = GtpEngine(session, "1", pytest.fail)
    draw, succeeded = random.Random(seed), 0
    for _ in range(num_lines):
        line = random_line(draw)
        request = parse_line(line)
        if session.table.config.simulations != 2 or session.table.config.ponder:
            session.table = session.table.__class__(session.table.played, config=GtpConfig(simulations=2, seconds=0.02))
        before, position = session.table, session.table.played.state.tobytes()
        written: list[str] = []
        engine.serve([line], written.append)
        told = "".join(written)
        if request is None:
            assert told == ""
            continue
        assert REPLY.fullmatch(told), (line, told)
        assert told[1:].startswith(request.number) and not told[1 + len(request.number)].isdigit(), (line, told)
        assert told.replace("\n", "").isprintable(), (line, told)
        if told[0] == "?":
            assert session.table is before and session.table.played.state.tobytes() == position, line
        succeeded += told[0] == "="
    return succeeded


@pytest.mark.plain_only  # the search would be compiled for a board of each size; the long test below is compiled
def test_some_thousand_random_lines() -> None:
    assert fuzz(ToyArea(), 1200, 1) > 300
    assert fuzz(games.make("tic_tac_toe"), 800, 2) > 150


@pytest.mark.long
@pytest.mark.compiled_only
def test_a_hundred_thousand_random_lines() -> None:
    assert fuzz(ToyArea(), 60_000, 3) > 15_000
    assert fuzz(games.make("tic_tac_toe"), 20_000, 4) > 3_000
    assert fuzz(games.make("connect_four"), 20_000, 5) > 3_000
