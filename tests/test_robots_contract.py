"""Every robot environment keeps the same promises, whatever moves in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode
from robot_environments import GOAL_IDS, IDS, TASKS, actions_of, make, needs_pictures
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines

import games.robots
from games.robots.environment import GoalEnv, TaskEnv
from games.robots.task import GoalTask, SpatialTask

ROOT = Path(__file__).resolve().parent.parent


# --- names and spaces ------------------------------------------------------------------------------------------------


def test_ids_are_those_that_are_registered() -> None:
    assert {name for name in gymnasium.registry if name.startswith("keima/")} == set(IDS)
    assert all(re.fullmatch(r"keima/[A-Z][A-Za-z0-9]+-v0", name) for name in IDS)


def test_the_package_says_where_environments_are_registered() -> None:
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    code = f"import importlib, gymnasium; importlib.import_module({entry_points['gymnasium.envs']['__root__']!r})"
    code += f"; gymnasium.make({IDS[0]!r}); print('made')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "made\n", result.stderr


FINDING = """
import sys, gymnasium
try:
    gymnasium.make(sys.argv[1])
except gymnasium.error.NamespaceNotFound as error:
    print(error)
print(gymnasium.make(f"games.robots:{sys.argv[1]}").spec.id)
"""


def test_gymnasium_imports_what_an_id_names_and_nothing_by_itself() -> None:
    """As docs/robots/README.md tells it. Should a Gymnasium to come import plugins again, the page can be shorter."""
    result = subprocess.run([sys.executable, "-c", FINDING, IDS[0]], capture_output=True, text=True)
    refusal, made = result.stdout.splitlines()
    assert refusal.startswith("Namespace keima not found") and made == IDS[0], result.stderr


def test_tasks_are_made_by_name() -> None:
    assert [games.robots.make(name).name for name in TASKS] == list(TASKS)
    with pytest.raises(games.robots.UnknownTask, match="unknown task 'chess': the tasks are planar_reach"):
        games.robots.make("chess")


def test_a_task_that_lacks_a_method_cannot_be_made() -> None:
    class Unfinished(GoalTask):
        """Says nothing of how it moves."""

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()  # type: ignore[abstract]


@pytest.mark.parametrize("name", IDS)
def test_limits_and_rates_are_the_tasks_own(name: str) -> None:
    env = make(name)
    assert gymnasium.spec(name).max_episode_steps == env.task.max_episode_steps
    assert env.metadata["render_fps"] == env.task.control_rate
    depth = {"depth_array"} if isinstance(env.task, SpatialTask) else set()
    assert set(env.metadata["render_modes"]) == {"human", "rgb_array"} | depth
    assert isinstance(env.task, GoalTask) == isinstance(env, GoalEnv)
    space = env.action_space
    assert isinstance(space, gymnasium.spaces.Box) and space.dtype == np.float32
    assert (space.low == -1).all() and (space.high == 1).all() and space.shape == (env.task.action_size,)


# --- what Gymnasium and Stable-Baselines3 ask -----------------------------------------------------------------------


@pytest.mark.parametrize("name", IDS)
def test_gymnasiums_own_check_passes(name: str) -> None:
    needs_pictures(games.robots.ENVIRONMENTS[name].task)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "overflow encountered in scalar")  # hashes in plain Python
        check_env(gymnasium.make(name, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("name", IDS)
def test_stable_baselines_own_check_passes(name: str) -> None:
    needs_pictures(games.robots.ENVIRONMENTS[name].task)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "overflow encountered in scalar")  # hashes in plain Python
        check_for_stable_baselines(make(name, render_mode="rgb_array"), skip_render_check=False)


@pytest.mark.parametrize("name", IDS)
def test_steps_tell_of_success_and_time_limits_are_a_wrappers(name: str) -> None:
    env = gymnasium.make(name)
    env.reset(seed=5)
    still = np.zeros(env.action_space.shape, np.float32)
    for step in range(env.unwrapped.task.max_episode_steps):
        _, reward, terminated, truncated, info = env.step(still)
        assert type(info["is_success"]) is bool and info["success"] is info["is_success"]
        assert type(reward) is float and type(terminated) is bool
        assert truncated == (step + 1 == env.unwrapped.task.max_episode_steps)
        if terminated:
            break


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("action", [[0.0], [[0.0, 0.0]], [np.nan] * 2, [np.inf] * 1], ids=str)
def test_actions_that_are_none_are_refused(name: str, action: list[Any]) -> None:
    env = make(name)
    env.reset(seed=0)
    if np.shape(action) != env.action_space.shape or not np.isfinite(action).all():
        with pytest.raises(ValueError, match="finite numbers"):
            env.step(np.array(action, np.float32))


@pytest.mark.parametrize("name", IDS)
def test_actions_beyond_the_bounds_count_as_the_bounds(name: str) -> None:
    task = make(name).task
    states = task.new_states(np.arange(2, dtype=np.uint64))
    states[1] = states[0]
    actions = np.full((2, task.action_size), 1.0, np.float32)
    actions[1] = 7.0
    task.step(states, actions)
    np.testing.assert_array_equal(states[0], states[1])


# --- the same every time --------------------------------------------------------------------------------------------


def states_of_episode(env: TaskEnv, seed: int, actions: np.ndarray) -> list[bytes]:
    env.reset(seed=seed)
    states = [env.get_state().tobytes()]
    for action in actions:
        env.step(action)
        states.append(env.get_state().tobytes())
    return states


@pytest.mark.parametrize("name", IDS)
def test_seeds_and_states_are_exact(name: str) -> None:
    first, second = make(name), make(name)
    actions = actions_of(first.task, 12, seed=1)
    states = states_of_episode(first, 11, actions)
    assert states == states_of_episode(second, 11, actions)
    assert states[0] != states_of_episode(second, 12, actions)[0]
    second.set_state(np.frombuffer(states[4]))
    for action, expected in zip(actions[4:], states[5:], strict=True):
        second.step(action)
        assert second.get_state().tobytes() == expected
    first.reset()
    assert first.get_state().tobytes() != states[0], "without a seed, an episode is like none before"
    with pytest.raises(ValueError, match="a row of"):
        first.set_state(np.zeros(3))


def test_another_process_agrees_to_the_last_bit() -> None:
    asked, expected = {}, {}
    for name in IDS:
        env = make(name)
        actions = actions_of(env.task, 20, seed=2)
        states = states_of_episode(env, 21, actions)
        asked[name] = {"seed": 21, "state": states[8].hex(), "actions": actions[8:].tolist()}
        expected[name] = [states[0].hex(), states[-1].hex()]
    worker = [sys.executable, str(ROOT / "tests" / "robot_worker.py")]
    result = subprocess.run(worker, input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(result.stdout) == expected


@pytest.mark.parametrize("name", IDS)
def test_a_row_moves_the_same_whatever_stands_beside_it(name: str) -> None:
    task = make(name).task
    keys = np.arange(9, dtype=np.uint64)
    together, actions = task.new_states(keys), actions_of(task, 9, seed=3)
    alone = [task.new_states(keys[index : index + 1]) for index in range(9)]
    for _ in range(5):
        rewards, terminated = task.step(together, actions)
        for index, states in enumerate(alone):
            reward, ended = task.step(states, actions[index : index + 1])
            assert reward[0] == rewards[index] and ended[0] == terminated[index]
            np.testing.assert_array_equal(states[0], together[index])


@pytest.mark.parametrize("name", IDS)
def test_many_in_one_are_the_single_ones(name: str) -> None:
    """The native vector environment against Gymnasium's, with episodes that end within the test."""
    count, steps = 3, 12
    one = gymnasium.make_vec(name, count, vectorization_mode="vector_entry_point", max_episode_steps=5)
    other = gymnasium.make_vec(name, count, vectorization_mode="sync", max_episode_steps=5)
    assert one.metadata["autoreset_mode"] == other.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert one.observation_space == other.observation_space and one.action_space == other.action_space
    assert data_equivalence(one.reset(seed=31), other.reset(seed=31), exact=True)
    one.action_space.seed(4)
    for _ in range(steps):
        actions = one.action_space.sample()
        assert data_equivalence(one.step(actions), other.step(actions), exact=True)
    assert data_equivalence(one.reset(seed=[1, 2, 3]), other.reset(seed=[1, 2, 3]), exact=True)
    for wrong in ([1, 2], [1, 2, 3, 4]):
        with pytest.raises(ValueError, match="seeds for 3 environments"):
            one.reset(seed=wrong)
    with pytest.raises(ValueError, match="finite numbers"):
        one.step(np.full(one.action_space.shape, np.nan, np.float32))


