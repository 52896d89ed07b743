"""The progress line of commands that play many games."""

from __future__ import annotations

import sys

from rich import progress as bars
from rich.console import Console

from rl.arena.match import Progress


def games_bar(description: str, num_games: int | None) -> bars.Progress:
    """A progress line where somebody watches standard error; its task is number 0, of `num_games` as far as known."""
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
    bar.add_task(description, total=num_games)
    return bar


def shown_on(bar: bars.Progress, before: int = 0) -> Progress:
    """Tells the line of a match's progress, `before` games having been played before it."""
    return lambda finished, num_games: bar.update(bar.task_ids[0], completed=before + finished)
