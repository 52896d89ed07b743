"""Which back end evaluates on the CPU: PyTorch, which is always there, or OpenVINO where it is installed and faster.

Only measuring tells: which is ahead depends on the processor, the network, the board and the batch. Two back ends
differ in the last bits of their results, so what has to be repeatable names its back end and is never measured.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from time import perf_counter
from typing import Literal

import numpy as np
from torch import Tensor

from rl.errors import UserError
from rl.network import openvino
from rl.network.cpu import CpuDevice
from rl.network.device import Device, Workload
from rl.search.evaluation import Evaluation

Backend = Literal["torch", "openvino", "measured"]
"""What evaluates on the CPU. With "torch" the same questions have the same answers whenever they are asked on one
machine. "openvino" is an optional package. "measured" is whichever of them is faster."""

_MARGIN = 1.1
"""OpenVINO has to be so many times as fast: less is noise."""
_TOLERANCE = 0.2
"""The largest root mean square of differences, of values, and of logits in units of their deviation. 8-bit integers
differ by up to 0.06 between back ends (`keima bench evaluators`), another network's answers by 1."""
_MOST_TURNS, _FEWEST_TURNS, _SECONDS = 7, 2, 0.2

_lock = threading.Lock()
"""Two measurements at a time would disturb each other."""
_openvino_wins: dict[Workload, bool] = {}
"""What has been measured in this process."""


def cpu_device(workload: Workload, state: Mapping[str, Tensor], backend: Backend) -> Device:
    """The device of `backend` for `workload`, with the weights `state` (`Network.state_dict()`).

    Raises UserError when `backend` is "openvino" and it is not installed.
    """
    if backend == "openvino" and openvino.runtime() is None:
        raise UserError("OpenVINO is not installed here, or does not load: pip install 'keima[openvino]'")
    if backend == "openvino":
        return openvino.OpenVinoDevice(workload, state)
    return _measured(workload, state) if backend == "measured" else CpuDevice(workload, state)


def _measured(workload: Workload, state: Mapping[str, Tensor]) -> Device:
    """OpenVINO's device, if it is there and gives the same results sooner; else PyTorch's.

    Measured once in a process for each workload.
    """
    with _lock:
        standing = CpuDevice(workload, state)
        if openvino.runtime() is None or not _openvino_wins.get(workload, True):
            return standing
        try:
            rival = openvino.OpenVinoDevice(workload, state)
            if workload not in _openvino_wins:
                _openvino_wins[workload] = is_better(rival, standing, workload.batch_size)
        except RuntimeError:  # what OpenVINO raises where a processor or a release has not what the model needs
            _openvino_wins[workload] = False
        return rival if _openvino_wins[workload] else standing


def is_better(rival: Device, standing: Device, batch_size: int) -> bool:
    """Whether `rival` says what `standing` says, and clearly sooner: for as many positions in full batches as in
    batches that are an eighth full, since a search does not always fill them.

    Takes turns of one batch each, and compares the shortest times: other programs only ever make a time longer.
    """
    fills = (batch_size, -(-batch_size // 8))
    for device in (rival, standing):
        inputs = device.observations(0)
        inputs[:] = np.random.default_rng(0).random(inputs.shape) < 0.4
    # Evaluating both also prepares both.
    if not all(agree(_evaluate(rival, num_rows), _evaluate(standing, num_rows)) for num_rows in fills):
        return False
    seconds = {(device, num_rows): math.inf for num_rows in fills for device in (rival, standing)}
    begun = perf_counter()
    for turn in range(_MOST_TURNS):
        if turn >= _FEWEST_TURNS and perf_counter() - begun > _SECONDS:
            break
        for device, num_rows in seconds:
            before = perf_counter()
            _evaluate(device, num_rows)
            seconds[device, num_rows] = min(seconds[device, num_rows], perf_counter() - before)
    rival_seconds, standing_seconds = (
        sum(seconds[device, num_rows] / num_rows for num_rows in fills) for device in (rival, standing)
    )
    return _MARGIN * rival_seconds < standing_seconds


def _evaluate(device: Device, num_rows: int) -> Evaluation:
    device.start(0, num_rows)
    evaluation = device.finish(0)
    return Evaluation(evaluation.prior_logits[:num_rows], evaluation.values[:num_rows])


def agree(found: Evaluation, expected: Evaluation) -> bool:
    """Whether two back ends mean the same."""
    logits, values = found.prior_logits - expected.prior_logits, found.values - expected.values
    largest = _TOLERANCE * float(expected.prior_logits.std())
    # Written so that a NaN disagrees.
    return bool(np.sqrt(np.mean(logits**2)) <= largest and np.sqrt(np.mean(values**2)) <= _TOLERANCE)
