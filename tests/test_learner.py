"""The learner: its schedule, its safety, its bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small_batches import make_batch, make_learner
from small_games import SMALL_GAMES

import games
from games.base import Game
from games.board.connect_four import ConnectFour
from games.board.tic_tac_toe import TicTacToe
from rl.errors import UserError
from rl.learning import checkpoint
from rl.learning.learner import (
    BAD_STEPS_BEFORE_ROLLBACK,
    ROLLBACKS_BEFORE_GIVING_UP,
    SNAPSHOT_INTERVAL,
    Learner,
    LearnerConfig,
)
from rl.network.model import NetworkConfig
from rl.replay.window import Batch

pytestmark = pytest.mark.plain_only  # nothing here is compiled


def bytes_of(learner: Learner) -> dict[str, bytes]:
    tensors, counters = learner.state_dict()
    flat = {
        f"{kind}/{name}": tensor.numpy().tobytes()
        for kind, entries in tensors.items()
        for name, tensor in entries.items()
    }
    return flat | {"counters": repr(sorted(counters.items())).encode()}


def poisoned(batch: Batch) -> Batch:
    observations = batch.observations.copy()
    observations[3, 0, 0, 0] = np.nan
    return batch._replace(observations=observations)


@pytest.mark.parametrize("game", [*map(games.make, SMALL_GAMES), ConnectFour(4, 4)], ids=lambda game: game.name)
def test_evaluation_is_the_same_for_every_view_of_a_batch(game: Game) -> None:
    """The symmetries are a group, so the mean over them cannot tell a batch from its mirror image."""
    learner = make_learner(game)
    for seed in range(3):
        learner.train_step(make_batch(game, seed))
    batch = make_batch(game, 9)
    measured = learner.evaluate(batch)
    for symmetry in game.symmetries():
        planes = batch.observations.reshape(16, game.observation_shape[0], -1)[:, :, symmetry.cells]
        policy, legal = np.empty_like(batch.policy), np.empty_like(batch.legal)
        policy[:, symmetry.actions], legal[:, symmetry.actions] = batch.policy, batch.legal
        view = batch._replace(observations=planes.reshape(batch.observations.shape).copy(), policy=policy, legal=legal)
        assert learner.evaluate(view)["holdout/loss/total"] == pytest.approx(measured["holdout/loss/total"], abs=1e-5)


# --- learning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_learns_what_can_be_learned(precision: str) -> None:
    """The winner stands on the board's first cell, and the policy is a constant."""
    game = TicTacToe()
    learner = make_learner(game, precision=precision, learning_rate=0.01)
    policy = np.zeros((64, 9), np.float32)
    policy[:, 4] = 1
    legal = np.ones((64, 9), np.bool_)
    for seed in range(120):
        measured = learner.train_step(make_batch(game, seed, 64)._replace(policy=policy, legal=legal))
    assert measured["policy/accuracy"] == 1.0 and measured["loss/policy"] < 0.1
    held_out = learner.evaluate(make_batch(game, 999, 64)._replace(policy=policy, legal=legal))
    assert held_out["holdout/loss/policy"] < 0.2
    learner.lessons.symmetries = learner.lessons.symmetries[:1]  # the first cell is no symmetric notion
    assert learner.evaluate(make_batch(game, 999, 64))["holdout/value/accuracy"] > 0.9


def test_rate_warms_up_by_steps_and_anneals_by_progress() -> None:
    game = TicTacToe()
    learner = make_learner(game, learning_rate=0.01, warmup_steps=4)
    rates = [learner.train_step(make_batch(game, seed))["learner/learning_rate"] for seed in range(6)]
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])
    for progress, share in [
        (0.25, (1 + math.cos(math.pi / 4)) / 2),
        (0.5, 0.5),
        (0.99, 0.000247),
        (1.0, 0.0),
        (7.0, 0.0),
    ]:
        learner.set_progress(progress)
        learner.train_step(make_batch(game, 0))
        assert learner.learning_rate == pytest.approx(0.01 * share, abs=1e-7)


def test_gradient_is_clipped_to_its_norm() -> None:
    """Plain arithmetic: the weights' gradients that the optimizer sees have at most the asked norm."""
    game = TicTacToe()
    learner = make_learner(game, gradient_clip=1e-3)
    measured = learner.train_step(make_batch(game, 0))
    gradients = [parameter.grad for parameter in learner._network.parameters() if parameter.grad is not None]
    norm = math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients))
    assert measured["learner/gradient_norm"] > 1e-2  # the one reported is the one before
    assert norm == pytest.approx(1e-3, rel=1e-2)


def test_norms_and_biases_do_not_decay() -> None:
    learner = make_learner(weight_decay=0.5)
    names = learner._optimizers.decayed()
    everything = {name for name, _ in learner._network.named_parameters()}
    assert names and not any(name.endswith("bias") or "norm" in name for name in names)
    assert all(name.endswith("bias") or "norm" in name for name in everything - names)


