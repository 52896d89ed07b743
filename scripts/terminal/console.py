"""Lines in and out of a terminal or a pipe, and what the terminal can show."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
from dataclasses import dataclass
from typing import TextIO

_PIPE_WIDTH = 100


@dataclass(frozen=True)
class Style:
    """What the terminal can show."""

    colours: bool = False
    """ANSI colours."""
    discs: bool = False
    """Discs in place of X and O."""
    interactive: bool = False
    """A person reads and types: ask with prompts."""
    width: int = _PIPE_WIDTH
    """Columns of the window; text is folded to it."""

    @classmethod
    def of(cls, stdin: TextIO, stdout: TextIO) -> Style:
        """The style for these streams: plain under a pipe, with `NO_COLOR` set, and for `TERM=dumb`."""
        terminal = stdout.isatty()
        colours = terminal and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")
        unicode = (stdout.encoding or "").lower().replace("-", "") == "utf8"
        width = shutil.get_terminal_size().columns if terminal else _PIPE_WIDTH
        return cls(colours, colours and unicode, terminal and stdin.isatty(), max(width, 1))

    def paint(self, text: str, code: str) -> str:
        """`text` in an ANSI style, or as it is where there are no colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours and text else text


class Console:
    """Says lines to a person or a pipe and asks for them."""

    def __init__(self, stdin: TextIO, stdout: TextIO, style: Style | None = None) -> None:
        self._stdin, self._stdout = stdin, stdout
        self.style = style or Style.of(stdin, stdout)
        if self.style.interactive and stdin is sys.stdin:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401  # from now on `input` edits lines and remembers them

    def say(self, text: str = "") -> None:
        """Write text, folded at words to the width of the window."""
        folded = [textwrap.fill(line, self.style.width, break_on_hyphens=False) for line in text.split("\n")]
        self.show("\n".join(folded))

    def show(self, text: str) -> None:
        """Write text as it is: a board."""
        print(text, file=self._stdout, flush=True)

    def passing(self, text: str) -> None:
        """Write a note that the next one replaces ("" removes it); people see it, pipes and plain terminals do not."""
        if self.style.interactive and self.style.colours:
            self._stdout.write("\r\x1b[K" + text[: self.style.width - 1])
            self._stdout.flush()

    def ask(self, prompt: str) -> str | None:
        """A line from the person, without its end; None when there are no more. Only people see the prompt."""
        if self.style.interactive and self._stdin is sys.stdin:
            try:
                return input(prompt)
            except EOFError:
                self.show("")
                return None
        line = self._stdin.readline()
        return line.rstrip("\r\n") if line else None
