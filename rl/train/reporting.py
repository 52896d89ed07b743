"""What a run tells: numbers to the metrics, a picture of it to the display, lines to a person."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from games.base import FloatArray
from rl.arena.elo import Rating
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord
from rl.train.charts import charts_of
from rl.train.config import ScheduleConfig
from rl.train.display import Display, Snapshot
from rl.train.distributions import Distributions
from rl.train.episodes import FILM_NAME
from rl.train.health import Finding, HealthWatch, health_text
from rl.train.metrics import Averages, Counters, Metrics
from rl.train.outcomes import game_text, outcome_scalars, sample_game
from rl.train.positions import RECORD_NAME, SampleGame
from rl.train.run_directory import RunDirectory

if TYPE_CHECKING:
    from rl.train.evaluation import EvaluationResult
    from rl.train.run import Run

_DISPLAY_SECONDS = 0.5


class Reporter:
    """Gathers what happens between two lines of metrics. One thread."""

    def __init__(
        self,
        mixture: Mixture,
        directory: RunDirectory,
        display: Display,
        schedule: ScheduleConfig,
    ) -> None:
        self._mixture = mixture
        self._directory = directory
        self._display = display
        self._metrics_seconds = schedule.metrics_seconds
        self._sample_game_seconds = schedule.sample_game_seconds
        self._metrics: Metrics | None = None
        self._averages = Averages()
        self._counts: Counter[str] = Counter()
        self._learning_seconds = 0.0
        self._scalars: dict[str, float] = {}
        self._texts: dict[str, str] = {}
        self._records: dict[str, Any] = {}
        self._images: dict[str, bytes] = {}
        self._distributions = Distributions()
        self._health = HealthWatch()
        self._root_values: list[FloatArray] = []
        self._last_game: GameRecord | None = None
        self._shown: dict[str, float] = {}
        """The latest of each number, for the display."""
        now = time.monotonic()
        self._last_metrics = self._last_display = self._last_sample_game = now
        self._last_counts = (0, 0)
        self._last_samples = 0
        self.phase = "starting, compiling kernels"
        """What the run is doing, for the display."""

    def say(self, line: str) -> None:
        """One line for a person."""
        self._display.say(line)

    def loud(self, line: str) -> None:
        """A line that must not be overlooked."""
        self._display.say(f"!!! {line}")

    def open(self, mark: int, run: Run) -> None:
        """Begin to write metrics, behind those that the checkpoint knows of; rates count from what `run` has now."""
        self._last_counts = (run.games, run.positions)
        self._last_samples = run.samples
        self._metrics = Metrics(
            self._directory.root,
            resume_mark=mark,
            resume_steps=run.learner.steps,
            charts=charts_of(run.game),
            report=self.say,
        )

    def mark(self) -> int:
        """How far the metrics go, for the checkpoint."""
        return self._metrics.mark() if self._metrics is not None else 0

    def close(self) -> None:
        """Close the files."""
        if self._metrics is not None:
            self._metrics.close()

    # --- what happened ----------------------------------------------------------------------------------------------

    def add_counts(self, counts: Mapping[str, float]) -> None:
        """Counts of a self-play worker."""
        for name, value in counts.items():
            self._counts[name] += value  # type: ignore[assignment]  # Counter sums floats as well

    def add_games(self, records: Iterable[GameRecord]) -> None:
        """Finished games."""
        for record in records:
            game = self._mixture.game(record.game_number)
            root_values = record.steps["root_value"]
            self._averages.add(
                {
                    "selfplay/game_length": float(len(record.steps)),
                    **outcome_scalars(game, record),
                    "selfplay/full_searches": float(record.steps["is_target"].mean()),
                    "search/root_value": float(root_values.mean()),
                }
            )
            self._root_values.append(root_values)
            self._distributions.add(game, record)
            self._last_game = record

    @property
    def sample_game(self) -> SampleGame | None:
        """The game that was finished last; None before there is one, and of games that are not drawn by their moves."""
        record = self._last_game
        return None if record is None else sample_game(self._mixture.game(record.game_number), record)

    def add_learning(self, scalars: Mapping[str, float], seconds: float) -> None:
        """A learner step and how long it took."""
        self._averages.add(dict(scalars))
        self._learning_seconds += seconds

    def add_evaluation(self, result: EvaluationResult, ratings: Mapping[str, Rating], best_step: int | None) -> None:
        """The newest network has been measured."""
        request = result.request
        scalars = dict(result.scalars)
        for first, second, wins, draws, losses in result.pairings:
            if first == request.name and wins + draws + losses > 0:
                opponent = "earlier" if second.startswith("step-") else second.replace(":", "_")
                scalars[f"score/{opponent}"] = (wins + draws / 2.0) / (wins + draws + losses)
        if (rating := ratings.get(request.name)) is not None:
            scalars |= {"elo/agent": rating.elo, "elo/low": rating.low, "elo/high": rating.high}
        if best_step is not None and (best := ratings.get(f"step-{best_step}")) is not None:
            scalars["elo/best"] = best.elo
        self._scalars |= scalars
        self._images |= result.images
        if (film := result.images.get(FILM_NAME)) is not None:
            self._directory.write_film(request.step, film)
            self._records[FILM_NAME] = {"step": request.step}
        if result.views:
            game = self._mixture.canvas
            self._records[RECORD_NAME] = {"step": request.step, "views": [view.to_json(game) for view in result.views]}
        self._texts["run/ladder"] = "\n".join(
            f"{name:<16}{rating.elo:7.0f}  ({rating.low:.0f} to {rating.high:.0f}), {rating.num_games:.0f} games"
            for name, rating in ratings.items()
        )
        said = [*(f"{name} {value:.3g}" for name, value in scalars.items()), *filter(None, [result.remark])]
        self.say(f"step {request.step}: {', '.join(said)}")

    # --- telling it -------------------------------------------------------------------------------------------------

    def tick(self, run: Run, worker_restarts: int, *, now: bool = False) -> None:
        """Update the display, and write metrics if it is time (or `now`)."""
        clock = time.monotonic()
        if clock - self._last_display >= _DISPLAY_SECONDS or now:
            self._last_display = clock
            self._show(run)
        if clock - self._last_metrics >= self._metrics_seconds or now:
            self._write(run, worker_restarts, clock)

    def _write(self, run: Run, worker_restarts: int, clock: float) -> None:
        assert self._metrics is not None
        elapsed = max(1e-9, clock - self._last_metrics)
        self._last_metrics = clock
        scalars = self._averages.take() | self._rates(run, elapsed) | self._scalars
        scalars |= {
            "selfplay/worker_restarts": worker_restarts,
            "replay/window_size": run.window.num_positions,
            "replay/window_games": run.window.num_games,
            "learner/samples_per_position": run.samples / max(1, run.window.total_positions),
            "learner/skipped_steps": run.learner.skipped_steps,
            "learner/rollbacks": run.learner.rollbacks,
            "time/hours": run.seconds / 3600.0,
            "time/progress": run.progress,
        }
        counters = Counters(run.learner.steps, run.games, run.positions, run.evaluations, run.seconds)
        self._tell_health(self._health.add({**counters._asdict(), **scalars}))
        scalars["health/sicknesses"] = len(self._health.current)
        self._shown |= scalars
        histograms: dict[str, FloatArray] = {}
        if self._last_game is not None and clock - self._last_sample_game >= self._sample_game_seconds:
            self._last_sample_game = clock
            self._texts["games/sample"] = game_text(self._mixture.game(self._last_game.game_number), self._last_game)
            histograms = self._distributions.take()
        self._metrics.write(
            counters, scalars, histograms=histograms, texts=self._texts, records=self._records, images=self._images
        )
        self._scalars, self._texts, self._records, self._images = {}, {}, {}, {}

    def _tell_health(self, changes: Iterable[Finding]) -> None:
        """Say what has fallen ill or is well again, once."""
        for finding in changes:
            if finding.until is None:
                self.loud(finding.text)
            else:
                self.say(f"no more {finding.rule.name}")
            self._texts["run/health"] = health_text(self._health.current)

    def _rates(self, run: Run, elapsed: float) -> dict[str, float]:
        """What the counts of the workers come to, a second or as shares. Of the time all processes had together."""
        counts, self._counts = self._counts, Counter()
        games, positions = run.games - self._last_counts[0], run.positions - self._last_counts[1]
        self._last_counts = (run.games, run.positions)
        learning, self._learning_seconds = self._learning_seconds, 0.0
        known = counts["search_seconds"] + counts["network_seconds"] + learning
        seconds = max(known, elapsed * (run.resources.workers + 1))  # a worker may report on more time than `elapsed`
        rates = {
            "selfplay/games_per_second": games / elapsed,
            "selfplay/positions_per_second": positions / elapsed,
            "selfplay/evaluations_per_second": counts["evaluations"] / elapsed,
            "time/search": counts["search_seconds"] / seconds,
            "time/network": counts["network_seconds"] / seconds,
            "time/learning": learning / seconds,
        }
        rates["time/other"] = max(0.0, 1.0 - sum(rates[f"time/{part}"] for part in ("search", "network", "learning")))
        if learning:
            rates["learner/samples_per_second"] = (run.samples - self._last_samples) / learning
        self._last_samples = run.samples
        if counts["simulations"]:
            rates["search/cache_hits"] = counts["cache_hits"] / counts["simulations"]
            rates["search/depth"] = counts["depth_sum"] / counts["simulations"]
        if counts["places"]:
            rates["selfplay/batch_fill"] = counts["evaluations"] / counts["places"]
        if self._root_values:
            rates["search/root_value_spread"] = float(np.concatenate(self._root_values).std())
            self._root_values = []
        return rates

    def _show(self, run: Run) -> None:
        shown = self._shown.get
        low, high = shown("elo/low"), shown("elo/high")
        progress, seconds = run.progress, run.seconds
        self._display.update(
            Snapshot(
                seconds=seconds,
                progress=progress,
                phase=self.phase,
                eta_seconds=seconds * (1.0 / progress - 1.0) if progress > 0.01 else None,
                games=run.games,
                positions=run.positions,
                steps=run.learner.steps,
                games_per_second=shown("selfplay/games_per_second"),
                positions_per_second=shown("selfplay/positions_per_second"),
                samples_per_second=shown("learner/samples_per_second"),
                loss=shown("loss/total"),
                policy_loss=shown("loss/policy"),
                value_loss=shown("loss/value"),
                elo=shown("elo/agent"),
                elo_margin=(high - low) / 2.0 if low is not None and high is not None else None,
                truth_policy=shown("truth/policy_accuracy"),
                truth_search=shown("truth/search_accuracy"),
                earned=shown("selfplay/return"),
                success=shown("selfplay/success"),
                success_policy=shown("episodes/policy_success"),
                success_search=shown("episodes/search_success"),
                window_size=run.window.num_positions,
                sample_age=shown("replay/sample_age"),
                network_share=shown("time/network"),
                search_share=shown("time/search"),
                learning_share=shown("time/learning"),
                sicknesses=tuple(finding.rule.name for finding in self._health.current),
            )
        )
