"""`keima bench evaluators`: the back ends that evaluate a network on a CPU, against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import games
from games.base import FloatArray, Game
from rl.network import openvino
from rl.network.choice import Backend
from rl.network.device import Precision
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import Network, value_of
from scripts.arguments import GameName
from scripts.bench.agents import measured_network
from scripts.bench.bare import bare_evaluator, full_batches
from scripts.bench.cuda import random_positions
from scripts.bench.report import Figure, Report, TimedOptions, interleaved, rates, require_positive, timed


@dataclass(frozen=True)
class EvaluatorsBench(TimedOptions):
    """The back ends of a network on one core: evaluations a second by batch size, new weights, agreement."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The network's file; by default the agent that ships with the game, else random weights."""
    batch_sizes: tuple[int, ...] = (1, 8, 32, 128, 256)
    """Full batches that are evaluated: play asks for up to 8, an analysis for up to 64, self-play for 256."""
    precisions: tuple[Precision, ...] = ("native", "fastest")
    """Arithmetic: native is what play and analyses use, fastest what self-play does."""
    seconds: float = 0.1
    """Length of one measurement of one back end and batch size."""


class _Kind(NamedTuple):
    """A way to evaluate."""

    precision: Precision
    backend: Backend


def measure(command: EvaluatorsBench) -> Report:
    """Every back end that is installed, in each precision, in turns; and which of them a command would choose."""
    require_positive(
        {
            "repeats": command.repeats,
            "seconds": command.seconds,
            "batch-sizes": min(command.batch_sizes, default=0),
            "precisions": len(command.precisions),
        }
    )
    game = games.make_board(command.game)
    torch.set_num_threads(1)
    network, network_name = measured_network(game, command.agent)
    installed: tuple[Backend, ...] = ("torch", "openvino") if openvino.runtime() else ("torch",)
    kinds = [_Kind(precision, backend) for precision in command.precisions for backend in installed]
    figures, notes = [], []
    for size in command.batch_sizes:
        figures += _rates(game, network, kinds, size, command)
        notes.append(_chosen(game, network, command.precisions, size))
    for kind in kinds:
        figures += _loading_and_agreement(game, network, kind, max(command.batch_sizes), command.repeats)
    if "openvino" not in installed:
        notes.append("OpenVINO is not installed here: pip install 'keima[openvino]'")
    settings = {
        "game": game.name,
        "network": network_name,
        "threads": 1,
        "repeats": command.repeats,
        "seconds": command.seconds,
    }
    return Report("evaluators", command.seed, settings, tuple(figures), tuple(notes))


def _rates(game: Game, network: Network, kinds: Sequence[_Kind], size: int, command: EvaluatorsBench) -> list[Figure]:
    """Evaluations a second of each kind at one batch size, and OpenVINO's over PyTorch's of the same turn."""
    evaluators = {kind: bare_evaluator(game, network, size, *kind) for kind in kinds}

    def work(evaluator: NetworkEvaluator, turn: int) -> float:
        return full_batches(evaluator, command.seconds)

    works = {str(kind): partial(work, evaluator) for kind, evaluator in evaluators.items()}
    laps = dict(zip(kinds, interleaved(works, command.repeats).values(), strict=True))
    figures = []
    for kind, evaluator in evaluators.items():
        name = f"batch {size}, {kind.precision}: {evaluator.description}"
        figures += rates(name, "evaluations", laps[kind])
        if kind.backend == "openvino":
            pairs = list(zip(laps[kind], laps[kind._replace(backend="torch")], strict=True))
            on_the_wall = tuple(lap.per_wall_second / against.per_wall_second for lap, against in pairs)
            on_cores = tuple(lap.per_cpu_second / against.per_cpu_second for lap, against in pairs)
            figures.append(Figure(f"{name} over PyTorch", "times", on_the_wall, "wall"))
            figures.append(Figure(f"{name} over PyTorch", "times", on_cores, "cpu"))
    return figures


def _chosen(game: Game, network: Network, precisions: Sequence[Precision], size: int) -> str:
    """What a start would choose, by measuring."""
    found = [
        f"{precision}: {NetworkEvaluator(game, network, size, precision=precision, backend='measured').description}"
        for precision in precisions
    ]
    return f"chosen by measuring at batch {size}: {'; '.join(found)}"


def _loading_and_agreement(game: Game, network: Network, kind: _Kind, size: int, repeats: int) -> list[Figure]:
    """What it costs a kind to take other weights, and how far its answers are from the network's in float32."""
    evaluator = bare_evaluator(game, network, size, *kind)

    def load() -> float:
        evaluator.load_weights(network.state_dict(), evaluator.network_id + 1)
        return full_batches(evaluator, 0.0)

    loading = tuple(1000 * timed(load).cpu_seconds for _ in range(repeats))
    observations = random_positions(game, size)
    evaluator.buffer()[:] = observations
    found = evaluator.collect(evaluator.submit(size))
    with torch.inference_mode():
        expected = network(torch.from_numpy(observations))
    logits, values = expected.policy_logits.numpy(), value_of(expected.value_logits).numpy()
    name = f"{kind.precision}: {evaluator.description}"
    distance = _root_mean_square(found.prior_logits - logits) / float(logits.std())
    return [
        Figure(f"{name}, new weights and a batch of {size}", "ms", loading, "cpu"),
        Figure(f"{name}, logits against float32", "deviations", (distance,)),
        Figure(f"{name}, values against float32", "rms", (_root_mean_square(found.values - values),)),
    ]


def _root_mean_square(differences: FloatArray) -> float:
    return float(np.sqrt(np.mean(differences**2)))
