"""`keima bench rollouts`: the reference player, a tree search with random rollouts, on one core."""

from __future__ import annotations

from dataclasses import dataclass

import games
from rl.search.rollouts import RolloutSearch
from scripts.arguments import GameName
from scripts.bench.report import Report, TimedOptions, interleaved, rates, require_positive
from scripts.bench.search import distinct_states

_GOAL = 500e3


@dataclass(frozen=True)
class RolloutsBench(TimedOptions):
    """Tree search with random rollouts, one position after the other: simulations a second on one core."""

    game: GameName = "connect_four"
    positions: int = 64
    """Positions of one measurement, after short random openings, all different."""
    simulations: int = 1000
    """Simulations of each position. A position that is proven stops early: only those that took place are counted."""


def measure(command: RolloutsBench) -> Report:
    """One search a position, each a call from Python, as a player makes it."""
    require_positive({"positions": command.positions, "simulations": command.simulations, "repeats": command.repeats})
    game = games.make_board(command.game)
    states = distinct_states(game, command.positions, command.seed)
    search = RolloutSearch(game, command.simulations)

    def work(turn: int) -> float:
        found = [search.run(state, command.simulations, command.seed + turn) for state in states]
        return float(sum(result.visit_counts.sum() for result in found))

    laps = interleaved({"rollouts": work}, command.repeats)["rollouts"]
    settings = {
        "game": game.name,
        "repeats": command.repeats,
        "positions": len(states),
        "simulations": command.simulations,
    }
    figures = rates("one tree, random rollouts", "simulations", laps, _GOAL)
    return Report("rollouts", command.seed, settings, tuple(figures))
