"""Notices that the main loop itself stands still: all stacks go to a file, and a person is told."""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Callable
from pathlib import Path


class Watchdog:
    """A thread that dumps the stacks of this process when `beat` was not called for `stall_seconds`.

    `on_stall` is called from that thread, once a stall, with one line for a person.
    """

    def __init__(self, stall_seconds: float, stacks: Path, on_stall: Callable[[str], None]) -> None:
        self._stall_seconds = stall_seconds
        self._stacks = stacks
        self._on_stall = on_stall
        self._last_beat = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def beat(self) -> None:
        """Tell that the main loop goes on."""
        self._last_beat = time.monotonic()

    def __enter__(self) -> Watchdog:
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        told_beat = 0.0
        while not self._done.wait(min(1.0, self._stall_seconds / 4)):
            beat = self._last_beat
            if time.monotonic() - beat < self._stall_seconds or beat == told_beat:
                continue
            told_beat = beat
            with self._stacks.open("a") as file:
                file.write(f"--- main process: no progress for {self._stall_seconds:.0f} s\n")
                file.flush()
                faulthandler.dump_traceback(file, all_threads=True)
            silence = f"made no progress for {self._stall_seconds:.0f} s"
            self._on_stall(f"STALLED: the main loop {silence}; stacks in {self._stacks}")
