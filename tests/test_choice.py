"""Which back end evaluates: measured with a clock that only the devices move, and never where results must repeat."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import games
import rl.train.worker
from games.base import FloatArray
from rl.errors import UserError
from rl.network import choice, openvino
from rl.network.cpu import CpuDevice
from rl.network.device import NUM_LANES, Workload
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import Network, NetworkConfig, NetworkShape
from rl.replay.mixture import Mixture
from rl.search.evaluation import Evaluation
from rl.selfplay.lockstep import SelfplayConfig
from rl.train.worker import UseNetwork, WorkerSetup
from scripts.cli import main

TINY = NetworkConfig(blocks=1, channels=8, policy_channels=4, value_channels=4, value_hidden=8)


class Clock:
    """Stands still until a device works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class ClockedDevice:
    """Answers with sums of its input; takes `call` seconds, and `row` seconds for each row."""

    description = "clocked"

    def __init__(self, clock: Clock, call: float, row: float, error: float = 0.0) -> None:
        self._clock, self._call, self._row, self._error = clock, call, row, error
        self._inputs = np.zeros((NUM_LANES, 16, 2, 3, 3), np.float32)
        self.evaluated: list[int] = []

    def observations(self, lane: int) -> FloatArray:
        array: FloatArray = self._inputs[lane]
        return array

    def start(self, lane: int, num_rows: int) -> None:
        self._clock.now += self._call + self._row * num_rows
        self.evaluated.append(num_rows)

    def finish(self, lane: int) -> Evaluation:
        logits = self._inputs[lane].sum(1).reshape(16, 9)
        values = np.tanh(logits.sum(1) - 8)
        return Evaluation(logits + self._error * np.arange(9, dtype=np.float32), values)

    def load(self, state: Mapping[str, Tensor]) -> None:
        raise AssertionError("nobody asked for that")


@pytest.mark.parametrize(
    ("rival", "standing", "better"),
    [
        ((0.0, 1.0), (0.0, 2.0), True),
        ((0.0, 2.0), (0.0, 1.0), False),
        ((0.0, 1.0), (0.0, 1.05), False),  # noise
        ((0.0, 1.0), (8.0, 0.9), True),  # slower in full batches, and much faster in small ones
        ((8.0, 0.9), (0.0, 1.0), False),
        ((0.0, 1.0, 0.01), (0.0, 2.0), True),
        ((0.0, 1.0, 1.0), (0.0, 2.0), False),  # it says something else
        ((0.0, 1.0, float("nan")), (0.0, 2.0), False),
    ],
)
def test_better_is_clearly_faster_and_the_same(
    rival: tuple[float, ...], standing: tuple[float, ...], better: bool
) -> None:
    clock = Clock()
    devices = ClockedDevice(clock, *rival), ClockedDevice(clock, *standing)
    assert choice.is_better(*devices, 16, clock) is better
    assert set(devices[0].evaluated) == {16, 2} or not better


def test_a_slow_network_is_not_measured_for_long() -> None:
    clock = Clock()
    quick, slow = (ClockedDevice(clock, 0.0, seconds) for seconds in (1e-6, 1.0))
    assert choice.is_better(quick, slow, 16, clock)
    assert slow.evaluated.count(16) <= 4
    quick, other = (ClockedDevice(clock, 0.0, seconds) for seconds in (1e-6, 2e-6))
    assert choice.is_better(quick, other, 16, clock)
    assert other.evaluated.count(16) > 4


# --- which device comes of it -----------------------------------------------------------------------------------------


@pytest.fixture
def workload(monkeypatch: pytest.MonkeyPatch) -> Workload:
    monkeypatch.setattr(choice, "_openvino_wins", {})
    return Workload(NetworkShape.of(games.make("tic_tac_toe")), TINY, batch_size=4)


@pytest.fixture
def state(workload: Workload) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return Network(workload.shape, TINY).eval().state_dict()


class StandIn(CpuDevice):
    """In OpenVINO's place, so that the choice is tested where it is not installed too."""


def as_openvino(monkeypatch: pytest.MonkeyPatch, device: Any, verdict: bool = True) -> list[int]:
    """Have `device` be OpenVINO's and every measurement end with `verdict`; returns a list that counts them."""
    measured: list[int] = []
    monkeypatch.setattr(openvino, "runtime", lambda: openvino)
    monkeypatch.setattr(openvino, "OpenVinoDevice", device)
    monkeypatch.setattr(choice, "is_better", lambda rival, standing, rows, clock: measured.append(rows) or verdict)
    return measured


@pytest.mark.parametrize("verdict", [True, False])
def test_it_is_measured_once_and_the_better_one_is_taken(
    verdict: bool, workload: Workload, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = as_openvino(monkeypatch, StandIn, verdict)
    for _ in range(3):
        assert type(choice.cpu_device(workload, state, "measured")) is (StandIn if verdict else CpuDevice)
    assert measured == [4]
    choice.cpu_device(Workload(workload.shape, TINY, batch_size=8), state, "measured")
    assert measured == [4, 8]  # another batch size is another question


def test_a_back_end_that_was_named_is_not_measured(
    workload: Workload, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = as_openvino(monkeypatch, StandIn)
    assert type(choice.cpu_device(workload, state, "torch")) is CpuDevice
    assert type(choice.cpu_device(workload, state, "openvino")) is StandIn
    assert measured == []


def test_torch_serves_where_openvino_fails_or_is_not_there(
    workload: Workload, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(workload: Workload, state: Mapping[str, Tensor]) -> None:
        raise RuntimeError("no such instruction")

    as_openvino(monkeypatch, failing)
    assert type(choice.cpu_device(workload, state, "measured")) is CpuDevice
    monkeypatch.setattr(openvino, "runtime", lambda: None)
    assert type(choice.cpu_device(workload, state, "measured")) is CpuDevice
    with pytest.raises(UserError, match=r"keima\[openvino\]"):
        choice.cpu_device(workload, state, "openvino")


# --- what has to repeat -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_deterministic_run_measures_nothing(
    deterministic: bool, small_agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noting(*arguments: Any, backend: str, **options: Any) -> NetworkEvaluator:
        asked.append(backend)
        return NetworkEvaluator(*arguments, **options)

    monkeypatch.setattr(rl.train.worker, "NetworkEvaluator", noting)
    mixture = Mixture.of(games.make("tic_tac_toe"))
    setup = WorkerSetup(mixture, SelfplayConfig(games_per_worker=2), 0, tmp_path, "worker", "cpu", deterministic)
    rl.train.worker._Table(setup, 0).use(UseNetwork(small_agent, 1, 0.0))
    assert asked == ["torch" if deterministic else "measured"]


class Asked(BaseException):
    """Thrown instead of making an evaluator."""


@pytest.mark.parametrize(
    ("command", "backend"),
    [
        (["play", "tic_tac_toe", "--seed", "1", "--agent"], "torch"),
        (["play", "tic_tac_toe", "--agent"], "measured"),
        (["match", "random", "--game", "tic_tac_toe"], "torch"),
        (["analyze", "tic_tac_toe", "--agent"], "measured"),
    ],
)
def test_what_a_seed_repeats_is_not_measured(
    command: list[str], backend: str, small_agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(workload: Workload, state: Mapping[str, Tensor], backend: str) -> None:
        raise Asked(backend)

    monkeypatch.setattr("rl.network.evaluator.cpu_device", asked)
    with pytest.raises(Asked, match=backend):
        main([*command, str(small_agent)])
