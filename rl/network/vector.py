"""The network for games whose observations are vectors and whose actions are numbers from -1 to 1.

A policy is a Gaussian before tanh: an action is tanh(u), u normal with the head's mean and deviation in each number
(Haarnoja et al. 2018, arXiv 1801.01290, appendix C). Values are distributions over bins (Imani and White 2018, arXiv
1806.04613), whose centres lie evenly, most often on the scale of symlog, and are taught by two-hot targets (Hafner et
al. 2023, arXiv 2301.04104).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.network.model import NetworkOutput
from rl.search.proposals import LARGEST_ACTION

_LARGEST_MEAN = 3.0
"""Before tanh: tanh(3) is 0.995."""
_DEVIATIONS = 0.08, 1.5
"""Least and largest deviation before tanh. The least leaves something to choose from."""
_LOW, _HIGH = (math.log(deviation) for deviation in _DEVIATIONS)
_MIDDLE, _HALF = 0.5 * (_LOW + _HIGH), 0.5 * (_HIGH - _LOW)
_SCALE_MEMORY, _LEAST_DEVIATION = 1000.0, 0.01
_FIRST = math.atanh(-_MIDDLE / _HALF)
"""Added to what the layer says, so that an untrained network's deviation is 1: tanh of it covers [-1, 1] evenly."""

_BEST_LOGIT = 8.0
"""Of the highest bin, the others' being 0: it has 0.98 of 64."""


@dataclass(frozen=True)
class VectorConfig:
    """The size of the network."""

    layers: int = 2
    """Hidden layers, each linear, layer norm, ReLU."""
    width: int = 256
    """Features of a hidden layer."""
    value_bins: int = 64
    """Bins of the value's distribution."""
    symlog: bool = True
    """Whether the bins lie evenly on the scale of symlog, finest around 0: where the best values are, when rewards are
    costs. Where the best values are far from 0, even steps tell them apart better."""
    optimistic: bool = False
    """Whether an untrained network holds every state for the best there is, instead of all bins for equally likely
    (optimistic initial values: Sutton and Barto 2018, section 2.6). Values that are learnt from the network's own next
    ones then come down from above, and states at the goal need not be learnt."""
    normalised: bool = False
    """Whether observations are brought to mean 0 and deviation 1, by what training has seen (Andrychowicz et al. 2017,
    appendix A): for games whose numbers vary by much less than their bounds."""

    def __post_init__(self) -> None:
        for name in ("layers", "width", "value_bins"):
            if (value := getattr(self, name)) < (2 if name == "value_bins" else 1):
                raise UserError(f"the network's {name} is {value}; it must be larger")


@dataclass(frozen=True)
class VectorShape:
    """What the network must know of a game."""

    num_features: int
    """O: numbers of an observation."""
    action_size: int
    """D: numbers of an action."""
    value_low: float
    """The centre of the lowest bin."""
    value_high: float
    """The centre of the highest bin."""

    @classmethod
    def of(cls, game: SimulatedGame) -> VectorShape:
        """The shape of `game`."""
        return cls(game.observation_shape[0], game.action_size, *game.value_range)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> VectorShape:
        """The shape whose fields a file holds. Raises TypeError where they are others."""
        return cls(**fields)

    def serves(self, other: VectorShape) -> bool:
        """Whether a network of this shape plays another game of the family, of the shape `other`."""
        return self == other


class VectorNetwork(nn.Module):
    """Observations in, policy and value logits out. Rows do not see each other."""

    def __init__(self, shape: VectorShape, config: VectorConfig) -> None:
        super().__init__()
        self.shape, self.config = shape, config
        widths = [shape.num_features] + [config.width] * config.layers
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.layers))
        # Buffers: the averages of weights and agent files hold them, no gradient moves them.
        self.scale = RunningScale(shape.num_features) if config.normalised else None
        self.policy = nn.Linear(config.width, 2 * shape.action_size)
        self.value = nn.Linear(config.width, config.value_bins)
        for layer in (self.policy, self.value):
            nn.init.normal_(layer.weight, std=0.01)  # starts near the widest policy and equally likely bins
            nn.init.zeros_(layer.bias)
        if config.optimistic:
            nn.init.constant_(self.value.bias[-1:], _BEST_LOGIT)

    def forward(self, observations: Tensor, mask: Tensor | None = None) -> NetworkOutput:
        """Evaluate `observations` [n, O, 1, 1] float32; there is no `mask`.

        The policy logits are [n, 2 * D]: means and logarithms of deviations, both before tanh. The value logits are
        [n, bins].
        """
        features = observations.flatten(1)
        if self.scale is not None:
            features = self.scale(features)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            features = functional.relu(norm(layer(features)))
        return NetworkOutput(bounded_policy(self.policy(features).float()), self.value(features))

    def hidden_weights(self) -> list[Tensor]:
        """The weights that map features to features: of all hidden layers but the first, which reads observations."""
        return [layer.weight for layer in self.hidden[1:] if isinstance(layer, nn.Linear)]


