"""What a person sees of a run: a live picture in a terminal, a plain line now and then anywhere else.

Nothing here can end a run: a closed pipe or a terminal that has gone only makes it silent.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

_WIDE = 76
"""Columns from which numbers stand in two columns."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A run at one moment. None: not known yet, and not shown."""

    seconds: float
    """Of running, over all restarts."""
    progress: float
    """Share of the planned run, 0 to 1."""
    phase: str = ""
    """What it is doing, in a word or two; empty when there is nothing to say."""
    eta_seconds: float | None = None
    games: int = 0
    positions: int = 0
    steps: int = 0
    """Of the learner."""
    games_per_second: float | None = None
    positions_per_second: float | None = None
    samples_per_second: float | None = None
    loss: float | None = None
    policy_loss: float | None = None
    value_loss: float | None = None
    elo: float | None = None
    elo_margin: float | None = None
    """Half of the 95 % interval."""
    truth_policy: float | None = None
    """Share of solved positions where the bare policy keeps the result."""
    truth_search: float | None = None
    """The same with a search."""
    window_size: int | None = None
    """Positions."""
    sample_age: float | None = None
    """Mean, in games."""
    network_share: float | None = None
    search_share: float | None = None
    learning_share: float | None = None
    earned: float | None = None
    """The mean return of episodes."""
    success: float | None = None
    """The share of episodes that ended in success; of those that measure, with the policy alone and with a search."""
    success_policy: float | None = None
    success_search: float | None = None
    sicknesses: tuple[str, ...] = ()
    """Names of what is wrong with the run."""


