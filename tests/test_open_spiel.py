"""The games against OpenSpiel's, which are written from the same rules by others.

Random games are played on both boards together: at each ply the same moves are legal, and at the end the returns are
the same. Where OpenSpiel writes or plays a game differently, `Counterpart` says so: nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

import games
from games.base import BoolArray, FloatArray, Game, IndexArray, StateArray
from games.compiled import njit

pyspiel = pytest.importorskip("pyspiel", reason="open_spiel, of the test extra, is not installed here")


class Counterpart(NamedTuple):
    """How OpenSpiel calls a game of ours, and each of its actions."""

    load: str
    """As `pyspiel.load_game` takes it."""
    text: Callable[[str, int], str]
    """(OpenSpiel's text of an action, size of the board) -> our text of the same action."""


def same(text: str, size: int) -> str:
    return text.lower()


def column_number(text: str, size: int) -> str:
    """`x0` is the first column."""
    return str(int(text[1:]) + 1)


def row_and_column(text: str, size: int) -> str:
    """`x(0,2)` is the third column of the top row."""
    row, column = text[2:-1].split(",")
    return f"{'abc'[int(column)]}{size - int(row)}"


def vertex(text: str, size: int) -> str:
    """`0,2`: which corner the counting starts from makes no difference to five in a row; we take the bottom left."""
    row, column = text.split(",")
    return f"{'ABCDEFGHJKLMNOPQRST'[int(column)]}{int(row) + 1}"


def without_captures(text: str, size: int) -> str:
    """`a2b3*` captures on b3, which our notation does not mark.

    OpenSpiel's Black moves first, from rows 7 and 8 toward row 1, as ours does.
    """
    return text.removesuffix("*")


NUM_GAMES = 40 if numba.config.DISABLE_JIT else 300
COUNTERPARTS = {
    "connect_four": Counterpart("connect_four", column_number),
    "tic_tac_toe": Counterpart("tic_tac_toe", row_and_column),
    "othello": Counterpart("othello", same),
    "hex": Counterpart("hex(board_size=11)", same),
    "gomoku": Counterpart("gomoku(size=15)", vertex),
    "breakthrough": Counterpart("breakthrough", without_captures),
}


class Translation:
    """OpenSpiel's actions as ours."""

    def __init__(self, game: Game, counterpart: Counterpart, num_actions: int) -> None:
        self._game, self._text, self._size = game, counterpart.text, game.observation_shape[1]
        self._ours = np.full((2, num_actions), -1)

    def __call__(self, state: Any, actions: list[int]) -> IndexArray:
        """[k] our numbers of k actions of the player to move."""
        player = state.current_player()
        for action in actions:
            if self._ours[player, action] < 0:
                text = self._text(state.action_to_string(player, action), self._size)
                self._ours[player, action] = self._game.text_to_action(text)
        return self._ours[player, actions]


@njit
def first_difference(
    game: Game, states: StateArray, actions: IndexArray, players: IndexArray, masks: BoolArray, returns: FloatArray
) -> int:
    """The first ply at which our game is not the one told, T where only the returns differ, or -1.

    Told are T `actions`, who took them and what was legal then ([T, num_actions]); the game ended after them with
    `returns` [2]. `states` [1] is scratch.
    """
    history = np.zeros(0, np.uint64)
    mask = np.zeros(game.num_actions, np.bool_)
    game.reset(states[0])
    for ply in range(actions.size):
        game.legal_actions(states[0], history, mask)
        if (mask != masks[ply]).any() or states[0]["to_play"] != players[ply]:
            return ply
        reward, terminated = game.step(states[0], actions[ply], history)
        if terminated != (ply == actions.size - 1):
            return ply
    mover = players[actions.size - 1]
    return -1 if returns[mover] == reward and returns[1 - mover] == -reward else actions.size


def play_together(game: Game, counterpart: Counterpart, num_games: int, seed: int) -> None:
    """Random games of OpenSpiel's, followed on our board."""
    generator = np.random.default_rng(seed)
    theirs = pyspiel.load_game(counterpart.load)
    translation = Translation(game, counterpart, theirs.num_distinct_actions())
    states = np.zeros(1, game.state_dtype)
    masks = np.zeros((game.max_num_moves, game.num_actions), np.bool_)
    for _ in range(num_games):
        other = theirs.new_initial_state()
        masks[:] = False
        actions, players = list[int](), list[int]()
        while not other.is_terminal():
            assert len(actions) < game.max_num_moves, "longer than our game says it can be"
            legal = other.legal_actions()
            ours = translation(other, legal)
            masks[len(actions), ours] = True
            choice = int(generator.integers(len(legal)))
            actions.append(int(ours[choice]))
            players.append(other.current_player())
            other.apply_action(legal[choice])
        told = np.array(actions), np.array(players), masks, np.array(other.returns(), np.float32)
        difference = first_difference(game, states, *told)
        assert difference == -1, f"at ply {difference} of {[game.action_to_text(action) for action in actions]}"


@pytest.mark.parametrize("name", COUNTERPARTS)
def test_random_games(name: str) -> None:
    play_together(games.make(name), COUNTERPARTS[name], NUM_GAMES, seed=1)


@pytest.mark.long
@pytest.mark.compiled_only
@pytest.mark.parametrize("name", COUNTERPARTS)
def test_ten_thousand_random_games(name: str) -> None:
    play_together(games.make(name), COUNTERPARTS[name], 10_000, seed=2)
