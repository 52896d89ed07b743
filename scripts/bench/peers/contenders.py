"""Who plays in `keima bench peers`, and what each is asked to do. Imports none of the peers."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal, Protocol

from rl.errors import UserError
from rl.selfplay.lockstep import SelfplayConfig

Opponent = Literal["mctx", "open_spiel"]


@dataclass(frozen=True)
class Work:
    """What a contender is asked to do; the last two are its own choice where it has one."""

    seed: int
    simulations: int
    """Network evaluations of a search that meets no end of the game and no cache, the root's among them."""
    blocks: int
    """Residual blocks of two 3x3 convolutions."""
    channels: int
    lockstep: int
    """Games in progress at the same time: the most rows of a network batch."""
    precision: str
    """Of the network's arithmetic, as the contender calls it."""


@dataclass
class Stretch:
    """What happened in a stretch of self-play."""

    moves: int = 0
    """Moves chosen by a search."""
    simulations: int = 0
    """Those that took place."""
    evaluations: int = 0
    """Rows that the network was asked for."""
    games: list[list[int]] = field(default_factory=list)
    """Columns, from 0 at the left, of each game that ended."""


class Player(Protocol):
    """A contender at work: an endless self-play of Connect Four, seven columns by six rows."""

    def play(self, seconds: float) -> Stretch:
        """Play on for at least so long, one round at least."""
        ...


@dataclass(frozen=True)
class Contender:
    """A way to play."""

    name: str
    player: str
    """`module:Class`; the class takes a `Work` and the options below."""
    options: tuple[tuple[str, Any], ...] = ()
    precisions: tuple[str, ...] = ("float32",)
    """Those to choose the fastest from."""
    lockstep: int | None = None
    """Games at the same time; None to choose the fastest number."""

    def make(self, work: Work) -> Player:
        """Imports what it needs."""
        module, _, name = self.player.partition(":")
        player: Player = getattr(importlib.import_module(module), name)(work, **dict(self.options))
        return player


def rounds(seconds: float) -> Iterator[None]:
    """One, and more until so many seconds have passed."""
    begun = time.perf_counter()
    yield
    while time.perf_counter() - begun < seconds:
        yield


KEIMA = tuple(
    Contender(
        name,
        "scripts.bench.peers.keima:KeimaPlayer",
        (("cached", cached), ("shipped", shipped)),
        ("fastest",),
        SelfplayConfig().games_per_worker,
    )
    for name, cached, shipped in (
        ("Keima", True, False),
        ("Keima, no evaluation cache", False, False),
        ("Keima, the shipped agent", True, True),
    )
)
"""With random weights, as its opponents have them, but for the last."""

_MCTX = "scripts.bench.peers.mctx_pgx:MctxPlayer"
_OPEN_SPIEL = "scripts.bench.peers.openspiel:OpenSpielPlayer"
OPPONENTS: dict[Opponent, tuple[Contender, ...]] = {
    "mctx": (Contender("mctx with pgx", _MCTX, precisions=("float32", "bfloat16")),),
    "open_spiel": (
        Contender("OpenSpiel", _OPEN_SPIEL, (("compiled", False),), lockstep=1),
        Contender("OpenSpiel, its network compiled", _OPEN_SPIEL, (("compiled", True),), lockstep=1),
    ),
}
_PACKAGES: dict[Opponent, tuple[str, ...]] = {
    "mctx": ("jax", "mctx", "pgx"),
    "open_spiel": ("flax", "jax", "open_spiel"),
}


def versions(chosen: tuple[Opponent, ...]) -> dict[str, str]:
    """Of the packages that these peers are made of. Raises UserError where one is not installed."""
    found, missing = {}, []
    for package in sorted({package for opponent in chosen for package in _PACKAGES[opponent]}):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        raise UserError(f"bench peers needs {', '.join(missing)}: pip install 'keima[peers]'")
    return found
