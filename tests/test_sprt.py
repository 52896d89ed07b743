"""The sequential test against Wald's closed forms, published likelihood ratios and simulated error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.arena.elo import expected_score
from rl.arena.sprt import Sprt, SprtResult, log_likelihood_ratios, run_sprt
from rl.errors import UserError

pytestmark = pytest.mark.plain_only  # nothing here is compiled


def ratio(counts: list[int], elo0: float, elo1: float) -> float:
    return float(log_likelihood_ratios(np.array([counts]), elo0, elo1)[0])


def test_bounds_are_wald_s() -> None:
    assert Sprt(0, 5, 0.05, 0.05).bounds == pytest.approx((-2.944, 2.944), abs=1e-3)
    assert Sprt(0, 5, 0.02, 0.03).bounds == pytest.approx((-3.486, 3.882), abs=1e-3)


@pytest.mark.parametrize(
    ("counts", "elo0", "elo1", "published"),
    [  # what the statistics of Stockfish's fishtest give (LLRcalc.py, LLR_logistic)
        ([10789, 19328, 33806, 19402, 10543], -3.0, 1.0, 2.1310678118),
        ([39, 2226, 31451, 2412, 40], 0.2, 0.9, 2.1625425800),
        ([0, 10, 20, 50, 20], 0.0, 5.0, 1.4286861065),
        ([3, 20, 45, 25, 7], 0.0, 10.0, 0.6959726065),
    ],
)
def test_likelihood_ratios_as_published(counts: list[int], elo0: float, elo1: float, published: float) -> None:
    assert ratio(counts, elo0, elo1) == pytest.approx(published, abs=1e-8)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(-80, 0), st.floats(5, 80))
def test_pairs_that_are_only_won_or_lost_are_wald_s_binomial_test(
    wins: int, losses: int, elo0: float, by: float
) -> None:
    p0, p1 = expected_score(elo0), expected_score(elo0 + by)
    exact = wins * math.log(p1 / p0) + losses * math.log((1 - p1) / (1 - p0))
    assert ratio([losses, 0, 0, 0, wins], elo0, elo0 + by) == pytest.approx(exact, abs=0.01)


@given(st.lists(st.integers(0, 200), min_size=5, max_size=5), st.floats(-80, 0), st.floats(5, 80))
def test_seen_from_the_other_side_the_hypotheses_change_places(counts: list[int], elo0: float, by: float) -> None:
    elo1 = elo0 + by
    assert ratio(counts[::-1], -elo1, -elo0) == pytest.approx(-ratio(counts, elo0, elo1), abs=1e-9)


def test_what_comes_after_the_decision_counts_for_nothing() -> None:
    test = Sprt(0.0, 100.0, 0.05, 0.05)
    decided = run_sprt(test, [2.0, 1.5] * 15)
    assert decided.verdict == "elo1" and decided.num_openings < 30
    assert decided.llr >= test.bounds[1]
    assert run_sprt(test, [2.0, 1.5] * 15 + [0.0] * 1000) == decided
    before = run_sprt(test, ([2.0, 1.5] * 15)[: decided.num_openings - 1])
    assert before.verdict == "" and before.num_openings == decided.num_openings - 1
    assert run_sprt(test, [0.0, 0.5] * 30).verdict == "elo0"
    assert run_sprt(test, []) == SprtResult(0.0, 0, "")


def tilted(chances: np.ndarray, elo: float) -> np.ndarray:
    """Chances like these (of the five results, even on the whole) with the mean that `elo` has, by an exponential."""
    scores = np.linspace(0.0, 1.0, 5)
    low, high = -50.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2
        weights = chances * np.exp(middle * scores)
        weights /= weights.sum()
        low, high = (middle, high) if weights @ scores < expected_score(elo) else (low, middle)
    return weights


@pytest.mark.parametrize(("true", "wrong"), [(0.0, "elo1"), (60.0, "elo0")])
def test_errors_are_as_rare_and_games_as_few_as_wald_promises(true: float, wrong: str) -> None:
    """Matches of players whose games of one opening are not independent: the five results are drawn as they are."""
    test = Sprt(0.0, 60.0, 0.05, 0.05)
    chances = tilted(np.array([0.05, 0.20, 0.50, 0.20, 0.05]), true)
    draws = np.random.default_rng(5)
    results = [run_sprt(test, draws.choice(np.linspace(0.0, 2.0, 5), 400, p=chances)) for _ in range(500)]
    errors = sum(result.verdict == wrong for result in results)
    assert all(result.verdict for result in results)
    assert 0 < errors <= 500 * 0.05 + 3 * math.sqrt(500 * 0.05 * 0.95)
    # The expected number of observations (Wald 1945): the mean of the two bounds over the mean of one observation's
    # logarithm; of small steps of a mean, that is half the squared distance of the scores over the variance.
    scores = np.linspace(0.0, 1.0, 5)
    variance = chances @ scores**2 - (chances @ scores) ** 2
    step = (expected_score(60.0) - 0.5) ** 2 / (2 * variance)
    expected = (0.95 * 2.944 - 0.05 * 2.944) / step
    assert np.mean([result.num_openings for result in results]) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize(
    ("elo0", "elo1", "alpha", "beta", "complaint"),
    [
        (5, 5, 0.05, 0.05, "elo0 5 has to be below elo1 5"),
        (5, 0, 0.05, 0.05, "below"),
        (math.nan, 0, 0.05, 0.05, "below"),
        (0, 5, 0.0, 0.05, "alpha 0: must be between 0 and 0.5"),
        (0, 5, 0.05, 0.5, "beta 0.5"),
        (0, 5, math.nan, 0.05, "alpha nan"),
    ],
)
def test_tests_that_cannot_be_are_refused(elo0: float, elo1: float, alpha: float, beta: float, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        Sprt(elo0, elo1, alpha, beta)
