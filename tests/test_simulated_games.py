"""Robot tasks and Gymnasium environments as games."""

from __future__ import annotations

import pickle

import gymnasium
import numpy as np
import pytest

import games
from games.robots.game import RobotGame
from games.robots.gymnasium_game import GymnasiumGame, Pendulum
from games.robots.task import GoalTask
from games.simulated import SimulatedGame


def made(name: str) -> SimulatedGame:
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    return game


def actions_for(game: SimulatedGame, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, game.action_size)).astype(np.float32)


@pytest.mark.parametrize("name", [*games.simulated_names(), "planar_reach:dense"])
def test_every_simulated_game_keeps_the_contract(name: str) -> None:
    game = pickle.loads(pickle.dumps(made(name)))
    assert game.name == name and name not in games.names()
    keys = np.arange(5, dtype=np.uint64)
    states, alone = game.new_states(keys), game.new_states(keys[3:4])
    assert states.dtype == game.state_dtype and (states["num_moves"] == 0).all()
    observations = np.full((5, game.rows_per_state, *game.observation_shape), np.nan, np.float32)
    for step in range(10):
        game.observe_batch(states, observations)
        assert np.isfinite(observations).all() and np.abs(observations).max() <= 2.0
        actions = actions_for(game, 5, step)
        rewards, terminated = game.step_batch(states, actions)
        alone_rewards, _ = game.step_batch(alone, actions[3:4])
        assert rewards.dtype == np.float32 and terminated.dtype == np.bool_ and alone_rewards[0] == rewards[3]
        assert alone[0] == states[3], "a row does not depend on the others"
    assert (states["num_moves"] == 10).all()
    assert game.successes(states).shape == (5,)
    picture = game.picture(states[0])
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    low, high = game.value_range
    assert low < high and 0 < game.discount < 1


@pytest.mark.parametrize("name", [*games.simulated_names(), "planar_reach:dense"])
def test_what_people_are_told_and_set(name: str) -> None:
    """Goals, as they are drawn at the start, lie within what may be set; keys do what they are said to do; small
    pictures show the same; scripts act within bounds."""
    game = made(name)
    states = game.new_states(np.arange(50, dtype=np.uint64))
    actions = game.scripted_actions(states)
    assert game.has_script and actions.shape == (50, game.action_size) and np.abs(actions).max() <= 1.0
    small, large = game.picture(states[0], 240), game.picture(states[0])
    wanted = small.shape[0] / small.shape[1]
    assert small.size <= large.size and wanted == pytest.approx(large.shape[0] / large.shape[1], abs=0.01)
    assert small.mean() == pytest.approx(large.mean(), abs=4.0)
    setting = game.goal_setting
    assert (setting is None) == (game.goal_size == 0)
    if setting is not None:
        goals = game.desired_goals(states)
        assert goals.shape == (50, game.goal_size) == (50, len(setting.numbers)) and len(setting.steps) in (2, 3)
        low, high = (np.array([getattr(number, end) for number in setting.numbers]) for end in ("low", "high"))
        assert (goals >= low - 1e-6).all() and (goals <= high + 1e-6).all() and (low <= high).all()
        assert all(number.unit in ("m", "rad") for number in setting.numbers)
        wanted_goals = np.broadcast_to((0.5 * (low + high)).astype(np.float32), goals.shape)
        game.set_goals(states, wanted_goals)
        np.testing.assert_array_equal(game.desired_goals(states), wanted_goals)
        if game.picture_area is not None:
            left, bottom, right, top = game.picture_area
            assert left < low[0] and high[0] < right and bottom < low[1] and high[1] < top
            assert setting.steps[0][0] > 0 and setting.steps[1][1] > 0


@pytest.mark.parametrize("name", ["planar_reach", "planar_reach:dense", "quadrotor_2d_hover", "diff_drive_park"])
def test_rewards_of_other_goals_are_those_of_the_task(name: str) -> None:
    """A state that desires another goal is rewarded for it, as the task has it."""
    game = made(name)
    assert isinstance(game, RobotGame) and isinstance(game.task, GoalTask)
    states = game.new_states(np.arange(20, dtype=np.uint64))
    others = game.new_states(np.arange(20, dtype=np.uint64) + np.uint64(50))
    goals = game.task.desired_goals(np.ascontiguousarray(others["row"]))
    actions = actions_for(game, 20, 0)
    reached = states.copy()
    game.step_batch(reached, actions)
    goals[:10] = game.achieved_goals(reached)[:10]  # some of them are met
    before = states["row"].copy()
    game.set_goals(states, goals)
    assert (states["row"] != before).any()
    rewards, terminated = game.step_batch(states, actions)
    expected = game.task.rewards(game.achieved_goals(reached), goals)
    np.testing.assert_array_equal(rewards, expected)
    found, ends = game.goal_rewards(game.achieved_goals(reached), goals)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(ends, terminated)
    if ":" not in name:
        assert (rewards[:10] == 0).all()


