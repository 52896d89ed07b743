"""The tower in 8-bit integers: as good in play, and about twice as fast as bfloat16, or as float32 on CPUs with AVX2
alone.

Features are rectified, so an unsigned byte times a scale holds them; the scale spans what `model.Rectifier` saw
in training. Weights have a scale for each output channel, and are as large as the processor's sums allow
(`largest_weight`): all of them are exact. This is the quantisation of Jacob et al. 2018 (arXiv 1712.05877), with all
zero points 0. The stem reads the observations in `dtype`, since what these span is the game's affair.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from rl.network.folded import NO_SUCH_OPERATION, FoldedWeights, LinearLayers, cells_first, laid_out, sums_and_maxima
from rl.network.model import NetworkConfig

_LARGEST = 255.0
_ONES = [1, 1]


def largest_weight() -> int:
    """The largest byte that a weight may be on this CPU; 0 where it has no instructions that multiply bytes.

    With VNNI or AMX all products are summed in 32 bits. AVX2 and the first AVX-512 add two of them in 16 bits first:
    2 * 255 * 63 fits, and more might not.
    """
    capabilities = torch.cpu.get_capabilities()
    if any(capabilities.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8")):
        return 127
    return 63 if capabilities.get("avx2") else 0


@functools.cache
def int8_pays(dtype: torch.dtype) -> bool:
    """Whether this CPU multiplies bytes in hardware, and torch's private operations for it are there and right."""
    if largest_weight() == 0:
        return False
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(16, 16, 3, 3, generator=generator) / 12, torch.randn(16, generator=generator)
    features = torch.randint(0, 256, (2, 16, 3, 3), generator=generator, dtype=torch.uint8)
    features = features.contiguous(memory_format=torch.channels_last)
    planes = features.to(dtype) / _LARGEST
    scale = 3.0 / _LARGEST
    convolved = torch.conv2d(features.float() * scale, weight, bias, padding=1)
    try:
        convolution = _Int8Convolution(weight, bias, scale)
        stem = _Stem(weight, bias, scale, dtype, (3, 3))
        pairs = [
            (stem(planes).float() * scale, torch.conv2d(planes.float(), weight, bias, padding=1).relu().clamp(max=3.0)),
            (convolution(features, scale, torch.uint8).float() * scale, convolved.relu().clamp(max=3.0)),
            (convolution(features, 1.0, dtype).float(), convolved.relu()),
            (
                convolution.add(features, features.clone(), scale, scale).float() * scale,
                (convolved + features.float() * scale).relu().clamp(max=3.0),
            ),
            (
                convolution.add(features, convolved.to(dtype, copy=True), 1.0, 1.0).float(),
                (2 * convolved).relu(),
            ),
        ]
    except NO_SUCH_OPERATION:
        return False
    return all(torch.allclose(one, other, atol=0.06, rtol=0.03) for one, other in pairs)


class _Int8Convolution:
    """relu(conv(x) + bias (+ residual)) of bytes."""

    def __init__(self, weight: Tensor, bias: Tensor, input_scale: float) -> None:
        """`input_scale`: what a 1 in the input stands for."""
        self._scales = weight.abs().amax((1, 2, 3)).clamp(min=1e-12) / largest_weight()
        self._zeros = torch.zeros(len(bias), dtype=torch.int64)
        self._bias, self._input_scale = bias, input_scale
        self._padding = [weight.shape[-1] // 2] * 2
        rounded = (weight / self._scales[:, None, None, None]).round().to(torch.int8)
        self._weight = torch.ops.onednn.qconv_prepack(
            rounded, self._scales, input_scale, 0, _ONES, self._padding, _ONES, 1, None
        )

    def __call__(self, features: Tensor, scale: float, dtype: torch.dtype) -> Tensor:
        """The result in bytes of `scale`, or, with a scale of 1, in a float `dtype`."""
        result: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *self._operands(features), self._bias, *self._geometry(), scale, 0, dtype, "relu", [], ""
        )
        return result

    def add(self, features: Tensor, residual: Tensor, residual_scale: float, scale: float) -> Tensor:
        """`residual`, of bytes or floats, is overwritten with the result, which is of its dtype."""
        result: Tensor = torch.ops.onednn.qconv2d_pointwise.binary(
            *self._operands(features),
            residual,
            self._bias,
            *self._geometry(),
            scale,
            0,
            residual.dtype,
            residual_scale,
            0,
            "sum",
            1.0,
            "relu",
            [],
            "",
        )
        return result

    def _operands(self, features: Tensor) -> tuple[Tensor, float, int, Tensor, Tensor, Tensor]:
        return features, self._input_scale, 0, self._weight, self._scales, self._zeros

    def _geometry(self) -> tuple[list[int], list[int], list[int], int]:
        return _ONES, self._padding, _ONES, 1


