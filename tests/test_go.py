"""Go: against a slow twin, counted positions and OpenSpiel; and the shapes that rules of Go are known by."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from go_board import SlowGo
from hypothesis import given, settings
from hypothesis import strategies as st

import games
from games.base import BoolArray, FloatArray, HashArray, State
from games.board.go import Go
from rl.search.tree import node_dtype

NO_HISTORY = np.zeros(0, np.uint64)
RULES = [(ko, suicide) for ko in ("positional", "situational", "simple") for suicide in (True, False)]
every_rule = pytest.mark.parametrize(("ko", "suicide"), RULES)


def legal(game: Go, state: State, history: HashArray = NO_HISTORY) -> BoolArray:
    mask = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(state, history, mask)
    return mask


def observed(game: Go, state: State) -> FloatArray:
    planes = np.full(game.observation_shape, np.nan, np.float32)
    game.observe(state, planes)
    return planes


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


# --- against the twin ---------------------------------------------------------------------------------------------


def check_position(game: Go, state: State, history: HashArray, twin: SlowGo) -> list[int]:
    """All that can be asked of a position must be what the twin says; returns the legal actions."""
    assert int(state["to_play"]) == twin.now.to_play and int(state["num_moves"]) == twin.num_moves
    colours = dict(twin.now.stones)
    planes = observed(game, state)
    ko = twin.ko_point()
    for row, column in itertools.product(range(game.size), repeat=2):
        colour = colours.get((row, column))
        count = 0 if colour is None else twin.liberties((row, column))
        own = [colour == twin.now.to_play, colour == 1 - twin.now.to_play]
        expected = [*own, count == 1, count == 2, count == 3, (row, column) == ko, twin.passes > 0, True]
        assert planes[:8, row, column].tolist() == expected
    komi = twin.komi if twin.now.to_play == 1 else -twin.komi
    assert (planes[8] == np.float32(komi * 0.1)).all()
    owners = np.full(game.size**2, 9, np.int8)
    game.ownership(state, owners)
    assert owners.tolist() == twin.owners()
    assert game.score(state) == twin.score()
    expected = twin.legal()
    assert legal(game, state, history).tolist() == expected
    assert [game.is_legal(state, action, history) for action in range(game.num_actions)] == expected
    return [action for action, found in enumerate(expected) if found]


def restless(twin: SlowGo, actions: list[int], generator: random.Random) -> int:
    """A move that keeps the board in motion: mostly captures and suicides where there are any, seldom a pass."""
    stones = actions[:-1]
    changing = [action for action in stones if any(twin.result(action)[1:])]
    if changing and generator.random() < 0.6:
        return generator.choice(changing)
    return generator.choice(stones if stones and generator.random() < 0.97 else actions)


def play_against_twin(game: Go, generator: random.Random) -> int:
    """One restless game, all of it compared; returns how many moves a superko forbade."""
    twin = SlowGo(game.size, game.komi, game.ko, game.suicide)
    state, hashes, forbidden = game.new_state(), list[int](), 0
    by_hash: dict[int, Any] = {}
    while True:
        history = np.array(hashes if game.uses_history else [], np.uint64)
        actions = check_position(game, state, history, twin)
        forbidden += int((legal(game, state) != legal(game, state, history)).sum())
        key = twin.now if game.situational else twin.now.stones
        assert by_hash.setdefault(int(game.history_hash(state)), key) == key
        action = restless(twin, actions, generator)
        hashes.append(int(game.history_hash(state)))
        player = twin.now.to_play
        reward, terminated = game.step(state, action, history)
        twin.step(action)
        assert terminated == (twin.lead is not None)
        if twin.lead is not None:
            lead = twin.lead if player == 0 else -twin.lead
            assert reward == (lead > 0) - (lead < 0)
            assert len(set(by_hash.values())) == len(by_hash), "one position, two hashes"
            return forbidden
        assert reward == 0.0


@every_rule
@pytest.mark.parametrize(("size", "num_games"), [(2, 6), (3, 4), (5, 1)])
def test_restless_games_against_the_twin(size: int, num_games: int, ko: str, suicide: bool) -> None:
    generator = random.Random(size)
    game = Go(size, 0.5, ko, suicide)
    forbidden = [play_against_twin(game, generator) for _ in range(num_games)]
    assert ko == "simple" or sum(forbidden) > 0, "no superko was ever asked"


@pytest.mark.long
@every_rule
@pytest.mark.parametrize(("size", "num_games"), [(2, 600), (3, 500), (4, 300), (5, 250), (11, 6)])
def test_many_restless_games_against_the_twin(size: int, num_games: int, ko: str, suicide: bool) -> None:
    generator = random.Random(100 + size)
    game = Go(size, 3.0, ko, suicide)
    assert ko == "simple" or sum(play_against_twin(game, generator) for _ in range(num_games)) > 0


@settings(max_examples=12)
@given(
    size=st.integers(2, 4),
    rules=st.sampled_from(RULES),
    numbers=st.lists(st.integers(0, 10**6), min_size=1, max_size=40),
)
def test_any_game_against_the_twin(size: int, rules: tuple[str, bool], numbers: list[int]) -> None:
    game, twin = Go(size, 7.5, *rules), SlowGo(size, 7.5, *rules)
    state, hashes = game.new_state(), list[int]()
    for number in numbers:
        history = np.array(hashes if game.uses_history else [], np.uint64)
        actions = check_position(game, state, history, twin)
        hashes.append(int(game.history_hash(state)))
        _, terminated = game.step(state, actions[number % len(actions)], history)
        twin.step(actions[number % len(actions)])
        if terminated:
            break


# --- counted positions --------------------------------------------------------------------------------------------


def count_positions(size: int) -> int:
    """Colourings of the board that `set_up` takes, all of different hashes."""
    game = Go(size)
    state, hashes = game.new_state(), set()
    for colours in itertools.product((None, 0, 1), repeat=size * size):
        stones = [(colour, action) for action, colour in enumerate(colours) if colour is not None]
        try:
            game.set_up(state, stones, 0)
        except ValueError as error:
            assert "no liberty" in str(error)
        else:
            hashes.add(int(game.history_hash(state)))
    return len(hashes)


def test_57_positions_on_two_by_two() -> None:
    assert count_positions(2) == 57


@pytest.mark.compiled_only
def test_12675_positions_on_three_by_three() -> None:
    assert count_positions(3) == 12675


def test_57_positions_are_reached_on_two_by_two() -> None:
    game = Go(2, ko="simple")
    found, edge = {int(game.history_hash(game.new_state()))}, [game.new_state()]
    known = {edge[0].tobytes()[:8] + bytes([0])}
    while edge:
        state = edge.pop()
        for action in legal(game, state).nonzero()[0]:
            after = state.copy()
            game.step(after, int(action), NO_HISTORY)
            after["num_moves"], after["passes"] = 0, 0
            key = after.tobytes()[:8] + bytes([int(after["to_play"]) + 2 * int(after["ko"])])
            if key not in known:
                known.add(key)
                found.add(int(game.history_hash(after)))
                edge.append(after)
    assert len(found) == 57


# --- against OpenSpiel --------------------------------------------------------------------------------------------


def play_against_openspiel(size: int, generator: random.Random) -> str:
    """One random game under the rules OpenSpiel has: simple ko, no suicide. Returns how it ended.

    There a repeated position ends the game as a draw, here it does not: that game is compared up to its repetition.
    """
    import pyspiel

    game = Go(size, 7.5, "simple", suicide=False)
    table = pyspiel.load_game(
        f"go(board_size={size},komi=7.5,max_game_length={game.max_num_moves})"
    ).new_initial_state()
    state, seen = game.new_state(), set()
    while True:
        seen.add(int(game.history_hash(state)))
        player = table.current_player()
        assert player == state["to_play"]
        theirs = {
            table.action_to_string(player, action).split()[-1].upper(): action for action in table.legal_actions()
        }
        ours = {game.action_to_text(int(action)).upper(): int(action) for action in legal(game, state).nonzero()[0]}
        assert theirs.keys() == ours.keys()
        move = generator.choice(sorted(ours))
        table.apply_action(theirs[move])
        reward, terminated = game.step(state, ours[move], NO_HISTORY)
        if table.is_terminal() and not terminated:
            assert int(game.history_hash(state)) in seen and table.returns() == [0.0, 0.0]
            return "repetition"
        assert table.is_terminal() == terminated
        if terminated:
            assert table.returns()[player] == reward
            return "limit" if state["num_moves"] == game.max_num_moves else "passes"


def compare_with_openspiel(size: int, num_games: int) -> dict[str, int]:
    pytest.importorskip("pyspiel", reason="open_spiel, of the test extra, is not installed")
    generator = random.Random(size)
    ends = [play_against_openspiel(size, generator) for _ in range(num_games)]
    return {end: ends.count(end) for end in set(ends)}


@pytest.mark.parametrize(("size", "num_games"), [(5, 12), (9, 1)])
def test_random_games_against_openspiel(size: int, num_games: int) -> None:
    ends = compare_with_openspiel(size, num_games)
    assert ends.get("passes", 0) > 0 or size > 5


@pytest.mark.long
@pytest.mark.parametrize(("size", "num_games"), [(5, 7000), (7, 2400), (9, 500), (19, 100)])
def test_many_random_games_against_openspiel(size: int, num_games: int) -> None:
    ends = compare_with_openspiel(size, num_games)
    print(size, ends)
    assert ends.get("passes", 0) > 0


# --- shapes ---------------------------------------------------------------------------------------------------------


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


# --- compiled = plain -------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_compiled_and_plain_python_agree_on_restless_games() -> None:
    digests = []
    for disabled in ("0", "1"):
        command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("go_digest.py"))]
        environment = os.environ | {"NUMBA_DISABLE_JIT": disabled}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.append(result.stdout.split())
    assert len(digests[0]) == 3 and digests[0] == digests[1]
