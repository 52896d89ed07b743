"""Random openings for matches: short, all different, and none of them decided."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, Game, HashArray, IndexArray, StateArray
from games.compiled import njit
from rl.search.random import random_bits
from rl.search.rollouts import random_legal

_FEWEST_MOVES = 2
_DRAWS_PER_OPENING = 20
_DRAWS_AT_ONCE = 100


def find_openings(game: Game, num_openings: int, seed: int) -> tuple[list[tuple[int, ...]], tuple[str, ...]]:
    """(distinct openings, notes): at most `num_openings` random move sequences from the start.

    They are as short as gives that many (two moves or more), since long random openings decide games; no two reach
    the same position up to the board's symmetries, none has ended, and none lets the player to move win at once. A
    small game may have fewer; a note then says so.
    """
    most_moves = max(_FEWEST_MOVES, game.max_num_moves // 3)
    best: list[tuple[int, ...]] = []
    for num_moves in range(_FEWEST_MOVES, most_moves + 1):
        found = _draw(game, num_openings, num_moves, seed)
        if len(found) > len(best):
            best = found
        if len(best) == num_openings:
            return best, ()
    if not best:
        return [()], (f"{game.name} has no undecided random openings: every game starts from the first position",)
    return best, (f"{game.name} has only {len(best)} openings of up to {most_moves} moves: they are played repeatedly",)


def _draw(game: Game, num_openings: int, num_moves: int, seed: int) -> list[tuple[int, ...]]:
    """Up to `num_openings` distinct openings of `num_moves` moves, in the order of their drawing."""
    start = np.zeros(1, game.state_dtype)
    game.reset(start[0])
    relabelled = np.array([turned.actions for turned in game.symmetries() if not turned.swaps_players], np.int64)
    states = np.repeat(start, 3)
    chosen: dict[int, tuple[int, ...]] = {}
    for first in range(0, _DRAWS_PER_OPENING * num_openings + _DRAWS_AT_ONCE, _DRAWS_AT_ONCE):
        moves = np.zeros((_DRAWS_AT_ONCE, num_moves), np.int64)
        undecided = np.ones(_DRAWS_AT_ONCE, np.bool_)
        keys = np.full(_DRAWS_AT_ONCE, np.iinfo(np.uint64).max, np.uint64)
        _draw_openings(game, states, np.uint64(seed % 2**64), first, relabelled, moves, undecided, keys)
        for index in np.flatnonzero(undecided).tolist():
            chosen.setdefault(int(keys[index]), tuple(moves[index].tolist()))
            if len(chosen) == num_openings:
                return list(chosen.values())
    return list(chosen.values())


@njit
def _draw_openings(
    game: Game,
    states: StateArray,
    seed: np.uint64,
    first: int,
    relabelled: IndexArray,
    moves: npt.NDArray[np.int64],
    undecided: BoolArray,
    keys: HashArray,
) -> None:
    """Fill `moves` [draws, M] with the random openings number `first`, `first + 1`, ...

    `undecided` [draws] is cleared where a game ended or the player to move can win at once. `keys` [draws] identify
    the position reached up to the symmetries, `relabelled` [symmetries, num_actions]. `states` [3] holds the starting
    position, then two places to play in.
    """
    mask = np.zeros(game.num_actions, np.bool_)
    legal = np.zeros(game.num_actions, np.int64)
    history = np.zeros(moves.shape[1] if game.uses_history else 0, np.uint64)
    for draw in range(moves.shape[0]):
        stream = random_bits(seed, np.uint64(first + draw))
        states[1] = states[0]
        state = states[1]
        for ply in range(moves.shape[1]):
            game.legal_actions(state, history[:ply], mask)
            action = random_legal(mask, legal, random_bits(stream, np.uint64(ply)))
            if game.uses_history:
                history[ply] = game.history_hash(state)
            moves[draw, ply] = action
            _, ended = game.step(state, action, history[:ply])
            if ended:
                undecided[draw] = False
                break
        if not undecided[draw]:
            continue
        game.legal_actions(state, history, mask)
        for action in range(game.num_actions):
            if mask[action]:
                states[2] = states[1]
                reward, ended = game.step(states[2], action, history)
                if ended and reward > 0.0:
                    undecided[draw] = False
        for symmetry in range(relabelled.shape[0]):
            states[2] = states[0]
            for ply in range(moves.shape[1]):
                if game.uses_history:
                    history[ply] = game.history_hash(states[2])
                game.step(states[2], relabelled[symmetry, moves[draw, ply]], history[:ply])
            keys[draw] = min(keys[draw], game.hash(states[2]))
