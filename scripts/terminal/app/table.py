"""The screen at which games are played and looked at again: the board, the panel, the line that is typed."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.widget import Widget

from games.look import Look
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.board import Board
from scripts.terminal.app.commands import COMMANDS
from scripts.terminal.app.desk import OTHER_LINES, PANEL, Desk
from scripts.terminal.app.layout import Size, fitting_layout
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.panel import review_panel, session_panel
from scripts.terminal.app.pen import Pen
from scripts.terminal.app.review import Review
from scripts.terminal.app.session import Session
from scripts.terminal.app.view import HEAT_KINDS, Choice, HeatKind, actions_at, legal_list, picture_of
from scripts.terminal.board import draw as draw_text
from scripts.terminal.console import Style as ConsoleStyle
from scripts.terminal.thinking import Thought

_TICK = 0.05
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


class Table(Desk):
    """A session, or a review of a game, and a person in front of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"run('{word}')", label, priority=True) for key, word, label in _KEYS),
        *(Binding(key, f"run('{word}')", show=False, priority=True) for key, word in _QUIET_KEYS),
    ]

    def __init__(self, session: Session, depth: Depth) -> None:
        super().__init__(depth, COMMANDS, "Arrow keys and Enter, the mouse, or type a move; ? helps.")
        self.session = session
        self.review: Review | None = None
        self.heat: HeatKind = "off"
        self.shows_hints = False
        self.shows_legal = True
        self._look: Look | None = session.game.look()
        self._choice = Choice()

    # --- the screen -------------------------------------------------------------------------------------------------

    def large(self) -> Widget:
        return Board(self.depth)

    def on_mount(self) -> None:
        """Begin to listen to the mind."""
        self.set_interval(_TICK, self._tick)
        self.redraw()

    def _tick(self) -> None:
        table = self.review or self.session
        if table.tick():
            self.redraw()

    @property
    def played(self) -> PlayedGame:
        """The game up to the position on the board."""
        return self.review.played if self.review is not None else self.session.played

    def panel_of(self, pen: Pen) -> RenderableType:
        if self.review is not None:
            return review_panel(self.review, self.session, pen)
        return session_panel(self.session, pen, shows_hints=self.shows_hints)

    def draw_large(self) -> int:
        board, played = self.query_one(Board), self.played
        if self._look is None:
            before = played.plies[-2].state if len(played.plies) > 1 else None
            style = ConsoleStyle(colours=self.depth != "none", discs=True)
            lines = draw_text(played.game, played.state, style, before).split("\n")
            board.show_text([Text.from_ansi(line) for line in lines])
            return max(map(len, lines)) + 2
        room = Size(self.size.width - PANEL, self.size.height - OTHER_LINES)
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

    def title_words(self) -> str:
        game = self.session.game
        words = f" keima  {game.name}"
        if self.review is not None:
            words += "  review: ← → step, ↑ ↓ mistakes, Enter plays on, Esc leaves"
        elif self.session.over:
            words += f"  {self.session.result()}"
        elif self.heat != "off":
            words += f"  heat: {self.heat}"
        return words

    # --- keys and the mouse -----------------------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        """What is no command: the cursor, and what is typed."""
        if self.typing(event):
            return
        if event.key in _ARROWS:
            self._arrow(*_ARROWS[event.key])
        elif event.key == "escape":
            self._escape()
        elif event.key == "backspace":
            self.carry_out("undo")
        elif event.key in ("home", "end") and self.review is not None:
            self.review.go(0 if event.key == "home" else len(self.review.positions))
        elif event.key == "space":
            self._space()
        else:
            return
        event.stop()
        self.redraw()

    def _space(self) -> None:
        if self.review is None and not any(seat.is_person for seat in self.session.seats):
            self.carry_out("pause")
        else:
            self.enter("")

    def enter(self, line: str) -> None:
        if line:
            self.enter_line(line)
        elif self.review is not None:
            self.carry_out("continue")
        elif self._choice.cursor is not None:
            self.pick(self._choice.cursor)

    def _escape(self) -> None:
        if self._choice.chosen is not None:
            self._choice = self._choice._replace(chosen=None)
        elif self.review is not None:
            self.carry_out("leave")

    def enter_line(self, line: str) -> None:
        """A command, or a move in the game's notation."""
        if line.split()[0].lower() in COMMANDS:
            self.carry_out(line)
            return
        self.carry_out(f"move {line}")

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
