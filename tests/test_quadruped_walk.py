"""QuadrupedWalk: what is seen against MuJoCo's own opinion, the legs' geometry, rewards, falls, the script's gait."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from games.robots import quadruped_walk as qw
from games.robots.quadruped_walk import QuadrupedWalk
from games.robots.trot import HIP_X, HIP_Y, NUM_LEGS, STANDING, Motion, leg_angles, trot_foot

LEGS = ("front_left", "front_right", "rear_left", "rear_right")
PARTS = ("abduction", "hip", "knee")


def random_states(task: QuadrupedWalk, count: int, seed: int) -> np.ndarray:
    """Robots in any attitude with any motion, in the air."""
    states = task.new_states(np.arange(count, dtype=np.uint64))
    generator = np.random.default_rng(seed)
    quaternions = generator.normal(size=(count, 4))
    states[:, qw.HEIGHT] = 1.0
    states[:, qw.QUATERNION : qw.QUATERNION + 4] = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    states[:, qw.JOINTS : qw.JOINTS + 12] += generator.uniform(-0.4, 0.4, (count, 12))
    states[:, task.layout.qvel] = generator.uniform(-2, 2, (count, 18))
    states[:, task.layout.act] += generator.uniform(-0.4, 0.4, (count, 12))
    return states


def data_of(task: QuadrupedWalk, state: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(task.model)
    data.qpos[:], data.qvel[:] = state[task.layout.qpos], state[task.layout.qvel]
    mujoco.mj_forward(task.model, data)
    return data


def test_the_model_is_what_the_task_takes_it_for() -> None:
    model = QuadrupedWalk.load()
    named = [model.joint(model.actuator_trnid[motor, 0]).name for motor in range(model.nu)]
    assert named == [f"{leg}_{part}" for leg in LEGS for part in PARTS]
    for motor, name in enumerate(named):
        assert model.joint(name).qposadr[0] == qw.JOINTS + motor and model.joint(name).dofadr[0] == 6 + motor
        home, span = qw.HOME[motor % 3], qw.SPAN[motor % 3]
        np.testing.assert_allclose(model.actuator_ctrlrange[motor], [home - span, home + span])
        low, high = model.joint(name).range
        assert low <= home - span and home + span <= high
    assert model.body("trunk").mass[0] == QuadrupedWalk.parameters["trunk_mass"].nominal
    assert model.body_mass.sum() == pytest.approx(12, abs=0.1), "as the docstring says"
    assert model.body("front_left").pos.tolist() == [HIP_X, HIP_Y, 0]
    foot = model.geom("front_left_foot").size[0]
    assert model.body("trunk").pos[2] == qw.START_HEIGHT == pytest.approx(STANDING + foot, abs=1e-4)


def test_what_is_seen_is_what_mujoco_says() -> None:
    task = QuadrupedWalk()
    states = random_states(task, 6, seed=1)
    trunk = task.model.body("trunk").id
    for state, seen in zip(states, task.observations(states), strict=True):
        data = data_of(task, state)
        axes = data.xmat[trunk].reshape(3, 3)
        velocity = np.empty(6)  # turning, then velocity, along the body's axes
        mujoco.mj_objectVelocity(task.model, data, mujoco.mjtObj.mjOBJ_XBODY.value, trunk, velocity, 1)
        np.testing.assert_allclose(seen[:6], [*velocity[3:], *velocity[:3]], atol=1e-5)
        np.testing.assert_allclose(seen[6:9], axes[2], atol=1e-6)
        np.testing.assert_allclose(seen[9:12], state[qw.WANTED : qw.WANTED + 3], atol=1e-6)
        home, span = np.tile(qw.HOME, 4), np.tile(qw.SPAN, 4)
        np.testing.assert_allclose(seen[12:24] + home, data.qpos[7:], atol=1e-6)
        np.testing.assert_allclose(seen[24:36], data.qvel[6:], atol=1e-6)
        np.testing.assert_allclose(seen[36:] * span + home, state[task.layout.act], atol=1e-6)


@pytest.mark.parametrize("leg", range(NUM_LEGS))
def test_the_legs_angles_put_the_foot_where_it_is_wanted(leg: int) -> None:
    task = QuadrupedWalk()
    states = task.new_states(np.zeros(1, np.uint64))
    states[0, qw.QUATERNION : qw.QUATERNION + 4] = 1.0, 0.0, 0.0, 0.0
    side = 1 if leg % 2 == 0 else -1
    for x, y, z in [(0.0, 0.08, -0.29), (0.1, 0.12, -0.25), (-0.12, 0.02, -0.3), (0.05, 0.15, -0.2)]:
        first = qw.JOINTS + 3 * leg
        states[0, first : first + 3] = leg_angles(leg, x, side * y, z)
        data = data_of(task, states[0])
        found = data.geom(f"{LEGS[leg]}_foot").xpos - data.xpos[task.model.body(LEGS[leg]).id]
        np.testing.assert_allclose(found, [x, side * y, z], atol=1e-9)
    _, hip, knee = leg_angles(leg, 0.0, side * 0.08, -9.0)
    assert knee == 0 and abs(hip) < 1e-9, "what is out of reach is neared"


def test_diagonal_legs_swing_in_turns_and_feet_go_back_on_the_floor() -> None:
    wanted = Motion(0.5, 0.0, 0.0, 0.0, 0.0)
    seconds = np.arange(0, 0.32, 0.01)
    feet = np.array([[trot_foot(leg, float(at), wanted, wanted) for at in seconds] for leg in range(NUM_LEGS)])
    np.testing.assert_allclose(feet[0, :, [0, 2]], feet[3, :, [0, 2]])
    np.testing.assert_allclose(feet[1, :, [0, 2]], feet[2, :, [0, 2]])
    np.testing.assert_allclose(feet[0, :, 2], np.roll(feet[1, :, 2], len(seconds) // 2), atol=1e-9)
    on_floor = feet[0, :, 2] <= -STANDING + 1e-9
    assert on_floor.sum() == len(seconds) // 2 + 1
    assert (np.diff(feet[0, on_floor, 0])[: len(seconds) // 2 - 1] < 0).all()


def test_rewards_are_those_of_the_docstring() -> None:
    task = QuadrupedWalk()
    states = task.new_states(np.arange(5, dtype=np.uint64))
    actions = np.random.default_rng(2).uniform(-1, 1, (5, 12)).astype(np.float32)
    for _ in range(10):
        rewards, terminated = task.step(states, actions)
        seen = task.observations(states).astype(float)
        missed = np.hypot(seen[:, 0] - seen[:, 9], seen[:, 1] - seen[:, 10])
        turning = seen[:, 5] - seen[:, 11]
        expected = 0.75 * np.exp(-(missed**2) / 0.1) + 0.25 * np.exp(-(turning**2) / 0.25)
        np.testing.assert_allclose(rewards, np.where(terminated, 0, expected), atol=1e-5)
        np.testing.assert_array_equal(task.successes(states), (missed < 0.2) & ~terminated)


@pytest.mark.parametrize("lean, height, fallen", [(0, 0.3, 0), (55, 0.3, 0), (65, 0.3, 1), (180, 0.3, 1), (0, 0.15, 1)])
def test_a_fall_is_to_lean_or_lie(lean: float, height: float, fallen: bool) -> None:
    """At the very velocity that is wanted: what has fallen does not succeed for that."""
    task = QuadrupedWalk()
    states = task.new_states(np.zeros(1, np.uint64))
    half = 0.5 * math.radians(lean)
    states[0, qw.HEIGHT] = height
    states[0, qw.QUATERNION : qw.QUATERNION + 4] = math.cos(half), math.sin(half), 0.0, 0.0
    forward, left, turn = states[0, qw.WANTED : qw.WANTED + 3]
    turned = math.radians(lean)  # the trunk's y axis, seen from the world
    states[0, qw.VELOCITY : qw.VELOCITY + 3] = forward, left * math.cos(turned), left * math.sin(turned)
    states[0, qw.VELOCITY + 5] = turn
    assert qw.has_fallen(states[0]) == bool(fallen)
    assert task.successes(states)[0] == (not fallen)


def test_a_fall_ends_the_episode_without_a_reward() -> None:
    task = QuadrupedWalk()
    states = task.new_states(np.zeros(2, np.uint64))
    states[1, qw.QUATERNION : qw.QUATERNION + 4] = 0.0, 1.0, 0.0, 0.0
    rewards, terminated = task.step(states, np.zeros((2, 12), np.float32))
    assert terminated.tolist() == [False, True] and rewards[0] > 0 and rewards[1] == 0


def test_it_stands_where_nothing_is_done() -> None:
    task = QuadrupedWalk()
    states = task.new_states(np.arange(3, dtype=np.uint64))
    begun = states.copy()
    for _ in range(100):
        _, terminated = task.step(states, np.zeros((3, 12), np.float32))
        assert not terminated.any()
    np.testing.assert_allclose(states[:, :2], begun[:, :2], atol=0.1)
    np.testing.assert_allclose(states[:, qw.HEIGHT], qw.START_HEIGHT, atol=0.02)
    assert np.abs(states[:, task.layout.qvel]).max() < 0.05 and not task.successes(states).any()


def test_the_trot_goes_where_it_is_told() -> None:
    """Whole ways, not single velocities: 4 s of it, whatever the direction it began in."""
    task, seconds = QuadrupedWalk(), 4
    states = task.new_states(np.zeros(4, np.uint64))
    wanted = np.array([(0.7, 0.0, 0.0), (0.3, 0.2, 0.0), (0.5, 0.0, 0.5), (0.5, 0.0, -0.5)])
    states[:, qw.WANTED : qw.WANTED + 3] = wanted
    way = np.zeros((4, 3))
    for _ in range(seconds * qw.RATE):
        _, terminated = task.step(states, task.scripted_actions(states))
        assert not terminated.any()
        way += task.observations(states)[:, [0, 1, 5]] / qw.RATE
    np.testing.assert_allclose(way[:, :2] / seconds, wanted[:, :2], atol=qw.TOLERANCE)
    np.testing.assert_allclose(way[:, 2] / seconds, wanted[:, 2], atol=0.3)
    assert way[2, 2] - way[3, 2] > 0.8 * seconds and way[1, 1] - way[0, 1] > 0.1 * seconds


def test_the_point_on_the_floor_is_where_it_would_be_a_second_later() -> None:
    task = QuadrupedWalk()
    states = task.new_states(np.arange(3, dtype=np.uint64))
    for state in states:
        data = data_of(task, state)
        task.mark(data, state)
        axes = data.xmat[task.model.body("trunk").id].reshape(3, 3)
        expected = axes @ [*state[qw.WANTED : qw.WANTED + 2], 0.0]
        np.testing.assert_allclose(data.site("wanted").xpos[:2], data.qpos[:2] + expected[:2], atol=1e-9)
