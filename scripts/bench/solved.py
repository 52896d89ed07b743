"""Solved positions: which of them settings may be chosen by, and what an agent's values make of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from games.base import Game, TruthPosition
from rl.arena.truth import states_of, value_error
from rl.errors import UserError
from rl.network.agent_file import load_agent
from rl.network.evaluator import NetworkEvaluator

_ROWS = 256
"""Of a batch in which values are asked."""


def positions_to_choose_by(game: Game, path: Path | None) -> Sequence[TruthPosition]:
    """Those of a file of scripts/solve_connect_four.py, the held-out ones among them left out; without a file those
    that runs are watched on: none that results are reported on is among them.

    Raises UserError where the file is none of solved positions of `game`.
    """
    if path is None:
        return game.truth_positions()
    try:
        positions = game.read_solved(path.read_text("ascii"))
        names = _names(game, positions)
    except (OSError, ValueError) as error:
        raise UserError(f"no solved positions in {path}: {error}") from error
    held_out = set(_names(game, game.truth_positions(held_out=True)))
    return [position for name, position in zip(names, positions, strict=True) if name not in held_out]


def agent_value_error(game: Game, positions: Sequence[TruthPosition], agent: Path) -> float:
    """`rl.arena.truth.value_error` of the network in this file."""
    return value_error(game, positions, NetworkEvaluator(game, load_agent(agent, game), _ROWS))


def _names(game: Game, positions: Sequence[TruthPosition]) -> list[int]:
    """A number for each position that its turned selves have too."""
    turned = [
        [TruthPosition(tuple(symmetry.actions[list(position.moves)].tolist()), ()) for position in positions]
        for symmetry in game.symmetries()
        if not symmetry.swaps_players
    ]
    hashes = [[int(game.hash(state)) for state in states_of(game, view)[0]] for view in turned]
    return [min(of_one) for of_one in zip(*hashes, strict=True)]
