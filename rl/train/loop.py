"""`train`: a whole run, from the run directory to the exported agent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from rl.network.agent_file import weights_digest
from rl.replay.mixture import Mixture
from rl.train.config import TrainConfig
from rl.train.display import Display
from rl.train.examiner import Examiner
from rl.train.generations import Generations
from rl.train.overlapped import Overlapped
from rl.train.reporting import Reporter
from rl.train.resources import Resources
from rl.train.run import Run
from rl.train.run_directory import RunDirectory
from rl.train.session import Session
from rl.train.signals import Stopped, StopRequest
from rl.train.watchdog import Watchdog
from rl.train.worker import WorkerSetup
from rl.train.workers import WorkerPool


class _Children:
    """What must be killed when everything is to end at once."""

    def __init__(self) -> None:
        self.pool: WorkerPool | None = None
        self.examiner: Examiner | None = None

    def kill(self) -> None:
        if self.pool is not None:
            self.pool.kill()
        if self.examiner is not None:
            self.examiner.kill()


def train(
    mixture: Mixture,
    config: TrainConfig,
    run_directory: Path,
    output: TextIO = sys.stdout,
    *,
    start: Path | None = None,
) -> int:
    """Train on the games of `mixture`, taking up the run in `run_directory`, until a limit or a signal comes.

    A new run begins with random weights, or with those of the agent in the file `start`, whose network must be the one
    that `config` describes; the same file must be named when the run is taken up.

    Returns the exit code: 0 when the run is complete, 128 + the signal's number when a signal has cut it short; the
    same call goes on from there. Raises UserError for what a person can mend. Needs the main thread.
    """
    config.check()
    children = _Children()
    with StopRequest(children.kill) as stop:
        directory: RunDirectory | None = None
        try:
            resources = Resources.of(config)
            digest = None if start is None else weights_digest(start)
            directory = RunDirectory(run_directory, mixture, config, start_digest=digest)
            with Display(output) as display:
                reporter = Reporter(mixture, directory, display, config.schedule)
                run = Run(mixture, config, directory, resources, reporter, start)
                _train(run, stop, children)
        except Stopped:
            pass  # the exit code tells it
        finally:
            stop.drains = True
            children.kill()
            if directory is not None:
                directory.close()
        return stop.exit_code


def _train(run: Run, stop: StopRequest, children: _Children) -> None:
    config, reporter = run.config, run.reporter
    try:
        children.examiner = Examiner(run, reporter.loud)
        stop.drains = True
        with Watchdog(config.schedule.stall_seconds, run.directory.stacks, reporter.loud) as watchdog:
            session = Session(run, stop, watchdog, children.examiner)
            if not run.finished and not stop:
                children.pool = _start_workers(run)
                loop = Generations if config.deterministic else Overlapped
                loop(session, children.pool).train()
            if run.complete:
                reporter.say("this run is complete; a higher limit would let it go on")
            elif not stop:
                session.examine_last()
            elif run.learner.steps > 0:
                run.export()
    finally:
        reporter.close()


def _start_workers(run: Run) -> WorkerPool:
    config, directory = run.config, run.directory
    setup = WorkerSetup(
        mixture=run.mixture,
        config=config.selfplay,
        seed=config.seed,
        replay=directory.replay,
        writer_name="worker",
        device=run.resources.device,
        fixed_batch=config.deterministic,
    )
    return WorkerPool(
        setup,
        run.resources.workers,
        lock=directory.lock,
        stacks=directory.stacks,
        stall_seconds=config.schedule.stall_seconds,
        replays=config.deterministic,
        say=run.reporter.say,
        loud=run.reporter.loud,
    )
