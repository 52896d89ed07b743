"""Checkpoints: whatever happens to the writer or to the files, the newest whole one is what loads."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from rl.errors import UserError
from rl.learning import checkpoint

pytestmark = pytest.mark.plain_only  # nothing here is compiled

FILES = ["model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"]


def tensors_of(step: int) -> dict[str, dict[str, torch.Tensor]]:
    """Contents that tell their step."""
    return {
        kind: {"weight": torch.full((5, 7), float(step) + index), "count": torch.tensor(step)}
        for index, kind in enumerate(("model", "ema", "optimizer"))
    }


def save(directory: Path, step: int, **options: Any) -> Path:
    return checkpoint.save(directory, step, tensors_of(step), {"step": step, "rate": 0.1}, **options)


def assert_is(found: checkpoint.Checkpoint | None, step: int) -> None:
    assert found is not None and found.step == step and found.state == {"step": step, "rate": 0.1}
    expected = tensors_of(step)
    assert found.tensors.keys() == expected.keys()
    for kind, entries in expected.items():
        assert found.tensors[kind].keys() == entries.keys()
        for name, tensor in entries.items():
            assert torch.equal(found.tensors[kind][name], tensor) and found.tensors[kind][name].dtype == tensor.dtype


def test_round_trip_takes_the_newest(tmp_path: Path) -> None:
    directory = tmp_path / "run" / "checkpoints"
    assert checkpoint.latest_valid(directory, pytest.fail) is None
    for step in (0, 9, 100):  # by number, not by text
        path = save(directory, step)
        assert sorted(file.name for file in path.iterdir()) == sorted(FILES)
        assert_is(checkpoint.latest_valid(directory, pytest.fail), step)


def test_every_flipped_bit_is_found_and_its_file_named(tmp_path: Path) -> None:
    save(tmp_path, 1)
    newest = save(tmp_path, 2)
    choice = random.Random(0)
    for name in FILES:
        content = (newest / name).read_bytes()
        for position in choice.sample(range(8 * len(content)), 60):
            flipped = bytearray(content)
            flipped[position // 8] ^= 1 << position % 8
            (newest / name).write_bytes(flipped)
            lines: list[str] = []
            assert_is(checkpoint.latest_valid(tmp_path, lines.append), 1)
            assert len(lines) == 1 and str(newest / name) in lines[0] and "\n" not in lines[0]
        (newest / name).write_bytes(content)
    assert_is(checkpoint.latest_valid(tmp_path, pytest.fail), 2)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "longer", "a directory"])
def test_damaged_file_falls_back_and_is_named(tmp_path: Path, name: str, damage: str) -> None:
    save(tmp_path, 1)
    file = save(tmp_path, 2) / name
    content = file.read_bytes()
    file.unlink()
    if damage == "a directory":
        file.mkdir()
    elif damage != "missing":
        file.write_bytes({"empty": b"", "truncated": content[:-1], "longer": content + b"\0"}[damage])
    lines: list[str] = []
    assert_is(checkpoint.latest_valid(tmp_path, lines.append), 1)
    assert len(lines) == 1 and str(file) in lines[0]


def test_checkpoint_under_another_name_is_damaged(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    path.rename(tmp_path / "step_000000000007")
    lines: list[str] = []
    assert checkpoint.latest_valid(tmp_path, lines.append) is None and len(lines) == 1


def test_keeps_the_newest_valid_ones(tmp_path: Path) -> None:
    for step in range(1, 7):
        save(tmp_path, step, keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step_{step:012d}" for step in (4, 5, 6)]


def test_damaged_ones_do_not_count_among_the_kept(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        save(tmp_path, step, keep=2)
    (tmp_path / "step_000000000030" / "state.json").unlink()
    save(tmp_path, 25, keep=2)  # the run went back to 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_000000000020", "step_000000000025"]


def test_only_valid_one_stays_however_few_are_kept(tmp_path: Path) -> None:
    save(tmp_path, 30)
    (tmp_path / "step_000000000030" / "model.safetensors").unlink()
    save(tmp_path, 10, keep=1)
    assert_is(checkpoint.latest_valid(tmp_path, lambda line: None), 10)


def test_step_saved_again_does_not_touch_the_first(tmp_path: Path) -> None:
    first = save(tmp_path, 5)
    second = checkpoint.save(tmp_path, 5, tensors_of(5), {"second": True})
    assert first.exists() and second != first
    found = checkpoint.latest_valid(tmp_path, pytest.fail)
    assert found is not None and found.state == {"second": True}
    (second / "state.json").unlink()
    assert_is(checkpoint.latest_valid(tmp_path, lambda line: None), 5)


def test_leftovers_of_killed_writers_are_cleaned(tmp_path: Path) -> None:
    save(tmp_path, 1)
    for leftover in (".writing-step_000000000002", ".deleting-step_000000000000"):
        shutil.copytree(tmp_path / "step_000000000001", tmp_path / leftover)
    (tmp_path / "notes.txt").write_text("a file of the user's")
    assert_is(checkpoint.latest_valid(tmp_path, pytest.fail), 1)
    save(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "step_000000000001", "step_000000000002"]


def test_state_that_is_no_json_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        checkpoint.save(tmp_path, 1, tensors_of(1), {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


class _Killed(BaseException):
    """Stands for kill -9: no handler of the writer's may run."""


