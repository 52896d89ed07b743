"""The network of simulated games: its density, its bins, its evaluator, its file."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import games
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.learning.learner import Learner, LearnerConfig
from rl.network.agent_file import load_agent, save_agent
from rl.network.evaluator import NetworkEvaluator
from rl.network.kinds import make_network
from rl.network.model import NetworkConfig
from rl.network.vector import GaussianHead, RunningScale, ValueBins, VectorConfig, VectorNetwork, VectorShape
from rl.search.proposals import GaussianProposer, log_density, mode_of

pytestmark = pytest.mark.plain_only  # nothing here is compiled

SMALL = VectorConfig(layers=2, width=16, value_bins=12)
CPU = torch.device("cpu")


def reach() -> SimulatedGame:
    game = games.make("planar_reach")
    assert isinstance(game, SimulatedGame)
    return game


def untrained(game: SimulatedGame, seed: int = 0) -> VectorNetwork:
    network = make_network(game, SMALL, seed)
    assert isinstance(network, VectorNetwork)
    return network.eval()


@given(st.booleans(), st.lists(st.floats(-80, 40, width=32), min_size=1, max_size=20))
def test_two_hot_targets_keep_the_value(symlog: bool, values: list[float]) -> None:
    bins = ValueBins(VectorShape(3, 1, -50.0, 10.0), VectorConfig(value_bins=17, symlog=symlog), CPU)
    targets = bins.targets(torch.tensor(values))
    assert ((targets >= 0) & (targets <= 1)).all() and ((targets > 0).sum(1) <= 2).all()
    torch.testing.assert_close(targets.sum(1), torch.ones(len(values)))
    cut = torch.tensor(values).clamp(-50.0, 10.0)
    torch.testing.assert_close(targets @ bins.centres, cut, atol=1e-4, rtol=1e-4)
    assert float(bins.centres[0]) == pytest.approx(-50) and float(bins.centres[-1]) == pytest.approx(10)
    steps = bins.centres.diff()
    assert (steps > 0).all() and (bool((steps.max() - steps.min()).abs() < 1e-4) != symlog)


def test_the_head_s_density_integrates_to_one_and_is_the_proposer_s() -> None:
    head, grid = GaussianHead(), torch.linspace(-1, 1, 4001)[1:-1]
    for mean, deviation in ((0.0, 1.0), (1.5, 0.3), (-0.4, 0.1)):
        outputs = torch.tensor([[mean, float(np.log(deviation))]])
        density = head.log_prob(outputs, grid[None, :, None])[0].exp()
        assert float(density.sum() * (grid[1] - grid[0])) == pytest.approx(1.0, abs=2e-3)
    outputs = torch.tensor([[0.3, -0.6, -0.5, 0.1]])
    found = GaussianProposer(8, 2).propose(np.zeros(1), outputs.numpy(), np.array([7], np.uint64))
    own = head.log_prob(outputs, torch.from_numpy(found.actions)).double().exp().numpy()
    np.testing.assert_allclose(found.prior_logits, np.log(own / (0.75 * own + 0.25 / 4)), atol=5e-3)
    np.testing.assert_allclose(log_density(outputs.numpy(), found.actions), np.log(own), atol=5e-3)
    log_proposals = GaussianProposer(8, 2).log_proposals(outputs.numpy(), found.actions)
    np.testing.assert_allclose(log_proposals, np.log(0.75 * own + 0.25 / 4), atol=5e-3)
    np.testing.assert_allclose(
        GaussianProposer(3, 2).log_proposals(outputs.numpy(), found.actions), np.log(own), atol=5e-3
    )


def test_an_untrained_network_is_undecided() -> None:
    output = untrained(reach())(torch.zeros(3, 12, 1, 1))
    means, log_deviations = output.policy_logits.chunk(2, 1)
    assert (means.abs() < 0.2).all() and (log_deviations.abs() < 0.2).all()


def test_an_untrained_network_may_hold_all_states_for_the_best() -> None:
    game = reach()
    for optimistic, low, high in ((False, -14.0, -3.0), (True, -0.5, 0.0)):
        network = make_network(game, VectorConfig(width=16, optimistic=optimistic), 0)
        evaluator = NetworkEvaluator(game, network.eval(), 4, precision="float32")
        evaluator.buffer()[:] = np.random.default_rng(0).normal(size=(4, 12, 1, 1))
        values = evaluator.collect(evaluator.submit(4)).values
        assert (values > low).all() and (values < high).all()


def test_observations_are_brought_to_one_scale_by_what_training_has_seen() -> None:
    random = np.random.default_rng(0)
    means, deviations = np.array([3.0, 0.0, -40.0]), np.array([0.1, 1.0, 5.0])
    scale, seen = RunningScale(3), []
    for _ in range(40):
        seen.append(random.normal(means, deviations, (30, 3)).astype(np.float32))
        scale(torch.from_numpy(seen[-1]))
    rows = np.concatenate(seen)
    np.testing.assert_allclose(scale.mean.numpy(), rows.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scale.variance.numpy(), rows.var(0), rtol=1e-3)
    scale.eval()
    before = scale.mean.clone()
    found = scale(torch.from_numpy(np.array([[3.1, 0.0, -1000.0]], np.float32)))
    np.testing.assert_allclose(found.numpy(), [[1.0, 0.0, -5.0]], atol=0.1)
    assert torch.equal(before, scale.mean), "what is evaluated is not learnt from"


def test_a_network_with_a_scale_is_evaluated_averaged_and_kept(tmp_path: Path) -> None:
    game, config = reach(), replace(SMALL, normalised=True)
    learner = Learner(game, config, LearnerConfig(ema_decay=0.5, precision="float32"), 0)
    network = learner.ema_network
    learner._network.train()(torch.full((4, 12, 1, 1), 2.0))
    learner._update_ema()
    assert (network.state_dict()["scale.mean"] > 0.5).all()
    save_agent(tmp_path / "agent.safetensors", network, game, {})
    evaluator = NetworkEvaluator(game, load_agent(tmp_path / "agent.safetensors", game), 4, precision="float32")
    seen = np.random.default_rng(0).normal(size=(4, 12, 1, 1)).astype(np.float32)
    evaluator.buffer()[:4] = seen
    found = evaluator.collect(evaluator.submit(4))
    with torch.inference_mode():
        expected = network(torch.from_numpy(seen)).policy_logits.numpy()
    np.testing.assert_allclose(found.prior_logits, expected, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("native", 0.05)])
def test_the_evaluator_says_what_the_network_says(dtype: str, tolerance: float) -> None:
    game, network = reach(), untrained(reach())
    evaluator = NetworkEvaluator(game, network, 32, precision=dtype)  # type: ignore[arg-type]
    bins = ValueBins(network.shape, SMALL, CPU)
    for rows in (1, 7, 32):
        seen = np.random.default_rng(rows).normal(size=(rows, 12, 1, 1)).astype(np.float32)
        evaluator.buffer()[:rows] = seen
        found = evaluator.collect(evaluator.submit(rows))
        with torch.inference_mode():
            expected = network(torch.from_numpy(seen))
        np.testing.assert_allclose(found.prior_logits, expected.policy_logits.numpy(), atol=tolerance)
        np.testing.assert_allclose(found.values, bins.values(expected.value_logits).numpy(), atol=5 * tolerance)
    other = untrained(game, seed=1)
    evaluator.load_weights(other.state_dict(), 1)
    evaluator.buffer()[:1] = 1
    found = evaluator.collect(evaluator.submit(1))
    with torch.inference_mode():
        expected = other(torch.ones(1, 12, 1, 1))
    np.testing.assert_allclose(found.prior_logits, expected.policy_logits.numpy(), atol=tolerance)


def test_an_agent_s_file_holds_it(tmp_path: Path) -> None:
    game, network, path = reach(), untrained(reach()), tmp_path / "agent.safetensors"
    save_agent(path, network, game, {"seed": "0"})
    loaded = load_agent(path, game)
    assert isinstance(loaded, VectorNetwork) and loaded.config == SMALL
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    with pytest.raises(UserError, match="an agent of planar_reach, not of pendulum"):
        load_agent(path, games.make("pendulum"))
    with pytest.raises(UserError, match="an agent of planar_reach, not of tic_tac_toe"):
        load_agent(path, games.make("tic_tac_toe"))


def test_a_game_has_one_kind_of_network() -> None:
    with pytest.raises(TypeError, match="planar_reach is learnt by a network with a VectorConfig"):
        make_network(reach(), NetworkConfig(), 0)
    with pytest.raises(TypeError, match="tic_tac_toe is learnt by a network with a NetworkConfig"):
        make_network(games.make("tic_tac_toe"), SMALL, 0)
    with pytest.raises(UserError):
        VectorConfig(value_bins=1)


def test_the_likeliest_action_is_where_the_density_peaks() -> None:
    """Against a fine grid, for narrow and wide policies; the peak is on the mean's side."""
    grid = torch.linspace(-0.9999, 0.9999, 20_001)
    for mean, deviation in itertools.product((-2.0, -0.3, 0.05, 0.7, 1.5), (0.05, 0.3, 0.6, 0.8, 1.0)):
        outputs = torch.tensor([[mean, math.log(deviation)]])
        found = float(mode_of(outputs.numpy())[0, 0])
        densities = GaussianHead().log_prob(outputs, grid[None, :, None])[0]
        at_found = float(GaussianHead().log_prob(outputs, torch.tensor([[[found]]]))[0, 0])
        assert found * mean > 0.0 and abs(found) >= abs(math.tanh(mean)) - 1e-6
        assert at_found >= float(densities.max()) - 0.02, (mean, deviation)
