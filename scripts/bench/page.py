"""`keima bench page`: how long `keima report` takes of a long run, and how large its page is."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import games
from rl.errors import UserError
from rl.train.config import TrainConfig
from scripts.arguments import GameName
from scripts.bench.made_up_run import make_run
from scripts.bench.report import Figure, Report, TimedOptions, require_positive

_LINES = 2
"""Of metrics, for each network that self-play is given."""
_GAMES = 20


@dataclass(frozen=True)
class PageBench(TimedOptions):
    """`keima report` of a made-up run, from the start of its process to its end."""

    game: GameName = "connect_four"
    iterations: int = 1000
    """Networks that self-play was given: two lines of metrics and 20 games for each, an evaluation for every fifth."""


def measure(command: PageBench) -> Report:
    """The run has every curve, the positions of every evaluation, and games of random moves."""
    require_positive({"repeats": command.repeats, "iterations": command.iterations})
    game = games.make_board(command.game)
    seconds, cpu_seconds = [], []
    with tempfile.TemporaryDirectory(prefix="keima-page-") as folder:
        run_dir = Path(folder) / "run"
        num_lines, num_games = _LINES * command.iterations, _GAMES * command.iterations
        make_run(run_dir, game, TrainConfig(seed=command.seed), num_lines=num_lines, num_games=num_games)
        for _ in range(command.repeats):
            begun, cpu_begun = time.perf_counter(), _children_seconds()
            done = subprocess.run(
                [sys.executable, "-m", "scripts.cli", "report", str(run_dir)], capture_output=True, text=True
            )
            seconds.append(time.perf_counter() - begun)
            cpu_seconds.append(_children_seconds() - cpu_begun)
            if done.returncode:
                raise UserError(f"bench page: keima report failed: {done.stderr.strip()}")
        size = (run_dir / "report.html").stat().st_size / 1e6
    figures = (
        Figure("keima report", "s", tuple(seconds), "wall", 10.0, at_most=True),
        Figure("keima report", "s", tuple(cpu_seconds), "cpu"),
        Figure("its page", "MB", (size,), goal=5.0, at_most=True),
    )
    return Report("page", command.seed, {"game": game.name, "iterations": command.iterations}, figures)


def _children_seconds() -> float:
    """On cores, of all processes that have been started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
