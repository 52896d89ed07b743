"""`keima bench lessons`: what techniques of learning are worth on the same games.

Two runs differ in the games that they happened to play, and so in more than a technique. Here every network learns from
the same games in as many steps, and is judged by games that none has learnt from. That is for techniques that leave
self-play alone; `keima bench ablations` has the others. What a better network would have played is not asked here.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

import numpy as np
import tyro

import games
from games.base import Game
from rl.errors import UserError
from rl.learning.learner import Learner, LearnerConfig
from rl.network.agent_file import load_agent, save_agent
from rl.network.evaluator import NetworkEvaluator
from rl.replay.chunks import ChunkWriter, scan
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord
from rl.replay.window import Window, WindowConfig
from rl.search.random import random_bits
from rl.selfplay.lockstep import Selfplay, SelfplayConfig
from rl.train.config import TrainConfig
from scripts import train
from scripts.agents import find_agent
from scripts.arguments import GameName
from scripts.bench.ablations import DEFAULT, TECHNIQUES
from scripts.bench.compared import compare
from scripts.bench.report import Figure, Options, Report, require_positive
from scripts.bench.solved import positions_to_choose_by
from scripts.presets import preset

_OF_LEARNING = ("--network.", "--window.", "--learner.")
LEARNING_TECHNIQUES = tuple(
    name
    for name, technique in TECHNIQUES.items()
    if all(option.startswith(_OF_LEARNING) for option in technique.options if option.startswith("--"))
)
"""Those that leave self-play alone."""
_WHOLE = WindowConfig(min_positions=10**9, holdout_fraction=0.05)
"""All games are in the window; one in twenty is held out."""
_JUDGED_BATCHES, _JUDGED_ROWS = 16, 256


@dataclass(frozen=True)
class LessonsBench(Options):
    """Networks that learn from the same games, each with one technique of learning switched off or on. Takes an hour or
    more, and can be resumed."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """Who plays the games; by default the agent that ships with the game."""
    techniques: tuple[str, ...] = tuple(name for name in LEARNING_TECHNIQUES if name != "score_heads")
    """Which of the techniques; `default` is what the others are compared with."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """A network each: its first weights, and what it learns from in which order."""
    games: int = 6000
    """Games that are played, the ones held out included."""
    play_simulations: int = 32
    """Simulations of a search in these games."""
    play_detours: float | None = None
    """Share of these searches that a detour follows; by default that of the laptop's preset."""
    steps: int = 2500
    """Learner steps of every network."""
    simulations: int = 100
    """Simulations of the search, where strength is measured."""
    matches: int = 100
    """Games of each match against the default's network, where the game has no solved positions."""
    solved: Path | None = None
    """Ask those of a file that scripts/solve_connect_four.py made, not those that runs are watched on."""
    processes: int = 1
    """Networks trained at the same time, each on one core."""
    out: Path = Path("runs/lessons")
    """Where games and networks lie."""


def measure(command: LessonsBench) -> Report:
    """Play and train what is missing, then measure all: one value a seed."""
    sizes = ("games", "play_simulations", "steps", "simulations", "matches", "processes")
    require_positive({name.replace("_", "-"): getattr(command, name) for name in sizes})
    if strange := [name for name in command.techniques if name not in LEARNING_TECHNIQUES]:
        known = ", ".join(LEARNING_TECHNIQUES)
        raise UserError(f"there is no technique of learning {strange[0]!r}: there are {known}")
    game = games.make_board(command.game)
    positions = positions_to_choose_by(game, command.solved)
    folder = command.out / f"{game.name}-{command.games}x{command.play_simulations}"
    if command.play_detours is not None:
        folder = folder.with_name(f"{folder.name}-detours{command.play_detours}")
    _play(command, game, folder / "games")
    names = dict.fromkeys((DEFAULT, *command.techniques))
    networks = {
        name: [folder / f"{command.steps}" / f"{name}-{seed}.safetensors" for seed in command.seeds] for name in names
    }
    _train_all(command, game, folder / "games", networks)
    window = _window(game, folder / "games", _WHOLE)
    compared = compare(game, positions, networks, DEFAULT, command.seeds, command.simulations, command.matches)
    figures = tuple(
        figure for name, paths in networks.items() for figure in (*_judge(game, window, name, paths), *compared[name])
    )
    settings = {
        "game": game.name,
        "seeds": " ".join(map(str, command.seeds)),
        "games": command.games,
        "positions": window.num_positions,
        "steps": command.steps,
        "asked": len(positions),
    }
    notes = tuple(f"{name}: {TECHNIQUES[name].means}" for name in networks)
    return Report("lessons", command.seed, settings, figures, notes)


