"""From an agent's file to something that evaluates positions, for the commands that play and analyse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from games.base import Game
from rl.agents import shipped_agent
from rl.errors import UserError

if TYPE_CHECKING:
    from rl.network.choice import Backend
    from rl.network.evaluator import NetworkEvaluator


def find_agent(game: Game, asked: Path | None) -> Path | None:
    """The agent's file: the one asked for, else the one that ships for the game or its family, else None.

    Raises UserError when the file asked for does not exist; what is in it is checked when it is loaded.
    """
    if asked is None:
        return shipped_agent(game)
    if not asked.is_file():
        raise UserError(f"there is no agent at {asked}")
    return asked


def load_evaluator(
    game: Game,
    path: Path,
    batch_size: int,
    device: str = "cpu",
    num_threads: int = 1,
    backend: Backend = "measured",
) -> NetworkEvaluator:
    """An evaluator over the agent in a file. Raises UserError as `load_agent` and `NetworkEvaluator` do.

    Imports torch, which takes more than a second: call it when a network is needed, not before.
    """
    from rl.network.agent_file import load_agent
    from rl.network.evaluator import NetworkEvaluator

    network = load_agent(path, game)
    return NetworkEvaluator(game, network, batch_size, device=device, num_threads=num_threads, backend=backend)
