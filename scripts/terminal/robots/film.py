"""An episode as an animated picture in a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from games.base import State
from games.simulated import SimulatedGame
from rl.pictures.film import ANIMATIONS, animation
from rl.protocols.moves import BadRequest


def kind_of(path: Path) -> str:
    """The kind of animated picture that a file's name asks for. Raises BadRequest where it asks for none."""
    kind = ANIMATIONS.get(path.suffix.lower())
    if kind is None:
        raise BadRequest(f"{path.name}: films are animated pictures, by the file's ending {', '.join(ANIMATIONS)}")
    return kind


def film_of(game: SimulatedGame, states: Iterable[State], kind: str) -> bytes:
    """The bytes of the file. Raises RuntimeError, in one line, where nothing can be drawn."""
    return animation([game.picture(state) for state in states], game.steps_per_second, kind)
