"""The CUDA path: with a GPU its numbers; without one its order of calls, against streams that run late."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_games import NETWORK_GAMES

import games
from games.base import FloatArray, Game
from rl.errors import UserError
from rl.network.cuda import CudaDevice, graph_sizes
from rl.network.evaluator import HandOver, NetworkEvaluator
from rl.network.model import Network, NetworkConfig, NetworkShape, value_of
from rl.search.evaluation import Evaluation, Evaluator
from scripts.bench.cuda import CudaBench, run

SMALL = NetworkConfig(blocks=3, channels=16, policy_channels=8, value_channels=8, value_hidden=8)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture(params=NETWORK_GAMES)
def game(request: pytest.FixtureRequest) -> Game:
    return games.make(request.param)


def network_for(game: Game, seed: int = 0) -> Network:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = Network(NetworkShape.of(game), SMALL).eval()
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return network


def random_planes(num_rows: int, game: Game, seed: int) -> FloatArray:
    random = np.random.default_rng(seed)
    return (random.random((num_rows, *game.observation_shape)) < 0.4).astype(np.float32)


def submit(evaluator: Evaluator, observations: FloatArray) -> int:
    evaluator.buffer()[: len(observations)] = observations
    return evaluator.submit(len(observations))


def assert_agrees(evaluation: Evaluation, network: Network, observations: FloatArray) -> None:
    with torch.inference_mode():
        expected = network(torch.from_numpy(observations))
    scale = float(expected.policy_logits.abs().max())
    np.testing.assert_allclose(evaluation.prior_logits, expected.policy_logits.numpy(), atol=0.1 * scale)
    np.testing.assert_allclose(evaluation.values, value_of(expected.value_logits).numpy(), atol=0.1)


def check_overlapping_batches_and_new_weights(evaluator: HandOver, game: Game) -> None:
    """Two batches outstanding all the time, each with the weights of its submit."""
    networks = [network_for(game, seed=seed) for seed in range(3)]
    pending: list[tuple[int, FloatArray, Network]] = []
    for number in range(12):
        network = networks[number // 2 % 3]
        evaluator.load_weights(network.state_dict(), network_id=number)
        observations = random_planes(1 + number * 5 % evaluator.batch_size, game, seed=number)
        pending.append((submit(evaluator, observations), observations, network))
        if len(pending) == 2:
            ticket, asked, used = pending.pop(number % 2)
            assert_agrees(evaluator.collect(ticket), used, asked)


def test_graph_sizes() -> None:
    assert graph_sizes(256, fixed_batch=False) == (16, 32, 64, 128, 256)
    assert graph_sizes(100, fixed_batch=False) == (13, 25, 50, 100)
    assert graph_sizes(3, fixed_batch=False) == (3,)
    assert graph_sizes(256, fixed_batch=True) == (256,)


# --- without a GPU: streams whose work is done as late as their events and waits allow --------------------------------


class LateStream:
    """A queue of work and of waits for events. Nothing runs until somebody needs it, then no more than is needed."""

    current: LateStream | None = None

    def __init__(self, device: object = None) -> None:
        self.queue: list[Callable[[], object]] = []

    def wait_event(self, event: LateEvent) -> None:
        self.queue.append(event.take())

    def wait_stream(self, stream: LateStream) -> None:
        queued = list(stream.queue)
        self.queue.append(lambda: stream.run(queued))

    def run(self, wanted: list[Callable[[], object]]) -> None:
        for work in wanted:
            if work in self.queue:  # and not done yet
                self.queue.remove(work)
                work()


class LateEvent:
    """What was queued on a stream when the event was recorded."""

    def __init__(self) -> None:
        self._taken: tuple[LateStream, list[Callable[[], object]]] | None = None

    def record(self, stream: LateStream) -> None:
        self._taken = stream, list(stream.queue)

    def take(self) -> Callable[[], object]:
        assert self._taken is not None
        stream, queued = self._taken
        return lambda: stream.run(queued)

    def synchronize(self) -> None:
        self.take()()


class LateGraph:
    """A recorded function, queued on the current stream when replayed."""

    def __init__(self) -> None:
        self.function: Callable[[], object] | None = None

    def replay(self) -> None:
        assert self.function is not None and LateStream.current is not None
        LateStream.current.queue.append(self.function)


class LateCudaDevice(CudaDevice):
    """`CudaDevice` with its computing on the CPU and its order of work kept by `LateStream`s."""

    def _capture(self) -> None:
        for size in self._sizes:
            for lane in self._lanes:
                graph: Any = LateGraph()
                graph.function = lambda lane=lane, size=size: self._evaluate(lane, size)
                lane.graphs[size] = graph


@contextmanager
def _on_stream(stream: LateStream) -> Any:
    before, LateStream.current = LateStream.current, stream
    yield
    LateStream.current = before


@pytest.fixture
def late_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.cuda` replaced by late streams; copies made on one of them are queued there."""
    caller = LateStream()
    monkeypatch.setattr("torch.cuda.Stream", LateStream)
    monkeypatch.setattr("torch.cuda.Event", LateEvent)
    monkeypatch.setattr("torch.cuda.stream", _on_stream)
    monkeypatch.setattr("torch.cuda.synchronize", lambda device: None)
    monkeypatch.setattr("torch.cuda.current_stream", lambda device: caller)
    copy = torch.Tensor.copy_

    def late_copy(self: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        if non_blocking:
            assert LateStream.current is not None
            LateStream.current.queue.append(lambda: copy(self, source))
            return self
        return copy(self, source)

    monkeypatch.setattr("torch.Tensor.copy_", late_copy)


def late_evaluator(game: Game, batch_size: int) -> HandOver:
    network = network_for(game)
    device = LateCudaDevice(
        network.shape, network.config, network.state_dict(), batch_size, torch.device("cpu"), fixed_batch=False
    )
    # Weights, too, change as late as the stream allows.
    load = device._network.load

    def load_late(state: Mapping[str, torch.Tensor]) -> None:
        copied = {name: tensor.clone() for name, tensor in state.items()}
        device._compute.queue.append(lambda: load(copied))  # type: ignore[attr-defined]  # a LateStream

    device._network.load = load_late  # type: ignore[method-assign]
    return HandOver(device, batch_size, network_id=0)


@pytest.mark.usefixtures("late_cuda")
def test_streams_and_events_keep_the_order(game: Game) -> None:
    check_overlapping_batches_and_new_weights(late_evaluator(game, 32), game)


@pytest.mark.usefixtures("late_cuda")
@pytest.mark.parametrize("forgotten", ["uploaded", "computed", "downloaded"])
def test_a_forgotten_event_would_be_noticed(forgotten: str) -> None:
    game = games.make("tic_tac_toe")
    evaluator = late_evaluator(game, 8)
    assert isinstance(evaluator._device, LateCudaDevice)
    for lane in evaluator._device._lanes:
        never: Any = LateEvent()
        never.record(LateStream())
        never.record = lambda stream: None
        setattr(lane, forgotten, never)
    with pytest.raises(AssertionError):
        check_overlapping_batches_and_new_weights(evaluator, game)


# --- keima bench cuda -------------------------------------------------------------------------------------------------


def test_bench_without_a_device_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="needs a CUDA device") as caught:
        run(CudaBench())
    assert "\n" not in str(caught.value)


