"""From what a person wrote to the players of a ladder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from games.base import Game
from rl.arena.entrants import Entrant, entrant, short_names
from rl.arena.players import parse_spec
from rl.errors import UserError
from rl.protocols.gtp.contest import is_engine


def find_entrants(texts: Sequence[str], game: Game, num_simulations: int, checkpoints: int | None) -> list[Entrant]:
    """The players that `texts` name; of each training run at most so many `checkpoints`, all where None.

    Raises UserError, in one line, where one cannot play or is there twice.
    """
    found: list[Entrant] = []
    for text in texts:
        if is_engine(text):
            found.append(Entrant(text))
        elif (run := _run_folder(text)) is not None:
            folder, suffix = run
            names = [f"{path}{suffix}" for path in _networks(folder, checkpoints)]
            found += [entrant(name, game, num_simulations) for name in names]
        else:
            found.append(entrant(text, game, num_simulations))
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"player {twice!r} is given twice")
    return found


def named(text: str, entrants: Sequence[Entrant], num_simulations: int) -> str:
    """The name of the player meant by `text`: a name, one without its simulations, or one as tables have it.

    Raises UserError where there is none.
    """
    shown = short_names(entrants)
    for name, short_name in shown.items():
        if text in (name, short_name):
            return name
    if not is_engine(text):
        spec = parse_spec(text)
        completed = f"{spec.kind}:{spec.num_simulations or num_simulations}"
        if completed in shown:
            return completed
    raise UserError(f"{text!r} is none of the players, who are {', '.join(shown.values())}")


def _run_folder(text: str) -> tuple[Path, str] | None:
    """`RUN_DIR` or `RUN_DIR:SIMULATIONS` as (folder, `:SIMULATIONS` or nothing); None where it is no folder."""
    if Path(text).is_dir():
        return Path(text), ""
    folder, colon, number = text.rpartition(":")
    return (Path(folder), f":{number}") if colon and Path(folder).is_dir() else None


def _networks(folder: Path, checkpoints: int | None) -> list[Path]:
    """Those of a run that play, the oldest first."""
    from rl.train.run_directory import kept_networks  # imports torch, which their players need anyway

    networks = kept_networks(folder)
    if checkpoints is None or checkpoints >= len(networks):
        return networks
    places = (
        np.linspace(len(networks) - 1, 0, checkpoints).round().astype(int)
    )  # the newest is there whatever the number
    return [networks[place] for place in sorted(set(places.tolist()))]
