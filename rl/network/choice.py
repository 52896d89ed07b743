"""Which back end evaluates on the CPU: PyTorch, which is always there, or OpenVINO where it is installed and faster.

Only measuring tells: which is ahead depends on the processor, the network, the board and the batch. Two back ends
differ in the last bits of their results, so what has to be repeatable names its back end and is never measured.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from time import perf_counter, process_time
from typing import Literal

import numpy as np
from torch import Tensor

from rl.errors import UserError
from rl.network import openvino
from rl.network.cpu import CpuDevice
from rl.network.device import Device, Workload
from rl.network.timing import shortest_turns
from rl.search.evaluation import Evaluation

Backend = Literal["torch", "openvino", "measured"]
"""What evaluates on the CPU. With "torch" the same questions have the same answers whenever they are asked on one
machine. "openvino" is an optional package. "measured" is whichever of them is faster."""

_MARGIN = 1.1
"""OpenVINO has to be so many times as fast: less is noise."""
_TOLERANCE = 0.2
"""The largest root mean square of differences, of values, and of logits in units of their deviation. 8-bit integers
bring 0.02 to 0.05 (`keima bench evaluators`), other weights about 1."""
_MOST_TURNS, _FEWEST_TURNS, _SECONDS = 7, 2, 0.3

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
                # On one thread the time on the processor tells the same, and other programs disturb it less.
                clock = process_time if workload.num_threads == 1 else perf_counter
                _openvino_wins[workload] = is_better(rival, standing, workload.batch_size, clock)
        except RuntimeError:  # what OpenVINO raises where a processor or a release has not what the model needs
            _openvino_wins[workload] = False
        return rival if _openvino_wins[workload] else standing


def is_better(rival: Device, standing: Device, batch_size: int, clock: Callable[[], float]) -> bool:
    """Whether `rival` says what `standing` says, and clearly sooner by `clock`, which gives seconds."""
    for device in (rival, standing):
        inputs = device.observations(0)
        inputs[:] = np.random.default_rng(0).random(inputs.shape) < 0.4
    if not _agree(_evaluate(rival, batch_size), _evaluate(standing, batch_size)):
        return False
    turns = {device: functools.partial(_take_turn, device, batch_size) for device in (rival, standing)}
    seconds = shortest_turns(turns, clock, _FEWEST_TURNS, _MOST_TURNS, _SECONDS)
    return _MARGIN * seconds[rival] < seconds[standing]


def _take_turn(device: Device, batch_size: int) -> None:
    """A full batch, and as many positions in batches that are an eighth full: a search does not always fill them."""
    _evaluate(device, batch_size)
    for _ in range(8):
        _evaluate(device, -(-batch_size // 8))


def _evaluate(device: Device, num_rows: int) -> Evaluation:
    device.start(0, num_rows)
    evaluation = device.finish(0)
    return Evaluation(evaluation.prior_logits[:num_rows], evaluation.values[:num_rows])


def _agree(found: Evaluation, expected: Evaluation) -> bool:
    """Whether two back ends mean the same."""
    logits, values = found.prior_logits - expected.prior_logits, found.values - expected.values
    largest = _TOLERANCE * float(expected.prior_logits.std())
    # Written so that a NaN disagrees.
    return bool(np.sqrt(np.mean(logits**2)) <= largest and np.sqrt(np.mean(values**2)) <= _TOLERANCE)
