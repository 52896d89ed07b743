"""The learner: its losses against hand-written ones, its schedule, its safety, its bytes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from small_games import SMALL_GAMES

import games
from games.base import BoolArray, FloatArray, Game
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
from rl.learning.losses import Inputs, calibration, score_losses, value_targets
from rl.network.model import NetworkConfig, ScorePrediction

SMALL = NetworkConfig(blocks=1, channels=8, policy_channels=4, value_channels=4, value_hidden=8)


class Batch(NamedTuple):
    observations: FloatArray
    legal: BoolArray
    policy: FloatArray
    outcome: FloatArray
    root_values: FloatArray
    mask: FloatArray | None = None
    ownership: FloatArray | None = None
    leads: FloatArray | None = None


def make_batch(game: Game, seed: int, size: int = 16) -> Batch:
    """Boards of coin tosses; what is best to play and who wins can be read off the first plane."""
    random = np.random.default_rng(seed)
    observations = random.integers(0, 2, (size, *game.observation_shape)).astype(np.float32)
    legal = random.random((size, game.num_actions)) < 0.7
    legal[:, -1] = True
    weights = np.where(legal, random.random((size, game.num_actions)) + 0.1, 0)
    outcome = np.eye(3, dtype=np.float32)[2 * observations[:, 0, 0, 0].astype(int)]
    policy = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return Batch(observations, legal, policy, outcome, outcome[:, 0] - outcome[:, 2])


def make_learner(game: Game | None = None, seed: int = 1, **settings: object) -> Learner:
    config = LearnerConfig(**{"warmup_steps": 2, "precision": "float32", **settings})  # type: ignore[arg-type]
    return Learner(game or TicTacToe(), SMALL, config, seed)


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


# --- losses ---------------------------------------------------------------------------------------------------------


def test_losses_are_the_textbook_ones() -> None:
    """Against loops over the network's own logits, in float64."""
    game = TicTacToe()
    learner = make_learner(game, value_loss_weight=0.7, root_value_weight=0.25)
    batch = make_batch(game, 0)
    learner._symmetries = learner._symmetries[:1]
    measured = learner.evaluate(batch)
    with torch.inference_mode():
        output = learner.ema_network(torch.from_numpy(batch.observations))
    policy_loss = value_loss = entropy = divergence = 0.0
    for row in range(16):
        logits = output.policy_logits[row].double().numpy()
        legal = np.flatnonzero(batch.legal[row])
        priors = np.exp(logits[legal]) / np.exp(logits[legal]).sum()
        target = batch.policy[row, legal].astype(float)
        policy_loss -= float((target * np.log(priors)).sum()) / 16
        entropy -= float((priors * np.log(priors)).sum()) / 16
        divergence += float((target * np.log(target / priors)).sum()) / 16
        values = np.exp(output.value_logits[row].double().numpy())
        q = float(batch.root_values[row])
        searched = np.array([max(q, 0), 1 - abs(q), max(-q, 0)])
        value_loss -= float(((0.75 * batch.outcome[row] + 0.25 * searched) * np.log(values / values.sum())).sum()) / 16
    assert measured["holdout/loss/policy"] == pytest.approx(policy_loss, abs=1e-5)
    assert measured["holdout/loss/value"] == pytest.approx(value_loss, abs=1e-5)
    assert measured["holdout/loss/total"] == pytest.approx(policy_loss + 0.7 * value_loss, abs=1e-5)
    assert measured["holdout/policy/entropy"] == pytest.approx(entropy, abs=1e-5)
    assert measured["holdout/policy/kl_to_search"] == pytest.approx(divergence, abs=1e-5)


