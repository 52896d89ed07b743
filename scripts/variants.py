"""A game's other sizes and options, made by name."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

import games
from games.base import Game


def remake(game: Game, size: tuple[int, int] | None, options: Mapping[str, str]) -> Game:
    """The same kind of game on a board of (width, height), None being its own, with these options of its name changed.

    A name is a kind of game, a size and options: `go9:ko=simple`, `connect_four5x4`. Raises UnknownGame, a ValueError,
    where there is no such game.
    """
    called, _, written = game.name.partition(":")
    _, height, width = game.observation_shape
    known = dict(option.partition("=")[::2] for option in written.split(",") if option)
    chosen = ",".join(f"{name}={value}" if value else name for name, value in {**known, **options}.items())
    suffix = f":{chosen}" if chosen else ""
    if size is None or size == (width, height):
        return games.make_board(called + suffix)
    kind = re.sub(r"[0-9]+(x[0-9]+)?$", "", called)
    if size[0] == size[1]:
        with contextlib.suppress(games.UnknownGame):  # then its sizes are written like 5x4, square ones too
            return games.make_board(f"{kind}{size[0]}{suffix}")
    return games.make_board(f"{kind}{size[0]}x{size[1]}{suffix}")
