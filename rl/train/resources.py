"""How a run shares the machine's cores between self-play and learning.

Measured on 2 cores (docs/training.md): self-play workers as many as cores, at low priority, beside a learner of one
thread. The learner gets a core whenever the ratio of samples to positions allows it to train, and the workers all
that is left, so no core idles.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import torch

from rl.errors import UserError
from rl.train.config import ResourcesConfig

_FEW_CORES = 4
"""Up to so many, the learner has one thread and every core a worker."""


class Resources(NamedTuple):
    """What a run uses."""

    num_cores: int
    workers: int
    learner_threads: int
    device: str

    @classmethod
    def of(cls, config: ResourcesConfig, *, deterministic: bool) -> Resources:
        """Fill in what the configuration leaves open. Raises UserError for a device that is not there."""
        cores = len(os.sched_getaffinity(0))
        spare = 1 if cores <= _FEW_CORES else cores // 3
        threads = config.learner_threads or (1 if deterministic else spare)
        workers = config.workers or (cores if cores <= _FEW_CORES else cores - threads)
        has_cuda = torch.cuda.is_available()
        if config.device == "cuda" and not has_cuda:
            raise UserError("--device cuda: torch finds no CUDA device here")
        device = "cuda" if has_cuda and config.device == "auto" else "cpu" if config.device == "auto" else config.device
        return cls(cores, workers, threads, device)
