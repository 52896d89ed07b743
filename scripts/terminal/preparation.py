"""From the agent's file to something that thinks, made while the person already looks at the board."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import games
from games.base import Game
from rl.search.evaluation import Evaluator
from scripts.agents import load_evaluator
from scripts.terminal.thinking import LEAVES_PER_TREE, NetworkThinker, RolloutThinker, Thinker

if TYPE_CHECKING:
    from rl.network.choice import Backend

_MOST_THREADS = 4  # a batch of a few positions keeps no more busy


def load(game: Game, path: Path, backend: Backend = "measured") -> Evaluator:
    """The agent in a file. Raises UserError as `load_evaluator` does."""
    num_threads = min(_MOST_THREADS, os.cpu_count() or 1)
    return load_evaluator(game, path, LEAVES_PER_TREE, num_threads=num_threads, backend=backend)


def make_thinker(
    game: Game, path: Path | None, seed: int, evaluator: Evaluator | None = None, backend: Backend = "measured"
) -> Thinker:
    """What thinks with the agent in a file, loaded already where `evaluator` is given; without one, rollouts."""
    if path is None:
        return RolloutThinker(game, seed)
    return NetworkThinker(game, evaluator or load(game, path, backend))


def make_thinkers(name: str, paths: Sequence[Path | None], seed: int) -> list[Thinker]:
    """One for each of the agents, for the game called `name`. A file asked for twice is one thinker."""
    game = games.make_board(name)
    made = {path: make_thinker(game, path, seed) for path in dict.fromkeys(paths)}
    return [made[path] for path in paths]


class Preparation:
    """Makes the thinker in a thread, while the person looks at the board: importing torch takes more than a second."""

    def __init__(self, make: Callable[[], Thinker]) -> None:
        self._make = make
        self._thinker: Thinker | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="preparation", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._thinker = self._make()
        except BaseException as error:
            self._error = error

    def running(self) -> bool:
        """Whether the thinker is not ready yet."""
        return self._thread.is_alive()

    def thinker(self) -> Thinker:
        """The thinker, when it is ready; raises what went wrong with it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._thinker is not None
        return self._thinker