def test_what_scores_cost_by_hand() -> None:
    """Ownership over the board's cells alone, each board counting the same; Huber's loss of the lead."""
    cells, mask = torch.zeros(2, 2, 2), torch.zeros(2, 1, 2, 2)
    mask[0] = 1
    mask[1, 0, 0, 0] = 1
    logits = torch.tensor([[[2.0, -1.0], [0.0, 3.0]], [[-2.0, 50.0], [50.0, 50.0]]])
    cells[0] = torch.tensor([[1.0, -1.0], [0.0, -1.0]])
    cells[1, 0, 0] = 1.0
    prediction = ScorePrediction(logits, torch.tensor([0.2, 2.0]))
    none = torch.zeros(0)
    inputs = Inputs(none, none, none, none, none, mask, cells, torch.tensor([8.0, 0.0]))

    def cost(logit: float, share: float) -> float:
        own = 1 / (1 + math.exp(-logit))
        return -(share * math.log(own) + (1 - share) * math.log(1 - own))

    first = (cost(2, 1) + cost(-1, 0) + cost(0, 0.5) + cost(3, 0)) / 4
    ownership_loss, lead_loss = score_losses(prediction, inputs)
    assert float(ownership_loss) == pytest.approx((first + cost(-2, 1)) / 2)
    # 0.2 of 20 points against 8 points: half the square of 0.2; 40 points against none: 0.5 * (2 - 0.5 / 2)
    assert float(lead_loss) == pytest.approx((0.02 + 0.875) / 2)
    whole, _ = score_losses(
        ScorePrediction(logits[:1], torch.zeros(1)),
        inputs._replace(mask=None, ownership=cells[:1], leads=torch.zeros(1)),
    )
    assert float(whole) == pytest.approx(first)


def test_score_heads_learn_who_will_own_what() -> None:
    """Their losses count with their weights, and are on the whole batch the same under every symmetry."""
    game = games.make("go3")
    batch = make_batch(game, 0)
    batch = batch._replace(
        ownership=2 * batch.observations[:, 0] - 1, leads=20 * (2 * batch.observations[:, 0, 0, 0] - 1)
    )
    config = LearnerConfig(
        warmup_steps=2,
        learning_rate=1e-2,
        ema_decay=0.9,
        ownership_loss_weight=0.5,
        lead_loss_weight=0.3,
        precision="float32",
    )
    learner = Learner(game, replace(SMALL, score_heads=True), config, 1)
    first = learner.evaluate(batch)
    parts = {part: first[f"holdout/loss/{part}"] for part in ("policy", "value", "ownership", "lead", "total")}
    assert parts["ownership"] == pytest.approx(math.log(2), abs=0.3)
    assert parts["total"] == pytest.approx(
        parts["policy"] + parts["value"] + 0.5 * parts["ownership"] + 0.3 * parts["lead"], abs=1e-5
    )
    learner._symmetries = learner._symmetries[:1]  # it sees no other
    for _ in range(250):
        learner.train_step(batch)
    last = learner.evaluate(batch)
    for part in ("ownership", "lead"):
        assert last[f"holdout/loss/{part}"] < 0.2 * parts[part]
    with pytest.raises(UserError, match="tic_tac_toe is not scored"):
        Learner(TicTacToe(), replace(SMALL, score_heads=True), config, 1)


def test_value_target_keeps_the_expectation() -> None:
    q = torch.tensor([-1.0, -0.3, 0.0, 0.6, 1.0])
    outcome = torch.eye(3)[torch.tensor([0, 2, 1, 0, 2])]
    target = value_targets(outcome, q, 0.4)
    assert torch.allclose(target.sum(1), torch.ones(5)) and bool((target >= 0).all())
    expected = 0.6 * (outcome[:, 0] - outcome[:, 2]) + 0.4 * q
    assert torch.allclose(target[:, 0] - target[:, 2], expected)
    assert torch.equal(value_targets(outcome, q, 0.0), outcome)


def test_calibration_by_hand() -> None:
    expected = np.array([0.05, 0.04, 0.55, 1.0], np.float32)
    actual = np.array([0.0, 0.5, 1.0, 1.0], np.float32)
    measured = calibration(expected, actual)
    assert measured["calibration/score_at_05"] == pytest.approx(0.25)
    assert measured["calibration/score_at_55"] == pytest.approx(1.0)
    assert measured["calibration/score_at_95"] == pytest.approx(1.0)  # 1.0 itself belongs to the last tenth
    assert "calibration/score_at_35" not in measured
    assert measured["value/calibration_error"] == pytest.approx((0.41 + 0.45 + 0.0) / 4, abs=1e-6)


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
    learner._symmetries = learner._symmetries[:1]  # the first cell is no symmetric notion
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
    decayed = {id(p) for group in learner._optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    names = {name for name, parameter in learner._network.named_parameters() if id(parameter) in decayed}
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
        {"root_value_weight": 1.5},
    ],
    ids=str,
)
def test_bad_settings_are_one_clear_line(setting: dict[str, float]) -> None:
    with pytest.raises(UserError) as error:
        LearnerConfig(**setting)  # type: ignore[arg-type]
    assert next(iter(setting)).replace("_", " ") in str(error.value) and "\n" not in str(error.value)
