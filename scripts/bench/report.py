"""What every benchmark says of itself: figures with their spread, the settings, and the machine, as text or JSON."""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rl.errors import UserError

Clock = Literal["wall", "cpu", ""]
"""What a rate was measured by: time on the wall, time that this process spent on cores, or neither (a count)."""


@dataclass(frozen=True)
class Options:
    """What every benchmark can be told."""

    seed: int = 0
    """All random numbers derive from it."""
    json: bool = False
    """Print one JSON object instead of a table."""


@dataclass(frozen=True)
class TimedOptions(Options):
    """What every benchmark that takes time can be told."""

    repeats: int = 5
    """Measurements of each kind, taken in turns so that all of them meet the same disturbances."""


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, as often as it was measured."""

    name: str
    unit: str
    values: tuple[float, ...]
    """One for each repeat, or a single one."""
    clock: Clock = ""
    goal: float | None = None
    """What the project asks of the median."""
    at_most: bool = False
    """The goal is the largest value allowed, not the smallest."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the goal; None without one."""
        if self.goal is None:
            return None
        return self.median <= self.goal if self.at_most else self.median >= self.goal

    def to_json(self) -> dict[str, Any]:
        """As `json.dumps` takes it."""
        goal = {} if self.goal is None else {"goal": self.goal, "at_most": self.at_most, "met": self.met}
        return {
            "name": self.name,
            "unit": self.unit,
            "clock": self.clock,
            "min": min(self.values),
            "median": self.median,
            "max": max(self.values),
            "values": list(self.values),
            **goal,
        }


@dataclass(frozen=True)
class Report:
    """What one benchmark found."""

    benchmark: str
    seed: int
    settings: Mapping[str, Any]
    """What was measured, for a reader: the options that matter."""
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    """What a reader has to know to read the figures."""

    def to_json(self) -> dict[str, Any]:
        """As `json.dumps` takes it."""
        return {
            "benchmark": self.benchmark,
            "machine": machine(),
            "seed": self.seed,
            "settings": dict(self.settings),
            "figures": [figure.to_json() for figure in self.figures],
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """A table for people."""
        head = ("", "unit", "clock", "min", "median", "max", "goal", "")
        rows = [head, *(_cells(figure) for figure in self.figures)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = [_aligned(row, widths) for row in rows]
        settings = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        title = f"{self.benchmark}: seed {self.seed}, {settings}"
        return "\n".join([title, *lines, *(f"note: {note}" for note in self.notes)])


class Lap(NamedTuple):
    """One measured stretch of work."""

    amount: float
    """How much of whatever is counted was done."""
    wall_seconds: float
    cpu_seconds: float
    """Of all threads of this process."""

    @property
    def per_wall_second(self) -> float:
        return self.amount / self.wall_seconds

    @property
    def per_cpu_second(self) -> float:
        return self.amount / max(self.cpu_seconds, 1e-9)


def timed(work: Callable[[], float]) -> Lap:
    """Do `work`, which returns how much it did, against both clocks."""
    wall, cpu = time.perf_counter(), time.process_time()
    amount = work()
    return Lap(amount, time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(works: Mapping[str, Callable[[int], float]], repeats: int) -> dict[str, list[Lap]]:
    """Time each of `works` so often, taking turns, after one round that warms up (numba compiles, caches fill).

    A work is called with the number of the round, which it may vary its random numbers by.
    """
    laps: dict[str, list[Lap]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            lap = timed(partial(work, turn))
            if turn > 0:
                laps[name].append(lap)
    return laps


def rates(name: str, unit: str, laps: Sequence[Lap], goal: float | None = None) -> list[Figure]:
    """Two figures, per wall second (held to the goal) and per CPU second (nearly free of other programs' noise)."""
    return [
        Figure(name, f"{unit}/s", tuple(lap.per_wall_second for lap in laps), "wall", goal),
        Figure(name, f"{unit}/s", tuple(lap.per_cpu_second for lap in laps), "cpu"),
    ]


def machine() -> dict[str, Any]:
    """Where it was measured, and how busy that machine was."""
    packages = {name: version(name) for name in ("torch", "numba", "numpy")}
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **packages,
    }


def machine_text() -> str:
    """The same in one line."""
    where = machine()
    versions = ", ".join(f"{name} {where[name]}" for name in ("python", "torch", "numba", "numpy"))
    return (
        f"{where['cpu']}, {where['usable_cores']} of {where['cores']} cores, load {where['load_average']}; {versions}"
    )


def require_positive(options: Mapping[str, float]) -> None:
    """Raise UserError on the first of these options that is not above 0 and finite."""
    for name, value in options.items():
        if not (value > 0 and math.isfinite(value)):
            raise UserError(f"--{name} {value}: must be positive")


def _cpu_model() -> str:
    """The processor as Linux names it, elsewhere as Python does."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


def _cells(figure: Figure) -> tuple[str, ...]:
    goal = "" if figure.goal is None else f"{'<=' if figure.at_most else '>='} {_number(figure.goal)}"
    met = {None: "", True: "met", False: "missed"}[figure.met]
    numbers = (_number(value) for value in (min(figure.values), figure.median, max(figure.values)))
    return figure.name, figure.unit, figure.clock, *numbers, goal, met


def _aligned(row: Iterable[str], widths: Sequence[int]) -> str:
    """Text to the left, numbers to the right."""
    cells = [
        cell.rjust(width) if 3 <= column <= 6 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  " + "  ".join(cells).rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
