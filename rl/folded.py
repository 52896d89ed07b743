"""The network as it is evaluated in play: batch norm folded into convolutions, low precision, as few passes as can be.

Activations are channels-last. On CPUs each convolution is one oneDNN call that also adds the bias and the residual
and applies the ReLU, where the installed torch offers that; elsewhere, and on CUDA, it is PyTorch's own operations.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from rl.network import NetworkConfig, NetworkShape, fold_batch_norm, fold_pooling, value_of


def inference_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on CUDA and on CPUs that multiply it in hardware, else float32 (emulated bfloat16 is slower)."""
    if device.type != "cpu":
        return torch.bfloat16
    capabilities = torch.cpu.get_capabilities()
    return torch.bfloat16 if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else torch.float32


@functools.cache
def _has_fused_convolutions(dtype: torch.dtype) -> bool:
    """Whether torch's private oneDNN operations are there and right: they may change with any release."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 16, 3, 3, generator=generator).to(dtype).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(16, 16, 3, 3, generator=generator) / 12, torch.randn(16, generator=generator)
    plain = _PlainConvolution(weight, bias, dtype)
    try:
        fused = _FusedConvolution(weight, bias, dtype)
        pairs = [(fused(features), plain(features)), (fused(features, features * 1), plain(features, features * 1))]
    except (RuntimeError, AttributeError, TypeError, NotImplementedError):
        return False
    return all(torch.allclose(one.float(), other.float(), atol=0.05, rtol=0.05) for one, other in pairs)


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
    """The same in one oneDNN call, with weights in the layout oneDNN wants."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._padding = [weight.shape[-1] // 2] * 2
        self.replace(weight, bias)

    def replace(self, weight: Tensor, bias: Tensor) -> None:
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(weight.to(self._dtype), self._padding)
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
    ) -> None:
        self.shape, self.config, self.device, self.dtype = shape, config, device, dtype
        fused = device.type == "cpu" and _has_fused_convolutions(dtype)
        convolution = _FusedConvolution if fused else _PlainConvolution
        folded, linear = self._fold(state)
        self._convolutions = {name: convolution(weight, bias, dtype) for name, (weight, bias) in folded.items()}
        self._linear = linear
        self._cells, action_index = _cells_and_index(shape)
        self._cells, self._action_index = self._cells.to(device), action_index.to(device)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the weights of a Network of the same configuration; the tensors of a CUDA graph stay in place."""
        folded, linear = self._fold(state)
        for name, (weight, bias) in folded.items():
            self._convolutions[name].replace(weight, bias)
        for name, tensor in linear.items():
            self._linear[name].copy_(tensor)

    def _fold(self, state: Mapping[str, Tensor]) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, Tensor]]:
        """Convolutions by name, and tensors of the linear layers by name; none shares memory with `state`."""
        state = {name: tensor.detach().to(self.device) for name, tensor in state.items()}
        names = [name.removesuffix(".convolution.weight") for name in state if name.endswith(".convolution.weight")]
        inside = tuple(f"{name}." for name in names)
        linear = {name: tensor.float().clone() for name, tensor in state.items() if not name.startswith(inside)}
        area = torch.full((1, 1), float(self.shape.height * self.shape.width), device=self.device)
        for name in linear:
            if name.endswith("pooling.weight"):
                linear[name] = fold_pooling(linear[name], area)
        return {name: fold_batch_norm(state, name) for name in names}, linear

    def _apply(self, name: str, features: Tensor) -> Tensor:
        """One linear layer, in float32: these are small, and logits keep their precision."""
        return functional.linear(features, self._linear[f"{name}.weight"], self._linear[f"{name}.bias"])

    def __call__(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """(policy logits [n, num_actions], values [n]), float32, of `planes` [n, C + 1, H, W], the last one all ones.

        The planes are channels-last and of `dtype`.
        """
        features = self._convolutions["stem"](planes)
        for block in range(self.config.blocks):
            inner = self._convolutions[f"blocks.{block}.first"](features)
            if self.config.pools(block):
                bias = self._apply(f"blocks.{block}.pooling", _sums_and_maxima(_cells_first(inner)))
                features += bias.to(self.dtype)[:, :, None, None]
            features = self._convolutions[f"blocks.{block}.second"](inner, features)
        return self._heads(_cells_first(self._convolutions["head"](features)))

    def _heads(self, head: Tensor) -> tuple[Tensor, Tensor]:
        """Policy logits and values from the head's features [n, H * W, channels]."""
        num_policy = self.config.policy_channels
        pooled = self._apply("head_pooling", _sums_and_maxima(head))
        hidden = torch.relu(pooled[:, num_policy:])
        policy = head.index_select(1, self._cells)[:, :, :num_policy].float()
        logits = self._apply("policy_planes", policy.add_(pooled[:, None, :num_policy]).relu_()).flatten(1)
        if self.shape.num_extra_actions:
            logits = torch.cat((logits, self._apply("extra_actions", hidden)), 1)
        return logits.index_select(1, self._action_index), value_of(self._apply("outcomes", hidden))


def _cells_first(features: Tensor) -> Tensor:
    """[n, H * W, channels], a view, from channels-last `features` [n, channels, H, W]."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def _sums_and_maxima(features: Tensor) -> Tensor:
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
