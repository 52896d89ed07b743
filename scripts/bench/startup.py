"""`keima bench startup`: how long a person waits for `keima play`, in a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import games
from games.base import Game
from rl.errors import UserError
from scripts.arguments import GameName
from scripts.bench.report import Figure, Report, TimedOptions, require_positive

_PROMPT, _ANSWER = b"Your move: ", b"The agent plays"
_GOALS = {"warm": 3.0, "cold": 20.0}
_PATIENCE = 300.0


@dataclass(frozen=True)
class StartupBench(TimedOptions):
    """`keima play`: seconds to its first prompt and to the agent's first answer, compiled kernels on disk or not."""

    game: GameName = "connect_four"
    repeats: int = 3
    """Pairs of a start with an empty folder of compiled kernels (cold) and one after it with a full one (warm)."""


def measure(command: StartupBench) -> Report:
    """Each pair in a fresh NUMBA_CACHE_DIR. Files of Python's packages may be in the system's cache in both."""
    require_positive({"repeats": command.repeats})
    game = games.make_board(command.game)
    prompts: dict[str, list[float]] = {"warm": [], "cold": []}
    answers: dict[str, list[float]] = {"warm": [], "cold": []}
    for _ in range(command.repeats):
        with tempfile.TemporaryDirectory(prefix="keima-bench-") as folder:
            for kind in ("cold", "warm"):
                prompt, answer = start_playing(game, Path(folder))
                prompts[kind].append(prompt)
                answers[kind].append(answer)
    figures = [
        Figure(f"first prompt, {kind}", "s", tuple(prompts[kind]), "wall", goal, at_most=True)
        for kind, goal in _GOALS.items()
    ]
    figures += [Figure(f"the agent's first answer, {kind}", "s", tuple(answers[kind]), "wall") for kind in _GOALS]
    notes = ("the answer to a move that is typed as soon as the prompt is there, thinking included",)
    return Report("startup", command.seed, {"game": game.name, "repeats": command.repeats}, tuple(figures), notes)


def start_playing(game: Game, kernels: Path) -> tuple[float, float]:
    """(seconds to the first prompt, to the agent's answer to a move) of one `keima play` that keeps kernels there."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(kernels), "TERM": "dumb"}
    screen, terminal = pty.openpty()
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.cli", "play", game.name],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        _read_until(screen, _PROMPT)
        prompt = time.perf_counter() - begun
        os.write(screen, f"{_a_move(game)}\n".encode())
        _read_until(screen, _ANSWER)
        answer = time.perf_counter() - begun
        os.write(screen, b"quit\n")
        _read_until(screen, None)
        process.wait(_PATIENCE)
        return prompt, answer
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _a_move(game: Game) -> str:
    """The first legal move in the game's notation."""
    mask = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(game.new_state(), np.zeros(0, np.uint64), mask)
    return game.action_to_text(int(mask.argmax()))


def _read_until(screen: int, wanted: bytes | None) -> None:
    """Read what the terminal shows until it shows `wanted`; None waits for the program to close it."""
    seen, deadline = b"", time.monotonic() + _PATIENCE
    while wanted is None or wanted not in seen:
        if not select.select([screen], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise UserError(f"bench startup: keima play showed no {wanted!r} within {_PATIENCE:.0f} s")
        try:
            shown = os.read(screen, 4096)
        except OSError:  # how Linux says that the other end is closed
            shown = b""
        if not shown:
            if wanted is None:
                return
            raise UserError(f"bench startup: keima play ended, having shown {seen.decode(errors='replace')!r}")
        seen += shown
