"""The screen at which games are played and looked at again: the board, the panel, the line that is typed."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Key, Resize
from textual.screen import Screen
from textual.widgets import Footer, Static

from games.look import Look
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.board import Board
from scripts.terminal.app.commands import COMMANDS, carry_out
from scripts.terminal.app.layout import Size, fitting_layout
from scripts.terminal.app.palette import ACCENT, DIM, INK, Depth, paint
from scripts.terminal.app.panel import Pen, review_panel, session_panel
from scripts.terminal.app.review import Review
from scripts.terminal.app.session import Session
from scripts.terminal.app.view import HEAT_KINDS, Choice, HeatKind, actions_at, legal_list, picture_of
from scripts.terminal.board import draw as draw_text
from scripts.terminal.console import Style as ConsoleStyle
from scripts.terminal.thinking import Thought

_TICK = 0.05
_OTHER_LINES = 3
"""Lines of the screen above and below the board."""
_PANEL = 30
"""Columns that the panel would like to have."""
_LEAST_PANEL = 14
_KEYS: tuple[tuple[str, str, str], ...] = (
    ("question_mark,f1", "help", "Help"),
    ("ctrl+z", "undo", "Undo"),
    ("f5", "hint", "Hint"),
    ("tab", "heat", "Heat"),
    ("f3", "level", "Level"),
    ("f4", "review", "Review"),
    ("f2", "new", "New"),
    ("ctrl+q", "quit", "Quit"),
)
_QUIET_KEYS: tuple[tuple[str, str], ...] = (
    ("ctrl+y", "redo"),
    ("f6", "swap"),
    ("f7", "resign"),
    ("f8", "ponder"),
    ("ctrl+c", "quit"),
)
_ARROWS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


class Table(Screen[None]):
    """A session, or a review of a game, and a person in front of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"run('{word}')", label, priority=True) for key, word, label in _KEYS),
        *(Binding(key, f"run('{word}')", show=False, priority=True) for key, word in _QUIET_KEYS),
    ]

    def __init__(self, session: Session, depth: Depth) -> None:
        super().__init__()
        self.session, self.depth = session, depth
        self.review: Review | None = None
        self.heat: HeatKind = "off"
        self.shows_hints = False
        self.shows_legal = True
        self.typed = ""
        """The line that is being typed."""
        self._said = "Arrow keys and Enter, the mouse, or type a move; ? helps."
        self._look: Look | None = session.game.look()
        self._choice = Choice()

    # --- the screen -------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            yield Board(self.depth)
            yield Static(id="panel", markup=False)
        yield Static(id="entry", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to listen to the mind."""
        self.set_interval(_TICK, self._tick)
        self.redraw()

    def on_resize(self, event: Resize) -> None:
        """The board takes the largest size that fits."""
        self.redraw()

    def _tick(self) -> None:
        table = self.review or self.session
        if table.tick():
            self.redraw()

    def say(self, words: str) -> None:
        """Tell the person something, until the next key."""
        self._said = words
        self.redraw()

    @property
    def played(self) -> PlayedGame:
        """The game up to the position on the board."""
        return self.review.played if self.review is not None else self.session.played

    def redraw(self) -> None:
        """Bring the screen up to date."""
        if not self.is_mounted:
            return
        width = self._draw_board()
        panel = self.query_one("#panel", Static)
        room = self.size.width - width - 1
        panel.display = room >= _LEAST_PANEL
        if panel.display:
            pen = Pen(self.depth, min(room - 1, 60))
            panel.update(self._panel(pen))
        self.query_one("#title", Static).update(self._title())
        self._show_entry()

    def _show_entry(self) -> None:
        self.query_one("#entry", Static).update(self._entry())

    def _panel(self, pen: Pen) -> RenderableType:
        if self.review is not None:
            return review_panel(self.review, self.session, pen)
        return session_panel(self.session, pen, shows_hints=self.shows_hints)

    def _draw_board(self) -> int:
        """Draw the board; returns the columns that it takes."""
        board, played = self.query_one(Board), self.played
        if self._look is None:
            before = played.plies[-2].state if len(played.plies) > 1 else None
            style = ConsoleStyle(colours=self.depth != "none", discs=True)
            lines = draw_text(played.game, played.state, style, before).split("\n")
            board.show_text([Text.from_ansi(line) for line in lines])
            return max(map(len, lines)) + 2
        room = Size(self.size.width - _PANEL, self.size.height - _OTHER_LINES)
        layout = fitting_layout(self._look, room)
        choosing = self.review is None and self.session.person_moves
        thought = self.review.thought if self.review is not None else self._thought()
        picture = picture_of(
            played,
            self._look,
            legal_list(played) if choosing else [],
            self._choice if choosing else Choice(),
            shows_legal=self.shows_legal,
            heat=self.heat,
            thought=thought,
            ownership=self.session.ownership if self.review is None and self.heat == "ownership" else None,
        )
        board.show(picture, layout)
        return layout.size.width + 2

    def _thought(self) -> Thought | None:
        return self.session.report.thought if self.session.report is not None else None

    def _title(self) -> Text:
        game = self.session.game
        words = f" keima  {game.name}"
        if self.review is not None:
            words += "  review: ← → step, ↑ ↓ mistakes, Enter plays on, Esc leaves"
        elif self.session.over:
            words += f"  {self.session.result()}"
        elif self.heat != "off":
            words += f"  heat: {self.heat}"
        return Text(words, paint(self.depth, INK, bold=True, reverse=self.depth == "none"), no_wrap=True)

    def _entry(self) -> Text:
        if self.typed:
            return Text(f" > {self.typed}▏", paint(self.depth, ACCENT, bold=True))
        return Text(f" {self._said}", paint(self.depth, DIM), no_wrap=True, overflow="ellipsis")

    # --- keys and the mouse -----------------------------------------------------------------------------------------

    def action_run(self, word: str) -> None:
        """A command by its key: the same as typing its word."""
        carry_out(self, word)

    def on_key(self, event: Key) -> None:
        """What is no command: the cursor, and what is typed."""
        if event.key in _ARROWS:
            self._arrow(*_ARROWS[event.key])
        elif event.key == "enter":
            self._enter()
        elif event.key == "escape":
            self._escape()
        elif event.key == "backspace":
            if not self.typed:
                carry_out(self, "undo")
            self.typed = self.typed[:-1]
        elif event.key in ("home", "end") and self.review is not None:
            self.review.go(0 if event.key == "home" else len(self.review.positions))
        elif event.key == "space" and not self.typed:
            self._space()
        elif event.is_printable and event.character is not None:
            self.typed += event.character
            self._show_entry()
            event.stop()
            return
        else:
            return
        event.stop()
        self.redraw()

    def _space(self) -> None:
        if self.review is None and not any(seat.is_person for seat in self.session.seats):
            carry_out(self, "pause")
        else:
            self._enter()

    def _enter(self) -> None:
        line, self.typed = self.typed.strip(), ""
        if line:
            self.enter_line(line)
        elif self.review is not None:
            carry_out(self, "continue")
        elif self._choice.cursor is not None:
            self.pick(self._choice.cursor)

    def _escape(self) -> None:
        if self.typed:
            self.typed = ""
        elif self._choice.chosen is not None:
            self._choice = self._choice._replace(chosen=None)
        elif self.review is not None:
            carry_out(self, "leave")

    def enter_line(self, line: str) -> None:
        """A command, or a move in the game's notation."""
        if line.split()[0].lower() in COMMANDS:
            carry_out(self, line)
            return
        carry_out(self, f"move {line}")

    def _arrow(self, down: int, right: int) -> None:
        if self.review is not None:
            if right:
                self.review.go(self.review.at + right)
            else:
                self._next_mistake(down)
            return
        if self._look is None:
            return
        height, width = len(self._look.rows), len(self._look.columns)
        if self._choice.cursor is None:
            cell = height // 2 * width + width // 2
        else:
            row, column = divmod(self._choice.cursor, width)
            cell = min(max(row + down, 0), height - 1) * width + min(max(column + right, 0), width - 1)
        self._choice = self._choice._replace(cursor=cell)

    def _next_mistake(self, direction: int) -> None:
        assert self.review is not None
        plies = sorted(mistake.ply for mistake in self.review.mistakes())
        ahead = [ply for ply in plies if (ply - self.review.at) * direction > 0]
        if ahead:
            self.review.go(ahead[0] if direction > 0 else ahead[-1])

    def on_board_picked(self, message: Board.Picked) -> None:
        """A click on a cell is as good as the cursor there and Enter."""
        if self.review is None:
            self._choice = self._choice._replace(cursor=message.cell)
            self.pick(message.cell)

    def pick(self, cell: int) -> None:
        """Play on a cell, or choose the piece on it."""
        assert self._look is not None
        legal = legal_list(self.session.played) if self.session.person_moves else []
        found = actions_at(self._look, legal, cell, self._choice.chosen)
        if found and len(self._look.moves[found[0]]) > 1 and self._choice.chosen is None:
            self._choice = self._choice._replace(chosen=cell)
            self.redraw()
            return
        if not found and self._choice.chosen is not None:
            chosen = None if cell == self._choice.chosen or not actions_at(self._look, legal, cell, None) else cell
            self._choice = self._choice._replace(chosen=chosen)
            self.redraw()
            return
        if found:
            self.play(found[0])
        else:
            self.say("the game is over" if self.session.over else self._why_not())

    def _why_not(self) -> str:
        return "Not there." if self.session.person_moves else "It is not your turn."

    def play(self, action: int) -> None:
        """A person's move."""
        try:
            self.session.play(action)
            self._said = ""
        except BadRequest as error:
            self._said = f"{error}"
        self._choice = self._choice._replace(chosen=None)
        self.redraw()

    def forget_choice(self) -> None:
        """The piece that was chosen may be gone."""
        self._choice = self._choice._replace(chosen=None)

    def next_heat(self) -> None:
        """Show the next kind of heat."""
        kinds = [kind for kind in HEAT_KINDS if kind != "ownership" or self.session.game.is_scored]
        self.heat = kinds[(kinds.index(self.heat) + 1) % len(kinds)]
