"""Playing a game from Python, for tests: the contract's methods called one state at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from games.base import BoolArray, FloatArray, Game, HashArray, State

NO_HISTORY = np.zeros(0, np.uint64)


class Ply(NamedTuple):
    """One move of a game, and the position after it."""

    action: int
    reward: float
    terminated: bool
    state: State


def legal(game: Game, state: State, history: HashArray = NO_HISTORY) -> BoolArray:
    mask = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(state, history, mask)
    return mask


def legal_texts(game: Game, state: State) -> set[str]:
    return {game.action_to_text(int(action)) for action in legal(game, state).nonzero()[0]}


def observed(game: Game, state: State) -> FloatArray:
    planes = np.full(game.observation_shape, np.nan, np.float32)
    game.observe(state, planes)
    return planes


def play(game: Game, numbers: Sequence[int]) -> list[Ply]:
    """The game in which ply p takes the legal action that `numbers[p]` picks, until its end or that of `numbers`."""
    state, plies = game.new_state(), list[Ply]()
    for number in numbers:
        actions = legal(game, state).nonzero()[0]
        action = int(actions[number % len(actions)])
        reward, terminated = game.step(state, action, NO_HISTORY)
        plies.append(Ply(action, float(reward), bool(terminated), state.copy()))
        if terminated:
            break
    return plies


def after(game: Game, moves: str) -> State:
    """The position after moves in the game's notation, separated by spaces."""
    state = game.new_state()
    for move in moves.split():
        game.step(state, game.text_to_action(move), NO_HISTORY)
    return state
