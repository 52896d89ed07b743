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
from rl.errors import UserError
from rl.protocols.analysis import AnalysisEngine, EngineConfig, EngineNames
from rl.search.evaluation import Evaluator, UniformEvaluator
from scripts.agents import find_agent, load_evaluator
from scripts.arguments import GameName


@dataclass(frozen=True)
class Command:
    """Analyse positions as KataGo's analysis engine does: one JSON object a line on standard input, answers on
    standard output, matched by "id", in any order. A query is {"id": "a", "moves": ["4", "4"], "maxVisits": 100};
    optional are "analyzeTurns", "includePolicy", "initialPlayer", "priority" and "priorities". maxVisits 1 is the bare
    policy. A move is its text or a pair such as ["B", "4"]; B moves first. Each winrate and utility is for the side to
    move at the analysed turn (KataGo's SIDETOMOVE), a draw counting as half a win. Actions: query_version,
    query_models, clear_cache, terminate, terminate_all. A bad line is answered by an "error"; the next is served."""

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
    game = games.make(command.game)
    _check(command)
    path = find_agent(game, command.agent)
    if path is None:
        print(f"keima: no agent ships for {game.name}: search without a network", file=sys.stderr)
        evaluator: Evaluator = UniformEvaluator(game, command.batch_size)
    else:
        evaluator = load_evaluator(game, path, command.batch_size, command.device, command.threads)
    names = EngineNames(version("keima"), "uniform" if path is None else path.stem)
    AnalysisEngine(game, evaluator, names, command.engine).serve(_input_lines(), _print_line)
    return 0


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
