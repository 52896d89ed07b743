"""One sitting of a run: what has to be looked after while its loop plays and learns."""

from __future__ import annotations

import time

from rl.train.display import duration
from rl.train.examiner import Examiner
from rl.train.run import Run
from rl.train.signals import StopRequest
from rl.train.watchdog import Watchdog
from rl.train.worker import Report
from rl.train.workers import WorkerPool

_DRAIN_SECONDS = 4.0
"""A worker ends between two batches; one that is still compiling kernels is not waited for any longer."""
_POLL_SECONDS = 0.1


class Session:
    """Signals, watchdog, checkpoints, evaluations and metrics of a run that is going on."""

    def __init__(self, run: Run, stop: StopRequest, watchdog: Watchdog, examiner: Examiner) -> None:
        self.run = run
        self._stop = stop
        self._watchdog = watchdog
        self._examiner = examiner
        self._last_checkpoint = time.monotonic()
        self._saved_step = run.learner.steps
        self._playing = False

    @property
    def stopping(self) -> bool:
        """Whether a signal has asked the run to end."""
        return bool(self._stop)

    def hear(self, pool: WorkerPool) -> list[Report]:
        """What the workers have reported."""
        reports = pool.poll()
        self._count(reports)
        if pool.ready and not self._playing:
            self._playing = True
            self.run.start_clock()
            self.run.reporter.phase = "playing and learning"
        return reports

    def housekeep(self, pool: WorkerPool, *, checkpoints: bool = True) -> None:
        """Whatever is due; called again and again by every loop."""
        run = self.run
        self._watchdog.beat()
        self._examiner.start_when_due()
        self._examiner.poll()
        run.reporter.tick(run, pool.restarts)
        due = time.monotonic() - self._last_checkpoint >= run.config.schedule.checkpoint_seconds
        if checkpoints and due and run.learner.steps > self._saved_step:
            run.save_checkpoint()
            self._last_checkpoint, self._saved_step = time.monotonic(), run.learner.steps

    def drain(self, pool: WorkerPool) -> list[Report]:
        """End the workers; what they still report."""
        self.run.reporter.phase = "stopping self-play"
        reports = pool.stop(_DRAIN_SECONDS)
        self.run.stop_clock()
        self._count(reports)
        return reports

    def examine_last(self) -> None:
        """The evaluation that ends the run; cut short by a signal, and then made up for when the run is resumed."""
        run, examiner = self.run, self._examiner
        while examiner.busy and not self.stopping:
            self._wait()
        if run.config.evaluation.seconds > 0 and not self.stopping:
            examiner.start_last()
            started = time.monotonic()
            while examiner.busy and not self.stopping:  # the run's own clock has stopped: this tells that it goes on
                run.reporter.phase = f"the last evaluation, for {duration(time.monotonic() - started)}"
                self._wait()
        run.export()
        run.complete = not self.stopping
        run.reporter.tick(run, 0, now=True)
        run.save_checkpoint()

    def _count(self, reports: list[Report]) -> None:
        for report in reports:
            self.run.evaluations += int(report.counts["evaluations"])
            self.run.reporter.add_counts(report.counts)

    def _wait(self) -> None:
        self._watchdog.beat()
        self._examiner.poll()
        self.run.reporter.tick(self.run, 0)
        time.sleep(_POLL_SECONDS)
