"""The policy/value network: a residual tower with global pooling and convolutional heads, for any game's shapes.

Nothing in the weights depends on the size of the board: heads are convolutions and pooled features, logits are read
at `Game.action_cells()`, and a mask plane says which cells of the canvas are the board. So one set of weights plays
several board sizes, on canvases or on boards of their own.

Global pooling and the board-size scaling follow KataGo (Wu 2019, arXiv 1902.10565, section 3.3 and appendix A); the
tower is AlphaGo Zero's (Silver et al. 2017) with each block's pooled features added to what leaves the block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from games.base import Game
from rl.errors import UserError

NUM_OUTCOMES = 3
"""Win, draw, loss for the player to move: the order of `NetworkOutput.value_logits`."""

SCORE_UNIT = 20.0
"""Points in what the network calls a lead of 1, so that leads are numbers of the size of 1."""

_FIRST_CEILING = 4.0
"""Largest rectified feature expected before training: batch norm makes them normal with deviation 1."""

_CEILING_MOMENTUM = 0.05
"""Share of the newest batch in the moving average of the largest features."""


@dataclass(frozen=True)
class NetworkConfig:
    """The size of the network. The defaults suit Connect Four on a CPU."""

    blocks: int = 5
    """Residual blocks of two 3x3 convolutions."""
    channels: int = 64
    """Channels of the tower. Multiples of 32 are fastest."""
    policy_channels: int = 32
    """Channels of the policy head."""
    value_channels: int = 32
    """Channels that the value head pools, besides the policy's."""
    value_hidden: int = 64
    """Width of the value head's hidden layer."""
    pooling_interval: int = 3
    """Every so many blocks, one adds pooled features to all cells (KataGo has them in about every third)."""
    score_heads: bool = False
    """Whether it also predicts who will own each cell and by how much: for games that are scored (KataGo, Wu 2019,
    section 4.1: they tell which parts of the board the outcome came from)."""
    soft_policy_head: bool = False
    """Whether a second policy learns the search's policy ** (1/4), for what the best move drowns (KataGoMethods)."""
    reply_head: bool = False
    """Whether it also predicts the search's policy at the next ply (the opponent's reply; Wu 2019, section 3.4)."""
    short_value_head: bool = False
    """Whether it also predicts what the searches of the next few plies will hold of the position (KataGoMethods)."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not name.endswith(("score_heads", "_head")) and value < 1:
                raise UserError(f"the network's {name} is {value}; it must be at least 1")

    def pools(self, block: int) -> bool:
        """Whether block number `block`, from 0, has global pooling."""
        return block % self.pooling_interval == self.pooling_interval - 1


@dataclass(frozen=True)
class NetworkShape:
    """What a network must know of a game: the shapes of its observations and actions."""

    num_planes: int
    """C of the observations."""
    height: int
    width: int
    num_policy_planes: int
    num_extra_actions: int
    action_cells: tuple[tuple[int, int, int], ...]
    """[num_actions] of (plane, row, column): where each action's logit is read; (-1, i, 0) is extra action i."""

    @classmethod
    def of(cls, game: Game) -> NetworkShape:
        """The shape of `game`."""
        num_planes, height, width = game.observation_shape
        cells = tuple((int(plane), int(row), int(column)) for plane, row, column in game.action_cells())
        return cls(num_planes, height, width, game.num_policy_planes, game.num_extra_actions, cells)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> NetworkShape:
        """The shape whose fields a file holds. Raises TypeError where they are others."""
        cells = tuple((int(plane), int(row), int(column)) for plane, row, column in fields["action_cells"])
        return cls(**{**fields, "action_cells": cells})

    def serves(self, other: NetworkShape) -> bool:
        """Whether a network of this shape plays another game of the family, of the shape `other`: the board, and where
        its actions are read, may differ; planes and extra actions are in the weights."""
        return replace(self, height=other.height, width=other.width, action_cells=other.action_cells) == other

    @property
    def num_actions(self) -> int:
        return len(self.action_cells)

    def action_index(self) -> Tensor:
        """[num_actions] int64: where each action lies in flattened [plane, row, column] with the extras after them."""
        cells = self.height * self.width
        return torch.tensor(
            [
                self.num_policy_planes * cells + row if plane < 0 else plane * cells + row * self.width + column
                for plane, row, column in self.action_cells
            ]
        )


