"""From an agent's file to something that evaluates positions, for the commands that play and analyse."""

from __future__ import annotations

from pathlib import Path

from games.base import Game
from rl.agents import shipped_agent
from rl.errors import UserError
from rl.search.evaluation import Evaluator


def find_agent(game: Game, asked: Path | None) -> Path | None:
    """The agent's file: the one asked for, else the one that ships for the game or its family, else None.

    Raises UserError when the file asked for does not exist; what is in it is checked when it is loaded.
    """
    if asked is None:
        return shipped_agent(game)
    if not asked.is_file():
        raise UserError(f"there is no agent at {asked}")
    return asked


def load_evaluator(game: Game, path: Path, batch_size: int, device: str = "cpu", num_threads: int = 1) -> Evaluator:
    """An evaluator over the agent in a file. Raises UserError as `load_agent` and `TorchEvaluator` do.

    Imports torch, which takes more than a second: call it when a network is needed, not before.
    """
    from rl.network.agent_file import load_agent
    from rl.network.evaluator import TorchEvaluator

    return TorchEvaluator(game, load_agent(path, game), batch_size, device=device, num_threads=num_threads)
