"""The network as an OpenVINO model: an optional back end for CPUs, `pip install 'keima[openvino]'`.

The whole network is one call of a compiled graph, where PyTorch makes some forty; so it is ahead most where batches
are small. A compiled model is for one number of rows and one set of weights, and takes some hundredth parts of a second
to make, so batches are cut into pieces of a few sizes (`piece_sizes`), and each is compiled when it is first needed.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from games.base import FloatArray
from rl.network.device import NUM_LANES, Workload
from rl.network.folded import FoldedWeights
from rl.network.int8 import largest_weight
from rl.search.evaluation import Evaluation

PIECES = (64, 16, 4, 1)
"""The sizes of pieces. Larger ones are no faster, smaller ones a little slower."""

_CPU = torch.device("cpu")
_CELLS = [2, 3]
"""The axes of features [n, channels, H, W] that are the board."""


@functools.cache
def runtime() -> ModuleType | None:
    """The package, or None where it is not installed or does not load.

    Importing it whole would report that to its makers over the network (`openvino.tools.ovc` does, a converter that is
    not needed here), which nobody who plays a game expects. It takes an ImportError there for "not installed".
    """
    converter = "openvino.tools.ovc"
    blocks = converter not in sys.modules
    if blocks:
        sys.modules[converter] = None  # type: ignore[assignment]  # that is how imports are refused
    try:
        import openvino
    except ImportError:
        return None
    finally:
        if blocks:
            del sys.modules[converter]
    module: ModuleType = openvino
    return module


@functools.cache
def _core() -> Any:
    """What compiles models: one for a process."""
    package = runtime()
    assert package is not None
    return package.Core()


def piece_sizes(num_rows: int) -> list[int]:
    """The pieces that `num_rows` rows, 1 at least, are evaluated in: each of `PIECES`, together as many rows or a few
    more. There are at most two different ones, unless the rows are fewer than 16."""
    smallest = max(1, max(size for size in PIECES if size <= num_rows) // 4)
    rest = -(-num_rows // smallest) * smallest
    pieces = []
    for size in PIECES:
        pieces += [size] * (rest // size)
        rest %= size
    return pieces


class OpenVinoDevice:
    """`rl.network.device.Device` on the CPU. Evaluates within `start`, without the GIL.

    Raises what OpenVINO raises (RuntimeError) where it cannot be used. `runtime` must have found it.
    """

    def __init__(self, workload: Workload, state: Mapping[str, Tensor]) -> None:
        package = runtime()
        assert package is not None
        self._package = package
        self._workload = workload
        self._int8 = workload.precision == "fastest" and largest_weight() > 0
        bfloat16 = workload.dtype == torch.bfloat16
        arithmetic = "8-bit integers" if self._int8 else "bfloat16" if bfloat16 else "float32"
        self.description = f"OpenVINO {package.__version__.partition('-')[0]}, {arithmetic}"
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": workload.num_threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # every process would take the same core
        }
        shape = workload.shape
        num_rows = sum(piece_sizes(workload.batch_size))
        self._observations = np.zeros((NUM_LANES, num_rows, shape.num_planes, shape.height, shape.width), np.float32)
        self._logits = np.zeros((NUM_LANES, num_rows, shape.num_actions), np.float32)
        self._values = np.zeros((NUM_LANES, num_rows), np.float32)
        self.load(state)

    def observations(self, lane: int) -> FloatArray:
        array: FloatArray = self._observations[lane, : self._workload.batch_size]
        return array

    def start(self, lane: int, num_rows: int) -> None:
        begun = 0
        for size in piece_sizes(self._workload.batch_size if self._workload.fixed_batch else num_rows):
            rows = slice(begun, begun + size)
            request = self._request(size)
            request.set_input_tensor(self._package.Tensor(self._observations[lane, rows], shared_memory=True))
            request.infer()
            self._logits[lane, rows] = request.get_output_tensor(0).data
            self._values[lane, rows] = request.get_output_tensor(1).data
            begun += size

    def finish(self, lane: int) -> Evaluation:
        return Evaluation(self._logits[lane], self._values[lane])

    def load(self, state: Mapping[str, Tensor]) -> None:
        self._weights = FoldedWeights.of(state, self._workload.shape, _CPU)
        self._requests: dict[int, Any] = {}

    def _request(self, size: int) -> Any:
        """What evaluates pieces of `size` rows, compiled when it is first asked for."""
        if size not in self._requests:
            model = _Model(self._workload, self._weights, self._int8, size).whole()
            self._requests[size] = _core().compile_model(model, "CPU", self._settings).create_infer_request()
        return self._requests[size]


class _Model:
    """Builds the graph of the network for one number of rows. Its methods take and give nodes of the graph.

    Of 8-bit integers OpenVINO is told by `fake_quantize`: what it rounds is what a byte of the scale can hold. The
    scales are those of `rl.network.int8`.
    """

    def __init__(self, workload: Workload, weights: FoldedWeights, int8: bool, num_rows: int) -> None:
        package = runtime()
        assert package is not None
        self._package, self._ops = package, package.opset13
        self._shape, self._config = workload.shape, workload.config
        self._weights, self._int8, self._num_rows = weights, int8, num_rows

    def whole(self) -> Any:
        """The model: observations [num_rows, C, H, W] in; policy logits [num_rows, num_actions] and values [num_rows]
        out, all float32."""
        ops, shape, num_policy = self._ops, self._shape, self._config.policy_channels
        observations = ops.parameter([self._num_rows, shape.num_planes, shape.height, shape.width], np.float32)
        head = self._tower(observations)
        pooled = self._linear("head_pooling", self._sums_and_maxima(head))
        policy = ops.add(self._channels(head, 0, num_policy), self._over_cells(self._channels(pooled, 0, num_policy)))
        hidden = ops.relu(self._channels(pooled, num_policy, num_policy + self._config.value_hidden))
        logits = [self._flat(self._last("policy_planes", ops.relu(policy)))]
        if shape.num_extra_actions:
            logits.append(self._last("extra_actions", hidden))
        every = ops.concat(logits, 1)
        index = ops.constant(shape.action_index().numpy())
        outcomes = ops.softmax(self._last("outcomes", hidden), 1)
        value = ops.reduce_sum(ops.multiply(outcomes, self._constant(np.array([[1.0, 0.0, -1.0]]))), self._axes([1]))
        return self._package.Model([ops.gather(every, index, self._axes(1)), value], [observations], "keima")

    def _tower(self, observations: Any) -> Any:
        """Rectified features of the head [num_rows, channels, H, W]."""
        ops = self._ops
        ones = self._constant(np.ones((self._num_rows, 1, self._shape.height, self._shape.width)))
        planes = ops.concat([observations, ones], 1)
        features = self._rectified(self._convolution("stem", planes, exact=True), "rectify_stem")
        for block in range(self._config.blocks):
            name = f"blocks.{block}"
            inner = self._rectified(self._convolution(f"{name}.first", features), f"{name}.rectify_inner")
            outer = ops.add(self._convolution(f"{name}.second", inner), features)
            if self._config.pools(block):
                pooled = self._linear(f"{name}.pooling", self._sums_and_maxima(inner))
                outer = ops.add(outer, self._over_cells(pooled))
            features = self._rectified(outer, f"{name}.rectify_outer")
        return ops.relu(self._convolution("head", features))

    def _convolution(self, name: str, features: Any, *, exact: bool = False) -> Any:
        """With its bias. `exact`: not in 8-bit integers; what observations span is the game's affair."""
        ops = self._ops
        weight, bias = (tensor.numpy() for tensor in self._weights.convolutions[name])
        kernel = self._constant(weight)
        if self._int8 and not exact:
            largest = np.maximum(np.abs(weight).max((1, 2, 3), keepdims=True), 1e-12)
            span = largest * 127 / largest_weight()  # of 255 levels, 127 to either side
            low, high = self._constant(-span), self._constant(span)
            kernel = ops.fake_quantize(kernel, low, high, low, high, 255)
        padding = [weight.shape[-1] // 2] * 2
        convolved = ops.convolution(features, kernel, [1, 1], padding, padding, [1, 1])
        return ops.add(convolved, self._constant(bias[None, :, None, None]))

    def _rectified(self, features: Any, name: str) -> Any:
        """ReLU, and in 8-bit integers the `Rectifier`'s range."""
        rectified = self._ops.relu(features)
        if not self._int8:
            return rectified
        # A ceiling of 0 is a network all of whose features died: any scale is right then.
        ceiling = max(float(self._weights.ceilings[name]), 1e-6)
        low, high = (self._constant(np.full((1, 1, 1, 1), end)) for end in (0.0, ceiling))
        return self._ops.fake_quantize(rectified, low, high, low, high, 256)

    def _linear(self, name: str, features: Any) -> Any:
        weight, bias = self._layer(name)
        return self._ops.add(self._ops.matmul(features, self._constant(weight), False, True), self._constant(bias))

    def _last(self, name: str, features: Any) -> Any:
        """A linear layer of `features` [n, in, ...] with few outputs, [n, out, ...], in float32.

        Products and sums, no matrix product: OpenVINO gives those in bfloat16, too coarse for logits, but leaves what
        comes after the last of them in float32.
        """
        weight, bias = self._layer(name)
        ops, over = self._ops, (-1,) + (1,) * (len(features.shape) - 2)
        rows = [ops.multiply(features, self._constant(row.reshape(over))) for row in weight]
        sums = [ops.reduce_sum(row, self._axes([1]), True) for row in rows]
        return ops.add(ops.concat(sums, 1), self._constant(bias.reshape(over)))

    def _layer(self, name: str) -> tuple[FloatArray, FloatArray]:
        weight, bias = (self._weights.linear[f"{name}.{part}"].numpy() for part in ("weight", "bias"))
        return weight, bias

    def _sums_and_maxima(self, features: Any) -> Any:
        """[n, 2 * channels]: what `model.fold_pooling` leaves to compute."""
        sums, maxima = (reduce(features, self._axes(_CELLS)) for reduce in (self._ops.reduce_sum, self._ops.reduce_max))
        return self._ops.concat([sums, maxima], 1)

    def _channels(self, features: Any, begin: int, end: int) -> Any:
        return self._ops.slice(features, *(self._axes([number]) for number in (begin, end, 1, 1)))

    def _over_cells(self, features: Any) -> Any:
        """[n, channels, 1, 1] of [n, channels]."""
        return self._ops.unsqueeze(features, self._axes(_CELLS))

    def _flat(self, planes: Any) -> Any:
        """[n, planes * H * W] of [n, planes, H, W]."""
        return self._ops.reshape(planes, self._axes([self._num_rows, -1]), False)

    def _constant(self, array: Any) -> Any:
        return self._ops.constant(np.ascontiguousarray(array, np.float32))

    def _axes(self, numbers: Any) -> Any:
        return self._ops.constant(np.asarray(numbers, np.int64))
