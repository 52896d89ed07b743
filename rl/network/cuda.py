"""Evaluating on a CUDA device: one graph a batch size and lane, and copies that run beside the computing.

A batch goes host -> device on one stream, through the network on a second, device -> host on a third. Events order
the three for each lane; between lanes only the second stream is shared, and it is that which keeps one batch's
intermediate results out of another's. Host memory is pinned, or the copies would wait for the host.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from games.base import FloatArray
from rl.network.device import NUM_LANES
from rl.network.folded import FoldedNetwork
from rl.network.model import NetworkConfig, NetworkShape
from rl.network.precision import native_dtype
from rl.search.evaluation import Evaluation

_SMALLEST_GRAPH = 16
"""Smaller batches take a GPU no less time than this one."""

_WARM_UP_RUNS = 3
"""Before capture libraries choose their kernels and allocate their workspaces, which a graph must not."""


def graph_sizes(batch_size: int, fixed_batch: bool) -> tuple[int, ...]:
    """The batch sizes that are captured, ascending: halves of `batch_size`. A batch is padded to the next one."""
    sizes = [batch_size]
    while not fixed_batch and sizes[-1] > _SMALLEST_GRAPH:
        sizes.append(-(-sizes[-1] // 2))
    return tuple(reversed(sizes))


def _event() -> torch.cuda.Event:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class _Lane:
    """Memory and events of one batch on its way. The last column of the outputs is the value."""

    def __init__(self, shape: NetworkShape, batch_size: int, device: torch.device) -> None:
        rows = (batch_size, shape.num_planes, shape.height, shape.width)
        columns = shape.num_actions + 1
        pinned = device.type == "cuda"
        self.host_inputs = torch.zeros(rows, pin_memory=pinned)
        self.inputs = torch.zeros(rows, device=device)
        self.outputs = torch.zeros(batch_size, columns, device=device)
        self.host_outputs = torch.zeros(batch_size, columns, pin_memory=pinned)
        self.uploaded, self.computed, self.downloaded = (_event() for _ in range(3))
        self.graphs: dict[int, torch.cuda.CUDAGraph] = {}


class CudaDevice:
    """`rl.network.device.Device` on one CUDA device, in bfloat16."""

    def __init__(
        self,
        shape: NetworkShape,
        config: NetworkConfig,
        state: Mapping[str, Tensor],
        batch_size: int,
        device: torch.device,
        fixed_batch: bool,
    ) -> None:
        self.description = "CUDA, bfloat16"
        self._device = device
        self._num_actions = shape.num_actions
        self._network = FoldedNetwork(shape, config, state, device, native_dtype(device))
        planes = torch.ones(
            (batch_size, shape.num_planes + 1, shape.height, shape.width), dtype=self._network.dtype, device=device
        )
        self._planes = planes.contiguous(memory_format=torch.channels_last)
        self._lanes = [_Lane(shape, batch_size, device) for _ in range(NUM_LANES)]
        self._sizes = graph_sizes(batch_size, fixed_batch)
        self._upload, self._compute, self._download = (_stream(device) for _ in range(3))
        torch.cuda.synchronize(device)
        self._capture()

    def _capture(self) -> None:
        """Record a graph for each lane and size. They share one memory pool: no two of them ever run at a time."""
        pool = torch.cuda.graph_pool_handle()
        with torch.inference_mode():
            for size in self._sizes:
                with torch.cuda.stream(self._compute):
                    for _ in range(_WARM_UP_RUNS):
                        self._evaluate(self._lanes[0], size)
                for lane in self._lanes:
                    graph = lane.graphs[size] = torch.cuda.CUDAGraph()
                    # thread_local: other threads, such as a learner's, may use the device meanwhile.
                    with torch.cuda.graph(graph, pool=pool, stream=self._compute, capture_error_mode="thread_local"):
                        self._evaluate(lane, size)
        torch.cuda.synchronize(self._device)

    def _evaluate(self, lane: _Lane, size: int) -> None:
        """What a graph does: the first `size` rows of a lane's inputs to its outputs, on the device."""
        self._planes[:size, :-1].copy_(lane.inputs[:size])
        logits, values = self._network(self._planes[:size])
        lane.outputs[:size, :-1].copy_(logits)
        lane.outputs[:size, -1].copy_(values)

    def observations(self, lane: int) -> FloatArray:
        array: FloatArray = self._lanes[lane].host_inputs.numpy()
        return array

    def start(self, lane: int, num_rows: int) -> None:
        used = self._lanes[lane]
        size = next(size for size in self._sizes if size >= num_rows)
        with torch.cuda.stream(self._upload):
            used.inputs[:num_rows].copy_(used.host_inputs[:num_rows], non_blocking=True)
        used.uploaded.record(self._upload)
        self._compute.wait_event(used.uploaded)
        with torch.cuda.stream(self._compute):
            used.graphs[size].replay()
        used.computed.record(self._compute)
        self._download.wait_event(used.computed)
        with torch.cuda.stream(self._download):
            used.host_outputs[:num_rows].copy_(used.outputs[:num_rows], non_blocking=True)
        used.downloaded.record(self._download)

    def finish(self, lane: int) -> Evaluation:
        used = self._lanes[lane]
        used.downloaded.synchronize()
        outputs = used.host_outputs.numpy()
        return Evaluation(outputs[:, : self._num_actions], outputs[:, self._num_actions])

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Written on the computing stream: graphs started before read the old weights, graphs after it the new."""
        caller = torch.cuda.current_stream(self._device)
        self._compute.wait_stream(caller)  # the weights may still be on their way there
        with torch.cuda.stream(self._compute):
            self._network.load(state)
        caller.wait_stream(self._compute)  # and must not be changed before they are read
