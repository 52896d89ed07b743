"""Evaluators over a network: batches in, prior logits and values out, on the CPU or a CUDA device.

The hand-over of batches (`HandOver`) knows no device: it deals buffers so that nothing is overwritten while it may
still be read, whatever order a device finishes in. The devices know no tickets.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from games.base import FloatArray, Game
from rl.errors import UserError
from rl.network.choice import Backend, cpu_device
from rl.network.device import MAX_OUTSTANDING, NUM_LANES, Device, Precision, Workload
from rl.network.kinds import AnyNetwork
from rl.network.model import Network, NetworkShape
from rl.network.scores import NetworkScores
from rl.network.vector import VectorNetwork
from rl.network.vector_device import VectorDevice
from rl.search.evaluation import Evaluation


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


class NetworkEvaluator(HandOver):
    """Evaluates positions of `game` with a network's weights; the network itself is neither kept nor changed.

    `device` is "cpu" or "cuda" (or "cuda:1"). `num_threads`, `precision` and `backend` are for the CPU, see `Workload`
    and `Backend`. With `fixed_batch`, every batch is padded to `batch_size`, so that a position's result does not
    depend, in its last bits, on how many others were asked with it. Raises UserError when there is no such device, or
    the back end asked for is not installed.
    """

    def __init__(
        self,
        game: Game,
        network: AnyNetwork,
        batch_size: int,
        *,
        device: str = "cpu",
        network_id: int = 0,
        num_threads: int = 1,
        fixed_batch: bool = False,
        precision: Precision = "native",
        backend: Backend = "torch",
    ) -> None:
        kind = device.partition(":")[0]
        if kind != "cpu" and not (kind == "cuda" and torch.cuda.is_available()):
            raise UserError(f"torch has no device {device!r} here that networks are evaluated on: try cpu")
        state = network.state_dict()
        evaluating: Device
        if isinstance(network, VectorNetwork):
            dtype = torch.float32 if precision == "float32" else None
            evaluating = VectorDevice(
                network.shape,
                network.config,
                state,
                batch_size,
                torch.device(device),
                num_threads=num_threads,
                fixed_batch=fixed_batch,
                dtype=dtype,
            )
        elif kind == "cpu":
            shape = NetworkShape.of(game)
            workload = Workload(shape, network.config, batch_size, num_threads, fixed_batch, precision)
            evaluating = cpu_device(workload, state, backend)
        else:
            from rl.network.cuda import CudaDevice  # only where it can run

            shape = NetworkShape.of(game)
            evaluating = CudaDevice(shape, network.config, state, batch_size, torch.device(device), fixed_batch)
        super().__init__(evaluating, batch_size, network_id)
        self.description = evaluating.description
        """Library and arithmetic, for people."""
        self.score_reader: NetworkScores | None = None
        """Foretells scores with the same weights; None where the network has not learnt to."""
        if isinstance(network, Network) and network.config.score_heads:
            self.score_reader = NetworkScores(network)

    def load_weights(self, state: Mapping[str, Tensor], network_id: int) -> None:
        super().load_weights(state, network_id)
        if self.score_reader is not None:
            self.score_reader.load(state)