@pytest.mark.plain_only  # a report is tested
def test_bench_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole command on the CPU, which takes the same calls."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "no GPU at all")
    command = CudaBench(
        game="tic_tac_toe",
        device="cpu",
        batch_sizes=(4, 8),
        threads=(1, 2),
        games_per_thread=8,
        seconds=0.3,
        json=True,
        network=SMALL,
    )
    assert run(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["batch_size"] for row in report["bare"]] == [4, 8]
    assert all(row["evaluations_per_second"] > 0 and row["milliseconds"] > 0 for row in report["bare"])
    assert [row["threads"] for row in report["selfplay"]] == [1, 2]
    assert all(row["share"] > 0 and row["moves_per_second"] > 0 for row in report["selfplay"])
    assert 0 < report["difference"]["logits"] < 0.5 and 0 < report["difference"]["values"] < 0.2
    assert run(replace(command, json=False)) == 0
    assert "no GPU at all" in capsys.readouterr().out


# --- with a GPU -------------------------------------------------------------------------------------------------------


@needs_cuda
def test_cuda_agrees_with_the_network(game: Game) -> None:
    network = network_for(game)
    evaluator = NetworkEvaluator(game, network, 64, device="cuda")
    for num_rows in (1, 16, 17, 64):
        observations = random_planes(num_rows, game, seed=num_rows)
        assert_agrees(evaluator.collect(submit(evaluator, observations)), network, observations)


@needs_cuda
def test_cuda_overlapping_batches_and_new_weights(game: Game) -> None:
    check_overlapping_batches_and_new_weights(NetworkEvaluator(game, network_for(game), 64, device="cuda"), game)


@needs_cuda
def test_cuda_with_a_fixed_batch_a_row_does_not_see_its_neighbours() -> None:
    game = games.make("connect_four")
    evaluator = NetworkEvaluator(game, network_for(game), 64, device="cuda", fixed_batch=True)
    observations = random_planes(64, game, seed=0)
    together = evaluator.collect(submit(evaluator, observations)).prior_logits.copy()
    fewer = evaluator.collect(submit(evaluator, observations[:5])).prior_logits
    np.testing.assert_array_equal(fewer, together[:5])
