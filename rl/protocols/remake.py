"""How protocols come by a game's other sizes and rules, of which only the caller knows the names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from games.base import Game


class Remake(Protocol):
    """Makes the same game on another board or by other rules."""

    def __call__(self, game: Game, size: tuple[int, int] | None, options: Mapping[str, str]) -> Game:
        """`game` on a board of (width, height), None being its own, with these options of its name changed. Raises
        ValueError, in one line, where there is no such game."""
        ...
