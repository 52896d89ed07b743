"""`keima bench labels`: how far from the truth is what values could be learnt from.

A network learns what it is told: where values of searches or outcomes of games are wrong, so is what it learns. The
solved positions that runs are watched on tell how wrong. Of a won position 1 and -1 in turns are as far off as always
0: a mean distance does not mind how sure a source is, only what it says in the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import games
from games.base import FloatArray, Game, TruthPosition
from rl.arena.players import Player, make_player
from rl.arena.truth import spread, states_of
from rl.errors import UserError
from rl.network.agent_file import load_agent
from rl.network.evaluator import NetworkEvaluator
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import Evaluator
from scripts.agents import find_agent
from scripts.arguments import GameName
from scripts.bench.report import Figure, Options, Report, require_positive

_PARTS, _ROWS = 3, 256


@dataclass(frozen=True)
class LabelsBench(Options):
    """What values could be learnt from, against solved positions: the network's own, those of searches, and the
    outcomes of games played out."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game."""
    positions: int = 10_000
    """The most positions asked, evenly spaced over those that training runs are watched on."""
    searches: tuple[int, ...] = (24, 96)
    """Simulations of the searches whose values are asked."""
    playouts: tuple[int, ...] = (1, 8, 24, 96)
    """Simulations a move of the games that are played out."""


def measure(command: LabelsBench) -> Report:
    """Mean distance from the solved values: of all positions, and of those early, midway and late in a game."""
    require_positive(
        {
            "positions": command.positions,
            "searches": min(command.searches, default=0),
            "playouts": min(command.playouts, default=0),
        }
    )
    game = games.make_board(command.game)
    positions = spread(game.truth_positions(), command.positions)
    if not positions:
        raise UserError(f"bench labels: {game.name} ships no solved positions")
    path = find_agent(game, command.agent)
    if path is None:
        raise UserError(f"no agent ships for {game.name}: give one with --agent")
    solved = np.array([np.nanmax(position.action_values) for position in positions])
    figures: list[Figure] = []
    evaluator = NetworkEvaluator(game, load_agent(path, game), _ROWS)
    figures += _figures("network's value", positions, abs(searched(game, positions, evaluator, 1)[1] - solved))
    for number in dict.fromkeys(command.searches):
        mean, taught = searched(game, positions, evaluator, number)
        figures += _figures(f"search of {number} simulations, mean return", positions, abs(mean - solved))
        figures += _figures(f"search of {number} simulations, what it teaches", positions, abs(taught - solved))
    for number in dict.fromkeys(command.playouts):
        name = f"game played out, {number} {'simulations' if number > 1 else 'simulation'} a move"
        values = played_out(game, positions, make_player(str(path), game, num_simulations=number))
        figures += _figures(name, positions, abs(values - solved))
    settings = {"game": game.name, "agent": path.name, "positions": len(positions)}
    return Report("labels", command.seed, settings, tuple(figures))


def searched(
    game: Game, positions: Sequence[TruthPosition], evaluator: Evaluator, num_simulations: int
) -> tuple[FloatArray, FloatArray]:
    """What searches hold of the positions, for their players to move: [n] the mean of all returns, and [n] what
    self-play would learn."""
    search = Search(game, SearchConfig(), evaluator.batch_size, num_simulations)
    states, histories = states_of(game, positions)
    found = []
    for start in range(0, len(states), evaluator.batch_size):
        rows = slice(start, start + evaluator.batch_size)
        found.append(search.run(evaluator, states[rows], num_simulations, histories=histories[rows]))
    return np.concatenate([one.root_values for one in found]), np.concatenate([one.taught_values for one in found])


def played_out(game: Game, positions: Sequence[TruthPosition], player: Player) -> FloatArray:
    """[n] what the positions come to for their players to move, when `player` plays both sides from there."""
    states, histories = states_of(game, positions)
    asked = states["to_play"].copy()
    values, left = np.zeros(len(states), np.float32), np.arange(len(states))
    while len(left):
        actions = player.choose(states[left], [histories[row] for row in left], np.zeros(len(left), np.uint64))
        going_on = []
        for row, action in zip(left, actions.tolist(), strict=True):
            state, mover = states[row], states[row]["to_play"]
            before = np.append(histories[row], np.uint64(game.history_hash(state))) if game.uses_history else ()
            reward, ended = game.step(state, action, histories[row])
            histories[row] = np.asarray(before, np.uint64)
            values[row] += reward if mover == asked[row] else -reward
            if not ended:
                going_on.append(row)
        left = np.array(going_on, np.int64)
    return values


def _figures(name: str, positions: Sequence[TruthPosition], errors: FloatArray) -> list[Figure]:
    """Of all positions, and of each of the equal parts in which they lie from the shortest game to the longest."""
    plies = np.array([len(position.moves) for position in positions])
    size = -(-(int(plies.max()) + 1) // _PARTS)
    figures = [Figure(name, "mean error", (float(errors.mean()),))]
    for part in range(_PARTS):
        inside = (plies >= part * size) & (plies < (part + 1) * size)
        if inside.any():
            label = f"{name}, plies {part * size} to {(part + 1) * size - 1}"
            figures.append(Figure(label, "mean error", (float(errors[inside].mean()),)))
    return figures
