"""The parts of rl/train that need no self-play: signals, watchdog, children, run directory, ladder, configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from held_children import echo, fail, hang
from tiny_runs import TINY, limited

import games
from rl.arena.elo import Pairing
from rl.errors import UserError
from rl.files import naming_disk_errors
from rl.network.vector import VectorConfig
from rl.replay.mixture import Mixture
from rl.train.config import EvaluationConfig, LimitsConfig, ResourcesConfig, TrainConfig
from rl.train.examiner import Examiner
from rl.train.ladder import Ladder
from rl.train.processes import Child, Failed
from rl.train.resources import Resources
from rl.train.run_directory import RunDirectory, film_path
from rl.train.signals import Stopped, StopRequest
from rl.train.watchdog import Watchdog

pytestmark = pytest.mark.plain_only  # nothing here is compiled

# --- signals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_sets_a_flag_and_the_old_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest(lambda: pytest.fail("not asked to stop at once")) as stop:
        stop.drains = True
        assert not stop
        assert stop.exit_code == 0
        os.kill(os.getpid(), number)
        assert stop
        assert stop.exit_code == 128 + number
    assert signal.getsignal(number) == before


def test_a_signal_before_there_is_anything_to_drain_ends_the_start() -> None:
    with pytest.raises(Stopped), StopRequest(lambda: None) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1.0)
    assert stop.exit_code == 128 + signal.SIGTERM


def test_a_second_signal_ends_the_process_at_once() -> None:
    program = """
import time
from rl.train.signals import Stopped, StopRequest
with StopRequest(lambda: print("children killed", flush=True)) as stop:
    stop.drains = True
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=5)
    assert process.returncode == 128 + signal.SIGINT
    assert output == "children killed\n"
    assert errors.strip() == "stopped at once: finished games are kept"


# --- the watchdog ---------------------------------------------------------------------------------------------------


def test_the_watchdog_dumps_stacks_once_a_stall_and_only_then(tmp_path: Path) -> None:
    told: list[str] = []
    stalled = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        stalled.set()

    stacks = tmp_path / "stacks.txt"
    with Watchdog(0.4, stacks, tell) as watchdog:
        for _ in range(12):
            time.sleep(0.05)
            watchdog.beat()
        assert not told
        assert stalled.wait(5.0)
        time.sleep(0.6)
    assert len(told) == 1
    assert str(stacks) in told[0]
    assert "test_the_watchdog_dumps_stacks" in stacks.read_text()


# --- children -------------------------------------------------------------------------------------------------------


@contextmanager
def child_of(tmp_path: Path, target: object, *arguments: object) -> Iterator[Child]:
    child = Child("test-child", target, arguments, tmp_path / "stacks.txt")  # type: ignore[arg-type]  # any function
    try:
        yield child
    finally:
        child.kill()


def next_message(child: Child) -> object:
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        for message in child.messages():
            return message
        time.sleep(0.01)
    raise AssertionError("the child said nothing")


def test_a_child_answers_and_its_end_is_noticed(tmp_path: Path) -> None:
    with child_of(tmp_path, echo, "you said ") as child:
        child.send("hello")
        assert next_message(child) == "you said hello"
        assert not child.ended
        psutil.Process(child.pid).kill()
        assert child.join(10.0)
        assert child.ended
        child.send("is anybody there?")


@pytest.mark.parametrize("by_user_error", [True, False])
def test_a_child_tells_what_it_could_not_bear(tmp_path: Path, by_user_error: bool) -> None:
    with child_of(tmp_path, fail, by_user_error) as child:
        failure = next_message(child)
        assert isinstance(failure, Failed)
        assert failure.is_user_error == by_user_error
        assert failure.text == "the disk is full: a.games" if by_user_error else "ValueError: a mistake" in failure.text


