"""Which network learns a game: that of boards, or that of vectors. The only place where it is asked."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from games.base import Game
from games.simulated import SimulatedGame
from rl.network.model import CategoricalHead, Network, NetworkConfig, NetworkShape
from rl.network.vector import GaussianHead, VectorConfig, VectorNetwork, VectorShape

AnyNetwork = Network | VectorNetwork
AnyConfig = NetworkConfig | VectorConfig


class Kind(NamedTuple):
    """The classes of one kind of network."""

    network: Any
    """Made of a shape and a configuration."""
    config: Any
    shape: Any
    """`shape.of(game)` is what a network must know of a game."""
    head: Any
    """What its policy's numbers mean."""


_BOARDS = Kind(Network, NetworkConfig, NetworkShape, CategoricalHead)
_VECTORS = Kind(VectorNetwork, VectorConfig, VectorShape, GaussianHead)


def kind_of(game: Game) -> Kind:
    """The kind of network that learns `game`."""
    return _VECTORS if isinstance(game, SimulatedGame) else _BOARDS


def make_network(game: Game, config: AnyConfig, seed: int) -> AnyNetwork:
    """An untrained network for `game`, its weights drawn from `seed`. Raises TypeError for a configuration of the other
    kind."""
    kind = kind_of(game)
    if not isinstance(config, kind.config):
        raise TypeError(f"{game.name} is learnt by a network with a {kind.config.__name__}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: AnyNetwork = kind.network(kind.shape.of(game), config)
    return network
