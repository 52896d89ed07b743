"""Elo against closed forms, published intervals, simulated players and a slow twin."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.arena.elo import PRIOR_DRAWS, Pairing, elo_difference, expected_score, ladder, linked, wilson_interval

pytestmark = pytest.mark.plain_only  # nothing here is compiled


def test_elo_of_well_known_scores() -> None:
    assert elo_difference(0.5) == 0.0
    assert elo_difference(0.75) == pytest.approx(190.85, abs=0.01)
    assert elo_difference(10 / 11) == pytest.approx(400.0)
    assert (elo_difference(1.0), elo_difference(0.0)) == (math.inf, -math.inf)
    assert expected_score(200.0) == pytest.approx(0.7597, abs=1e-4)
    assert expected_score(-400.0) == pytest.approx(1 / 11)


@given(st.floats(0.001, 0.999))
def test_elo_and_expected_score_undo_each_other(score: float) -> None:
    assert expected_score(elo_difference(score)) == pytest.approx(score)
    assert elo_difference(1.0 - score) == pytest.approx(-elo_difference(score), abs=1e-9)


def test_wilson_intervals_as_published() -> None:
    assert wilson_interval(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson_interval(1.0, 7)[1] == 1.0 and wilson_interval(0.0, 7)[0] == 0.0, "exactly"
    # Newcombe (Statistics in Medicine 17, 1998), table I, method 3: 81 of 263 and 15 of 148.
    assert wilson_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson_interval(0.5, 0) == (0.0, 1.0)


def test_two_players_have_the_rating_of_their_score_with_one_more_draw() -> None:
    table = ladder([Pairing("random", "agent", 3, 2, 15)])
    assert 2 * PRIOR_DRAWS == 1
    assert table["agent"].elo == pytest.approx(elo_difference((15 + 1 + 0.5) / 21))
    chance = (15 + 1 + 0.5) / 21
    half = 1.959964 * 400 / math.log(10) / math.sqrt(21 * chance * (1 - chance))
    assert table["agent"].high - table["agent"].elo == pytest.approx(half, rel=1e-5)
    assert table["agent"].elo - table["agent"].low == pytest.approx(half, rel=1e-5)
    assert table["random"] == (0.0, 0.0, 0.0, 20)


def slow_ratings(pairings: list[Pairing], anchor: str) -> dict[str, float]:
    """Bradley and Terry's strengths by Hunter's minorisation (2004), which needs no derivative: many small steps."""
    games = {(pair.first, pair.second): pair.wins + pair.draws + pair.losses for pair in pairings}
    names = sorted({name for pair in games for name in pair})
    opponents = {name: [pair for pair in games if name in pair] for name in names}
    totals = {name: sum(games[pair] for pair in opponents[name]) for name in names}
    points: dict[tuple[str, str], float] = {}
    for pair in pairings:
        count = games[pair.first, pair.second]
        prior = PRIOR_DRAWS * count * (1 / totals[pair.first] + 1 / totals[pair.second])
        points[pair.first, pair.second] = pair.wins + pair.draws / 2 + prior / 2
        points[pair.second, pair.first] = pair.losses + pair.draws / 2 + prior / 2
    strengths = dict.fromkeys(names, 1.0)
    for _ in range(20_000):
        for name in names:
            won = sum(points[pair] for pair in points if pair[0] == name)
            shared = sum(
                (points[pair] + points[pair[::-1]]) / (strengths[name] + strengths[pair[1]])
                for pair in points
                if pair[0] == name
            )
            strengths[name] = won / shared
    return {name: 400 * math.log10(strengths[name] / strengths[anchor]) for name in names}


PAIRINGS = [
    Pairing("random", "rollouts", 1, 0, 39),
    Pairing("old", "rollouts", 30, 4, 6),
    Pairing("new", "rollouts", 40, 0, 0),
    Pairing("new", "old", 12, 2, 6),
]


def test_ladder_agrees_with_its_slow_twin() -> None:
    table = ladder(PAIRINGS)
    for name, rating in slow_ratings(PAIRINGS, "random").items():
        assert table[name].elo == pytest.approx(rating, abs=0.01)


def test_ladder_is_sorted_finite_and_moves_with_its_anchor() -> None:
    table = ladder(PAIRINGS)
    assert list(table) == ["new", "old", "rollouts", "random"]
    assert table["new"].num_games == 60
    for rating in table.values():
        assert math.isfinite(rating.elo) and rating.low <= rating.elo <= rating.high
    lifted = ladder(PAIRINGS, anchor="rollouts", anchor_rating=1000.0)
    for name, rating in table.items():
        assert lifted[name].elo == pytest.approx(1000.0 + rating.elo - table["rollouts"].elo)


def test_order_direction_and_splitting_of_pairings_do_not_matter() -> None:
    turned = [Pairing(pair.second, pair.first, pair.losses, pair.draws, pair.wins) for pair in reversed(PAIRINGS)]
    split = [
        Pairing(pair.first, pair.second, pair.wins / 2, pair.draws / 2, pair.losses / 2) for pair in turned
    ] * 2 + [Pairing("stranger", "random", 0, 0, 0)]
    for name, rating in ladder(split).items():
        assert rating == pytest.approx(ladder(PAIRINGS)[name], abs=1e-6)


counts = st.tuples(*[st.integers(0, 30)] * 3).filter(any)
tournaments = st.lists(counts, min_size=6, max_size=6).map(
    lambda results: [
        Pairing(*pair, *result) for pair, result in zip(itertools.combinations("wxyz", 2), results, strict=True)
    ]
)


@given(tournaments)
def test_at_the_fit_everyone_has_scored_what_was_expected(pairings: list[Pairing]) -> None:
    """The likelihood's derivative is 0: expected scores add up to the scores, the prior's draws among them."""
    table = ladder(pairings, "w")
    games = {name: sum(sum(pair[2:]) for pair in pairings if name in pair[:2]) for name in "wxyz"}
    surplus = dict.fromkeys("wxyz", 0.0)
    for first, second, wins, draws, losses in pairings:
        num_games = wins + draws + losses
        prior = PRIOR_DRAWS * num_games * (1 / games[first] + 1 / games[second])
        expected = (num_games + prior) * expected_score(table[first].elo - table[second].elo)
        surplus[first] += wins + draws / 2 + prior / 2 - expected
        surplus[second] -= wins + draws / 2 + prior / 2 - expected
    assert max(map(abs, surplus.values())) < 1e-5


@given(tournaments, st.integers(0, 5))
def test_a_win_more_never_lowers_the_winner_against_anybody(pairings: list[Pairing], index: int) -> None:
    better = [pair._replace(wins=pair.wins + 1) if place == index else pair for place, pair in enumerate(pairings)]
    winner = pairings[index].first
    before, after = ladder(pairings, winner), ladder(better, winner)
    loser = pairings[index].second
    assert after[loser].elo < before[loser].elo + 1e-6


def test_who_can_be_compared_with_whom() -> None:
    pairings = [Pairing("a", "b", 1, 0, 0), Pairing("c", "b", 0, 1, 0), Pairing("d", "e", 0, 0, 1)]
    assert linked(pairings, "a") == linked(pairings, "c") == {"a", "b", "c"}
    assert linked(pairings, "e") == {"d", "e"}
    assert linked([*pairings, Pairing("c", "d", 0, 0, 0)], "e") == {"d", "e"}, "no game has been played"
    assert linked(pairings, "stranger") == {"stranger"}


def test_whole_ladders_of_one_sided_results_stay_finite() -> None:
    names = ["random", *"abcdefgh"]
    table = ladder([Pairing(better, worse, 100, 0, 0) for worse, better in itertools.pairwise(names)])
    ratings = [table[name].elo for name in names]
    assert ratings == sorted(ratings)
    assert all(600 < better - worse < 1200 for worse, better in itertools.pairwise(ratings))


def test_simulated_players_are_found_again() -> None:
    truth = {"random": 0.0, "a": 250.0, "b": 420.0, "c": 700.0}
    generator = np.random.default_rng(7)
    inside = trials = 0
    errors = []
    for _ in range(60):
        pairings = []
        for first, second in itertools.combinations(truth, 2):
            wins = int(generator.binomial(100, expected_score(truth[first] - truth[second])))
            pairings.append(Pairing(first, second, wins, 0, 100 - wins))
        table = ladder(pairings)
        for name in ("a", "b", "c"):
            inside += table[name].low <= truth[name] <= table[name].high
            trials += 1
            errors.append(table[name].elo - truth[name])
    assert 0.90 <= inside / trials <= 0.995, "about 95 % of the intervals hold the truth"
    assert abs(float(np.mean(errors))) < 10.0


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="'random' has played no games"):
        ladder([Pairing("a", "b", 1, 0, 1)])
    with pytest.raises(ValueError, match="no games link a, b to 'random'"):
        ladder([Pairing("a", "b", 1, 0, 1), Pairing("random", "c", 1, 0, 1), Pairing("a", "c", 0, 0, 0)])
    with pytest.raises(ValueError, match="paired with itself"):
        ladder([Pairing("random", "random", 1, 0, 1)])
