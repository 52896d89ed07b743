"""What the folded network's convolutions cost besides arithmetic. (What they compute: test_evaluator, test_int8.)"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from rl.network.folded import _has_fused_convolutions

pytestmark = pytest.mark.plain_only  # what is tested is not compiled

PROGRAM = """
import games
from rl.network.cpu import CpuDevice
from rl.network.device import Workload
from rl.network.model import Network, NetworkConfig, NetworkShape

game = games.make(NAME)
network = Network(NetworkShape.of(game), NetworkConfig(blocks=1)).eval()
device = CpuDevice(Workload(network.shape, network.config, 16, precision="float32"), network.state_dict())
print("prepared", flush=True)
device.start(0, 16)
print(device.finish(0).values.shape)
"""


@pytest.mark.skipif(
    not _has_fused_convolutions(torch.float32),
    reason="this torch has no fused convolutions: install the one that constraints.txt names",
)
@pytest.mark.parametrize("name", ["hex5", "connect_four", "go9"])
def test_weights_are_laid_out_once(name: str) -> None:
    """Not in each batch: with AVX2 a single position took 13 times as long then (`keima bench evaluators`)."""
    asked = subprocess.run(
        [sys.executable, "-c", f"NAME = {name!r}" + PROGRAM],
        env=os.environ | {"ONEDNN_VERBOSE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    _, evaluating = asked.stdout.split("prepared")
    executed = [line for line in evaluating.splitlines() if ",exec," in line]
    assert sum(",convolution," in line for line in executed) == 4
    # The last field but one is the shape of what is laid out anew: here a kernel's.
    assert not [line for line in executed if ",reorder," in line and line.split(",")[-2].endswith(("x3x3", "x1x1"))]
