"""Evaluators over a network: batches in, prior logits and values out, on the CPU or a CUDA device.

The hand-over of batches (`HandOver`) knows no device: it deals buffers so that nothing is overwritten while it may
still be read, whatever order a device finishes in. The devices know no tickets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from games.base import FloatArray, Game
from rl.errors import UserError
from rl.network.allocator import keep_freed_memory
from rl.network.folded import FloatTower, FoldedNetwork, inference_dtype
from rl.network.int8 import Int8Tower, int8_pays
from rl.network.model import Network, NetworkConfig, NetworkShape
from rl.network.scores import NetworkScores
from rl.search.evaluation import Evaluation

Precision = Literal["native", "fastest"]
"""See `TorchEvaluator`."""

MAX_OUTSTANDING = 2
"""Tickets that may be submitted and not yet collected."""

NUM_LANES = MAX_OUTSTANDING + 1
"""One more than can be outstanding: its input is written, and its old results read, while the others work."""


class Device(Protocol):
    """Evaluates batches in numbered lanes, each with an input and an output of its own."""

    def observations(self, lane: int) -> FloatArray:
        """[batch_size, C, H, W] float32: the lane's input in host memory."""
        ...

    def start(self, lane: int, num_rows: int) -> None:
        """Start evaluating the first rows of a lane's input; may return before it is done."""
        ...

    def finish(self, lane: int) -> Evaluation:
        """Wait for what was last started in a lane. The arrays stay as they are until the lane's next `start`."""
        ...

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Use other weights for what is started from now on; what was started before keeps the old ones."""
        ...


class HandOver:
    """`rl.search.evaluation.Evaluator` over any `Device` of `NUM_LANES` lanes.

    A ticket gets a lane that was not outstanding right after the submit before it. So the input of that lane is no
    longer read, and whatever was collected from it has had one further submit, this being the second.
    """

    def __init__(self, device: Device, batch_size: int, network_id: int) -> None:
        self.batch_size = batch_size
        self.network_id = network_id
        self._device = device
        self._next_ticket = 0
        self._next_lane = 0
        self._outstanding: dict[int, tuple[int, int]] = {}  # (lane, number of rows) by ticket

    def buffer(self) -> FloatArray:
        return self._device.observations(self._next_lane)

    def submit(self, num_rows: int) -> int:
        if not 1 <= num_rows <= self.batch_size:
            raise ValueError(f"{num_rows} rows submitted to an evaluator of 1 to {self.batch_size}")
        if len(self._outstanding) == MAX_OUTSTANDING:
            raise RuntimeError(f"collect a ticket first: {MAX_OUTSTANDING} are outstanding")
        self._device.start(self._next_lane, num_rows)
        ticket = self._next_ticket
        self._outstanding[ticket] = self._next_lane, num_rows
        self._next_ticket += 1
        busy = {lane for lane, _ in self._outstanding.values()}
        self._next_lane = next(lane for lane in range(NUM_LANES) if lane not in busy)
        return ticket

    def collect(self, ticket: int) -> Evaluation:
        if ticket not in self._outstanding:
            raise RuntimeError(f"ticket {ticket} is not outstanding")
        lane, num_rows = self._outstanding[ticket]
        evaluation = self._device.finish(lane)
        del self._outstanding[ticket]
        return Evaluation(evaluation.prior_logits[:num_rows], evaluation.values[:num_rows])

    def load_weights(self, state: Mapping[str, Tensor], network_id: int) -> None:
        """Evaluate with other weights (`Network.state_dict()`, or an average of some) from the next `submit` on."""
        self._device.load(state)
        self.network_id = network_id


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

    def __init__(
        self,
        shape: NetworkShape,
        config: NetworkConfig,
        state: Mapping[str, Tensor],
        batch_size: int,
        num_threads: int,
        fixed_batch: bool,
        precision: Precision,
    ) -> None:
        keep_freed_memory()
        cpu = torch.device("cpu")
        dtype = inference_dtype(cpu)
        tower = Int8Tower if precision == "fastest" and int8_pays(dtype) else FloatTower
        self._network = FoldedNetwork(shape, config, state, cpu, dtype, tower)
        self._num_threads = num_threads
        sizes = batch_sizes(batch_size, fixed_batch)
        self._padded = [next(size for size in sizes if size >= rows) for rows in range(batch_size + 1)]
        observation_shape = (shape.num_planes, shape.height, shape.width)
        self._observations = np.zeros((NUM_LANES, batch_size, *observation_shape), np.float32)
        planes = torch.ones(batch_size, shape.num_planes + 1, shape.height, shape.width, dtype=self._network.dtype)
        self._planes = planes.contiguous(memory_format=torch.channels_last)
        self._evaluations: list[Evaluation | None] = [None] * NUM_LANES

    def observations(self, lane: int) -> FloatArray:
        array: FloatArray = self._observations[lane]
        return array

    def start(self, lane: int, num_rows: int) -> None:
        if torch.get_num_threads() != self._num_threads:
            torch.set_num_threads(self._num_threads)  # a setting of the calling thread
        with torch.inference_mode():
            self._planes[:num_rows, :-1].copy_(torch.from_numpy(self._observations[lane, :num_rows]))
            logits, values = self._network(self._planes[: self._padded[num_rows]])
            self._evaluations[lane] = Evaluation(logits.numpy(), values.numpy())

    def finish(self, lane: int) -> Evaluation:
        evaluation = self._evaluations[lane]
        assert evaluation is not None
        return evaluation

    def load(self, state: Mapping[str, Tensor]) -> None:
        self._network.load(state)


class TorchEvaluator(HandOver):
    """Evaluates positions of `game` with a network's weights; the network itself is neither kept nor changed.

    `device` is "cpu" or "cuda" (or "cuda:1"). `num_threads` is for the CPU. With `fixed_batch`, every batch is padded
    to `batch_size`, so that a position's result does not depend, in its last bits, on how many others were asked with
    it. `precision` is "native", bfloat16 or float32 as the device has it, or "fastest", 8-bit integers on CPUs where
    they pay (`rl.network.int8`): meant for self-play, and only as good as the ranges that training has noted. Raises
    UserError when there is no such device.
    """

    def __init__(
        self,
        game: Game,
        network: Network,
        batch_size: int,
        *,
        device: str = "cpu",
        network_id: int = 0,
        num_threads: int = 1,
        fixed_batch: bool = False,
        precision: Precision = "native",
    ) -> None:
        shape, state = NetworkShape.of(game), network.state_dict()
        kind = device.partition(":")[0]
        evaluating: Device
        if kind == "cpu":
            evaluating = CpuDevice(shape, network.config, state, batch_size, num_threads, fixed_batch, precision)
        elif kind == "cuda" and torch.cuda.is_available():
            from rl.network.cuda import CudaDevice  # only where it can run

            evaluating = CudaDevice(shape, network.config, state, batch_size, torch.device(device), fixed_batch)
        else:
            raise UserError(f"torch has no device {device!r} here that networks are evaluated on: try cpu")
        super().__init__(evaluating, batch_size, network_id)
        self.score_reader = NetworkScores(network) if network.config.score_heads else None
        """Foretells scores with the same weights; None where the network has not learnt to."""

    def load_weights(self, state: Mapping[str, Tensor], network_id: int) -> None:
        super().load_weights(state, network_id)
        if self.score_reader is not None:
            self.score_reader.load(state)
