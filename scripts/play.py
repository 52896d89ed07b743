"""`keima play GAME`: play against an agent in the terminal."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

import games
from games.base import Game
from rl.errors import UserError
from rl.search.evaluation import Evaluator
from scripts.agents import find_agent, load_evaluator
from scripts.arguments import GameName
from scripts.terminal.console import Console
from scripts.terminal.dialogue import Dialogue, Strength
from scripts.terminal.thinking import LEAVES_PER_TREE, LEVELS, Budget, NetworkThinker, RolloutThinker, Thinker

_DEFAULT_LEVEL = 5
_MOST_THREADS = 4  # a batch of a few positions keeps no more busy


@dataclass(frozen=True)
class Command:
    """Play against an agent in the terminal. Type `help` there for the commands."""

    game: GameName
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game. Where none ships, a search with random rollouts
    plays."""
    level: int | None = None
    """Strength, 1 (a beginner can win) to 10 (full). By default 5, or 10 when --simulations or --seconds is given."""
    simulations: int | None = None
    """Positions the agent looks at for each move, whatever the level says."""
    seconds: float | None = None
    """Seconds the agent thinks about each move, whatever the level says."""
    first: Literal["me", "agent", "random"] = "me"
    """Who moves first."""
    seed: int | None = None
    """Makes the agent's choices repeatable."""


class _Preparation:
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


def run(command: Command) -> int:
    game = games.make(command.game)
    strength = _strength(command)
    if game.num_players != 2:
        raise UserError(f"{game.name} is for {game.num_players} player: there is nobody to play against")
    path = find_agent(game, command.agent)
    generator = np.random.default_rng(command.seed)
    seed = int(generator.integers(2**62))
    repeatable = command.seed is not None
    # A file asked for is loaded now: that it is no agent of this game is told before anything else.
    evaluator = _load(game, command.agent, repeatable) if command.agent is not None else None
    preparation = _Preparation(lambda: _make_thinker(game, path, evaluator, seed, repeatable))
    console = Console(sys.stdin, sys.stdout)
    if path is None:
        console.say(f"No agent ships for {game.name} yet: a search with random rollouts plays.")
    try:
        dialogue = Dialogue(game, console, preparation.thinker, strength, lambda: _human(command, generator), generator)
        if not console.style.interactive:
            preparation.thinker()  # a pipe reads nothing meanwhile
        dialogue.play()
        code = 0
    except KeyboardInterrupt:
        console.passing("")
        console.show("\nGoodbye." if console.style.interactive else "Goodbye.")
        code = 130
    if preparation.running():
        # Python would abort the imports and compilations of that thread in the midst of foreign code, at times loudly.
        sys.stdout.flush()
        os._exit(code)
    return code


def _strength(command: Command) -> Strength:
    if command.level is not None and not 1 <= command.level <= len(LEVELS):
        raise UserError(f"--level {command.level}: levels are 1 to {len(LEVELS)}")
    if command.simulations is not None and command.simulations < 1:
        raise UserError(f"--simulations {command.simulations}: must be at least 1")
    if command.seconds is not None and not (math.isfinite(command.seconds) and command.seconds > 0):
        raise UserError(f"--seconds {command.seconds}: must be more than 0")
    if command.simulations is not None and command.seconds is not None:
        raise UserError("--simulations and --seconds exclude each other")
    if command.simulations is None and command.seconds is None:
        return Strength(command.level or _DEFAULT_LEVEL)
    level = command.level or len(LEVELS)
    reuse = LEVELS[level - 1].budget.reuse
    return Strength(level, Budget(command.simulations or 1, command.seconds, reuse))


def _human(command: Command, generator: np.random.Generator) -> int:
    """The player that the person is."""
    if command.first == "random":
        return int(generator.integers(2))
    return 0 if command.first == "me" else 1


def _make_thinker(game: Game, path: Path | None, evaluator: Evaluator | None, seed: int, repeatable: bool) -> Thinker:
    if path is None:
        return RolloutThinker(game, seed)
    return NetworkThinker(game, evaluator or _load(game, path, repeatable))


def _load(game: Game, path: Path, repeatable: bool) -> Evaluator:
    num_threads = min(_MOST_THREADS, os.cpu_count() or 1)
    backend: Literal["torch", "measured"] = "torch" if repeatable else "measured"
    return load_evaluator(game, path, LEAVES_PER_TREE, num_threads=num_threads, backend=backend)
