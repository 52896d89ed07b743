"""`keima bench control`, and how the scores of episodes are taken."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest

import games
from games.base import FloatArray, StateArray
from games.robots.game import RobotGame
from games.robots.gymnasium_game import Pendulum
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.network.evaluator import NetworkEvaluator
from rl.network.kinds import make_network
from rl.network.vector import VectorConfig
from rl.search.simulator import SIMULATED
from rl.train.episodes import episode_keys, play_episodes, policy_actor, search_actor
from scripts.bench import control
from scripts.bench.control import ControlBench, measure, train_whole


def test_episodes_are_scored_as_gymnasium_scores_them() -> None:
    """Each with the seed that its key is, by the environment's own steps and by the batch's."""
    game, env = Pendulum(), gymnasium.make("Pendulum-v1")

    def half(states: StateArray) -> FloatArray:
        return np.full((len(states), 1), 0.5, np.float32)

    keys = np.arange(3, dtype=np.uint64)
    judged, batched = play_episodes(game, half, keys, game.step_environment), play_episodes(game, half, keys)
    for seed in range(3):
        env.reset(seed=seed)
        total = sum(float(env.step(np.array([1.0], np.float32))[1]) for _ in range(200))
        assert judged.returns[seed] == pytest.approx(total, abs=1e-2)
        assert batched.returns[seed] == pytest.approx(total, abs=1e-1)
    assert len(judged.film) == 201


def test_episodes_stop_at_true_ends() -> None:
    game = games.make("quadrotor_2d_hover")
    assert isinstance(game, RobotGame)
    fallen = play_episodes(game, lambda states: np.full((len(states), 2), -1, np.float32), episode_keys(4))
    assert (fallen.returns <= -150).all() and not fallen.successes.any() and len(fallen.film) < 151
    flown = play_episodes(game, lambda states: game.task.scripted_actions(states["row"].copy()), episode_keys(4))
    assert flown.successes.all() and (flown.returns > -150).all()


@pytest.mark.plain_only
def test_policy_and_search_act_in_batches_of_any_size() -> None:
    game = games.make("pendulum")
    assert isinstance(game, SimulatedGame)
    network = make_network(game, VectorConfig(layers=1, width=8), 0)
    states = game.new_states(episode_keys(5))
    whole, parts = (NetworkEvaluator(game, network, size, precision="float32") for size in (5, 2))
    expected = policy_actor(game, whole)(states)
    assert expected.shape == (5, 1) and (np.abs(expected) < 1).all()
    np.testing.assert_allclose(policy_actor(game, parts)(states), expected, atol=1e-6)
    assert search_actor(game, parts, SIMULATED, 4, 5)(states).shape == (5, 1)


@pytest.mark.plain_only
def test_the_search_alone_is_counted() -> None:
    report = measure(ControlBench(tasks=(), trees=2, repeats=1))
    assert {figure.unit for figure in report.figures} == {"simulations/s"}
    assert all(figure.goal == 150_000 or figure.clock == "cpu" for figure in report.figures)
    with pytest.raises(UserError, match="tic_tac_toe is no task for a robot"):
        measure(ControlBench(tasks=("tic_tac_toe",), trees=2, repeats=1))


def test_a_run_is_not_taken_up_again(tmp_path: Path) -> None:
    (tmp_path / "pendulum-1").mkdir()
    with pytest.raises(UserError, match="pendulum-1 already"):
        measure(ControlBench(tasks=("pendulum",), runs=2, keep=tmp_path))


def test_a_run_that_was_stopped_is_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "train", lambda *_: 130)
    with pytest.raises(UserError, match="the run of pendulum was stopped"):
        train_whole(control.make_task("pendulum"), tmp_path, 0, 1)
