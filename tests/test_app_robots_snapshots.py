"""What robots look like on the full screen, to the last colour; `test_app_snapshots` tells how pictures are renewed."""

from __future__ import annotations

import pytest
from robot_stage import MadeUpPilot, ToldLink
from test_app_snapshots import SMALL, check_screen
from textual.pilot import Pilot

import games
from games.simulated import SimulatedGame
from scripts.terminal.app.app import KeimaApp
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.robots.cockpit import Cockpit
from scripts.terminal.app.robots.messages import Pause, Think

pytestmark = pytest.mark.compiled_only  # as the boards' pictures


def check_robot(
    picture: str,
    name: str,
    *,
    depth: Depth = "full",
    size: tuple[int, int] = SMALL,
    with_person: bool = False,
    seconds: float = 0.5,
    keys: tuple[str, ...] = (),
) -> None:
    """The screen after so many seconds of an episode and some keys, with a search whose thoughts are made up."""
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    link = ToldLink(game, MadeUpPilot(game), with_person=with_person)
    link.send(Think(32))

    async def watch(pilot: Pilot[int]) -> None:
        cockpit = pilot.app.screen
        assert isinstance(cockpit, Cockpit)
        link.pass_time(seconds)
        link.send(Pause(True))
        for _ in range(3):  # the scene that was sent before, then the one of now
            cockpit.tick()
            link.pass_time(0.1)
        await pilot.press(*keys)
        for _ in range(3):
            cockpit.tick()
            link.pass_time(0.1)
        await pilot.pause()

    check_screen(picture, KeimaApp(Cockpit(game, link, depth, with_person=with_person)), size=size, before=watch)


@pytest.mark.parametrize("depth", ["full", "sixteen", "none"])
def test_a_robot_with_a_goal(depth: Depth) -> None:
    check_robot(f"planar_reach_{depth}", "planar_reach", depth=depth, keys=("right", "up"))


def test_a_wide_picture_without_the_panel() -> None:
    check_robot("cart_pole_swing_up", "cart_pole_swing_up", seconds=2.0, keys=("tab",))


@pytest.mark.parametrize("depth", ["full", "sixteen"])
def test_a_person_plays(depth: Depth) -> None:
    check_robot(
        f"air_hockey_{depth}", "air_hockey", depth=depth, size=(110, 34), with_person=True, keys=("left", "left")
    )


def test_help() -> None:
    check_robot("robot_help", "planar_reach", keys=("question_mark",))
