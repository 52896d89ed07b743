"""A real terminal for tests: a tmux server of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Tmux:
    """A terminal of some size in which `keima` runs."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def call(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def start(self, columns: int, *arguments: str, rows: int = 40, environment: str = "") -> None:
        keima = f"LC_ALL=C.UTF-8 {environment} {sys.executable} -m scripts.cli {' '.join(arguments)}"
        shell = f"trap : INT; cd {ROOT}; {keima}; echo exit code $?; cat"  # Ctrl-C reaches the shell too
        self.call("-u", "new-session", "-d", "-x", str(columns), "-y", str(rows), shell)

    def keys(self, *keys: str) -> None:
        self.call("send-keys", *keys)

    def screen(self, *, escapes: bool = False) -> str:
        """What is to be seen."""
        return self.call("capture-pane", "-p", *(["-e"] if escapes else []))

    def wait(self, text: str, *, escapes: bool = False) -> str:
        """The screen, once it shows a text."""
        return self.wait_until(lambda screen: text in screen, f"{text!r} is not on the screen", escapes=escapes)

    def wait_until(self, shown: Callable[[str], bool], complaint: str, *, escapes: bool = False) -> str:
        """The screen, once it is as it should be."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            screen = self.screen(escapes=escapes)
            if shown(screen):
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{complaint}:\n{screen}")
