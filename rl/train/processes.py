"""A child process with a pipe: started safely, listened to by a thread, judged by when it was last heard.

Children are spawned, never forked. They are started with SIGINT and SIGTERM blocked, a mask they inherit, so a Ctrl-C
in the terminal reaches the main process alone, from their first instruction on. They end by themselves when the main
process dies, however it dies.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process, resource_tracker
from pathlib import Path
from typing import Any

from rl.errors import UserError

_MASKED = (signal.SIGINT, signal.SIGTERM)
_NICENESS = 5
"""The main process, with the learner, goes first where there are more processes than cores (`rl.train.resources`)."""
_DUMP_SECONDS = 0.5
"""How long a stalled child is given to write its stacks before it is killed."""


class Failed:
    """The last message of a child that could not go on."""

    def __init__(self, text: str, is_user_error: bool) -> None:
        self.text = text
        self.is_user_error = is_user_error


class Child:
    """One child process running `target(pipe, *arguments)`.

    Threads of this process send and receive, so that a child that hangs never blocks anything here.
    """

    def __init__(self, name: str, target: Callable[..., None], arguments: tuple[Any, ...], stacks: Path) -> None:
        """`stacks` is the file to which the child writes all its stacks on SIGUSR1."""
        context = get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self.name = name
        self.process = context.Process(target=_run, args=(target, far_end, arguments, stacks), name=name, daemon=True)
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._to_send: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with _signals_blocked():
            self.process.start()
        far_end.close()
        self.last_heard = self.started = time.monotonic()
        self._ended = threading.Event()
        self._listener = threading.Thread(target=self._listen, name=f"listen-{name}", daemon=True)
        self._listener.start()
        self._talker = threading.Thread(target=self._talk, name=f"talk-{name}", daemon=True)
        self._talker.start()

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    @property
    def ended(self) -> bool:
        """Whether the child has closed its pipe: nothing follows what `messages` still yields."""
        return self._ended.is_set()

    def messages(self) -> Iterator[Any]:
        """What has arrived since the last call."""
        while True:
            try:
                yield self._messages.get_nowait()
            except queue.Empty:
                return

    def send(self, message: object) -> None:
        """Have it sent, after what was sent before; a child that is gone is noticed by `ended`, not here."""
        self._to_send.put(message)

    def dump_stacks(self) -> None:
        """Ask for the stacks of all the child's threads, in the file given at the start."""
        try:
            os.kill(self.pid, signal.SIGUSR1)
        except ProcessLookupError:
            return
        time.sleep(_DUMP_SECONDS)

    def join(self, seconds: float) -> bool:
        """Wait until the child has ended and all it sent has arrived; False when it has not within `seconds`."""
        deadline = time.monotonic() + seconds
        self._ended.wait(seconds)
        self.process.join(max(0.0, deadline - time.monotonic()))
        return self.ended and self.process.exitcode is not None

    def kill(self) -> None:
        """End the child now (SIGKILL: it has nothing that must be tidied) and collect what it still sent."""
        self.process.kill()
        self.process.join()
        self._to_send.put(None)
        self._listener.join(timeout=1.0)
        self._talker.join(timeout=1.0)
        self._pipe.close()

    def _listen(self) -> None:
        try:
            while True:
                message = self._pipe.recv()
                self.last_heard = time.monotonic()
                self._messages.put(message)
        except (EOFError, OSError):
            self._ended.set()

    def _talk(self) -> None:
        try:
            while (message := self._to_send.get()) is not None:
                self._pipe.send(message)
        except OSError:
            return


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """SIGINT and SIGTERM wait while a child is started, and stay blocked in the child."""
    resource_tracker.ensure_running()  # it would unblock them when started in here
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _MASKED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _run(target: Callable[..., None], pipe: connection.Connection, arguments: tuple[Any, ...], stacks: Path) -> None:
    """The child's main function: watches its parent, reports what it could not bear."""
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    os.nice(_NICENESS)
    with stacks.open("a") as file:
        faulthandler.register(signal.SIGUSR1, file, all_threads=True)
        try:
            target(pipe, *arguments)
        except UserError as error:
            _report(pipe, Failed(str(error), True))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # the main process is gone
        except Exception:
            import traceback

            _report(pipe, Failed(traceback.format_exc(), False))
        finally:
            faulthandler.unregister(signal.SIGUSR1)


def _report(pipe: connection.Connection, failure: Failed) -> None:
    try:
        pipe.send(failure)
    except OSError:
        return


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
