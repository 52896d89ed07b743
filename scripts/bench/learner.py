"""`keima bench learner`: training samples a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

import games
from games.base import Game
from rl.learning.learner import Learner, LearnerConfig, LearnerPrecision
from rl.network.model import NetworkConfig
from rl.network.precision import native_dtype
from rl.replay.window import Window, WindowConfig
from rl.search.evaluation import UniformEvaluator
from rl.selfplay.lockstep import Selfplay, SelfplayConfig
from scripts.arguments import GameName
from scripts.bench.report import Report, TimedOptions, interleaved, rates, require_positive

_SIMULATIONS = 8


@dataclass(frozen=True)
class LearnerBench(TimedOptions):
    """Training: samples a second, drawn from the window and learnt from."""

    game: GameName = "connect_four"
    games: int = 128
    """Games in the window, played without a network."""
    steps: int = 8
    """Learner steps of one measurement."""
    batch_size: int = LearnerConfig().batch_size
    """Samples of a step."""
    threads: tuple[int, ...] = (1,)
    """Threads of the learner, which share a batch; several numbers are compared."""
    precisions: tuple[LearnerPrecision, ...] = ("auto",)
    """What convolutions compute in; several are compared."""
    network: NetworkConfig = field(default_factory=NetworkConfig)


def measure(command: LearnerBench) -> Report:
    """Drawing batches alone (replaying games, symmetries), and drawing and learning as a run does."""
    require_positive(
        {
            "games": command.games,
            "steps": command.steps,
            "batch-size": command.batch_size,
            "repeats": command.repeats,
            "threads": min(command.threads, default=0),
            "precisions": len(command.precisions),
        }
    )
    game = games.make_board(command.game)
    window = played_window(game, command.games, command.seed)
    samples = float(command.steps * command.batch_size)

    def draw(turn: int) -> float:
        for step in range(command.steps):
            window.sample(command.batch_size, command.seed + turn * command.steps + step)
        return samples

    def learning(num_threads: int, precision: LearnerPrecision) -> Callable[[int], float]:
        config = LearnerConfig(batch_size=command.batch_size, precision=precision)
        learner = Learner(game, command.network, config, command.seed, num_threads=num_threads)

        def learn(turn: int) -> float:
            for step in range(command.steps):
                learner.train_step(window.sample(command.batch_size, command.seed + turn * command.steps + step))
            return samples

        return learn

    works = {
        f"drawing and learning, {precision}, threads: {number}": learning(number, precision)
        for precision in dict.fromkeys(command.precisions)
        for number in dict.fromkeys(command.threads)
    }
    laps = interleaved({"drawing": draw, **works}, command.repeats)
    figures = [figure for name in laps for figure in rates(name, "samples", laps[name])]
    settings = {
        "game": game.name,
        "repeats": command.repeats,
        "network": f"{command.network.blocks}x{command.network.channels}",
        "batch size": command.batch_size,
        "steps": command.steps,
        "window": window.num_positions,
    }
    chosen = str(native_dtype(torch.device("cpu"))).removeprefix("torch.")
    return Report("learner", command.seed, settings, tuple(figures), (f"auto is {chosen} here",))


def played_window(game: Game, num_games: int, seed: int) -> Window:
    """A window of games played by the search alone, every position a training target."""
    config = SelfplayConfig(
        games_per_worker=min(num_games, 64),
        simulations=_SIMULATIONS,
        fast_simulations=_SIMULATIONS,
        full_search_fraction=1.0,
        cache_entries=0,
    )
    selfplay, evaluator = Selfplay(game, config, seed), UniformEvaluator(game, config.games_per_worker)
    window = Window(game, WindowConfig(holdout_fraction=0.0))
    numbers = iter(range(num_games))
    while window.num_games < num_games:
        window.add_all(selfplay.wave(evaluator, lambda: next(numbers, None)))
    return window
