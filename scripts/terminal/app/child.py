"""A process of its own for what takes long: it is spoken to and heard without ever waiting.

A process, not a thread: importing torch and compiling kernels hold Python's lock for long stretches, and a person sees
each of them. It also runs at a lower priority than the app, so that keys are answered while a search uses every core.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from rl.errors import UserError

_LOWER_PRIORITY = 5
_PATIENCE = 0.5


class Ready(NamedTuple):
    """The agents are loaded and their kernels compiled."""


class Failure(NamedTuple):
    """The process is no more."""

    text: str
    """Why, in one line."""


class Child:
    """The process, which ends with this one."""

    def __init__(self, work: Callable[[Connection], None]) -> None:
        """`work` is done there, with the other end of the line. It has to be picklable: a function of a module, or a
        partial of one."""
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, work), name="agent", daemon=True)
        self._process.start()
        theirs.close()
        self._failed = False

    def send(self, message: Any) -> None:
        """Say something to it; where it has ended, that is among the news."""
        with contextlib.suppress(OSError):
            self._connection.send(message)

    def news(self) -> list[Any]:
        """What it has said since the last call, the oldest first; a `Failure` is the last of all."""
        found: list[Any] = []
        try:
            while not self._failed and self._connection.poll():
                found.append(self._connection.recv())
        except (EOFError, OSError):
            self._failed = True
            self._process.join(_PATIENCE)
            found.append(Failure(f"the agent's process ended (exit code {self._process.exitcode})"))
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def ready(connection: Connection) -> None:
    """Called there once everything is loaded: says so, and gives way to the app from now on."""
    if hasattr(os, "nice"):
        os.nice(_LOWER_PRIORITY)
    connection.send(Ready())


def _run(connection: Connection, work: Callable[[Connection], None]) -> None:
    """Work until it is done or the app is gone; whatever goes wrong, the person at the screen has to hear of it."""
    _be_quiet()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            work(connection)
        except (EOFError, OSError):
            raise
        except UserError as error:
            connection.send(Failure(str(error)))
        except Exception as error:
            connection.send(Failure(" ".join(f"{type(error).__name__}: {error}".split())))


def _be_quiet() -> None:
    """Leave the screen to the app."""
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