def test_an_observation_has_the_goal_and_what_is_missing_to_it() -> None:
    game = made("planar_reach")
    assert isinstance(game, RobotGame) and isinstance(game.task, GoalTask)
    states = game.new_states(np.arange(4, dtype=np.uint64))
    seen = np.zeros((4, 1, 12, 1, 1), np.float32)
    game.observe_batch(states, seen)
    rows = np.ascontiguousarray(states["row"])
    desired, tip = game.task.desired_goals(rows), game.achieved_goals(states)
    np.testing.assert_allclose(seen[:, 0, 4:6, 0, 0], 0)  # at rest
    np.testing.assert_allclose(seen[:, 0, 6:8, 0, 0], tip / 0.5, atol=1e-6)
    np.testing.assert_allclose(seen[:, 0, 8:10, 0, 0], desired / 0.5, atol=1e-6)
    np.testing.assert_allclose(seen[:, 0, 10:, 0, 0], (desired - tip) / 0.5, atol=1e-6)


def test_what_is_missing_to_a_heading_goes_the_shorter_way_round() -> None:
    game = made("diff_drive_park")
    assert isinstance(game, RobotGame) and isinstance(game.task, GoalTask)
    states = game.new_states(np.arange(3, dtype=np.uint64))
    states["row"][:, 0:3] = [(0.0, 0.0, 3.0), (0.3, 0.0, -3.0), (0.0, 0.3, 0.5)]
    goals = np.array([(0.0, 0.3, -3.0), (0.0, 0.0, 3.0), (0.0, 0.0, 1.5)], np.float32)
    game.set_goals(states, goals)
    game.observe_batch(states, seen := np.zeros((3, 1, 11, 1, 1), np.float32))
    turn = 2 * np.pi - 6
    expected = [(0.0, 0.2, turn / np.pi), (-0.2, 0.0, -turn / np.pi), (0.0, -0.2, 1 / np.pi)]
    np.testing.assert_allclose(seen[:, 0, 8:, 0, 0], expected, atol=1e-6)


def test_pendulum_is_gymnasium_s_own() -> None:
    """The equations here against the environment's steps, and the way of one row after the other against both."""
    game, env = Pendulum(), gymnasium.make("Pendulum-v1")
    keys = np.arange(6, dtype=np.uint64)
    fast, slow = game.new_states(keys), game.new_states(keys)
    for row, key in enumerate(keys):
        seen, _ = env.reset(seed=int(key))
        np.testing.assert_array_equal(seen, fast["seen"][row])
        states = fast[row : row + 1].copy()
        for step in range(200):
            action = actions_for(game, 1, 1000 * row + step) * 1.2  # beyond the box as well
            seen, reward, terminated, truncated, _ = env.step(2 * action[0].clip(-1, 1))
            rewards, ends = game.step_batch(states, action)
            np.testing.assert_allclose(states["seen"][0], seen, atol=1e-5)
            assert abs(float(rewards[0]) - float(reward)) < 1e-5 and not ends[0] and not terminated
        assert truncated and states["num_moves"][0] == game.max_num_moves
    for step in range(30):
        actions = actions_for(game, 6, step)
        found, expected = game.step_batch(fast, actions), game.step_environment(slow, actions)
        np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
        np.testing.assert_allclose(fast["saved"], slow["saved"], atol=1e-6)
        np.testing.assert_allclose(fast["seen"], slow["seen"], atol=1e-6)


class Car(GymnasiumGame):
    """Gymnasium's MountainCarContinuous, which ends."""

    state_size, discount, value_range = 2, 0.99, (-10.0, 100.0)

    def save(self, env: gymnasium.Env) -> np.ndarray:
        return env.state  # type: ignore[attr-defined,no-any-return]

    def restore(self, env: gymnasium.Env, saved: np.ndarray) -> None:
        env.state = saved.astype(np.float32)  # type: ignore[attr-defined]


def test_any_environment_that_can_be_saved_is_a_game() -> None:
    game = Car("car", "MountainCarContinuous-v0")
    assert game.max_num_moves == 999 and game.action_size == 1 and game.observation_shape == (2, 1, 1)
    states = game.new_states(np.arange(2, dtype=np.uint64))
    states["saved"][1] = 0.44, 0.06
    rewards, terminated = game.step_batch(states, np.ones((2, 1), np.float32))
    assert terminated.tolist() == [False, True] and rewards[1] > 99 and rewards[0] == pytest.approx(-0.1)
    with pytest.raises(ValueError, match="CartPole-v1: observations and actions have to be Box vectors"):
        Car("cart", "CartPole-v1")


def test_options_of_simulated_games() -> None:
    with pytest.raises(games.UnknownGame, match="pendulum has no option 'dense': it has none"):
        games.make("pendulum:dense")
    with pytest.raises(games.UnknownGame, match="planar_reach has no option 'size'"):
        games.make("planar_reach:size=3")
