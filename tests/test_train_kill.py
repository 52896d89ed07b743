"""Runs that are killed: no acknowledged game is lost or counted twice, whoever dies."""

from __future__ import annotations

import io
import os
import random
import resource
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tiny_runs import MIXTURE, TINY, family, none_left, numbers_on_disk, pids, start, wait_until, workers

from rl.train.config import LimitsConfig
from rl.train.loop import train
from rl.train.metrics import read_metrics

pytestmark = pytest.mark.compiled_only


def acknowledged(run_dir: Path) -> int:
    """How many games the run has told of."""
    lines = read_metrics(run_dir / "metrics.jsonl")
    return int(lines[-1]["games"]) if lines else 0


def kill_again_and_again(run_dir: Path, times: int, seed: int) -> None:
    """Start a run and kill its main process, at moments drawn at random, `times` times; then look at what is left."""
    draw = random.Random(seed)
    most, known = 0, set[int]()
    for _ in range(times):
        process = start(run_dir, "--steps", "1000000", workers=2)
        wait_until(lambda: (run_dir / "config.json").exists(), process)
        if draw.random() < 0.7:
            most_before = most
            wait_until(lambda before=most_before: acknowledged(run_dir) > before, process)  # type: ignore[misc]
        time.sleep(draw.uniform(0.0, 2.0))
        children = family(process)
        os.kill(process.pid, signal.SIGKILL)
        most = max(most, acknowledged(run_dir))
        process.communicate()
        assert none_left(children), "workers outlive the main process"
        numbers = numbers_on_disk(run_dir)
        assert len(numbers) == len(set(numbers)) >= most
        assert known <= set(numbers)
        known = set(numbers)
    output = io.StringIO()
    assert train(MIXTURE, replace(TINY, limits=LimitsConfig(games=1)), run_dir, output) == 0
    assert f"{len(known)} games" in output.getvalue()
    assert acknowledged(run_dir) == len(known)


def test_a_run_survives_being_killed(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path / "run", times=3, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_run_survives_being_killed_often(tmp_path: Path, seed: int) -> None:
    kill_again_and_again(tmp_path / "run", times=12, seed=seed)


def test_a_dead_worker_is_replaced_and_a_hanging_one_too(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = start(run_dir, "--steps", "1000000", workers=2, schedule__stall_seconds=4.0)
    wait_until(lambda: len(workers(process)) == 2 and acknowledged(run_dir) > 0, process)
    first, second = workers(process)
    first.kill()
    wait_until(lambda: len(workers(process)) == 2 and first.pid not in pids(process), process)
    second.suspend()
    wait_until(lambda: len(workers(process)) == 2 and second.pid not in pids(process), process)
    games = acknowledged(run_dir)
    wait_until(lambda: acknowledged(run_dir) > games + 20, process)
    children = family(process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert "ended unexpectedly: it is started again" in output
    assert "!!! STALLED: self-play worker" in output
    assert none_left(children)
    assert read_metrics(run_dir / "metrics.jsonl")[-1]["selfplay/worker_restarts"] >= 2
    numbers = numbers_on_disk(run_dir)
    assert len(numbers) == len(set(numbers))
    # A worker that was killed between writing a game and reporting it leaves games that count from the next start on.
    assert acknowledged(run_dir) <= len(numbers)


def test_a_file_that_cannot_grow_ends_the_run_in_one_line_that_names_it(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))  # to a program, much like a full disk

    process = start(run_dir, "--steps", "1000000", prepare=limit_files)
    children: list[psutil.Process] = []
    wait_until(lambda: bool(children.extend(workers(process)) or children), process)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output
    complaint = [line for line in output.splitlines() if line.startswith("keima: ")]
    assert len(complaint) == 1
    assert str(run_dir) in complaint[0]
    assert "Traceback" not in output
    assert none_left(children)
    numbers = numbers_on_disk(run_dir)
    assert len(numbers) == len(set(numbers))


def test_a_second_signal_stops_at_once_and_loses_no_game(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = start(run_dir, "--steps", "1000000", workers=2)
    wait_until(lambda: acknowledged(run_dir) > 0, process)
    children = family(process)
    for worker in workers(process):
        psutil.Process(worker.pid).suspend()  # so that the drain cannot be over before the second signal comes
    games = acknowledged(run_dir)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - begun < 3.0
    assert process.returncode == 128 + signal.SIGINT
    assert "stopped at once" in output
    assert none_left(children)
    assert len(numbers_on_disk(run_dir)) >= games
