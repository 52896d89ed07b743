"""`keima report RUN`: one HTML page of a run, with everything in it: no other file, no network, no server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from rl.files import replace_file
from scripts.report.page import build
from scripts.report.run_record import read_run


@dataclass(frozen=True)
class Command:
    """Write one self-contained HTML page of a run: curves, ladder, health, settings, positions with what network and
    search say of them, and sample games to step through. A run that is going on may be asked too."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """The run's directory."""
    into: Path | None = None
    """The file to write. None: report.html in the run's directory."""
    games: int = 12
    """How many sample games, from all over the run."""


def run(command: Command) -> int:
    record = read_run(command.run_dir, command.games)
    into = command.into or command.run_dir / "report.html"
    content = build(record).encode()
    into.parent.mkdir(parents=True, exist_ok=True)
    replace_file(into, content)
    print(f"{into}: {len(content) / 1e6:.2f} MB; open it in a browser")
    return 0