class ScorePrediction(NamedTuple):
    """How n positions will be counted at the end, for the player to move."""

    ownership_logits: Tensor
    """[n, H, W]: of the cell being its own against being the opponent's; 2 * sigmoid - 1 is the expectation of 1 for
    its own, -1 for the opponent's, 0 for neither. Beside the board they mean nothing."""
    lead: Tensor
    """[n]: by how many times SCORE_UNIT points it will lead, komi counted."""


class AuxiliaryPrediction(NamedTuple):
    """What n positions are asked in training alone, to teach the tower. None: there is no such head."""

    soft_policy_logits: Tensor | None
    """[n, num_actions], illegal actions not masked."""
    reply_logits: Tensor | None
    """[n, num_actions] of the next ply's actions, as its player to move names them."""
    short_value: Tensor | None
    """[n] in [-1, 1], for the player to move."""


class NetworkOutput(NamedTuple):
    """What the network says of n positions."""

    policy_logits: Tensor
    """[n, num_actions], illegal actions not masked."""
    value_logits: Tensor
    """[n, 3] of win, draw, loss for the player to move."""
    score: ScorePrediction | None = None
    """None without score heads."""
    auxiliary: AuxiliaryPrediction = AuxiliaryPrediction(None, None, None)


def value_of(value_logits: Tensor) -> Tensor:
    """[n] P(win) - P(loss) in [-1, 1], from `value_logits` [n, 3]."""
    outcome = value_logits.float().softmax(1)
    return outcome[:, 0] - outcome[:, 2]


def pool_board(features: Tensor, area: Tensor) -> Tensor:
    """[n, 3 * channels] from `features` [n, channels, H, W], which must be at least 0, and 0 off the board.

    Their mean over the board of `area` cells ([n, 1] or [1, 1]), that mean scaled by the board's width, and their
    maximum. KataGo, appendix A.1: the scale is (width - 14) / 10, its boards being 9 to 19 wide.
    """
    mean = features.sum((2, 3)) / area
    return torch.cat((mean, mean * _width_scale(area), features.amax((2, 3))), 1)


def fold_pooling(weight: Tensor, area: Tensor) -> Tensor:
    """[out, 2 * channels] for sums and maxima, of `weight` [out, 3 * channels] for `pool_board`; `area` is [1, 1]."""
    mean, scaled_mean, maximum = weight.chunk(3, 1)
    return torch.cat(((mean + scaled_mean * _width_scale(area)) / area, maximum), 1)


def _width_scale(area: Tensor) -> Tensor:
    return (area.sqrt() - 14.0) / 10.0


class MaskedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics count only the cells where `mask` [n, 1, H, W] is 1."""

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None or not self.training:
            return super().forward(input)
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        features = input.float()
        count = mask.sum()
        mean = (features * mask).sum((0, 2, 3)) / count
        centred = features - mean[:, None, None]
        variance = (centred.square() * mask).sum((0, 2, 3)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)


class NormedConvolution(nn.Module):
    """A convolution that keeps the board's size, then batch norm. `fold_batch_norm` makes one convolution of it."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm = MaskedBatchNorm(out_channels)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")

    def forward(self, features: Tensor, mask: Tensor | None) -> Tensor:
        normed: Tensor = self.norm(self.convolution(features), mask)
        return normed


