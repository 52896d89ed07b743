"""The window that tells the keys and words while a robot moves."""

from __future__ import annotations

from games.simulated import SimulatedGame
from scripts.terminal.app.robots.scenery import MARK
from scripts.terminal.app.screens import Words
from scripts.terminal.robots.match import POINTS

_HELP = """\
{moves}
Keys    Space stops, goes on    Enter one step    F2 new episode
        + faster   - slower     F3 how much it searches
        Tab panel away, back        Ctrl-Q quit
Words   {goal}simulations N   policy   speed F
        pause   run   step   new   help   quit
        video FILE.gif   picture FILE.svg
"""
_PERSON = """\
Play    arrow keys, or the mouse, move the cross {cross}: your mallet
        goes there. The first to have {points} points has won."""
_GOAL = """\
Goal    arrow keys move it{third}{mouse}.
        Once you have, there is no time limit: it keeps coming."""
_WATCH = """\
Watch   the robot moves by itself."""


class RobotHelp(Words):
    """Tells the keys and words."""

    def __init__(self, game: SimulatedGame, *, with_person: bool) -> None:
        setting = game.goal_setting
        if with_person:
            moves = _PERSON.format(cross=MARK, points=POINTS)
        elif setting is not None:
            third = f", PgUp and PgDn its {setting.numbers[2].name}" if len(setting.steps) > 2 else ""
            moves = _GOAL.format(third=third, mouse=", a click puts it there" if game.picture_area is not None else "")
        else:
            moves = _WATCH
        names = "" if setting is None else f"goal {' '.join(number.name.upper() for number in setting.numbers)}   "
        super().__init__(_HELP.format(moves=moves, goal=names))
