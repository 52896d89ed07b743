"""`keima analyze GAME`: JSON lines in KataGo's analysis protocol, queries in and analyses out."""

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
from rl.protocols.analysis.boards import Variants
from rl.protocols.analysis.engine import AnalysisEngine, EngineConfig, EngineNames
from rl.search.evaluation import Evaluator, UniformEvaluator
from scripts.agents import find_agent, load_evaluator
from scripts.arguments import GameName
from scripts.variants import remake


@dataclass(frozen=True)
class Command:
    """Analyse positions as KataGo's analysis engine does: one JSON object a line on standard input, answers on
    standard output, matched by "id", in any order. A query is {"id": "a", "moves": ["4", "4"], "maxVisits": 100};
    optional are "analyzeTurns", "includePolicy", "includeOwnership", "priority" and "priorities". maxVisits 1 is the
    bare policy. A move is its text or a pair such as ["B", "4"]; B moves first. Each winrate, utility, scoreLead and
    ownership is for the side to move at the analysed turn (KataGo's SIDETOMOVE), a draw counting as half a win.
    "boardXSize" and "boardYSize" name another size of GAME. Where the game has them: "komi", "rules" (KataGo's names
    and objects), "initialStones", "initialPlayer". What a game has not is ignored with a "warning", what it cannot be
    is an "error". scoreLead and ownership, for games that are scored, are the network's prediction where the agent
    has learnt it (`keima train --network.score-heads`), else they count the end of the principal variation. Actions:
    query_version, query_models, clear_cache, terminate, terminate_all. A bad line is answered by an "error"; the next
    is served."""

    game: GameName
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game. Where none ships, a search that knows only the
    rules answers, and says so."""
    engine: Annotated[EngineConfig, tyro.conf.arg(name="")] = field(default_factory=EngineConfig)
    batch_size: int = 64
    """The most positions the network is given at a time."""
    device: str = "cpu"
    """Where the network runs: cpu, cuda, or cuda:1 and so on."""
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    """CPU threads of the network; by default one for each core."""


def run(command: Command) -> int:
    game = games.make_board(command.game)
    _check(command)
    evaluator, model = _make_evaluator(game, command)
    names = EngineNames(version("keima"), model)
    variants = Variants(remake, lambda variant: _make_evaluator(variant, command)[0])
    AnalysisEngine(game, evaluator, names, command.engine, variants).serve(_input_lines(), _print_line)
    return 0


def _make_evaluator(game: Game, command: Command) -> tuple[Evaluator, str]:
    """What evaluates a game's positions, and its name. Raises UserError where the agent asked for cannot."""
    path = find_agent(game, command.agent)
    if path is None:
        print(f"keima: no agent ships for {game.name}: search without a network", file=sys.stderr)
        return UniformEvaluator(game, command.batch_size), "uniform"
    evaluator = load_evaluator(game, path, command.batch_size, command.device, command.threads)
    print(f"keima: {path.name} on {game.name}: evaluated by {evaluator.description}", file=sys.stderr, flush=True)
    return evaluator, path.stem


def _check(command: Command) -> None:
    engine = command.engine
    positive = {
        "--visits": engine.visits,
        "--leaves-per-tree": engine.leaves_per_tree,
        "--trees": engine.trees,
        "--memory": engine.memory,
        "--batch-size": command.batch_size,
        "--threads": command.threads,
    }
    for option, value in positive.items():
        if value < 1:
            raise UserError(f"{option} {value}: must be at least 1")


def _input_lines() -> Iterator[str]:
    """Lines of standard input as they come. Read from the descriptor: Python aborts when it ends while a thread holds
    the lock of `sys.stdin`."""
    rest = b""
    while block := os.read(sys.stdin.fileno(), 1 << 16):
        *lines, rest = (rest + block).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)
    yield rest.decode(errors="replace")


def _print_line(line: str) -> None:
    print(line, flush=True)
