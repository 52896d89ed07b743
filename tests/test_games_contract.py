"""What every registered game promises (`games.base`), checked over random play, and what is known of each game."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playing import NO_HISTORY, Ply, after, legal, observed, play
from small_games import SMALL_GAMES

import games
from games.base import BoolArray, Game, State, StateArray
from games.compiled import njit

NAMES = (*SMALL_GAMES, "connect_four4x4", "connect_four5x4", "hex4:swap")
LINE_GAMES = ("tic_tac_toe", "connect_four", "connect_four4x4", "connect_four5x4")
every_game = pytest.mark.parametrize("game", [games.make(name) for name in NAMES], ids=NAMES)
NEVER_FULL = ("othello6", "breakthrough")
"""Games whose slots random play never fills: their most legal actions are a proven bound, not a common sight."""
choices = st.lists(st.integers(0, 10**6), min_size=1, max_size=60)


@cache
def random_games(game: Game) -> list[list[Ply]]:
    generator = np.random.default_rng(7)
    num_games = min(60, 800 // game.max_num_moves)
    return [play(game, generator.integers(0, 1 << 30, game.max_num_moves).tolist()) for _ in range(num_games)]


def positions(game: Game) -> list[State]:
    """The start and every position of the random games that has not ended."""
    return [game.new_state(), *(ply.state for plies in random_games(game) for ply in plies if not ply.terminated)]


def test_every_family_is_tested() -> None:
    assert {games.make(name).family for name in NAMES} == {games.make(name).family for name in games.names()}


@every_game
def test_declarations_fit_together(game: Game) -> None:
    assert game.name in NAMES and games.make(game.name).name == game.name
    assert {"to_play", "num_moves"} <= set(game.state_dtype.names or ())
    assert game.num_players in (1, 2) and 1 <= game.num_slots <= game.num_actions
    assert len(game.observation_shape) == 3 and game.state_dtype.itemsize > 0
    cells = game.action_cells()
    _, height, width = game.observation_shape
    assert cells.shape == (game.num_actions, 3)
    for plane, row, column in cells.tolist():
        if plane == -1:
            assert 0 <= row < game.num_extra_actions and column == 0
        else:
            assert 0 <= plane < game.num_policy_planes and 0 <= row < height and 0 <= column < width


@every_game
def test_reset_writes_every_field(game: Game) -> None:
    states = np.frombuffer(b"\x77" * game.state_dtype.itemsize, game.state_dtype).copy()
    game.reset(states[0])
    assert states[0] == game.new_state()
    assert states[0]["to_play"] == 0 and states[0]["num_moves"] == 0


@every_game
def test_masks_are_written_in_full_and_fit_the_slots(game: Game) -> None:
    cells = game.action_cells()
    for state in positions(game):
        masks = np.array([[False], [True]]).repeat(game.num_actions, axis=1)
        for mask in masks:
            game.legal_actions(state, NO_HISTORY, mask)
        assert (masks[0] == masks[1]).all()
        assert 1 <= masks[0].sum() <= game.num_slots
        places = {tuple(cell) for cell in cells[masks[0]].tolist()}
        assert len(places) == masks[0].sum(), "two legal actions have one logit"
        if game.answers_single_actions:
            answers = [game.is_legal(state, action, NO_HISTORY) for action in range(game.num_actions)]
            assert answers == masks[0].tolist()
    if game.name not in NEVER_FULL:
        assert max(legal(game, state).sum() for state in positions(game)) == game.num_slots


@every_game
def test_methods_that_look_change_nothing(game: Game) -> None:
    for state in positions(game)[:50]:
        before = state.copy()
        legal(game, state), observed(game, state), game.hash(state), game.history_hash(state), game.to_text(state)
        assert state == before


@every_game
def test_games_end_in_time(game: Game) -> None:
    for plies in random_games(game):
        assert plies[-1].terminated and len(plies) <= game.max_num_moves
        assert [int(ply.state["num_moves"]) for ply in plies] == list(range(1, len(plies) + 1))
        assert all(0 <= ply.state["to_play"] < game.num_players for ply in plies)


@every_game
def test_rewards_come_at_the_end_and_within_bounds(game: Game) -> None:
    seen = set()
    for plies in random_games(game):
        if game.zero_sum:
            assert all(ply.reward == 0 for ply in plies[:-1]) and plies[-1].reward in (-1, 0, 1)
        seen.add(plies[-1].reward)
        if game.value_bounds is not None:
            low, high = game.value_bounds
            assert low <= sum(ply.reward for ply in plies) <= high
    assert 1 in seen, "no game was won by the player who moved: is the reward the mover's?"


@every_game
def test_counted_boards_tell_who_won(game: Game) -> None:
    owners = np.full(game.observation_shape[1] * game.observation_shape[2], 77, np.int8)
    for plies in random_games(game) if game.is_scored else []:
        last = plies[-1]
        mover = int((plies[-2].state if len(plies) > 1 else game.new_state())["to_play"])
        komi = float(last.state["komi"]) if "komi" in (game.state_dtype.names or ()) else 0.0
        game.ownership(last.state, owners)
        assert set(owners.tolist()) <= {-1, 0, 1}
        assert game.score(last.state) == owners.sum() - komi
        assert np.sign(game.score(last.state)) == (last.reward if mover == 0 else -last.reward)


@every_game
def test_observations_are_written_in_full(game: Game) -> None:
    for state in positions(game):
        assert np.isfinite(observed(game, state)).all()


@every_game
def test_symmetries_are_symmetries(game: Game) -> None:
    symmetries = game.symmetries()
    num_planes, height, width = game.observation_shape
    assert (symmetries[0].cells == np.arange(height * width)).all()
    assert (symmetries[0].actions == np.arange(game.num_actions)).all()
    assert len({(tuple(symmetry.cells), tuple(symmetry.actions)) for symmetry in symmetries}) == len(symmetries)
    for symmetry in symmetries:
        assert sorted(symmetry.cells) == list(range(height * width))
        assert sorted(symmetry.actions) == list(range(game.num_actions))
        for plies in random_games(game)[:12]:
            state = game.new_state()
            state["to_play"] = int(symmetry.swaps_players)
            for ply in plies:
                reward, terminated = game.step(state, int(symmetry.actions[ply.action]), NO_HISTORY)
                assert (reward, terminated) == (ply.reward, ply.terminated)
                planes = observed(game, ply.state).reshape(num_planes, -1)
                assert (observed(game, state).reshape(num_planes, -1) == planes[:, symmetry.cells]).all()
                if not terminated:
                    assert (legal(game, state)[symmetry.actions] == legal(game, ply.state)).all()


@every_game
def test_equal_hashes_are_equal_observations(game: Game) -> None:
    by_hash: dict[int, bytes] = {}
    by_observation: dict[bytes, int] = {}
    for state in positions(game):
        key, planes = int(game.hash(state)), observed(game, state).tobytes()
        assert key != 0
        assert by_hash.setdefault(key, planes) == planes, "one hash, two observations"
        assert by_observation.setdefault(planes, key) == key, "one observation, two hashes: the cache would miss"
    assert len(by_hash) > 50


@every_game
def test_moves_round_trip_as_text(game: Game) -> None:
    texts = [game.action_to_text(action) for action in range(game.num_actions)]
    assert [game.text_to_action(text) for text in texts] == list(range(game.num_actions))
    assert len(set(texts)) == game.num_actions


@every_game
@given(text=st.one_of(st.text(max_size=4), st.from_regex(r"[a-z]?[0-9]{1,3}", fullmatch=True)))
def test_other_text_is_refused_in_one_line(game: Game, text: str) -> None:
    try:
        action = game.text_to_action(text)
    except ValueError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert game.action_to_text(action) == text


@every_game
def test_boards_are_plain_text(game: Game) -> None:
    for plies in random_games(game)[:10]:
        texts = [game.to_text(game.new_state()), *(game.to_text(ply.state) for ply in plies)]
        assert all(text.isascii() and "\x1b" not in text for text in texts)
        assert len(set(texts)) == len(texts), "a move changed nothing on the board"
        assert len({len(text.splitlines()) for text in texts}) == 1


@pytest.mark.compiled_only
def test_compiled_and_plain_python_agree() -> None:
    digests = []
    for disabled in ("0", "1"):
        command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("game_digest.py")), *NAMES]
        environment = os.environ | {"NUMBA_DISABLE_JIT": disabled}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.append(result.stdout.splitlines())
    assert len(digests[0]) == len(NAMES)
    assert digests[0] == digests[1]


# --- against slow, obvious twins ----------------------------------------------------------------------------------


def has_line(cells: dict[tuple[int, int], int], player: int, length: int) -> bool:
    """Whether `player` has `length` stones in a row; cells are (column, row) -> player."""
    return any(
        all(cells.get((column + step * right, row + step * up)) == player for step in range(length))
        for column, row in cells
        for right, up in ((1, 0), (0, 1), (1, 1), (1, -1))
    )


@pytest.mark.parametrize("game", [games.make(name) for name in LINE_GAMES], ids=LINE_GAMES)
@given(numbers=choices)
def test_rules_agree_with_a_slow_twin(game: Game, numbers: list[int]) -> None:
    _, height, width = game.observation_shape
    drops = game.name.startswith("connect_four")
    needed = 4 if drops else 3
    cells: dict[tuple[int, int], int] = {}  # row 0 is the bottom one
    for number, ply in enumerate(play(game, numbers)):
        player = number % 2
        if drops:
            cell = (ply.action, sum(column == ply.action for column, _ in cells))
        else:
            cell = (ply.action % 3, 2 - ply.action // 3)
        assert cell not in cells and 0 <= cell[0] < width and 0 <= cell[1] < height
        cells[cell] = player
        won = has_line(cells, player, needed)
        assert (ply.reward, ply.terminated) == (float(won), won or len(cells) == width * height)
        assert ply.state["to_play"] == 1 - player
        planes = observed(game, ply.state)  # as the player to move sees it: own stones, then the other's
        for row in range(height):
            for column in range(width):
                owner = cells.get((column, height - 1 - row))
                assert tuple(planes[:, row, column]) == (owner == 1 - player, owner == player)
        if not ply.terminated:
            if drops:
                expected = [(column, height - 1) not in cells for column in range(width)]
            else:
                expected = [(cell % 3, 2 - cell // 3) not in cells for cell in range(9)]
            assert legal(game, ply.state).tolist() == expected


# --- published counts ---------------------------------------------------------------------------------------------


@njit
def expand_all(game: Game, states: StateArray, children: StateArray, ended: BoolArray) -> int:
    """Every child of every state; returns how many. `children` and `ended` hold num_actions a state."""
    history = np.zeros(0, np.uint64)
    mask = np.zeros(game.num_actions, np.bool_)
    count = 0
    for parent in range(states.shape[0]):
        game.legal_actions(states[parent], history, mask)
        for action in range(game.num_actions):
            if mask[action]:
                children[count] = states[parent]
                _, ended[count] = game.step(children[count], action, history)
                count += 1
    return count


@njit
def hash_all(game: Game, states: StateArray, hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> None:
    for index in range(states.shape[0]):
        hashes[index] = game.hash(states[index])


def positions_by_ply(game: Game, num_plies: int) -> list[int]:
    """How many different positions there are after 0, 1, ... plies, those where the game has ended included."""
    states = np.array([game.new_state()], game.state_dtype)
    counts = [1]
    for _ in range(num_plies):
        children = np.zeros(len(states) * game.num_actions, game.state_dtype)
        ended = np.zeros(len(children), np.bool_)
        count = expand_all(game, states, children, ended)
        rows = children[:count].view(np.dtype((np.void, game.state_dtype.itemsize)))
        _, first = np.unique(rows, return_index=True)
        hashes = np.zeros(len(first), np.uint64)
        hash_all(game, children[first], hashes)
        assert len(np.unique(hashes)) == len(first), "two positions share a hash"
        counts.append(len(first))
        states = children[first[~ended[first]]]
    return counts


@pytest.mark.compiled_only
def test_connect_four_position_counts() -> None:
    expected = [1, 7, 49, 238, 1120, 4263, 16422, 54859, 184275]
    assert positions_by_ply(games.make("connect_four"), 8) == expected


def test_connect_four_first_position_counts() -> None:
    assert positions_by_ply(games.make("connect_four"), 3) == [1, 7, 49, 238]


def test_tic_tac_toe_position_counts() -> None:
    assert positions_by_ply(games.make("tic_tac_toe"), 9) == [1, 9, 72, 252, 756, 1260, 1520, 1140, 390, 78]  # 5,478


def test_tic_tac_toe_has_255168_games() -> None:
    game = games.make("tic_tac_toe")
    known: dict[int, int] = {}

    def count(state: State) -> int:
        key = int(game.hash(state))
        if key not in known:
            total = 0
            for action in legal(game, state).nonzero()[0]:
                child = state.copy()
                _, terminated = game.step(child, int(action), NO_HISTORY)
                total += 1 if terminated else count(child)
            known[key] = total
        return known[key]

    assert count(game.new_state()) == 255168


# --- one game at a time -------------------------------------------------------------------------------------------


def test_connect_four_board_as_text() -> None:
    game = games.make("connect_four5x4")
    assert game.to_text(after(game, "3 3 2 5")).splitlines() == [
        ". . . . .",
        ". . . . .",
        ". . O . .",
        ". X X . O",
        "1 2 3 4 5",
    ]


def test_tic_tac_toe_board_as_text() -> None:
    game = games.make("tic_tac_toe")
    assert game.to_text(after(game, "b2 a1 c3")).splitlines() == ["3 . . X", "2 . X .", "1 O . .", "  a b c"]
