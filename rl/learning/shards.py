"""A batch's gradient by several threads, each with a share of the rows and a core of its own.

Threads inside an operation wait for one another at the end of each, hundreds of times a step, and whoever shares a core
with another program holds up all. Shares of a batch wait once a step. Batch norm sees each share by itself, as it does
where a batch is spread over several devices.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch

from rl.learning.losses import Inputs, Losses
from rl.network.kinds import AnyNetwork

_LossesOf = Callable[[AnyNetwork, Inputs], Losses]


class Shards:
    """The network that learns, and one replica of it for each further thread: weights are shared, gradients are not.

    Statistics that a network keeps of its features are those of its own rows; the replicas' are of no use.
    """

    def __init__(self, network: AnyNetwork, num_threads: int) -> None:
        self._network = network
        self._replicas = [copy.deepcopy(network).train() for _ in range(num_threads - 1)]
        for replica in self._replicas:
            for own, shared in zip(replica.parameters(), network.parameters(), strict=True):
                own.data = shared.data
        # Each new thread would otherwise split every operation over all cores.
        self._pool = ThreadPoolExecutor(max(1, num_threads - 1), "shard", torch.set_num_threads, (1,))

    def add_gradients(self, inputs: Inputs, losses_of: _LossesOf) -> Losses:
        """Add the gradient of the batch's mean loss to the network's; returns the losses of all rows.

        `losses_of` is called in several threads at once, each time with another network.
        """
        num_rows = len(inputs.observations)
        networks = [self._network, *self._replicas][:num_rows]
        bounds = [num_rows * index // len(networks) for index in range(len(networks) + 1)]

        def learn(index: int) -> Losses:
            first, last = bounds[index], bounds[index + 1]
            losses = losses_of(networks[index], rows(inputs, first, last))
            (losses.total * ((last - first) / num_rows)).backward()  # type: ignore[no-untyped-call]
            return losses

        waiting = [self._pool.submit(learn, index) for index in range(1, len(networks))]
        found = [learn(0), *(future.result() for future in waiting)]
        for replica in self._replicas[: len(waiting)]:
            self._take_gradients(replica)
        shares = [(last - first) / num_rows for first, last in pairwise(bounds)]
        return mean_losses(found, shares)

    def _take_gradients(self, replica: AnyNetwork) -> None:
        """Move a replica's gradients onto the network's."""
        sums, parts = [], []
        for shared, own in zip(self._network.parameters(), replica.parameters(), strict=True):
            if own.grad is None:
                continue
            if shared.grad is None:
                shared.grad = own.grad
            else:
                sums.append(shared.grad)
                parts.append(own.grad)
            own.grad = None
        torch._foreach_add_(sums, parts)


def rows(inputs: Inputs, first: int, last: int) -> Inputs:
    """A part of a batch, as views."""
    return Inputs(*(None if tensor is None else tensor[first:last] for tensor in inputs))  # type: ignore[arg-type]


def mean_losses(parts: list[Losses], shares: list[float]) -> Losses:
    """The losses of a batch, detached, from those of its parts, which are `shares` of its rows."""

    def mean(values: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack([value.detach() * share for value, share in zip(values, shares, strict=True)]).sum(0)

    scalars = {name: mean([part.scalars[name] for part in parts]) for name in parts[0].scalars}
    scores = [part.scores for part in parts if part.scores is not None]
    return Losses(mean([part.total for part in parts]), scalars, torch.cat(scores, 1) if scores else None)
