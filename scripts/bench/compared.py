"""How agents that learnt with different techniques compare: on solved positions, or without any in matches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from games.base import Game, TruthPosition
from rl.arena.match import play_match
from rl.arena.players import make_player
from rl.arena.truth import accuracy
from scripts.bench.report import Figure
from scripts.bench.solved import agent_value_error


def compare(
    game: Game,
    positions: Sequence[TruthPosition],
    agents: Mapping[str, Sequence[Path]],
    default: str,
    seeds: Sequence[int],
    simulations: int,
    num_games: int,
) -> dict[str, list[Figure]]:
    """Figures for each technique of `agents`, whose files are one a seed: what they make of `positions`; where there
    are none, how they score in `num_games` games a seed against the files of `default`, which itself has no figure.

    The positions must not be held-out ones: what is chosen by a set cannot be reported on it.
    """
    if positions:
        return {name: _answers(game, positions, name, paths, simulations) for name, paths in agents.items()}
    return {
        name: [] if name == default else [_scores(game, name, paths, agents[default], seeds, simulations, num_games)]
        for name, paths in agents.items()
    }


def _answers(
    game: Game, positions: Sequence[TruthPosition], name: str, paths: Sequence[Path], simulations: int
) -> list[Figure]:
    """How far the agents' values are from the truth, and the shares kept by the bare policy and by a search."""
    return [
        Figure(f"{name}: value", "mean error", tuple(agent_value_error(game, positions, path) for path in paths)),
        *(
            Figure(
                f"{name}: {label}",
                "share kept",
                tuple(accuracy(game, positions, make_player(str(p), game, num_simulations=n)).share for p in paths),
            )
            for n, label in ((1, "bare policy"), (simulations, f"{simulations} simulations"))
        ),
    ]


def _scores(
    game: Game,
    name: str,
    paths: Sequence[Path],
    defaults: Sequence[Path],
    seeds: Sequence[int],
    simulations: int,
    num_games: int,
) -> Figure:
    """How the agents of `paths` score against the default's of the same seeds."""
    found = []
    for path, default, seed in zip(paths, defaults, seeds, strict=True):
        first, second = (make_player(str(one), game, num_simulations=simulations) for one in (path, default))
        found.append(play_match(game, first, second, num_games, seed).score)
    return Figure(f"{name}: against the default", "points a game", tuple(found))
