"""What every registered game promises (`games.base`), checked over random play, and what is known of each game."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import games
from games.base import BoolArray, FloatArray, Game, HashArray, State, StateArray
from games.compiled import njit

SMALL = ("connect_four4x4", "connect_four5x4", "go5")
"""Sizes that are tested in place of, or beside, those that people ask for: plain Python is slow on large boards."""
NAMES = (*(name for name in games.names() if games.make(name).max_num_moves <= 100), *SMALL)
every_game = pytest.mark.parametrize("game", [games.make(name) for name in NAMES], ids=NAMES)
NO_HISTORY = np.zeros(0, np.uint64)
choices = st.lists(st.integers(0, 10**6), min_size=1, max_size=60)


class Ply(NamedTuple):
    """One move of a game, and the position after it."""

    action: int
    reward: float
    terminated: bool
    state: State
    history: HashArray
    """[K] the hashes of the positions before that one; empty unless the game uses history."""


def legal(game: Game, state: State, history: HashArray = NO_HISTORY) -> BoolArray:
    mask = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(state, history, mask)
    return mask


def longer(game: Game, history: HashArray, state: State) -> HashArray:
    """The history of the position after `state`, which has this one."""
    return np.append(history, np.uint64(game.history_hash(state))) if game.uses_history else history


def observed(game: Game, state: State) -> FloatArray:
    planes = np.full(game.observation_shape, np.nan, np.float32)
    game.observe(state, planes)
    return planes


def play(game: Game, numbers: list[int]) -> list[Ply]:
    """The game in which ply p takes the legal action that `numbers[p]` picks, until its end or that of `numbers`."""
    state, plies, history = game.new_state(), list[Ply](), NO_HISTORY
    for number in numbers:
        actions = legal(game, state, history).nonzero()[0]
        action = int(actions[number % len(actions)])
        after = longer(game, history, state)
        reward, terminated = game.step(state, action, history)
        history = after
        plies.append(Ply(action, float(reward), bool(terminated), state.copy(), history))
        if terminated:
            break
    return plies


@cache
def random_games(game: Game) -> list[list[Ply]]:
    generator = np.random.default_rng(7)
    num_games = 60 if game.max_num_moves < 60 else 12
    return [play(game, generator.integers(0, 1 << 30, game.max_num_moves).tolist()) for _ in range(num_games)]


def positions_with_history(game: Game) -> list[tuple[State, HashArray]]:
    """The start and every position of the random games that has not ended."""
    going_on = [ply for plies in random_games(game) for ply in plies if not ply.terminated]
    return [(game.new_state(), NO_HISTORY), *((ply.state, ply.history) for ply in going_on)]


def positions(game: Game) -> list[State]:
    return [state for state, _ in positions_with_history(game)]


@every_game
def test_declarations_fit_together(game: Game) -> None:
    assert game.name in NAMES and games.make(game.name).name == game.name
    assert {"to_play", "num_moves"} <= set(game.state_dtype.names or ())
    assert game.num_players in (1, 2) and 1 <= game.num_slots <= game.num_actions
    assert len(game.observation_shape) == 3 and game.state_dtype.itemsize > 0
    cells = game.action_cells()
    _, height, width = game.observation_shape
    assert cells.shape == (game.num_actions, 3) and len({tuple(cell) for cell in cells.tolist()}) == game.num_actions
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
    most = 0
    for state, history in positions_with_history(game):
        masks = np.array([[False], [True]]).repeat(game.num_actions, axis=1)
        for mask in masks:
            game.legal_actions(state, history, mask)
        assert (masks[0] == masks[1]).all()
        assert 1 <= masks[0].sum() <= game.num_slots
        most = max(most, masks[0].sum())
    assert most == game.num_slots


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
        for plies in random_games(game)[: 12 if game.max_num_moves < 60 else 1]:
            state, history = game.new_state(), NO_HISTORY
            for ply in plies:
                after = longer(game, history, state)
                reward, terminated = game.step(state, int(symmetry.actions[ply.action]), history)
                history = after
                assert (reward, terminated) == (ply.reward, ply.terminated)
                planes = observed(game, ply.state).reshape(num_planes, -1)
                assert (observed(game, state).reshape(num_planes, -1) == planes[:, symmetry.cells]).all()
                if not terminated:
                    told = legal(game, state, history)[symmetry.actions]
                    assert (told == legal(game, ply.state, ply.history)).all()


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


def passing(game: Game) -> int:
    """The action that passes, -1 where there is none."""
    return next((action for action in range(game.num_actions) if game.action_to_text(action) == "pass"), -1)


@every_game
def test_boards_are_plain_text(game: Game) -> None:
    for plies in random_games(game)[:10]:
        texts = [game.to_text(game.new_state()), *(game.to_text(ply.state) for ply in plies)]
        assert all(text.isascii() and "\x1b" not in text for text in texts)
        changed = [text for text, ply in zip(texts[1:], plies, strict=True) if ply.action != passing(game)]
        assert len({texts[0], *changed}) == len(changed) + 1, "a move changed nothing on the board"
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


@pytest.mark.parametrize(
    "game", [games.make(name) for name in NAMES if name.startswith(("connect_four", "tic_tac_toe"))]
)
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


def after(game: Game, moves: str, split: Callable[[str], list[str]] = str.split) -> State:
    state = game.new_state()
    for move in split(moves):
        game.step(state, game.text_to_action(move), NO_HISTORY)
    return state


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


@pytest.mark.parametrize(
    "name", ["", "chess", "Connect_Four", "connect_four3x4", "connect_four99x99", "connect_four4x4x4", "tic_tac_toe3x3"]
)
def test_unknown_games_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(games.UnknownGame) as refused:
        games.make(name)
    assert "\n" not in str(refused.value) and len(str(refused.value)) > 20