def _play(command: LessonsBench, game: Game, folder: Path) -> None:
    """Play those of the games that `folder` lacks, as the laptop's preset does but all with as many simulations."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = set(range(command.games)) - {record.game_number for record in _records(game, folder)}
    if not missing:
        return
    path = find_agent(game, command.agent)
    if path is None:
        raise UserError(f"no agent ships for {game.name}: give one with --agent")
    print(f"bench lessons: {path.name} plays {len(missing)} games", file=sys.stderr)
    played = preset(game, "laptop").selfplay
    assert isinstance(played, SelfplayConfig)
    detours = played.detour_share if command.play_detours is None else command.play_detours
    config = replace(played, simulations=command.play_simulations, first_simulations=None, detour_share=detours)
    selfplay = Selfplay(game, config, command.seed)
    evaluator = NetworkEvaluator(game, load_agent(path, game), config.games_per_worker, num_threads=1)
    numbers = iter(sorted(missing))
    with contextlib.closing(ChunkWriter(folder, game, "lessons")) as writer:
        left = len(missing)
        while left > 0:
            for record in selfplay.wave(evaluator, lambda: next(numbers, None)):
                writer.append(record)
                left -= 1


def _records(game: Game, folder: Path) -> Iterator[GameRecord]:
    return scan(folder, Mixture.of(game))


def _window(game: Game, folder: Path, config: WindowConfig) -> Window:
    """All games in `folder`."""
    window = Window(game, config)
    window.add_all(_records(game, folder))
    return window


def training_config(game: Game, name: str, seed: int) -> TrainConfig:
    """What a network of this technique and seed is trained with: as `keima train` has it."""
    arguments = [game.name, "--seed", str(seed), *TECHNIQUES[name].options]
    return tyro.cli(train.Command, args=arguments, default=train.defaults(arguments)).config()


def _train_all(command: LessonsBench, game: Game, folder: Path, networks: Mapping[str, Sequence[Path]]) -> None:
    """Train the networks whose files are missing, `processes` at a time."""
    with ProcessPoolExecutor(command.processes, get_context("spawn")) as pool:
        waiting = []
        for name, paths in networks.items():
            for seed, path in zip(command.seeds, paths, strict=True):
                if not path.exists():
                    config = training_config(game, name, seed)
                    waiting.append(pool.submit(_train, game.name, folder, config, command.steps, name, path))
        for trained in as_completed(waiting):
            print(f"bench lessons: {trained.result()}", file=sys.stderr)


def _train(game_name: str, folder: Path, config: TrainConfig, steps: int, name: str, path: Path) -> str:
    """Train one network and write its average to `path`; returns a line about it."""
    game = games.make_board(game_name)
    assert isinstance(config.window, WindowConfig)
    everything = {field: getattr(_WHOLE, field) for field in ("min_positions", "holdout_fraction")}
    window = _window(game, folder, replace(config.window, **everything))
    learner = Learner(game, config.network, config.learner, config.seed)
    started = time.monotonic()
    for step in range(steps):
        learner.set_progress(step / steps)
        learner.train_step(window.sample(config.learner.batch_size, _key(config.seed, step)))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_agent(path, learner.ema_network, game, {"game": game.name, "seed": str(config.seed), "step": str(steps)})
    return f"{name}, seed {config.seed}: {steps} steps in {time.monotonic() - started:.0f} s"


def _judge(game: Game, window: Window, name: str, paths: Sequence[Path]) -> list[Figure]:
    """How well the networks foretell what searches and games came to in the games held out, one value for each."""
    policy_losses, value_losses = [], []
    for path in paths:
        network = load_agent(path, game)
        learner = Learner(game, network.config, LearnerConfig(), 0)
        learner.start_from(network)
        found = [
            learner.evaluate(window.sample_holdout(_JUDGED_ROWS, _key(0, batch))) for batch in range(_JUDGED_BATCHES)
        ]
        policy_losses.append(mean(one["holdout/loss/policy"] for one in found))
        value_losses.append(mean(one["holdout/loss/value"] for one in found))
    return [
        Figure(f"{name}: policy, games held out", "cross-entropy", tuple(policy_losses)),
        Figure(f"{name}: value, games held out", "cross-entropy", tuple(value_losses)),
    ]


def _key(seed: int, number: int) -> int:
    """Of the random numbers that a batch is drawn with."""
    return int(random_bits(np.uint64(seed ^ 0x6C65736E), np.uint64(number)))  # "lesn"
