"""The app under a person's hands: keys, the mouse, typed lines, windows, small and poor terminals."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from app_mind import ToldMind, session_of
from small_games import SMALL_GAMES
from textual.pilot import Pilot
from textual.widgets import Static

import games
from games.base import Game
from games.board.tic_tac_toe import TicTacToe
from games.look import Look
from scripts.terminal.app.app import KeimaApp
from scripts.terminal.app.board import Board
from scripts.terminal.app.commands import COMMANDS
from scripts.terminal.app.layout import Size, fitting_layout
from scripts.terminal.app.levels import level_elos
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.screens import HelpScreen, LevelScreen
from scripts.terminal.app.session import Session
from scripts.terminal.app.table import Table
from scripts.terminal.app.view import legal_list

pytestmark = pytest.mark.compiled_only  # no kernel runs here: once is enough
Play = Callable[["Hands"], Awaitable[None]]


class Hands:
    """A pilot at a table."""

    def __init__(self, pilot: Pilot[int], session: Session, mind: ToldMind, table: Table) -> None:
        self.pilot, self.session, self.mind, self.table = pilot, session, mind, table

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, line: str, *, by_key: bool = False) -> None:
        """A line and Enter; letter by letter where that is what is tested, for it takes long."""
        if by_key:
            await self.press(*("space" if letter == " " else letter for letter in line))
        else:
            self.table.typed = line
        await self.press("enter")

    async def answer(self, value: float = 0.5) -> None:
        self.mind.answer(value)
        self.table._tick()
        await self.pilot.pause()

    @property
    def moves(self) -> str:
        return " ".join(map(self.session.game.action_to_text, self.session.played.actions))

    def text(self, widget: str) -> str:
        return str(self.table.query_one(f"#{widget}", Static).render())

    def screen(self) -> str:
        """All that is to be seen, without colours."""
        width, height = self.pilot.app.size
        lines = self.pilot.app.screen._compositor.render_strips()
        assert len(lines) == height
        return "\n".join(strip.text[:width] for strip in lines)


def play(
    game: Game | str, what: Play, *, person: int | None = 0, size: tuple[int, int] = (80, 24), depth: Depth = "full"
) -> None:
    """Do something at the table of a game."""
    made = games.make(game) if isinstance(game, str) else game
    session, mind = session_of(made, person=person)

    async def run() -> None:
        app = KeimaApp(Table(session, depth))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            table = app.screen
            assert isinstance(table, Table)
            await what(Hands(pilot, session, mind, table))

    asyncio.run(run())


def test_arrow_keys_and_enter_play_a_move() -> None:
    async def what(hands: Hands) -> None:
        await hands.press("left", "left", "up", "enter")
        assert hands.moves == "a3"
        await hands.answer()
        assert hands.moves == "a3 b3"
        await hands.press("enter")
        assert hands.moves == "a3 b3" and "Not there" in hands.text("entry")

    play("tic_tac_toe", what)


def test_what_is_typed_before_the_app_reads_keys_is_entered_too() -> None:
    """Until then the terminal itself takes the keys, and hands on an Enter as a line feed."""

    async def what(hands: Hands) -> None:
        await hands.press("a", "3", "ctrl+j")
        assert hands.moves == "a3"

    play("tic_tac_toe", what)


@pytest.mark.parametrize("name", SMALL_GAMES)
def test_the_mouse_plays_every_game(name: str) -> None:
    async def what(hands: Hands) -> None:
        look = hands.session.game.look()
        assert look is not None
        layout = fitting_layout(look, Size(50, 21))
        action = legal_list(hands.session.played)[-1]
        if not look.moves[action]:
            action -= 1
        for cell in look.moves[action]:
            x, y = layout.centre(cell)
            await hands.pilot.click(Board, offset=(x + 1, y))
        await hands.pilot.pause()
        assert hands.session.played.actions == (action,)

    play(name, what)


@pytest.mark.parametrize("name", SMALL_GAMES)
def test_typed_moves_play_every_game_and_the_last_one_is_marked(name: str) -> None:
    async def what(hands: Hands) -> None:
        action = legal_list(hands.session.played)[0]
        text = hands.session.game.action_to_text(action)
        await hands.type(text.lower())
        assert hands.moves == text
        await hands.answer()
        assert len(hands.session.played.actions) == 2 and hands.session.person_moves
        assert "[" in hands.screen() and "]" in hands.screen()

    play(name, what, depth="none")


def test_pieces_that_step_are_chosen_first_and_can_be_let_go() -> None:
    async def what(hands: Hands) -> None:
        await hands.type("d7d6")
        await hands.answer()
        hands.table._choice = hands.table._choice._replace(cursor=2 * 8 + 3)
        await hands.press("enter")
        assert hands.table._choice.chosen == 19
        await hands.press("escape")
        assert hands.table._choice.chosen is None
        await hands.press("enter", "down", "enter")
        assert hands.moves.endswith("d6d5") and hands.table._choice.chosen is None

    play("breakthrough", what)


def test_what_is_typed_wrongly_is_told_and_can_be_mended() -> None:
    async def what(hands: Hands) -> None:
        await hands.type("move z9", by_key=True)
        assert "no cell" in hands.text("entry") and hands.moves == ""
        await hands.press("b", "3", "backspace")
        assert "> b" in hands.text("entry")
        await hands.press("escape")
        assert ">" not in hands.text("entry")
        await hands.type("b2")
        await hands.type("a1")
        assert "agent is to move" in hands.text("entry")

    play("tic_tac_toe", what)


def test_undo_redo_swap_resign_and_new_by_keys() -> None:
    async def what(hands: Hands) -> None:
        await hands.type("4")
        await hands.answer()
        await hands.press("ctrl+z")
        assert hands.moves == ""
        await hands.press("ctrl+y")
        assert hands.moves == "4 1"
        await hands.press("backspace")
        assert hands.moves == ""
        await hands.press("f6")
        assert hands.session.agent_moves and "Yellow" in hands.text("entry")
        await hands.answer()
        await hands.press("f7")
        assert "Yellow resigned: Red won" in hands.text("title")
        await hands.press("f2")
        assert hands.moves == "" and not hands.session.over
        await hands.press("ctrl+z")

    play("connect_four", what)


def test_the_panel_tells_what_is_thought_but_no_move_unasked() -> None:
    async def what(hands: Hands) -> None:
        hands.mind.answer(0.5, done=False)
        hands.table._tick()
        await hands.pilot.pause()
        screen = hands.screen()
        assert "75%" in screen and "120 visits, 1,234/s" in screen and "best" not in screen
        await hands.press("f5")
        assert "best 1" in hands.screen() and " 50 " in hands.screen()
        await hands.press("f5")
        assert "best" not in hands.screen()
        await hands.press("tab")
        assert "heat: policy" in hands.text("title")

    play("connect_four", what)


def test_keys_are_answered_while_nothing_comes_from_the_mind() -> None:
    """The agent has thought for ever: nothing at the table waits for it."""

    async def what(hands: Hands) -> None:
        await hands.type("4")
        assert hands.session.agent_moves
        await hands.press("question_mark")
        assert isinstance(hands.pilot.app.screen, HelpScreen)
        await hands.press("escape", "tab", "x")
        assert "> x" in hands.text("entry") and "heat" in hands.text("title")

    play("connect_four", what)


def test_levels_are_chosen_from_a_list_or_typed() -> None:
    async def what(hands: Hands) -> None:
        await hands.press("f3")
        assert isinstance(hands.pilot.app.screen, LevelScreen)
        await hands.press("up", "enter")
        assert hands.session.seats[1].strength.level == 9 and "level 9" in hands.screen()
        await hands.type("level 3")
        await hands.type("time 2.5")
        strength = hands.session.seats[1].strength
        assert strength.level == 3 and strength.thinking.seconds == 2.5 and "2.5 s" in hands.screen()
        await hands.type("visits 70")
        assert hands.session.seats[1].strength.thinking.simulations == 70
        for line, told in (("level 11", "levels are 1 to 10"), ("time now", "time 5"), ("visits 0", "visits 800")):
            await hands.type(line)
            assert told in hands.text("entry").lower()

    play("connect_four", what)


def test_a_level_shows_the_elo_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"levels": {"10": {"elo": 1234.4, "low": 1200.0, "high": 1300.0, "games": 200}}}
    monkeypatch.setattr("scripts.terminal.app.levels._table", lambda: {"connect_four": found})
    assert level_elos(games.make("connect_four"))[10].num_games == 200
    assert level_elos(games.make("tic_tac_toe")) == {}

    async def what(hands: Hands) -> None:
        assert "level 10 (Elo 1234)" in hands.screen()
        await hands.press("f3")
        assert "Elo  1234 (1200 to 1300)" in hands.screen()

    play("connect_four", what)


def test_a_review_is_stepped_through_left_and_played_on_from() -> None:
    async def what(hands: Hands) -> None:
        await hands.press("f4")
        assert "no move" in hands.text("entry")
        for move in ("b2", "c2"):
            await hands.type(move)
            await hands.answer()
        await hands.press("f4")
        assert hands.table.review is not None and "Move 4 of 4" in hands.screen()
        assert "Esc leaves" in hands.screen()
        for value in (0.0, 0.9, 0.9, 0.9, 0.9):
            await hands.answer(value)
        assert "??" in hands.screen()
        await hands.press("home", "right")
        assert "Move 1 of 4" in hands.screen()
        await hands.press("down")
        assert "Move 3 of 4" in hands.screen()
        await hands.press("left")
        await hands.type("a1")
        assert "Enter plays on" in hands.text("entry")
        await hands.press("enter")
        assert hands.table.review is None and hands.moves == "b2 a3" and hands.session.person_moves
        await hands.press("f4", "escape")
        assert hands.table.review is None

    play("tic_tac_toe", what)


def test_games_are_saved_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def what(hands: Hands) -> None:
        await hands.type("b2")
        await hands.answer()
        await hands.type("save game.sgf")
        assert "is in game.sgf" in hands.text("entry")
        await hands.type("save game.sgf")
        assert "stays as it is" in hands.text("entry")
        await hands.type("picture screen.svg")
        assert (tmp_path / "screen.svg").read_text().startswith("<svg")
        await hands.type("load game.sgf")
        assert hands.table.review is not None and len(hands.table.review.positions) == 3
        await hands.press("escape")
        for line, told in (("load none.sgf", "No such file"), ("load .", "directory")):
            await hands.type(line)
            assert told in hands.text("entry")
        (tmp_path / "other.sgf").write_text("(;GM[11]SZ[5];B[a1])")
        await hands.type("load other.sgf")
        assert "5x5" in hands.text("entry")

    play("hex3", what)


def test_two_agents_are_watched_and_paused() -> None:
    async def what(hands: Hands) -> None:
        await hands.answer()
        await hands.answer()
        assert hands.moves == "1 1"
        await hands.press("space")
        assert hands.session.paused and "paused" in hands.screen()
        await hands.press("space")
        assert not hands.session.paused
        await hands.press("enter")
        assert hands.moves == "1 1"

    play("connect_four", what, person=None)


class Unseen(TicTacToe):
    """A game that says nothing of its look."""

    def look(self) -> Look | None:  # type: ignore[override]
        return None


def test_a_game_without_a_look_is_drawn_as_its_text_and_moves_are_typed() -> None:
    async def what(hands: Hands) -> None:
        assert "3 . . ." in hands.screen()
        await hands.press("right", "enter")
        await hands.type("b2")
        await hands.answer()
        assert hands.moves == "b2 a3" and "X wins" in hands.screen()

    play(Unseen(), what)


@pytest.mark.parametrize("name", ["connect_four", "hex11", "go"])
def test_a_window_may_change_its_size_at_any_time(name: str) -> None:
    async def what(hands: Hands) -> None:
        for size in ((80, 24), (200, 60), (40, 12), (10, 3), (80, 24)):
            await hands.pilot.resize_terminal(*size)
            await hands.pilot.pause()
        assert "wins" in hands.screen() and hands.table.query_one(Board).size.height <= 21

    play(name, what, size=(120, 40))


def test_without_colours_none_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def what(hands: Hands) -> None:
        await hands.press("right")
        filters = hands.pilot.app.get_line_filters()
        for strip in hands.pilot.app.screen._compositor.render_strips():
            styles: list[Any] = [segment.style for segment in strip.apply_filter(filters[-1], _ground())]
            for style in styles:
                colours = [] if style is None else [style.color, style.bgcolor]
                assert all(colour is None or colour.is_default for colour in colours)

    play("connect_four", what, depth="none")


def _ground() -> Any:
    from textual.color import Color

    return Color(0, 0, 0)


def test_help_names_every_word_and_fits() -> None:
    async def what(hands: Hands) -> None:
        await hands.press("question_mark")
        screen = hands.screen()
        spoken = {"help", "move", "leave", "continue"}  # keys of their own, or the line itself
        assert all(re.search(rf"\b{word}\b", screen) for word in set(COMMANDS) - spoken)
        assert re.search(r"a move \(\w\d\), Enter", screen) and "the piece chosen" in screen and "Esc closes" in screen

    play("othello4", what)


@pytest.mark.parametrize("key", ["ctrl+q", "ctrl+c"])
def test_quitting_works_from_everywhere(key: str) -> None:
    async def what(hands: Hands) -> None:
        await hands.press("question_mark")
        await hands.press(key)
        assert hands.pilot.app._exit

    play("connect_four", what)
