"""`keima bench strength`: the agent against the reference player, and, in a short game, against every line of play."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import games
from games.base import Game, StateArray
from rl.arena.match import play_match
from rl.arena.players import Player, make_player
from rl.errors import UserError
from scripts.agents import find_agent
from scripts.arguments import GameName
from scripts.bench.report import Figure, Options, Report, require_positive

_GOAL = 0.90
_FEW_MOVES = 9
"""Games that last no longer are played against every line."""


@dataclass(frozen=True)
class StrengthBench(Options):
    """The agent against tree search with random rollouts; in tic-tac-toe also against all that can be played."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game."""
    simulations: int = 100
    """The agent's simulations a move."""
    opponent: str = "rollouts:1000"
    """Who it plays against, as `keima match` names players."""
    games: int = 200
    """Games of the match: all openings different, each played from both sides."""
    threads: int = 1
    """Threads of the network."""


def measure(command: StrengthBench) -> Report:
    """The match's score with its 95 % Wilson interval, whose lower end the goal is about."""
    require_positive({"simulations": command.simulations, "games": command.games, "threads": command.threads})
    game = games.make(command.game)
    path = find_agent(game, command.agent)
    if path is None:
        raise UserError(f"no agent ships for {game.name}: give one with --agent")
    agent = make_player(str(path), game, num_simulations=command.simulations, num_threads=command.threads)
    opponent = make_player(command.opponent, game)
    result = play_match(game, agent, opponent, command.games, command.seed)
    low, high = result.score_interval
    against = f"against {opponent.name}"
    figures = [
        Figure(f"score {against}, lower end", "points a game", (low,), goal=_GOAL),
        Figure(f"score {against}", "points a game", (result.score,)),
        Figure(f"score {against}, upper end", "points a game", (high,)),
    ]
    notes = [
        f"{result.tally.wins} won, {result.tally.draws} drawn, {result.tally.losses} lost; "
        f"{result.num_distinct_games} of {len(result.games)} games different",
        *result.notes,
    ]
    if game.max_num_moves <= _FEW_MOVES and not game.uses_history:
        for player, order in enumerate(("first", "second")):
            outcomes = every_line(game, agent, player)
            figures.append(Figure(f"lost as {order}, all lines", "games", (outcomes[-1],), goal=0, at_most=True))
            notes.append(f"as {order}: {outcomes[1]} won, {outcomes[0]} drawn, {outcomes[-1]} lost")
    settings = {"game": game.name, "agent": path.name, "simulations": command.simulations, "games": len(result.games)}
    return Report("strength", command.seed, settings, tuple(figures), tuple(notes))


def every_line(game: Game, agent: Player, agent_player: int) -> Counter[int]:
    """How many games the agent wins (1), draws (0) and loses (-1) as player 0 or 1 against every sequence of replies.

    So it never loses to perfect play if it never loses here. The agent must choose alike each time it is asked.
    """
    none = np.zeros(0, np.uint64)
    mask = np.zeros(game.num_actions, np.bool_)
    outcomes: Counter[int] = Counter()
    states: StateArray = np.array([game.new_state()], game.state_dtype)
    while len(states):
        chosen = agent.choose(states, [none] * len(states), np.zeros(len(states), np.uint64))
        following = []
        for state, action in zip(states, chosen.tolist(), strict=True):
            mover = int(state["to_play"])
            game.legal_actions(state, none, mask)
            for played in [action] if mover == agent_player else np.flatnonzero(mask).tolist():
                after = state.copy()
                reward, ended = game.step(after, played, none)
                if ended:
                    outcomes[int(reward if mover == agent_player else -reward)] += 1
                else:
                    following.append(after)
        states = np.array(following, game.state_dtype)
    return outcomes
