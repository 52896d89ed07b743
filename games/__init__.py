"""What can be played, by name. A new game is one file and one line here."""

from __future__ import annotations

import re
from collections.abc import Callable

from games.base import Game
from games.board.connect_four import ConnectFour
from games.board.go import Go
from games.board.tic_tac_toe import TicTacToe

_GAMES: dict[str, Callable[..., Game]] = {
    r"tic_tac_toe": TicTacToe,
    r"connect_four": ConnectFour,
    r"connect_four(?P<width>[0-9]+)x(?P<height>[0-9]+)": ConnectFour,
    r"go(?P<size>[5-9]|1[0-9])": Go,
    r"go": Go,
}
_LISTED = ("tic_tac_toe", "connect_four")


class UnknownGame(ValueError):
    """No game has this name, or its size cannot be played. One line, for people."""


def names() -> tuple[str, ...]:
    """The games people ask for by name; sizes of a family (`connect_four4x4`) are made too."""
    return _LISTED


def make(name: str) -> Game:
    """The game called `name`. Raises UnknownGame when there is none or its size cannot be played."""
    for pattern, build in _GAMES.items():
        if match := re.fullmatch(pattern, name):
            try:
                return build(**{option: int(value) for option, value in match.groupdict().items()})
            except ValueError as error:
                raise UnknownGame(str(error)) from None
    raise UnknownGame(
        f"unknown game {name!r}: the games are {', '.join(_LISTED)} (and connect_four5x4 for 5 columns, 4 rows)"
    )
