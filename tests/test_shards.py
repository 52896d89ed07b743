"""A batch shared by threads: its gradient is the one that a plain network finds part by part."""

from __future__ import annotations

import copy
import math
import threading

import numpy as np
import pytest
import torch
from small_batches import make_batch, make_learner

from games.board.connect_four import ConnectFour
from games.board.tic_tac_toe import TicTacToe
from rl.learning.learner import BAD_STEPS_BEFORE_ROLLBACK, Learner
from rl.learning.losses import Inputs, Losses
from rl.learning.shards import Shards, rows
from rl.network.kinds import AnyNetwork

pytestmark = pytest.mark.plain_only  # nothing here is compiled

GAME = ConnectFour()


def inputs_of(learner: Learner, num_rows: int) -> Inputs:
    return learner.lessons.inputs(make_batch(GAME, 3, num_rows), learner.ema_network, 0)


@pytest.mark.parametrize(("num_rows", "num_threads"), [(16, 1), (16, 2), (16, 3), (2, 4)])
def test_the_gradient_is_that_of_the_parts_by_their_sizes(num_rows: int, num_threads: int) -> None:
    learner = make_learner(GAME, num_threads=num_threads)
    network, inputs = learner._network.train(), inputs_of(learner, num_rows)
    twin = copy.deepcopy(network)
    num_parts = min(num_rows, num_threads)
    bounds = [num_rows * part // num_parts for part in range(num_parts + 1)]
    totals, first = [], {}
    for part in range(num_parts):
        losses = learner._losses(twin, rows(inputs, bounds[part], bounds[part + 1]))
        totals.append(losses.total * (bounds[part + 1] - bounds[part]) / num_rows)
        if part == 0:
            first = {name: buffer.clone() for name, buffer in twin.named_buffers()}
    total = torch.stack(totals).sum()
    total.backward()

    found = learner._shards.add_gradients(inputs, learner._losses)
    expected = {name: weight.grad for name, weight in twin.named_parameters()}
    assert {name for name, weight in network.named_parameters() if weight.grad is None} == {
        name for name, gradient in expected.items() if gradient is None
    }
    for name, weight in network.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(weight.grad, expected[name], rtol=1e-4, atol=1e-6, msg=name)
    assert float(found.total) == pytest.approx(float(total.detach()), rel=1e-5)
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, first[name]), f"{name} is of the first part"


def test_measurements_are_those_of_all_rows() -> None:
    learner = make_learner(GAME, num_threads=3)
    inputs = inputs_of(learner, 7)
    calls: list[int] = []

    def losses_of(network: AnyNetwork, part: Inputs) -> Losses:
        """The mean of the first cells, and the rows' own outcomes for scores."""
        assert part.outcome is not None
        calls.append(len(part.observations))
        total = part.observations[:, 0, 0, 0].mean() + 0.0 * next(network.parameters()).sum()
        return Losses(total, {"mean": total.detach()}, part.outcome[:, :2].T)

    found = learner._shards.add_gradients(inputs, losses_of)
    assert sorted(calls) == [2, 2, 3]
    assert float(found.total) == pytest.approx(float(inputs.observations[:, 0, 0, 0].mean()), rel=1e-6)
    assert float(found.scalars["mean"]) == pytest.approx(float(found.total), rel=1e-6)
    assert inputs.outcome is not None and found.scores is not None
    assert torch.equal(found.scores, inputs.outcome[:, :2].T), "in the order of the rows"


def test_what_fails_in_a_thread_is_raised() -> None:
    learner = make_learner(GAME, num_threads=2)

    def losses_of(network: AnyNetwork, part: Inputs) -> Losses:
        if network is not learner._network:
            raise ArithmeticError("in the other thread")
        return learner._losses(network, part)

    with pytest.raises(ArithmeticError, match="in the other thread"):
        learner._shards.add_gradients(inputs_of(learner, 8), losses_of)


def test_further_threads_have_one_core_each() -> None:
    """Whatever was set before: for the caller, the learner sets it at every step."""
    threads: dict[str, int] = {}
    learner = make_learner(GAME)

    def losses_of(network: AnyNetwork, part: Inputs) -> Losses:
        threads[threading.current_thread().name.partition("_")[0]] = torch.get_num_threads()
        return learner._losses(network, part)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        Shards(learner._network, 2).add_gradients(inputs_of(learner, 8), losses_of)
        assert threads == {"MainThread": 2, "shard": 1}
        learner.train_step(make_batch(GAME, 0))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_replicas_go_where_the_weights_go() -> None:
    """After steps, after a state that is taken up, and after a roll-back, all threads learn from the same weights."""
    batches = [make_batch(GAME, seed) for seed in range(4)]
    learner = make_learner(GAME, num_threads=2)
    for batch in batches[:3]:
        learner.train_step(batch)
    tensors, counters = learner.state_dict()
    other = make_learner(GAME, seed=9, num_threads=2)
    other.train_step(batches[0])
    other.load_state_dict(tensors, counters)
    for taken_up in (learner, other):
        taken_up.train_step(batches[3])
    for name, tensor in learner.state_dict().tensors["model"].items():
        if "running" in name or "ceiling" in name:
            continue
        assert torch.equal(tensor, other.state_dict().tensors["model"][name]), name

    nothing = batches[0]._replace(observations=np.full_like(batches[0].observations, np.nan))
    for _ in range(BAD_STEPS_BEFORE_ROLLBACK):
        learner.train_step(nothing)
    assert learner.rollbacks == 1
    replica = learner._shards._replicas[0]
    for weight, shared in zip(replica.parameters(), learner._network.parameters(), strict=True):
        assert weight.data_ptr() == shared.data_ptr() and weight.grad is None


def test_a_bad_row_of_any_part_changes_nothing() -> None:
    learner = make_learner(TicTacToe(), num_threads=2)
    learner.train_step(make_batch(TicTacToe(), 0))
    before = learner.state_dict().tensors
    batch = make_batch(TicTacToe(), 1)
    observations = batch.observations.copy()
    observations[-1, 0, 0, 0] = np.nan
    measured = learner.train_step(batch._replace(observations=observations))
    assert learner.skipped_steps == 1 and not math.isfinite(measured["loss/total"])
    after = learner.state_dict().tensors
    for kind in before:
        for name, tensor in before[kind].items():
            assert torch.equal(tensor, after[kind][name]), name
    assert math.isfinite(learner.train_step(batch)["loss/total"])
