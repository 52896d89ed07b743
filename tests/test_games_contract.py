"""What every registered game promises (`games.check`), and what is known of each game."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playing import after
from small_games import SMALL_GAMES

import games
from games.base import BoolArray, Game, StateArray
from games.check import CHECKS, run_check
from games.check.sample import Position, Sample, advance, legal, observed, play, start
from games.compiled import njit

NAMES = (*SMALL_GAMES, "connect_four4x4", "connect_four5x4", "hex4:swap")
LINE_GAMES = ("tic_tac_toe", "connect_four", "connect_four4x4", "connect_four5x4")
choices = st.lists(st.integers(0, 10**6), min_size=1, max_size=60)
game_named = cache(games.make)


@cache
def sample(name: str) -> Sample:
    game = game_named(name)
    return Sample(game, 400, seed=7, most_positions=max(40, 4000 // game.num_actions))


@pytest.mark.parametrize(
    "check", [pytest.param(name, marks=pytest.mark.compiled_only if name == "compiled" else ()) for name in CHECKS]
)
@pytest.mark.parametrize("name", NAMES)
def test_games_keep_their_promises(name: str, check: str) -> None:
    finding = run_check(check, game_named(name), sample(name))
    assert finding.status != "failed", finding.text
    assert finding.status == "passed" or check == "score"


@pytest.mark.parametrize("name", NAMES)
def test_a_game_is_made_by_its_own_name(name: str) -> None:
    assert game_named(name).name == name


def test_every_family_is_tested() -> None:
    assert {game_named(name).family for name in NAMES} == {game_named(name).family for name in games.names()}


@pytest.mark.parametrize("name", LINE_GAMES)
def test_no_slot_is_idle_everywhere(name: str) -> None:
    game = game_named(name)
    assert max(legal(game, position).sum() for position in sample(name).positions) == game.num_slots


# --- against slow, obvious twins ----------------------------------------------------------------------------------


def has_line(cells: dict[tuple[int, int], int], player: int, length: int) -> bool:
    """Whether `player` has `length` stones in a row; cells are (column, row) -> player."""
    return any(
        all(cells.get((column + step * right, row + step * up)) == player for step in range(length))
        for column, row in cells
        for right, up in ((1, 0), (0, 1), (1, 1), (1, -1))
    )


@pytest.mark.parametrize("name", LINE_GAMES)
@given(numbers=choices)
def test_rules_agree_with_a_slow_twin(name: str, numbers: list[int]) -> None:
    game = game_named(name)
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
        assert ply.after.state["to_play"] == 1 - player
        planes = observed(game, ply.after.state)  # as the player to move sees it: own stones, then the other's
        for row in range(height):
            for column in range(width):
                owner = cells.get((column, height - 1 - row))
                assert tuple(planes[:2, row, column]) == (owner == 1 - player, owner == player)
        if not ply.terminated:
            if drops:
                expected = [(column, height - 1) not in cells for column in range(width)]
            else:
                expected = [(cell % 3, 2 - cell // 3) not in cells for cell in range(9)]
            assert legal(game, ply.after).tolist() == expected


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

    def count(position: Position) -> int:
        key = int(game.hash(position.state))
        if key not in known:
            total = 0
            for action in legal(game, position).nonzero()[0]:
                child, _, terminated = advance(game, position, int(action))
                total += 1 if terminated else count(child)
            known[key] = total
        return known[key]

    assert count(start(game)) == 255168


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


@pytest.mark.parametrize(
    "name", ["", "chess", "Connect_Four", "connect_four3x4", "connect_four99x99", "connect_four4x4x4", "tic_tac_toe3x3"]
)
def test_unknown_games_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(games.UnknownGame) as refused:
        games.make(name)
    assert "\n" not in str(refused.value) and len(str(refused.value)) > 20
