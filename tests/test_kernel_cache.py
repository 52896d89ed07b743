"""Kernels on disk when processes compile at the same time: made once, and never taken for one another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.compiled_only

ROOT = Path(__file__).resolve().parent.parent
KERNEL = """
import sys

from games.compiled import njit


@njit
def callee(number):
    total = number
    for _ in range(10):
        total = total * 3 ^ 5
    return total


@njit
def kernel(number):
    return callee(number) + LONG


print("ready", flush=True)
sys.stdin.readline()
kernel(1)
for function in (kernel, callee):
    print(sum(function.stats.cache_hits.values()), sum(function.stats.cache_misses.values()))
"""


def test_one_process_compiles_and_the_others_wait_for_it(tmp_path: Path) -> None:
    # Long, so that compiling takes a good second: time enough for the others to come.
    long = " + ".join(f"(number * {factor} ^ number // {factor})" for factor in range(2, 150))
    (tmp_path / "kernel.py").write_text(KERNEL.replace("LONG", long))
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    others = [
        subprocess.Popen(
            [sys.executable, str(tmp_path / "kernel.py")],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in others:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in others:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=300)[0].split("\n") for process in others]
    # Whoever finds the kernel on disk does not ask for what it calls.
    assert sorted(answers) == [["0 1", "0 1", ""], ["1 0", "0 0", ""], ["1 0", "0 0", ""]]


def test_kernels_of_one_function_that_are_stored_at_the_same_time_are_both_kept(tmp_path: Path) -> None:
    """numba reads an index, adds the name of a file to it, writes the index and then the file. Another process that did
    so meanwhile took the same name, and one of both was lost, or even taken for the other."""
    from games.kernel_cache import _SharedFiles

    waiting, go_on = threading.Event(), threading.Event()

    class Slow(_SharedFiles):
        def _save_index(self, overloads: Any) -> None:
            waiting.set()
            assert go_on.wait(60)
            super()._save_index(overloads)

    slow, fast, third = (kind(str(tmp_path), "function", "stamp") for kind in (Slow, _SharedFiles, _SharedFiles))
    first = threading.Thread(target=slow.save, args=("one game", "its kernel"))
    second = threading.Thread(target=fast.save, args=("another game", "another kernel"))
    first.start()
    assert waiting.wait(60)
    second.start()
    second.join(0.5)  # it waits for the first, which goes on when half a second has passed
    go_on.set()
    for thread in (first, second):
        thread.join(60)
    assert third.load("one game") == "its kernel"
    assert third.load("another game") == "another kernel"


def test_who_waits_too_long_compiles_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process may have been stopped."""
    from games import kernel_cache

    monkeypatch.setattr(kernel_cache, "_PATIENCE_SECONDS", 0.1)
    entered = []
    with kernel_cache._held(str(tmp_path / "lock")), kernel_cache._held(str(tmp_path / "lock")):
        entered.append("both")
    with kernel_cache._held("/proc/no/such/folder/lock"):
        entered.append("without a folder")
    assert entered == ["both", "without a folder"]
