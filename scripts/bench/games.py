"""`keima bench games`: how fast the rules of the larger board games are, and the search over them, on one core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import games
from games.base import Game, StateArray
from games.compiled import njit
from rl.search.random import below, random_bits
from rl.search.tree import node_dtype
from scripts.bench.play import play_at_random
from scripts.bench.report import Figure, Report, TimedOptions, interleaved, rates, require_positive
from scripts.bench.search import Searcher, distinct_states


@dataclass(frozen=True)
class Goals:
    """What the project asks of a game, a second and core; None where it asks nothing."""

    moves: float | None = None
    """Random play with all legal actions at every ply."""
    drawn_moves: float | None = None
    """Random play that draws actions until one is legal."""
    simulations: float | None = None
    """Search through the driver of self-play, with a constant evaluator."""
    node_bytes: float | None = None
    """A node of a tree, at most."""


_GOALS = {
    "go9": Goals(moves=2e6, drawn_moves=10e6, simulations=0.7e6, node_bytes=2000.0),
    "go19": Goals(moves=0.75e6, drawn_moves=8e6),
    "othello8": Goals(moves=5e6, simulations=1e6),
    "hex11": Goals(moves=5e6),
    "gomoku15": Goals(moves=5e6),
    "breakthrough": Goals(moves=5e6),
}


@dataclass(frozen=True)
class GamesBench(TimedOptions):
    """Random play and search of the larger board games: moves and simulations a second on one core."""

    games: tuple[str, ...] = tuple(_GOALS)
    """What is played, as other commands take a GAME."""
    moves: int = 2_000_000
    """Moves of one measurement."""
    trees: int = 64
    """Trees searched together, from as many different positions."""
    simulations: int = 800
    """Simulations of each tree. A tree whose root is proven stops early: only those that took place are counted."""
    repeats: int = 3
    """Measurements of each kind, taken in turns so that all of them meet the same disturbances."""


def measure(command: GamesBench) -> Report:
    """One game after the other, since the trees of a large board fill the memory."""
    numbers = {name: getattr(command, name) for name in ("moves", "trees", "simulations", "repeats")}
    require_positive(numbers)
    figures: list[Figure] = []
    lengths: dict[str, float] = {}
    for game in [games.make_board(name) for name in command.games]:
        found, lengths[game.name] = _measure_game(game, command)
        figures += found
    note = f"moves of a random game: {', '.join(f'{name} {length:.1f}' for name, length in lengths.items())}"
    settings = {"games": ", ".join(lengths), **numbers}
    return Report("games", command.seed, settings, tuple(figures), (note,))


def _measure_game(game: Game, command: GamesBench) -> tuple[list[Figure], float]:
    """(figures, moves of a random game)."""
    states = distinct_states(game, command.trees, command.seed)
    searcher = Searcher(game, states, "gumbel", command.simulations, command.seed)
    ended = []

    def play(turn: int) -> float:
        ended.append(play_at_random(game, command.moves, command.seed + turn))
        return command.moves

    def draw(turn: int) -> float:
        play_by_drawing(game, command.moves, command.seed + turn)
        return command.moves

    works: dict[str, Callable[[int], float]] = {"play": play, "search": searcher.in_waves}
    if game.answers_single_actions:
        works["draw"] = draw
    laps = interleaved(works, command.repeats)
    goals = _GOALS.get(game.name, Goals())
    figures = rates(f"{game.name}, all legal actions at every ply", "moves", laps["play"], goals.moves)
    if "draw" in laps:
        figures += rates(f"{game.name}, drawing until legal", "moves", laps["draw"], goals.drawn_moves)
    figures += rates(f"{game.name}, search in waves", "simulations", laps["search"], goals.simulations)
    node_size = (float(node_dtype(game).itemsize),)
    figures.append(Figure(f"{game.name}, node of a tree", "bytes", node_size, goal=goals.node_bytes, at_most=True))
    return figures, len(ended) * command.moves / max(1, sum(ended))


def play_by_drawing(game: Game, num_moves: int, seed: int) -> int:
    """Play so many moves, game after game, each drawn among all actions until one is legal; returns how many ended."""
    length = game.max_num_moves if game.uses_history else 0
    # In a record, as the search keeps them: numba counts references to arrays that stand alone, at each call.
    tables = np.zeros(1, [("state", game.state_dtype), ("history", np.uint64, (length + 1,))])
    return _play_by_drawing(game, tables, num_moves, np.uint64(seed))


@njit
def _play_by_drawing(game: Game, tables: StateArray, num_moves: int, key: np.uint64) -> int:
    """`tables` [1] is scratch: a `state`, and a `history` as long as a game."""
    state, history = tables[0]["state"], tables[0]["history"]
    game.reset(state)
    num_games, ply, counter = 0, 0, np.uint64(0)
    for _ in range(num_moves):
        past = history[:ply]
        # Compiled, an int made of bits is unsigned, and an action is not.
        action: Any = np.int64(below(random_bits(key, counter), game.num_actions))
        counter += np.uint64(1)
        while not game.is_legal(state, action, past):
            action = np.int64(below(random_bits(key, counter), game.num_actions))
            counter += np.uint64(1)
        position = game.history_hash(state) if game.uses_history else np.uint64(0)
        _, ended = game.step(state, action, past)
        if game.uses_history:
            history[ply] = position
            ply += 1
        if ended:
            num_games += 1
            ply = 0
            game.reset(state)
    return num_games