# --- averaged weights -----------------------------------------------------------------------------------------------


def test_average_is_the_recurrence_with_a_growing_decay() -> None:
    game = TicTacToe()
    learner = make_learner(game, ema_decay=0.5, learning_rate=0.05)
    average = {name: tensor.clone() for name, tensor in learner.ema_state_dict().items()}
    for step in range(8):
        learner.train_step(make_batch(game, step))
        decay = min(0.5, (1 + step) / (10 + step))
        for name, tensor in learner.state_dict().tensors["model"].items():
            if tensor.is_floating_point():
                average[name] = decay * average[name] + (1 - decay) * tensor
            else:
                average[name] = tensor
    for name, tensor in learner.ema_state_dict().items():
        assert torch.allclose(tensor.double(), average[name].double(), atol=1e-6), name
    moved = [name for name in average if "running_var" in name]
    assert moved and all(bool((average[name] != 1).any()) for name in moved)  # batch-norm statistics are averaged too


def test_early_averages_are_no_initial_weights() -> None:
    """After ten steps an uncorrected average at 0.999 would still be 99 % initial weights."""
    game = TicTacToe()
    learner = make_learner(game, learning_rate=0.05)
    initial = learner.ema_state_dict()["outcomes.bias"]
    for step in range(10):
        learner.train_step(make_batch(game, step))
    now = learner.state_dict().tensors["model"]["outcomes.bias"]
    average = learner.ema_state_dict()["outcomes.bias"]
    assert float((average - initial).norm()) > 0.5 * float((now - initial).norm())


def test_exported_weights_are_copies_on_the_cpu() -> None:
    learner = make_learner()
    exported = learner.ema_state_dict()
    for tensor in exported.values():
        assert tensor.is_contiguous() and tensor.device.type == "cpu"
        tensor.zero_()
    assert any(bool(tensor.any()) for tensor in learner.ema_state_dict().values())


# --- steps that go wrong --------------------------------------------------------------------------------------------


def test_bad_step_changes_nothing_but_counts() -> None:
    game = TicTacToe()
    learner = make_learner(game)
    good = [make_batch(game, seed) for seed in range(4)]
    for batch in good[:2]:
        learner.train_step(batch)
    before = learner.state_dict().tensors
    measured = learner.train_step(poisoned(good[2]))
    assert math.isnan(measured["loss/total"])
    assert (learner.steps, learner.skipped_steps, learner.rollbacks) == (3, 1, 0)
    for kind, entries in learner.state_dict().tensors.items():
        for name, tensor in entries.items():  # among them the batch-norm statistics, which a mere forward pass changes
            assert torch.equal(tensor, before[kind][name]), (kind, name)
    assert math.isfinite(learner.train_step(good[3])["loss/total"])


def test_infinite_gradient_of_a_finite_loss_is_skipped() -> None:
    game = TicTacToe()
    learner = make_learner(game)
    learner.train_step(make_batch(game, 0))
    before = bytes_of(learner)
    hook = learner._network.outcomes.bias.register_hook(lambda gradient: gradient * math.inf)
    measured = learner.train_step(make_batch(game, 1))
    hook.remove()
    assert math.isfinite(measured["loss/total"]) and not math.isfinite(measured["learner/gradient_norm"])
    after = bytes_of(learner)
    assert learner.skipped_steps == 1 and {name for name in after if after[name] != before[name]} == {"counters"}


def test_three_bad_steps_in_a_row_roll_back_to_good_weights() -> None:
    game = TicTacToe()
    learner = make_learner(game)
    batches = [make_batch(game, seed) for seed in range(4)]
    for step in range(SNAPSHOT_INTERVAL + 5):
        learner.train_step(batches[step % 4])
        if step == SNAPSHOT_INTERVAL - 2:
            at_snapshot = learner.state_dict().tensors["model"]["stem.convolution.weight"]
    with torch.no_grad():
        learner._network.stem.convolution.weight.fill_(math.nan)  # as if memory had failed: no step can mend it
    for bad in range(1, BAD_STEPS_BEFORE_ROLLBACK + 1):
        assert learner.rollbacks == 0
        learner.train_step(batches[0])
        assert learner.skipped_steps == bad
    assert learner.rollbacks == 1
    assert torch.equal(learner.state_dict().tensors["model"]["stem.convolution.weight"], at_snapshot)
    assert math.isfinite(learner.train_step(batches[1])["loss/total"])
    assert learner.steps == SNAPSHOT_INTERVAL + 5 + BAD_STEPS_BEFORE_ROLLBACK + 1  # steps are never counted back


