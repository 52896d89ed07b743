"""The arithmetic that robots share, against NumPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from games.robots.scalars import between, clip, turned, wrap_angle

ANGLES = st.floats(-1000, 1000)


@given(ANGLES)
@example(math.pi)
@example(-math.pi)
@example(np.nextafter(-math.pi, -4))
@example(np.nextafter(math.pi, 4))
def test_a_wrapped_angle_points_the_same_way(angle: float) -> None:
    wrapped = wrap_angle(angle)
    assert -math.pi <= wrapped <= math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-9)
    assert math.sin(wrapped) == pytest.approx(math.sin(angle), abs=1e-9)


@given(ANGLES, st.floats(-0.1, 0.1))
def test_a_small_turn_is_as_exact_as_it_says(angle: float, small: float) -> None:
    cosine, sine = turned(math.cos(angle), math.sin(angle), small)
    assert cosine == pytest.approx(math.cos(angle + small), abs=1e-12)
    assert sine == pytest.approx(math.sin(angle + small), abs=1e-12)


@given(st.floats(-5, 5))
def test_clip_is_numpys(value: float) -> None:
    assert clip(value, -1.0, 2.0) == np.clip(value, -1.0, 2.0)


def test_between() -> None:
    assert [between(-1.0, 3.0, share) for share in (0.0, 0.5, 1.0)] == [-1.0, 1.0, 3.0]
