"""Plays random games of each game named on the command line and prints one digest of all that its methods say.

Run with the JIT on and with NUMBA_DISABLE_JIT=1 by test_games_contract.py: the digests must agree.
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import numpy.typing as npt

import games
from games.base import BoolArray, FloatArray, Game, HashArray, StateArray
from games.compiled import njit


@njit
def play_out(
    game: Game,
    states: StateArray,
    choices: npt.NDArray[np.int64],
    masks: BoolArray,
    planes: FloatArray,
    told: HashArray,
) -> int:
    """One game, its ply p by `choices[p]`; fills masks [P, num_actions], planes [P, C, H, W], told [P]; its length."""
    history = np.zeros(0, np.uint64)
    state = states[0]
    game.reset(state)
    for ply in range(choices.shape[0]):
        game.legal_actions(state, history, masks[ply])
        nth = choices[ply] % masks[ply].sum()
        action = 0
        for candidate in range(game.num_actions):
            if masks[ply, candidate]:
                if nth == 0:
                    action = candidate
                nth -= 1
        reward, terminated = game.step(state, action, history)
        game.observe(state, planes[ply])
        told[ply] = game.hash(state) ^ game.history_hash(state) ^ np.uint64(int(reward) + 2)
        if terminated:
            return ply + 1
    return -1


@njit
def tell_scores(game: Game, states: StateArray, owners: npt.NDArray[np.int8]) -> float:
    """The score of states[0]; fills `owners` [H*W]."""
    game.ownership(states[0], owners)
    return game.score(states[0])


@njit
def ask_single(game: Game, states: StateArray, mask: BoolArray) -> None:
    """Fill `mask` [num_actions] action by action."""
    for action in range(game.num_actions):
        mask[action] = game.is_legal(states[0], action, np.zeros(0, np.uint64))


def digest(game: Game, num_games: int) -> str:
    generator = np.random.default_rng(1)
    digest = hashlib.sha256()
    for _ in range(num_games):
        masks = np.zeros((game.max_num_moves, game.num_actions), np.bool_)
        planes = np.zeros((game.max_num_moves, *game.observation_shape), np.float32)
        told = np.zeros(game.max_num_moves, np.uint64)
        states = np.zeros(1, game.state_dtype)
        length = play_out(game, states, generator.integers(0, 1 << 30, game.max_num_moves), masks, planes, told)
        owners, single = np.zeros(game.observation_shape[1:], np.int8).ravel(), np.zeros(game.num_actions, np.bool_)
        score = tell_scores(game, states, owners) if game.is_scored else 0.0
        if game.answers_single_actions:
            ask_single(game, states, single)
        for part in (states, masks[:length], planes[:length], told[:length], owners, single, np.array([length, score])):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, digest(games.make(name), 30))
