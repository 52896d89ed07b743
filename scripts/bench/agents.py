"""The network a benchmark measures: the agent asked for, else the one that ships, else one that was never trained."""

from __future__ import annotations

from pathlib import Path

from games.base import Game
from rl.network.agent_file import load_agent
from rl.network.model import Network, NetworkConfig
from scripts.agents import find_agent
from scripts.bench.cuda import decided_network


def measured_network(game: Game, asked: Path | None) -> tuple[Network, str]:
    """(network, what to call it). Speed hardly depends on what a network has learnt, so an untrained one will do."""
    path = find_agent(game, asked)
    if path is None:
        network = decided_network(game, NetworkConfig())
        return network, f"{_size(network)}, random weights (no agent ships for {game.name})"
    loaded = load_agent(path, game)
    assert isinstance(loaded, Network)  # a board's
    return loaded, f"{_size(loaded)}, {path.name}"


def _size(network: Network) -> str:
    return f"{network.config.blocks}x{network.config.channels}"
