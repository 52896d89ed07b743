"""Evaluating on the CPU with PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from games.base import FloatArray
from rl.network.allocator import keep_freed_memory
from rl.network.device import NUM_LANES, Workload
from rl.network.folded import FloatTower, FoldedNetwork
from rl.network.int8 import Int8Tower, int8_pays
from rl.search.evaluation import Evaluation

_CPU = torch.device("cpu")


def batch_sizes(batch_size: int, fixed_batch: bool) -> tuple[int, ...]:
    """The numbers of rows that are really evaluated, ascending; a batch is padded to the next one.

    Few, since a library prepares each size anew; close together, since padding costs as much as rows.
    """
    if fixed_batch:
        return (batch_size,)
    step = max(1, -(-batch_size // 16))
    return tuple(sorted({1, *range(step, batch_size, step), batch_size}))


class CpuDevice:
    """Evaluates within `start`: the calling thread computes, and other threads run meanwhile (torch drops the GIL)."""

    def __init__(self, workload: Workload, state: Mapping[str, Tensor]) -> None:
        keep_freed_memory()
        shape, batch_size = workload.shape, workload.batch_size
        dtype = workload.dtype
        int8 = workload.precision == "fastest" and int8_pays(dtype)
        self.description = f"PyTorch, {'8-bit integers' if int8 else str(dtype).removeprefix('torch.')}"
        tower = Int8Tower if int8 else FloatTower
        self._network = FoldedNetwork(shape, workload.config, state, _CPU, dtype, tower)
        self._num_threads = workload.num_threads
        sizes = batch_sizes(batch_size, workload.fixed_batch)
        self._padded = [next(size for size in sizes if size >= rows) for rows in range(batch_size + 1)]
        self._observations = torch.zeros(NUM_LANES, batch_size, shape.num_planes, shape.height, shape.width)
        self._seen = self._observations.permute(0, 1, 3, 4, 2)
        # As the network reads them, channels last and with its mask plane.
        inputs = torch.ones(batch_size, shape.height, shape.width, shape.num_planes + 1, dtype=dtype)
        self._inputs, self._observed = inputs.permute(0, 3, 1, 2), inputs[..., :-1]
        self._evaluations: list[Evaluation | None] = [None] * NUM_LANES

    def observations(self, lane: int) -> FloatArray:
        planes: FloatArray = self._observations[lane].numpy()
        return planes

    def start(self, lane: int, num_rows: int) -> None:
        if torch.get_num_threads() != self._num_threads:
            torch.set_num_threads(self._num_threads)  # a setting of the calling thread
        with torch.inference_mode():
            padded = self._padded[num_rows]
            self._observed[:padded].copy_(self._seen[lane, :padded])
            logits, values = self._network(self._inputs[:padded])
            self._evaluations[lane] = Evaluation(logits.numpy(), values.numpy())

    def finish(self, lane: int) -> Evaluation:
        evaluation = self._evaluations[lane]
        assert evaluation is not None
        return evaluation

    def load(self, state: Mapping[str, Tensor]) -> None:
        self._network.load(state)
