"""`keima check-game GAME`: tests a game's rules the way Gymnasium's check_env tests an environment."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numba
import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

import games
from games.base import Game
from games.check import CHECKS, Finding, check_game
from games.check.sample import Sample
from rl.errors import UserError

_SPEED_SECONDS = 0.5
_STYLES = {"passed": "green", "failed": "bold red", "not run": "yellow", "told": ""}


@dataclass(frozen=True)
class Command:
    """Test the rules of a game against the contract in games/base.py, over random games: the declarations, masks, ends,
    rewards, use of history, score, observations, hashes, symmetries, text, that recorded actions give the same game
    again, and that the compiled methods agree with plain Python. Each failed check tells in a sentence what to mend.
    How fast random play is, compiled, is told and not judged. Exit code 0: all passed; 1: a check failed; 2: there is
    no such game."""

    game: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(
            metavar="GAME",
            help="A registered game, or your own as module:Class, the module importable from the current directory "
            "(instead of a class also a game, or a function without arguments that makes one).",
        ),
    ]
    moves: int = 1000
    """Moves of random play that the checks look at, in whole games."""
    seed: int = 0
    """The random games derive from it."""


def run(command: Command) -> int:
    if command.moves < 1 or command.seed < 0:
        raise UserError("--moves is at least 1, --seed at least 0")
    game = find_game(command.game)
    console = Console()
    with console.status("checking", spinner="line") if console.is_terminal else _Quiet():
        findings = list(check_game(game, Sample(game, command.moves, command.seed)))
    failed = sum(finding.status == "failed" for finding in findings)
    rows: list[tuple[str, str, str]] = [(finding.check, finding.status, finding.text) for finding in findings]
    if not failed and not numba.config.DISABLE_JIT:
        rows.append(
            ("speed", "told", f"{_moves_per_second(game, command.seed):,.0f} random moves a second of one core")
        )
    name = getattr(game, "name", command.game)
    _show(console, f"{name}: {_verdict(findings)}", rows)
    return 1 if failed else 0


def find_game(text: str) -> Game:
    """The registered game of this name, or the one that `module:name` holds or makes.

    Raises UnknownGame where there is neither, UserError where a module or a class is there and gives no game.
    """
    try:
        return games.make_board(text)
    except games.UnknownGame as unknown:
        match = re.fullmatch(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)", text)
        if not match:
            raise
        if os.getcwd() not in sys.path:  # an installed command starts without it
            sys.path.insert(0, os.getcwd())
        if not _exists(match["module"]):
            raise games.UnknownGame(f"{unknown}; nor is there a module {match['module']} in {os.getcwd()}") from None
    return _load(match["module"], match["name"])


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # a package on the way to it is missing, or is none
        return False


def _load(module: str, name: str) -> Game:
    try:
        held = getattr(importlib.import_module(module), name, None)
        made = held() if callable(held) and not isinstance(held, Game) else held
    except Exception as error:  # whatever a stranger's module raises
        raise UserError(f"{module}:{name} cannot be made: {type(error).__name__}: {error}") from None
    if held is None:
        raise UserError(f"the module {module} has no {name}")
    if not isinstance(made, Game):
        raise UserError(f"{module}:{name} is no game: a game is a sub-class of games.base.Game")
    return made


class _Quiet:
    """Stands for a display where nobody watches."""

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def _moves_per_second(game: Game, seed: int) -> float:
    """Uniformly random moves a second, compiled."""
    from scripts.bench.play import play_at_random  # takes seconds to import: it knows every other benchmark's needs

    moves, seconds = 1000, 0.0
    play_at_random(game, 1, seed)  # compiles
    while seconds < _SPEED_SECONDS:
        moves *= 2
        begun = time.process_time()  # on a busy machine the wall clock tells of others
        play_at_random(game, moves, seed)
        seconds = time.process_time() - begun
    return moves / seconds


def _verdict(findings: Iterable[Finding]) -> str:
    statuses = [finding.status for finding in findings]
    told = [f"{statuses.count('passed')} of {len(CHECKS)} checks passed"]
    told += [f"{statuses.count(status)} {status}" for status in ("failed", "not run") if status in statuses]
    return ", ".join(told)


def _show(console: Console, title: str, rows: list[tuple[str, str, str]]) -> None:
    """A table in a terminal; one line a check elsewhere, so that it can be searched."""
    if not console.is_terminal:
        width = max(len(check) for check, _, _ in rows)
        for check, status, text in rows:
            print(f"{check:<{width}}  {status:<7}  {text}")
        print(title)
        return
    table = Table("check", "result", "what was seen, or what to mend", title=title, title_justify="left")
    for check, status, text in rows:
        table.add_row(check, Text(status, style=_STYLES[status]), Text(text))
    console.print(table)
