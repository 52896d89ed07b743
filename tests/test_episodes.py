"""Episodes of simulated games: how they are played, held, relabelled and learnt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from episode_play import SMALL, network_of, nothing_followed, play, short

from games.robots.game import RobotGame
from games.robots.task import GoalTask
from rl.errors import UserError
from rl.learning.learner import Learner, LearnerConfig
from rl.learning.lookahead import Lookahead
from rl.network.evaluator import NetworkEvaluator
from rl.network.vector import ValueBins
from rl.replay.episodes import EpisodeWindow, EpisodeWindowConfig, lambda_returns
from rl.replay.records import decode, encode, step_dtype
from rl.search.simulator import SIMULATED
from rl.selfplay.episodes import EpisodesConfig
from rl.selfplay.kinds import make_selfplay
from rl.selfplay.lockstep import SelfplayConfig

pytestmark = pytest.mark.plain_only  # the search's kernels would be compiled for every game here


def test_an_episode_is_a_function_of_seed_and_number() -> None:
    game = short()
    alone, together = play(game, [7], 1), play(game, [2, 9, 7, 4, 11], 3)
    assert encode(alone[7]) == encode(together[7])
    assert set(together) == {2, 9, 7, 4, 11}
    assert encode(play(game, [7], 1, seed=5)[7]) != encode(alone[7])


def test_a_record_tells_what_happened() -> None:
    game = short()
    assert isinstance(game, RobotGame) and isinstance(game.task, GoalTask)
    record = decode(game, encode(play(game, [5], 1)[5]))
    steps = record.steps
    assert len(steps) == 6 and steps["is_target"].all() and (steps["num_targets"] > 0).all()
    assert (steps["state"]["num_moves"] == np.arange(6)).all() and (steps["network_id"] == 4).all()
    for ply, step in enumerate(steps):
        states = steps["state"][ply : ply + 1].copy()
        rewards, _ = game.step_batch(states, step["action"][None])
        assert rewards[0] == step["reward"] and game.successes(states)[0] == step["success"]
        np.testing.assert_array_equal(game.achieved_goals(states)[0], step["achieved"])
        if ply < 5:
            np.testing.assert_array_equal(states["row"][0], steps["state"]["row"][ply + 1])
    assert not steps["terminated"].any() and (steps["cut_value"][:-1] == 0).all()
    evaluator = NetworkEvaluator(game, network_of(game), 8, fixed_batch=True, precision="float32")
    game.observe_batch(states, seen := np.zeros((1, 1, 12, 1, 1), np.float32))
    evaluator.buffer()[:1] = seen[:, 0]
    assert steps["cut_value"][-1] == evaluator.collect(evaluator.submit(1)).values[0], "the network's of the last state"


def test_a_true_end_ends_an_episode() -> None:
    game = short("quadrotor_2d_hover", steps=150)
    found = play(game, list(range(6)), 6)
    ended = [record for record in found.values() if record.steps["terminated"].any()]
    assert ended, "a random policy crashes"
    for record in ended:
        assert record.steps["terminated"].tolist() == [False] * (len(record.steps) - 1) + [True]
        assert record.steps["reward"][-1] == -150 and record.steps["cut_value"][-1] == 0


def test_the_first_episodes_are_cut_one_after_the_other() -> None:
    """And are otherwise the ones that they would have been; what would have followed is the network's to say."""
    game = short()
    whole, cut = play(game, list(range(6)), 4), play(game, list(range(6)), 4, staggered=True)
    assert [len(cut[number].steps) for number in range(6)] == [2, 3, 5, 6, 6, 6]
    for number in (3, 4, 5):
        assert encode(cut[number]) == encode(whole[number])
    for number in (0, 1, 2):
        short_steps, steps = cut[number].steps, whole[number].steps[: len(cut[number].steps)]
        np.testing.assert_array_equal(short_steps["action"], steps["action"])
        assert (short_steps["cut_value"][:-1] == 0).all() and short_steps["cut_value"][-1] != 0
        assert not short_steps["terminated"].any()


def test_dropped_episodes_leave_their_places() -> None:
    game = short()
    episodes = make_selfplay(game, EpisodesConfig(games_per_worker=2, simulations=3), 0)
    evaluator = NetworkEvaluator(game, network_of(game), 2)
    numbers = iter(range(9))
    episodes.wave(evaluator, lambda: next(numbers))
    assert episodes.num_active == 2 and sorted(episodes.abandon()) == [0, 1] and episodes.num_active == 0
    episodes.wave(evaluator, lambda: next(numbers))
    assert episodes.num_active == 2
    with pytest.raises(TypeError, match="planar_reach is not played with a SelfplayConfig"):
        make_selfplay(game, SelfplayConfig(), 0)
    with pytest.raises(UserError):
        EpisodesConfig(simulations=0)


