"""Quadrotor2DHover: free fall, hovering, crashes and what they cost, and MuJoCo's opinion of the flight."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from mujoco_twins import load, run

from games.robots import quadrotor_2d_hover as quad
from games.robots.quadrotor_2d_hover import Craft, Motion, Quadrotor2DHover, advance_craft

CRAFT = Craft(0.5, 0.03)


def energy(craft: Craft, motion: Motion) -> float:
    """Kinetic and potential energy (J), the latter 0 on the floor."""
    squares = motion.speed * motion.speed + motion.climb * motion.climb
    return 0.5 * (craft.mass * squares + craft.inertia * motion.spin * motion.spin) + (
        craft.mass * quad.GRAVITY * motion.height
    )


def test_energy_and_momentum_are_conserved_in_free_fall() -> None:
    motion = Motion(0.0, 50.0, 0.4, 1.0, 3.0, -2.0)
    before = energy(CRAFT, motion)
    for _ in range(100):
        motion = advance_craft(CRAFT, 0.0, 0.0, motion, 0.02)
        assert energy(CRAFT, motion) == pytest.approx(before, rel=1e-12)
    assert motion.speed == 1.0 and motion.spin == -2.0
    assert motion.height == pytest.approx(50 + 3 * 2 - 0.5 * quad.GRAVITY * 4)


def test_thrusts_work_along_the_way() -> None:
    """The energy gained is the work of both rotors' thrusts, summed over a thousand short steps."""
    motion, work = Motion(0.0, 1.0, 0.3, 0.2, 0.0, 1.0), 0.0
    before, right, left = energy(CRAFT, motion), 3.0, 2.4
    for _ in range(1000):
        after = advance_craft(CRAFT, right, left, motion, 0.001)
        tilt = 0.5 * (motion.tilt + after.tilt)
        across, up = after.place - motion.place, after.height - motion.height
        work += (right + left) * (-math.sin(tilt) * across + math.cos(tilt) * up)
        work += (right - left) * quad.ARM * (after.tilt - motion.tilt)
        motion = after
    assert energy(CRAFT, motion) - before == pytest.approx(work, rel=1e-5)


def test_no_action_hovers() -> None:
    task = Quadrotor2DHover()
    states = task.new_states(np.arange(1, dtype=np.uint64))
    states[0, quad.TILT : quad.SPIN + 1] = 0.0
    place = states[0, :2].copy()
    for _ in range(50):
        _, terminated = task.step(states, np.zeros((1, 2), np.float32))
        assert not terminated[0]
    np.testing.assert_allclose(states[0, :2], place, atol=1e-9)


@pytest.mark.parametrize(
    ("column", "value", "edge"),
    [
        (quad.SPEED, 9.0, (quad.PLACE, quad.WALL)),
        (quad.SPEED, -9.0, (quad.PLACE, -quad.WALL)),
        (quad.CLIMB, 9.0, (quad.HEIGHT, quad.CEILING)),
        (quad.CLIMB, -9.0, (quad.HEIGHT, 0.0)),
    ],
)
def test_who_leaves_the_room_has_crashed(column: int, value: float, edge: tuple[int, float]) -> None:
    for dense in (False, True):
        task = Quadrotor2DHover(dense=dense)
        states = task.new_states(np.arange(1, dtype=np.uint64))
        states[0, [quad.PLACE, quad.HEIGHT]] = 0.0, 1.5
        states[0, column] = value
        for _ in range(20):
            rewards, terminated = task.step(states, np.zeros((1, 2), np.float32))
            if terminated[0]:
                break
            assert -5 < rewards[0] <= 0
        assert terminated[0] and rewards[0] == quad.CRASH and states[0, edge[0]] == edge[1]
        assert not task.successes(states)[0]


def test_a_crash_is_never_the_cheapest_way_out() -> None:
    assert Quadrotor2DHover.max_episode_steps * -1 >= quad.CRASH
    achieved = np.array([[quad.WALL, 1.0]], np.float32)
    for dense in (False, True):
        assert Quadrotor2DHover(dense=dense).rewards(achieved, achieved)[0] == quad.CRASH


def test_rewards() -> None:
    achieved = np.array([[0.5, 1.0]] * 3, np.float32)
    desired = np.array([[0.5, 1.0], [0.5, 1.09], [0.61, 1.0]], np.float32)
    assert Quadrotor2DHover().rewards(achieved, desired).tolist() == [0, 0, -1]
    np.testing.assert_allclose(Quadrotor2DHover(dense=True).rewards(achieved, desired), [0, -0.09, -0.11], atol=1e-6)


def test_gymnasium_hears_of_a_crash_once() -> None:
    env = gymnasium.make("keima/Quadrotor2DHover-v0")
    env.reset(seed=4)
    terminated, steps = False, 0
    while not terminated:
        _, reward, terminated, truncated, info = env.step(np.array([-1.0, -1.0], np.float32))
        assert not truncated and reward == (quad.CRASH if terminated else -1) and not info["is_success"]
        steps += 1
    assert steps < 30


@pytest.mark.parametrize("seed", range(3))
def test_mujoco_flies_the_same_craft_the_same_way(seed: int) -> None:
    task = Quadrotor2DHover()
    keys = np.array([seed], np.uint64)
    states = task.new_states(keys)
    if seed % 2:
        task.set_parameters(states, keys, {name: (p.low, p.high) for name, p in task.parameters.items()})
    states[0, : quad.SPIN + 1] = 0.0, 1.0, 0.1, 0.3, 0.4, -0.2
    mass, inertia = states[0, [quad.MASS, quad.INERTIA]]
    bodies = f"""
    <body>
      <joint type="slide" axis="1 0 0"/>
      <joint type="slide" axis="0 0 1"/>
      <joint type="hinge" axis="0 -1 0"/>
      <inertial pos="0 0 0" mass="{mass}" diaginertia="{inertia} {inertia} {inertia}"/>
      <site name="right" pos="{quad.ARM} 0 0"/>
      <site name="left" pos="-{quad.ARM} 0 0"/>
    </body>"""
    rotors = "".join(f'<motor site="{side}" gear="0 0 1 0 0 0"/>' for side in ("right", "left"))
    model, data = load(bodies, rotors, -quad.GRAVITY)
    data.qpos[:], data.qvel[:] = states[0, :3], states[0, 3:6]
    generator = np.random.default_rng(seed)
    for _ in range(quad.RATE):
        actions = generator.uniform(-0.1, 0.1, (1, 2)).astype(np.float32)
        _, terminated = task.step(states, actions)
        run(model, data, 0.5 * quad.TOP_THRUST * (1 + actions[0]), 1 / quad.RATE)
        assert not terminated[0]
        np.testing.assert_allclose(states[0, :2], data.qpos[:2], atol=1e-4)
        assert abs(math.sin(states[0, quad.TILT] - data.qpos[2])) < 1e-4
        np.testing.assert_allclose(states[0, 3:6], data.qvel, atol=1e-3)


def test_many_crash_and_begin_anew_as_one_does() -> None:
    """The native vector environment against Gymnasium's, each step after a crash included."""
    name, count = "keima/Quadrotor2DHover-v0", 4
    one = gymnasium.make_vec(name, count, vectorization_mode="vector_entry_point")
    other = gymnasium.make_vec(name, count, vectorization_mode="sync")
    assert data_equivalence(one.reset(seed=6), other.reset(seed=6), exact=True)
    crashes = 0
    for _ in range(60):
        falling = np.full((count, 2), -1, np.float32)
        step = one.step(falling)
        assert data_equivalence(step, other.step(falling), exact=True)
        crashes += int(step[2].sum())
    assert crashes >= count
