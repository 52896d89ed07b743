"""The full-screen app."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import App

from scripts.terminal.app.desk import Desk


class KeimaApp(App[int]):
    """A screen, in the colours that the terminal has."""

    ENABLE_COMMAND_PALETTE = False
    TITLE = "keima"
    CSS: ClassVar[str] = """
    #title { height: 1; background: $boost; }
    #body { height: 1fr; }
    #panel { width: 1fr; padding: 0 0 0 1; height: 1fr; }
    #entry { height: 1; }
    ModalScreen { align: center middle; }
    .window { width: auto; max-width: 100%; height: auto; max-height: 100%; padding: 0 2; border: round $accent;
              background: $surface; }
    .window Static { width: auto; }
    .window OptionList { width: 58; height: auto; max-height: 16; border: none; padding: 0; background: $surface; }
    .below { color: $text-muted; }
    """

    def __init__(self, desk: Desk, opening: Callable[[], None] | None = None) -> None:
        """`opening` is done once the screen is there: it may show a review."""
        super().__init__(ansi_color=desk.depth != "full")
        self.animation_level = "none"  # over ssh each frame costs
        self._desk, self._opening = desk, opening

    def on_mount(self) -> None:
        """Show the screen."""
        self.theme = "textual-dark" if self._desk.depth == "full" else "ansi-dark"
        self.push_screen(self._desk)
        if self._opening is not None:
            self.call_after_refresh(self._opening)
