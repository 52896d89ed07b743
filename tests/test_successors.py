"""What searches saw one step on, and how hindsight learns from it without a simulator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from episode_play import SMALL, network_of

import games
from games.robots.game import RobotGame
from games.robots.task import GoalTask
from games.simulated import SimulatedGame
from rl.learning.learner import Learner, LearnerConfig
from rl.learning.lookahead import Lookahead
from rl.network.evaluator import NetworkEvaluator
from rl.network.vector import GaussianHead, ValueBins
from rl.replay.episode_batch import Successors
from rl.replay.episodes import EpisodeWindow, EpisodeWindowConfig
from rl.replay.records import GameRecord, decode, encode
from rl.search.proposals import GaussianProposer
from rl.search.simulator import SIMULATED
from rl.selfplay.episodes import Episodes, EpisodesConfig

pytestmark = pytest.mark.plain_only  # the search's kernels would be compiled for every game here


def short(name: str = "planar_reach", steps: int = 6) -> RobotGame:
    """A game whose episodes are cut after a few steps, and whose records hold successors."""
    game = games.make(name)
    assert isinstance(game, RobotGame)
    game.max_num_moves, game.stores_successors = steps, True
    return game


def play(game: SimulatedGame, count: int, simulations: int = 10) -> dict[int, GameRecord]:
    """So many episodes by number, as files give them back."""
    episodes = Episodes(game, EpisodesConfig(count, simulations, staggered=False), 3)
    evaluator = NetworkEvaluator(game, network_of(game), count, precision="float32")
    left, records = list(range(count)), []
    while left or episodes.num_active:
        records += episodes.wave(evaluator, lambda: left.pop(0) if left else None)
    return {record.game_number: decode(game, encode(record)) for record in records}


def test_tasks_say_whether_their_steps_are_worth_keeping() -> None:
    kept = {name: games.make(name).stores_successors for name in ("arm_reach", "arm_push", "planar_reach", "pendulum")}
    assert kept == {"arm_reach": True, "arm_push": True, "planar_reach": False, "pendulum": False}
    assert not games.make("quadruped_walk").stores_successors, "without goals nothing is exchanged"


@pytest.mark.parametrize("name", ["planar_reach", "arm_push"])
def test_goals_are_shown_as_states_that_have_them_are_seen(name: str) -> None:
    game = short(name)
    states = game.new_states(np.arange(3, dtype=np.uint64))
    shape = (3, 1, *game.observation_shape)
    game.observe_batch(states, before := np.zeros(shape, np.float32))
    goals = game.achieved_goals(states)[::-1].copy()
    game.show_goals(before[:, 0], game.achieved_goals(states), goals)
    game.set_goals(states, goals)
    game.observe_batch(states, after := np.zeros(shape, np.float32))
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(game.desired_goals(states), goals)


@pytest.mark.parametrize(("simulations", "known"), [(10, 8), (4, 3)])
def test_records_hold_what_the_search_saw_one_step_on(simulations: int, known: int) -> None:
    game = short()
    steps = play(game, 2, simulations)[1].steps
    found = steps["successors"]
    game.observe_batch(steps["state"], seen := np.zeros((6, 1, *game.observation_shape), np.float32))
    with torch.inference_mode():
        outputs = network_of(game)(torch.from_numpy(seen[:, 0])).policy_logits.numpy()
    proposer = GaussianProposer(game.num_slots, game.action_size)
    expected = proposer.log_proposals(outputs, found["action"])
    np.testing.assert_allclose(found["log_proposal"], expected, atol=1e-4)
    assert found.shape == (6, 8) and (found["known"].sum(1) == known).all()
    for ply, step in enumerate(steps):
        assert (found["action"][ply] == step["action"]).all(axis=1).any(), "what was played is among them"
        for slot in np.flatnonzero(found["known"][ply]):
            state = steps["state"][ply : ply + 1].copy()
            game.step_batch(state, found["action"][ply, slot][None])
            game.observe_batch(state, seen := np.zeros((1, 1, *game.observation_shape), np.float32))
            np.testing.assert_array_equal(found["seen"][ply, slot], seen[0, 0])
            np.testing.assert_array_equal(found["achieved"][ply, slot], game.achieved_goals(state)[0])


def test_a_window_knows_what_comes_with_the_goals_it_has_exchanged() -> None:
    game = short()
    window = EpisodeWindow(game, EpisodeWindowConfig(fresh_share=0.5, simulated_share=0.25, holdout_fraction=0.0))
    window.add_all(play(game, 4).values())
    batch = window.sample(600, 1)
    known = batch.successors
    recalled = np.zeros(600, np.bool_)
    recalled[known.rows] = True
    assert not (recalled & batch.fresh).any() and (recalled | batch.fresh)[batch.relabelled].all()
    assert 0.15 < batch.fresh.sum() / (batch.fresh | recalled).sum() < 0.35
    assert 0.4 < (batch.fresh | recalled)[~batch.relabelled].mean() < 0.6
    for index in range(10):
        states = np.repeat(batch.states[known.rows[index]], 8)
        rewards, terminated = game.step_batch(states, known.actions[index])
        game.observe_batch(states, seen := np.zeros((8, 1, *game.observation_shape), np.float32))
        np.testing.assert_array_equal(known.observations[index], seen[:, 0])
        np.testing.assert_array_equal(known.rewards[index], rewards)
        np.testing.assert_array_equal(known.terminated[index], terminated)
    assert known.known.all()


def test_goals_that_are_no_news_may_be_passed_over() -> None:
    """The achieved goals of one episode stay, those of the other are at 1 dm from the third step on."""
    game = short()
    assert isinstance(game.task, GoalTask)
    records = play(game, 2)
    for record, way in zip(records.values(), (0.0, 0.1), strict=True):
        start = game.achieved_goals(record.steps["state"][:1])[0]
        record.steps["state"][1:] = record.steps["state"][:1]
        record.steps["achieved"] = start
        record.steps["achieved"][2:, 0] += way
    window = EpisodeWindow(game, EpisodeWindowConfig(hindsight_share=1.0, moved_share=1.0, holdout_fraction=0.0))
    window.add_all(records.values())
    assert window._steps.rows["moved"].tolist() == [6] * 6 + [2, 1, 0, 0, 0, 0]
    batch = window.sample(300, 2)
    assert (batch.ages == 0).mean() > 0.98 and (~game.successes(batch.states)).mean() > 0.98
    usual = EpisodeWindow(game, EpisodeWindowConfig(hindsight_share=1.0, holdout_fraction=0.0))
    usual.add_all(records.values())
    assert 0.4 < (usual.sample(300, 2).ages == 0).mean() < 0.6


@pytest.mark.parametrize("far", [0.0, 5.0])
def test_recalling_against_a_slow_twin(far: float) -> None:
    """`far`: how much denser the actions were proposed than the newest policy would propose them."""
    game = short()
    network = network_of(game)
    bins = ValueBins(network.shape, SMALL, torch.device("cpu"))
    random = np.random.default_rng(0)
    shape = (3, 8)
    known = random.random(shape) < 0.7
    here, seen = (random.normal(size=(*axes, 12, 1, 1)).astype(np.float32) for axes in ((3,), shape))
    rewards, terminated = random.normal(size=shape).astype(np.float32), random.random(shape) < 0.3
    actions = random.uniform(-1, 1, (*shape, 2)).astype(np.float32)
    log_proposals = (random.normal(-1.4, 0.5, shape) + far).astype(np.float32)
    given = Successors(np.arange(3), known, actions, log_proposals, seen, rewards, terminated)
    looking = Lookahead(game, SIMULATED.settings(), network, torch.device("cpu"), "float32")
    found = looking.recall(network, here, given)
    settings, device = SIMULATED.settings(), torch.device("cpu")
    weighing = Lookahead(game, settings, network, device, "float32", "proposals")
    looking_back = weighing.recall(network, here, given)
    with torch.inference_mode():
        values = bins.values(network(torch.from_numpy(seen.reshape(-1, 12, 1, 1))).value_logits).numpy().reshape(shape)
        outputs = network(torch.from_numpy(here)).policy_logits
        log_probs = GaussianHead().log_prob(outputs, torch.from_numpy(actions)).numpy()
    for row in range(3):
        slots = np.flatnonzero(known[row])
        returns = rewards[row, slots] + game.discount * np.where(terminated[row, slots], 0.0, values[row, slots])
        better = np.exp(51 * 0.1 * (returns - returns.max()) / (returns.max() - returns.min()))
        assert found.values[row] == pytest.approx(float(better @ returns / better.sum()), abs=1e-4)
        ratios = np.exp(np.clip(log_probs - log_proposals, -3.0, 3.0)[row, slots])
        weights = ratios * better / (ratios @ better) * min(1.0, ratios.mean())
        np.testing.assert_allclose(found.policy[row, slots], weights, atol=1e-5)
        assert found.policy[row][~known[row]].sum() == 0
        plain = better / better.sum()
        np.testing.assert_allclose(looking_back.policy[row, slots], plain, atol=1e-5)
    assert (found.policy.sum(1) < 0.2).all() if far else (found.policy.sum(1) > 0.5).all()
    np.testing.assert_array_equal(looking_back.values, found.values)


def test_the_learner_learns_exchanged_goals_without_a_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    game = short()
    window = EpisodeWindow(game, EpisodeWindowConfig(fresh_share=0.0, simulated_share=0.0, holdout_fraction=0.0))
    window.add_all(play(game, 4).values())
    monkeypatch.setattr(game, "step_batch", None)  # not to be called
    learner = Learner(game, SMALL, LearnerConfig(batch_size=64, precision="float32"), 0)
    batch = window.sample(64, 0)
    inputs = learner.lessons.inputs(batch, learner.ema_network, 0)
    np.testing.assert_array_equal(inputs.choices[batch.successors.rows].numpy(), batch.successors.actions)
    assert (inputs.choices.numpy()[~batch.relabelled] == batch.actions[~batch.relabelled]).all()
    assert np.isfinite(learner.train_step(window.sample(64, 1))["loss/total"])
