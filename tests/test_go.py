"""Go: the shapes that its rules are known by, its options, its text. tests/test_go_twins.py compares whole games."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from playing import legal, observed

import games
from games.base import Game, HashArray, State
from games.board.go import Go
from rl.search.tree import node_dtype

RULES = [(ko, suicide) for ko in ("positional", "situational", "simple") for suicide in (True, False)]


class Table:
    """A game of Go in progress with its history, moves by name."""

    def __init__(self, game: Go, state: State | None = None) -> None:
        self.game, self.state = game, game.new_state() if state is None else state
        self.hashes: list[int] = []

    @property
    def history(self) -> HashArray:
        return np.array(self.hashes if self.game.uses_history else [], np.uint64)

    def is_legal(self, move: str) -> bool:
        action = self.game.text_to_action(move)
        told = bool(legal(self.game, self.state, self.history)[action])
        assert self.game.is_legal(self.state, action, self.history) == told
        return told

    def play(self, moves: str) -> tuple[float, bool]:
        """What the last of the moves brings; each of them must be legal."""
        told = (0.0, False)
        for move in moves.split():
            assert not told[1] and self.is_legal(move), move
            history = self.history
            self.hashes.append(int(self.game.history_hash(self.state)))
            told = self.game.step(self.state, self.game.text_to_action(move), history)
        return told

    def board(self) -> list[str]:
        """Rows from the top, as `position` takes them."""
        return ["".join(line.split()[1:]) for line in self.game.to_text(self.state).splitlines()[:-1]]


def position(game: Go, rows: list[str], to_play: int = 0) -> Table:
    """The position drawn in the upper rows (X player 0, O player 1), empty below; the game begins there."""
    cells = [(row, column, mark) for row, line in enumerate(rows) for column, mark in enumerate(line)]
    stones = [("XO".index(mark), row * game.size + column) for row, column, mark in cells if mark != "."]
    state = game.new_state()
    game.set_up(state, stones, to_play)
    return Table(game, state)


SEKI = [
    "OOX.OXX",
    ".OXOOX.",
    "OOXOOXX",
    ".OXOOX.",
    "OOXOOXX",
    ".OXOOX.",
    "OOX.OXX",
]


def test_seki() -> None:
    """Neither side can take the other: who plays on one shared liberty is taken by the other one."""
    table = position(Go(7, komi=0.5), SEKI)
    owners = np.zeros(49, np.int8)
    table.game.ownership(table.state, owners)
    assert owners.reshape(7, 7).tolist() == [
        [-1, -1, 1, 0, -1, 1, 1],
        *[[-1, -1, 1, -1, -1, 1, 1]] * 5,
        owners[-7:].tolist(),
    ]
    assert owners[-7:].tolist() == [-1, -1, 1, 0, -1, 1, 1]
    assert table.game.score(table.state) == 21 - 26 - 0.5
    table.play("D7 D1")
    assert [row[2] for row in table.board()] == ["."] * 7, "the chain in self-atari is taken"
    assert table.board()[0][3] == "." and table.board()[6][3] == "O"


def test_bent_four_is_a_ko() -> None:
    table = position(Go(5), [".....", ".....", "OOO..", ".OOO.", "...O."])
    table.play("B1 A1 A2")
    assert table.board()[3:] == ["XOOO.", ".X.O."]
    assert not table.is_legal("A1"), "the ko has just been taken"
    table.play("E5 D5 A1")
    assert table.board()[3:] == [".OOO.", "OX.O."]


def test_snapback() -> None:
    table = position(Go(5), [".....", ".....", "XXX..", "OOOX.", "O..X."])
    table.play("B1 C1")
    assert table.board()[4] == "O.OX." and table.state["ko"] == 0
    table.play("B1")
    assert table.board()[3:] == ["...X.", ".X.X."]


@pytest.mark.parametrize(("ko", "allowed"), [("positional", False), ("situational", True), ("simple", True)])
def test_send_two_return_one(ko: str, allowed: bool) -> None:
    table = position(Go(5, ko=ko), [".....", ".....", ".....", "OOX..", ".X.X."])
    before = table.board()
    table.play("A1 C1")
    assert table.board()[4] == "..OX."
    assert table.is_legal("B1") == allowed
    if allowed:
        table.play("B1")
        assert table.board() == before


@pytest.mark.parametrize(("ko", "allowed"), [("positional", False), ("situational", False), ("simple", True)])
def test_triple_ko(ko: str, allowed: bool) -> None:
    mine, theirs = [".XO.", "X.XO", ".XO."], [".XO.", "XO.O", ".XO."]
    table = position(Go(9, ko=ko), theirs + theirs + mine)
    before = table.board()
    table.play("C8 B2 C5 B8 C2")
    assert table.is_legal("B5") == allowed
    if allowed:
        table.play("B5")
        assert table.board() == before


def test_simple_ko_is_forbidden_by_every_rule_and_for_one_move() -> None:
    for ko, suicide in RULES:
        table = position(Go(5, ko=ko, suicide=suicide), [".XO..", "XO.O.", ".XO.."])
        table.play("C4")
        assert table.game.action_to_text(table.game.action_of(int(table.state["ko"]))) == "B4"
        assert observed(table.game, table.state)[5].sum() == 1 and not table.is_legal("B4")
        table.play("E1 D1")
        assert table.state["ko"] == 0 and table.is_legal("B4")


def test_suicide() -> None:
    rows = [".....", ".....", ".....", "OOO..", "X.O.."]
    table = position(Go(5), rows)
    assert table.is_legal("B1")
    table.play("B1")
    assert table.board()[3:] == ["OOO..", "..O.."] and table.state["to_play"] == 1
    assert not position(Go(5, suicide=False), rows).is_legal("B1")
    for suicide in (True, False):
        alone = position(Go(5, suicide=suicide), [".....", ".....", ".....", "O....", ".O..."])
        assert not alone.is_legal("A1"), "a single stone's is never legal"


def test_suicide_that_repeats_is_superko() -> None:
    """Two stones put into an eye and lost bring the position back, with the other to move if he passed meanwhile."""
    for ko, allowed in (("positional", False), ("situational", True), ("simple", True)):
        table = position(Go(5, ko=ko), [".....", ".....", "OO...", ".OO..", "..O.."])
        table.play("A1 pass A2 pass")
        # Three points: the third stone takes the mover's own three off, which is the first position with White to move.
        assert table.is_legal("B1") == allowed
        if allowed:
            table.play("B1")
            assert table.board()[3:] == [".OO..", "..O.."]


def test_the_move_limit_ends_a_game_by_its_area() -> None:
    game = Go(3, komi=0.5, ko="simple")
    table, told = Table(game), (0.0, False)
    generator = random.Random(1)
    while not told[1]:
        assert table.state["num_moves"] < 36
        moves = [game.action_to_text(int(a)) for a in legal(game, table.state).nonzero()[0]]
        told = table.play(generator.choice(moves[:-1] or moves))
    assert table.state["num_moves"] == 36 and table.state["passes"] < 2
    assert told[0] == (1.0 if (game.score(table.state) > 0) == (table.state["to_play"] == 1) else -1.0)


@pytest.mark.parametrize(("komi", "reward"), [(24.0, 1.0), (25.0, 0.0), (25.5, -1.0)])
def test_the_komi_decides(komi: float, reward: float) -> None:
    game = Go(5)
    table = Table(game)
    table.state["komi"] = komi
    assert table.play("C3 pass pass") == (reward, True)  # player 0 moved last
    assert game.score(table.state) == 25 - komi
    assert Table(Go(5, komi=komi)).play("C3 pass pass")[0] == reward
    assert Table(Go(5, komi=komi)).play("pass C3 pass pass") == (1.0, True)  # player 1 moved last and has it all


def test_empty_boards_and_shared_points_are_nobodys() -> None:
    table = Table(Go(5, komi=0))
    assert table.play("pass pass") == (0.0, True)
    table = Table(Go(5, komi=0))
    table.play("A1 E5")
    assert table.game.score(table.state) == 0.0


def test_handicap_stones() -> None:
    game = Go(9)
    stones = [(0, game.text_to_action(vertex)) for vertex in ("C3", "G7", "C7", "G3")]
    state = game.new_state()
    game.set_up(state, stones, 1)
    table = Table(game, state)
    assert (int(state["to_play"]), int(state["num_moves"]), float(state["komi"])) == (1, 0, 7.5)
    assert game.score(state) == 81 - 7.5 and not table.is_legal("C3")
    table.play("E5 C4 D3 D4 C2 E3 B3 A1 E4 B2")
    assert table.board()[6][2] == "X"


def test_a_handicap_stone_that_was_taken_may_not_come_back_into_the_same_position() -> None:
    table = position(Go(5), [".XO..", "X.XO.", ".XO.."], to_play=1)
    table.play("B4")
    assert not table.is_legal("C4"), "the position that was set up"


@pytest.mark.parametrize(
    ("stones", "told"),
    [
        ([(0, 3), (1, 3)], "two stones on D5"),
        ([(0, 0), (1, 1), (1, 5)], "the stone on A5 has no liberty"),
        ([(0, 25)], "no stone for this board"),
        ([(2, 0)], "no stone for this board"),
    ],
)
def test_impossible_positions_are_refused(stones: list[tuple[int, int]], told: str) -> None:
    game = Go(5)
    with pytest.raises(ValueError, match=told):
        game.set_up(game.new_state(), stones, 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": 1}, "sizes are 2 to 19"),
        ({"size": 20}, "sizes are 2 to 19"),
        ({"ko": "super"}, "positional, situational, simple"),
        ({"size": 5, "komi": 1001}, "at most 1000 points"),
        ({"komi": float("nan")}, "komi nan"),
    ],
)
def test_impossible_options_are_refused_in_one_line(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        Go(**options)
    assert "\n" not in str(refused.value)


def test_names_tell_the_options() -> None:
    assert [games.make(name).name for name in ("go", "go19", "go5")] == ["go19", "go19", "go5"]
    assert Go(9, 7, "simple", False).name == "go9:komi=7,ko=simple,suicide=no"
    for name in ("go1", "go20", "go09", "go9x9"):
        with pytest.raises(games.UnknownGame):
            games.make(name)


def test_vertices() -> None:
    game = Go(19)
    assert [game.text_to_action(text) for text in ("A19", "T19", "J10", "A1", "T1", "pass")] == [
        0,
        18,
        179,
        342,
        360,
        361,
    ]
    for text in ("I5", "A0", "A20", "U1", "", "A", "5", "A01", "PASS"):
        with pytest.raises(ValueError, match="no vertex"):
            game.text_to_action(text)


def test_a_board_as_text() -> None:
    game = Go(10)
    lines = game.to_text(position(game, ["X.O.......", ".........X"]).state).splitlines()
    assert lines[:2] == ["10 X . O . . . . . . .", " 9 . . . . . . . . . X"] and lines[-1] == "   A B C D E F G H J K"


def test_contents_are_what_the_network_sees() -> None:
    game = games.make("go7")
    state, draw = game.new_state(), random.Random(5)
    for _ in range(60):
        game.step(state, draw.choice(np.flatnonzero(legal(game, state)).tolist()), np.zeros(0, np.uint64))
        assert np.array_equal(game.contents(state), Game.contents(game, state))


def test_a_node_of_nine_by_nine_is_at_most_2000_bytes() -> None:
    assert node_dtype(Go(9)).itemsize <= 2000


def test_the_cache_key_covers_komi_pass_ko_and_turn() -> None:
    game = Go(5)
    state = game.new_state()
    keys = {int(game.hash(state))}
    for field, value in (("komi", 6.5), ("komi", -0.5), ("passes", 1), ("ko", 3), ("to_play", 1)):
        changed = state.copy()
        changed[field] = value
        keys.add(int(game.hash(changed)))
    assert len(keys) == 6
