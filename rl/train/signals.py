"""Ctrl-C and SIGTERM: the first asks every loop to drain, the second ends the run at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """Raised by the first signal while there is nothing to drain."""


class StopRequest:
    """A flag that loops poll, set by the first signal. Used as a context manager in the main thread.

    Until `drains` is set, the first signal also raises `Stopped` wherever the main thread is: a start that has not
    begun to play has nothing to save.

    A second signal calls `stop_at_once` (which kills the children) and leaves the process without any clean-up:
    finished games are on disk before they are reported, so nothing acknowledged is lost.
    """

    def __init__(self, stop_at_once: Callable[[], None]) -> None:
        self.signal_number = 0
        """The signal that asked, 0 while none did."""
        self.drains = False
        """Whether loops poll the flag."""
        self._stop_at_once = stop_at_once
        self._previous: dict[signal.Signals, Any] = {}

    def __bool__(self) -> bool:
        return self.signal_number != 0

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal ended; 0 when none did."""
        return 128 + self.signal_number if self.signal_number else 0

    def __enter__(self) -> StopRequest:
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number:
            self._stop_at_once()
            show_cursor = b"\x1b[?25h" if os.isatty(2) else b""  # a live display has hidden it
            os.write(2, show_cursor + b"\nstopped at once: finished games are kept\n")
            os._exit(128 + number)
        self.signal_number = number
        if not self.drains:
            raise Stopped
