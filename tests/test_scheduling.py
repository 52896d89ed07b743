"""Which pair plays next: against brute force, and against what the fit says of its own certainty."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.arena.elo import NORMAL_95, Pairing, expected_score, ladder
from rl.arena.scheduling import PRIOR_DEVIATION, covariance, gains, mean_variance, next_pair

pytestmark = pytest.mark.plain_only  # nothing here is compiled

NUM_PLAYERS = 5


def everyone(num_players: int) -> np.ndarray:
    return ~np.eye(num_players, dtype=bool)


def slow_covariance(ratings: np.ndarray, games: np.ndarray) -> np.ndarray:
    """By summing one game after the other into the information of Bradley and Terry's model."""
    information = np.eye(len(ratings)) / PRIOR_DEVIATION**2
    for i, j in itertools.combinations(range(len(ratings)), 2):
        chance = expected_score(ratings[i] - ratings[j])
        difference = np.zeros(len(ratings))
        difference[[i, j]] = 1.0, -1.0
        per_point = np.log(10.0) / 400.0
        information += games[i, j] * chance * (1 - chance) * per_point**2 * np.outer(difference, difference)
    return np.linalg.inv(information)


def slow_mean_variance(spread: np.ndarray) -> float:
    pairs = list(itertools.combinations(range(len(spread)), 2))
    return float(np.mean([spread[i, i] + spread[j, j] - 2 * spread[i, j] for i, j in pairs]))


ratings_of = st.lists(st.floats(-1500, 1500), min_size=NUM_PLAYERS, max_size=NUM_PLAYERS).map(np.array)
games_of = st.lists(st.integers(0, 80), min_size=10, max_size=10)


def matrix(counts: list[int]) -> np.ndarray:
    games = np.zeros((NUM_PLAYERS, NUM_PLAYERS))
    games[np.triu_indices(NUM_PLAYERS, 1)] = counts
    return games + games.T


@given(ratings_of, games_of, st.integers(1, 40))
def test_gains_are_what_brute_force_finds(ratings: np.ndarray, counts: list[int], num_games: int) -> None:
    games = matrix(counts)
    before = slow_covariance(ratings, games)
    np.testing.assert_allclose(covariance(ratings, games), before, rtol=1e-6, atol=1e-6 * before.max())
    assert mean_variance(before) == pytest.approx(slow_mean_variance(before))
    worth = gains(ratings, games, num_games)
    best = (-1.0, (0, 0))
    for i, j in itertools.combinations(range(NUM_PLAYERS), 2):
        more = games.copy()
        more[i, j] = more[j, i] = games[i, j] + num_games
        gain = slow_mean_variance(before) - slow_mean_variance(slow_covariance(ratings, more))
        assert worth[i, j] == pytest.approx(gain, rel=1e-5, abs=1e-6 * slow_mean_variance(before))
        assert worth[i, j] == pytest.approx(worth[j, i], rel=1e-9) and gain > -1e-6
        best = max(best, (gain, (i, j)))
    chosen = next_pair(ratings, games, num_games, everyone(NUM_PLAYERS))
    assert chosen is not None
    assert worth[chosen] == pytest.approx(best[0], rel=1e-5, abs=1e-6 * slow_mean_variance(before))


def test_the_covariance_is_the_fit_s() -> None:
    truth = np.array([0.0, 150.0, 320.0, 380.0])
    pairings, games = [], np.zeros((4, 4))
    for i, j in itertools.combinations(range(4), 2):
        wins = round(4000 * expected_score(truth[i] - truth[j]))
        pairings.append(Pairing(f"p{i}", f"p{j}", wins, 0, 4000 - wins))
        games[i, j] = games[j, i] = 4000
    table = ladder(pairings, "p0")
    spread = covariance(np.array([table[f"p{i}"].elo for i in range(4)]), games)
    for i in range(1, 4):
        deviation = (table[f"p{i}"].high - table[f"p{i}"].elo) / NORMAL_95
        assert np.sqrt(spread[i, i] + spread[0, 0] - 2 * spread[i, 0]) == pytest.approx(deviation, rel=0.001)


def test_who_has_not_played_plays_first_and_near_players_meet() -> None:
    games = np.full((4, 4), 40.0)
    np.fill_diagonal(games, 0.0)
    games[3, :] = games[:, 3] = 0.0
    chosen = next_pair(np.zeros(4), games, 10, everyone(4))
    assert chosen is not None and 3 in chosen
    near = np.array([0.0, 900.0, 910.0])
    even = np.full((3, 3), 40.0)
    np.fill_diagonal(even, 0.0)
    worth = gains(near, even, 10)
    assert worth[0, 1] != worth[1, 2] and next_pair(near, np.zeros((3, 3)), 10, everyone(3)) == (1, 2)


def test_of_equals_the_pair_that_played_least_comes_next_then_the_first() -> None:
    assert next_pair(np.zeros(4), np.zeros((4, 4)), 2, everyone(4)) == (0, 1)
    games = matrix([0] * 10)[:4, :4]
    played = []
    for _ in range(12):
        chosen = next_pair(np.zeros(4), games, 2, everyone(4))
        assert chosen is not None
        games[chosen] += 2
        games[chosen[::-1]] += 2
        played.append(chosen)
    assert {played.count(pair) for pair in set(played)} == {2} and len(set(played)) == 6


def test_only_allowed_pairs_play() -> None:
    allowed = np.zeros((3, 3), bool)
    assert next_pair(np.zeros(3), np.zeros((3, 3)), 2, allowed) is None
    allowed[0, 2] = True
    assert next_pair(np.array([0.0, 0.0, 2000.0]), np.zeros((3, 3)), 2, allowed) == (0, 2)


def test_chosen_games_tell_more_than_a_round_robin_of_as_many() -> None:
    """Players as far apart as an agent's checkpoints are: games of neighbours tell most."""
    ratings = np.linspace(0.0, 2000.0, 9)
    even = np.full((9, 9), 20.0)
    np.fill_diagonal(even, 0.0)
    games = np.zeros((9, 9))
    while games.sum() < even.sum():
        chosen = next_pair(ratings, games, 4, everyone(9))
        assert chosen is not None
        games[chosen] += 4
        games[chosen[::-1]] += 4
    chosen_games = mean_variance(covariance(ratings, games))
    assert chosen_games < 0.6 * mean_variance(covariance(ratings, even))
    distances = np.abs(ratings[:, None] - ratings[None, :])
    assert (games * distances).sum() / games.sum() < 0.5 * (even * distances).sum() / even.sum()
