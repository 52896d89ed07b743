"""OpenVINO's model of the network, where tests of all evaluators do not look; they are in test_evaluator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from backends import needs_openvino
from hypothesis import given

import games
from rl.network.device import Workload
from rl.network.evaluator import NetworkEvaluator
from rl.network.int8 import largest_weight
from rl.network.model import Network, NetworkConfig, NetworkShape, value_of
from rl.network.openvino import PIECES, OpenVinoDevice, piece_sizes

pytestmark = pytest.mark.plain_only  # what is tested is not compiled

ROOT = Path(__file__).resolve().parent.parent
SMALL = NetworkConfig(blocks=2, channels=16, policy_channels=8, value_channels=8, value_hidden=16, pooling_interval=2)


@given(st.integers(1, 5000))
def test_pieces_hold_all_rows_and_few_more(num_rows: int) -> None:
    pieces = piece_sizes(num_rows)
    assert set(pieces) <= set(PIECES) and pieces == sorted(pieces, reverse=True)
    assert 0 <= sum(pieces) - num_rows <= num_rows // 4
    assert num_rows < 16 or len(set(pieces)) <= 2
    assert sum(pieces) <= sum(piece_sizes(num_rows + 1))  # so that the room of a full batch is enough for all


@needs_openvino
@pytest.mark.parametrize("name", ["breakthrough", "go5"])  # several policy planes; an action that is no cell
def test_every_kind_of_action_has_its_logit(name: str) -> None:
    game = games.make(name)
    torch.manual_seed(1)
    network = Network(NetworkShape.of(game), SMALL).eval()
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(0.2 * torch.randn_like(tensor))
    observations = (np.random.default_rng(0).random((5, *game.observation_shape)) < 0.4).astype(np.float32)
    evaluator = NetworkEvaluator(game, network, 5, precision="float32", backend="openvino")
    evaluator.buffer()[:] = observations
    found = evaluator.collect(evaluator.submit(5))
    with torch.inference_mode():
        expected = network(torch.from_numpy(observations))
    np.testing.assert_allclose(found.prior_logits, expected.policy_logits.numpy(), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.values, value_of(expected.value_logits).numpy(), atol=1e-3)


@needs_openvino
def test_logits_are_told_apart_however_large_they_are() -> None:
    """The last layers are in float32. In bfloat16 two numbers about 5000 are the same unless they are 32 apart."""
    game = games.make("connect_four")
    torch.manual_seed(0)
    network = Network(NetworkShape.of(game), SMALL).eval()
    with torch.no_grad():
        network.policy_planes.weight.normal_(std=0.3)
        network.outcomes.weight.normal_(std=0.3)
    observations = (np.random.default_rng(0).random((16, *game.observation_shape)) < 0.4).astype(np.float32)
    answers = []
    for shift in (0.0, 5000.0):
        with torch.no_grad():
            network.policy_planes.bias.fill_(shift)
            network.outcomes.bias.fill_(shift)
        evaluator = NetworkEvaluator(game, network, 16, backend="openvino")
        evaluator.buffer()[:] = observations
        answers.append(evaluator.collect(evaluator.submit(16)))
    assert float(answers[0].prior_logits.std()) > 0.1
    np.testing.assert_allclose(answers[1].prior_logits - 5000.0, answers[0].prior_logits, atol=0.005)
    np.testing.assert_allclose(answers[1].values, answers[0].values, atol=0.005)


@needs_openvino
@pytest.mark.skipif(largest_weight() == 0, reason="this CPU does not multiply bytes")
def test_all_convolutions_but_the_stem_are_in_bytes() -> None:
    game = games.make("tic_tac_toe")
    network = Network(NetworkShape.of(game), SMALL).eval()
    device = OpenVinoDevice(Workload(network.shape, SMALL, 4, precision="fastest"), network.state_dict())
    device.start(0, 4)
    model = device._requests[4].get_compiled_model().get_runtime_model()
    about = [node.get_rt_info() for node in model.get_ordered_ops()]
    inputs = [info["runtimePrecision"].value for info in about if info["layerType"].value == "Convolution"]
    assert inputs[0] in ("bf16", "f32") and inputs[1:] == ["u8"] * 5


@needs_openvino
def test_with_a_fixed_batch_the_pieces_are_always_the_same() -> None:
    game = games.make("tic_tac_toe")
    network = Network(NetworkShape.of(game), SMALL).eval()
    for fixed_batch, sizes in ((True, {16, 4}), (False, {1})):
        workload = Workload(network.shape, SMALL, 24, fixed_batch=fixed_batch)
        device = OpenVinoDevice(workload, network.state_dict())
        for num_rows in (1, 2, 3):
            device.start(0, num_rows)
        assert set(device._requests) == sizes


@needs_openvino
def test_using_it_does_not_import_what_reports_it() -> None:
    program = (
        "import sys; from rl.network.openvino import runtime; assert runtime().Core\n"
        "print([name for name in sys.modules if 'telemetry' in name or name.startswith('openvino.tools')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
