"""`keima match A B`: play two players against each other."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import games
from games.base import Game
from rl.errors import UserError
from rl.match import MatchResult, Tally, play_match
from rl.players import PLAYER_HELP, Player, make_player
from rl.search.driver import SearchConfig

FirstPlayer = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="A", help=f"The first player. One of: {PLAYER_HELP}.")
]
SecondPlayer = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="B", help="The second player, likewise.")]


@dataclass(frozen=True)
class Command:
    """Play two players against each other: score, Elo, 95 % interval. Scores are the first player's.

    Each random opening is played twice with the colours swapped; openings are all different as long as the game has
    that many. The same seed gives the same match on the same machine."""

    first: FirstPlayer
    second: SecondPlayer
    game: str = "connect_four"
    """What is played."""
    games: int = 100
    """How many games; an even number plays every opening from both sides."""
    seed: int = 0
    """Openings and everything the players draw at random come from it."""
    simulations: int = 100
    """Simulations a move of players that do not say their own (`rollouts` is then `rollouts:100`)."""
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Threads of a network."""
    json: bool = False
    """Print one JSON object, with the moves of every game, instead of text."""
    search: SearchConfig = field(default_factory=SearchConfig)


def run(command: Command) -> int:
    game = games.make(command.game)
    for option, value, least in (
        ("games", command.games, 1),
        ("simulations", command.simulations, 1),
        ("threads", command.threads, 1),
        ("seed", command.seed, 0),
    ):
        if value < least:
            raise UserError(f"--{option} {value}: must be at least {least}")
    first, second = (
        make_player(text, game, num_simulations=command.simulations, config=command.search, num_threads=command.threads)
        for text in (command.first, command.second)
    )
    result = _play(game, first, second, command)
    if command.json:
        print(json.dumps(_with_games(result, game)))
    else:
        print(_as_text(result))
    return 0


def _play(game: Game, first: Player, second: Player, command: Command) -> MatchResult:
    """The match, with a progress line where somebody watches standard error."""
    with Progress(
        TextColumn(f"{first.name} against {second.name}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("games"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task("match", total=command.games)
        return play_match(
            game,
            first,
            second,
            command.games,
            command.seed,
            progress=lambda finished, _: progress.update(task, completed=finished),
        )


def _with_games(result: MatchResult, game: Game) -> dict[str, Any]:
    played = [
        {
            "first_begins": one.first_begins,
            "moves": [game.action_to_text(action) for action in one.moves],
            "num_opening_moves": one.num_opening_moves,
            "score": one.score,
        }
        for one in result.games
    ]
    return {**result.to_json(), "games": played}


def _as_text(result: MatchResult) -> str:
    low, high = result.score_interval
    elo_low, elo_high = result.elo_interval
    if math.isinf(result.elo):
        elo = f"Elo     at least {elo_low:+.0f} (95 %)" if result.elo > 0 else f"Elo     at most {elo_high:+.0f} (95 %)"
    else:
        elo = f"Elo     {result.elo:+.0f}   95 % interval {elo_low:+.0f} to {elo_high:+.0f}"
    return "\n".join(
        [
            f"{result.first} against {result.second}: {len(result.games)} games of {result.game} "
            f"({result.num_distinct_games} different), {result.num_openings} openings",
            f"score   {result.score:.3f}   95 % interval {low:.3f} to {high:.3f}",
            elo,
            f"games   {_tally_text(result.tally)}",
            f"first   {_tally_text(result.as_player(0))} when it moved first",
            f"second  {_tally_text(result.as_player(1))} when it moved second",
            *(f"note: {note}" for note in result.notes),
        ]
    )


def _tally_text(tally: Tally) -> str:
    return f"{tally.wins} won, {tally.draws} drawn, {tally.losses} lost"
