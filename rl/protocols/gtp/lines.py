"""Lines of the Go Text Protocol, version 2: commands taken apart, replies put together.

A line is `[id] command [arguments]`; its reply `=[id] text` or, for a failure, `?[id] text`, and an empty line ends it.
No reply holds an empty line within.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rl.protocols.moves import BadRequest

_MOST_SHOWN = 60
_MOST_FAILURE = 300


class Request(NamedTuple):
    """One command."""

    number: str
    """Its id as it was written; empty where there is none."""
    command: str
    arguments: tuple[str, ...]
    rest: str
    """All arguments as one text, for those that hold spaces."""


def parse_line(line: bytes) -> Request | None:
    """The command on a line; None where there is none and so no reply: an empty line, a comment.

    As the protocol wants it: control characters vanish, tabs are spaces, `#` begins a comment.
    """
    text = line.decode(errors="replace").partition("#")[0].replace("\t", " ")
    text = "".join(letter for letter in text if letter >= " " and letter != "\x7f").strip(" ")
    if not text:
        return None
    number, _, rest = text.partition(" ")
    if not (number.isascii() and number.isdigit()):
        number, rest = "", text
    command, _, rest = rest.strip(" ").partition(" ")
    arguments = tuple(word for word in rest.split(" ") if word)
    return Request(number, command, arguments, rest.strip(" "))


def success(number: str, text: str) -> str:
    """The reply to a command that was carried out. A text of several lines may begin with a line end."""
    return f"={number}{_body(text)}\n\n"


def failure(number: str, reason: str) -> str:
    """The reply to a command that was not: one line."""
    line = " ".join(reason.split()) or "failed"
    return f"?{number} {_printable(line if len(line) <= _MOST_FAILURE else line[: _MOST_FAILURE - 3] + '...')}\n\n"


def stream_head(number: str) -> str:
    """How the reply to a command begins whose lines come one by one; `\\n` ends it."""
    return f"={number}\n"


def parse_colour(text: str) -> int:
    """Player 0 for black, 1 for white. Raises BadRequest for anything else."""
    names = {"b": 0, "black": 0, "w": 1, "white": 1}
    if text.lower() not in names:
        raise BadRequest(f"{shown(text)} is no colour: colours are black and white")
    return names[text.lower()]


def shown(text: str) -> str:
    """What somebody wrote, short and harmless enough for a message."""
    quoted = ascii(text)
    return quoted if len(quoted) <= _MOST_SHOWN else quoted[: _MOST_SHOWN - 3] + "..."


def _body(text: str) -> str:
    first, *others = text.split("\n")
    lines = [_printable(line.rstrip()) for line in others]
    body = "\n".join([_printable(first.rstrip()), *(line for line in lines if line)])
    return f" {body}" if body and not body.startswith("\n") else body


def _printable(line: str) -> str:
    return re.sub(r"[^\x20-\x7e\t]", lambda found: found[0] if found[0].isprintable() else "?", line)
