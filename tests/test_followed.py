"""What followed in the episode, as a bound of what the action that was played is worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from episode_play import SMALL, network_of, nothing_followed, play, short

from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.learning.learner import Learner, LearnerConfig
from rl.learning.lookahead import Findings, Lookahead
from rl.network.vector import ValueBins
from rl.replay.episode_batch import EpisodeBatch, Followed
from rl.replay.episodes import EpisodeWindow, EpisodeWindowConfig
from rl.replay.records import GameRecord
from rl.search.simulator import SIMULATED

pytestmark = pytest.mark.plain_only  # the search's kernels would be compiled for every game here


def window_of(game: SimulatedGame, records: dict[int, GameRecord], **settings: float) -> EpisodeWindow:
    window = EpisodeWindow(game, EpisodeWindowConfig(**{"followed_share": 1.0, "holdout_fraction": 0.0} | settings))
    window.add_all(records.values())
    return window


def check_against_the_record(game: SimulatedGame, records: dict[int, GameRecord], batch: EpisodeBatch) -> set[int]:
    """Plays each episode on from the sampled state, with the sampled goal; returns how many steps were followed."""
    lengths, newest = set(), max(records)
    for place, row in enumerate(batch.followed.rows):
        record, state = records[newest - int(batch.ages[row])], batch.states[row : row + 1].copy()
        first = int(state["num_moves"][0])
        np.testing.assert_array_equal(batch.followed.actions[place], record.steps["action"][first])
        after, total, weight = batch.followed.states[place], 0.0, 1.0
        length = int(after["num_moves"]) - first
        for action in record.steps["action"][first : first + length]:
            rewards, terminated = game.step_batch(state, action[None])
            assert not terminated[0]
            total, weight = total + weight * float(rewards[0]), weight * game.discount
        np.testing.assert_allclose(state[0]["row"], after["row"], rtol=1e-6)
        assert batch.followed.rewards[place] == pytest.approx(total, rel=1e-5)
        assert batch.followed.discounts[place] == pytest.approx(weight, rel=1e-5)
        if batch.relabelled[row]:
            goal = game.desired_goals(after[None])[0]
            np.testing.assert_array_equal(record.steps["achieved"][first + length], goal)
        lengths.add(length)
    return lengths


@pytest.mark.parametrize(("name", "relabelled"), [("planar_reach", 0.5), ("cart_pole_swing_up", 0.0)])
def test_what_followed_is_what_the_same_actions_come_to_again(name: str, relabelled: float) -> None:
    game = short(name)
    records = play(game, list(range(8)), 4)
    batch = window_of(game, records, hindsight_share=relabelled, fresh_share=0.5).sample(300, 7)
    followed = np.isin(np.arange(300), batch.followed.rows)
    assert (batch.fresh | ~followed).all() and 0.5 < followed.sum() / batch.fresh.sum() < 0.65
    assert not followed[batch.states["num_moves"] == 5].any(), "nothing is held of what comes after the last step"
    assert check_against_the_record(game, records, batch) == {1, 2, 3, 4, 5}


def test_shares_say_how_often() -> None:
    game = short()
    records = play(game, list(range(4)), 4)
    windows = (window_of(game, records, followed_share=share) for share in (1.0, 0.5, 0.0))
    every, some, none = (len(window.sample(800, 1).followed.rows) for window in windows)
    assert none == 0 and 0.4 * every < some < 0.6 * every
    with pytest.raises(UserError, match="followed_share"):
        EpisodeWindowConfig(followed_share=-0.1)


def test_others_may_answer_otherwise() -> None:
    game = short("air_hockey", 4)
    assert len(window_of(game, play(game, list(range(4)), 4)).sample(100, 1).followed.rows) == 0


def look(game: SimulatedGame, followed: Followed, count: int = 4) -> Findings:
    states = game.new_states(np.arange(count, dtype=np.uint64))
    game.observe_batch(states, seen := np.zeros((count, 1, *game.observation_shape), np.float32))
    looking = Lookahead(game, SIMULATED.settings(), network_of(game), torch.device("cpu"), "float32")
    return looking.look(network_of(game), states, seen[:, 0], np.arange(count, dtype=np.uint64), followed)


def test_what_was_played_is_tried_and_worth_no_less_than_what_followed() -> None:
    game = short()
    later = game.new_states(np.arange(2, dtype=np.uint64))
    played = np.array([[0.25, -0.5], [0.75, 0.5]], np.float32)
    without = look(game, nothing_followed(game))
    # The first was worth as much as can be; the second less than one step and the network's value after it.
    rewards, discounts = np.array([0.0, -100.0], np.float32), np.array([0.0, 0.5], np.float32)
    found = look(game, Followed(np.array([1, 2]), played, later, rewards, discounts))
    np.testing.assert_array_equal(found.actions[[0, 3]], without.actions[[0, 3]])
    np.testing.assert_allclose(found.values[[0, 3]], without.values[[0, 3]], rtol=1e-5)
    np.testing.assert_array_equal(found.actions[[1, 2], -1], played)
    np.testing.assert_array_equal(found.actions[[1, 2], :-1], without.actions[[1, 2], :-1])
    assert found.policy[1].argmax() == game.num_slots - 1 and found.policy[1, -1] > 0.5
    assert found.values[1] > without.values[1] + 0.5
    assert abs(found.values[2] - without.values[2]) < 0.5
    np.testing.assert_allclose(found.policy.sum(1), 1.0, rtol=1e-5)


def test_the_state_that_was_reached_counts_as_the_network_values_it() -> None:
    game = short()
    network, later = network_of(game), game.new_states(np.arange(7, 8, dtype=np.uint64))
    game.observe_batch(later, seen := np.zeros((1, 1, *game.observation_shape), np.float32))
    with torch.inference_mode():
        logits = network(torch.from_numpy(seen[:, 0])).value_logits
    value = float(ValueBins(network.shape, SMALL, torch.device("cpu")).values(logits)[0])
    # So much better than anything else that nothing else has a say.
    followed = Followed(
        np.array([0]), np.zeros((1, 2), np.float32), later, np.array([50.0], np.float32), np.array([2.0], np.float32)
    )
    found = look(game, followed, 1)
    rest = float(found.values[0]) - float(found.policy[0, -1]) * (50.0 + 2.0 * value)
    assert abs(rest) < 40.0 * float(found.policy[0, :-1].sum()) and found.policy[0, -1] > 0.9


def test_the_learner_is_told_of_the_right_rows() -> None:
    """Some rows of a batch are fresh, and of these some followed: each lesson has the action of its own row."""
    game = short()
    batch = window_of(game, play(game, list(range(8)), 4), fresh_share=0.3, hindsight_share=0.3).sample(60, 5)
    assert 0 < len(batch.followed.rows) < batch.fresh.sum() < 60
    learner = Learner(game, SMALL, LearnerConfig(batch_size=60, precision="float32"), 0)
    inputs = learner.lessons.inputs(batch, learner.ema_network, 1)
    np.testing.assert_array_equal(inputs.choices.numpy()[batch.followed.rows, -1], batch.followed.actions)
