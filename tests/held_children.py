"""Main functions of child processes for `test_train_parts`: spawned processes import them from here."""

from __future__ import annotations

import signal
import time
from multiprocessing import connection

from rl.errors import UserError


def echo(pipe: connection.Connection, prefix: str) -> None:
    """Send back what is received, until the pipe is closed."""
    while True:
        pipe.send(f"{prefix}{pipe.recv()}")


def fail(pipe: connection.Connection, by_user_error: bool) -> None:
    """Raise."""
    if by_user_error:
        raise UserError("the disk is full: a.games")
    raise ValueError("a mistake")


def hang(pipe: connection.Connection) -> None:
    """Tell which signals are blocked, then be silent for good."""
    pipe.send(sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    time.sleep(1000.0)
