"""The losses against hand-written ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_batches import SMALL_NETWORK, make_batch, make_learner

import games
from games.board.tic_tac_toe import TicTacToe
from rl.errors import UserError
from rl.learning.learner import Learner, LearnerConfig
from rl.learning.losses import Inputs, calibration, score_losses, value_targets
from rl.network.model import ScorePrediction

pytestmark = pytest.mark.plain_only  # nothing here is compiled


def test_losses_are_the_textbook_ones() -> None:
    """Against loops over the network's own logits, in float64."""
    game = TicTacToe()
    learner = make_learner(game, value_loss_weight=0.7, partition_loss_weight=0.01)
    batch = make_batch(game, 0)
    learner.lessons.symmetries = learner.lessons.symmetries[:1]
    measured = learner.evaluate(batch)
    with torch.inference_mode():
        output = learner.ema_network(torch.from_numpy(batch.observations))
    policy_loss = value_loss = entropy = divergence = partition_loss = 0.0
    for row in range(16):
        logits = output.policy_logits[row].double().numpy()
        legal = np.flatnonzero(batch.legal[row])
        priors = np.exp(logits[legal]) / np.exp(logits[legal]).sum()
        target = batch.policy[row, legal].astype(float)
        policy_loss -= float((target * np.log(priors)).sum()) / 16
        entropy -= float((priors * np.log(priors)).sum()) / 16
        divergence += float((target * np.log(target / priors)).sum()) / 16
        values = np.exp(output.value_logits[row].double().numpy())
        partition_loss += np.log(np.exp(logits[legal]).sum()) ** 2 / 16 + np.log(values.sum()) ** 2 / 16
        g = float(batch.lambda_returns[row])
        target = np.array([max(g, 0), 1 - abs(g), max(-g, 0)])
        value_loss -= float((target * np.log(values / values.sum())).sum()) / 16
    assert measured["holdout/loss/policy"] == pytest.approx(policy_loss, abs=1e-5)
    assert measured["holdout/loss/value"] == pytest.approx(value_loss, abs=1e-5)
    assert measured["holdout/loss/total"] == pytest.approx(
        policy_loss + 0.7 * value_loss + 0.01 * partition_loss, abs=1e-5
    )
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
    inputs = Inputs(none, none, none, none, none, none, none, mask, cells, torch.tensor([8.0, 0.0]))

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


def test_what_training_alone_asks_for_by_hand() -> None:
    """Against loops over the network's own answers, in float64; each loss counts with its weight."""
    game = TicTacToe()
    weights = {"soft_policy_loss_weight": 0.5, "reply_loss_weight": 0.3, "short_value_loss_weight": 0.2}
    config = LearnerConfig(precision="float32", partition_loss_weight=0.0, **weights)
    heads = replace(SMALL_NETWORK, soft_policy_head=True, reply_head=True, short_value_head=True)
    learner = Learner(game, heads, config, 1)
    learner.lessons.symmetries = learner.lessons.symmetries[:1]
    batch = make_batch(game, 0)
    measured = learner.evaluate(batch)
    with torch.inference_mode():
        asked = learner.ema_network(torch.from_numpy(batch.observations)).auxiliary
    assert asked.soft_policy_logits is not None and asked.reply_logits is not None and asked.short_value is not None
    soft_policy = reply = short_value = 0.0
    for row in range(16):
        legal = np.flatnonzero(batch.legal[row])
        exponentials = np.exp(asked.soft_policy_logits[row].double().numpy()[legal])
        target = np.sqrt(np.sqrt(batch.policy[row, legal].astype(float)))
        soft_policy -= float((target / target.sum() * np.log(exponentials / exponentials.sum())).sum()) / 16
        exponentials = np.exp(asked.reply_logits[row].double().numpy())
        reply -= float((batch.replies[row] * np.log(exponentials / exponentials.sum())).sum()) / 16
        short_value += (float(asked.short_value[row]) - float(batch.short_returns[row])) ** 2 / 16
    assert measured["holdout/loss/soft_policy"] == pytest.approx(soft_policy, abs=1e-5)
    assert measured["holdout/loss/reply"] == pytest.approx(reply, abs=1e-5)
    assert measured["holdout/loss/short_value"] == pytest.approx(short_value, abs=1e-5)
    played = measured["holdout/loss/policy"] + measured["holdout/loss/value"]
    total = played + 0.5 * soft_policy + 0.3 * reply + 0.2 * short_value
    assert measured["holdout/loss/total"] == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("head", ["soft_policy", "reply", "short_value"])
