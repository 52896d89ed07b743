"""Whole games of Go against a slow twin and against OpenSpiel, and counted positions."""

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
from playing import NO_HISTORY, legal, observed

from games.base import HashArray, State
from games.board.go import Go

RULES = [(ko, suicide) for ko in ("positional", "situational", "simple") for suicide in (True, False)]
every_rule = pytest.mark.parametrize(("ko", "suicide"), RULES)


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
