"""A training run: everything that playing, learning, measuring and saving share, whichever loop drives it.

The window and the counts of games follow from the games on disk, the weights from the checkpoint. So a run that is
taken up again has lost no game, counts none twice, and repeats at most the learner steps since the last checkpoint.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rl.learning import checkpoint
from rl.learning.learner import Learner
from rl.network.agent_file import card_number, load_agent, read_card, save_agent
from rl.replay.chunks import recover, scan
from rl.replay.kinds import make_window
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord, decode, number_of
from rl.search.random import random_bits
from rl.train.config import TrainConfig
from rl.train.ladder import Ladder
from rl.train.reporting import Reporter
from rl.train.resources import Resources
from rl.train.run_directory import RunDirectory
from rl.train.worker import Report, UseNetwork

_SAMPLE_KEY = 0x53414D50  # "SAMP"
_HOLDOUT_STEPS = 50
_NETWORKS_KEPT = 3
"""The newest networks stay a while: a worker may just be about to read one."""
_PAST_KEY = 0x50415354  # "PAST"
_PAST_NETWORKS = 20
"""So many networks of a run, evenly spaced over its progress, are kept to play against."""


class Run:
    """The state of a run in the main process."""

    def __init__(
        self,
        mixture: Mixture,
        config: TrainConfig,
        directory: RunDirectory,
        resources: Resources,
        reporter: Reporter,
        start: Path | None = None,
    ) -> None:
        """`start`: the file of the agent whose weights a new run begins with."""
        self.mixture = mixture
        self.game = mixture.canvas
        """The game that the run is about: what it is measured in, and what its agent is named after."""
        self.config = config
        self.directory = directory
        self.resources = resources
        self.reporter = reporter
        self.learner = Learner(
            self.game,
            config.network,
            config.learner,
            config.seed,
            device=resources.device,
            num_threads=resources.learner_threads,
            search=config.selfplay.search,
        )
        self.window = make_window(mixture, config.window)
        self.ladder = Ladder()
        self.evaluated: list[int] = []
        """Steps of the networks that are on the ladder and whose files are kept, oldest first."""
        self.past: list[int] = []
        """Steps of the networks that are kept to play those who act at the same time, oldest first; none where nobody
        does."""
        self.games = 0
        self.positions = 0
        self.evaluations = 0
        """Positions that self-play asked the network about. A killed run forgets those since its last checkpoint."""
        self.generation = 0
        """Deterministic mode: generations that have been learnt from."""
        self.ahead: dict[int, GameRecord] = {}
        """Deterministic mode: games on disk of generations that have not been learnt from."""
        self.complete = False
        """Whether the run has reached its limit and been measured for the last time, at the step of the checkpoint."""
        self._earlier_seconds = 0.0
        self._started: float | None = None
        self._published: list[int] = []
        self._start = start
        self._first_card = None if start is None else read_card(start)
        self._restore()

    # --- how far it is ----------------------------------------------------------------------------------------------

    @property
    def seconds(self) -> float:
        """Time spent training, in all sessions."""
        return self._earlier_seconds + (0.0 if self._started is None else time.monotonic() - self._started)

    def start_clock(self) -> None:
        """Count time from now on; it is not counted while processes start and kernels compile."""
        if self._started is None:
            self._started = time.monotonic()

    def stop_clock(self) -> None:
        """Count no more time: what follows is no training."""
        self._earlier_seconds, self._started = self.seconds, None

    @property
    def samples(self) -> int:
        """Positions the learner has been trained on, with repetition."""
        return self.learner.steps * self.config.learner.batch_size

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 to 1, by the limit that is nearest. Neither time nor evaluations, of which a
        cache saves some, are asked in the deterministic mode: the learning rate follows from this."""
        limits = self.config.limits
        parts = [0.0]
        if limits.minutes is not None and not self.config.deterministic:
            parts.append(self.seconds / (60.0 * limits.minutes))
        if limits.evaluations is not None and not self.config.deterministic:
            parts.append(self.evaluations / limits.evaluations)
        if limits.games is not None:
            parts.append(self.games / limits.games)
        if limits.steps is not None:
            parts.append(self.learner.steps / limits.steps)
        return min(1.0, max(parts))

    @property
    def finished(self) -> bool:
        """Whether a limit has been reached."""
        limits = self.config.limits
        return (
            self.progress >= 1.0
            or (limits.minutes is not None and self.seconds >= 60.0 * limits.minutes)
            or (limits.evaluations is not None and self.evaluations >= limits.evaluations)
        )

    # --- games and learning -----------------------------------------------------------------------------------------

    def decode(self, report: Report) -> list[GameRecord]:
        """The games of a report."""
        return [decode(self.mixture.game(number_of(data)), data) for data in report.games]

    def add_games(self, records: Iterable[GameRecord]) -> None:
        """Count finished games and put them into the window, in the order of their numbers."""
        records = list(records)
        self._count(records)
        self.reporter.add_games(records)

    def _count(self, records: list[GameRecord]) -> None:
        self.window.add_all(records)
        self.games += len(records)
        self.positions += sum(len(record.steps) for record in records)

    @property
    def backlog(self) -> float:
        """Samples that the learner is behind what the ratio asks for; 0 before there are enough positions."""
        total = self.window.total_positions
        if total < self.config.first_targets or self.window.num_positions == 0:
            return 0.0
        return self.config.samples_per_target * total - self.samples

    @property
    def may_learn(self) -> bool:
        """Whether the ratio of samples to positions allows another step."""
        limit = self.config.limits.steps
        return self.backlog >= self.config.learner.batch_size and (limit is None or self.learner.steps < limit)

    def learn(self) -> None:
        """One learner step. What it samples follows from the seed, the step and the games in the window."""
        begun = time.monotonic()
        key = int(random_bits(np.uint64(self.config.seed ^ _SAMPLE_KEY), np.uint64(self.learner.steps)))
        batch = self.window.sample(self.config.learner.batch_size, key)
        self.learner.set_progress(self.progress)
        scalars = self.learner.train_step(batch)
        if self.learner.steps % _HOLDOUT_STEPS == 0 and self.window.num_holdout_positions > 0:
            scalars |= self.learner.evaluate(self.window.sample_holdout(self.config.learner.batch_size, key))
        scalars["replay/sample_age"] = float(batch.ages.mean())
        self.reporter.add_learning(scalars, time.monotonic() - begun)

    # --- networks and agents ----------------------------------------------------------------------------------------

    def publish(self) -> int:
        """Write the newest network for the workers, and for evaluations; returns its id, which is its step."""
        step = self.learner.steps
        if step not in self._published or not self.directory.network(step).exists():
            save_agent(self.directory.network(step), self.learner.ema_network, self.game, self._card())
            self._published.append(step)
        for old in self._published[:-_NETWORKS_KEPT]:
            if old not in self.kept:
                self.directory.network(old).unlink(missing_ok=True)
        self._published = self._published[-_NETWORKS_KEPT:]
        return step

    def network_for_workers(self) -> UseNetwork:
        """Publish the newest network for play, and beside it, where others act at the same time, one of the past, drawn
        anew for each. Called when the loop's own course asks for it: what is past then does not hang on the clock."""
        step = self.publish()
        due = self.progress * _PAST_NETWORKS >= len(self.past) + 1
        if self.game.rows_per_state > 1 and due and step not in self.past:
            self.past.append(step)
        key = int(random_bits(np.uint64(self.config.seed ^ _PAST_KEY), np.uint64(step)))
        past = self.directory.network(self.past[key % len(self.past)]) if self.past else None
        return UseNetwork(self.directory.network(step), step, self.progress, past)

    @property
    def kept(self) -> set[int]:
        """Steps of the networks whose files stay."""
        return {*self.evaluated, *self.past}

    def name_of(self, step: int) -> str:
        """A network's name on the ladder."""
        return f"step-{step}"

    @property
    def best_step(self) -> int | None:
        """The step of the best network by the ladder; None before there is one."""
        steps = {self.name_of(step): step for step in self.evaluated if self.directory.network(step).exists()}
        best = self.ladder.best(list(steps))
        return None if best is None else steps[best]

    def export(self) -> None:
        """Write the best network by the ladder, else the newest, as the run's agent."""
        best = self.best_step
        step = self.publish() if best is None else best
        network = load_agent(self.directory.network(step), self.game)
        card = read_card(self.directory.network(step))
        if (rating := self.ladder.ratings().get(self.name_of(step))) is not None:
            card["elo"] = f"{rating.elo:.0f} ({rating.low:.0f} to {rating.high:.0f}; random play is 0)"
        save_agent(self.directory.best_agent, network, self.game, card)

    def _card(self) -> dict[str, str]:
        """What the newest network cost, with what the agent cost that it started from."""
        own = {
            "step": self.learner.steps,
            "games": self.games,
            "evaluations": self.evaluations,
            "minutes": self.seconds / 60,
        }
        costs = {}
        for name, cost in own.items():
            earlier = 0 if self._first_card is None else card_number(self._first_card, name)
            if earlier is not None:  # else nobody knows the sum
                costs[name] = f"{earlier + cost:.2f}" if name == "minutes" else f"{earlier + cost:.0f}"
        return {"game": self.mixture.name, "seed": str(self.config.seed), **costs}

    # --- saving -----------------------------------------------------------------------------------------------------

    def save_checkpoint(self) -> None:
        """Write everything that does not follow from the games on disk."""
        learner = self.learner.state_dict()
        state = {
            "learner": learner.counters,
            "seconds": self.seconds,
            "evaluations": self.evaluations,
            "generation": self.generation,
            "ladder": self.ladder.pairings(),
            "evaluated": self.evaluated,
            "past": self.past,
            "complete": self.complete,
            "metrics_mark": self.reporter.mark(),
        }
        checkpoint.save(self.directory.checkpoints, self.learner.steps, learner.tensors, state)

    def _restore(self) -> None:
        directory, say = self.directory, self.reporter.say
        recover(directory.replay, self.game, say)
        saved = checkpoint.latest_valid(directory.checkpoints, say)
        if saved is None and self._start is not None:
            self.learner.start_from(load_agent(self._start, self.game))
            say(f"starting from the weights of {self._start}")
        if saved is not None:
            self.learner.load_state_dict(saved.tensors, saved.state["learner"])
            self._earlier_seconds = float(saved.state["seconds"])
            self.evaluations = int(saved.state["evaluations"])
            self.generation = int(saved.state["generation"])
            self.ladder = Ladder.from_json(saved.state["ladder"])
            self.evaluated = [int(step) for step in saved.state["evaluated"]]
            self.past = [int(step) for step in saved.state.get("past", [])]
        records = list(scan(directory.replay, self.mixture, say))
        if self.config.deterministic:
            boundary = self.generation * self.config.games_per_generation
            self.ahead = {record.game_number: record for record in records if record.game_number >= boundary}
            records = [record for record in records if record.game_number < boundary]
        self._count(records)
        # Limits may have been raised since.
        self.complete = saved is not None and bool(saved.state["complete"]) and self.finished
        self._forget_stray_networks()
        self.reporter.open(int(saved.state["metrics_mark"]) if saved is not None else 0, self)
        if saved is not None or records:
            place = f"step {self.learner.steps}, {self.games} games, {self.seconds / 60:.1f} minutes"
            say(f"resuming {directory.root}: {place}")

    def _forget_stray_networks(self) -> None:
        """Delete the files of networks that nobody refers to any more (and of writers that were killed)."""
        kept = {self.directory.network(step).name for step in self.kept}
        for entry in os.scandir(self.directory.networks):
            if entry.name not in kept:
                os.unlink(entry.path)