def test_death_at_any_system_call_loses_at_most_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write, sync and rename of a save in turn is the last thing the writer does."""
    survived = False
    for calls_left in range(100):
        directory = tmp_path / str(calls_left)
        for step in (1, 2):
            save(directory, step, keep=2)
        counter = [calls_left]

        def dying(function: Any, counter: list[int] = counter) -> Any:
            def call(*arguments: Any, **keywords: Any) -> Any:
                if counter[0] == 0:
                    raise _Killed
                counter[0] -= 1
                return function(*arguments, **keywords)

            return call

        with monkeypatch.context() as patch:
            for name in ("fsync", "rename", "mkdir", "unlink", "rmdir"):
                patch.setattr(os, name, dying(getattr(os, name)))
            try:
                save(directory, 3, keep=2)
                survived = True
            except _Killed:
                pass
        found = checkpoint.latest_valid(directory, pytest.fail)  # not even a damaged one is seen
        assert found is not None
        assert_is(found, found.step)
        assert found.step in ({3} if survived else {2, 3})
        for path in directory.glob("step_*"):  # nor a half deleted one
            checkpoint.load(path)
        if survived:
            break
    assert survived and calls_left > 8


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1)

    def full(descriptor: int, fsync: Any = os.fsync) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("optimizer.safetensors"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see which file is written: run it on Linux")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot write .*optimizer\.safetensors: No space left on device"):
        save(tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000000001"]
    assert_is(checkpoint.latest_valid(tmp_path, pytest.fail), 1)


def test_really_full_disk(small_disk: Path) -> None:
    save(small_disk, 1)
    with pytest.raises(UserError, match="No space left on device"):
        checkpoint.save(small_disk, 2, {"model": {"weight": torch.zeros(50_000)}}, {})
    assert [path.name for path in small_disk.iterdir()] == ["step_000000000001"]
    assert_is(checkpoint.latest_valid(small_disk, pytest.fail), 1)


def test_unwritable_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file"):
        save(tmp_path / "file", 1)


_SAVING_LOOP = """
import sys
from pathlib import Path
from tests.test_checkpoint import save
step = int(sys.argv[2])
while True:
    step += 1
    save(Path(sys.argv[1]), step, keep=2)
    print(step, flush=True)
"""


def test_kill_9_while_saving_in_a_loop(tmp_path: Path) -> None:
    """What was told to be saved is there, or something newer, and loads without a complaint."""
    step = 0
    for round_number in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _SAVING_LOOP, str(tmp_path), str(step)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        assert process.stdout.readline()
        time.sleep(random.Random(round_number).uniform(0.05, 0.3))
        process.send_signal(signal.SIGKILL)
        told = [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
        process.stdout.close()
        process.wait()
        found = checkpoint.latest_valid(tmp_path, pytest.fail)
        assert found is not None
        assert_is(found, found.step)
        assert found.step in (told[-1], told[-1] + 1) if told else found.step > step
        assert len([path for path in tmp_path.iterdir() if path.name.startswith("step_")]) <= 3
        step = found.step
