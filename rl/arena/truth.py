"""Measuring players against solved positions: how often the chosen action keeps what perfect play reaches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from games.base import Game, HashArray, StateArray, TruthPosition
from rl.arena.elo import wilson_interval
from rl.arena.players import Player, Stop
from rl.search.evaluation import Evaluator


class Accuracy(NamedTuple):
    """How well a player answered solved positions."""

    num_kept: int
    """Positions whose chosen action leads to the best outcome that any action leads to."""
    num_asked: int
    """Positions asked."""
    by_ply: dict[int, tuple[int, int]]
    """(num_kept, num_asked) of the positions after each number of moves, in ascending order."""

    @property
    def share(self) -> float:
        """num_kept / num_asked, in [0, 1]."""
        return self.num_kept / self.num_asked

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson 1927)."""
        return wilson_interval(self.share, self.num_asked)


def spread(positions: Sequence[TruthPosition], most: int) -> Sequence[TruthPosition]:
    """At most `most` (positive) of the positions, evenly spaced."""
    return positions[:: max(1, -(-len(positions) // most))]


def states_of(game: Game, positions: Sequence[TruthPosition]) -> tuple[StateArray, list[HashArray]]:
    """The states [n] of solved positions, and of each the hashes before it (empty unless the game uses them)."""
    states = np.zeros(len(positions), game.state_dtype)
    histories = []
    for state, position in zip(states, positions, strict=True):
        history = np.zeros(len(position.moves) if game.uses_history else 0, np.uint64)
        game.reset(state)
        for ply, action in enumerate(position.moves):
            past = history[:ply]
            if game.uses_history:
                history[ply] = game.history_hash(state)
            game.step(state, action, past)
        histories.append(history)
    return states, histories


def accuracy(
    game: Game, positions: Sequence[TruthPosition], player: Player, *, seed: int = 0, stop: Stop | None = None
) -> Accuracy:
    """Ask `player` for an action in each of `positions`, all in one call so that a network sees large batches.

    An `AgentPlayer` with one simulation is the bare policy. `seed` is for players who draw at random. An action that is
    illegal keeps nothing. Raises ValueError when there are no positions. Once `stop` says so the answer means nothing.
    """
    if not positions:
        raise ValueError(f"{game.name} has no solved positions")
    states, histories = states_of(game, positions)
    keys = np.random.default_rng(seed).integers(2**64, size=len(positions), dtype=np.uint64)
    actions = player.choose(states, histories, keys, stop)
    by_ply: dict[int, tuple[int, int]] = {}
    for position, action in sorted(zip(positions, actions.tolist(), strict=True), key=lambda pair: len(pair[0].moves)):
        num_kept, num_asked = by_ply.get(len(position.moves), (0, 0))
        is_kept = position.action_values[action] == np.nanmax(position.action_values)
        by_ply[len(position.moves)] = num_kept + int(is_kept), num_asked + 1
    return Accuracy(sum(num_kept for num_kept, _ in by_ply.values()), len(positions), by_ply)


def value_error(game: Game, positions: Sequence[TruthPosition], evaluator: Evaluator) -> float:
    """Mean distance of the network's own values from the positions' (at least one), which are -1, 0 or 1."""
    states, _ = states_of(game, positions)
    values: list[float] = []
    for start in range(0, len(states), evaluator.batch_size):
        rows = states[start : start + evaluator.batch_size]
        observations = evaluator.buffer()
        for state, observation in zip(rows, observations, strict=False):  # the buffer may have room for more
            game.observe(state, observation)
        values.extend(evaluator.collect(evaluator.submit(len(rows))).values[: len(rows)].tolist())
    return float(np.mean([abs(value - np.nanmax(p.action_values)) for value, p in zip(values, positions, strict=True)]))
