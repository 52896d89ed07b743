"""What can be played, by name. A new game is one file and one line here.

A name is a game's, with its size and its options as it needs them: `tic_tac_toe`, `connect_four5x4`, `othello6`,
`hex11:swap`, `gomoku15:exactly_five`. Options stand behind a colon, separated by commas, as `option=value`; one that
is on or off is `option=yes`, `option=no` or, for yes, just `option`.
"""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from games.base import Game
from games.board.breakthrough import Breakthrough
from games.board.connect_four import ConnectFour
from games.board.go import Go
from games.board.gomoku import Gomoku
from games.board.hex import Hex
from games.board.othello import Othello
from games.board.tic_tac_toe import TicTacToe


class _Entry(NamedTuple):
    build: Callable[..., Game]
    """The game's class. Its parameters that are no sizes are the game's options, each with a default."""
    sizes: tuple[str, ...] = ()
    """The parameters that a size in the name gives, as `9` or, two of them, `5x4`."""
    bare: Mapping[str, int] = {}
    """The sizes that are meant where the name has none."""


_SQUARE = ("size",)
_GAMES = {
    "tic_tac_toe": _Entry(TicTacToe),
    "connect_four": _Entry(ConnectFour, ("width", "height"), {"width": 7, "height": 6}),
    "go": _Entry(Go, _SQUARE, {"size": 19}),
    "othello": _Entry(Othello, _SQUARE, {"size": 8}),
    "hex": _Entry(Hex, _SQUARE, {"size": 11}),
    "gomoku": _Entry(Gomoku, _SQUARE, {"size": 15}),
    "breakthrough": _Entry(Breakthrough),
}


class _Late(NamedTuple):
    """A game in a module that is imported when the game is made: robots bring Gymnasium, which takes a while."""

    module: str
    build: str
    arguments: tuple[Any, ...] = ()

    def entry(self) -> _Entry:
        return _Entry(partial(getattr(importlib.import_module(self.module), self.build), *self.arguments))


_SIMULATED = {
    "planar_reach": _Late("games.robots.game", "make_goal_game", ("planar_reach",)),
    "cart_pole_swing_up": _Late("games.robots.game", "make_game", ("cart_pole_swing_up",)),
    "quadrotor_2d_hover": _Late("games.robots.game", "make_goal_game", ("quadrotor_2d_hover",)),
    "diff_drive_park": _Late("games.robots.game", "make_goal_game", ("diff_drive_park",)),
    "arm_reach": _Late("games.robots.game", "make_goal_game", ("arm_reach",)),
    "arm_push": _Late("games.robots.game", "make_goal_game", ("arm_push",)),
    "arm_pick_place": _Late("games.robots.game", "make_goal_game", ("arm_pick_place",)),
    "quadruped_walk": _Late("games.robots.game", "make_game", ("quadruped_walk",)),
    "air_hockey": _Late("games.robots.air_hockey_game", "AirHockeyGame"),
    "pendulum": _Late("games.robots.gymnasium_game", "Pendulum"),
}
_EXAMPLES = "with a size and options where a game has them: othello6, hex5:swap, connect_four5x4 for 5 columns, 4 rows"


class UnknownGame(ValueError):
    """No game has this name, its size cannot be played, or an option is none of its own. One line, for people."""


def names() -> tuple[str, ...]:
    """The board games people ask for by name, each in its usual size; `make` takes other sizes and options too."""
    return tuple(_GAMES)


def simulated_names() -> tuple[str, ...]:
    """The games that are simulated, robots: `make` gives a `SimulatedGame` for each of these names."""
    return tuple(_SIMULATED)


def make(name: str) -> Game:
    """The game called `name`. Raises UnknownGame when there is none, or its size or an option cannot be played."""
    called, colon, options = name.partition(":")
    match = re.fullmatch(r"(?P<game>[a-z_]*[a-z])(?P<size>[1-9][0-9]*(x[1-9][0-9]*)?)?", called)
    entry = _GAMES.get(match["game"]) if match else None
    sizes = match["size"].split("x") if match and match["size"] else []
    if called in _SIMULATED:  # names with digits in them
        entry, sizes = _SIMULATED[called].entry(), []
    if entry is None or (sizes and len(sizes) != len(entry.sizes)):
        raise UnknownGame(f"unknown game {called!r}: the games are {', '.join((*_GAMES, *_SIMULATED))} ({_EXAMPLES})")
    try:
        size = dict(zip(entry.sizes, map(int, sizes), strict=True)) if sizes else entry.bare
        return entry.build(**size, **_read_options(called, entry, options.split(",") if colon else []))
    except ValueError as error:
        raise UnknownGame(str(error)) from None


def make_board(name: str) -> Game:
    """As `make`, for those who want a board. Raises UnknownGame, too, where the game is simulated."""
    if name.partition(":")[0] in _SIMULATED:
        raise UnknownGame(f"{name} is no board game but a task for a robot: `keima train {name}` teaches it")
    return make(name)


def _read_options(called: str, entry: _Entry, options: list[str]) -> dict[str, Any]:
    """The keyword arguments that `options` stand for, each read as what the parameter's default is."""
    parameters = inspect.signature(entry.build).parameters
    defaults = {name: known.default for name, known in parameters.items() if name not in entry.sizes}
    read: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if name not in defaults:
            valid = f"its options are {'; '.join(map(_form, defaults.items()))}" if defaults else "it has none"
            raise UnknownGame(f"{called} has no option {name!r}: {valid}")
        if name in read:
            raise UnknownGame(f"{called}: option {name!r} is given twice")
        found = _read_value(value if equals else "yes", defaults[name]) if equals or _is_flag(defaults[name]) else None
        if found is None:
            raise UnknownGame(f"{called}: cannot read the option {option!r}: write {_form((name, defaults[name]))}")
        read[name] = found
    return read


def _is_flag(default: Any) -> bool:
    return isinstance(default, bool)


def _form(option: tuple[str, Any]) -> str:
    """How an option is written, for people."""
    name, default = option
    if _is_flag(default):
        return f"{name} or {name}=no"
    return f"{name}={default}, or another {'word' if isinstance(default, str) else 'number'}"


def _read_value(text: str, default: Any) -> Any:
    """`text` read as what `default` is; None where it cannot be."""
    if _is_flag(default):
        return {"yes": True, "no": False}.get(text)
    if isinstance(default, str):
        return text or None
    try:
        number = type(default)(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
