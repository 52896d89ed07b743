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
from rich import progress as bars
from rich.console import Console

import games
from games.base import Game
from rl.arena.match import MatchResult, Progress, Tally, play_match
from rl.arena.players import PLAYER_HELP, Player, make_player
from rl.errors import UserError
from rl.protocols.gtp.engine_match import OutsideSeat, OwnSeat, Seat, play_engine_match
from rl.protocols.gtp.judge import EngineJudge, Judge, PlayOutJudge, RulesJudge
from rl.protocols.gtp.seat import PREFIX, EngineSeat
from rl.protocols.moves import BadRequest
from rl.protocols.sgf import SgfInfo, actions_to_sgf, check_sgf
from rl.search.driver import SearchConfig

FirstPlayer = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(metavar="A", help=f"The first player. One of: {PLAYER_HELP}.")
]
SecondPlayer = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="B", help="The second player, likewise.")]


_JUDGING_PLAYER = "rollouts:400"
"""Plays games out that were ended early, where no player of the match can."""


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
    game = games.make(command.game)
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
    game = games.make(command.game)
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
    names = _names(command)
    if any(name.startswith(PREFIX) for name in names):
        return _play_engines(game, names, command)
    first, second = (_player(name, game, command) for name in names)
    return _play(game, first, second, command)


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


def _player(name: str, game: Game, command: Command) -> Player:
    return make_player(
        name,
        game,
        num_simulations=command.simulations,
        config=command.search,
        num_threads=command.threads,
        average_symmetries=command.average_symmetries,
    )


def _play(game: Game, first: Player, second: Player, command: Command) -> MatchResult:
    with _progress_line(first.name, second.name, command.games) as bar:
        return play_match(game, first, second, command.games, command.seed, progress=_shown_on(bar))


def _play_engines(game: Game, names: tuple[str, str], command: Command) -> MatchResult:
    """The match, and whatever happens, no engine left behind."""
    own = {name: _player(name, game, command) for name in names if not name.startswith(PREFIX)}
    opened: list[Seat | Judge] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        seats: list[Seat] = []
        for name in names:
            engine = name.startswith(PREFIX)
            seats.append(OutsideSeat(_engine(name, command)) if engine else OwnSeat(own[name]))
            opened.append(seats[-1])
        judge = _judge(game, [own[name] for name in names if name in own and name != "random"], command)
        opened.append(judge)
        with _progress_line(*names, command.games) as bar:
            return play_engine_match(
                game, seats[0], seats[1], command.games, command.seed, judge, progress=_shown_on(bar)
            )
    finally:
        for one in opened:
            one.close()
        signal.signal(signal.SIGTERM, before)


def _engine(name: str, command: Command) -> EngineSeat:
    return EngineSeat(name, seconds=command.engine_seconds)


def _judge(game: Game, searching: list[Player], command: Command) -> Judge:
    if command.judge == "rules" or not game.is_scored:
        return RulesJudge()
    if command.judge.startswith(PREFIX):
        return EngineJudge(_engine(command.judge, command))
    if command.judge != "playout":
        return PlayOutJudge(_player(command.judge, game, command))
    return PlayOutJudge(searching[0] if searching else _player(_JUDGING_PLAYER, game, command))


def _progress_line(first: str, second: str, num_games: int) -> bars.Progress:
    """A progress line where somebody watches standard error; its task is number 0."""
    bar = bars.Progress(
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("games"),
        bars.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    bar.add_task(f"{first} against {second}", total=num_games)
    return bar


def _shown_on(bar: bars.Progress) -> Progress:
    return lambda finished, num_games: bar.update(bar.task_ids[0], completed=finished)


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
