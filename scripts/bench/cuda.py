"""`keima bench cuda`: the network and self-play on a CUDA device. Needs nothing but the device."""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
import torch

import games
from games.base import FloatArray, Game
from rl.errors import UserError
from rl.network.device import MAX_OUTSTANDING
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import Network, NetworkConfig, NetworkShape, value_of
from rl.search.evaluation import Evaluator
from rl.selfplay.lockstep import Selfplay, SelfplayConfig
from scripts.arguments import GameName

_WARM_UP_WAVES = 20
_NUM_COMPARED = 1024


@dataclass(frozen=True)
class CudaBench:
    """Measure a CUDA device: evaluations a second, self-play, agreement with the CPU. Takes 3 to 6 minutes."""

    game: GameName = "connect_four"
    device: str = "cuda"
    """The device, as torch names it."""
    batch_sizes: tuple[int, ...] = (64, 256, 1024, 4096)
    """Batch sizes of the bare network."""
    threads: tuple[int, ...] = (1, 4, 8)
    """Numbers of self-play threads, each with games and an evaluator of its own."""
    games_per_thread: int = 2048
    """Games in lock-step in each thread."""
    seconds: float = 15.0
    """Length of one self-play measurement; the bare network's take a fifth of it."""
    json: bool = False
    """Print JSON."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The network."""


def run(command: CudaBench) -> int:
    """Print what `measure` finds."""
    report = measure(command)
    if command.json:
        print(json.dumps(report))
        return 0
    print(f"{report['device']}, torch {report['torch']}, {report['game']}, {report['network']}")
    for row in report["bare"]:
        rate = f"{row['evaluations_per_second']:10,.0f} evaluations/s"
        print(f"batch {row['batch_size']:5d}: {rate}, {row['milliseconds']:7.3f} ms a batch")
    for row in report["selfplay"]:
        rate = f"{row['evaluations_per_second']:10,.0f} evaluations/s, {row['share']:.2f} of the bare network"
        print(f"{row['threads']:2d} threads: {rate}, {row['moves_per_second']:8,.0f} moves/s")
    largest = report["difference"]
    print(f"CUDA against the CPU in float32: logits within {largest['logits']:.4f}, values {largest['values']:.4f}")
    return 0


def measure(command: CudaBench) -> dict[str, Any]:
    """All figures. Raises UserError where there is no CUDA device."""
    if not torch.cuda.is_available():
        raise UserError("bench cuda needs a CUDA device, and torch finds none (is this a CUDA build of torch?)")
    if min(*command.batch_sizes, *command.threads, command.games_per_thread, command.seconds) <= 0:
        raise UserError("bench cuda: batch sizes, threads, games and seconds must be positive")
    game = games.make_board(command.game)
    network = decided_network(game, command.network)
    bare = [bare_rate(game, network, size, command) for size in command.batch_sizes]
    best = max(row["evaluations_per_second"] for row in bare)
    return {
        "device": torch.cuda.get_device_name(command.device),
        "torch": torch.__version__,
        "game": game.name,
        "network": f"{command.network.blocks}x{command.network.channels}",
        "bare": bare,
        "selfplay": [selfplay_rate(game, network, threads, best, command) for threads in command.threads],
        "difference": difference(game, network, command.device),
    }


def decided_network(game: Game, config: NetworkConfig) -> Network:
    """A network of random weights that prefers some actions and positions to others, which a fresh one hardly does."""
    torch.manual_seed(0)
    network = Network(NetworkShape.of(game), config).eval()
    with torch.no_grad():
        for layer in (network.policy_planes, network.outcomes):
            layer.weight.normal_(std=0.3)
    return network


def bare_rate(game: Game, network: Network, batch_size: int, command: CudaBench) -> dict[str, float]:
    """Evaluations a second with as many batches outstanding as can be; the time of a batch when it is alone."""
    evaluator = NetworkEvaluator(game, network, batch_size, device=command.device, fixed_batch=True)
    evaluator.buffer()[:] = 0
    seconds = command.seconds / 10
    alone = _batches_a_second(evaluator, 1, seconds)
    together = _batches_a_second(evaluator, MAX_OUTSTANDING, seconds)
    return {
        "batch_size": batch_size,
        "evaluations_per_second": batch_size * together,
        "milliseconds": 1000 / alone,
    }


