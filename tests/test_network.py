"""The network's shapes, its mask, its masked batch norm, and its folded form for play."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_games import NETWORK_GAMES
from torch import Tensor, nn

import games
from games.base import Game
from rl.errors import UserError
from rl.network.folded import FoldedNetwork
from rl.network.model import (
    CategoricalHead,
    MaskedBatchNorm,
    Network,
    NetworkConfig,
    NetworkShape,
    fold_pooling,
    pool_board,
    value_of,
)

pytestmark = pytest.mark.plain_only  # what is tested is not compiled

SMALL = NetworkConfig(blocks=3, channels=16, policy_channels=8, value_channels=8, value_hidden=16)
WITH_EXTRAS = NetworkShape(
    num_planes=3,
    height=4,
    width=5,
    num_policy_planes=2,
    num_extra_actions=2,
    action_cells=((-1, 1, 0), (1, 3, 4), (0, 0, 1), (-1, 0, 0), (1, 0, 1)),
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(params=NETWORK_GAMES)
def game(request: pytest.FixtureRequest) -> Game:
    return games.make(request.param)


def shaken(shape: NetworkShape, config: NetworkConfig = SMALL) -> Network:
    """A network in evaluation mode none of whose parameters or statistics is at its special initial value."""
    network = Network(shape, config).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif tensor.is_floating_point():
                tensor.add_(0.2 * torch.randn_like(tensor))
    return network


def planes(num_rows: int, shape: NetworkShape) -> Tensor:
    return (torch.rand(num_rows, shape.num_planes, shape.height, shape.width) < 0.4).float()


def test_every_game_gets_a_network_from_its_shapes(game: Game) -> None:
    shape = NetworkShape.of(game)
    output = Network(shape, SMALL)(planes(5, shape))
    assert output.policy_logits.shape == (5, game.num_actions)
    assert output.value_logits.shape == (5, 3)
    assert all(torch.isfinite(logits).all() for logits in output[:2])


def test_a_fresh_network_is_near_a_uniform_policy_and_value_zero(game: Game) -> None:
    shape = NetworkShape.of(game)
    output = Network(shape, SMALL).eval()(planes(5, shape))
    assert output.policy_logits.softmax(1).std() < 0.05
    assert value_of(output.value_logits).abs().max() < 0.1


def test_actions_are_read_at_their_cells() -> None:
    canvas = torch.arange(2 * 4 * 5).reshape(2, 4, 5)
    extras = torch.tensor([100, 101])
    row = torch.cat((canvas.flatten(), extras))
    expected = [101, int(canvas[1, 3, 4]), int(canvas[0, 0, 1]), 100, int(canvas[1, 0, 1])]
    assert row[WITH_EXTRAS.action_index()].tolist() == expected


def test_every_parameter_is_trained() -> None:
    network = shaken(WITH_EXTRAS, replace(SMALL, score_heads=True)).train()
    output = network(planes(8, WITH_EXTRAS))
    assert output.score is not None
    assert (output.score.ownership_logits.shape, output.score.lead.shape) == ((8, 4, 5), (8,))
    sum(part.square().sum() for part in (*output[:2], *output.score)).backward()
    unused = [name for name, tensor in network.named_parameters() if tensor.grad is None or not tensor.grad.any()]
    assert unused == []


def test_value_is_win_minus_loss() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.0, 1.0, 0.0]]).clamp(min=1e-30).log()
    assert value_of(logits).tolist() == pytest.approx([0.6, -0.6, 0.0])


# --- one network, several board sizes ---------------------------------------------------------------------------------


def test_a_mask_of_ones_equals_no_mask() -> None:
    network = shaken(WITH_EXTRAS)
    observations = planes(6, WITH_EXTRAS)
    ones = torch.ones(6, 1, 4, 5)
    for one, other in zip(network(observations), network(observations, ones), strict=True):
        torch.testing.assert_close(one, other)
    network.train()
    for one, other in zip(network(observations), network(observations, ones), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("training", [False, True])
def test_a_small_board_on_a_canvas_does_not_see_beyond_its_edge(training: bool) -> None:
    network = shaken(NetworkShape.of(games.make("connect_four"))).train(training)
    mask = torch.zeros(4, 1, 6, 7)
    mask[:, :, :4, :5] = 1
    observations = planes(4, network.shape)
    elsewhere = observations + 9 * torch.randn_like(observations) * (1 - mask)
    output = network(observations, mask)
    assert torch.isfinite(output.policy_logits).all()
    for one, other in zip(output[:2], network(elsewhere, mask)[:2], strict=True):
        assert torch.equal(one[:, :5], other[:, :5])


def test_a_small_board_on_a_canvas_equals_the_board_alone() -> None:
    canvas = shaken(NetworkShape.of(games.make("connect_four")))
    alone = Network(NetworkShape.of(games.make("connect_four5x4")), SMALL).eval()
    alone.load_state_dict(canvas.state_dict())  # no weight depends on the board
    observations = torch.zeros(4, canvas.shape.num_planes, 6, 7)
    observations[:, :, :4, :5] = planes(4, alone.shape)
    mask = torch.zeros(4, 1, 6, 7)
    mask[:, :, :4, :5] = 1
    on_canvas, on_board = canvas(observations, mask), alone(observations[:, :, :4, :5])
    torch.testing.assert_close(on_canvas.policy_logits[:, :5], on_board.policy_logits)
    torch.testing.assert_close(on_canvas.value_logits, on_board.value_logits)


def test_masked_batch_norm_counts_only_the_board() -> None:
    features = torch.randn(3, 2, 4, 4)
    mask = torch.zeros(3, 1, 4, 4)
    mask[0, :, :2, :3], mask[1, :, :4, :4], mask[2, :, :3, :3] = 1, 1, 1
    norm = MaskedBatchNorm(2)
    normed = norm(features, mask)
    on_board = mask.bool().squeeze(1)
    cells = features.permute(0, 2, 3, 1)[on_board]  # [cells, channels], by indexing
    expected = (cells - cells.mean(0)) / (cells.var(0, unbiased=False) + norm.eps).sqrt()
    torch.testing.assert_close(normed.permute(0, 2, 3, 1)[on_board], expected)
    torch.testing.assert_close(norm.running_mean, 0.1 * cells.mean(0))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * cells.var(0, unbiased=True))


def test_masked_batch_norm_with_all_ones_is_batch_norm() -> None:
    features = torch.randn(3, 2, 4, 4)
    masked, plain = MaskedBatchNorm(2), nn.BatchNorm2d(2)
    torch.testing.assert_close(masked(features, torch.ones(3, 1, 4, 4)), plain(features))
    torch.testing.assert_close(masked.running_mean, plain.running_mean)
    torch.testing.assert_close(masked.running_var, plain.running_var)


def test_pooling_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 0.0]]]])  # three of four cells are the board
    pooled = pool_board(features, torch.tensor([[3.0]]))
    assert pooled.tolist() == [[2.0, pytest.approx(2.0 * (math.sqrt(3) - 14) / 10), 3.0]]


def test_folded_pooling_equals_pooling() -> None:
    features, weight, area = torch.rand(2, 4, 3, 5), torch.randn(6, 12), torch.full((1, 1), 15.0)
    sums_and_maxima = torch.cat((features.sum((2, 3)), features.amax((2, 3))), 1)
    expected = pool_board(features, area) @ weight.T
    torch.testing.assert_close(sums_and_maxima @ fold_pooling(weight, area).T, expected)


# --- the folded form --------------------------------------------------------------------------------------------------


def folded_output(network: Network, observations: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    folded = FoldedNetwork(network.shape, network.config, network.state_dict(), torch.device("cpu"), dtype)
    with_ones = torch.cat((observations, torch.ones_like(observations[:, :1])), 1).to(dtype)
    with torch.inference_mode():
        logits, values = folded(with_ones.contiguous(memory_format=torch.channels_last))
        return logits, values


@pytest.mark.parametrize("shape", [*(NetworkShape.of(games.make(name)) for name in NETWORK_GAMES), WITH_EXTRAS])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_folded_equals_unfolded(shape: NetworkShape, dtype: torch.dtype, tolerance: float) -> None:
    network = shaken(shape)
    observations = planes(7, shape)
    logits, values = folded_output(network, observations, dtype)
    with torch.inference_mode():
        expected = network(observations)
    assert logits.dtype == values.dtype == torch.float32
    scale = float(expected.policy_logits.abs().max())
    torch.testing.assert_close(logits, expected.policy_logits, atol=tolerance * scale, rtol=0)
    torch.testing.assert_close(values, value_of(expected.value_logits), atol=tolerance, rtol=0)


def test_plain_and_fused_convolutions_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    network = shaken(WITH_EXTRAS)
    observations = planes(7, WITH_EXTRAS)
    first = folded_output(network, observations, torch.float32)
    monkeypatch.setattr("rl.network.folded._has_fused_convolutions", lambda dtype: False)
    for one, other in zip(first, folded_output(network, observations, torch.float32), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("fused", [True, False])
def test_folded_load_replaces_all_weights_and_keeps_none_of_the_caller(
    fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not fused:
        monkeypatch.setattr("rl.network.folded._has_fused_convolutions", lambda dtype: False)
    first, second = shaken(WITH_EXTRAS), shaken(WITH_EXTRAS)
    observations = planes(7, WITH_EXTRAS)
    expected = folded_output(second, observations, torch.float32)
    folded = FoldedNetwork(WITH_EXTRAS, SMALL, first.state_dict(), torch.device("cpu"), torch.float32)
    folded.load(second.state_dict())
    with torch.no_grad():
        for tensor in (*first.parameters(), *second.parameters()):
            tensor.fill_(math.nan)
    with_ones = torch.cat((observations, torch.ones_like(observations[:, :1])), 1)
    with torch.inference_mode():
        for one, other in zip(folded(with_ones.contiguous(memory_format=torch.channels_last)), expected, strict=True):
            torch.testing.assert_close(one, other)


# --- heads and configuration ------------------------------------------------------------------------------------------


def test_categorical_head_is_a_softmax_over_legal_actions() -> None:
    logits = torch.tensor([[1.0, 2.0, 50.0, 3.0]], requires_grad=True)
    legal = torch.tensor([[True, True, False, True]])
    log_prob = CategoricalHead().log_prob(logits, legal)
    expected = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    np.testing.assert_allclose(log_prob.exp()[legal].detach().numpy(), expected, rtol=1e-6)
    loss = -(torch.tensor([[0.25, 0.75, 0.0, 0.0]]) * log_prob).sum(-1).mean()
    loss.backward()
    assert torch.isfinite(loss) and logits.grad is not None
    assert torch.isfinite(logits.grad).all() and logits.grad[0, 2] == 0


def test_a_size_below_one_is_a_user_error() -> None:
    with pytest.raises(UserError, match="channels is 0"):
        NetworkConfig(channels=0)
