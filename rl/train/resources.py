"""How a run shares the machine's cores between self-play and learning.

On few cores, each has a worker at low priority and a thread of the learner, which has its cores whenever the ratio of
samples to positions allows it to train; the workers have all that is left. So no core idles, whichever of the two the
run waits for (docs/training.md).
"""

from __future__ import annotations

import os
from typing import NamedTuple

import torch

from rl.errors import UserError
from rl.network.model import NetworkConfig
from rl.train.config import TrainConfig

_FEW_CORES = 4
"""Up to so many, every core has a worker and a thread of the learner."""


class Resources(NamedTuple):
    """What a run uses."""

    num_cores: int
    workers: int
    learner_threads: int
    device: str

    @classmethod
    def of(cls, config: TrainConfig) -> Resources:
        """Fill in what the configuration leaves open. Raises UserError for a device that is not there."""
        cores = len(os.sched_getaffinity(0))
        asked = config.resources
        has_cuda = torch.cuda.is_available()
        if asked.device == "cuda" and not has_cuda:
            raise UserError("--device cuda: torch finds no CUDA device here")
        device = "cuda" if has_cuda and asked.device == "auto" else "cpu" if asked.device == "auto" else asked.device
        # Threads share the rows of a batch. A vector's network is too small for that to pay, and a GPU has no use for
        # it; in the deterministic mode it would be part of the result.
        alone = config.deterministic or device == "cuda" or not isinstance(config.network, NetworkConfig)
        threads = asked.learner_threads or (1 if alone else cores if cores <= _FEW_CORES else cores // 3)
        workers = asked.workers or (cores if cores <= _FEW_CORES else max(1, cores - threads))
        return cls(cores, workers, threads, device)