def test_each_head_of_training_alone_learns_and_teaches_the_tower(head: str) -> None:
    others = {"value_loss_weight": 0.0, "partition_loss_weight": 0.0}
    config = LearnerConfig(warmup_steps=2, learning_rate=1e-2, ema_decay=0.9, precision="float32", **others)
    learner = Learner(TicTacToe(), replace(SMALL_NETWORK, **{f"{head}_head": True}), config, 1)
    learner.lessons.symmetries = learner.lessons.symmetries[:1]
    batch = make_batch(TicTacToe(), 0)
    batch = batch._replace(policy=batch.legal / batch.legal.sum(1, keepdims=True, dtype=np.float32))
    first = learner.evaluate(batch)[f"holdout/loss/{head}"]
    before = learner.ema_state_dict()["stem.convolution.weight"]
    for _ in range(200):
        learner.train_step(batch)
    floor = {"soft_policy": float(np.log(batch.legal.sum(1)).mean()), "short_value": 0.0}
    entropy = -np.where(batch.replies > 0, batch.replies * np.log(np.maximum(batch.replies, 1e-9)), 0).sum(1).mean()
    last = learner.evaluate(batch)[f"holdout/loss/{head}"]
    assert last - floor.get(head, float(entropy)) < 0.2 * (first - floor.get(head, float(entropy))) + 1e-3
    assert not torch.equal(learner.ema_state_dict()["stem.convolution.weight"], before)


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
        partition_loss_weight=0.0,
        precision="float32",
    )
    learner = Learner(game, replace(SMALL_NETWORK, score_heads=True), config, 1)
    first = learner.evaluate(batch)
    parts = {part: first[f"holdout/loss/{part}"] for part in ("policy", "value", "ownership", "lead", "total")}
    assert parts["ownership"] == pytest.approx(math.log(2), abs=0.3)
    assert parts["total"] == pytest.approx(
        parts["policy"] + parts["value"] + 0.5 * parts["ownership"] + 0.3 * parts["lead"], abs=1e-5
    )
    learner.lessons.symmetries = learner.lessons.symmetries[:1]  # it sees no other
    for _ in range(250):
        learner.train_step(batch)
    last = learner.evaluate(batch)
    for part in ("ownership", "lead"):
        assert last[f"holdout/loss/{part}"] < 0.2 * parts[part]
    with pytest.raises(UserError, match="tic_tac_toe is not scored"):
        Learner(TicTacToe(), replace(SMALL_NETWORK, score_heads=True), config, 1)


def test_value_target_keeps_the_expectation() -> None:
    returns = torch.tensor([-1.0, -0.3, 0.0, 0.6, 1.0, 1.01])
    target = value_targets(returns)
    assert torch.allclose(target.sum(1), torch.ones(6)) and bool((target >= 0).all())
    assert torch.allclose(target[:, 0] - target[:, 2], returns.clamp(-1, 1))
    assert torch.equal(target[[0, 2, 4]], torch.eye(3)[[2, 1, 0]])


def test_calibration_by_hand() -> None:
    expected = np.array([0.05, 0.04, 0.55, 1.0], np.float32)
    actual = np.array([0.0, 0.5, 1.0, 1.0], np.float32)
    measured = calibration(expected, actual)
    assert measured["calibration/score_at_05"] == pytest.approx(0.25)
    assert measured["calibration/score_at_55"] == pytest.approx(1.0)
    assert measured["calibration/score_at_95"] == pytest.approx(1.0)  # 1.0 itself belongs to the last tenth
    assert "calibration/score_at_35" not in measured
    assert measured["value/calibration_error"] == pytest.approx((0.41 + 0.45 + 0.0) / 4, abs=1e-6)
