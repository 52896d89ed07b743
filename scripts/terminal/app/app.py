"""The full-screen app."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import App

from scripts.terminal.app.palette import Depth
from scripts.terminal.app.session import Session
from scripts.terminal.app.table import Table


class KeimaApp(App[int]):
    """A table with a board, in the colours that the terminal has."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "keima"
    CSS: ClassVar[str] = """
    #title { height: 1; background: $boost; }
    #body { height: 1fr; }
    #panel { width: 1fr; padding: 0 0 0 1; height: 1fr; }
    #entry { height: 1; }
    HelpScreen, LevelScreen { align: center middle; }
    .window { width: auto; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; border: round $accent;
              background: $surface; }
    .window Static { width: auto; }
    .window OptionList { width: 58; height: auto; max-height: 16; border: none; padding: 0; background: $surface; }
    .below { color: $text-muted; }
    """

    def __init__(self, session: Session, depth: Depth, opening: Callable[[Table], None] | None = None) -> None:
        """`opening` is done once the board is there: it may show a review."""
        super().__init__(ansi_color=depth != "full")
        self.animation_level = "none"  # over ssh each frame costs
        self._table, self._depth, self._opening = Table(session, depth), depth, opening

    def on_mount(self) -> None:
        """Show the board."""
        self.theme = "textual-dark" if self._depth == "full" else "ansi-dark"
        self.push_screen(self._table)
        if self._opening is not None:
            self.call_after_refresh(self._opening, self._table)
