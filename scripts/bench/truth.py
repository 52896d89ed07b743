"""`keima bench truth`: how often a player keeps the result of solved positions in which the move matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import games
from games.base import Game, HashArray, IndexArray, State, TruthPosition
from rl.arena.players import RolloutPlayer, make_player
from rl.arena.truth import Accuracy, accuracy, spread, states_of
from rl.errors import UserError
from scripts.agents import find_agent
from scripts.arguments import GameName
from scripts.bench.report import Figure, Options, Report, require_positive
from scripts.bench.solved import agent_value_error, positions_to_choose_by

_POLICY_GOAL, _SEARCH_GOAL = 0.82, 0.92
_PLIES = 6


@dataclass(frozen=True)
class TruthBench(Options):
    """Held-out solved positions: how often the bare policy, the search with it, and simpler players keep the result."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game."""
    positions: int = 10_000
    """The most positions asked, evenly spaced over the set."""
    watched: bool = False
    """Ask the positions that training runs are watched on instead of the held-out ones."""
    solved: Path | None = None
    """Ask those of a file that scripts/solve_connect_four.py made instead, the held-out ones among them left out."""
    simulations: int = 100
    """Simulations of the search."""
    rollouts: int = 1000
    """Simulations of the reference, a tree search with random rollouts."""


def measure(command: TruthBench) -> Report:
    """Shares of the positions in which the chosen move keeps what perfect play reaches."""
    require_positive({"positions": command.positions, "simulations": command.simulations, "rollouts": command.rollouts})
    game = games.make_board(command.game)
    held_out = command.solved is None and not command.watched
    asked = game.truth_positions(held_out=True) if held_out else positions_to_choose_by(game, command.solved)
    positions = spread(asked, command.positions)
    if not positions:
        raise UserError(f"bench truth: there are no solved positions of {game.name} to ask")
    by_chance, by_tactics = _baselines(game, positions)
    rollouts = accuracy(game, positions, RolloutPlayer(game, command.rollouts), seed=command.seed)
    figures = [
        Figure("random play", "share kept", (by_chance,)),
        Figure("one-ply tactics", "share kept", (by_tactics,)),
        Figure(f"tree search, {command.rollouts} random rollouts", "share kept", (rollouts.share,)),
    ]
    notes = []
    path = find_agent(game, command.agent)
    if path is None:
        notes.append(f"no agent ships for {game.name}: give one with --agent")
    else:
        figures.append(Figure("the network's value", "mean error", (agent_value_error(game, positions, path),)))
        for num_simulations, averaged, name, goal in (
            (1, False, "bare policy", _POLICY_GOAL),
            (1, True, "bare policy, averaged over symmetries", None),
            (command.simulations, False, f"{command.simulations} simulations", _SEARCH_GOAL),
        ):
            player = make_player(str(path), game, num_simulations=num_simulations, average_symmetries=averaged)
            found = accuracy(game, positions, player)
            figures.append(Figure(name, "share kept", (found.share,), goal=goal))
            notes.append(f"{name}: {_interval(found)}; {_by_plies(found)}")
    settings = {"game": game.name, "agent": path.name if path else "none", "positions": len(positions)}
    settings["set"] = command.solved.name if command.solved else "watched" if command.watched else "held out"
    return Report("truth", command.seed, settings, tuple(figures), tuple(notes))


def _by_plies(found: Accuracy) -> str:
    """The shares in the first `_PLIES` plies, the next, and so on."""
    shares = []
    for first in range(0, max(found.by_ply) + 1, _PLIES):
        counts = [count for ply, count in found.by_ply.items() if first <= ply < first + _PLIES]
        if counts:
            kept, asked = (sum(numbers) for numbers in zip(*counts, strict=True))
            shares.append(f"{kept / asked:.3f} in plies {first} to {first + _PLIES - 1}")
    return ", ".join(shares)


def _interval(found: Accuracy) -> str:
    low, high = found.interval
    return f"{found.num_kept} of {found.num_asked}, 95 % interval {low:.3f} to {high:.3f}"


def _baselines(game: Game, positions: Sequence[TruthPosition]) -> tuple[float, float]:
    """The expected shares of random play, and of tactics one ply deep; nothing is drawn.

    Tactics: win if one move wins, else play where the opponent, were it to move, would win, else anything.
    """
    states, histories = states_of(game, positions)
    by_chance, by_tactics = [], []
    for position, state, history in zip(positions, states, histories, strict=True):
        values = np.array(position.action_values)
        legal = np.flatnonzero(~np.isnan(values))
        kept = values == np.nanmax(values)
        passed = state.copy()
        passed["to_play"] = 1 - state["to_play"]
        wanted = (
            list(_winning(game, state, history, legal))
            or list(_winning(game, passed, history, legal))
            or legal.tolist()
        )
        by_chance.append(kept[legal].mean())
        by_tactics.append(kept[wanted].mean())
    return float(np.mean(by_chance)), float(np.mean(by_tactics))


def _winning(game: Game, state: State, history: HashArray, actions: IndexArray) -> Iterator[int]:
    """Those of `actions` that win at once."""
    for action in actions.tolist():
        after = state.copy()
        reward, ended = game.step(after, action, history)
        if ended and reward > 0:
            yield action
