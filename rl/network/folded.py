"""The network as it is evaluated in play: batch norm folded into convolutions, low precision, as few passes as can be.

Activations are channels-last. `FloatTower` here computes the convolutions in bfloat16 or float32, `int8` in 8-bit
integers; the small layers of the heads are always in float32. On CPUs a convolution is one oneDNN call that also adds
the bias and the residual and applies the ReLU, where the installed torch offers that; elsewhere, and on CUDA, it is
PyTorch's own operations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from rl.network.model import NetworkConfig, NetworkShape, fold_batch_norm, fold_pooling, value_of


@dataclass(frozen=True)
class FoldedWeights:
    """A Network's weights with batch norm and board size folded in. Shares no memory with the Network's."""

    convolutions: dict[str, tuple[Tensor, Tensor]]
    """Weight [out, in, k, k] and bias [out] by name: "stem", "blocks.0.first", ..., "head"."""
    linear: dict[str, Tensor]
    """Weights and biases of the linear layers, float32."""
    ceilings: dict[str, Tensor]
    """The largest feature to expect, by the name of its `Rectifier`."""
    board: tuple[int, int]
    """(height, width)."""

    @classmethod
    def of(cls, state: Mapping[str, Tensor], shape: NetworkShape, device: torch.device) -> FoldedWeights:
        """Fold `Network.state_dict()` for boards of `shape`."""
        state = {name: tensor.detach().to(device) for name, tensor in state.items()}
        names = [name.removesuffix(".convolution.weight") for name in state if name.endswith(".convolution.weight")]
        ceilings = {name.removesuffix(".ceiling"): state.pop(name) for name in list(state) if name.endswith(".ceiling")}
        inside = tuple(f"{name}." for name in names)
        linear = {name: tensor.float().clone() for name, tensor in state.items() if not name.startswith(inside)}
        area = torch.full((1, 1), float(shape.height * shape.width), device=device)
        for name in linear:
            if name.endswith("pooling.weight"):
                linear[name] = fold_pooling(linear[name], area)
        convolutions = {name: fold_batch_norm(state, name) for name in names}
        return cls(convolutions, linear, ceilings, (shape.height, shape.width))


class LinearLayers:
    """The linear layers, in float32: they are small, and logits keep their precision."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors

    def replace(self, tensors: Mapping[str, Tensor]) -> None:
        """Other weights, in the same places: a CUDA graph reads them there."""
        for name, tensor in tensors.items():
            self._tensors[name].copy_(tensor)

    def apply(self, name: str, features: Tensor) -> Tensor:
        """Layer `name` of `features` [..., in]."""
        return functional.linear(features, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])


class Tower(Protocol):
    """All convolutions of the network."""

    def replace(self, weights: FoldedWeights) -> None:
        """Other weights of the same shapes."""
        ...

    def __call__(self, planes: Tensor) -> Tensor:
        """Rectified features of the head [n, channels, H, W], of `planes` [n, C + 1, H, W]; both channels-last."""
        ...


TowerClass = Callable[[NetworkConfig, FoldedWeights, LinearLayers, torch.device, torch.dtype], Tower]


NO_SUCH_OPERATION = (RuntimeError, AttributeError, TypeError)
"""What a private operation of torch raises that is not for this processor, has gone, or takes other arguments: any
release may change it, and then the public operations serve, more slowly."""


_LIKELY_ROWS = 16
"""For how many positions weights are laid out."""


