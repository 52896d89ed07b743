"""`keima bench strength`: the agent against the reference player, and, in a short game, against every line of play."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import games
from games.base import Game, StateArray
from rl.arena.players import Player, make_player
from rl.errors import UserError
from scripts import match
from scripts.agents import find_agent
from scripts.arguments import GameName
from scripts.bench.report import Figure, Options, Report, require_positive


@dataclass(frozen=True)
class Trial:
    """What an agent is asked to do, where nothing else is said."""

    opponent: str
    """As `keima match` names players."""
    simulations: int
    games: int
    goal: float
    """The least that will do of what `of` says."""
    lower_end: bool
    """Whether the goal is about the lower end of the score's 95 % interval, not about the score."""
    judge: str = match.Command.judge
    """Who scores games that two passes ended early."""


_ROLLOUTS = Trial("rollouts:1000", 100, 200, 0.90, lower_end=True)
_GNU_GO = "gtp:gnugo --mode gtp --level 10 --chinese-rules --allow-suicide --positional-superko"
_TRIALS = {
    "go9": Trial(_GNU_GO, 400, 100, 0.50, lower_end=False, judge=_GNU_GO),
    "othello8": Trial("gtp:gtp-rhino --level 2", 200, 100, 0.50, lower_end=False),
    "hex9": Trial("rollouts:10000", 200, 100, 0.95, lower_end=False),
    "gomoku9": Trial("rollouts:10000", 200, 100, 0.95, lower_end=False),
}
"""By game; the others have `_ROLLOUTS`. Go is scored by area, without the stones that GNU Go holds for dead."""
_FEW_MOVES = 9
"""Games that last no longer are played against every line."""


@dataclass(frozen=True)
class StrengthBench(Options):
    """The agent against a player that did not learn from it: tree search with random rollouts, in Go on 9x9 GNU Go 3.8,
    in Othello GRhino; in tic-tac-toe also against all that can be played."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game."""
    simulations: int | None = None
    """The agent's simulations a move. None: by the game."""
    opponent: str | None = None
    """Who it plays against, as `keima match` names players. None: by the game."""
    games: int | None = None
    """Games of the match: all openings different, each played from both sides. None: by the game."""
    threads: int = 1
    """Threads of the network."""


def measure(command: StrengthBench) -> Report:
    """The match's score with its 95 % Wilson interval."""
    game = games.make_board(command.game)
    trial = _asked(command, _TRIALS.get(game.name, _ROLLOUTS))
    require_positive({"simulations": trial.simulations, "games": trial.games, "threads": command.threads})
    path = find_agent(game, command.agent)
    if path is None:
        raise UserError(f"no agent ships for {game.name}: give one with --agent")
    result = match.play(
        match.Command(
            a=f"{path}:{trial.simulations}",
            b=trial.opponent,
            game=command.game,
            games=trial.games,
            seed=command.seed,
            threads=command.threads,
            judge=trial.judge,
        )
    )
    low, high = result.score_interval
    against = f"against {result.second}"
    low_goal, goal = (trial.goal, None) if trial.lower_end else (None, trial.goal)
    figures = [
        Figure(f"score {against}, lower end", "points a game", (low,), goal=low_goal),
        Figure(f"score {against}", "points a game", (result.score,), goal=goal),
        Figure(f"score {against}, upper end", "points a game", (high,)),
    ]
    notes = [
        f"{result.tally.wins} won, {result.tally.draws} drawn, {result.tally.losses} lost; "
        f"{result.num_distinct_games} of {len(result.games)} games different",
        *result.notes,
    ]
    if game.max_num_moves <= _FEW_MOVES and not game.uses_history:
        agent = make_player(str(path), game, num_simulations=trial.simulations, num_threads=command.threads)
        for player, order in enumerate(("first", "second")):
            outcomes = every_line(game, agent, player)
            figures.append(Figure(f"lost as {order}, all lines", "games", (outcomes[-1],), goal=0, at_most=True))
            notes.append(f"as {order}: {outcomes[1]} won, {outcomes[0]} drawn, {outcomes[-1]} lost")
    settings = {"game": game.name, "agent": path.name, "simulations": trial.simulations, "games": len(result.games)}
    return Report("strength", command.seed, settings, tuple(figures), tuple(notes))


def _asked(command: StrengthBench, trial: Trial) -> Trial:
    """The trial with what the command says in the place of its own."""
    return replace(
        trial,
        opponent=trial.opponent if command.opponent is None else command.opponent,
        judge=trial.judge if command.opponent is None else match.Command.judge,
        simulations=trial.simulations if command.simulations is None else command.simulations,
        games=trial.games if command.games is None else command.games,
    )


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
