"""Robots on the full screen under a person's hands: keys, the mouse, typed lines, windows, small and poor terminals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from robot_stage import MadeUpPilot, ToldLink
from textual.pilot import Pilot
from textual.widgets import Static

import games
from games.simulated import SimulatedGame
from scripts.terminal.app.app import KeimaApp
from scripts.terminal.app.child import Failure
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.robots.cockpit import Cockpit
from scripts.terminal.app.robots.help import RobotHelp
from scripts.terminal.app.robots.messages import Begin, Pause, Point, SetGoal, Speed, Steer, Step, Think
from scripts.terminal.app.robots.view import View

pytestmark = pytest.mark.compiled_only  # what runs here compiled is tested without a screen in both modes
Do = Callable[["Hands"], Awaitable[None]]
QUIET = ("Room", "Seen")


class Hands:
    """A pilot at a cockpit."""

    def __init__(self, pilot: Pilot[int], link: ToldLink, cockpit: Cockpit) -> None:
        self.pilot, self.link, self.cockpit = pilot, link, cockpit

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, line: str) -> None:
        self.cockpit.typed = line
        await self.press("enter")

    async def watch(self, seconds: float) -> None:
        """Let so much time pass on the stage, and look."""
        for _ in range(max(1, round(seconds / 0.1))):
            self.link.pass_time(0.1)
            self.cockpit.tick()
        for _ in range(2):  # what is said anew is laid out, and then drawn
            await self.pilot.pause()

    @property
    def orders(self) -> list[object]:
        """What was asked of the stage, but for rooms and what was seen."""
        return [order for order in self.link.orders if type(order).__name__ not in QUIET]

    def text(self, widget: str) -> str:
        return str(self.cockpit.query_one(f"#{widget}", Static).render())

    def screen(self) -> str:
        """All that is to be seen, without colours."""
        width, height = self.pilot.app.size
        lines = self.pilot.app.screen._compositor.render_strips()
        assert len(lines) == height
        return "\n".join(strip.text[:width] for strip in lines)


def made(name: str) -> SimulatedGame:
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    return game


def sit_down(
    name: str, do: Do, *, size: tuple[int, int] = (80, 24), depth: Depth = "full", with_person: bool = False
) -> ToldLink:
    """Do something at the cockpit of a game; returns the way to its stage."""
    game = made(name)
    link = ToldLink(game, MadeUpPilot(game), with_person=with_person)

    async def run() -> None:
        cockpit = Cockpit(game, link, depth, with_person=with_person)
        async with KeimaApp(cockpit).run_test(size=size) as pilot:
            await pilot.pause()
            await do(Hands(pilot, link, cockpit))

    asyncio.run(run())
    return link


def test_the_panel_tells_how_the_episode_goes() -> None:
    async def do(hands: Hands) -> None:
        await hands.watch(1.0)
        screen = hands.screen()
        for words in ("somebody", "episode 1, step 2", "return -", "achieved", "goal x ", "m away", "value -1"):
            assert words in screen, words
        await hands.watch(2.0)
        assert "1 of 1 episodes" in hands.screen() and "✓ achieved" in hands.screen()

    sit_down("planar_reach", do)


def test_arrow_keys_move_the_goal_while_the_robot_moves() -> None:
    async def do(hands: Hands) -> None:
        await hands.watch(0.2)
        before = hands.link.stage.episode.goal.copy()
        await hands.press("right", "right", "up", "pageup")
        assert hands.orders == [Steer(0, 1), Steer(0, 1), Steer(1, 1), Steer(2, 1)]
        assert hands.link.stage.episode.goal == pytest.approx(before + np.array([0.08, 0.04]))
        await hands.watch(3.0)
        assert "of 50" not in hands.screen() and hands.link.stage.episode.num_steps > 60

    sit_down("planar_reach", do)


def test_a_click_puts_the_goal_there() -> None:
    async def do(hands: Hands) -> None:
        await hands.watch(0.2)
        await hands.pilot.click(View, offset=(1 + 31, 10))  # of 42 columns by 21 lines, 1.2 m each way
        await hands.pilot.hover(View, offset=(5, 5))
        await hands.pilot.pause()
        assert hands.orders == [Point(pytest.approx(0.75), pytest.approx(0.5))]
        assert hands.link.stage.episode.goal == pytest.approx([0.3, 0.0], abs=1e-6)

    sit_down("planar_reach", do)


def test_space_enter_plus_minus_and_function_keys() -> None:
    async def do(hands: Hands) -> None:
        await hands.watch(0.2)
        await hands.press("space")
        await hands.watch(0.1)
        assert "paused" in hands.text("title")
        await hands.press("enter", "space", "+", "+", "-", "f2", "f3", "f3")
        expected = [Pause(True), Step(), Pause(False), Speed(2.0), Speed(4.0), Speed(2.0), Begin(), Think(8)]
        assert hands.orders[:8] == expected
        await hands.watch(0.3)
        assert "2 times real time" in hands.text("title")
        await hands.press("f3")
        await hands.watch(0.3)
        assert hands.orders[-1] == Think(32) and "32 visits" in hands.screen()

    sit_down("planar_reach", do)


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("goal 0.1 -0.2", SetGoal("0.1 -0.2")),
        ("simulations 64", Think(64)),
        ("policy", Think(0)),
        ("speed 0.25", Speed(0.25)),
        ("slower", Speed(0.5)),
        ("pause", Pause(True)),
        ("run", Pause(False)),
        ("step", Step()),
        ("new", Begin()),
    ],
)
def test_words(line: str, order: object) -> None:
    async def do(hands: Hands) -> None:
        await hands.type(line)
        assert hands.orders == [order]

    sit_down("planar_reach", do)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("jump", "There is no 'jump'"),
        ("goal", "goal 0 0"),
        ("goal a b", "goal 0 0"),
        ("simulations", "simulations 32"),
        ("simulations -1", "simulations 32"),
        ("simulations 9999", "up to 1024"),
        ("speed x", "speed 0.5"),
        ("speed 1000", "speed 0.5"),
        ("speed nan", "speed 0.5"),
        ("video film.mp4", ".gif"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(line: str, told: str) -> None:
    async def do(hands: Hands) -> None:
        await hands.type(line)
        hands.cockpit.tick()
        await hands.pilot.pause()
        assert told in hands.text("entry") and "\n" not in hands.text("entry")

    sit_down("planar_reach", do)


def test_letters_are_typed_and_taken_back() -> None:
    async def do(hands: Hands) -> None:
        await hands.press("s", "t", "space", "x", "backspace", "+")
        assert "> st +▏" in hands.text("entry"), "what is typed goes before the speed"
        await hands.press("escape")
        assert "Arrow keys" in hands.text("entry") and hands.orders == []

    sit_down("planar_reach", do)


def test_help_tells_the_keys_of_the_task() -> None:
    async def do(hands: Hands) -> None:
        await hands.press("question_mark")
        assert isinstance(hands.pilot.app.screen, RobotHelp)
        assert "PgUp and PgDn its heading" in hands.screen() and "goal X Y HEADING" in hands.screen()
        await hands.press("escape")
        assert hands.pilot.app.screen is hands.cockpit

    sit_down("diff_drive_park", do)


def test_a_film_and_a_picture_are_written(tmp_path: Path) -> None:
    async def do(hands: Hands) -> None:
        await hands.watch(0.2)
        await hands.type(f"video {tmp_path / 'film.gif'}")
        hands.cockpit.tick()
        await hands.pilot.pause()
        assert "A film of" in hands.text("entry") and (tmp_path / "film.gif").is_file()
        await hands.type(f"picture {tmp_path / 'screen.svg'}")
        await hands.pilot.pause()
        assert "planar_reach" in (tmp_path / "screen.svg").read_text("utf-8").replace("&#160;", " ")

    sit_down("planar_reach", do)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 20), (30, 10), (10, 4)])
@pytest.mark.parametrize("depth", ["full", "none"])
def test_every_size_is_survived(size: tuple[int, int], depth: Depth) -> None:
    async def do(hands: Hands) -> None:
        await hands.watch(0.1)
        await hands.pilot.resize_terminal(*size)
        await hands.watch(0.3)
        shown = hands.cockpit.query_one(View).size
        assert shown.width <= max(size[0], 3) and shown.height <= size[1]
        if size[0] >= 80:
            assert "episode 1" in hands.screen()

    sit_down("planar_reach", do, depth=depth)


def test_without_colours_there_are_dots_and_no_blocks() -> None:
    async def do(hands: Hands) -> None:
        await hands.watch(0.3)
        screen = hands.screen()
        assert any("⠀" < letter <= "⣿" for letter in screen) and not any(letter in screen for letter in "▘▝▀▖▌▞▛")

    sit_down("planar_reach", do, depth="none")


def test_a_stage_that_ends_is_told() -> None:
    async def do(hands: Hands) -> None:
        hands.link.said.append(Failure("the agent's process ended (exit code -9)"))
        hands.cockpit.tick()
        await hands.pilot.pause()
        assert "exit code -9" in " ".join(hands.screen().split()).replace("the agent's process ended", "")
        await hands.press("space", "right", "f2")

    sit_down("planar_reach", do)


def test_quit() -> None:
    async def do(hands: Hands) -> None:
        await hands.type("quit")
        assert hands.pilot.app.return_value == 0

    sit_down("planar_reach", do)