@functools.cache
def _has_fused_convolutions(dtype: torch.dtype) -> bool:
    """Whether torch's private oneDNN operations are there and right: they may change with any release."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 16, 3, 3, generator=generator).to(dtype).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(16, 16, 3, 3, generator=generator) / 12, torch.randn(16, generator=generator)
    plain = _PlainConvolution(weight, bias, dtype)
    try:
        fused = _FusedConvolution(weight, bias, dtype, (3, 3))
        pairs = [(fused(features), plain(features)), (fused(features, features * 1), plain(features, features * 1))]
    except NO_SUCH_OPERATION:
        return False
    return all(torch.allclose(one.float(), other.float(), atol=0.05, rtol=0.05) for one, other in pairs)


def laid_out(weight: Tensor, board: tuple[int, int]) -> Tensor:
    """A convolution's weight [out, in, k, k] in the layout oneDNN wants for features [n, in, *board].

    Which one that is depends on the processor and the board, hardly on n. With another layout it gives the same, but
    lays all weights out anew in each call: with AVX2 a network took 13 times as long for a single position.
    """
    ones, padding = [1, 1], [weight.shape[-1] // 2] * 2
    features = [_LIKELY_ROWS, weight.shape[1], *board]
    result: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, ones, ones, 1, features)
    return result


class _PlainConvolution:
    """relu(conv(x) + bias (+ residual)), in PyTorch's public operations. Weights keep their place when replaced."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias = bias.to(dtype)

    def replace(self, weight: Tensor, bias: Tensor) -> None:
        self.weight.copy_(weight)
        self.bias.copy_(bias)

    def __call__(self, features: Tensor, residual: Tensor | None = None) -> Tensor:
        """`residual`, when given, is overwritten with the result."""
        convolved = functional.conv2d(features, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        return torch.relu_(convolved) if residual is None else torch.relu_(residual.add_(convolved))


class _FusedConvolution:
    """The same in one oneDNN call, with weights in the layout oneDNN wants on a board."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, board: tuple[int, int]) -> None:
        self._dtype, self._board = dtype, board
        self._padding = [weight.shape[-1] // 2] * 2
        self.replace(weight, bias)

    def replace(self, weight: Tensor, bias: Tensor) -> None:
        self._weight = laid_out(weight.to(self._dtype), self._board)
        self._bias = bias.to(self._dtype)

    def __call__(self, features: Tensor, residual: Tensor | None = None) -> Tensor:
        """`residual`, when given, is overwritten with the result."""
        convolution = (features, self._weight, self._bias, self._padding, [1, 1], [1, 1], 1)
        result: Tensor
        if residual is None:
            result = torch.ops.mkldnn._convolution_pointwise(*convolution, "relu", [], "")
        else:
            result = torch.ops.mkldnn._convolution_pointwise_(residual, *convolution, "add", 1.0, "relu", [], "")
        return result


class FloatTower:
    """The convolutions in bfloat16 or float32."""

    def __init__(
        self,
        config: NetworkConfig,
        weights: FoldedWeights,
        linear: LinearLayers,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._config, self._linear, self._dtype = config, linear, dtype
        fused = device.type == "cpu" and _has_fused_convolutions(dtype)
        self._convolutions = {
            name: _FusedConvolution(weight, bias, dtype, weights.board)
            if fused
            else _PlainConvolution(weight, bias, dtype)
            for name, (weight, bias) in weights.convolutions.items()
        }

    def replace(self, weights: FoldedWeights) -> None:
        for name, (weight, bias) in weights.convolutions.items():
            self._convolutions[name].replace(weight, bias)

    def __call__(self, planes: Tensor) -> Tensor:
        features = self._convolutions["stem"](planes)
        for block in range(self._config.blocks):
            inner = self._convolutions[f"blocks.{block}.first"](features)
            if self._config.pools(block):
                bias = self._linear.apply(f"blocks.{block}.pooling", sums_and_maxima(cells_first(inner)))
                features += bias.to(self._dtype)[:, :, None, None]
            features = self._convolutions[f"blocks.{block}.second"](inner, features)
        return self._convolutions["head"](features)


class FoldedNetwork:
    """What a Network computes in evaluation on a board that fills its canvas, for one game's shape.

    Call it under `torch.inference_mode()`. The weights may come from a network trained on another canvas.
    """

    def __init__(
        self,
        shape: NetworkShape,
        config: NetworkConfig,
        state: Mapping[str, Tensor],
        device: torch.device,
        dtype: torch.dtype,
        tower: TowerClass = FloatTower,
    ) -> None:
        """`dtype` is that of the planes, and of the features where the tower has no other for them."""
        self.dtype = dtype
        self._shape, self._num_policy, self._device = shape, config.policy_channels, device
        weights = FoldedWeights.of(state, shape, device)
        self._linear = LinearLayers(weights.linear)
        self._tower = tower(config, weights, self._linear, device, dtype)
        cells, action_index = _cells_and_index(shape)
        self._cells, self._action_index = cells.to(device), action_index.to(device)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the weights of a Network of the same configuration; the tensors of a CUDA graph stay in place."""
        weights = FoldedWeights.of(state, self._shape, self._device)
        self._tower.replace(weights)
        self._linear.replace(weights.linear)

    def __call__(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """(policy logits [n, num_actions], values [n]), float32, of `planes` [n, C + 1, H, W], the last one all ones.

        The planes are channels-last and of `dtype`.
        """
        head = cells_first(self._tower(planes))
        pooled = self._linear.apply("head_pooling", sums_and_maxima(head))
        hidden = torch.relu(pooled[:, self._num_policy :])
        policy = head.index_select(1, self._cells)[:, :, : self._num_policy].float()
        policy.add_(pooled[:, None, : self._num_policy]).relu_()
        logits = self._linear.apply("policy_planes", policy).flatten(1)
        if self._shape.num_extra_actions:
            logits = torch.cat((logits, self._linear.apply("extra_actions", hidden)), 1)
        return logits.index_select(1, self._action_index), value_of(self._linear.apply("outcomes", hidden))


def cells_first(features: Tensor) -> Tensor:
    """[n, H * W, channels], a view, from channels-last `features` [n, channels, H, W]."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def sums_and_maxima(features: Tensor) -> Tensor:
    """[n, 2 * channels] float32 of `features` [n, H * W, channels]: what `fold_pooling` leaves to compute."""
    return torch.cat((features.sum(1), features.amax(1)), 1).float()


def _cells_and_index(shape: NetworkShape) -> tuple[Tensor, Tensor]:
    """The cells that actions are read at [K], and where each action lies in logits of [K, plane], extras after them."""
    cells = sorted({row * shape.width + column for plane, row, column in shape.action_cells if plane >= 0})
    place = {cell: index for index, cell in enumerate(cells)}
    extras, planes = len(cells) * shape.num_policy_planes, shape.num_policy_planes
    index = [
        extras + row if plane < 0 else place[row * shape.width + column] * planes + plane
        for plane, row, column in shape.action_cells
    ]
    return torch.tensor(cells), torch.tensor(index)