# --- the window -----------------------------------------------------------------------------------------------------


def test_lambda_returns_by_hand() -> None:
    steps = np.zeros(2, step_dtype(short()))
    steps["reward"], steps["root_value"] = [1.0, 2.0], [10.0, 20.0]
    steps["cut_value"] = [0.0, 40.0]
    last = 0.75 * 20 + 0.25 * (2 + 0.5 * 40)
    np.testing.assert_allclose(lambda_returns(steps, 0.5, 0.25), [0.75 * 10 + 0.25 * (1 + 0.5 * last), last])
    np.testing.assert_allclose(lambda_returns(steps, 0.5, 1.0), [1 + 0.5 * (2 + 0.5 * 40), 2 + 0.5 * 40])
    steps["cut_value"] = 0.0  # a true end
    np.testing.assert_allclose(lambda_returns(steps, 0.5, 1.0), [2.0, 2.0])
    np.testing.assert_allclose(lambda_returns(steps, 0.5, 0.0), [10.0, 20.0])


def test_a_window_gives_what_was_recorded_or_a_goal_that_was_reached_later() -> None:
    game = short()
    assert isinstance(game, RobotGame) and isinstance(game.task, GoalTask)
    records = play(game, list(range(8)), 4)
    window = EpisodeWindow(game, EpisodeWindowConfig(hindsight_share=0.5, fresh_share=0.25, holdout_fraction=0.0))
    window.add_all(records.values())
    assert window.num_positions == window.total_positions == 48 and window.num_games == 8 and window.newest_game == 7
    batch = window.sample(400, 11)
    assert 0.4 < batch.relabelled.mean() < 0.6 and 0.55 < batch.fresh.mean() < 0.7
    assert (batch.fresh | ~batch.relabelled).all()
    game.observe_batch(batch.states, seen := np.zeros((400, 1, 12, 1, 1), np.float32))
    np.testing.assert_array_equal(seen[:, 0], batch.observations)
    np.testing.assert_allclose(batch.policy.sum(1), 1, atol=1e-4)
    met = 0
    for row in range(400):
        record = records[7 - int(batch.ages[row])]
        ply = int(batch.states["num_moves"][row])
        step, state = record.steps[ply], batch.states[row]
        np.testing.assert_array_equal(state["row"][:4], step["state"]["row"][:4])
        goal = game.task.desired_goals(state["row"][None])[0]
        if batch.relabelled[row]:
            later = (record.steps["achieved"][ply:] == goal).all(axis=1)
            assert later.any()
            met += int(later[0])
        else:
            assert state == step["state"]
            expected = lambda_returns(record.steps, game.discount, 0.95)[ply]
            assert batch.returns[row] == expected
            first = int(record.steps["num_targets"][:ply].sum())
            targets = record.targets[first : first + int(step["num_targets"])]
            np.testing.assert_array_equal(batch.actions[row][: len(targets)], targets["action"])
            np.testing.assert_allclose(batch.policy[row][: len(targets)], targets["weight"] / 65535, rtol=1e-6)
    assert 0.2 < met / batch.relabelled.sum() < 0.8, "now and later, not always the next step"
    np.testing.assert_array_equal(batch.revalued, batch.relabelled)
    again = window.sample(400, 11)
    np.testing.assert_array_equal(again.observations, batch.observations)
    assert (window.sample(400, 12).observations != batch.observations).any()


def test_values_may_be_found_anew_too() -> None:
    game = short()
    config = EpisodeWindowConfig(hindsight_share=0.2, fresh_share=0.6, fresh_value_share=0.5, holdout_fraction=0.0)
    window = EpisodeWindow(game, config)
    window.add_all(play(game, list(range(2)), 2).values())
    batch = window.sample(2000, 3)
    assert (batch.fresh | ~batch.revalued).all() and (batch.revalued | ~batch.relabelled).all()
    own = ~batch.relabelled
    assert 0.55 < batch.fresh[own].mean() < 0.65 and 0.25 < batch.revalued[own].mean() < 0.35
    learner = Learner(game, SMALL, LearnerConfig(batch_size=2000, precision="float32"), 0)
    before = batch.returns.copy()
    learner.lessons.inputs(batch, learner.ema_network, 1)
    np.testing.assert_array_equal(batch.returns == before, ~batch.revalued)


def test_a_window_drops_whole_episodes_and_holds_some_out() -> None:
    game = short()
    records = play(game, list(range(10)), 5)
    window = EpisodeWindow(game, EpisodeWindowConfig(max_positions=30, holdout_fraction=0.3))
    window.add_all(records.values())
    assert window.num_games == 5 and window.num_positions + window.num_holdout_positions == 30
    assert window.total_positions == 60 and window.num_holdout_positions % 6 == 0
    with pytest.raises(ValueError, match="no steps"):
        EpisodeWindow(game, EpisodeWindowConfig()).sample(4, 0)
    with pytest.raises(UserError):
        EpisodeWindowConfig(hindsight_share=1.5)