@pytest.mark.parametrize("name", IDS)
def test_vector_states_are_saved_and_drawn(name: str) -> None:
    needs_pictures(games.robots.ENVIRONMENTS[name].task)
    envs = gymnasium.make_vec(name, 2, vectorization_mode="vector_entry_point", render_mode="rgb_array")
    envs.reset(seed=1)
    states = envs.get_state()
    first = envs.step(envs.action_space.sample() * 0)
    envs.set_state(states)
    assert data_equivalence(envs.step(envs.action_space.sample() * 0), first, exact=True)
    assert len(envs.render()) == 2
    with pytest.raises(ValueError, match="are rows"):
        envs.set_state(states[:1])


# --- physics that holds ---------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
@pytest.mark.filterwarnings("error:.*MuJoCo warned")
@pytest.mark.parametrize("name", IDS)
def test_random_steps_stay_within_the_bounds(name: str) -> None:
    """100,000 of them, and 10,000 of MuJoCo's, whose 100,000 are a test of their own."""
    step_at_random(name, 10 if isinstance(make(name).task, SpatialTask) else 100)


@pytest.mark.long
@pytest.mark.compiled_only
@pytest.mark.filterwarnings("error:.*MuJoCo warned")
@pytest.mark.parametrize("name", [name for name in IDS if isinstance(make(name).task, SpatialTask)])
def test_mujoco_warns_of_nothing_in_a_hundred_thousand_random_steps(name: str) -> None:
    step_at_random(name, 100)