def _batches_a_second(evaluator: Evaluator, num_outstanding: int, seconds: float) -> float:
    """Full batches through `evaluator`, `num_outstanding` at a time."""
    tickets = [evaluator.submit(evaluator.batch_size) for _ in range(num_outstanding)]
    started, num_batches = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        evaluator.collect(tickets.pop(0))
        tickets.append(evaluator.submit(evaluator.batch_size))
        num_batches += 1
    elapsed = time.perf_counter() - started
    for ticket in tickets:
        evaluator.collect(ticket)
    return num_batches / elapsed


class _Player(threading.Thread):
    """Self-play in one thread: waits at `ready` after warming up, plays until `stop`, and counts."""

    def __init__(
        self, selfplay: Selfplay, evaluator: Evaluator, ready: threading.Barrier, stop: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self.counts: dict[str, float] = {}
        self._selfplay, self._evaluator, self._ready, self._stop_asked = selfplay, evaluator, ready, stop
        self._next_number = count().__next__

    def run(self) -> None:
        try:
            for _ in range(_WARM_UP_WAVES):
                self._selfplay.wave(self._evaluator, self._next_number)
            self._ready.wait()
        except BaseException:
            self._ready.abort()  # or the others would wait for this thread
            raise
        self._selfplay.take_counts()
        while not self._stop_asked.is_set():
            self._selfplay.wave(self._evaluator, self._next_number)
        self.counts = self._selfplay.take_counts()


def selfplay_rate(game: Game, network: Network, num_threads: int, best: float, command: CudaBench) -> dict[str, float]:
    """Self-play in threads that share the device; `share` is of the `best` bare rate, padding not counted."""
    config = replace(SelfplayConfig(), games_per_worker=command.games_per_thread)
    ready, stop = threading.Barrier(num_threads + 1), threading.Event()
    players = [
        _Player(
            Selfplay(game, config, seed),
            NetworkEvaluator(game, network, command.games_per_thread, device=command.device),
            ready,
            stop,
        )
        for seed in range(num_threads)
    ]
    for player in players:
        player.start()
    ready.wait()
    started = time.perf_counter()
    stop.wait(command.seconds)
    stop.set()
    for player in players:
        player.join()
    elapsed = time.perf_counter() - started

    def rate(name: str) -> float:
        return sum(player.counts[name] for player in players) / elapsed

    return {
        "threads": num_threads,
        "evaluations_per_second": rate("evaluations"),
        "share": rate("evaluations") / best,
        "moves_per_second": rate("moves"),
        "search_seconds_per_second": rate("search_seconds"),
    }


def random_positions(game: Game, num_positions: int) -> FloatArray:
    """[num_positions, C, H, W] observations from random play."""
    random = np.random.default_rng(0)
    observations = np.zeros((num_positions, *game.observation_shape), np.float32)
    legal, history = np.zeros(game.num_actions, np.bool_), np.zeros(0, np.uint64)
    state, terminated = game.new_state(), False
    for row in range(num_positions):
        if terminated:
            state, terminated = game.new_state(), False
        game.observe(state, observations[row])
        game.legal_actions(state, history, legal)
        _, terminated = game.step(state, int(random.choice(np.flatnonzero(legal))), history)
    return observations


def difference(game: Game, network: Network, device: str) -> dict[str, float]:
    """Largest differences between the CUDA evaluator and the unfolded network in float32 on the CPU."""
    observations = random_positions(game, _NUM_COMPARED)
    evaluator = NetworkEvaluator(game, network, _NUM_COMPARED, device=device)
    evaluator.buffer()[:] = observations
    evaluation = evaluator.collect(evaluator.submit(_NUM_COMPARED))
    with torch.inference_mode():
        expected = network(torch.from_numpy(observations))
    found = {
        "logits": np.abs(evaluation.prior_logits - expected.policy_logits.numpy()).max(),
        "values": np.abs(evaluation.values - value_of(expected.value_logits).numpy()).max(),
    }
    if not all(math.isfinite(value) for value in found.values()):
        raise UserError("bench cuda: the device answered with numbers that are not finite")
    return {name: float(value) for name, value in found.items()}
