"""The GTP engine: the Go Text Protocol, version 2, and some of KataGo's commands, for every game for two.

Each line gets exactly one reply; a command that fails leaves everything as it was. Analyses stream until another line
comes, so lines are read in a thread of their own.

    1 play B D4
    =1

    2 play B D4
    ?2 D4 is not legal here
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable

from rl.errors import UserError
from rl.protocols.gtp.board import BoardCommands, Handler
from rl.protocols.gtp.lines import Request, failure, parse_line, shown, success
from rl.protocols.gtp.session import Session
from rl.protocols.gtp.thinking import Streamer, ThinkingCommands
from rl.protocols.moves import BadRequest

_PROTOCOL_VERSION = "2"


class GtpEngine:
    """Answers GTP about one session."""

    def __init__(self, session: Session, version: str, complain: Callable[[str], None]) -> None:
        """`version` is Keima's; `complain` is told, for people, of failures that are this program's own."""
        self._session, self._version, self._complain = session, version, complain
        board, thinking = BoardCommands(session), ThinkingCommands(session)
        self._handlers: dict[str, Handler] = {
            "protocol_version": lambda request: _PROTOCOL_VERSION,
            "name": lambda request: "Keima",
            "version": lambda request: self._version,
            "known_command": lambda request: str(request.rest in self._commands()).lower(),
            "list_commands": lambda request: "\n".join(self._commands()),
            "quit": lambda request: "",
            **board.handlers(),
            **thinking.handlers(),
        }
        self._streamers: dict[str, Streamer] = thinking.streamers()
        self._refusals = board.refusals()

    def serve(self, lines: Iterable[bytes], write: Callable[[str], None]) -> None:
        """Answer lines until they end or one says `quit`; `write` takes text as it is to be sent."""
        conversation = _Conversation(lines, write)
        while True:
            if self._session.wants_to_ponder() and not conversation.input_waits():
                self._session.ponder(conversation.input_waits)
            line = conversation.next_line()
            if line is None:
                return
            request = parse_line(line)
            if request is None:
                continue
            self._answer(request, conversation)
            if request.command == "quit":
                return

    def _commands(self) -> list[str]:
        return [*self._handlers, *self._streamers]

    def _answer(self, request: Request, conversation: _Conversation) -> None:
        table = self._session.table
        conversation.begun = False
        try:
            if request.command in self._streamers:
                self._streamers[request.command](request, conversation)
            else:
                conversation.write(success(request.number, self._handler(request)(request)))
            return
        except (BadRequest, UserError) as error:
            reason = str(error)
        except OSError:
            raise  # nobody reads the replies any more
        except Exception:
            self._complain(f"a failure of this program on {shown(request.command)}:\n{traceback.format_exc()}")
            reason = "internal error"
        self._session.table = table
        conversation.write("\n" if conversation.begun else failure(request.number, reason))

    def _handler(self, request: Request) -> Handler:
        if request.command in self._handlers:
            return self._handlers[request.command]
        if request.command in self._refusals:
            raise BadRequest(self._refusals[request.command])
        raise BadRequest("unknown command")


class _Conversation:
    """Lines in, read by a thread as they come, and text out."""

    def __init__(self, lines: Iterable[bytes], write: Callable[[str], None]) -> None:
        self._write = write
        self.begun = False
        """Whether a part of the reply to the last line has been sent."""
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._ended = False
        self._failure: BaseException | None = None
        threading.Thread(target=self._read, args=(lines,), name="gtp-reader", daemon=True).start()

    def write(self, text: str) -> None:
        self.begun = True
        self._write(text)

    def input_waits(self) -> bool:
        return bool(self._waiting) or self._ended

    def wait_for_input(self) -> None:
        with self._changed:
            self._changed.wait_for(self.input_waits)

    def next_line(self) -> bytes | None:
        """The next line; None at the end. Raises what reading raised."""
        with self._changed:
            self._changed.wait_for(self.input_waits)
            if self._waiting:
                return self._waiting.popleft()
        if self._failure is not None:
            raise self._failure
        return None

    def _read(self, lines: Iterable[bytes]) -> None:
        try:
            for line in lines:
                with self._changed:
                    self._waiting.append(line)
                    self._changed.notify()
        except BaseException as error:
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()