def step_at_random(name: str, count: int) -> None:
    """1000 steps of `count` copies: half of them random, half held for whole episodes, which is what drives a robot to
    its limits."""
    envs = gymnasium.make_vec(name, count, vectorization_mode="vector_entry_point")
    generator = np.random.default_rng(7)
    envs.reset(seed=7, options={"randomize": True})
    held = np.sign(generator.uniform(-1, 1, envs.action_space.shape)).astype(np.float32)
    for step in range(1000):
        actions = generator.uniform(-1, 1, envs.action_space.shape).astype(np.float32)
        actions[::2] = held[::2]
        if step % 50 == 0:
            held = np.sign(generator.uniform(-1, 1, envs.action_space.shape)).astype(np.float32)
        observations, rewards, _, _, _ = envs.step(actions)
        assert observations in envs.observation_space
        assert np.isfinite(rewards).all()
    assert np.isfinite(envs.get_state()).all()


@pytest.mark.parametrize("name", TASKS)
def test_the_script_knows_what_to_do(name: str) -> None:
    """It succeeds more often than what is random, and never leaves the bounds."""
    task = games.robots.make(name, **({"opponent": "still"} if name == "air_hockey" else {}))
    count = 8
    scripted = task.new_states(np.arange(count, dtype=np.uint64))
    random = scripted.copy()
    successes = np.zeros((2, count), np.bool_)
    running = np.ones((2, count), np.bool_)
    for step in range(task.max_episode_steps):
        chosen = task.scripted_actions(scripted)
        assert chosen.shape == (count, task.action_size) and chosen.dtype == np.float32
        assert (np.abs(chosen) <= 1).all()
        for row, (states, actions) in enumerate([(scripted, chosen), (random, actions_of(task, count, step))]):
            _, terminated = task.step(states, actions)
            successes[row] = np.where(running[row], task.successes(states), successes[row])
            running[row] &= ~terminated
    assert successes[0].mean() >= 0.5 and successes[0].sum() > successes[1].sum()


# --- domain randomisation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IDS)
def test_parameters_are_drawn_and_told(name: str) -> None:
    env = make(name)
    parameters = env.task.parameters
    assert parameters
    nominal = {key: parameter.nominal for key, parameter in parameters.items()}
    assert env.reset(seed=1)[1]["parameters"] == nominal
    drawn = [env.reset(seed=seed, options={"randomize": True})[1]["parameters"] for seed in range(20)]
    assert drawn[3] == env.reset(seed=3, options={"randomize": True})[1]["parameters"]
    for key, parameter in parameters.items():
        values = [one[key] for one in drawn]
        assert len(set(values)) == 20 and parameter.low <= min(values) and max(values) < parameter.high
    one = next(iter(parameters))
    low, high = parameters[one].high * 2, parameters[one].high * 3
    asked = env.reset(seed=1, options={"randomize": {one: (low, high)}})[1]["parameters"]
    assert low <= asked[one] < high and {**asked, one: nominal[one]} == nominal
    assert env.get_state()[parameters[one].column] == asked[one]
    assert env.reset(seed=1)[1]["parameters"] == nominal
    with pytest.raises(ValueError, match="has no parameter 'colour'"):
        env.reset(options={"randomize": {"colour": (0, 1)}})
    with pytest.raises(ValueError, match="range of"):
        env.reset(options={"randomize": {one: (high, low)}})
    with pytest.raises(ValueError, match="randomize is True"):
        env.reset(options={"randomize": 3})
    with pytest.raises(ValueError, match="has no option 'randomise'"):
        env.reset(options={"randomise": True})


