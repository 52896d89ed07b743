"""How strong each level was measured to be: the table that `keima bench levels` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from games.base import Game

TABLE = Path(__file__).with_name("level_elos.json")
"""By game: how it was measured, and the levels' Elo."""


class LevelElo(NamedTuple):
    """What was measured of one level."""

    elo: float
    """Above the player that the table calls its anchor."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    num_games: int


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = json.loads(TABLE.read_text("utf-8")) if TABLE.is_file() else {}
    return table


def level_elos(game: Game) -> dict[int, LevelElo]:
    """By level; empty where nobody has measured them for this game."""
    entry = _table().get(game.name)
    if entry is None:
        return {}
    return {
        int(level): LevelElo(found["elo"], found["low"], found["high"], found["games"])
        for level, found in entry["levels"].items()
    }


def level_text(game: Game, level: int) -> str:
    """A level with its Elo where that was measured: `level 5 (Elo 640)`."""
    found = level_elos(game).get(level)
    return f"level {level}" + (f" (Elo {found.elo:.0f})" if found is not None else "")
