"""What the learner minimises, and what it measures beside it: one batch in, losses and numbers by metric name out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from games.base import BoolArray, FloatArray
from rl.network.model import CategoricalHead, NetworkOutput

CALIBRATION_BINS = 10


class TrainingBatch(Protocol):
    """What a step reads; `rl.replay` samples it. The axis n is the batch."""

    @property
    def observations(self) -> FloatArray:
        """[n, C, H, W] float32."""

    @property
    def legal(self) -> BoolArray:
        """[n, num_actions] bool, True = legal."""

    @property
    def policy(self) -> FloatArray:
        """[n, num_actions] float32, the search's policy; sums to 1, 0 where illegal."""

    @property
    def outcome(self) -> FloatArray:
        """[n, 3] float32: win, draw, loss for the player to move; sums to 1."""

    @property
    def root_values(self) -> FloatArray:
        """[n] float32 in [-1, 1]: the search's value for the player to move."""

    @property
    def mask(self) -> FloatArray | None:
        """[n, 1, H, W] float32: 1 on the board, 0 beside it; None where every board fills the canvas."""


class Inputs(NamedTuple):
    observations: Tensor  # [n, C, H, W]
    legal: Tensor  # [n, num_actions]
    policy: Tensor  # [n, num_actions]
    outcome: Tensor  # [n, 3]
    value_target: Tensor  # [n, 3]
    mask: Tensor | None  # [n, 1, H, W]


class Losses(NamedTuple):
    total: Tensor
    scalars: dict[str, Tensor]  # detached, each of one element
    scores: Tensor  # [2, n] detached: expected score and the game's score, win 1, draw 1/2, loss 0


def value_targets(outcome: Tensor, root_values: Tensor, root_value_weight: float) -> Tensor:
    """[n, 3] win/draw/loss targets: the outcome [n, 3] mixed with the search's root value q [n].

    q stands for (max(q, 0), 1 - |q|, max(-q, 0)): the distribution of that expectation with the most draws.
    """
    q = root_values.clamp(-1, 1)
    searched = torch.stack((q.clamp(min=0), 1 - q.abs(), (-q).clamp(min=0)), dim=1)
    return torch.lerp(outcome, searched, root_value_weight)


def losses_of(output: NetworkOutput, inputs: Inputs, head: CategoricalHead, value_loss_weight: float) -> Losses:
    """Cross-entropies of a network's answer to a batch: policy against the search's, value against `value_target`."""
    log_priors = head.log_prob(output.policy_logits.float(), inputs.legal)  # [n, num_actions]
    log_values = torch.log_softmax(output.value_logits.float(), dim=1)  # [n, 3]
    policy_loss = -(inputs.policy * log_priors).sum(-1).mean()
    value_loss = -(inputs.value_target * log_values).sum(-1).mean()
    total = policy_loss + value_loss_weight * value_loss
    with torch.no_grad():
        priors, values = log_priors.exp() * inputs.legal, log_values.exp()
        wins_and_half_draws = values.new_tensor([1.0, 0.5, 0.0])
        target_entropy = torch.special.entr(inputs.policy).sum(-1).mean()
        scalars = {
            "loss/total": total.detach(),
            "loss/policy": policy_loss.detach(),
            "loss/value": value_loss.detach(),
            "policy/entropy": torch.special.entr(priors).sum(-1).mean(),
            "policy/target_entropy": target_entropy,
            "policy/kl_to_search": policy_loss - target_entropy,
            "policy/accuracy": (priors.argmax(1) == inputs.policy.argmax(1)).float().mean(),
            "value/accuracy": (values.argmax(1) == inputs.outcome.argmax(1)).float().mean(),
        }
        scores = torch.stack((values @ wins_and_half_draws, inputs.outcome @ wins_and_half_draws))
    return Losses(total, scalars, scores)


def measurements(losses: Losses, prefix: str, extra: Mapping[str, Tensor]) -> dict[str, float]:
    """All numbers of a batch, fetched from the device at once."""
    scalars = {**losses.scalars, **extra}
    stacked = torch.stack([scalar.detach() for scalar in scalars.values()])
    flat = torch.cat((stacked, losses.scores.flatten())).cpu().numpy()
    metrics = {f"{prefix}{name}": float(number) for name, number in zip(scalars, flat, strict=False)}
    expected, actual = flat[len(scalars) :].reshape(2, -1)
    return metrics | {f"{prefix}{name}": number for name, number in calibration(expected, actual).items()}


def calibration(expected: FloatArray, actual: FloatArray) -> dict[str, float]:
    """How expected scores [n] compare with actual ones [n], both 0 (loss) to 1 (win), by tenths of the expected score.

    `calibration/score_at_05` is the mean actual score where 0.0 to 0.1 was expected, absent when nowhere was, and so
    on to `_95`; `value/calibration_error` is the mean distance of a tenth's two means, weighted by its size (expected
    calibration error; a batch of 256 well calibrated values still shows a few hundredths).
    """
    if not np.isfinite(expected).all():
        return {}
    bins = np.minimum((expected * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    expected_sums = np.bincount(bins, weights=expected, minlength=CALIBRATION_BINS)
    actual_sums = np.bincount(bins, weights=actual, minlength=CALIBRATION_BINS)
    metrics = {"value/calibration_error": float(np.abs(expected_sums - actual_sums).sum() / len(bins))}
    for index in np.flatnonzero(counts):
        metrics[f"calibration/score_at_{index * 10 + 5:02d}"] = float(actual_sums[index] / counts[index])
    return metrics