class Display:
    """Shows snapshots and lines. `say` may be called from any thread.

    with Display() as display:
        display.update(Snapshot(seconds=1.0, progress=0.5))
    """

    def __init__(
        self, file: TextIO | None = None, *, interval: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`interval` is the seconds between two plain lines; a live picture follows every snapshot."""
        self._file = sys.stdout if file is None else file
        self._interval = interval
        self._clock = clock
        self._lock = threading.RLock()
        self._next_line = -1.0
        self._last: Snapshot | None = None  # given, but not told yet
        self._gone = False
        console = _Console(file=self._file, highlight=False, markup=False, emoji=False)
        can_draw = console.is_terminal and not console.is_dumb_terminal and console.encoding.startswith("utf")
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop") if can_draw else None

    @property
    def is_live(self) -> bool:
        return self._live is not None

    def __enter__(self) -> Display:
        self._quietly(self._start)
        return self

    def __exit__(self, *exception: object) -> None:
        self._quietly(self._stop)

    def update(self, snapshot: Snapshot) -> None:
        """Show a newer state of the run."""
        self._quietly(lambda: self._show(snapshot))

    def say(self, line: str) -> None:
        """Print a line that stays, above the live picture if there is one."""
        self._quietly(lambda: self._say(line))

    def _start(self) -> None:
        if self._live is not None:
            self._live.start()
            self._live.console.show_cursor(True)  # so that a killed run leaves a usable terminal

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._last is not None:
            self._print(plain_line(self._last))
            self._last = None

    def _show(self, snapshot: Snapshot) -> None:
        if self._live is not None:
            self._live.update(picture(snapshot, self._live.console.width), refresh=True)
        elif self._clock() >= self._next_line:
            self._next_line = self._clock() + self._interval
            self._last = None
            self._print(plain_line(snapshot))
        else:
            self._last = snapshot

    def _say(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(Text(line), soft_wrap=True)
        else:
            self._print(line)

    def _print(self, line: str) -> None:
        encoding = getattr(self._file, "encoding", None) or "utf-8"
        self._file.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        self._file.flush()

    def _quietly(self, action: Callable[[], None]) -> None:
        """One caller at a time; nothing after the output was found to be gone."""
        with self._lock:
            if self._gone:
                return
            try:
                action()
            except (OSError, ValueError):  # ValueError: I/O operation on closed file
                self._gone = True
                _lead_nowhere(self._file)
                if self._live is not None:
                    with suppress(OSError, ValueError):
                        self._live.stop()  # gives sys.stdout back


class _Console(Console):
    """rich would end the process when the reader of a pipe is gone."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def _lead_nowhere(file: TextIO) -> None:
    """Lead what is still buffered nowhere: Python complains at its end when it cannot write it."""
    with suppress(OSError, ValueError):  # not a file of the system's, or closed by whoever opened it
        descriptor = file.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def plain_line(snapshot: Snapshot) -> str:
    """A snapshot as one line of ASCII."""
    facts = [f"{name} {text}" for name, text in _facts(snapshot)]
    return " | ".join([f"{duration(snapshot.seconds)} {snapshot.progress:4.0%}", *facts]).replace("±", "+/-")


def picture(snapshot: Snapshot, width: int) -> RenderableType:
    """A snapshot for a terminal of `width` columns."""
    facts = _facts(snapshot)
    columns = 2 if width >= _WIDE else 1
    table = Table.grid(padding=(0, 2, 0, 0), expand=columns == 2)
    for _ in range(columns):
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(ratio=1 if columns == 2 else None, overflow="fold")
    half = -(-len(facts) // columns)
    for row in range(half):
        cells = [cell for index in range(row, len(facts), half) for cell in facts[index]]
        table.add_row(*(Text(cell) for cell in cells))
    title = Text(f"{duration(snapshot.seconds)}  {snapshot.progress:.0%}", style="bold")
    length = max(1, min(width, 100))
    done = round(length * min(max(snapshot.progress, 0.0), 1.0))
    bar = Text.assemble(("━" * done, "green"), ("─" * (length - done), "dim"))
    return Group(title, bar, table)


def _facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """(name, text) of everything that is known, in the order of interest."""
    losses = (("policy", snapshot.policy_loss), ("value", snapshot.value_loss))
    truths = (("policy", snapshot.truth_policy), ("search", snapshot.truth_search))
    shares = (
        ("network", snapshot.network_share),
        ("search", snapshot.search_share),
        ("learning", snapshot.learning_share),
    )
    successes = (
        ("play", snapshot.success),
        ("policy", snapshot.success_policy),
        ("search", snapshot.success_search),
    )
    margin = "" if snapshot.elo_margin is None else f" ±{snapshot.elo_margin:.0f}"
    age = "" if snapshot.sample_age is None else f", mean age {snapshot.sample_age:,.0f} games"
    parts = _joined(losses, "{:.3f}")
    facts = {
        "phase": snapshot.phase or None,
        "left": None if snapshot.eta_seconds is None else duration(snapshot.eta_seconds),
        "games": f"{snapshot.games:,}{_rate(snapshot.games_per_second)}",
        "positions": f"{snapshot.positions:,}{_rate(snapshot.positions_per_second)}",
        "step": f"{snapshot.steps:,}{_rate(snapshot.samples_per_second, ' samples')}",
        "loss": None if snapshot.loss is None else f"{snapshot.loss:.3f}" + (f" ({parts})" if parts else ""),
        "elo": None if snapshot.elo is None else f"{snapshot.elo:.0f}{margin}",
        "truth": _joined(truths, "{:.1%}"),
        "return": None if snapshot.earned is None else f"{snapshot.earned:.1f}",
        "success": _joined(successes, "{:.1%}"),
        "window": None if snapshot.window_size is None else f"{snapshot.window_size:,} positions{age}",
        "time": _joined(shares, "{:.0%}"),
        "ill": ", ".join(snapshot.sicknesses),
    }
    return [(name, text) for name, text in facts.items() if text]


def _joined(parts: tuple[tuple[str, float | None], ...], form: str) -> str:
    return ", ".join(f"{name} {form.format(value)}" for name, value in parts if value is not None)


def _rate(per_second: float | None, what: str = "") -> str:
    if per_second is None:
        return ""
    return f" ({per_second:,.1f}{what}/s)" if per_second < 100 else f" ({per_second:,.0f}{what}/s)"


def duration(seconds: float) -> str:
    """12:34, 1:02:03 or, from two days, 2 d 3 h."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
