"""DiffDrivePark: straight lines, circles, both wheels, walls, and headings that wrap around."""

from __future__ import annotations

import math

import numpy as np
import pytest

from games.robots import diff_drive_park as park
from games.robots.diff_drive_park import Car, DiffDrivePark, advance_car


def step_often(states: np.ndarray, action: tuple[float, float], count: int) -> None:
    task = DiffDrivePark()
    for _ in range(count):
        task.step(states, np.array([action], np.float32))


def at(x: float, y: float, heading: float, speed: float = 0.0) -> np.ndarray:
    states = DiffDrivePark().new_states(np.zeros(1, np.uint64))
    states[0, [park.X, park.Y, park.HEADING, park.SPEED]] = x, y, heading, speed
    return states


def test_a_car_speeds_up_and_keeps_straight() -> None:
    states = at(-1.0, 0.2, 0.0)
    step_often(states, (1.0, 0.0), 10)
    # 0.4 s at 2 m/s^2 to 0.8 m/s, then 0.6 s at that.
    np.testing.assert_allclose(states[0, :4], [-1.0 + 0.16 + 0.48, 0.2, 0.0, 0.8], atol=1e-9)


@pytest.mark.parametrize("turn", [1.0, -0.5])
def test_a_car_drives_on_a_circle(turn: float) -> None:
    radius = park.TOP_SPEED / (park.TOP_TURN * turn)
    states = at(0.0, -radius, 0.0, park.TOP_SPEED)
    for _ in range(40):
        step_often(states, (1.0, turn), 1)
        assert math.hypot(states[0, park.X], states[0, park.Y]) == pytest.approx(abs(radius), abs=1e-9)
    expected = park.TOP_TURN * turn * 4.0
    assert math.sin(states[0, park.HEADING] - expected) == pytest.approx(0, abs=1e-9)
    assert -math.pi <= states[0, park.HEADING] < math.pi


def test_it_rolls_as_two_wheels_do() -> None:
    """The slow twin: the tracks of both wheels, 0.2 m apart, in ten thousand straight pieces."""
    axle, seconds, count = 0.2, 0.5, 10_000
    speed, turn = 0.6, -1.7
    left, right = speed - turn * axle / 2, speed + turn * axle / 2
    place, heading = 0.1 + 0.2j, 0.7
    for _ in range(count):
        place += (left + right) / 2 * seconds / count * np.exp(1j * heading)
        heading += (right - left) / axle * seconds / count
    car = Car(0.1, 0.2, 0.7, speed)
    for _ in range(25):
        car = advance_car(car, speed, turn, 2.0, seconds / 25)
    assert abs(complex(car.x, car.y) - place) < 1e-4 and car.heading == pytest.approx(heading)


def test_walls_stop_a_car() -> None:
    states = at(1.4, 0.0, 0.0, 0.8)
    step_often(states, (1.0, 0.0), 5)
    assert states[0, park.X] == park.LOT and abs(states[0, park.SPEED]) < 1e-9
    step_often(states, (-1.0, 0.0), 5)
    assert states[0, park.X] < park.LOT - 0.1
    states = at(0.0, 0.0, 0.0)
    states[0, park.DRIVE] = 5.0
    step_often(states, (-1.0, 0.0), 6)
    assert states[0, park.SPEED] == -park.SPEED_LIMIT


def test_headings_are_compared_the_short_way_round() -> None:
    achieved = np.array([[0, 0, 3.1], [0, 0, 3.1], [0, 0, 0.1], [0.1, 0, 0]], np.float32)
    desired = np.array([[0, 0, -3.1], [0, 0, -2.9], [0, 0.04, 0], [0, 0, 0]], np.float32)
    sparse, dense = DiffDrivePark(), DiffDrivePark(dense=True)
    assert sparse.goal_successes(achieved, desired).tolist() == [True, False, True, False]
    assert sparse.rewards(achieved, desired).tolist() == [0, -1, 0, -1]
    angles = np.array([2 * np.pi - 6.2, 2 * np.pi - 6.0, 0.1, 0.0])
    expected = -np.array([0, 0, 0.04, 0.1]) - park.ANGLE_WEIGHT * angles
    np.testing.assert_allclose(dense.rewards(achieved, desired), expected, atol=1e-6)
