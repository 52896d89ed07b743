"""PlanarReach: energy, momentum, the elbow's stops, and MuJoCo's opinion of all of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from arm_energy import kinetic_energy
from mujoco_twins import arm, load, run, servos

from games.robots import planar_reach as pr
from games.robots.arm import (
    Mass,
    Motion,
    Servo,
    advance_arm,
    mass_of,
    reach_angles,
    stopped,
    tip_of,
)

LENGTHS = pr.LENGTH_1, pr.LENGTH_2
MASS = mass_of(LENGTHS, (1.0, 0.6), 0.0, pr.ROTORS)
NO_MOTORS = Servo(0.0, 0.0, 0.0, 0.0)


def momentum(mass: Mass, motion: Motion) -> float:
    """Of the first joint: M11 q1' + M12 q2', which nothing changes where no motor turns it."""
    coupling = mass.beta * math.cos(motion.angle_2)
    return (mass.alpha + 2 * coupling) * motion.velocity_1 + (mass.delta + coupling) * motion.velocity_2


def points_energy(motion: Motion, lengths: tuple[float, float], masses: tuple[float, float], payload: float) -> float:
    """Kinetic energy the long way: of a thousand points along each rod, and of the payload."""
    total = 0.0
    parts = (np.arange(1000) + 0.5) / 1000
    spin = motion.velocity_1 + motion.velocity_2
    total += 0.5 * masses[0] * np.mean((parts * lengths[0] * motion.velocity_1) ** 2)
    for mass, places in ((masses[1], parts), (payload, np.ones(1))):
        along = np.exp(1j * motion.angle_1) * lengths[0] * 1j * motion.velocity_1
        turning = np.exp(1j * (motion.angle_1 + motion.angle_2)) * places * lengths[1] * 1j * spin
        total += 0.5 * mass * np.mean(np.abs(along + turning) ** 2)
    return total


@pytest.mark.parametrize("payload", [0.0, 0.3])
def test_kinetic_energy_is_that_of_all_points(payload: float) -> None:
    for motion in (Motion(0.3, 1.1, 2.0, -3.0), Motion(-2.0, -0.4, 1.0, 1.0), Motion(0.0, 0.0, 0.0, 2.0)):
        mass = mass_of((0.3, 0.2), (1.0, 0.6), payload, (0.0, 0.0))
        expected = points_energy(motion, (0.3, 0.2), (1.0, 0.6), payload)
        assert kinetic_energy(mass, motion) == pytest.approx(expected, rel=1e-5)


def test_energy_and_momentum_are_conserved_without_motors() -> None:
    motion = Motion(0.4, 2.0, 2.0, -2.4)
    energy, turning = kinetic_energy(MASS, motion), momentum(MASS, motion)
    for _ in range(500):
        motion = advance_arm(MASS, NO_MOTORS, motion, 0.01)
        assert kinetic_energy(MASS, motion) == pytest.approx(energy, rel=2e-4)
        assert momentum(MASS, motion) == pytest.approx(turning, rel=2e-4)
    assert energy > 0.05 and abs(motion.angle_2) > 0.1


def test_the_stop_takes_the_elbows_velocity_and_the_shoulder_keeps_its_momentum() -> None:
    before = Motion(0.4, pr.ELBOW_LIMIT + 0.01, 2.0, 3.0)
    after = stopped(MASS, before, pr.ELBOW_LIMIT, pr.VELOCITY_LIMIT)
    at_limit = before._replace(angle_2=pr.ELBOW_LIMIT)
    assert after.angle_2 == pr.ELBOW_LIMIT and after.velocity_2 == 0
    assert momentum(MASS, after) == pytest.approx(momentum(MASS, at_limit))
    assert kinetic_energy(MASS, after) < kinetic_energy(MASS, at_limit)
    leaving = Motion(0.4, -pr.ELBOW_LIMIT - 0.01, 1.0, 0.5)
    assert stopped(MASS, leaving, pr.ELBOW_LIMIT, pr.VELOCITY_LIMIT)[2:] == (1.0, 0.5)
    assert stopped(MASS, Motion(0, 0, -50.0, 50.0), pr.ELBOW_LIMIT, 10.0)[2:] == (-10.0, 10.0)


def test_a_bent_elbow_stays_at_its_stop() -> None:
    task = pr.PlanarReach()
    states = task.new_states(np.arange(4, dtype=np.uint64))
    for _ in range(100):
        task.step(states, np.full((4, 2), [0.3, 1.0], np.float32))
    assert (states[:, pr.ANGLE_2] == pr.ELBOW_LIMIT).all()
    np.testing.assert_allclose(states[:, pr.VELOCITY_1], 0.3 * pr.TOP_SPEED, atol=0.02)
    assert (np.abs(states[:, pr.ANGLE_1]) <= math.pi).all()


def test_servos_reach_what_they_are_told() -> None:
    task = pr.PlanarReach()
    states = task.new_states(np.arange(1, dtype=np.uint64))
    states[0, pr.ANGLE_2] = -1.5
    for _ in range(20):
        task.step(states, np.array([[-0.6, 0.5]], np.float32))
    np.testing.assert_allclose(states[0, [pr.VELOCITY_1, pr.VELOCITY_2]], [-1.5, 1.25], atol=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_mujoco_moves_the_same_arm_the_same_way(seed: int) -> None:
    task = pr.PlanarReach()
    keys = np.array([seed], np.uint64)
    states = task.new_states(keys)
    if seed % 2:
        task.set_parameters(states, keys, {name: (p.low, p.high) for name, p in task.parameters.items()})
    states[0, pr.ANGLE_2] = 0.4
    states[0, [pr.VELOCITY_1, pr.VELOCITY_2]] = 1.0, -1.5
    gain = states[0, pr.GAIN]
    masses = states[0, pr.MASS_1], states[0, pr.MASS_2]
    model, data = load(arm("arm", LENGTHS, masses, pr.ROTORS), servos("arm", (pr.GAIN_1 * gain, pr.GAIN_2 * gain)))
    data.qpos[:], data.qvel[:] = states[0, :2], states[0, 2:4]
    generator = np.random.default_rng(seed)
    for _ in range(pr.RATE):
        actions = generator.uniform(-1, 1, (1, 2)).astype(np.float32)
        task.step(states, actions)
        run(model, data, actions[0] * pr.TOP_SPEED, 1 / pr.RATE)
        assert abs(states[0, pr.ANGLE_2]) < pr.ELBOW_LIMIT, "the stop is not part of the comparison"
        angle_1, angle_2 = data.qpos
        difference = np.array([np.sin(states[0, 0] - angle_1), states[0, 1] - angle_2])
        assert np.abs(difference).max() < 1e-4
        np.testing.assert_allclose(states[0, 2:4], data.qvel, atol=1e-3)
    observation = task.observations(states)[0]
    np.testing.assert_allclose(observation[6:], tip_of(pr.LENGTH_1, pr.LENGTH_2, angle_1, angle_2), atol=1e-4)


def test_reachable_points_are_reached() -> None:
    generator = np.random.default_rng(1)
    for bend in (1.0, -1.0):
        for radius in (0.14, 0.3, 0.48):
            direction = generator.uniform(-np.pi, np.pi)
            x, y = radius * np.cos(direction), radius * np.sin(direction)
            angle_1, angle_2 = reach_angles(0.3, 0.2, x, y, bend)
            np.testing.assert_allclose(tip_of(0.3, 0.2, angle_1, angle_2), (x, y), atol=1e-9)
            assert angle_2 * bend > 0 and abs(angle_2) < pr.ELBOW_LIMIT
    angle_1, angle_2 = reach_angles(0.3, 0.2, 2.0, 2.0, 1.0)
    np.testing.assert_allclose(tip_of(0.3, 0.2, angle_1, angle_2), np.full(2, 0.5 / math.sqrt(2)), atol=1e-9)


def test_goals_are_spread_over_what_can_be_reached() -> None:
    task = pr.PlanarReach()
    goals = task.desired_goals(task.new_states(np.arange(4000, dtype=np.uint64)))
    radii = np.hypot(*goals.T)
    assert radii.min() >= pr.GOAL_RADII[0] - 1e-6 and radii.max() <= pr.GOAL_RADII[1] + 1e-6
    inner, outer = pr.GOAL_RADII
    middle = math.sqrt((inner**2 + outer**2) / 2)
    assert (radii < middle).mean() == pytest.approx(0.5, abs=0.03), "uniform over the area"
    assert np.abs(goals.mean(axis=0)).max() < 0.02


def test_rewards() -> None:
    achieved = np.array([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2]], np.float32)
    desired = np.array([[0.1, 0.2], [0.14, 0.2], [0.16, 0.2]], np.float32)
    assert pr.PlanarReach().rewards(achieved, desired).tolist() == [0, 0, -1]
    np.testing.assert_allclose(pr.PlanarReach(dense=True).rewards(achieved, desired), [0, -0.04, -0.06], atol=1e-6)
