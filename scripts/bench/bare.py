"""A network alone, given full batches back to back: the best that a search could ever get of it."""

from __future__ import annotations

import time

from games.base import Game
from rl.network.choice import Backend
from rl.network.device import MAX_OUTSTANDING, Precision
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import Network
from scripts.bench.cuda import random_positions


def bare_evaluator(
    game: Game, network: Network, batch_size: int, precision: Precision, backend: Backend = "torch"
) -> NetworkEvaluator:
    """An evaluator of its own for one batch size, its input positions of random play, ready to be timed."""
    evaluator = NetworkEvaluator(game, network, batch_size, precision=precision, backend=backend)
    positions = random_positions(game, batch_size)
    for _ in range(MAX_OUTSTANDING + 1):  # each input buffer, and the library's preparations
        evaluator.buffer()[:] = positions
        evaluator.collect(evaluator.submit(batch_size))
    return evaluator


def full_batches(evaluator: NetworkEvaluator, seconds: float) -> float:
    """Full batches for so long, one at least; returns the rows evaluated."""
    begun, rows = time.perf_counter(), 0
    while rows == 0 or time.perf_counter() - begun < seconds:
        evaluator.collect(evaluator.submit(evaluator.batch_size))
        rows += evaluator.batch_size
    return float(rows)
