"""`keima report RUN`: one HTML page of a run, with everything in it: no other file, no network, no server. Or one chart
of it as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from rl.errors import UserError
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
    """The file to write. None: report.html in the run's directory, or chart.svg."""
    games: int = 12
    """How many sample games, from all over the run."""
    chart: str | None = None
    """Draw this chart alone, by its title on the page (Truth, Elo, Loss), as an SVG picture."""
    beside: tuple[Path, ...] = ()
    """Further runs to draw into the same chart."""
    x: Literal["games", "steps", "hours"] = "hours"
    """What the chart is drawn over."""


def run(command: Command) -> int:
    if command.chart is None:
        if command.beside:
            raise UserError("--beside goes with --chart: a page is about one run")
        content, name, advice = build(read_run(command.run_dir, command.games)).encode(), "report.html", "a browser"
    else:
        from scripts.report.picture import draw  # imports matplotlib, which a page does without

        records = [read_run(run_dir, 0) for run_dir in (command.run_dir, *command.beside)]
        content, name, advice = draw(records, command.chart, command.x), "chart.svg", "a browser or a page"
    into = command.into or command.run_dir / name
    into.parent.mkdir(parents=True, exist_ok=True)
    replace_file(into, content)
    print(f"{into}: {len(content) / 1e6:.2f} MB; open it in {advice}")
    return 0
