"""`keima bench perfect`: the agent moves first in Connect Four, against a player who never errs and resists longest.

The first player wins Connect Four (Allen 1988; Allis 1988), so each game that it does not win shows where it threw the
win away. There the game stops: a perfect player gives nothing back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import games
from games.base import Game
from rl.arena.elo import wilson_interval
from rl.arena.players import Player, make_player
from rl.errors import UserError
from rl.search.random import below, random_bits
from scripts.agents import find_agent
from scripts.bench.report import Figure, Options, Report, require_positive
from scripts.solvers.connect_four import ConnectFourSolver

_GAME = "connect_four"
_TABLE_ENTRIES = (1 << 24) + 43

Line = tuple[int, ...]
"""The columns played from the start."""

EARLY_DEFENCES: dict[Line, Line] = {
    (3,): (3,),
    (3, 3, 3): (3,),
    (3, 3, 3, 3, 3): (0, 1, 2, 3, 4, 5, 6),
}
"""All positions of at most five plies, up to mirroring, in which the second player has resisted longest so far and is
still lost: its longest defences. Any other first, third or fifth stone gives the win away. The solver takes minutes
for them, which `make test-long` gives it."""


@dataclass(frozen=True)
class PerfectBench(Options):
    """Connect Four, moving first against a perfect player that draws uniformly among its longest defences."""

    agent: Path | None = None
    """The agent's file; by default the agent that ships."""
    simulations: int = 400
    """The agent's simulations a move."""
    games: int = 100
    """Games of the match."""


@dataclass(frozen=True)
class Played:
    """One game, as far as it was played."""

    line: Line
    won: bool
    """Whether the agent won; otherwise the last move of `line`, its own, gave the win away."""


class Defender:
    """The second player: knows what each of its columns leads to. Each position is solved once."""

    def __init__(self, solver: ConnectFourSolver, early: dict[Line, Line]) -> None:
        """`early` holds all positions up to a number of plies that are not to be solved."""
        self._solver, self._early = solver, early
        self._deepest_early = max(map(len, early), default=-1)
        self._known: dict[Line, Line] = {}

    def defences(self, line: Line) -> Line:
        """The columns that lose in the most plies; none where the position is not lost."""
        if len(line) <= self._deepest_early:
            return self._early.get(line, ())
        if line not in self._known:
            result, columns = self._solver.best_columns(line)
            self._known[line] = columns if result.outcome < 0 else ()
        return self._known[line]


def measure(command: PerfectBench) -> Report:
    """How many of the games the agent wins, and at which plies it gave the others away."""
    require_positive({"simulations": command.simulations, "games": command.games})
    game = games.make_board(_GAME)
    path = find_agent(game, command.agent)
    if path is None:
        raise UserError(f"no agent ships for {game.name}: give one with --agent")
    agent = make_player(str(path), game, num_simulations=command.simulations)
    defender = Defender(ConnectFourSolver(7, 6, _TABLE_ENTRIES), EARLY_DEFENCES)
    played = play_against(game, agent, defender, command.games, command.seed)
    num_won = sum(one.won for one in played)
    low, high = wilson_interval(num_won / len(played), len(played))
    thrown = Counter(len(one.line) - 1 for one in played if not one.won)
    figures = (Figure("won", "games", (num_won,), goal=command.games),)
    notes = [
        f"95 % interval of the share won: {low:.3f} to {high:.3f}; {len({one.line for one in played})} games different"
    ]
    if thrown:
        notes.append("wins given away: " + ", ".join(f"{count} at ply {ply}" for ply, count in sorted(thrown.items())))
    settings = {"agent": path.name, "simulations": command.simulations, "games": command.games}
    return Report("perfect", command.seed, settings, figures, tuple(notes))


def play_against(game: Game, agent: Player, defender: Defender, num_games: int, seed: int) -> list[Played]:
    """Play `num_games` games at once, the agent moving first, until each is won or the win is given away."""
    states = np.array([game.new_state() for _ in range(num_games)], game.state_dtype)
    keys = np.array([random_bits(np.uint64(seed), np.uint64(number)) for number in range(num_games)], np.uint64)
    lines: list[Line] = [()] * num_games
    outcomes: dict[int, Played] = {}
    none = np.zeros(0, np.uint64)
    while len(outcomes) < num_games:
        running = [number for number in range(num_games) if number not in outcomes]
        chosen = agent.choose(states[running], [none] * len(running), keys[running])
        for number, column in zip(running, chosen.tolist(), strict=True):
            lines[number] = (*lines[number], column)
            reward, ended = game.step(states[number], column, none)
            defences = () if ended else defender.defences(lines[number])
            if not defences:
                outcomes[number] = Played(lines[number], won=reward > 0)
                continue
            answer = defences[_drawn(keys[number], len(lines[number]), len(defences))]
            lines[number] = (*lines[number], answer)
            game.step(states[number], answer, none)
    return [outcomes[number] for number in range(num_games)]


def _drawn(key: np.uint64, ply: int, count: int) -> int:
    """A number from 0 to count - 1."""
    with np.errstate(over="ignore"):  # where kernels run as plain Python
        return int(below(np.uint64(random_bits(key, np.uint64(ply))), count))
