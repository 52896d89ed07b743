"""`keima bench play`: uniformly random play on one core, which is how fast a game's rules are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

import games
from games.base import Game, HashArray, StateArray
from games.compiled import njit
from rl.search.random import random_bits
from rl.search.rollouts import random_legal
from scripts.bench.report import Report, TimedOptions, interleaved, rates, require_positive

_GOALS = {"connect_four": 50e6}


@dataclass(frozen=True)
class PlayBench(TimedOptions):
    """Uniformly random play of small games: moves a second on one core. `keima bench games` has the larger ones."""

    games: tuple[str, ...] = ("tic_tac_toe", "connect_four")
    """What is played, as other commands take a GAME."""
    moves: int = 5_000_000
    """Moves of one measurement."""


def measure(command: PlayBench) -> Report:
    """Legal actions, a random choice, the step, and a new game after each end."""
    require_positive({"moves": command.moves, "repeats": command.repeats})
    played = {name: games.make_board(name) for name in command.games}
    lengths: dict[str, float] = {}

    def play(name: str, turn: int) -> float:
        lengths[name] = command.moves / max(1, play_at_random(played[name], command.moves, command.seed + turn))
        return command.moves

    laps = interleaved({name: partial(play, name) for name in played}, command.repeats)
    figures = [figure for name in played for figure in rates(name, "moves", laps[name], _GOALS.get(name))]
    note = f"moves of a random game: {', '.join(f'{name} {length:.1f}' for name, length in lengths.items())}"
    return Report("play", command.seed, {"repeats": command.repeats, "moves": command.moves}, tuple(figures), (note,))


def play_at_random(game: Game, num_moves: int, seed: int) -> int:
    """Play so many moves, game after game; returns how many games ended."""
    history = np.zeros(game.max_num_moves if game.uses_history else 0, np.uint64)
    return _play(game, np.zeros(1, game.state_dtype), history, num_moves, np.uint64(seed))


@njit
def _play(game: Game, states: StateArray, history: HashArray, num_moves: int, key: np.uint64) -> int:
    """`states` [1] and `history` [D] (the most moves of a game, 0 where the game reads none) are scratch."""
    mask = np.zeros(game.num_actions, np.bool_)
    legal = np.zeros(game.num_actions, np.int64)
    state = states[0]
    game.reset(state)
    num_games, ply = 0, 0
    for move in range(num_moves):
        game.legal_actions(state, history[:ply], mask)
        action = random_legal(mask, legal, random_bits(key, np.uint64(move)))
        position = game.history_hash(state) if game.uses_history else np.uint64(0)
        _, ended = game.step(state, action, history[:ply])
        if game.uses_history:
            history[ply] = position
            ply += 1
        if ended:
            num_games += 1
            ply = 0
            game.reset(state)
    return num_games
