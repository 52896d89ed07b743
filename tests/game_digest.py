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
    history = np.zeros(choices.shape[0], np.uint64)
    state = states[0]
    game.reset(state)
    for ply in range(choices.shape[0]):
        past = history[: ply if game.uses_history else 0]
        game.legal_actions(state, past, masks[ply])
        nth = choices[ply] % masks[ply].sum()
        action = 0
        for candidate in range(game.num_actions):
            if masks[ply, candidate]:
                if nth == 0:
                    action = candidate
                nth -= 1
        history[ply] = game.history_hash(state)
        reward, terminated = game.step(state, action, past)
        game.observe(state, planes[ply])
        told[ply] = game.hash(state) ^ game.history_hash(state) ^ np.uint64(int(reward) + 2)
        if terminated:
            return ply + 1
    return -1


def digest(game: Game, num_games: int) -> str:
    generator = np.random.default_rng(1)
    digest = hashlib.sha256()
    for _ in range(num_games):
        masks = np.zeros((game.max_num_moves, game.num_actions), np.bool_)
        planes = np.zeros((game.max_num_moves, *game.observation_shape), np.float32)
        told = np.zeros(game.max_num_moves, np.uint64)
        states = np.zeros(1, game.state_dtype)
        length = play_out(game, states, generator.integers(0, 1 << 30, game.max_num_moves), masks, planes, told)
        for part in (states, masks[:length], planes[:length], told[:length], np.array(length)):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        game = games.make(name)
        print(name, digest(game, 30 if game.max_num_moves < 60 else 5))
