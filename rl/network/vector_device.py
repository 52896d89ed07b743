"""Evaluating a vector network in play: a few matrix products, in bfloat16 where that is faster."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from games.base import FloatArray
from rl.network.cpu import batch_sizes
from rl.network.device import NUM_LANES
from rl.network.precision import native_dtype
from rl.network.vector import ValueBins, VectorConfig, VectorShape, bounded_policy, scaled
from rl.search.evaluation import Evaluation


class VectorDevice:
    """`rl.network.device.Device` for a `VectorNetwork`. Evaluates within `start`.

    The hidden layers compute in `dtype`, the heads in float32: neighbouring actions differ by little.
    """

    def __init__(
        self,
        shape: VectorShape,
        config: VectorConfig,
        state: Mapping[str, Tensor],
        batch_size: int,
        device: torch.device,
        *,
        num_threads: int = 1,
        fixed_batch: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        self._device, self._config = device, config
        self._dtype = native_dtype(device) if dtype is None else dtype
        self.description = f"PyTorch, {str(self._dtype).removeprefix('torch.')}"
        self._num_threads = num_threads
        self._bins = ValueBins(shape, config, device)
        self._policy_size = 2 * shape.action_size
        sizes = batch_sizes(batch_size, fixed_batch)
        self._padded = [next(size for size in sizes if size >= rows) for rows in range(batch_size + 1)]
        self._inputs = torch.zeros(NUM_LANES, batch_size, shape.num_features)
        self._evaluations: list[Evaluation | None] = [None] * NUM_LANES
        self.load(state)

    def observations(self, lane: int) -> FloatArray:
        seen: FloatArray = self._inputs[lane, :, :, None, None].numpy()
        return seen

    def start(self, lane: int, num_rows: int) -> None:
        if torch.get_num_threads() != self._num_threads:
            torch.set_num_threads(self._num_threads)  # a setting of the calling thread
        with torch.inference_mode():
            outputs, values = self.evaluate(self._inputs[lane, : self._padded[num_rows]].to(self._device))
            self._evaluations[lane] = Evaluation(outputs.cpu().numpy(), values.cpu().numpy())

    def finish(self, lane: int) -> Evaluation:
        evaluation = self._evaluations[lane]
        assert evaluation is not None
        return evaluation

    def load(self, state: Mapping[str, Tensor]) -> None:
        def taken(*names: str, dtype: torch.dtype) -> tuple[Tensor, ...]:
            return tuple(state[name].detach().to(self._device, dtype, copy=True) for name in names)

        names = ("scale.mean", "scale.variance")
        self._scale = taken(*names, dtype=torch.float32) if self._config.normalised else None
        self._layers = [
            taken(
                f"hidden.{layer}.weight",
                f"hidden.{layer}.bias",
                f"norms.{layer}.weight",
                f"norms.{layer}.bias",
                dtype=self._dtype,
            )
            for layer in range(self._config.layers)
        ]
        policy, policy_bias, value, value_bias = taken(
            "policy.weight", "policy.bias", "value.weight", "value.bias", dtype=torch.float32
        )
        self._heads = torch.cat((policy, value)), torch.cat((policy_bias, value_bias))

    def evaluate(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """(policy outputs [n, 2 * D], values [n]), float32, of `observations` [n, O], all three on the device. In lanes
        or out of them; call it under `torch.inference_mode()`."""
        features = (observations if self._scale is None else scaled(observations, *self._scale)).to(self._dtype)
        for weight, bias, scale, shift in self._layers:
            features = functional.linear(features, weight, bias)
            features = torch.relu_(functional.layer_norm(features, scale.shape, scale, shift))
        heads = functional.linear(features.float(), *self._heads)
        policy, value_logits = heads[:, : self._policy_size], heads[:, self._policy_size :]
        return bounded_policy(policy), self._bins.values(value_logits)
