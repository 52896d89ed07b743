"""The trained agents that ship: `GAME.safetensors`, each with the card of its training run in its header."""

from __future__ import annotations

from pathlib import Path

from games.base import Game


def shipped_agent(game: Game) -> Path | None:
    """The file of the agent that ships for a game, whatever its options, else of the one for its family, or None."""
    plain = game.name.partition(":")[0]
    paths = [Path(__file__).with_name(f"{name}.safetensors") for name in (game.name, plain, game.family)]
    return next((path for path in paths if path.is_file()), None)
