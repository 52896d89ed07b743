"""Evaluators: the hand-over of batches against a device that answers late and out of step, and the CPU's numbers."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from backends import BACKENDS
from small_games import NETWORK_GAMES
from torch import Tensor

import games
from games.base import FloatArray, Game
from rl.errors import UserError
from rl.network.choice import Backend
from rl.network.cpu import batch_sizes
from rl.network.device import MAX_OUTSTANDING, NUM_LANES, Precision
from rl.network.evaluator import HandOver, NetworkEvaluator
from rl.network.model import Network, NetworkConfig, NetworkShape, value_of
from rl.search.evaluation import Evaluation, Evaluator

pytestmark = pytest.mark.plain_only  # what is tested is not compiled

SMALL = NetworkConfig(blocks=3, channels=16, policy_channels=8, value_channels=8, value_hidden=16)
BATCH_SIZE = 6


@pytest.fixture(params=NETWORK_GAMES)
def game(request: pytest.FixtureRequest) -> Game:
    return games.make(request.param)


def network_for(game: Game, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network = Network(NetworkShape.of(game), SMALL).eval()
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(0.2 * torch.randn_like(tensor))
    return network


def random_planes(num_rows: int, game: Game, seed: int = 0) -> FloatArray:
    random = np.random.default_rng(seed)
    return (random.random((num_rows, *game.observation_shape)) < 0.4).astype(np.float32)


def evaluate(evaluator: Evaluator, observations: FloatArray) -> Evaluation:
    evaluator.buffer()[: len(observations)] = observations
    return evaluator.collect(evaluator.submit(len(observations)))


# --- the hand-over against a fake device ------------------------------------------------------------------------------


class LateDevice:
    """Adds up each row, but late: a lane is read and answered at an unlike moment between `start` and `finish`.

    It keeps what a real one would: `start` takes its input at any time before `finish` returns, and the output of a
    lane is overwritten at any time after its `start`. Poison in a lane shows a buffer that was reused too early.
    """

    def __init__(self, seed: int) -> None:
        self.inputs = np.full((NUM_LANES, BATCH_SIZE, 1, 2, 2), np.nan, np.float32)
        self.outputs = np.full((NUM_LANES, BATCH_SIZE), np.nan, np.float32)
        self.started: dict[int, int] = {}
        self.offset = 0.0
        self.random = np.random.default_rng(seed)

    def observations(self, lane: int) -> FloatArray:
        array: FloatArray = self.inputs[lane]
        return array

    def start(self, lane: int, num_rows: int) -> None:
        assert lane not in self.started
        self.started[lane] = num_rows
        self.outputs[lane] = np.nan  # from here on, whoever still reads the lane's old answer is wrong
        self._work_on_some()

    def finish(self, lane: int) -> Evaluation:
        if self.random.random() < 0.5:
            self._work_on_some()
        if lane in self.started:
            self._work_on(lane)
        return Evaluation(np.broadcast_to(self.outputs[lane][:, None], (BATCH_SIZE, 3)), self.outputs[lane])

    def load(self, state: Mapping[str, Tensor]) -> None:
        for lane in list(self.started):
            self._work_on(lane)
        self.offset = float(state["offset"])

    def _work_on_some(self) -> None:
        for lane in self.random.permutation(list(self.started)):  # out of step: any lane, any order, or none
            if self.random.random() < 0.4:
                self._work_on(int(lane))

    def _work_on(self, lane: int) -> None:
        num_rows = self.started.pop(lane)
        self.outputs[lane, :num_rows] = self.inputs[lane, :num_rows].sum((1, 2, 3)) + self.offset


def write_rows(evaluator: HandOver, number: int, num_rows: int) -> FloatArray:
    """Fill the buffer with rows that belong to batch `number`; returns their sums."""
    buffer = evaluator.buffer()
    buffer[:] = -1000.0
    buffer[:num_rows] = (10 * number + np.arange(num_rows, dtype=np.float32))[:, None, None, None]
    sums: FloatArray = buffer[:num_rows].sum((1, 2, 3))
    return sums


@pytest.mark.parametrize("seed", range(30))
def test_hand_over_with_a_device_that_answers_late_and_out_of_step(seed: int) -> None:
    random = np.random.default_rng(seed + 1000)
    evaluator = HandOver(LateDevice(seed), BATCH_SIZE, network_id=0)
    expected: dict[int, FloatArray] = {}  # outstanding tickets
    readable: list[tuple[int, Evaluation, FloatArray]] = []  # collected: when, and what its arrays must still hold
    for number in range(60):
        while expected and (len(expected) == MAX_OUTSTANDING or random.random() < 0.4):
            ticket = int(random.choice(list(expected)))
            evaluation, sums = evaluator.collect(ticket), expected.pop(ticket)
            assert evaluation.prior_logits.shape == (len(sums), 3)
            readable.append((number, evaluation, sums))
            np.testing.assert_array_equal(evaluation.values, sums)
        num_rows = int(random.integers(1, BATCH_SIZE + 1))
        sums = write_rows(evaluator, number, num_rows)
        if random.random() < 0.2:
            evaluator.load_weights({"offset": torch.tensor(float(number))}, network_id=number)
        offset = float(evaluator._device.offset)  # type: ignore[attr-defined]  # the fake's
        expected[evaluator.submit(num_rows)] = sums + np.float32(offset)
        readable = [entry for entry in readable if entry[0] == number]  # valid for one further submit
        for _, evaluation, kept_sums in readable:
            np.testing.assert_array_equal(evaluation.values, kept_sums)


def test_writing_the_next_buffer_leaves_two_outstanding_tickets_alone() -> None:
    device = LateDevice(0)
    device._work_on_some = lambda: None  # type: ignore[method-assign]  # as late as can be
    evaluator = HandOver(device, BATCH_SIZE, network_id=0)
    sums, tickets = [], []
    for number in range(MAX_OUTSTANDING):
        sums.append(write_rows(evaluator, number, BATCH_SIZE))
        tickets.append(evaluator.submit(BATCH_SIZE))
    write_rows(evaluator, 99, BATCH_SIZE)
    for ticket, expected in zip(tickets, sums, strict=True):
        np.testing.assert_array_equal(evaluator.collect(ticket).values, expected)


def test_misuse_is_refused_and_changes_nothing() -> None:
    evaluator = HandOver(LateDevice(0), BATCH_SIZE, network_id=5)
    for num_rows in (0, -1, BATCH_SIZE + 1):
        with pytest.raises(ValueError, match=f"{num_rows} rows"):
            evaluator.submit(num_rows)
    tickets = []
    for number in range(MAX_OUTSTANDING):
        write_rows(evaluator, number, 2)
        tickets.append(evaluator.submit(2))
    with pytest.raises(RuntimeError, match="collect a ticket first"):
        evaluator.submit(2)
    with pytest.raises(RuntimeError, match="not outstanding"):
        evaluator.collect(99)
    evaluator.collect(tickets[1])
    with pytest.raises(RuntimeError, match="not outstanding"):
        evaluator.collect(tickets[1])
    np.testing.assert_array_equal(evaluator.collect(tickets[0]).values, [0.0, 4.0])


# --- the CPU ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fixed_batch", [False, True])
def test_cpu_evaluator_agrees_with_the_network(game: Game, fixed_batch: bool, backend: Backend) -> None:
    network = network_for(game)
    evaluator: Evaluator = NetworkEvaluator(game, network, 32, network_id=7, fixed_batch=fixed_batch, backend=backend)
    assert evaluator.network_id == 7 and evaluator.batch_size == 32
    assert evaluator.buffer().flags.c_contiguous
    for num_rows in (1, 5, 32, 17):
        observations = random_planes(num_rows, game, seed=num_rows)
        evaluation = evaluate(evaluator, observations)
        with torch.inference_mode():
            expected = network(torch.from_numpy(observations))
        assert evaluation.prior_logits.dtype == evaluation.values.dtype == np.float32
        assert evaluation.prior_logits.shape == (num_rows, game.num_actions)
        scale = float(expected.policy_logits.abs().max())
        np.testing.assert_allclose(evaluation.prior_logits, expected.policy_logits.numpy(), atol=0.1 * scale)
        np.testing.assert_allclose(evaluation.values, value_of(expected.value_logits).numpy(), atol=0.1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_in_float32_it_says_what_the_network_says(game: Game, backend: Backend) -> None:
    network, observations = network_for(game), random_planes(23, game)
    evaluator = NetworkEvaluator(game, network, 23, precision="float32", backend=backend)
    evaluation = evaluate(evaluator, observations)
    with torch.inference_mode():
        expected = network(torch.from_numpy(observations))
    assert "float32" in evaluator.description
    np.testing.assert_allclose(evaluation.prior_logits, expected.policy_logits.numpy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(evaluation.values, value_of(expected.value_logits).numpy(), atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("precision", ["native", "fastest"])
def test_with_a_fixed_batch_a_row_does_not_see_its_neighbours(
    game: Game, precision: Precision, backend: Backend
) -> None:
    evaluator = NetworkEvaluator(game, network_for(game), 24, fixed_batch=True, precision=precision, backend=backend)
    observations = random_planes(24, game)
    together = evaluate(evaluator, observations)
    for num_rows in (1, 3, 11):
        fewer = evaluate(evaluator, observations[:num_rows])
        np.testing.assert_array_equal(fewer.prior_logits, together.prior_logits[:num_rows])
        np.testing.assert_array_equal(fewer.values, together.values[:num_rows])


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_of_a_ticket_stay_when_others_follow(backend: Backend) -> None:
    game = games.make("tic_tac_toe")
    evaluator = NetworkEvaluator(game, network_for(game), 8, backend=backend)
    first = evaluate(evaluator, random_planes(8, game, seed=1))
    kept = first.values.copy()
    second = evaluate(evaluator, random_planes(8, game, seed=2))
    assert not np.array_equal(second.values, kept)
    np.testing.assert_array_equal(first.values, kept)


@pytest.mark.parametrize("backend", BACKENDS)
def test_load_weights_replaces_weights_and_id(game: Game, backend: Backend) -> None:
    first, second = network_for(game, seed=1), network_for(game, seed=2)
    evaluator = NetworkEvaluator(game, first, 8, backend=backend)
    observations = random_planes(8, game)
    before = evaluate(evaluator, observations)
    evaluator.load_weights(second.state_dict(), network_id=1)
    after = evaluate(evaluator, observations)
    expected = evaluate(NetworkEvaluator(game, second, 8, backend=backend), observations)
    assert evaluator.network_id == 1
    np.testing.assert_array_equal(after.prior_logits, expected.prior_logits)
    np.testing.assert_array_equal(after.values, expected.values)
    assert not np.array_equal(before.values, after.values)


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_threads_with_an_evaluator_each_get_the_same_numbers(backend: Backend) -> None:
    game = games.make("connect_four")
    network, observations = network_for(game), random_planes(16, game)
    expected = evaluate(NetworkEvaluator(game, network, 16, backend=backend), observations)
    wrong: list[int] = []

    def work(number: int) -> None:
        evaluator = NetworkEvaluator(game, network, 16, backend=backend)
        for _ in range(20):
            if not np.array_equal(evaluate(evaluator, observations).values, expected.values):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_evaluator_may_play_a_smaller_board_than_it_was_trained_on(backend: Backend) -> None:
    trained = network_for(games.make("connect_four"))
    small = games.make("connect_four5x4")
    observations = random_planes(4, small)
    evaluation = evaluate(NetworkEvaluator(small, trained, 4, backend=backend), observations)
    canvas, mask = torch.zeros(4, small.observation_shape[0], 6, 7), torch.zeros(4, 1, 6, 7)
    canvas[:, :, :4, :5], mask[:, :, :4, :5] = torch.from_numpy(observations), 1
    with torch.inference_mode():
        expected = trained(canvas, mask)
    np.testing.assert_allclose(evaluation.values, value_of(expected.value_logits).numpy(), atol=0.1)


def test_batch_sizes_are_few_and_padding_is_small() -> None:
    assert batch_sizes(100, fixed_batch=True) == (100,)
    for batch_size in (1, 2, 7, 16, 100, 256, 4096):
        sizes = batch_sizes(batch_size, fixed_batch=False)
        assert sizes == tuple(sorted(set(sizes))) and sizes[0] == 1 and sizes[-1] == batch_size and len(sizes) <= 18
        assert max(np.diff(sizes), default=0) <= -(-batch_size // 16)


def test_a_device_that_is_not_here_is_a_user_error() -> None:
    game = games.make("tic_tac_toe")
    with pytest.raises(UserError, match=r"cuda:77|mps"):
        NetworkEvaluator(game, network_for(game), 4, device="mps" if torch.cuda.is_available() else "cuda:77")
    with pytest.raises(UserError, match="abacus"):
        NetworkEvaluator(game, network_for(game), 4, device="abacus")
