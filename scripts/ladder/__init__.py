"""`keima ladder GAME PLAYER PLAYER ...`: rate many players, our own and outside engines, by games among all of them."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

import games
from games.base import Game
from rl.arena.entrants import RANDOM, Entrant
from rl.arena.game_log import read_log
from rl.arena.players import PLAYER_HELP
from rl.arena.results import Results
from rl.arena.sprt import Sprt
from rl.arena.tournament import PairTest, Plan
from rl.errors import UserError
from rl.search.driver import SearchConfig
from scripts.arguments import GameName
from scripts.ladder.players import find_entrants, named
from scripts.ladder.report import Report, print_report, write_report
from scripts.ladder.session import Settings, play_ladder

Players = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="PLAYER",
        help=f"{PLAYER_HELP}; or RUN_DIR:N, every network that a training run has kept. Without players nothing is "
        "played: the ladder in --out is shown.",
    ),
]


@dataclass(frozen=True)
class Command:
    """Rate players by games of each against each: Elo with 95 % intervals, as a table and a plot.

    The games are kept in --out, one JSON line each. The same command goes on where it was interrupted, and with further
    players it plays only what is new. Each opening is played from both sides, and no pair plays one again."""

    game: GameName
    players: Players = ()
    out: Path | None = None
    """Where the games (games.jsonl), the table (ladder.md, ladder.json) and the plot (ladder.svg) go: ladders/GAME by
    default."""
    games: int = 20
    """Games of every pair. With 0 and --extra or --margin all games are chosen for what they tell."""
    extra: int | None = None
    """Further games, each where it makes the ratings most certain; by default none, with --margin without limit."""
    margin: float | None = None
    """Play further games until every 95 % interval is at most so many Elo points to either side."""
    sprt: tuple[str, str] | None = None
    """Two players, A and B: after the games of every pair they play until a sequential test has decided whether A is so
    many points better as --elo1 says, or only as --elo0. They may be written as the table has them."""
    elo0: float = 0.0
    """The lower hypothesis of --sprt, in logistic Elo."""
    elo1: float = 30.0
    """The higher one."""
    alpha: float = 0.05
    """Chance that --sprt accepts --elo1 where --elo0 is true."""
    beta: float = 0.05
    """Chance that --sprt accepts --elo0 where --elo1 is true."""
    checkpoints: int | None = None
    """Of each training run at most so many networks, evenly spaced, the newest among them."""
    anchor: str = ""
    """Who is rated 0: by default random where it plays, else the first player."""
    x: Literal["players", "games", "evaluations", "hours"] = "players"
    """The plot's other axis: the players, or what the training of agents had cost."""
    crosstable: bool = False
    """Print also what each player took from each other one; ladder.md always has it."""
    seed: int = 0
    """Openings and everything the players draw at random come from it."""
    simulations: int = 100
    """Simulations a move of players that do not say their own (`rollouts` is then `rollouts:100`)."""
    average_symmetries: bool = False
    """Ask networks about each position in all symmetries of the game, and take the mean: as many times slower."""
    openings: int = 500
    """Different openings, all as short as gives that many. No pair plays more than twice as many games."""
    batch: int = 32
    """Games that a pair of our own players plays side by side, and that are lost when it is killed meanwhile."""
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Threads of a network."""
    engine_seconds: float = 60.0
    """How long an outside engine may take for an answer; then it loses the game."""
    judge: str = "playout"
    """Who scores a game with an outside engine that two passes end early: as in `keima match`."""
    json: bool = False
    """Print ladder.json instead of the table."""
    search: SearchConfig = field(default_factory=SearchConfig)


def run(command: Command) -> int:
    game = games.make_board(command.game)
    _check(command)
    directory = command.out or Path("ladders") / game.name
    report, code = (_play if command.players else _look)(command, game, directory)
    write_report(report, directory)
    print_report(report, directory, as_json=command.json, with_crosstable=command.crosstable)
    return code


def _play(command: Command, game: Game, directory: Path) -> tuple[Report, int]:
    """Play what is missing; the ladder then, and the exit code."""
    entrants = find_entrants(command.players, game, command.simulations, command.checkpoints)
    if len(entrants) < 2:
        raise UserError(f"only {entrants[0].name!r} would play: a ladder needs at least two players")
    anchor, test = _anchor(command, entrants), _test(command, entrants)
    _require_costs(command, entrants)
    extra = command.extra if command.extra is not None or command.margin is not None else 0
    settings = Settings(
        seed=command.seed,
        simulations=command.simulations,
        openings=command.openings,
        average_symmetries=command.average_symmetries,
        engine_seconds=command.engine_seconds,
        judge=command.judge,
        search=command.search,
    )
    return play_ladder(
        game,
        directory,
        entrants,
        settings,
        Plan(anchor, command.games, extra, command.margin, test, command.batch),
        num_threads=command.threads,
        report=lambda known, results: Report.of(game.name, known, results, anchor, test, command.x),
    )


def _look(command: Command, game: Game, directory: Path) -> tuple[Report, int]:
    """The ladder as it stands, and the exit code; nothing is played."""
    path = directory / "games.jsonl"
    if not path.exists():
        raise UserError(f"a ladder needs players: none are on the command line, and there is no {path}")
    log = read_log(path)
    if log.settings is None or not log.games:
        raise UserError(f"{path} has no games yet")
    if log.settings.get("game") != game.name:
        raise UserError(f"{path} holds another ladder: its game is {log.settings.get('game')}, not {game.name}")
    entrants = list(log.entrants.values())
    anchor, test = _anchor(command, entrants), _test(command, entrants)
    _require_costs(command, entrants)
    return Report.of(game.name, entrants, Results(log.games), anchor, test, command.x), 0


def _check(command: Command) -> None:
    """Raises UserError where an option cannot be."""
    for option, value, least in (
        ("simulations", command.simulations, 1),
        ("openings", command.openings, 1),
        ("threads", command.threads, 1),
        ("seed", command.seed, 0),
        ("checkpoints", 1 if command.checkpoints is None else command.checkpoints, 1),
    ):
        if value < least:
            raise UserError(f"--{option} {value}: must be at least {least}")
    for option, value, least in (
        ("games", command.games, 0),
        ("extra", command.extra or 0, 0),
        ("batch", command.batch, 2),
    ):
        if value < least or value % 2:
            raise UserError(f"--{option} {value}: must be even, for openings are played twice, and at least {least}")
    for option, number in (("engine-seconds", command.engine_seconds), ("margin", command.margin)):
        if number is not None and not (math.isfinite(number) and number > 0):
            raise UserError(f"--{option} {number}: must be more than 0")


def _require_costs(command: Command, entrants: list[Entrant]) -> None:
    """Raises UserError where nothing could be drawn over the axis asked for."""
    if command.x != "players" and all(getattr(entrant, command.x) is None for entrant in entrants):
        raise UserError(f"--x {command.x}: no player's file says how many {command.x} its training took")


def _anchor(command: Command, entrants: list[Entrant]) -> str:
    """The name of who is rated 0."""
    if command.anchor:
        return named(command.anchor, entrants, command.simulations)
    return RANDOM if any(entrant.name == RANDOM for entrant in entrants) else entrants[0].name


def _test(command: Command, entrants: list[Entrant]) -> PairTest | None:
    """The sequential test that is asked for."""
    if command.sprt is None:
        return None
    first, second = (named(text, entrants, command.simulations) for text in command.sprt)
    if first == second:
        raise UserError(f"--sprt: {first!r} cannot be tested against itself")
    return PairTest(first, second, Sprt(command.elo0, command.elo1, command.alpha, command.beta))
