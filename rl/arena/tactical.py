"""A player of one-ply tactics: what somebody plays who knows the rules and looks no further than the next two moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from games.base import BoolArray, Game, HashArray, IndexArray, StateArray
from games.compiled import njit
from rl.arena.players import Stop
from rl.search.random import random_bits
from rl.search.rollouts import flatten_histories, random_legal


class TacticalPlayer:
    """Wins at once where it can; else plays at random among the moves after which the other one cannot win at once;
    where there is none, among all."""

    name = "tactical"

    def __init__(self, game: Game) -> None:
        self._game = game

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        """As `rl.arena.players.Player`."""
        actions = np.zeros(len(states), np.int64)
        hashes, offsets = flatten_histories(self._game, len(states), histories)
        choose_tactical(self._game, states, hashes, offsets, keys, actions)
        return actions


@njit
def choose_tactical(
    game: Game, states: StateArray, hashes: HashArray, offsets: IndexArray, keys: HashArray, actions: IndexArray
) -> None:
    """Write an action for each of `states` [b] into `actions` [b], drawn by its key of `keys` [b]; the history of row i
    is `hashes[offsets[i]:offsets[i + 1]]`."""
    mask = np.zeros(game.num_actions, np.bool_)
    safe = np.zeros(game.num_actions, np.bool_)
    replies = np.zeros(game.num_actions, np.bool_)
    legal = np.zeros(game.num_actions, np.int64)
    scratch = np.zeros(2, states.dtype)
    for row in range(states.size):
        past = offsets[row + 1] - offsets[row]
        history = np.zeros(past + 1, np.uint64)
        for index in range(past):
            history[index] = hashes[offsets[row] + index]
        if game.uses_history:
            history[past] = game.history_hash(states[row])
        longer = past + 1 if game.uses_history else past
        game.legal_actions(states[row], history[:past], mask)
        winning, any_safe = -1, False
        for action in range(game.num_actions):
            safe[action] = False
            if not mask[action] or winning >= 0:
                continue
            scratch[0] = states[row]
            reward, ended = game.step(scratch[0], action, history[:past])
            if reward > 0.0:
                winning = action
                continue
            if ended:
                safe[action] = reward == 0.0
            else:
                safe[action] = not can_win(game, scratch, history[:longer], replies, int(states[row]["to_play"]))
            any_safe |= safe[action]
        if winning >= 0:
            actions[row] = winning
        else:
            actions[row] = random_legal(safe if any_safe else mask, legal, random_bits(keys[row], np.uint64(0)))


@njit
def can_win(game: Game, scratch: StateArray, history: HashArray, mask: BoolArray, player: int) -> bool:
    """Whether the opponent of `player` is to move in `scratch[0]` and wins with one move. `scratch` [2]; `mask`
    [num_actions] bool is overwritten."""
    if int(scratch[0]["to_play"]) == player:
        return False
    game.legal_actions(scratch[0], history, mask)
    for action in range(game.num_actions):
        if mask[action]:
            scratch[1] = scratch[0]
            reward, _ = game.step(scratch[1], action, history)
            if reward > 0.0:
                return True
    return False
