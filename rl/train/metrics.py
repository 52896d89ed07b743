"""The numbers of a run: each line goes to `metrics.jsonl`, which is the record, and to TensorBoard, which is for eyes.

Every name there is, is in `NAMES`; a name is a TensorBoard tag, and the part before the slash groups its charts.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rl.errors import UserError
from rl.train.charts import CHARTS, Chart, layout

if TYPE_CHECKING:
    from rl.train.events import EventFile

FILE_NAME = "metrics.jsonl"
EVENTS_NAME = "tensorboard"

NAMES = {
    # The learner; the same with `holdout/` before it is of averaged weights on positions kept out of training.
    "loss/total": "what is minimised: policy + weight * value + weight * squares of logarithms of denominators",
    "loss/policy": "cross-entropy of the policy against the search's",
    "loss/value": "cross-entropy of win, draw, loss against the TD(lambda) return",
    "loss/ownership": "cross-entropy of whose each cell will be, where the network has score heads",
    "loss/lead": "Huber's loss of the score's lead, where the network has score heads",
    "loss/soft_policy": "cross-entropy of the soft policy, where the network has that head",
    "loss/reply": "cross-entropy of the next ply's policy, where the network has that head",
    "loss/short_value": "squared error of the value a few plies on, where the network has that head",
    "policy/entropy": "entropy of the network's policy over legal actions, nats",
    "policy/target_entropy": "entropy of the search's policy, nats: the least that loss/policy can be",
    "policy/kl_to_search": "KL(search || network), nats",
    "policy/log_partition": "mean distance from 0 of the logarithm of the softmax's denominator; above 10 is ill",
    "policy/deviation": "mean deviation of a Gaussian policy, before tanh: 1 at first",
    "policy/accuracy": "share of positions where both prefer the same action",
    "value/accuracy": "share of positions where the likeliest outcome is the game's",
    "value/of_winners": "expected score of positions whose player to move went on to win, by the search",
    "value/of_losers": "the same of those who went on to lose",
    "value/calibration_error": "mean distance of expected and actual scores, by tenths",
    "calibration/score_at_*": "mean actual score where this one (hundredths) was expected",
    "holdout/*": "as without `holdout/`",
    "learner/gradient_norm": "before clipping",
    "learner/learning_rate": "after warm-up and annealing",
    "learner/samples_per_second": "positions learned from, while learning",
    "learner/samples_per_position": "how often a position has been learned from, over the whole run",
    "learner/skipped_steps": "steps whose loss or gradient was not finite, so far",
    "learner/rollbacks": "returns to earlier weights after three of those, so far",
    # Self-play and its search.
    "selfplay/games_per_second": "finished and on disk",
    "selfplay/positions_per_second": "moves played",
    "selfplay/evaluations_per_second": "network rows that were asked for, padding not counted",
    "selfplay/batch_fill": "share of the network's rows that were asked for",
    "selfplay/game_length": "plies",
    "selfplay/first_player_score": "mean score of the player who moves first: win 1, draw 1/2",
    "selfplay/draws": "share of games",
    "selfplay/return": "sum of an episode's rewards",
    "selfplay/success": "share of episodes whose last step is a success",
    "selfplay/full_searches": "share of moves searched in full (playout-cap randomisation)",
    "selfplay/worker_restarts": "workers that died and were started again, so far",
    "search/depth": "mean depth of the leaves, plies below the root",
    "search/max_depth": "deepest leaf, plies below the root",
    "search/root_value": "search value of the root for its player to move",
    "search/root_value_spread": "standard deviation of root values over positions",
    "search/value_correction": "mean distance of the network's value and the search's",
    "search/policy_surprise": "KL(search || network) at the roots, nats",
    "search/cache_hits": "share of leaves found in the evaluation cache",
    "search/proven": "share of roots whose outcome was proven",
    "replay/window_size": "positions that are sampled from",
    "replay/window_games": "games that are sampled from",
    "replay/sample_age": "mean age of the sampled positions, in games",
    "replay/bytes": "of all chunks on disk",
    # Strength.
    "elo/*": "Elo of a player on the run's ladder",
    "score/*": "score against a reference player: win 1, draw 1/2",
    "truth/*": "share of solved positions where the result is kept",
    "episodes/*": "mean return and share of successes, by the policy alone and with a search; an episode as a film",
    # Where the time goes, and the machine.
    "time/network": "share of the time",
    "time/search": "share of the time",
    "time/learning": "share of the time",
    "time/other": "share of the time",
    "time/hours": "of running, over all restarts",
    "time/progress": "share of the planned run",
    "machine/memory": "bytes resident, workers included",
    "health/sicknesses": "how many of the usual sicknesses the run shows now",
    # Text.
    "games/*": "a game as it was played, as text or as a picture",
    "run/*": "configuration, notes; run/health names what is wrong",
    # What networks and searches say of some positions: records in the file, pictures in TensorBoard.
    "positions/*": "moves to the position, policy, search, values, and what perfect play would do",
}
"""What every name means. A `*` stands for anything."""

_FAMILIES = tuple(name.removesuffix("*") for name in NAMES if name.endswith("*"))

Values = npt.NDArray[Any]


class Counters(NamedTuple):
    """How far the run is. None of them ever falls, over restarts either."""

    steps: int
    """Of the learner; the horizontal axis of TensorBoard."""
    games: int
    positions: int
    evaluations: int
    """Positions that self-play asked the network about."""
    seconds: float
    """Of running, over all restarts."""


class Metrics:
    """Writes the numbers of a run. One thread."""

    def __init__(
        self,
        run_dir: Path,
        *,
        resume_mark: int = 0,
        resume_steps: int = 0,
        charts: Sequence[Chart] = CHARTS,
        report: Callable[[str], None] = print,
    ) -> None:
        """Start, or go on from the checkpoint that holds `resume_mark` (see `mark`) and `resume_steps`.

        What was written after that checkpoint is cut off, since the run will go there again: the file at the mark,
        TensorBoard by step. `charts` are laid out there. `report` gets one line if TensorBoard has to be given up.
        Raises UserError naming a file that cannot be written.
        """
        self._report, self._charts = report, charts
        self._path = run_dir / FILE_NAME
        self._events: EventFile | None = None
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            self._size = _cut(self._path, resume_mark)
            self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115  # closed by close()
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {error.strerror or error}") from error
        self._open_events(run_dir / EVENTS_NAME, resume_steps)

    def write(
        self,
        counters: Counters,
        scalars: Mapping[str, float] | None = None,
        *,
        histograms: Mapping[str, Values] | None = None,
        texts: Mapping[str, str] | None = None,
        records: Mapping[str, Any] | None = None,
        images: Mapping[str, bytes] | None = None,
    ) -> None:
        """Append one line, and the same to TensorBoard. Raises KeyError for a name that is not in `NAMES`.

        A number that is not finite is null in the file; of a histogram, the file has a summary. `records` are for the
        file alone and may be anything that JSON holds; `images`, PNG and GIF files, are for TensorBoard alone. On disk
        when this returns, as far as a killed process is concerned. Raises UserError when the file cannot be written.
        """
        scalars, histograms, texts, images = scalars or {}, histograms or {}, texts or {}, images or {}
        records = records or {}
        for name in (*scalars, *histograms, *texts, *records, *images):
            if name not in NAMES and not name.startswith(_FAMILIES):
                raise KeyError(f"{name} is not in rl.train.metrics.NAMES")
        line: dict[str, Any] = {**counters._asdict(), "time": time.time()}
        line |= {name: float(value) if math.isfinite(value) else None for name, value in scalars.items()}
        line |= {name: _summary(values) for name, values in histograms.items()}
        self._append(json.dumps({**line, **texts, **records}, allow_nan=False).encode() + b"\n")

        if self._events is not None:
            try:
                self._events.add(counters.steps, scalars, histograms, texts, images)
            except OSError as error:
                self._give_up_events(error)

    def mark(self) -> int:
        """Make everything written so far durable; the number is what a checkpoint keeps as `resume_mark`."""
        os.fsync(self._file.fileno())
        return self._size

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
        self._file.close()

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        """All of a line, or none of it."""
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
        except OSError as error:
            os.truncate(self._path, self._size)
            raise UserError(f"cannot write {self._path}: {error.strerror or error}") from error
        self._size += len(line)

    def _open_events(self, directory: Path, resume_steps: int) -> None:
        from rl.train.events import EventFile  # here, for it takes a while to import

        try:
            self._events = EventFile(directory, purge_step=resume_steps + 1 if directory.exists() else None)
            self._events.add_layout(layout(self._charts))
        except OSError as error:
            self._give_up_events(error)

    def _give_up_events(self, error: OSError) -> None:
        """Event files are for eyes: when one cannot be written, the run goes on without."""
        self._report(f"TensorBoard's files cannot be written and are given up: {error.strerror or error}")
        self._events = None


class Averages:
    """Means of what many steps measured, until they are taken; values that are not finite are left out."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, scalars: Mapping[str, float]) -> None:
        for name, value in scalars.items():
            if math.isfinite(value):
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The mean of each name since the last call."""
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a `metrics.jsonl`, in order; a torn last line is left out. A missing file has none.

    Raises UserError naming the line that is damaged.
    """
    if not path.exists():
        return []
    *lines, _torn = path.read_bytes().split(b"\n")
    return list(_parsed(path, lines))


def _parsed(path: Path, lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            yield dict(json.loads(line))
        except (TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged in line {number}") from error


def _cut(path: Path, mark: int) -> int:
    """Cut the file at the mark, or at the last whole line before it; the size that is left."""
    if not path.exists():
        return 0
    with open(path, "r+b") as file:
        kept = file.read(mark)
        size = kept.rfind(b"\n") + 1
        file.truncate(size)
    return size


def _summary(values: Values) -> dict[str, float | int]:
    finite = np.asarray(values, np.float64)[np.isfinite(values)]
    if not finite.size:
        return {"count": 0}
    low, middle, high = np.quantile(finite, [0.1, 0.5, 0.9])
    return {
        "count": int(finite.size),
        "mean": float(finite.mean()),
        "std": float(finite.std()),
        "min": float(finite.min()),
        "p10": float(low),
        "p50": float(middle),
        "p90": float(high),
        "max": float(finite.max()),
    }
