"""The tower in 8-bit integers against the network in float32, and the ranges that it relies on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from backends import needs_openvino
from small_games import NETWORK_GAMES
from torch import Tensor

import games
from games.base import Game
from rl.network.evaluator import NetworkEvaluator
from rl.network.folded import FoldedNetwork, Tower
from rl.network.int8 import Int8Tower, _Int8Convolution, int8_pays
from rl.network.model import Network, NetworkConfig, NetworkShape, Rectifier, value_of
from rl.network.precision import native_dtype
from rl.search.evaluation import Evaluation

pytestmark = pytest.mark.plain_only  # what is tested is not compiled

CPU = torch.device("cpu")
CONFIG = NetworkConfig(blocks=3, channels=32, policy_channels=16, value_channels=16, value_hidden=16)
needs_int8 = pytest.mark.skipif(
    not int8_pays(native_dtype(CPU)), reason="no 8-bit multiplication on this CPU, or not in this torch"
)


@pytest.fixture(params=NETWORK_GAMES)
def game(request: pytest.FixtureRequest) -> Game:
    return games.make(request.param)


def planes(num_rows: int, game: Game) -> Tensor:
    return (torch.rand(num_rows, *game.observation_shape) < 0.4).float()


def trained(game: Game) -> Network:
    """A network with decided answers, whose statistics and ranges have seen `planes`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Network(NetworkShape.of(game), CONFIG)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            tensor.add_((0.5 if name.startswith(("policy", "outcomes")) else 0.05) * torch.randn_like(tensor))
        for _ in range(60):
            network(planes(32, game))
    return network.eval()


def test_a_rectifier_notes_its_range_in_training_only() -> None:
    rectifier = Rectifier()

    def ceiling() -> float:
        return float(rectifier.state_dict()["ceiling"])

    features = torch.tensor([[[[-9.0, 2.0], [1.0, 6.0]]]])
    mask = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    for _ in range(300):
        assert rectifier(features, mask).tolist() == [[[[0.0, 2.0], [1.0, 0.0]]]]
    assert ceiling() == pytest.approx(2.0, abs=0.01)  # off the board is not seen
    rectifier.eval()(100 * features, None)
    assert ceiling() == pytest.approx(2.0, abs=0.01)


@needs_int8
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_int8_agrees_with_the_network(game: Game, dtype: torch.dtype) -> None:
    if not int8_pays(dtype):
        pytest.skip(f"torch has no 8-bit convolutions beside {dtype} on this processor: those need AVX-512")
    network = trained(game)
    observations = planes(300, game)
    folded = FoldedNetwork(network.shape, CONFIG, network.state_dict(), CPU, dtype, Int8Tower)
    with_ones = torch.cat((observations, torch.ones_like(observations[:, :1])), 1).to(dtype)
    with torch.inference_mode():
        logits, values = folded(with_ones.contiguous(memory_format=torch.channels_last))
        expected = network(observations)
    expected_values = value_of(expected.value_logits)
    assert float(expected.policy_logits.std()) > 0.1 and float(expected_values.std()) > 0.02  # it is decided
    assert float((logits - expected.policy_logits).std()) < 0.04 * float(expected.policy_logits.std())
    assert float((values - expected_values).std()) < 0.1 * float(expected_values.std())


@needs_int8
@needs_openvino
def test_openvino_has_the_same_int8(game: Game) -> None:
    network, observations = trained(game), planes(100, game)
    answers = {}
    for backend, precision in (("torch", "fastest"), ("openvino", "fastest"), ("openvino", "native")):
        evaluator = NetworkEvaluator(game, network, 100, precision=precision, backend=backend)
        assert ("8-bit" in evaluator.description) == (precision == "fastest")
        evaluator.buffer()[:] = observations.numpy()
        answers[backend, precision] = evaluator.collect(evaluator.submit(100))
    with torch.inference_mode():
        output = network(observations)
    expected = Evaluation(output.policy_logits.numpy(), value_of(output.value_logits).numpy())
    for part in ("prior_logits", "values"):
        of_torch, of_openvino, native = (getattr(answer, part) for answer in answers.values())
        right = getattr(expected, part)
        error = np.std(of_openvino - right)
        assert 0 < error < 1.5 * np.std(of_torch - right) + 1e-4  # as good
        assert np.std(of_openvino - of_torch) < 2 * np.std(of_torch - right) + 1e-4
        assert np.std(native - right) < error  # and it does round to bytes


@needs_int8
def test_fastest_uses_int8_and_takes_new_weights(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Tower] = []

    def noting(*arguments: Any) -> Tower:
        used.append(Int8Tower(*arguments))
        return used[-1]

    monkeypatch.setattr("rl.network.cpu.Int8Tower", noting)
    first, second = Network(NetworkShape.of(game), CONFIG), trained(game)
    evaluator = NetworkEvaluator(game, first, 32, precision="fastest")
    evaluator.load_weights(second.state_dict(), network_id=1)
    reference = NetworkEvaluator(game, second, 32, precision="fastest")
    assert len(used) == 2
    for one in (evaluator, reference):
        one.buffer()[:] = planes(32, game).numpy() if one is evaluator else evaluator._device.observations(0)
    found, expected = (one.collect(one.submit(32)) for one in (evaluator, reference))
    np.testing.assert_array_equal(found.prior_logits, expected.prior_logits)
    np.testing.assert_array_equal(found.values, expected.values)


def test_fastest_is_native_where_int8_does_not_pay(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl.network.cpu.int8_pays", lambda dtype: False)
    network = trained(game)
    observations = planes(8, game).numpy()
    answers = []
    for one in (NetworkEvaluator(game, network, 8, precision="fastest"), NetworkEvaluator(game, network, 8)):
        one.buffer()[:] = observations
        answers.append(one.collect(one.submit(8)))
    np.testing.assert_array_equal(answers[0].values, answers[1].values)


@needs_int8
def test_the_largest_bytes_are_summed_exactly() -> None:
    """Of a weight larger than `largest_weight` a processor with AVX2 alone would lose what 16 bits do not hold."""
    convolution = _Int8Convolution(torch.ones(16, 16, 3, 3), torch.zeros(16), 1.0)
    features = torch.full((2, 16, 3, 3), 255, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    middle = convolution(features, 1.0, torch.float32)[:, :, 1, 1]
    np.testing.assert_allclose(middle, np.full((2, 16), 255 * 9 * 16), rtol=1e-6)


def test_int8_needs_the_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", dict)
    int8_pays.cache_clear()
    assert not int8_pays(torch.float32)
    int8_pays.cache_clear()
