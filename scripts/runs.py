"""What a run directory holds, for commands that read runs and do not train them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import games
from rl.errors import UserError
from rl.replay.mixture import Mixture


def read_config(run_dir: Path) -> dict[str, Any]:
    """The game and the settings of a run. Raises UserError where there is no run."""
    path = run_dir / "config.json"
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        raise UserError(f"{run_dir} holds no run: there is no {path}") from None
    except (ValueError, TypeError):
        raise UserError(f"{path} is damaged") from None


def played_in(run_dir: Path) -> Mixture:
    """What a run plays, by its configuration. Raises UserError where there is no run."""
    config = read_config(run_dir)
    try:
        also = config.get("also", {})
        return Mixture(
            [games.make(name) for name in (config["game"], *also)],
            [1.0 - sum(also.values()), *also.values()],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{run_dir / 'config.json'} is damaged") from None