def bounded_policy(raw: Tensor) -> Tensor:
    """[n, 2 * D] means and logarithms of deviations, both within their bounds, of what the layer says."""
    means, deviations = raw.chunk(2, -1)
    means = _LARGEST_MEAN * torch.tanh(means / _LARGEST_MEAN)
    return torch.cat((means, _MIDDLE + _HALF * torch.tanh(deviations + _FIRST)), -1)


class RunningScale(nn.Module):
    """Brings each number of a vector to mean 0 and deviation 1 over what it has seen in training."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.variance: Tensor
        self.count: Tensor
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("variance", torch.ones(num_features))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """`features` [n, O] float32."""
        if self.training:
            self._see(features.detach())
        return scaled(features, self.mean, self.variance)

    def _see(self, features: Tensor) -> None:
        """Take rows into the mean and variance: those of all rows so far, or with the weights of about the last
        `_SCALE_MEMORY` batches."""
        with torch.no_grad():
            share = 1.0 / (1.0 + self.count.clamp(max=_SCALE_MEMORY))
            mean = features.mean(0)
            moved = mean - self.mean
            variance = (features - mean).square().mean(0)
            self.variance.lerp_(variance, share).add_(share * (1.0 - share) * moved.square())
            self.mean.add_(share * moved)
            self.count.add_(1.0)


def scaled(features: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """`features` [n, O] as `RunningScale` leaves them. Numbers that hardly vary are not blown up, nor rare ones let
    through beyond 5 deviations."""
    return ((features - mean) * torch.rsqrt(variance + _LEAST_DEVIATION**2)).clamp(-5.0, 5.0)


class GaussianHead:
    """Actions that are numbers from -1 to 1: the policy is a Gaussian before tanh."""

    def log_prob(self, policy_logits: Tensor, actions: Tensor) -> Tensor:
        """[n, K] float32: logarithms of the density at `actions` [n, K, D], from `policy_logits` [n, 2 * D]."""
        means, log_deviations = policy_logits.float().unsqueeze(-2).chunk(2, -1)  # [n, 1, D]
        inner = torch.atanh(actions.clamp(-LARGEST_ACTION, LARGEST_ACTION))
        scores = (inner - means) * torch.exp(-log_deviations)
        slopes = torch.log1p(-torch.tanh(inner).square())
        return (-0.5 * scores.square() - log_deviations - 0.5 * math.log(2.0 * math.pi) - slopes).sum(-1)

    def log_partition(self, policy_logits: Tensor, actions: Tensor) -> None:
        """A density has no denominator."""
        return None

    def scalars(self, policy_logits: Tensor, log_probs: Tensor, actions: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """What is told of a policy, by metric name; `weights` [n, K] are the search's."""
        _, log_deviations = policy_logits.float().chunk(2, -1)
        return {"policy/deviation": log_deviations.exp().mean()}


class ValueBins:
    """The value as a distribution over bins, for a network of this shape and size."""

    def __init__(self, shape: VectorShape, config: VectorConfig, device: torch.device) -> None:
        low, high = shape.value_low, shape.value_high
        if config.symlog:
            scale = torch.linspace(_symlog(low), _symlog(high), config.value_bins, dtype=torch.float64)
            centres = scale.sign() * scale.abs().expm1()
        else:
            centres = torch.linspace(low, high, config.value_bins, dtype=torch.float64)
        self.centres = centres.float().to(device)
        """[bins] ascending."""

    def targets(self, values: Tensor) -> Tensor:
        """[n, bins] two-hot: the distribution over two neighbouring bins whose expectation is the value, of `values`
        [n], cut to the bins' range."""
        centres = self.centres
        cut = values.clamp(float(centres[0]), float(centres[-1]))
        upper = torch.searchsorted(centres, cut.contiguous()).clamp(1, len(centres) - 1)
        share = (cut - centres[upper - 1]) / (centres[upper] - centres[upper - 1])
        target = torch.zeros(len(values), len(centres), device=values.device)
        target.scatter_(1, (upper - 1).unsqueeze(1), (1.0 - share).unsqueeze(1))
        target.scatter_(1, upper.unsqueeze(1), share.unsqueeze(1))
        return target

    def values(self, value_logits: Tensor) -> Tensor:
        """[n] expectations, from `value_logits` [n, bins]."""
        return value_logits.float().softmax(-1) @ self.centres


def _symlog(value: float) -> float:
    return math.copysign(math.log1p(abs(value)), value)
