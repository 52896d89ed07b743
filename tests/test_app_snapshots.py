"""What the app shows, to the last colour: one picture a game, of hints, of a review, of windows, of poor terminals.

The pictures are in tests/screens, for browsers to show. After a change that is meant, `KEIMA_NEW_SCREENS=1 pytest
tests/test_app_snapshots.py` draws them anew: look at them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from app_mind import ToldMind, session_of
from small_games import SMALL_GAMES
from textual.pilot import Pilot

import games
from scripts.terminal.app.app import KeimaApp
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.pictures import screen_picture
from scripts.terminal.app.table import Table

pytestmark = pytest.mark.compiled_only  # no kernel runs here: once is enough
SCREENS = Path(__file__).with_name("screens")
SMALL = (80, 24)
ELOS = range(1, 11)


@pytest.fixture(autouse=True)
def made_up_elos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures do not change when levels are measured again."""
    levels = {str(level): {"elo": 100 * level, "low": 90 * level, "high": 120 * level, "games": 200} for level in ELOS}
    monkeypatch.setattr("scripts.terminal.app.levels._table", lambda: {"tic_tac_toe": {"levels": levels}})


def check_screen(
    name: str,
    app: KeimaApp,
    *,
    size: tuple[int, int] = SMALL,
    keys: tuple[str, ...] = (),
    before: Callable[[Pilot[int]], Awaitable[None]] | None = None,
) -> None:
    """Compare the screen, after some keys, with the picture of that name."""

    async def shown() -> str:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await pilot.press(*keys)
            if before is not None:
                await before(pilot)
            await pilot.pause()
            return screen_picture(app)

    picture, path = asyncio.run(shown()), SCREENS / f"{name}.svg"
    if os.environ.get("KEIMA_NEW_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(picture, "utf-8")
    assert path.is_file(), f"there is no picture {path.name}: draw it with KEIMA_NEW_SCREENS=1"
    same = picture == path.read_text("utf-8")  # not compared by pytest, which would print both
    assert same, f"the screen is not that of {path.name}: draw it anew with KEIMA_NEW_SCREENS=1 if that is meant"


def app_of(name: str, *, depth: Depth = "full", plies: int = 4) -> KeimaApp:
    """A game after some moves, each side having played what the mind liked; the person is to move."""
    session, mind = session_of(games.make(name))
    for ply in range(plies):
        thought = mind.answer(0.1 * ply)
        session.tick()
        if ply % 2 == 0:
            session.play(int(thought.actions[len(thought.actions) // 2]))
    mind.answer(0.3, done=False)
    session.tick()
    return KeimaApp(Table(session, depth))


@pytest.mark.parametrize("name", SMALL_GAMES)
def test_every_game(name: str) -> None:
    check_screen(name, app_of(name), keys=("right",))


@pytest.mark.parametrize("name", ["connect_four", "go9"])
def test_larger_screens(name: str) -> None:
    check_screen(f"{name}_large", app_of(name), size=(120, 40), keys=("right",))


@pytest.mark.parametrize("heat", ["policy", "visits", "winrate", "ownership"])
def test_heat(heat: str) -> None:
    check_screen(f"heat_{heat}", app_of("go5"), keys=(*"heat", "space", *heat, "enter"))


@pytest.mark.parametrize("depth", ["sixteen", "none"])
@pytest.mark.parametrize("name", ["go9", "connect_four", "breakthrough"])
def test_poor_terminals(name: str, depth: Depth) -> None:
    check_screen(f"{name}_{depth}", app_of(name, depth=depth), keys=("right", "f5"))


@pytest.mark.parametrize(("name", "key"), [("help", "question_mark"), ("levels", "f3")])
def test_windows(name: str, key: str) -> None:
    check_screen(name, app_of("tic_tac_toe"), keys=(key,))


def test_review() -> None:
    async def look(pilot: Pilot[int]) -> None:
        await pilot.press("f4")
        table = pilot.app.screen
        assert isinstance(table, Table) and table.review is not None and isinstance(table.session.mind, ToldMind)
        for value in (0.8, 0.1, -0.9, 0.2, 0.3):
            table.session.mind.answer(value)
            table.review.tick()
        table.redraw()
        await pilot.press("up")

    check_screen("review", app_of("connect_four"), before=look)
