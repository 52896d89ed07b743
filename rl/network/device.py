"""What evaluates batches of positions, whatever it runs on: the interface of every back end, and what one is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from games.base import FloatArray
from rl.network.model import NetworkConfig, NetworkShape
from rl.network.precision import native_dtype
from rl.search.evaluation import Evaluation

Precision = Literal["float32", "native", "fastest"]
"""See `Workload.precision`."""

MAX_OUTSTANDING = 2
"""Tickets that may be submitted and not yet collected."""

NUM_LANES = MAX_OUTSTANDING + 1
"""One more than can be outstanding: its input is written, and its old results read, while the others work."""


@dataclass(frozen=True)
class Workload:
    """What a CPU back end is to evaluate; all but the weights."""

    shape: NetworkShape
    config: NetworkConfig
    batch_size: int
    """The most rows of a batch."""
    num_threads: int = 1
    fixed_batch: bool = False
    """Whether a position's result may not depend, even in its last bits, on how many others are asked with it."""
    precision: Precision = "native"
    """"native", bfloat16 or float32, see `precision`; "fastest", 8-bit integers where it multiplies them, which
    is meant for self-play, and only as good as the ranges that training has noted; or "float32"."""

    @property
    def dtype(self) -> torch.dtype:
        """Of what is not in 8-bit integers."""
        return torch.float32 if self.precision == "float32" else native_dtype(torch.device("cpu"))


class Device(Protocol):
    """Evaluates batches in numbered lanes, each with an input and an output of its own."""

    description: str
    """Library and arithmetic, for people."""

    def observations(self, lane: int) -> FloatArray:
        """[batch_size, C, H, W] float32, in C order: the lane's input in host memory."""
        ...

    def start(self, lane: int, num_rows: int) -> None:
        """Start evaluating the first rows of a lane's input; may return before it is done."""
        ...

    def finish(self, lane: int) -> Evaluation:
        """Wait for what was last started in a lane, `num_rows` rows or more. The arrays stay as they are until the
        lane's next `start`."""
        ...

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Use other weights for what is started from now on; what was started before keeps the old ones."""
        ...
