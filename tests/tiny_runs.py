"""Training runs small enough for a test: tic-tac-toe with a network of a few hundred weights."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from games.board.tic_tac_toe import TicTacToe
from rl.learning.learner import LearnerConfig
from rl.network.model import NetworkConfig
from rl.replay.chunks import scan
from rl.replay.mixture import Mixture
from rl.replay.window import WindowConfig
from rl.selfplay.lockstep import SelfplayConfig
from rl.train.config import EvaluationConfig, LimitsConfig, ResourcesConfig, ScheduleConfig, TrainConfig

GAME = TicTacToe()
MIXTURE = Mixture.of(GAME)

TINY = TrainConfig(
    seed=3,
    samples_per_target=4.0,
    first_targets=40,
    games_per_generation=24,
    network=NetworkConfig(blocks=1, channels=8, policy_channels=4, value_channels=4, value_hidden=8),
    selfplay=SelfplayConfig(
        games_per_worker=8, simulations=6, fast_simulations=2, full_search_fraction=0.5, cache_entries=256
    ),
    window=WindowConfig(min_positions=200),
    learner=LearnerConfig(batch_size=16, warmup_steps=5),
    evaluation=EvaluationConfig(seconds=0.0),
    schedule=ScheduleConfig(publish_seconds=0.2, checkpoint_seconds=0.2, metrics_seconds=0.2, sample_game_seconds=0.2),
    limits=LimitsConfig(games=60),
    resources=ResourcesConfig(workers=1, learner_threads=1, device="cpu"),
)

OPTIONS = {
    "seed": 3,
    "samples-per-target": 4.0,
    "first-targets": 40,
    "games-per-generation": 24,
    "network.blocks": 1,
    "network.channels": 8,
    "network.policy-channels": 4,
    "network.value-channels": 4,
    "network.value-hidden": 8,
    "selfplay.games-per-worker": 8,
    "selfplay.simulations": 6,
    "selfplay.fast-simulations": 2,
    "selfplay.full-search-fraction": 0.5,
    "selfplay.cache-entries": 256,
    "window.min-positions": 200,
    "learner.batch-size": 16,
    "learner.warmup-steps": 5,
    "evaluation.seconds": 0.0,
    "schedule.publish-seconds": 0.2,
    "schedule.checkpoint-seconds": 0.2,
    "schedule.metrics-seconds": 0.2,
    "workers": 1,
    "device": "cpu",
}
"""The same as `TINY`, as a person would type it, but for the limits."""


def limited(**limits: float) -> TrainConfig:
    """`TINY` with other limits."""
    return replace(TINY, limits=LimitsConfig(**limits))  # type: ignore[arg-type]  # counts are given as integers


def start(
    run_dir: Path, *arguments: str, prepare: Callable[[], None] | None = None, **changed: object
) -> subprocess.Popen[str]:
    """`keima train tic_tac_toe` in a session of its own, its output one pipe; `prepare` is run in the new process."""
    options = OPTIONS | {name.replace("__", ".").replace("_", "-"): value for name, value in changed.items()}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [
        sys.executable,
        "-m",
        "scripts.cli",
        "train",
        "tic_tac_toe",
        "--run-dir",
        str(run_dir),
        *words,
        *arguments,
    ]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,
    )


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The children of a run, and theirs."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The children that were spawned to play, evaluate …; not multiprocessing's own resource tracker."""

    def is_spawned(child: psutil.Process) -> bool:
        try:
            return "spawn_main" in " ".join(child.cmdline())
        except psutil.Error:
            return False

    return [child for child in family(process) if is_spawned(child)]


def pids(process: subprocess.Popen[str]) -> list[int]:
    """The processes of `workers`."""
    return [child.pid for child in workers(process)]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 200.0) -> None:
    """Wait for something to come true while the run goes on; its output is shown when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"it never came true; the run said:\n{process.communicate()[0]}")
        time.sleep(0.1)


def numbers_on_disk(run_dir: Path) -> list[int]:
    """The numbers of all whole games on disk, in order."""
    return sorted(record.game_number for record in scan(run_dir / "replay", MIXTURE, lambda line: None))


def none_left(processes: list[psutil.Process], seconds: float = 5.0) -> bool:
    """Whether all of these have ended within a moment."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
