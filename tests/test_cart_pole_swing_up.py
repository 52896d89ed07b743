"""CartPoleSwingUp: energy, the buffers, the count of upright steps, and MuJoCo's opinion of the motion."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mujoco_twins import load, run

from games.robots import cart_pole_swing_up as cp
from games.robots.cart_pole_swing_up import Body, CartPoleSwingUp, Pose, advance_pose, buffered

BODY = Body(1.0, 0.1, 0.5)


def energy(body: Body, pose: Pose) -> float:
    """Kinetic and potential energy, the long way: of two thousand points along the pole."""
    places = (np.arange(2000) + 0.5) / 2000 * 2 * body.half_length
    across = pose.speed + places * math.cos(pose.angle) * pose.spin
    up = -places * math.sin(pose.angle) * pose.spin
    heights = places * math.cos(pose.angle)
    pole = body.pole_mass * np.mean(0.5 * (across**2 + up**2) + cp.GRAVITY * heights)
    return float(pole + 0.5 * body.cart_mass * pose.speed**2)


def test_energy_and_momentum_are_conserved_without_a_force() -> None:
    pose = Pose(0.0, 0.3, 0.2, 1.0)
    before = energy(BODY, pose)

    def momentum(pose: Pose) -> float:
        return 1.1 * pose.speed + 0.05 * math.cos(pose.angle) * pose.spin

    along = momentum(pose)
    for _ in range(1000):
        pose = advance_pose(BODY, 0.0, pose, 0.01)
        assert energy(BODY, pose) == pytest.approx(before, abs=1e-4)
        assert momentum(pose) == pytest.approx(along, abs=1e-5)
    assert abs(pose.place) > 1


def test_a_force_works_along_the_rail() -> None:
    pose = Pose(0.0, 0.0, math.pi - 0.4, 0.0)
    before = energy(BODY, pose)
    for _ in range(400):
        pose = advance_pose(BODY, 3.0, pose, 0.001)
    assert energy(BODY, pose) - before == pytest.approx(3.0 * pose.place, rel=1e-6)


def test_buffers_take_the_carts_speed_alone() -> None:
    before = Pose(cp.RAIL, 3.0, 0.7, -1.0)
    after = buffered(BODY, before._replace(place=cp.RAIL + 0.05))
    assert after.place == cp.RAIL and after.speed == 0 and after.angle == before.angle

    def angular_momentum(pose: Pose) -> float:
        return 4 / 3 * 0.1 * 0.25 * pose.spin + 0.05 * math.cos(pose.angle) * pose.speed

    assert angular_momentum(after) == pytest.approx(angular_momentum(before))
    assert energy(BODY, after) < energy(BODY, before)
    assert buffered(BODY, Pose(-cp.RAIL - 0.1, 0.5, 0.0, 0.0)) == Pose(-cp.RAIL, 0.5, 0.0, 0.0)
    assert buffered(BODY, Pose(0.0, 99.0, 0.0, -99.0)) == Pose(0.0, cp.SPEED_LIMIT, 0.0, -cp.SPIN_LIMIT)


def test_a_cart_that_is_pushed_on_stays_at_its_buffer() -> None:
    task = CartPoleSwingUp()
    states = task.new_states(np.arange(3, dtype=np.uint64))
    for _ in range(60):
        task.step(states, np.ones((3, 1), np.float32))
    assert (states[:, cp.PLACE] == cp.RAIL).all() and (states[:, cp.SPEED] <= 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_mujoco_moves_the_same_cart_the_same_way(seed: int) -> None:
    task = CartPoleSwingUp()
    keys = np.array([seed], np.uint64)
    states = task.new_states(keys)
    if seed % 2:
        task.set_parameters(states, keys, {name: (p.low, p.high) for name, p in task.parameters.items()})
    states[0, [cp.ANGLE, cp.SPIN]] = 0.5 * seed, -2.0
    cart, pole, half = states[0, [cp.CART_MASS, cp.POLE_MASS, cp.HALF_LENGTH]]
    turning = pole * half**2 / 3
    bodies = f"""
    <body>
      <joint name="cart" type="slide" axis="1 0 0"/>
      <inertial pos="0 0 0" mass="{cart}" diaginertia="1 1 1"/>
      <body>
        <joint name="pole" type="hinge" axis="0 1 0"/>
        <inertial pos="0 0 {half}" mass="{pole}" diaginertia="{turning} {turning} {turning * 0.01}"/>
      </body>
    </body>"""
    model, data = load(bodies, '<motor joint="cart"/>', -cp.GRAVITY)
    data.qpos[:], data.qvel[:] = states[0, [cp.PLACE, cp.ANGLE]], states[0, [cp.SPEED, cp.SPIN]]
    generator = np.random.default_rng(seed)
    for _ in range(cp.RATE):
        actions = generator.uniform(-1, 1, (1, 1)).astype(np.float32)
        task.step(states, actions)
        run(model, data, actions[0] * cp.TOP_FORCE, 1 / cp.RATE)
        assert abs(states[0, cp.PLACE]) < cp.RAIL
        assert abs(states[0, cp.PLACE] - data.qpos[0]) < 1e-4
        assert abs(math.sin(states[0, cp.ANGLE] - data.qpos[1])) < 1e-4
        np.testing.assert_allclose(states[0, [cp.SPEED, cp.SPIN]], data.qvel, atol=1e-3)


def test_rewards_and_success() -> None:
    task = CartPoleSwingUp()
    still = np.zeros((1, 1), np.float32)
    states = task.new_states(np.zeros(1, np.uint64))
    states[0, [cp.PLACE, cp.SPEED, cp.ANGLE, cp.SPIN]] = 0.0
    for step in range(cp.BALANCED_STEPS):
        assert not task.successes(states)[0]
        rewards, terminated = task.step(states, still)
        assert rewards[0] == 1 and not terminated[0] and states[0, cp.UPRIGHT_STEPS] == step + 1
    assert task.successes(states)[0]
    states[0, cp.PLACE] = cp.RAIL
    assert task.step(states, still)[0][0] == pytest.approx(0.5)
    states[0, cp.ANGLE] = cp.UPRIGHT + 0.02
    task.step(states, still)
    assert states[0, cp.UPRIGHT_STEPS] == 0 and not task.successes(states)[0]
    states[0, [cp.ANGLE, cp.SPIN]] = math.pi, 0.0
    assert task.step(states, still)[0][0] == pytest.approx(0, abs=1e-6)
