"""The counter-based generator: its published constants, its ranges, its distributions, and that nothing is carried."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rl.search.random import below, dirichlet, gumbel, mix, normal, random_bits, uniform

KEYS = [np.uint64(key) for key in (0, 1, 2, 2**63, 2**64 - 1)]


def test_the_mixing_function_is_that_of_splitmix64() -> None:
    """The first numbers of SplitMix64 from seed 1234567, as its authors' reference program prints them."""
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    state = 1234567
    for number in expected:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        assert int(mix(np.uint64(state))) == number


def test_numbers_are_a_function_of_key_and_counter() -> None:
    numbers = {
        (int(key), counter): int(random_bits(key, np.uint64(counter)))
        for key, counter in itertools.product(KEYS, range(400))
    }
    assert len(set(numbers.values())) == len(numbers)
    again = {(int(key), counter): int(random_bits(key, np.uint64(counter))) for counter in range(400) for key in KEYS}
    assert again == numbers


def test_neighbouring_keys_and_counters_have_nothing_in_common() -> None:
    """Every bit of the number is flipped in half of the cases when one bit of the key or of the counter is."""
    flips = []
    for counter in range(200):
        bits = int(random_bits(np.uint64(7), np.uint64(counter)))
        for other in (random_bits(np.uint64(6), np.uint64(counter)), random_bits(np.uint64(7), np.uint64(counter ^ 1))):
            flips.append([(bits ^ int(other)) >> place & 1 for place in range(64)])
    np.testing.assert_allclose(np.mean(flips, axis=0), 0.5, atol=0.13)
    assert abs(np.mean(flips) - 0.5) < 0.02


def test_uniform_numbers() -> None:
    numbers = np.array([uniform(key, np.uint64(counter)) for key in KEYS for counter in range(1000)])
    assert numbers.min() >= 0 and numbers.max() < 1
    np.testing.assert_allclose(np.histogram(numbers, bins=10, range=(0, 1))[0] / len(numbers), 0.1, atol=0.02)


@pytest.mark.parametrize("bound", [1, 2, 3, 7, 218])
def test_below(bound: int) -> None:
    numbers = [below(np.uint64(random_bits(np.uint64(5), np.uint64(counter))), bound) for counter in range(3000)]
    shares = np.bincount(numbers, minlength=bound) / len(numbers)
    assert len(shares) == bound
    np.testing.assert_allclose(shares, 1 / bound, atol=4 * np.sqrt(1 / bound / len(numbers)))
    assert below(np.uint64(2**64 - 1), bound) == bound - 1 and below(np.uint64(0), bound) == 0


def test_gumbel_variates() -> None:
    """Mean 0.5772, variance pi^2 / 6, and finite at the ends of the range."""
    numbers = np.array([gumbel(np.uint64(9), np.uint64(counter)) for counter in range(5000)])
    assert np.isfinite(numbers).all()
    assert numbers.mean() == pytest.approx(0.5772, abs=0.06)
    assert numbers.var() == pytest.approx(np.pi**2 / 6, abs=0.15)


def test_the_largest_of_logits_plus_gumbel_variates_is_a_draw_from_their_softmax() -> None:
    logits = np.log([0.5, 0.3, 0.2])
    keys = [np.uint64(random_bits(np.uint64(3), np.uint64(trial))) for trial in range(3000)]
    drawn = [int(np.argmax([logits[slot] + gumbel(key, np.uint64(slot)) for slot in range(3)])) for key in keys]
    np.testing.assert_allclose(np.bincount(drawn) / len(drawn), [0.5, 0.3, 0.2], atol=0.035)


def test_normal_variates() -> None:
    numbers = np.array([normal(np.uint64(4), np.uint64(2 * counter)) for counter in range(5000)])
    assert np.isfinite(numbers).all()
    assert numbers.mean() == pytest.approx(0, abs=0.06) and numbers.std() == pytest.approx(1, abs=0.05)
    assert (np.abs(numbers) < 1).mean() == pytest.approx(0.6827, abs=0.03)
    assert np.mean(numbers[1:] * numbers[:-1]) == pytest.approx(0, abs=0.06), "neighbours are independent"


@pytest.mark.parametrize(("size", "concentration"), [(1, 1.0), (3, 0.3), (3, 5.0), (40, 0.25), (218, 0.05), (7, 1e-3)])
def test_dirichlet_variates(size: int, concentration: float) -> None:
    """Each share has mean 1/k and variance (1/k)(1 - 1/k) / (k c + 1), however small the concentration c."""
    num_draws = max(60, 1200 // size)
    draws = np.zeros((num_draws, size), np.float32)
    for trial, draw in enumerate(draws):
        dirichlet(np.uint64(random_bits(np.uint64(8), np.uint64(trial))), concentration, draw)
    assert np.isfinite(draws).all() and (draws >= 0).all()
    np.testing.assert_allclose(draws.sum(axis=1), 1, atol=1e-5)
    variance = (1 / size) * (1 - 1 / size) / (size * concentration + 1)
    np.testing.assert_allclose(draws.mean(axis=0), 1 / size, atol=5 * np.sqrt(variance / num_draws) + 1e-6)
    assert draws.var(axis=0).mean() == pytest.approx(variance, rel=0.25, abs=1e-9)
    again = np.zeros(size, np.float32)
    dirichlet(np.uint64(random_bits(np.uint64(8), np.uint64(0))), concentration, again)
    np.testing.assert_array_equal(again, draws[0])
