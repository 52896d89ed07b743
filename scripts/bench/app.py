"""`keima bench app`: how quickly the full-screen app is there, and how quickly it answers keys while it thinks."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

import games
from games.simulated import SimulatedGame
from rl.errors import UserError
from scripts.arguments import PlayedName
from scripts.bench.report import Figure, Options, Report, require_positive

_ROWS, _COLUMNS = 24, 80
_PATIENCE = 300.0
_LONGEST_LINE = 20
_MARK = "\N{LEFT ONE EIGHTH BLOCK}"
"""Ends the line that is typed, as the app shows it."""


@dataclass(frozen=True)
class AppBench(Options):
    """The full-screen `keima play` in a terminal of 80 by 24: seconds until the board is there, and milliseconds from a
    key to what it changes on the screen, while the agent ponders with every core it is given, or the robot moves."""

    game: PlayedName = "go9"
    starts: int = 5
    """Starts that are timed, after one that is not."""
    keys: int = 200
    """Keys that are timed, ten a second."""


class Terminal:
    """`keima play` in a terminal of its own, whose screen is read as the bytes that are sent to it."""

    def __init__(self, game: str) -> None:
        self._screen, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        hidden = ("TEXTUAL_DRIVER", "NO_COLOR", "COLUMNS", "LINES")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.cli", "play", game],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment,
            start_new_session=True,
        )
        os.close(terminal)

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def wait(self, wanted: str) -> float:
        """Read until `wanted` is sent; returns when that was."""
        seen, deadline = b"", time.perf_counter() + _PATIENCE
        while wanted.encode() not in seen:
            if not select.select([self._screen], [], [], max(0.0, deadline - time.perf_counter()))[0]:
                raise UserError(f"bench app: keima play showed no {wanted!r} within {_PATIENCE:.0f} s")
            try:
                seen += os.read(self._screen, 65536)
            except OSError:  # how Linux says that the other end is closed
                raise UserError(f"bench app: keima play ended before it showed {wanted!r}") from None
        return time.perf_counter()

    def drain(self, seconds: float) -> None:
        """Read whatever comes, so that the app is never held up."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._screen], [], [], left)[0]:
                os.read(self._screen, 65536)

    def cpu_seconds(self) -> float:
        """Of the app's own process so far."""
        used = psutil.Process(self._process.pid).cpu_times()
        return float(used.user + used.system)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)


def measure(command: AppBench) -> Report:
    """Start times, then the latency of keys in one more start."""
    require_positive({"starts": command.starts, "keys": command.keys})
    game = games.make(command.game)
    moves = isinstance(game, SimulatedGame)
    starts = [start_seconds(game.name) for _ in range(command.starts + 1)][1:]
    waited, worked = zip(*starts, strict=True)
    latencies = sorted(
        1000 * latency for latency in key_seconds(game.name, command.keys, "action" if moves else "visits")
    )
    late = latencies[min(len(latencies) - 1, int(0.95 * len(latencies)))]
    figures = (
        Figure("start to the board on the screen", "s", waited, "wall", 3.0, at_most=True),
        Figure("start to the board on the screen", "s", worked, "cpu"),
        Figure(
            f"key to redraw while the {'robot moves' if moves else 'agent ponders'}",
            "ms",
            tuple(latencies),
            "wall",
            50.0,
            at_most=True,
        ),
        Figure("the same, 95th percentile", "ms", (late,), "wall", 50.0, at_most=True),
    )
    notes = ("typed letters, until the line that shows them has been sent to the terminal",)
    settings = {"game": game.name, "screen": f"{_COLUMNS}x{_ROWS}", "starts": command.starts, "keys": command.keys}
    return Report("app", command.seed, settings, figures, notes)


def start_seconds(game: str) -> tuple[float, float]:
    """From the command to its board, by the clock on the wall, and what its process spent on cores until then."""
    begun = time.perf_counter()
    terminal = Terminal(game)
    try:
        return terminal.wait("helps.") - begun, terminal.cpu_seconds()
    finally:
        terminal.close()


def key_seconds(game: str, num_keys: int, busy: str) -> list[float]:
    """From each key to the screen that shows it, once `busy` is on it: the agent ponders, or the robot moves."""
    terminal, found = Terminal(game), []
    try:
        terminal.wait(busy)
        typed = 0
        for _ in range(num_keys):
            terminal.drain(0.1)
            if typed == _LONGEST_LINE:
                terminal.press("\x1b")
                terminal.drain(0.5)
                typed = 0
            typed += 1
            begun = time.perf_counter()
            terminal.press("x")
            found.append(terminal.wait(f"> {'x' * typed}{_MARK}") - begun)
        return found
    finally:
        terminal.close()
