"""`keima bench shipped`: the agents of the larger games that ship, each at what it should be able to do."""

from __future__ import annotations

from dataclasses import dataclass

import games
from games.base import Game
from rl.arena.match import MatchResult, play_match
from rl.arena.players import make_player
from rl.errors import UserError
from scripts.agents import find_agent
from scripts.bench.report import Figure, Options, Report, require_positive


@dataclass(frozen=True)
class Trial:
    """A match of the agent that ships for a game."""

    game: str
    what: str
    """What its score is the share of."""
    opponent: str
    """As `keima match` names players."""
    simulations: int
    """The agent's, a move."""
    goal: float | None
    """The least score that will do; None where nothing is asked."""
    openings: tuple[str, ...] = ()
    """First moves of the agent, which is player 0 in every game. None: random openings, each from both sides."""


_HEX_WINS = "e1 b2 c2 d2 e2 b3 c3 d3 a4 b4 c4 d4 a5"
"""The first stones that win on 5x5: tests/test_hex.py solves them."""

_TRIALS = (
    Trial("hex5", "won from the winning openings", "rollouts:10000", 200, 1.0, tuple(_HEX_WINS.split())),
    Trial("go5:komi=24.5", "whole boards taken from the centre", "rollouts:1000", 200, 1.0, ("C3",)),
    Trial("breakthrough", "score", "rollouts:10000", 200, 0.95),
    Trial("othello6", "score", "rollouts:1000", 200, None),
    Trial("go9", "score", "rollouts:1000", 200, None),
)


@dataclass(frozen=True)
class ShippedBench(Options):
    """The agents of the larger games that ship, each in a match against tree search with random rollouts."""

    games: tuple[str, ...] = tuple(trial.game for trial in _TRIALS)
    """Which of the trials."""
    matches: int = 104
    """Games of each match."""
    threads: int = 1
    """Threads of the network."""


def measure(command: ShippedBench) -> Report:
    """Scores with their 95 % Wilson intervals."""
    require_positive({"matches": command.matches, "threads": command.threads})
    trials = {trial.game: trial for trial in _TRIALS}
    if strange := [name for name in command.games if name not in trials]:
        raise UserError(f"there is no trial of {strange[0]}: there are trials of {', '.join(trials)}")
    figures: list[Figure] = []
    notes: list[str] = []
    for trial in (trials[name] for name in command.games):
        result = _play(games.make_board(trial.game), trial, command)
        low, high = result.score_interval
        told = f"{trial.game}, {trial.simulations} simulations against {trial.opponent}"
        figures.append(Figure(f"{told}: {trial.what}", "points a game", (result.score,), goal=trial.goal))
        notes.append(
            f"{told}: {result.tally.wins} won, {result.tally.draws} drawn, {result.tally.losses} lost, 95 % interval "
            f"{low:.3f} to {high:.3f}; {result.num_distinct_games} of {len(result.games)} games different"
        )
    settings = {"games": ", ".join(command.games), "matches": command.matches}
    return Report("shipped", command.seed, settings, tuple(figures), tuple(notes))


def _play(game: Game, trial: Trial, command: ShippedBench) -> MatchResult:
    path = find_agent(game, None)
    if path is None:
        raise UserError(f"no agent ships for {game.name}")
    agent = make_player(str(path), game, num_simulations=trial.simulations, num_threads=command.threads)
    opponent = make_player(trial.opponent, game)
    openings = [(game.text_to_action(move),) for move in trial.openings] or None
    return play_match(
        game, agent, opponent, command.matches, command.seed, openings=openings, swap_colours=openings is None
    )