class Rectifier(nn.Module):
    """ReLU, and zero off the board, as a board of its own size is surrounded by the zeros of padding.

    In training it also notes how large the features get, which is the range that play in 8-bit numbers spans.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ceiling", torch.tensor(_FIRST_CEILING))

    def forward(self, features: Tensor, mask: Tensor | None) -> Tensor:
        rectified = functional.relu(features)
        if mask is not None:
            rectified = rectified * mask
        if self.training:
            assert isinstance(self.ceiling, Tensor)
            with torch.no_grad():
                self.ceiling.lerp_(rectified.amax().to(self.ceiling.dtype), _CEILING_MOMENTUM)
        return rectified


class ResidualBlock(nn.Module):
    """relu(x + norm(conv(y)) [+ linear(pooled y)]) with y = relu(norm(conv(x)))."""

    def __init__(self, channels: int, pools: bool) -> None:
        super().__init__()
        self.first = NormedConvolution(channels, channels, 3)
        self.second = NormedConvolution(channels, channels, 3)
        self.rectify_inner, self.rectify_outer = Rectifier(), Rectifier()
        nn.init.zeros_(self.second.norm.weight)  # a block starts as the identity
        self.pooling = nn.Linear(3 * channels, channels) if pools else None
        if self.pooling is not None:
            nn.init.zeros_(self.pooling.weight)
            nn.init.zeros_(self.pooling.bias)

    def forward(self, features: Tensor, mask: Tensor | None, area: Tensor) -> Tensor:
        inner: Tensor = self.rectify_inner(self.first(features, mask), mask)
        outer = features + self.second(inner, mask)
        if self.pooling is not None:
            outer = outer + self.pooling(pool_board(inner, area))[:, :, None, None]
        rectified: Tensor = self.rectify_outer(outer, mask)
        return rectified


class ActionHead(nn.Module):
    """One more policy: logits of all actions, read from the features that the network's own policy is read from."""

    def __init__(self, shape: NetworkShape, config: NetworkConfig) -> None:
        super().__init__()
        extras = shape.num_extra_actions
        self.planes = nn.Linear(config.policy_channels, shape.num_policy_planes)
        self.extras = nn.Linear(config.value_hidden, extras) if extras else None

    def forward(self, policy: Tensor, hidden: Tensor, action_index: Tensor) -> Tensor:
        return _action_logits(self.planes, self.extras, policy, hidden, action_index)


def _action_logits(
    planes: nn.Linear, extras: nn.Linear | None, policy: Tensor, hidden: Tensor, action_index: Tensor
) -> Tensor:
    """[n, num_actions] of `policy` [n, policy_channels, H, W] and, for extra actions, `hidden` [n, value_hidden]."""
    logits: Tensor = planes(policy.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).flatten(1)
    if extras is not None:
        logits = torch.cat((logits, extras(hidden)), 1)
    return logits.index_select(1, action_index)


