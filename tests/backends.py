"""The back ends that evaluate networks on a CPU: what tests of evaluators run over."""

from __future__ import annotations

import pytest

from rl.network import openvino

needs_openvino = pytest.mark.skipif(
    openvino.runtime() is None, reason="OpenVINO is not installed here: pip install 'keima[openvino]'"
)

BACKENDS = ("torch", pytest.param("openvino", marks=needs_openvino))
