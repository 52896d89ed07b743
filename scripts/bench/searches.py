"""`keima bench searches`: what each technique of searching is worth in play, by matches of an agent against itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import games
from rl.arena.match import play_match
from rl.arena.players import make_player
from rl.errors import UserError
from rl.search.driver import SearchConfig
from scripts.agents import find_agent
from scripts.arguments import GameName
from scripts.bench.report import Figure, Options, Report, require_positive

_PLAYED = SearchConfig(root="puct")
"""How `keima play`, `gtp` and `analyze` search where nothing else is said."""


@dataclass(frozen=True)
class Technique:
    """A search that differs from `_PLAYED` in one thing."""

    means: str
    """What it does, and where it comes from."""
    config: SearchConfig = _PLAYED
    average_symmetries: bool = False


TECHNIQUES = {
    "gumbel": Technique("Gumbel's sequential halving at the root (Danihelka et al. 2022)", SearchConfig()),
    "growth": Technique(
        "exploration that grows with a node's visits, 0.45 (KataGo; Silver et al. 2018)",
        SearchConfig(root="puct", c_puct_growth=0.45),
    ),
    "lcb": Technique(
        "the move whose value less 5 standard errors is largest, not the most visited one (KataGo)",
        SearchConfig(root="puct", lcb_deviations=5.0),
    ),
    "symmetries": Technique(
        "each position evaluated in all symmetries and averaged, by fewer simulations (Silver et al. 2016)",
        average_symmetries=True,
    ),
    "no_fpu": Technique(
        "unvisited moves taken for as good as their parent (no FPU reduction; KataGo: 0.2)",
        SearchConfig(root="puct", fpu_reduction=0.0, root_fpu_reduction=0.0),
    ),
}


@dataclass(frozen=True)
class SearchesBench(Options):
    """An agent that searches as `keima play` does, against itself with one thing changed, at equal evaluations."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game."""
    techniques: tuple[str, ...] = tuple(TECHNIQUES)
    """Which of the techniques."""
    simulations: int = 400
    """Network evaluations of a move, at most."""
    games: int = 200
    """Games of each match: all openings different, each played from both sides."""


def measure(command: SearchesBench) -> Report:
    """Scores of the changed search with their 95 % Wilson intervals."""
    require_positive({"simulations": command.simulations, "games": command.games})
    if strange := [name for name in command.techniques if name not in TECHNIQUES]:
        raise UserError(f"there is no technique {strange[0]!r}: there are {', '.join(TECHNIQUES)}")
    game = games.make_board(command.game)
    path = find_agent(game, command.agent)
    if path is None:
        raise UserError(f"no agent ships for {game.name}: give one with --agent")
    plain = make_player(str(path), game, num_simulations=command.simulations, config=_PLAYED)
    figures, notes = [], []
    for name in command.techniques:
        technique = TECHNIQUES[name]
        shown = len(game.symmetries()) if technique.average_symmetries else 1
        changed = make_player(
            str(path),
            game,
            num_simulations=max(1, command.simulations // shown),
            config=technique.config,
            average_symmetries=technique.average_symmetries,
        )
        result = play_match(game, changed, plain, command.games, command.seed)
        low, high = result.score_interval
        figures.append(
            Figure(f"{name}: score against the search without it", "points a game", (low, result.score, high))
        )
        notes.append(f"{name}: {technique.means}")
    settings = {"game": game.name, "agent": path.name, "simulations": command.simulations, "games": command.games}
    notes.append("min and max are the ends of the score's 95 % interval (Wilson)")
    return Report("searches", command.seed, settings, tuple(figures), tuple(notes))
