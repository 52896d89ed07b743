"""Lines in and out of a terminal or a pipe, and what the terminal can show."""

from __future__ import annotations

import os
import select
import shutil
import signal
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
        if self.style.interactive:
            self._stdout.write(prompt)
            self._stdout.flush()
            _wait_for_line(self._stdin)
        line = self._stdin.readline()
        if not line and self.style.interactive:
            self.show("")
        return line.rstrip("\r\n") if line else None


def _wait_for_line(stdin: TextIO) -> None:
    """Wait until a terminal has a line, open to Ctrl-C at every moment.

    A signal that comes after Python last looked for one, and before the system call that waits for input, goes
    unnoticed until the next key; `input` with readline takes long between the two. A descriptor that signals write to
    closes the gap.
    """
    if not stdin.isatty():
        return
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        while stdin.fileno() not in select.select([stdin.fileno(), woken], [], [])[0]:
            os.read(woken, 64)  # Python runs the signal's handler, which raises or returns
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wake)