# --- learning -------------------------------------------------------------------------------------------------------


def test_looking_ahead_against_a_slow_twin() -> None:
    game = short()
    network, count = network_of(game), 5
    bins = ValueBins(network.shape, SMALL, torch.device("cpu"))
    states = game.new_states(np.arange(count, dtype=np.uint64))
    game.observe_batch(states, seen := np.zeros((count, 1, 12, 1, 1), np.float32))
    looking = Lookahead(game, SIMULATED.settings(), network_of(game, 1), torch.device("cpu"), "float32")
    found = looking.look(network, states, seen[:, 0], np.arange(count, dtype=np.uint64), nothing_followed(game))
    np.testing.assert_allclose(found.policy.sum(1), 1, atol=1e-5)
    with torch.inference_mode():
        outputs = network(torch.from_numpy(seen[:, 0])).policy_logits.numpy()
    prior_logits = looking._proposer.propose(states, outputs, np.arange(count, dtype=np.uint64)).prior_logits
    for row in range(count):
        returns = []
        for action in found.actions[row]:
            following = states[row : row + 1].copy()
            rewards, _ = game.step_batch(following, action[None])
            game.observe_batch(following, after := np.zeros((1, 1, 12, 1, 1), np.float32))
            with torch.inference_mode():
                value = float(bins.values(network(torch.from_numpy(after[:, 0])).value_logits)[0])
            returns.append(float(rewards[0]) + game.discount * value)
        spread = max(returns) - min(returns)
        scores = [
            logit + 51 * 0.1 * (value - min(returns)) / spread
            for logit, value in zip(prior_logits[row], returns, strict=True)
        ]
        weights = np.exp(np.array(scores) - max(scores))
        np.testing.assert_allclose(found.policy[row], weights / weights.sum(), atol=2e-3)
        assert found.values[row] == pytest.approx(float(weights @ returns / weights.sum()), abs=2e-3)


def test_the_learner_looks_ahead_as_the_run_searches() -> None:
    """Where values count for nothing, what is learnt is what was proposed; where for all, the best of it."""
    game = short()
    window = EpisodeWindow(game, EpisodeWindowConfig(holdout_fraction=0.0, hindsight_share=0.0))
    window.add_all(play(game, list(range(2)), 2).values())
    policies = []
    for c_scale in (0.0, 1000.0):
        search = replace(SIMULATED, c_scale=c_scale)
        learner = Learner(game, SMALL, LearnerConfig(precision="float32"), 0, search=search)
        policies.append(learner.lessons.inputs(window.sample(32, 1), learner.ema_network, 1).policy.numpy())
    assert policies[0].max() < 0.9 and (policies[1].max(1) > 0.99).mean() > 0.9


def test_the_learner_learns_values_and_actions() -> None:
    """Far from everything, the value is what the returns say; and the policy follows the weights."""
    game = short()
    config = LearnerConfig(
        optimizer="adamw", batch_size=64, warmup_steps=5, learning_rate=1e-2, ema_decay=0.9, precision="float32"
    )
    learner = Learner(game, SMALL, config, 0)
    window = EpisodeWindow(game, EpisodeWindowConfig(hindsight_share=0.0, fresh_share=0.0, holdout_fraction=0.0))
    window.add_all(play(game, list(range(8)), 4).values())
    wanted = np.array([0.7, -0.4], np.float32)
    first: dict[str, float] = {}
    for step in range(150):
        batch = window.sample(64, step)
        actions = np.tile(wanted, (64, game.num_slots, 1))
        metrics = learner.train_step(batch._replace(actions=actions, returns=np.full(64, -3.0, np.float32)))
        first = first or metrics
    assert metrics["loss/policy"] < first["loss/policy"] - 1 and metrics["policy/deviation"] < 0.4
    assert "value/accuracy" not in metrics and "policy/log_partition" not in metrics
    evaluator = NetworkEvaluator(game, learner.ema_network, 64, precision="float32")
    evaluator.buffer()[:] = batch.observations
    found = evaluator.collect(evaluator.submit(64))
    np.testing.assert_allclose(found.values, -3, atol=0.5)
    np.testing.assert_allclose(np.tanh(found.prior_logits[:, :2]).mean(0), wanted, atol=0.1)


def test_steps_are_the_same_for_the_same_batches() -> None:
    game = short()
    window = EpisodeWindow(game, EpisodeWindowConfig(holdout_fraction=0.0))
    window.add_all(play(game, list(range(4)), 4).values())
    states = []
    for _ in range(2):
        learner = Learner(game, SMALL, LearnerConfig(batch_size=16, precision="float32"), 0)
        for step in range(3):
            learner.train_step(window.sample(16, step))
        states.append(learner.ema_state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
