"""The deterministic mode: the same seed gives the same weights byte for byte, whatever happens on the way."""

from __future__ import annotations

import io
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_runs import MIXTURE, TINY, family, none_left, numbers_on_disk, start, wait_until

from rl.learning import checkpoint
from rl.train.config import LimitsConfig, ResourcesConfig
from rl.train.loop import train

GAMES = 96
CONFIG = replace(TINY, deterministic=True, limits=LimitsConfig(games=GAMES))


def weights(run_dir: Path) -> dict[str, bytes]:
    """The files of the newest checkpoint that hold numbers the run follows from."""
    saved = checkpoint.latest_valid(run_dir / "checkpoints", print)
    assert saved is not None
    assert saved.step > 20
    return {path.name: path.read_bytes() for path in saved.path.glob("*.safetensors")}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The weights of a run that nothing happened to."""
    run_dir = tmp_path_factory.mktemp("reference") / "run"
    assert train(MIXTURE, CONFIG, run_dir, io.StringIO()) == 0
    assert numbers_on_disk(run_dir) == list(range(GAMES))
    return weights(run_dir)


@pytest.mark.compiled_only
def test_two_workers_make_the_same_weights_as_one(tmp_path: Path, expected: dict[str, bytes]) -> None:
    config = replace(CONFIG, resources=ResourcesConfig(workers=2, device="cpu"))
    assert train(MIXTURE, config, tmp_path / "run", io.StringIO()) == 0
    assert weights(tmp_path / "run") == expected


@pytest.mark.compiled_only
def test_another_seed_makes_others(tmp_path: Path, expected: dict[str, bytes]) -> None:
    assert train(MIXTURE, replace(CONFIG, seed=4), tmp_path / "run", io.StringIO()) == 0
    assert weights(tmp_path / "run") != expected


def killed_and_resumed(run_dir: Path, times: int, seed: int) -> dict[str, bytes]:
    """A run that is killed at moments drawn at random, and then left to finish."""
    draw = random.Random(seed)
    for kill in range(times):
        process = start(run_dir, "--deterministic", "--games", str(GAMES), workers=1 + kill % 2)
        before = len(numbers_on_disk(run_dir))
        wait_until(lambda before=before: len(numbers_on_disk(run_dir)) > before, process)  # type: ignore[misc]
        time.sleep(draw.uniform(0.0, 0.5))
        children = family(process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert none_left(children)
        if len(numbers_on_disk(run_dir)) == GAMES:
            break
    assert train(MIXTURE, CONFIG, run_dir, io.StringIO()) == 0
    return weights(run_dir)


@pytest.mark.compiled_only
def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path, expected: dict[str, bytes]) -> None:
    assert killed_and_resumed(tmp_path / "run", 2, seed=0) == expected


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 9))
def test_a_run_killed_again_and_again_ends_with_the_same_weights(
    tmp_path: Path, expected: dict[str, bytes], seed: int
) -> None:
    assert killed_and_resumed(tmp_path / "run", 10, seed) == expected