def test_two_bad_steps_and_a_good_one_do_not_roll_back() -> None:
    game = TicTacToe()
    learner = make_learner(game)
    batch = make_batch(game, 0)
    for _ in range(3):
        learner.train_step(poisoned(batch))
        learner.train_step(poisoned(batch))
        learner.train_step(batch)
    assert (learner.skipped_steps, learner.rollbacks) == (6, 0)


def test_gives_up_when_rolling_back_does_not_help() -> None:
    game = TicTacToe()
    learner = make_learner(game)
    batch = poisoned(make_batch(game, 0))
    with pytest.raises(UserError, match="no finite loss"):
        for _ in range(ROLLBACKS_BEFORE_GIVING_UP * BAD_STEPS_BEFORE_ROLLBACK):
            learner.train_step(batch)
    assert learner.skipped_steps == ROLLBACKS_BEFORE_GIVING_UP * BAD_STEPS_BEFORE_ROLLBACK


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_same_seed_and_batches_give_the_same_bytes(precision: str) -> None:
    game = ConnectFour()
    results = []
    for _ in range(2):
        torch.manual_seed(len(results))  # the global generator has no say
        learner = make_learner(game, seed=5, precision=precision)
        measured = [learner.train_step(make_batch(game, seed, 32)) for seed in range(4)]
        results.append((measured, bytes_of(learner)))
    assert results[0] == results[1]
    other = make_learner(game, seed=6, precision=precision)
    assert bytes_of(other)["model/stem.convolution.weight"] != results[0][1]["model/stem.convolution.weight"]


def test_training_leaves_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    make_learner().train_step(make_batch(TicTacToe(), 0))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_six_steps_are_three_a_checkpoint_and_three(tmp_path, precision: str) -> None:  # type: ignore[no-untyped-def]
    game = ConnectFour()
    batches = [make_batch(game, seed, 32) for seed in range(6)]
    batches[1] = poisoned(batches[1])

    def train(learner: Learner, first: int, last: int) -> None:
        for index in range(first, last):
            learner.set_progress(index / 6)
            learner.train_step(batches[index])

    straight = make_learner(game, precision=precision)
    train(straight, 0, 6)
    halfway = make_learner(game, precision=precision)
    train(halfway, 0, 3)
    state = halfway.state_dict()
    checkpoint.save(tmp_path, halfway.steps, state.tensors, {"learner": state.counters})
    found = checkpoint.latest_valid(tmp_path, pytest.fail)
    assert found is not None and found.step == 3
    resumed = make_learner(game, seed=77, precision=precision)
    resumed.load_state_dict(found.tensors, found.state["learner"])
    assert bytes_of(resumed) == bytes_of(halfway)
    train(resumed, 3, 6)
    assert bytes_of(resumed) == bytes_of(straight)


def test_state_of_another_network_is_refused_and_changes_nothing() -> None:
    wide = Learner(TicTacToe(), NetworkConfig(blocks=1, channels=16), LearnerConfig(), 0)
    learner = make_learner()
    before = bytes_of(learner)
    with pytest.raises(UserError, match="another network"):
        learner.load_state_dict(*wide.state_dict())
    with pytest.raises(UserError, match="model, ema and optimizer"):
        learner.load_state_dict({"model": {}}, {})
    assert bytes_of(learner) == before


def test_starts_from_another_network_and_learns_on_from_there() -> None:
    teacher = make_learner()
    for key in range(3):
        teacher.train_step(make_batch(TicTacToe(), key))
    learner = Learner(TicTacToe(), teacher.ema_network.config, LearnerConfig(batch_size=16), 5)
    learner.start_from(teacher.ema_network)
    expected = teacher.ema_state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in learner.ema_state_dict().items())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in learner.state_dict().tensors["model"].items())
    assert math.isfinite(learner.train_step(make_batch(TicTacToe(), 3))["loss/total"])
    before = bytes_of(learner)
    with pytest.raises(UserError, match="the agent to start from: its model weights are of another network"):
        learner.start_from(Learner(TicTacToe(), NetworkConfig(blocks=1, channels=16), LearnerConfig(), 0).ema_network)
    assert bytes_of(learner) == before


@pytest.mark.parametrize(
    "setting",
    [
        {"batch_size": 0},
        {"learning_rate": -1e-3},
        {"learning_rate": math.nan},
        {"gradient_clip": 0.0},
        {"warmup_steps": -1},
        {"weight_decay": -0.1},
        {"ema_decay": 1.0},
    ],
    ids=str,
)
def test_bad_settings_are_one_clear_line(setting: dict[str, float]) -> None:
    with pytest.raises(UserError) as error:
        LearnerConfig(**setting)  # type: ignore[arg-type]
    assert next(iter(setting)).replace("_", " ") in str(error.value) and "\n" not in str(error.value)
