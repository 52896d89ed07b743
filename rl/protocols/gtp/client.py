"""An outside program that speaks GTP, started and asked; it may crash, hang or talk nonsense.

The process is started without a shell, in a session of its own, and never left behind: `close` ends it, and whatever
it started, with ever less patience.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from typing import IO

from rl.errors import UserError

_MOST_ERROR_LINES = 20
_MOST_REPLY_BYTES = 1 << 20
_MOST_REPLY_LINES = 10_000
_MOST_UNREAD_LINES = 4096
_PATIENCE = 2.0
"""Seconds that a program gets to end after `quit`, and then after each signal."""


class EngineFailure(Exception):
    """The program did not answer as it should: it crashed, hung or broke the protocol. One line."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        """`late`: no answer came in time."""
        super().__init__(reason)
        self.late = late


class EngineRefusal(Exception):
    """The program answered `?`: it did not do what it was asked. The message is its own, one line."""


class GtpProcess:
    """One running engine. Not thread-safe."""

    def __init__(self, command: str, *, name: str = "", first_reply_seconds: float = 180.0) -> None:
        """Start `command`, words as a shell would split them. Raises UserError when that cannot be done."""
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise UserError(f"engine {command!r}: {error}") from None
        if not words:
            raise UserError("an engine needs a command: gtp:COMMAND")
        self.name = name or os.path.basename(words[0])
        self._first_reply_seconds = first_reply_seconds
        self._answered = False
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"engine {words[0]}: cannot be started: {reason}") from None
        self._lines: queue.Queue[bytes | None] = queue.Queue(_MOST_UNREAD_LINES)
        self._error_lines: deque[str] = deque(maxlen=_MOST_ERROR_LINES)
        self._readers = [
            threading.Thread(target=self._read_replies, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The end of what it wrote to standard error, on one line."""
        return " ".join(" ".join(self._error_lines).split())[-300:]

    def ask(self, command: str, seconds: float) -> str:
        """The engine's answer to one command, without the `=`. Raises EngineRefusal where it answers `?`, and
        EngineFailure, after which it is of no more use, where no proper answer comes in time."""
        if not self._answered:
            seconds = max(seconds, self._first_reply_seconds)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._crash(command) from None
        lines = self._reply(command, time.monotonic() + seconds, seconds)
        self._answered = True
        status, text = lines[0][:1], "\n".join([lines[0][1:].lstrip("0123456789").strip(), *lines[1:]]).strip()
        if status == "=":
            return text
        if status == "?":
            raise EngineRefusal(" ".join(text.split())[:200] or "no reason given")
        raise EngineFailure(f"answered {command!r} with {lines[0][:60]!r}, which is no GTP")

    def close(self) -> None:
        """End the program: by `quit`, then by signals to it and all that it started."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            if self.running:
                self._process.stdin.write(b"quit\n")
            self._process.stdin.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
                break
        self._signal(signal.SIGKILL)  # to what it may have started and left
        deadline = time.monotonic() + _PATIENCE
        while any(reader.is_alive() for reader in self._readers) and time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                self._lines.get(timeout=0.01)  # a full queue holds its reader
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def kill(self) -> None:
        """End the program at once: it hangs."""
        self._signal(signal.SIGKILL)
        self.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _reply(self, command: str, deadline: float, seconds: float) -> list[str]:
        """The lines of a reply, up to the empty one."""
        lines: list[str] = []
        size = 0
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise EngineFailure(f"no answer to {command!r} within {seconds:g} seconds", late=True) from None
            if line is None:
                raise self._crash(command)
            text = line.decode(errors="replace").strip("\r\n")
            size += len(line)
            if size > _MOST_REPLY_BYTES or len(lines) > _MOST_REPLY_LINES:
                raise EngineFailure(f"answered {command!r} without end")
            if text.strip():
                lines.append(text)
            elif lines:
                return lines

    def _crash(self, command: str) -> EngineFailure:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        self._readers[1].join(_PATIENCE)
        code = self._process.poll()
        ending = "closed its output" if code is None else f"ended with code {code}"
        return EngineFailure(f"{ending} on {command!r}{f': {self.last_words}' if self.last_words else ''}")

    def _read_replies(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline(_MOST_REPLY_BYTES):
                self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline(4096):
                self._error_lines.append(line.decode(errors="replace").rstrip())
