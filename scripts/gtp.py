"""`keima gtp GAME`: a GTP engine on standard input and output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import tyro

import games
from games.base import Game
from rl.errors import UserError
from rl.protocols.gtp.engine import GtpEngine
from rl.protocols.gtp.search import GameSearch
from rl.protocols.gtp.session import GtpConfig, Session
from rl.search.driver import SearchConfig
from rl.search.evaluation import Evaluator, UniformEvaluator
from scripts.agents import find_agent, load_evaluator
from scripts.arguments import GameName
from scripts.variants import remake


@dataclass(frozen=True)
class Command:
    """A GTP engine: the Go Text Protocol, version 2, with KataGo's analysis commands, on standard input and output.
    Player 0 is black. Moves are in the game's notation; `boardsize` changes the size within the game's family. Time is
    managed by time_settings and time_left; a game that nobody has trained an agent for is played by search alone."""

    game: GameName
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game. Where none ships, a search that knows only the
    rules plays, and says so."""
    engine: Annotated[GtpConfig, tyro.conf.arg(name="")] = field(default_factory=GtpConfig)
    search: SearchConfig = field(default_factory=lambda: SearchConfig(root="puct"))
    leaves_per_tree: int = 8
    """Positions of the tree evaluated at a time. More are faster and a little weaker."""
    memory: int = 512
    """Memory for the tree in MiB."""
    device: str = "cpu"
    """Where the network runs: cpu, cuda, or cuda:1 and so on."""
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    """CPU threads of the network; by default one for each core."""


def run(command: Command) -> int:
    _check(command)
    game = games.make_board(command.game)
    session = Session(game, remake, lambda game: _make_search(game, command), command.engine)
    GtpEngine(session, version("keima"), _tell).serve(_input_lines(), _write)
    return 0


def _check(command: Command) -> None:
    for option, value in (
        ("--leaves-per-tree", command.leaves_per_tree),
        ("--memory", command.memory),
        ("--threads", command.threads),
    ):
        if value < 1:
            raise UserError(f"{option} {value}: must be at least 1")
    directory = command.engine.sgf_dir
    if directory is not None and not directory.is_dir():
        raise UserError(f"--sgf-dir {directory}: there is no such directory")
    if command.search.root != "puct":
        raise UserError("--search.root gumbel: only a puct search keeps its tree from move to move")


def _make_search(game: Game, command: Command) -> GameSearch:
    """The search of a game, compiled, with the agent that plays it."""
    path = find_agent(game, command.agent)
    evaluator: Evaluator
    if path is None:
        _tell(f"no agent ships for {game.name}: it is played by a search that knows only the rules")
        evaluator = UniformEvaluator(game, command.leaves_per_tree)
    else:
        evaluator = loaded = load_evaluator(game, path, command.leaves_per_tree, command.device, command.threads)
        _tell(f"{path.name} on {game.name}: evaluated by {loaded.description}")
    return GameSearch(game, evaluator, command.search, leaves_per_tree=command.leaves_per_tree, memory=command.memory)


def _tell(message: str) -> None:
    print(f"keima: {message}", file=sys.stderr, flush=True)


def _input_lines() -> Iterator[bytes]:
    """Lines of standard input as they come. Read from the descriptor: Python aborts when it ends while a thread holds
    the lock of `sys.stdin`."""
    rest = b""
    while block := os.read(sys.stdin.fileno(), 1 << 16):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
