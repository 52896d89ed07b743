"""Clocks: what is left after each move, and how it is shared out."""

from __future__ import annotations

import pytest

from rl.protocols.gtp.clock import Clock, expected_moves

pytestmark = pytest.mark.plain_only  # nothing here is compiled


def test_absolute_time_runs_down_and_never_out_by_itself() -> None:
    clock, spent = Clock.start(60.0, 0.0, 0), 0.0
    for moves_ahead in reversed(range(1, 41)):
        seconds = clock.allotment(moves_ahead, lag=0.2)
        assert seconds is not None and 0.0 < seconds <= clock.main
        clock, spent = clock.after(seconds + 0.2), spent + seconds + 0.2
    assert 45.0 < spent <= 60.0


def test_byo_yomi_periods_are_used_but_not_overrun() -> None:
    clock = Clock.start(0.0, 30.0, 5)
    for move in range(20):
        assert clock.stones_left == 5 - move % 5
        seconds = clock.allotment(100, lag=0.5)
        assert seconds is not None and 2.0 < seconds <= clock.period_left / clock.stones_left
        clock = clock.after(seconds + 0.1)
    assert (clock.period_left, clock.stones_left) == (30.0, 5)


def test_the_main_time_flows_over_into_the_first_period() -> None:
    clock = Clock.start(10.0, 30.0, 3).after(8.0)
    assert (clock.main, clock.period_left, clock.stones_left) == (2.0, 30.0, 3)
    clock = clock.after(5.0)
    assert (clock.main, clock.period_left, clock.stones_left) == (0.0, 27.0, 2)
    assert clock.after(100.0).period_left == 0.0


def test_main_time_before_byo_yomi_is_spent_faster_than_alone() -> None:
    alone, with_byo_yomi = (Clock.start(100.0, *period).allotment(20, 0.0) for period in ((0.0, 0), (10.0, 1)))
    assert alone == 5.0 and with_byo_yomi == 15.0


@pytest.mark.parametrize(("seconds", "stones", "expected"), [(20.0, 0, (20.0, 30.0, 5)), (12.0, 3, (0.0, 12.0, 3))])
def test_the_controller_knows_best(seconds: float, stones: int, expected: tuple[float, float, int]) -> None:
    clock = Clock.start(60.0, 30.0, 5).after(7.0).told(seconds, stones)
    assert (clock.main, clock.period_left, clock.stones_left) == expected


def test_a_period_without_stones_is_no_limit() -> None:
    assert Clock.start(0.0, 1.0, 0).allotment(10, 0.2) is None


@pytest.mark.parametrize("clock", [Clock.start(0.0, 0.0, 0), Clock.start(0.0, 5.0, 1).told(0.0, 1)])
def test_no_time_left_is_still_an_answer(clock: Clock) -> None:
    seconds = clock.allotment(10, 0.2)
    assert seconds is not None and 0.0 < seconds <= 0.01


def test_lag_is_kept_back() -> None:
    clock = Clock.start(0.0, 2.0, 1)
    assert clock.allotment(10, 0.5) == pytest.approx(1.5)
    assert clock.allotment(10, 50.0) == pytest.approx(0.6)


@pytest.mark.parametrize(("legal", "most_left", "expected"), [(362, 700, 120), (82, 160, 27), (7, 21, 8), (2, 1, 1)])
def test_expected_moves(legal: int, most_left: int, expected: int) -> None:
    assert expected_moves(legal, most_left) == expected
