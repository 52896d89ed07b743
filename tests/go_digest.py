"""Random games of Go under several rules, a digest of each: run compiled and plain by test_go_twins.py.

Moves are drawn among the legal ones by `is_legal`, which has to agree with `legal_actions` at every ply.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, StateArray
from games.board.go import Go
from games.compiled import njit

GAMES = [Go(4), Go(5, 3.0, "situational", suicide=False), Go(11, 0.5, "simple")]


@njit
def play_out(
    game: Game,
    states: StateArray,
    history: HashArray,
    numbers: npt.NDArray[np.int64],
    mask: BoolArray,
    planes: FloatArray,
    owners: npt.NDArray[np.int8],
    told: npt.NDArray[np.float64],
) -> int:
    """One game, its moves drawn by `numbers` [D]; fills told [P, 6]; returns its length, -1 where methods disagree."""
    state = states[0]
    game.reset(state)
    drawn = 0
    for ply in range(told.shape[0]):
        past = history[: ply if game.uses_history else 0]
        game.legal_actions(state, past, mask)
        action = numbers[drawn] % (game.num_actions - 1)
        tries = 0
        while not mask[action]:
            if game.is_legal(state, action, past):
                return -1
            tries += 1
            drawn += 1
            action = numbers[drawn] % (game.num_actions - 1) if tries < 40 else game.num_actions - 1
        drawn += 1
        if not game.is_legal(state, action, past):
            return -1
        history[ply] = game.history_hash(state)
        reward, terminated = game.step(state, action, past)
        game.observe(state, planes)
        game.ownership(state, owners)
        told[ply, 0] = mask.sum()
        told[ply, 1] = reward
        told[ply, 2] = planes[:8].sum() + planes[8, 0, 0]  # whole numbers but for one: exact in whatever order
        told[ply, 3] = owners.sum()
        told[ply, 4] = game.score(state)
        told[ply, 5] = game.hash(state) >> np.uint64(12)
        if terminated:
            return ply + 1
    return -1


def digest(game: Game, num_games: int) -> str:
    generator = np.random.default_rng(1)
    digest = hashlib.sha256()
    for _ in range(num_games):
        states, history = np.zeros(1, game.state_dtype), np.zeros(game.max_num_moves, np.uint64)
        told = np.zeros((game.max_num_moves, 6))
        mask, planes = np.zeros(game.num_actions, np.bool_), np.zeros(game.observation_shape, np.float32)
        owners = np.zeros(game.num_actions - 1, np.int8)
        numbers = generator.integers(0, 1 << 30, 50 * game.max_num_moves)
        length = play_out(game, states, history, numbers, mask, planes, owners, told)
        assert length > 0
        for part in (states, history[:length], told[:length], planes, mask):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    for game in GAMES:
        print(digest(game, 6 if game.num_actions < 30 else 1))