def test_a_hanging_child_is_deaf_to_the_terminal_dumps_its_stacks_and_is_killed(tmp_path: Path) -> None:
    with child_of(tmp_path, hang) as child:
        blocked = next_message(child)
        assert blocked == [signal.SIGINT, signal.SIGTERM]
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
        process = psutil.Process(child.pid)
        child.dump_stacks()
        assert "in hang" in (tmp_path / "stacks.txt").read_text()
    assert not process.is_running()


def test_children_end_with_their_parent_however_it_dies(tmp_path: Path) -> None:
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from held_children import hang
from rl.train.processes import Child
if __name__ == "__main__":
    child = Child("child", hang, (), Path({str(tmp_path / "stacks.txt")!r}))
    while not list(child.messages()):
        time.sleep(0.01)
    print(child.pid, flush=True)
    time.sleep(1000)
"""
    script = tmp_path / "parent.py"
    script.write_text(program)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert child.wait(timeout=5.0) is None or not child.is_running()


# --- the run directory ----------------------------------------------------------------------------------------------


def test_a_run_directory_is_made_and_taken_up_again(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "run"
    for _ in range(2):
        directory = RunDirectory(root, Mixture.of(games.make("tic_tac_toe")), TINY)
        assert directory.replay.is_dir()
        assert directory.best_agent == root / "agents" / "tic_tac_toe.safetensors"
        directory.close()
    assert json.loads((root / "config.json").read_text())["game"] == "tic_tac_toe"


def test_limits_and_resources_may_change_but_not_what_is_trained(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "run", Mixture.of(games.make("tic_tac_toe")), TINY).close()
    config = (tmp_path / "run" / "config.json").read_bytes()
    others = {
        "seed is 3, not 4": replace(TINY, seed=4),
        "network.blocks is 1, not 2": replace(TINY, network=replace(TINY.network, blocks=2)),
        "deterministic is False, not True": replace(TINY, deterministic=True),
    }
    for difference, other in others.items():
        with pytest.raises(UserError, match=difference):
            RunDirectory(tmp_path / "run", Mixture.of(games.make("tic_tac_toe")), other)
    with pytest.raises(UserError, match="game is tic_tac_toe, not connect_four"):
        RunDirectory(tmp_path / "run", Mixture.of(games.make("connect_four")), TINY)
    assert (tmp_path / "run" / "config.json").read_bytes() == config
    longer = replace(limited(games=10**6), resources=ResourcesConfig(workers=7))
    RunDirectory(tmp_path / "run", Mixture.of(games.make("tic_tac_toe")), longer).close()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["resources"]["workers"] == 7


def test_a_directory_with_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match=r"holds no run but 'thesis.tex'"):
        RunDirectory(tmp_path, Mixture.of(games.make("tic_tac_toe")), TINY)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_directory_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        RunDirectory(tmp_path / "file", Mixture.of(games.make("tic_tac_toe")), TINY)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"format": 1, "game"')
    with pytest.raises(UserError, match=r"config\.json is damaged"):
        RunDirectory(tmp_path / "run", Mixture.of(games.make("tic_tac_toe")), TINY)


def test_two_runs_in_one_directory_are_refused_and_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path / "run", Mixture.of(games.make("tic_tac_toe")), TINY)
    with pytest.raises(UserError, match=f"a run is going on in it \\(process {os.getpid()}\\)"):
        RunDirectory(tmp_path / "run", Mixture.of(games.make("tic_tac_toe")), TINY, lock_seconds=0.0)
    first.close()
    RunDirectory(tmp_path / "run", Mixture.of(games.make("tic_tac_toe")), TINY, lock_seconds=0.0).close()


def test_films_go_with_the_networks_that_they_show(tmp_path: Path) -> None:
    """When there are many, every other one goes, but neither the newest, the best nor one that is played against."""
    steps = list(range(1, 14))
    directory = RunDirectory(tmp_path / "run", Mixture.of(games.make("tic_tac_toe")), TINY)
    run = SimpleNamespace(directory=directory, evaluated=steps, best_step=3, kept={5})
    for step in steps:
        directory.network(step).touch()
        directory.write_film(step, b"GIF89a")
    examiner = Examiner.__new__(Examiner)
    examiner._run = run  # type: ignore[assignment]
    examiner._thin()
    directory.close()
    assert run.evaluated == [2, 3, 4, 6, 8, 10, 12, 13]
    kept = sorted([*run.evaluated, 5])
    assert [step for step in steps if directory.network(step).exists()] == kept
    assert [step for step in steps if film_path(tmp_path / "run", step).exists()] == kept


def test_a_full_disk_is_one_line_with_the_file() -> None:
    full = Path("/dev/full")
    with pytest.raises(UserError, match="/dev/full: No space left on device"), naming_disk_errors(full):
        full.write_bytes(b"x")


# --- the ladder -----------------------------------------------------------------------------------------------------


def test_the_ladder_adds_results_up_and_survives_json() -> None:
    ladder = Ladder([Pairing("step-1", "random", 8, 1, 1)])
    ladder.add([Pairing("step-1", "random", 9, 0, 1), Pairing("step-2", "step-1", 6, 2, 2)])
    again = Ladder.from_json(json.loads(json.dumps(ladder.pairings())))
    assert again.pairings() == [Pairing("step-1", "random", 17, 1, 2), Pairing("step-2", "step-1", 6, 2, 2)]
    ratings = again.ratings()
    assert ratings["step-2"].elo > ratings["step-1"].elo > ratings["random"].elo == 0.0
    assert again.has("step-1", "random")
    assert not again.has("random", "step-1")


def test_the_best_is_the_newest_that_is_not_clearly_weaker() -> None:
    close = [Pairing("step-1", "random", 18, 0, 2), Pairing("step-2", "random", 17, 0, 3)]
    assert Ladder(close).best(["step-1", "step-2"]) == "step-2"
    collapsed = [Pairing("step-1", "random", 95, 0, 5), Pairing("step-2", "random", 40, 0, 60)]
    assert Ladder(collapsed).best(["step-1", "step-2"]) == "step-1"
    assert Ladder(close).best(["step-9"]) is None
    assert Ladder().best(["step-1"]) is None


# --- the configuration ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (limited(games=0), "--games 0: must be positive"),
        (limited(minutes=-1.0), "--minutes -1.0: must be positive"),
        (limited(minutes=float("nan")), "--minutes nan: must be positive"),
        (limited(), "a run needs an end"),
        (replace(TINY, seed=-1), "--seed -1: must not be negative"),
        (replace(TINY, samples_per_target=0.0), "--samples-per-target 0.0: must be positive"),
        (replace(TINY, resources=ResourcesConfig(workers=0)), "--workers 0: must be positive"),
        (replace(TINY, evaluation=EvaluationConfig(rollouts=(0,))), "--evaluation.rollouts 0: must be positive"),
        (
            replace(TINY, deterministic=True, limits=LimitsConfig(minutes=1.0)),
            "--deterministic needs --games or --steps",
        ),
    ],
)
def test_numbers_without_sense_are_one_line(config: TrainConfig, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        config.check()


def test_resources_follow_the_machine_and_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    def resources(num_cores: int, **changes: Any) -> tuple[int, int]:
        """Workers and threads of the learner."""
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(num_cores)))
        found = Resources.of(replace(TrainConfig(resources=ResourcesConfig(device="cpu")), **changes))
        assert (found.num_cores, found.device) == (num_cores, "cpu")
        return found.workers, found.learner_threads

    asked = ResourcesConfig(workers=5, learner_threads=3, device="cpu")
    assert resources(2, resources=asked) == resources(16, resources=asked) == (5, 3)
    assert [resources(cores) for cores in (1, 2, 4, 5, 16)] == [(1, 1), (2, 2), (4, 4), (4, 1), (11, 5)]
    assert resources(2, deterministic=True) == resources(2, network=VectorConfig()) == (2, 1)