class _Stem:
    """conv + ReLU from planes in `dtype` to bytes. The scale is in the weights; a bias of 0.5 makes cutting round."""

    def __init__(self, weight: Tensor, bias: Tensor, scale: float, dtype: torch.dtype, board: tuple[int, int]) -> None:
        self._padding = [weight.shape[-1] // 2] * 2
        self._weight = laid_out((weight / scale).to(dtype), board)
        self._bias = (bias / scale + 0.5).to(dtype)

    def __call__(self, planes: Tensor) -> Tensor:
        features: Tensor = torch.ops.mkldnn._convolution_pointwise(
            planes, self._weight, self._bias, self._padding, _ONES, _ONES, 1, "hardtanh", [0.0, _LARGEST], ""
        )
        return _to_bytes(features)


def _to_bytes(features: Tensor) -> Tensor:
    """Cut features of 0 to 255 to whole bytes, by way of int16: torch has no fast code from floats to bytes."""
    return features.to(torch.int16).to(torch.uint8)


class Int8Tower:
    """The convolutions in 8-bit integers, on the CPU. Raises what torch raises where `int8_pays` is False."""

    def __init__(
        self,
        config: NetworkConfig,
        weights: FoldedWeights,
        linear: LinearLayers,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        assert device.type == "cpu"
        self._config, self._linear, self._dtype = config, linear, dtype
        self._half = torch.tensor(0.5, dtype=dtype)
        self.replace(weights)

    def replace(self, weights: FoldedWeights) -> None:
        # A ceiling of 0 is a network all of whose features died: any scale is right then.
        scales = {name: max(float(ceiling), 1e-6) / _LARGEST for name, ceiling in weights.ceilings.items()}
        self._stem = _Stem(*weights.convolutions["stem"], scales["rectify_stem"], self._dtype, weights.board)
        input_scale = scales["rectify_stem"]
        self._blocks = []
        for block in range(self._config.blocks):
            name = f"blocks.{block}"
            inner_scale, outer_scale = scales[f"{name}.rectify_inner"], scales[f"{name}.rectify_outer"]
            first = _Int8Convolution(*weights.convolutions[f"{name}.first"], input_scale)
            second = _Int8Convolution(*weights.convolutions[f"{name}.second"], inner_scale)
            self._blocks.append((first, second, input_scale, inner_scale, outer_scale))
            input_scale = outer_scale
        self._head = _Int8Convolution(*weights.convolutions["head"], input_scale)

    def __call__(self, planes: Tensor) -> Tensor:
        features = self._stem(planes)
        for block, (first, second, input_scale, inner_scale, outer_scale) in enumerate(self._blocks):
            inner = first(features, inner_scale, torch.uint8)
            if self._config.pools(block):
                bias = self._pooled(block, inner, inner_scale)
                features = torch.add(bias[:, :, None, None], features.to(self._dtype), alpha=input_scale)
                features = second.add(inner, features, 1.0, 1.0)
                features = torch.add(self._half, features, alpha=1.0 / outer_scale)
                features = _to_bytes(features.clamp_(max=_LARGEST))
            else:
                features = second.add(inner, features, input_scale, outer_scale)
        return self._head(features, 1.0, self._dtype)

    def _pooled(self, block: int, inner: Tensor, inner_scale: float) -> Tensor:
        """[n, channels] what the block's pooling adds to every cell. It may be negative: bytes cannot hold the sum."""
        pooled = sums_and_maxima(cells_first(inner.to(self._dtype))).mul_(inner_scale)
        return self._linear.apply(f"blocks.{block}.pooling", pooled).to(self._dtype)