class Network(nn.Module):
    """Observations in, policy and value logits out. Rows see each other only through batch norm in training."""

    def __init__(self, shape: NetworkShape, config: NetworkConfig) -> None:
        super().__init__()
        self.shape, self.config = shape, config
        head_channels = config.policy_channels + config.value_channels
        self.stem = NormedConvolution(shape.num_planes + 1, config.channels, 3)  # the mask is a plane of the input
        self.rectify_stem, self.rectify_head = Rectifier(), Rectifier()
        self.blocks = nn.ModuleList(ResidualBlock(config.channels, config.pools(i)) for i in range(config.blocks))
        self.head = NormedConvolution(config.channels, head_channels, 1)
        # One layer reads the pooled features for both heads: the policy's bias and the value's hidden layer.
        self.head_pooling = nn.Linear(3 * head_channels, config.policy_channels + config.value_hidden)
        self.policy_planes = nn.Linear(config.policy_channels, shape.num_policy_planes)
        self.outcomes = nn.Linear(config.value_hidden, NUM_OUTCOMES)
        extras = shape.num_extra_actions
        self.extra_actions = nn.Linear(config.value_hidden, extras) if extras else None
        self.ownership = nn.Linear(config.value_channels, 1) if config.score_heads else None
        self.lead = nn.Linear(config.value_hidden, 1) if config.score_heads else None
        self.soft_policy = ActionHead(shape, config) if config.soft_policy_head else None
        self.reply = ActionHead(shape, config) if config.reply_head else None
        self.short_value = nn.Linear(config.value_hidden, 1) if config.short_value_head else None
        for layer in (self.policy_planes, self.outcomes):
            nn.init.normal_(layer.weight, std=0.01)  # starts near a uniform policy and a value of 0
            nn.init.zeros_(layer.bias)
        self.register_buffer("action_index", shape.action_index(), persistent=False)

    def forward(self, observations: Tensor, mask: Tensor | None = None) -> NetworkOutput:
        """Evaluate `observations` [n, C, H, W] float32.

        `mask` [n, 1, H, W] float32 is 1 on the board and 0 beside it; None is a board that fills the canvas, with the
        same result as all ones. What the observations hold beside the board changes nothing.
        """
        if mask is None:
            area = observations.new_full((1, 1), observations.shape[2] * observations.shape[3])
            planes = torch.cat((observations, torch.ones_like(observations[:, :1])), 1)
        else:
            area = mask.sum((2, 3))
            planes = torch.cat((observations * mask, mask), 1)
        features = self.rectify_stem(self.stem(planes, mask), mask)
        for block in self.blocks:
            features = block(features, mask, area)
        head = self.rectify_head(self.head(features, mask), mask)
        policy_bias, hidden = self.head_pooling(pool_board(head, area)).split(
            (self.config.policy_channels, self.config.value_hidden), 1
        )
        hidden = functional.relu(hidden)
        policy = functional.relu(head[:, : self.config.policy_channels] + policy_bias[:, :, None, None])
        assert isinstance(self.action_index, Tensor)
        policy_logits = _action_logits(self.policy_planes, self.extra_actions, policy, hidden, self.action_index)
        auxiliary = AuxiliaryPrediction(
            None if self.soft_policy is None else self.soft_policy(policy, hidden, self.action_index),
            None if self.reply is None else self.reply(policy, hidden, self.action_index),
            None if self.short_value is None else torch.tanh(self.short_value(hidden)[:, 0]),
        )
        score = None
        if self.ownership is not None and self.lead is not None:
            owned = self.ownership(head[:, self.config.policy_channels :].permute(0, 2, 3, 1))
            score = ScorePrediction(owned[:, :, :, 0], self.lead(hidden)[:, 0])
        return NetworkOutput(policy_logits, self.outcomes(hidden), score, auxiliary)

    def hidden_weights(self) -> list[Tensor]:
        """The weights that map features to features: of all convolutions but the first, which reads planes."""
        convolutions = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
        return [layer.weight for layer in convolutions if layer is not self.stem.convolution]


class CategoricalHead:
    """Actions that are numbers: the policy is a softmax over the legal ones.

    The policy loss is `-(weights * head.log_prob(...)).sum(-1)`; a Gaussian head over sampled actions has the same
    method, and no loss changes.
    """

    def log_prob(self, policy_logits: Tensor, legal: Tensor) -> Tensor:
        """[n, num_actions] float32 log probabilities, from logits and a mask (True = legal) of the same shape.

        Illegal actions have -1e30, not -inf, so that a weight of 0 makes a loss of 0 of them and not NaN.
        """
        return policy_logits.float().masked_fill(~legal, -1e30).log_softmax(-1)

    def log_partition(self, policy_logits: Tensor, legal: Tensor) -> Tensor:
        """[n] float32: the logarithm of what the legal actions' exponentials sum to, which no probability shows."""
        return policy_logits.float().masked_fill(~legal, -1e30).logsumexp(-1)

    def scalars(self, policy_logits: Tensor, log_priors: Tensor, legal: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """What is told of a policy, by metric name: of its `log_prob` [n, num_actions], and of the search's policy
        `weights` [n, num_actions]."""
        priors = log_priors.exp() * legal
        cross_entropy, target_entropy = -(weights * log_priors).sum(-1), torch.special.entr(weights).sum(-1)
        return {
            "policy/entropy": torch.special.entr(priors).sum(-1).mean(),
            "policy/kl_to_search": (cross_entropy - target_entropy).mean(),
            "policy/log_partition": self.log_partition(policy_logits, legal).abs().mean(),
            "policy/accuracy": (priors.argmax(1) == weights.argmax(1)).float().mean(),
        }


def fold_batch_norm(state: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """(weight, bias) of the one convolution that equals `NormedConvolution` `name` of a Network in evaluation."""
    scale = state[f"{name}.norm.weight"] * (state[f"{name}.norm.running_var"] + nn.BatchNorm2d(1).eps).rsqrt()
    bias = state[f"{name}.norm.bias"] - state[f"{name}.norm.running_mean"] * scale
    return state[f"{name}.convolution.weight"] * scale[:, None, None, None], bias
