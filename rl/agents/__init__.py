"""The trained agents that ship: `GAME.safetensors`, each with the card of its training run in its header."""

from __future__ import annotations

from pathlib import Path


def shipped_agent(game_name: str) -> Path | None:
    """The file of the agent that ships for a game, or None when there is none."""
    path = Path(__file__).with_name(f"{game_name}.safetensors")
    return path if path.is_file() else None
