"""GTP: analyses that any line ends, raw network answers, pondering, and moves thought about aloud."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from games.base import Game
from rl.protocols.gtp.engine import GtpEngine
from rl.protocols.gtp.search import GameSearch
from rl.protocols.gtp.session import GtpConfig, Session
from rl.protocols.moves import BadRequest
from rl.search.driver import SearchConfig
from rl.search.evaluation import Evaluation, UniformEvaluator
from tests.gtp_talk import QUICK, TIC_TAC_TOE, FirstFree, Ponderous, Script, make_session, reply, talk
from tests.toy_area import ToyArea, remake

pytestmark = pytest.mark.plain_only  # the protocol; compiled, the command is tested in test_gtp_command.py


@pytest.mark.parametrize("ending", ["", "name", "# comment", "6 name", "fly"])
def test_any_line_ends_an_analysis(ending: str) -> None:
    script = Script("2 kata-analyze 1 maxmoves 2", ending)
    written: list[str] = []

    def write(text: str) -> None:
        written.append(text)
        if text.count("\n") == 1 and len(written) == 4:
            script.turns[1].set()

    script.turns[0].set()
    engine = GtpEngine(make_session(ToyArea(9), evaluator=Ponderous), "1", pytest.fail)
    engine.serve(script, write)
    head, *infos = "".join(written).split("\n\n")[0].split("\n")
    after = "".join(written).split("\n\n")[1:]
    assert head == "=2" and len(infos) >= 3
    number = r"-?[0-9.]+(e-[0-9]+)?"
    info = rf"info move [A-Z0-9a-z]+ visits [0-9]+ utility {number} winrate {number} prior {number} order [01] pv [^i]+"
    assert all(re.fullmatch(f"{info}( {info})?", line) for line in infos)
    visits = [int(line.split()[4]) for line in infos]
    assert visits == sorted(visits) and visits[-1] > visits[0], "it goes on thinking"
    expected = {"": [""], "name": ["= Keima", ""], "# comment": [""], "6 name": ["=6 Keima", ""]}
    assert after == expected.get(ending, ["? unknown command", ""])


def test_an_analysis_ends_in_the_midst_of_its_search() -> None:
    def make_search(game: Game) -> GameSearch:
        return GameSearch(game, FirstFree(game, 4), SearchConfig(root="puct"), leaves_per_tree=4, memory=64)

    session = Session(ToyArea(9), remake, make_search, QUICK)
    script = Script("kata-analyze 100000", "quit")
    written: list[str] = []
    script.turns[0].set()

    def write(text: str) -> None:
        written.append(text)
        script.turns[1].set()

    GtpEngine(session, "1", pytest.fail).serve(script, write)
    assert "".join(written).count("info move") >= 1 and written[-1] == "=\n\n"
    assert int(session.search._search.trees[0, 0]["node_visits"]) < session.search.max_simulations // 4


def test_the_game_of_a_refused_move_is_as_it_was() -> None:
    played = make_session().table.played
    played.play(0, 0)
    with pytest.raises(BadRequest, match="A3 is not legal"):
        played.play(0, 0)  # White's pass, which would make it possible, is taken back
    assert played.actions == (0,) and played.to_play == 1


def test_a_reader_that_went_away_is_no_failure_of_the_program() -> None:
    def write(text: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        GtpEngine(make_session(), "1", pytest.fail).serve([b"name"], write)


def test_an_analysis_tells_once_at_least_and_the_end_of_the_input_ends_it() -> None:
    told = talk(["lz-analyze b 1000"])
    assert re.fullmatch(r"=\ninfo move A3 visits [0-9]+ winrate [0-9]+ prior [0-9]+ order 0 pv A3[^\n]*\n\n", told)
    assert talk(["kata-analyze", "name"]).endswith("\n\n= Keima\n\n")


def test_an_analysis_with_nothing_left_to_find_waits_for_a_line() -> None:
    script = Script("play b a1", "play w c3", "play b b1", "play w c2", "kata-analyze 1", "name")
    for turn in script.turns[:5]:
        turn.set()
    threading.Timer(0.6, script.turns[5].set).start()
    begun = time.monotonic()
    told = talk(script, TIC_TAC_TOE)  # type: ignore[arg-type]
    assert time.monotonic() - begun > 0.5
    assert told.count("info move c1") <= 3 and "winrate 1 " in told and told.endswith("\n\n= Keima\n\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("kata-analyze interval", "? 'interval' lacks its value"),
        ("kata-analyze interval x", "? 'x' is no number of interval"),
        ("kata-analyze avoid b A1 3", "? analysis knows no 'avoid'"),
        ("lz-analyze b w", "? 'w' lacks its value"),
        ("kata-raw-nn 1", "? toy3 has the symmetries 0 to 0"),
        ("kata-raw-nn x", "? 'x' is no symmetry: an integer from 0 to 999"),
        ("kata-set-param maxVisits 0", "? '0' is no number of visits: an integer from 1 to 1000000000"),
        ("kata-set-param maxWisdom 3", "? unknown parameter 'maxWisdom'"),
        ("kata-set-param maxTime", "? kata-set-param takes a parameter and its value"),
        ("kata-get-param maxVisits", "= 8"),
    ],
)
def test_arguments_that_cannot_be_honoured_are_refused(line: str, told: str) -> None:
    assert reply(line).startswith(told)


def test_an_analysis_for_the_other_player_leaves_the_board() -> None:
    session = make_session()
    told = talk(["kata-analyze white 1000 ownership true", "genmove b"], session=session)
    assert told.startswith("=\ninfo move ") and [ply.player for ply in session.table.played.plies] == [0]


def test_genmove_analyze_is_not_cut_short() -> None:
    session = make_session(ToyArea(5), evaluator=Ponderous)
    session.table = replace(session.table, config=GtpConfig(seconds=0.5))
    begun = time.monotonic()
    told = talk(["4 kata-genmove_analyze b 10", "name"], session=session).split("\n\n")
    assert time.monotonic() - begun > 0.45
    head, *infos, move = told[0].split("\n")
    assert head == "=4" and len(infos) >= 2 and all(line.startswith("info move ") for line in infos)
    assert move == f"play {session.game.action_to_text(session.table.played.actions[0])}"
    assert told[1] == "= Keima"


def test_the_raw_network_by_rows_of_the_board() -> None:
    told = reply("play b a3", "kata-raw-nn 0", session=make_session(value=0.5))
    lines = told.split("\n")
    assert lines[:5] == ["= symmetry 0", "whiteWin 0.750000", "whiteLoss 0.250000", "noResult 0.000000", "policy"]
    rows = [[float(share) for share in line.split()] for line in lines[5:8]]
    assert np.isnan(rows[0][0]) and rows[0][1] == pytest.approx(1 - np.exp(-3), abs=1e-3)
    assert np.nansum(rows) + float(lines[8].removeprefix("policyPass ")) == pytest.approx(1, abs=1e-4)
    assert len(lines) == 9


def test_raw_evaluations_agree_under_every_symmetry() -> None:
    class Centre(UniformEvaluator):
        """Likes the centre, and no corner more than another: the same however the board is turned."""

        def collect(self, ticket: int) -> Evaluation:
            logits = np.tile(np.array([0, 1, 0, 1, 3, 1, 0, 1, 0], np.float32), (ticket, 1))
            return Evaluation(logits + 2 * self.buffer()[:ticket, 0].reshape(ticket, 9), np.zeros(ticket, np.float32))

    search = GameSearch(TIC_TAC_TOE, Centre(TIC_TAC_TOE, 4), SearchConfig(root="puct"), leaves_per_tree=4, memory=1)
    played = make_session(TIC_TAC_TOE).table.played
    for action in (0, 5):
        played.play(played.to_play, action)
    first = search.evaluate(played, 0).priors
    assert np.isnan(first[[0, 5]]).all() and first[4] == np.nanmax(first)
    for symmetry in range(1, 8):
        np.testing.assert_allclose(search.evaluate(played, symmetry).priors, first, rtol=1e-5)


def test_pondering_thinks_while_the_opponent_does() -> None:
    session = make_session(ToyArea(5), GtpConfig(simulations=8, ponder=True))
    script = Script("genmove b", "kata-get-param ponderingEnabled", "quit")
    written: list[str] = []
    script.turns[0].set()

    def write(text: str) -> None:
        written.append(text)
        if len(written) == 1:
            threading.Timer(0.4, script.turns[1].set).start()
        script.turns[2].set()

    GtpEngine(session, "1", pytest.fail).serve(script, write)
    assert written[1:] == ["= true\n\n", "=\n\n"]
    visits = int(session.search._search.trees[0, 0]["node_visits"])
    assert visits > 8, "the tree grew while nobody asked"
