"""What a person can ask for while a robot moves, by key or by word."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rl.protocols.moves import BadRequest
from scripts.terminal.app.desk import Commands
from scripts.terminal.app.pictures import picture
from scripts.terminal.app.robots.help import RobotHelp
from scripts.terminal.app.robots.messages import Begin, Pause, SaveFilm, SetGoal, Speed, Step, Think
from scripts.terminal.robots.film import kind_of
from scripts.terminal.robots.pilot import MOST_SIMULATIONS

if TYPE_CHECKING:
    from scripts.terminal.app.robots.cockpit import Cockpit

_SPEEDS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
_SEARCHES = (0, 8, 32, 128)


def _pause(cockpit: Cockpit, text: str) -> str:
    cockpit.paused = not cockpit.paused
    cockpit.link.send(Pause(cockpit.paused))
    return "Paused: Space goes on, Enter makes one step." if cockpit.paused else "It goes on."


def _run(cockpit: Cockpit, text: str) -> str:
    cockpit.paused = True
    return _pause(cockpit, text)


def _step(cockpit: Cockpit, text: str) -> str:
    cockpit.paused = True
    cockpit.link.send(Step())
    return "One step. Space goes on."


def _new(cockpit: Cockpit, text: str) -> str:
    cockpit.link.send(Begin())
    return "A new match." if cockpit.reading is not None and cockpit.reading.match_over else "A new episode."


def _goal(cockpit: Cockpit, text: str) -> str:
    cockpit.link.send(SetGoal(text))
    return "The goal is moved; there is no time limit now. F2 begins another episode."


def _speed(cockpit: Cockpit, text: str) -> str:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not _SPEEDS[0] <= factor <= _SPEEDS[-1]:
        raise BadRequest(f"write it as: speed 0.5, from {_SPEEDS[0]:g} to {_SPEEDS[-1]:g} times real time")
    return _set_speed(cockpit, factor)


def _set_speed(cockpit: Cockpit, factor: float) -> str:
    cockpit.factor = factor
    cockpit.link.send(Speed(factor))
    return f"{factor:g} times real time."


def _faster(cockpit: Cockpit, text: str) -> str:
    return _set_speed(cockpit, min((speed for speed in _SPEEDS if speed > cockpit.factor), default=_SPEEDS[-1]))


def _slower(cockpit: Cockpit, text: str) -> str:
    return _set_speed(cockpit, max((speed for speed in _SPEEDS if speed < cockpit.factor), default=_SPEEDS[0]))


def _simulations(cockpit: Cockpit, text: str) -> str:
    if not (text.isascii() and text.isdigit() and 0 <= int(text) <= MOST_SIMULATIONS):
        raise BadRequest(f"write it as: simulations 32, up to {MOST_SIMULATIONS}; 0 is the policy alone")
    return _think(cockpit, int(text))


def _think(cockpit: Cockpit, simulations: int) -> str:
    cockpit.link.send(Think(simulations))
    return f"A search of {simulations} states before each step." if simulations else "The policy alone."


def _policy(cockpit: Cockpit, text: str) -> str:
    return _think(cockpit, 0)


def _search(cockpit: Cockpit, text: str) -> str:
    now = cockpit.reading.simulations if cockpit.reading is not None else 0
    return _think(cockpit, next((number for number in _SEARCHES if number > now), 0))


def _panel(cockpit: Cockpit, text: str) -> str:
    cockpit.shows_panel = not cockpit.shows_panel
    return "The panel is back." if cockpit.shows_panel else "More room for the picture; Tab brings the panel back."


def _film(cockpit: Cockpit, text: str) -> str | None:
    if not text:
        cockpit.typed = "video "
        return None
    kind_of(Path(text))
    cockpit.link.send(SaveFilm(text))
    return "The film is made …"


def _help(cockpit: Cockpit, text: str) -> None:
    cockpit.app.push_screen(RobotHelp(cockpit.game, with_person=cockpit.with_person))


def _quit(cockpit: Cockpit, text: str) -> None:
    cockpit.app.exit(0)


COMMANDS: Commands = {
    "pause": _pause,
    "run": _run,
    "step": _step,
    "new": _new,
    "goal": _goal,
    "speed": _speed,
    "faster": _faster,
    "slower": _slower,
    "simulations": _simulations,
    "policy": _policy,
    "search": _search,
    "panel": _panel,
    "video": _film,
    "picture": picture,
    "help": _help,
    "quit": _quit,
}
