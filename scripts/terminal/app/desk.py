"""What every screen of the app has: a title, something large with a panel beside it, and a line that is typed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Key, Resize
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static

from rl.protocols.moves import BadRequest
from scripts.terminal.app.palette import ACCENT, DIM, INK, Depth, paint
from scripts.terminal.app.pen import Pen

OTHER_LINES = 3
"""Lines of the screen above and below what is large."""
PANEL = 30
"""Columns that the panel would like to have."""
_LEAST_PANEL = 14
_WIDEST_PANEL = 60

Commands = Mapping[str, Callable[[Any, str], str | None]]
"""By the word that is typed: takes the desk and what was typed after the word, and returns what to say. Raises
BadRequest, in one line, where that cannot be done."""


class Desk(Screen[None]):
    """A screen with a person in front of it."""

    def __init__(self, depth: Depth, commands: Commands, said: str) -> None:
        super().__init__()
        self.depth, self.commands = depth, commands
        self.typed = ""
        """The line that is being typed."""
        self.shows_panel = True
        """Where there is room for it."""
        self._said = said

    # --- what each one has of its own -------------------------------------------------------------------------------

    @abstractmethod
    def large(self) -> Widget:
        """What is to be seen beside the panel."""

    @abstractmethod
    def draw_large(self) -> int:
        """Bring it up to date; returns the columns that it takes."""

    @abstractmethod
    def panel_of(self, pen: Pen) -> RenderableType:
        """The panel."""

    @abstractmethod
    def title_words(self) -> str:
        """The first line of the screen."""

    @abstractmethod
    def enter(self, line: str) -> None:
        """Enter was pressed; `line` is what was typed, perhaps nothing."""

    # --- the screen -------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            yield self.large()
            yield Static(id="panel", markup=False)
        yield Static(id="entry", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_resize(self, event: Resize) -> None:
        """What is large takes the largest size that fits."""
        self.redraw()

    def redraw(self) -> None:
        """Bring the screen up to date."""
        if not self.is_mounted:
            return
        width = self.draw_large()
        panel = self.query_one("#panel", Static)
        room = self.size.width - width - 1
        panel.display = room >= _LEAST_PANEL and self.shows_panel
        if panel.display:
            panel.update(self.panel_of(Pen(self.depth, min(room - 1, _WIDEST_PANEL))))
        style = paint(self.depth, INK, bold=True, reverse=self.depth == "none")
        self.query_one("#title", Static).update(Text(self.title_words(), style, no_wrap=True))
        self.show_entry()

    def show_entry(self) -> None:
        """The line that is typed, or what was said last."""
        if self.typed:
            entry = Text(f" > {self.typed}▏", paint(self.depth, ACCENT, bold=True))
        else:
            entry = Text(f" {self._said}", paint(self.depth, DIM), no_wrap=True, overflow="ellipsis")
        self.query_one("#entry", Static).update(entry)

    def say(self, words: str) -> None:
        """Tell the person something, until something else is told."""
        self._said = words[:1].upper() + words[1:]
        self.redraw()

    # --- words and keys ---------------------------------------------------------------------------------------------

    def carry_out(self, line: str) -> None:
        """Do what a line asks for, or say in one line why not."""
        word, *arguments = line.split(maxsplit=1)
        try:
            said = self.commands[word.lower()](self, arguments[0] if arguments else "")
        except BadRequest as error:
            said = f"{error}"
        if said is not None:
            self.say(said)
        else:
            self.redraw()

    def action_run(self, word: str) -> None:
        """A command by its key: the same as typing its word."""
        self.carry_out(word)

    def typing(self, event: Key) -> bool:
        """Whether a key was for the line that is typed, or enters it."""
        # A terminal makes a line feed, which is ctrl+j, of an Enter that is pressed before the app reads its keys.
        if event.key in ("enter", "ctrl+j"):
            line, self.typed = self.typed.strip(), ""
            self.enter(line)
        elif event.key == "backspace" and self.typed:
            self.typed = self.typed[:-1]
        elif event.key == "escape" and self.typed:
            self.typed = ""
        elif event.is_printable and event.character is not None and (self.typed or event.key != "space"):
            self.typed += event.character
            self.show_entry()
            event.stop()
            return True
        else:
            return False
        event.stop()
        self.redraw()
        return True
