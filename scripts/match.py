"""`keima match A B`: play two players against each other, outside engines among them."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

import games
from games.base import Game
from rl.arena.match import MatchResult, Tally
from rl.arena.players import PLAYER_HELP
from rl.errors import UserError
from rl.protocols.gtp.contest import Contest
from rl.protocols.moves import BadRequest
from rl.protocols.sgf import SgfInfo, actions_to_sgf, check_sgf
from rl.search.driver import SearchConfig
from scripts.games_bar import games_bar, shown_on

FirstPlayer = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="A", help=f"The first player. One of: {PLAYER_HELP}.")
]
SecondPlayer = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="B", help="The second player, likewise.")]


@dataclass(frozen=True)
class Command:
    """Play two players against each other: score, Elo, 95 % interval. Scores are the first player's.

    Each random opening is played twice with the colours swapped; openings are all different as long as the game has
    that many. The same seed gives the same match on the same machine, as far as outside engines do the same."""

    first: FirstPlayer = ""
    second: SecondPlayer = ""
    a: str = ""
    """The first player, instead of A."""
    b: str = ""
    """The second player, instead of B."""
    game: str = "connect_four"
    """What is played."""
    games: int = 100
    """How many games; an even number plays every opening from both sides."""
    seed: int = 0
    """Openings and everything the players draw at random come from it."""
    simulations: int = 100
    """Simulations a move of players that do not say their own (`rollouts` is then `rollouts:100`)."""
    average_symmetries: bool = False
    """Ask networks about each position in all symmetries of the game, and take the mean: as many times slower, and a
    better bare policy (`keima bench truth` shows by how much)."""
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Threads of a network."""
    engine_seconds: float = 60.0
    """How long an outside engine may take for an answer; then it loses the game."""
    judge: str = "playout"
    """Who scores a game with an outside engine that two passes end early: playout (the first searching player of the
    match plays both sides on until the rules end it; rollouts:400 where none searches), rules (what stands on the
    board lives), any player to play it out, or gtp:COMMAND, an engine that says which stones are dead."""
    sgf_dir: Path | None = None
    """Save every game there as SGF, with the search's win rates, for games that SGF knows."""
    json: bool = False
    """Print one JSON object, with the moves of every game, instead of text."""
    search: SearchConfig = field(default_factory=SearchConfig)


def run(command: Command) -> int:
    game = games.make_board(command.game)
    if command.sgf_dir is not None:
        _prepare_records(game, command.sgf_dir)
    result = play(command)
    if command.sgf_dir is not None:
        _save_records(game, result, command.sgf_dir)
    if command.json:
        print(json.dumps(_with_games(result, game)))
    else:
        print(_as_text(result))
    return 0


def play(command: Command) -> MatchResult:
    """The match that `command` asks for. Raises UserError where it asks for what cannot be."""
    game = games.make_board(command.game)
    for option, value, least in (
        ("games", command.games, 1),
        ("simulations", command.simulations, 1),
        ("threads", command.threads, 1),
        ("seed", command.seed, 0),
    ):
        if value < least:
            raise UserError(f"--{option} {value}: must be at least {least}")
    if not (math.isfinite(command.engine_seconds) and command.engine_seconds > 0):
        raise UserError(f"--engine-seconds {command.engine_seconds}: must be more than 0")
    first, second = _names(command)
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with _contest(game, command) as contest:
            contest.prepare((first, second))
            with games_bar(f"{first} against {second}", command.games) as bar:
                return contest.play(first, second, command.games, command.seed, progress=shown_on(bar))
    finally:
        signal.signal(signal.SIGTERM, before)


def _names(command: Command) -> tuple[str, str]:
    """What both players are called. `keima match A --b B` is as good as `keima match A B`."""
    written = [name for name in (command.first, command.second) if name]
    first = command.a or (written.pop(0) if written else "")
    second = command.b or (written.pop(0) if written else "")
    if not first or not second:
        raise UserError(f"{'A' if not first else 'B'} is missing: a match needs two players (keima match --help)")
    if written:
        raise UserError(f"player {written[0]!r} is one too many")
    return first, second


def _contest(game: Game, command: Command) -> Contest:
    return Contest(
        game,
        num_simulations=command.simulations,
        config=command.search,
        num_threads=command.threads,
        average_symmetries=command.average_symmetries,
        engine_seconds=command.engine_seconds,
        judge=command.judge,
    )


def _prepare_records(game: Game, directory: Path) -> None:
    try:
        check_sgf(game)
    except BadRequest as error:
        raise UserError(f"--sgf-dir: {error}") from None
    directory.mkdir(parents=True, exist_ok=True)


def _save_records(game: Game, result: MatchResult, directory: Path) -> None:
    for number, played in enumerate(result.games, start=1):
        black, white = (result.first, result.second) if played.first_begins else (result.second, result.first)
        info = SgfInfo(black, white, played.result or None, played.remark or played.forfeit)
        text = actions_to_sgf(game, played.moves, played.values, info)
        (directory / f"game{number:04d}.sgf").write_text(text, encoding="utf-8")


def _with_games(result: MatchResult, game: Game) -> dict[str, Any]:
    played = [
        {
            "first_begins": one.first_begins,
            "moves": [game.action_to_text(action) for action in one.moves],
            "num_opening_moves": one.num_opening_moves,
            "score": one.score,
            "result": one.result,
            "remark": one.remark or one.forfeit,
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