@pytest.mark.parametrize("name", IDS)
def test_every_parameter_matters(name: str) -> None:
    task = make(name).task
    keys, actions = np.arange(4, dtype=np.uint64), actions_of(task, 4, seed=8)
    for key, parameter in task.parameters.items():
        nominal, changed = task.new_states(keys), task.new_states(keys)
        changed[:, parameter.column] = parameter.high
        for _ in range(task.max_episode_steps // 2):
            task.step(nominal, actions)
            task.step(changed, actions)
        nominal[:, parameter.column] = parameter.high
        assert (nominal != changed).any(), key


@pytest.mark.parametrize("name", TASKS)
def test_what_a_vector_environment_was_asked_holds_for_the_episodes_that_follow(name: str) -> None:
    title = next(one for one in IDS if games.robots.ENVIRONMENTS[one].task == name)
    envs = gymnasium.make_vec(title, 3, vectorization_mode="vector_entry_point", max_episode_steps=2)
    drawn = [envs.reset(seed=5, options={"randomize": True})[1]["parameters"]]
    still = np.zeros(envs.action_space.shape, np.float32)
    for _ in range(6):
        info = envs.step(still)[-1]
        if "parameters" in info:
            assert info["_parameters"].all()
            drawn.append(info["parameters"])
    one = next(iter(games.robots.make(name).parameters))
    assert len(drawn) == 3 and len({value for parameters in drawn for value in parameters[one]}) == 9


# --- goals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOAL_IDS)
def test_what_is_computed_of_goals_is_what_steps_return(name: str) -> None:
    """In whole episodes: at random, with an action held until the end if there is one, and by the script."""
    env = make(name)
    assert isinstance(env, GoalEnv)
    assert set(env.observation_space.spaces) == {"observation", "achieved_goal", "desired_goal"}
    achieved, desired, returned = [], [], []
    random = iter(actions_of(env.task, env.task.max_episode_steps, seed=1))
    ways = {
        "random": lambda: next(random),
        "held": lambda: np.full(env.task.action_size, -1, np.float32),
        "scripted": lambda: env.task.scripted_actions(env.get_state()[None])[0],
    }
    for act in ways.values():
        env.reset(seed=3)
        for _ in range(env.task.max_episode_steps):
            seen, reward, terminated, truncated, info = env.step(act())
            goals = seen["achieved_goal"], seen["desired_goal"]
            assert env.compute_reward(*goals, info) == reward
            assert env.compute_terminated(*goals, info) is terminated
            assert env.compute_truncated(*goals, info) is truncated
            achieved.append(goals[0])
            desired.append(goals[1])
            returned.append((reward, terminated, truncated))
            if terminated:
                break
    assert env.task.dense or {-1.0, 0.0} <= {reward for reward, _, _ in returned}
    assert any(terminated for _, terminated, _ in returned) == ("Quadrotor" in name), "it alone can crash"
    many = np.array(achieved), np.array(desired)
    rewards, terminated, truncated = (
        compute(*many, {}) for compute in (env.compute_reward, env.compute_terminated, env.compute_truncated)
    )
    assert rewards.dtype == np.float32 and terminated.dtype == truncated.dtype == np.bool_
    assert list(zip(rewards.tolist(), terminated.tolist(), truncated.tolist(), strict=True)) == returned
    shaped = env.compute_reward(many[0][None, :6, None], many[1][None, :6, None], [{}] * 6)
    np.testing.assert_array_equal(shaped[0, :, 0], rewards[:6])


@pytest.mark.parametrize("name", GOAL_IDS)
def test_a_goal_achieved_is_a_success_and_nothing_is_better(name: str) -> None:
    env = make(name)
    assert isinstance(env, GoalEnv) and isinstance(env.task, GoalTask)
    seen, _ = env.reset(seed=9)
    states = env.get_state()[None]
    env.task.set_desired_goals(states, seen["achieved_goal"][None])
    env.set_state(states[0])
    here = env.task.achieved_goals(states)
    assert env.task.successes(states)[0] and env.task.rewards(here, here)[0] == 0
    elsewhere = env.task.rewards(here, seen["desired_goal"][None])[0]
    assert elsewhere < 0 and (env.task.dense or elsewhere == -1)


@pytest.mark.parametrize("name", GOAL_IDS)
def test_a_goal_can_be_set(name: str) -> None:
    env = make(name)
    assert isinstance(env, GoalEnv)
    space = env.observation_space["desired_goal"]
    assert isinstance(space, gymnasium.spaces.Box)
    goal = (0.25 * space.low + 0.75 * space.high).astype(np.float32)
    seen, _ = env.reset(seed=2, options={"goal": goal.tolist()})
    np.testing.assert_array_equal(seen["desired_goal"], goal)
    for wrong in (space.high + 1, goal[:1], goal * np.nan):
        with pytest.raises(ValueError, match="a goal is"):
            env.reset(options={"goal": wrong})


@pytest.mark.parametrize("name", [name for name in IDS if name not in GOAL_IDS])
def test_a_goal_of_a_task_without_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="has no goal"):
        make(name).reset(options={"goal": [0.0]})
