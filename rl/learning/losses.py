"""What the learner minimises, and what it measures beside it: one batch in, losses and numbers by metric name out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from games.base import BoolArray, FloatArray
from rl.network.model import SCORE_UNIT, AuxiliaryPrediction, NetworkOutput, ScorePrediction

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
    def lambda_returns(self) -> FloatArray:
        """[n] float32: what the value is learnt from, for the player to move; cut to [-1, 1]."""

    @property
    def replies(self) -> FloatArray:
        """[n, num_actions] float32: the search's policy at the next ply, as its player to move names the actions; all 0
        where there is none."""

    @property
    def short_returns(self) -> FloatArray:
        """[n] float32: what the searches of the next few plies held of the position, for the player to move."""

    @property
    def mask(self) -> FloatArray | None:
        """[n, 1, H, W] float32: 1 on the board, 0 beside it; None where every board fills the canvas."""

    @property
    def ownership(self) -> FloatArray | None:
        """[n, H, W] float32: whose each cell was at the end: 1 the player's to move, -1 the opponent's, 0 neither's.
        This and `leads`: None where games are not scored."""

    @property
    def leads(self) -> FloatArray | None:
        """[n] float32: by how many points the player to move led at the end."""


class Head(Protocol):
    """What a policy's numbers mean: `CategoricalHead` or `rl.network.vector.GaussianHead`. A is the number of choices:
    all actions, some of them not legal, or the actions that were sampled."""

    def log_prob(self, policy_logits: Tensor, choices: Tensor) -> Tensor:
        """[n, A] float32: logarithms of the choices' probabilities, or densities."""

    def log_partition(self, policy_logits: Tensor, choices: Tensor) -> Tensor | None:
        """[n] float32: the logarithm of what probabilities are divided by; None where there is no such thing."""

    def scalars(self, policy_logits: Tensor, log_probs: Tensor, choices: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """What is told of a policy beside its loss, by metric name; `weights` [n, A] are the search's."""


class Inputs(NamedTuple):
    observations: Tensor  # [n, C, H, W]
    choices: Tensor  # [n, num_actions] which actions are legal, or [n, A, D] the sampled ones
    policy: Tensor  # [n, A]
    outcome: Tensor | None  # [n, 3]; None where nobody wins or loses
    value_target: Tensor  # [n, 3] win, draw, loss; or [n, bins]
    replies: Tensor | None  # [n, num_actions]; this and the next: for heads that training alone asks
    short_returns: Tensor | None  # [n]
    mask: Tensor | None  # [n, 1, H, W]
    ownership: Tensor | None  # [n, H, W]; this and the next: None where games are not scored
    leads: Tensor | None  # [n]


class LossWeights(NamedTuple):
    """What each loss counts; the policy's counts 1."""

    value: float
    ownership: float
    lead: float
    partition: float
    soft_policy: float
    reply: float
    short_value: float


class Losses(NamedTuple):
    total: Tensor
    scalars: dict[str, Tensor]  # detached, each of one element
    scores: Tensor | None  # [2, n] detached: expected score and the game's score, win 1, draw 1/2, loss 0


def value_targets(returns: Tensor) -> Tensor:
    """[n, 3] win/draw/loss targets from returns g [n]: (max(g, 0), 1 - |g|, max(-g, 0)), which is the distribution of
    that expectation with the most draws."""
    g = returns.clamp(-1, 1)
    return torch.stack((g.clamp(min=0), 1 - g.abs(), (-g).clamp(min=0)), dim=1)


def score_losses(prediction: ScorePrediction, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """(ownership, lead): what a prediction of the count costs, each the mean over the batch.

    Ownership is the cross-entropy of whose a cell will be, a cell of neither's being half of each, averaged over the
    board. The lead has Huber's loss, as KataGo's (Wu 2019, arXiv 1902.10565, appendix B), which bends at half a
    `SCORE_UNIT`: one fight moves the final score by more than can be foretold.
    """
    assert inputs.ownership is not None and inputs.leads is not None
    costs = functional.binary_cross_entropy_with_logits(
        prediction.ownership_logits.float(), 0.5 * (inputs.ownership + 1.0), reduction="none"
    )  # [n, H, W]
    if inputs.mask is None:
        ownership_loss = costs.mean()
    else:
        board = inputs.mask[:, 0]
        ownership_loss = ((costs * board).sum((1, 2)) / board.sum((1, 2))).mean()
    lead_loss = functional.huber_loss(prediction.lead.float(), inputs.leads / SCORE_UNIT, delta=0.5)
    return ownership_loss, lead_loss


def softened(policy: Tensor) -> Tensor:
    """`policy` [n, num_actions] to the power of 1/4, summing to 1 again: moves that the best one drowns come up
    (KataGoMethods, "Auxiliary soft policy target")."""
    powers = policy**0.25
    return powers / powers.sum(-1, keepdim=True)


def auxiliary_losses(
    prediction: AuxiliaryPrediction, inputs: Inputs, head: Head, weights: LossWeights
) -> dict[str, tuple[Tensor, float]]:
    """(loss, weight) by metric name, each loss the mean over the batch, of what training alone asks for."""
    found: dict[str, tuple[Tensor, float]] = {}
    if prediction.soft_policy_logits is not None:
        log_soft = head.log_prob(prediction.soft_policy_logits, inputs.choices)
        found["loss/soft_policy"] = -(softened(inputs.policy) * log_soft).sum(-1).mean(), weights.soft_policy
    if prediction.reply_logits is not None and inputs.replies is not None:
        # What will be legal is not known here, so that the softmax is over all actions.
        log_reply = prediction.reply_logits.float().log_softmax(-1)
        found["loss/reply"] = -(inputs.replies * log_reply).sum(-1).mean(), weights.reply
    if prediction.short_value is not None and inputs.short_returns is not None:
        errors = prediction.short_value.float() - inputs.short_returns
        found["loss/short_value"] = errors.square().mean(), weights.short_value
    return found


def losses_of(output: NetworkOutput, inputs: Inputs, head: Head, weights: LossWeights) -> Losses:
    """Cross-entropies of a network's answer to a batch: policy against the search's, value against `value_target`; and
    those of `score_losses` and `auxiliary_losses` where the network has such heads."""
    log_probs = head.log_prob(output.policy_logits, inputs.choices)  # [n, A]
    log_values = torch.log_softmax(output.value_logits.float(), dim=1)  # [n, 3] or [n, bins]
    policy_loss = -(inputs.policy * log_probs).sum(-1).mean()
    value_loss = -(inputs.value_target * log_values).sum(-1).mean()
    # Softmax does not see what all logits have in common. Left free it wanders off, until the differences drown in it:
    # the z-loss of PaLM (Chowdhery et al. 2022, 2204.02311, section 5).
    partition_loss = output.value_logits.float().logsumexp(-1).square().mean()
    log_partition = head.log_partition(output.policy_logits, inputs.choices)  # [n]
    if log_partition is not None:
        partition_loss = log_partition.square().mean() + partition_loss
    total = policy_loss + weights.value * value_loss + weights.partition * partition_loss
    extra = auxiliary_losses(output.auxiliary, inputs, head, weights)
    if output.score is not None:
        ownership_loss, lead_loss = score_losses(output.score, inputs)
        extra["loss/ownership"] = ownership_loss, weights.ownership
        extra["loss/lead"] = lead_loss, weights.lead
    for loss, weight in extra.values():
        total = total + weight * loss
    with torch.no_grad():
        target_entropy = torch.special.entr(inputs.policy).sum(-1).mean()
        scalars = {
            "loss/total": total.detach(),
            "loss/policy": policy_loss.detach(),
            "loss/value": value_loss.detach(),
            "policy/target_entropy": target_entropy,
            **head.scalars(output.policy_logits, log_probs, inputs.choices, inputs.policy),
            **{name: loss.detach() for name, (loss, _) in extra.items()},
        }
        scores = None
        if inputs.outcome is not None:
            values = log_values.exp()
            scalars["value/accuracy"] = (values.argmax(1) == inputs.outcome.argmax(1)).float().mean()
            wins_and_half_draws = values.new_tensor([1.0, 0.5, 0.0])
            scores = torch.stack((values @ wins_and_half_draws, inputs.outcome @ wins_and_half_draws))
    return Losses(total, scalars, scores)


def measurements(losses: Losses, prefix: str, extra: Mapping[str, Tensor]) -> dict[str, float]:
    """All numbers of a batch, fetched from the device at once."""
    scalars = {**losses.scalars, **extra}
    flat = torch.stack([scalar.detach() for scalar in scalars.values()])
    if losses.scores is not None:
        flat = torch.cat((flat, losses.scores.flatten()))
    numbers = flat.cpu().numpy()
    metrics = {f"{prefix}{name}": float(number) for name, number in zip(scalars, numbers, strict=False)}
    if losses.scores is None:
        return metrics
    expected, actual = numbers[len(scalars) :].reshape(2, -1)
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
