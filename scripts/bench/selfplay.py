"""`keima bench selfplay`: self-play on one core, and how near it keeps the network to its best possible rate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import torch

import games
from games.base import Game
from rl.network.choice import Backend
from rl.network.device import Precision
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import Network
from rl.selfplay.lockstep import Selfplay, SelfplayConfig
from scripts.arguments import GameName
from scripts.bench.agents import measured_network
from scripts.bench.bare import bare_evaluator, full_batches
from scripts.bench.report import Figure, Lap, Options, Report, rates, require_positive, timed

_WARM_UP_WAVES = 20
_SHARE_GOAL, _MOVES_GOAL = 0.95, 250.0


@dataclass(frozen=True)
class SelfplayBench(Options):
    """Self-play on one core: moves a second, and network evaluations a second over the best bare network's rate."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The network's file; by default the agent that ships with the game, else random weights."""
    games: int = 1000
    """Play until so many games have ended. Free places are taken by new games until then, as in training."""
    minutes: float | None = None
    """Stop after so many minutes of self-play, whatever --games says."""
    stretches: int = 20
    """The games are cut into so many stretches; after each the bare network is measured."""
    simulations: int = 64
    """Simulations of every move."""
    lockstep: int = SelfplayConfig().games_per_worker
    """Games played in lock-step: the most rows of a batch."""
    batch_sizes: tuple[int, ...] = (64, 128, 256, 512, 1024)
    """Full batches with which the bare network is measured; its best one counts."""
    bare_seconds: float = 0.3
    """Length of one measurement of one batch size."""
    precision: Precision = "fastest"
    """Of the network's arithmetic, in self-play and bare: fastest is what training plays with."""
    backend: Backend = "measured"
    """What evaluates the network, in self-play and bare: measured is what training plays with."""


def measure(command: SelfplayBench) -> Report:
    """Stretches of self-play and of the bare network in turns, in one thread of one process.

    Counted as evaluations are rows that the network was asked for: new, not cached, not terminal, without padding.
    """
    require_positive(
        {
            "games": command.games,
            "minutes": 1.0 if command.minutes is None else command.minutes,
            "stretches": command.stretches,
            "simulations": command.simulations,
            "lockstep": command.lockstep,
            "batch-sizes": min(command.batch_sizes, default=0),
            "bare-seconds": command.bare_seconds,
        }
    )
    game = games.make_board(command.game)
    torch.set_num_threads(1)
    network, network_name = measured_network(game, command.agent)
    bare = {
        size: bare_evaluator(game, network, size, command.precision, command.backend) for size in command.batch_sizes
    }
    table = _Table(game, network, command)
    bare_laps: dict[int, list[Lap]] = {size: [] for size in bare}
    minutes = float("inf") if command.minutes is None else command.minutes
    for stretch in range(command.stretches):
        table.play(command.games * (stretch + 1) / command.stretches, 60 * minutes * (stretch + 1) / command.stretches)
        for size, evaluator in bare.items():
            bare_laps[size].append(timed(partial(full_batches, evaluator, command.bare_seconds)))
    settings = {
        "game": game.name,
        "network": network_name,
        "evaluated by": table.evaluated_by,
        "simulations": command.simulations,
        "lockstep": command.lockstep,
        "games": table.num_games,
        "stretches": command.stretches,
    }
    return Report("selfplay", command.seed, settings, tuple(_figures(table, bare_laps)), (_account(table),))


class _Table:
    """Self-play in stretches, and what happened in each."""

    def __init__(self, game: Game, network: Network, command: SelfplayBench) -> None:
        config = SelfplayConfig(
            games_per_worker=command.lockstep,
            simulations=command.simulations,
            fast_simulations=command.simulations,
            full_search_fraction=1.0,
        )
        self._selfplay = Selfplay(game, config, command.seed)
        self._evaluator = NetworkEvaluator(
            game, network, command.lockstep, precision=command.precision, backend=command.backend
        )
        self.evaluated_by = self._evaluator.description
        self._next_number = count().__next__
        self.num_games = 0
        self.seconds = 0.0
        self.laps: list[Lap] = []
        """Of each stretch; the count is 1."""
        self.counts: list[dict[str, float]] = []
        """Of each stretch, see `Selfplay.take_counts`."""
        for _ in range(_WARM_UP_WAVES):
            self._selfplay.wave(self._evaluator, self._next_number)
        self._selfplay.take_counts()

    def play(self, num_games: float, seconds: float) -> None:
        """Play on until `num_games` have ended, or `seconds` of self-play have passed, since the start."""

        def waves() -> float:
            begun = time.perf_counter()
            while True:
                self.num_games += len(self._selfplay.wave(self._evaluator, self._next_number))
                if self.num_games >= num_games or self.seconds + time.perf_counter() - begun >= seconds:
                    return 1.0

        lap = timed(waves)
        self.seconds += lap.wall_seconds
        self.laps.append(lap)
        self.counts.append(self._selfplay.take_counts())

    def of(self, name: str) -> list[Lap]:
        """The stretches with one of the counts as what was done."""
        return [lap._replace(amount=counts[name]) for lap, counts in zip(self.laps, self.counts, strict=True)]


def _total(laps: Sequence[Lap]) -> Lap:
    """All of them as one."""
    return Lap(*(sum(parts) for parts in zip(*laps, strict=True)))


def _figures(table: _Table, bare: dict[int, list[Lap]]) -> list[Figure]:
    """Rates, and the share of the best bare rate: stretch by stretch against its neighbour, and in all."""
    totals = {size: _total(laps) for size, laps in bare.items()}
    best = max(totals, key=lambda size: totals[size].per_wall_second)
    played, alone = table.of("evaluations"), bare[best]
    pairs = list(zip([*played, _total(played)], [*alone, totals[best]], strict=True))
    on_the_wall = tuple(lap.per_wall_second / against.per_wall_second for lap, against in pairs)
    on_cores = tuple(lap.per_cpu_second / against.per_cpu_second for lap, against in pairs)
    share = "of the best bare rate"
    figures = [
        Figure(f"evaluations, share {share}", "each stretch", on_the_wall[:-1], "wall", _SHARE_GOAL),
        Figure(f"evaluations, share {share}", "each stretch", on_cores[:-1], "cpu"),
        Figure(f"evaluations, share {share}", "in all", on_the_wall[-1:], "wall", _SHARE_GOAL),
        Figure(f"evaluations, share {share}", "in all", on_cores[-1:], "cpu"),
        *rates("moves", "moves", table.of("moves"), _MOVES_GOAL),
        *rates("network in self-play", "evaluations", played),
    ]
    for size, laps in bare.items():
        figures += rates(f"bare network, batch {size}{' (best)' if size == best else ''}", "evaluations", laps)
    return figures


def _account(table: _Table) -> str:
    """Where the simulations and the time went."""
    totals = {name: sum(counts[name] for counts in table.counts) for name in table.counts[0]}
    simulations = max(1.0, totals["simulations"])
    parts = [
        f"{totals['evaluations'] / simulations:.2f} of the simulations asked the network",
        f"{totals['cache_hits'] / simulations:.2f} the cache",
        f"{totals['known_leaves'] / simulations:.2f} ended in terminal or proven positions",
        f"{totals['search_seconds'] / table.seconds:.2f} of the time was search",
        f"{totals['evaluations'] / max(1.0, totals['places']):.2f} of the batches filled",
    ]
    return ", ".join(parts)
