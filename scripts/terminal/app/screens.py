"""The screens that open over the board: help, and the choice of a level."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from games.base import Game
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.levels import level_elos
from scripts.terminal.app.view import legal_list
from scripts.terminal.thinking import LEVELS

_HELP = """\
Play    arrow keys and Enter, a click, or type a move ({example}), Enter
        pieces that step: first the piece, then where it goes
Keys    Ctrl-Z undo    Ctrl-Y redo    F2 new game     F3 level
        F4 review      F5 hint        F6 swap sides   F7 resign
        F8 ponder      Tab heat map   Ctrl-Q quit     Space pause
Words   save FILE   load FILE   picture FILE   legal   pause
        level N   time SECONDS   visits N   (for each of its moves)
        heat policy, visits, winrate{ownership} or off
        undo redo hint swap resign new ponder review help quit
Board   [●] the last move   <·> the cursor   (♟) the piece chosen
        • may be played on   ✕ may not   42 per cent of the heat
Review  ← → step    ↑ ↓ the mistakes    Home End
        Enter plays on from there    Esc leaves
        ? costs a tenth of the games won, ?? a quarter
"""


class Words(ModalScreen[None]):
    """A window with words to read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,enter,space,q", "dismiss", "Close", priority=True),
        Binding("ctrl+q,ctrl+c", "app.quit", show=False, priority=True),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static(self._text, markup=False)
            yield Static("Esc closes", classes="below", markup=False)


class HelpScreen(Words):
    """Tells the keys and words of boards."""

    def __init__(self, game: Game) -> None:
        legal = legal_list(PlayedGame(game))
        example = game.action_to_text(legal[len(legal) // 2])
        ownership = ", ownership" if game.is_scored else ""
        super().__init__(_HELP.format(example=example, ownership=ownership))


class LevelScreen(ModalScreen[int | None]):
    """Lets a person choose a level."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", priority=True),
        Binding("ctrl+q,ctrl+c", "app.quit", show=False, priority=True),
    ]

    def __init__(self, game: Game, level: int) -> None:
        super().__init__()
        self._level = level
        self._elos = level_elos(game)

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static("How strong the agent plays", markup=False)
            yield OptionList(*(Option(self._line(level)) for level in range(1, len(LEVELS) + 1)), markup=False)
            below = "Elo above a player of one-ply tactics" if self._elos else "Elo of this game: not measured"
            yield Static(f"{below}; type time 5 or visits 800 instead", classes="below", markup=False)

    def on_mount(self) -> None:
        """Begin at the level that is played."""
        self.query_one(OptionList).highlighted = self._level - 1

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take it."""
        self.dismiss(event.option_index + 1)

    def _line(self, level: int) -> str:
        settings = LEVELS[level - 1]
        words = f"{level:2}  {settings.simulations:>5} visits"
        words += f", {round(100 * settings.slips):2} % slips" if settings.slips else "            "
        if level in self._elos:
            found = self._elos[level]
            words += f"   Elo {found.elo:5.0f} ({found.low:.0f} to {found.high:.0f})"
        return words
