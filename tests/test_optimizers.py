"""Muon against singular value decompositions and plain arithmetic, and which optimizer moves what."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_batches import make_batch, make_learner

from games.board.connect_four import ConnectFour
from games.board.tic_tac_toe import TicTacToe
from rl.errors import UserError
from rl.learning.muon import Muon, orthogonalised

pytestmark = pytest.mark.plain_only  # nothing here is compiled


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (1, 5), (64, 576)])
def test_directions_are_about_the_nearest_orthogonal_matrix(shape: tuple[int, int]) -> None:
    matrix = torch.from_numpy(np.random.default_rng(sum(shape)).normal(size=shape))
    found = orthogonalised(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    nearest = u @ v
    values = torch.linalg.svdvals(found)
    assert found.shape == matrix.shape and 0.6 < float(values.min()) <= float(values.max()) < 1.25
    cosine = float((found * nearest).sum() / (found.norm() * nearest.norm()))
    assert cosine > 0.97


def test_directions_do_not_depend_on_the_size_of_the_gradient() -> None:
    matrix = torch.from_numpy(np.random.default_rng(1).normal(size=(6, 20)))
    torch.testing.assert_close(orthogonalised(matrix), orthogonalised(1e-3 * matrix), atol=1e-3, rtol=0.0)
    assert orthogonalised(torch.zeros(4, 4)).abs().max() == 0.0, "no gradient, no direction, and no NaN"


def test_steps_are_the_recurrence() -> None:
    """Momentum, Nesterov's look ahead, the size of a step, and decay, in float64 NumPy."""
    random = np.random.default_rng(2)
    start, gradients = random.normal(size=(4, 3, 2, 2)), random.normal(size=(5, 4, 3, 2, 2))
    weight = torch.nn.Parameter(torch.from_numpy(start.copy()))
    muon = Muon([weight], weight_decay=0.3, dtype=torch.float64)
    expected, momentum = start.copy(), np.zeros_like(start)
    for rate, gradient in zip((0.1, 0.2, 0.05, 0.0, 0.4), gradients, strict=True):
        muon.param_groups[0]["lr"] = rate
        weight.grad = torch.from_numpy(gradient.copy())
        muon.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        ahead = torch.from_numpy(0.05 * gradient + 0.95 * momentum).reshape(4, 12)
        expected -= rate * 0.3 * expected
        expected -= rate * 0.2 * np.sqrt(12) * orthogonalised(ahead).numpy().reshape(expected.shape)
    np.testing.assert_allclose(weight.detach().numpy(), expected, atol=1e-12)


def test_a_weight_without_a_gradient_stays() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    muon = Muon([weight], weight_decay=0.5, dtype=torch.float32)
    muon.param_groups[0]["lr"] = 1.0
    muon.step()
    assert (weight == 1.0).all() and not muon.state
    with pytest.raises(ValueError, match="no closure"):
        muon.step(lambda: 0.0)


def test_muon_moves_what_lies_between_features_and_nothing_else() -> None:
    learner = make_learner(ConnectFour())
    learner.train_step(make_batch(ConnectFour(), 0))
    state = learner.state_dict().tensors["optimizer"]
    by_muon = {name.split(".", 1)[1] for name in state if name.startswith("momentum.")}
    by_adamw = {name.split(".", 1)[1] for name in state if name.startswith("exp_avg.")}
    assert by_muon == {
        "blocks.0.first.convolution.weight",
        "blocks.0.second.convolution.weight",
        "head.convolution.weight",
    }
    assert by_muon | by_adamw == {name for name, _ in learner._network.named_parameters()}
    assert not by_muon & by_adamw


def test_adamw_may_move_everything() -> None:
    learner = make_learner(optimizer="adamw")
    learner.train_step(make_batch(TicTacToe(), 0))
    state = learner.state_dict().tensors["optimizer"]
    assert state and not any(name.startswith("momentum.") for name in state)


def test_the_state_of_other_optimizers_is_refused() -> None:
    adamw, muon = make_learner(optimizer="adamw"), make_learner()
    for learner in (adamw, muon):
        learner.train_step(make_batch(TicTacToe(), 0))
    for one, other in ((adamw, muon), (muon, adamw)):
        with pytest.raises(UserError, match="does not fit"):
            one.load_state_dict(*other.state_dict())


def test_rates_follow_one_schedule() -> None:
    """Twice the rate of Muon, twice the first step of what it moves; the others take the same one."""
    game = TicTacToe()
    before = make_learner(game).state_dict().tensors["model"]
    moved = {}
    for rate in (1e-3, 2e-3):
        learner = make_learner(game, muon_learning_rate=rate, weight_decay=0.0)
        learner.train_step(make_batch(game, 0))
        after = learner.state_dict().tensors["model"]
        moved[rate] = {name: after[name] - before[name] for name in ("head.convolution.weight", "outcomes.weight")}
    torch.testing.assert_close(2 * moved[1e-3]["head.convolution.weight"], moved[2e-3]["head.convolution.weight"])
    torch.testing.assert_close(moved[1e-3]["outcomes.weight"], moved[2e-3]["outcomes.weight"])
