"""What a ladder plays, and in which order: the round-robin, a test until it is decided, then what tells most."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rl.arena.elo import expected_score
from rl.arena.game_log import LoggedGame
from rl.arena.results import Pair, Results
from rl.arena.sprt import Sprt
from rl.arena.tournament import Batch, PairTest, Plan, Tournament

pytestmark = pytest.mark.plain_only  # nothing here is compiled

NAMES = ["random", "c", "a", "b"]
TRUTH = {"random": 0.0, "a": 300.0, "b": 350.0, "c": 900.0}
PLAN = Plan("random", games=4, extra=0, margin=None, test=None, batch=4)

Score = Callable[[Pair, int], float]


def drawn(seed: int) -> Score:
    """Scores of games won with the chances that TRUTH gives."""

    def score(pair: Pair, number: int) -> float:
        draw = np.random.default_rng([seed, *"".join(pair).encode(), number])
        return float(draw.random() < expected_score(TRUTH[pair.first] - TRUTH[pair.second]))

    return score


def play(tournament: Tournament, score: Score, most: int = 10_000) -> list[Batch]:
    """Play it, at most so many batches; the batches."""
    batches: list[Batch] = []
    while len(batches) < most and (batch := tournament.next_batch()) is not None:
        assert batch.num_games > 0
        batches.append(batch)
        numbers = range(batch.start, batch.start + batch.num_games)
        tournament.results.add(game(batch.pair, number, score(batch.pair, number)) for number in numbers)
    return batches


def game(pair: Pair, number: int, score: float) -> LoggedGame:
    return LoggedGame(*pair, number=number, score=score, seed=0, opening="", moves="", length=9)


def met(results: Results) -> dict[Pair, int]:
    return {Pair(first, second): int(sum(counts)) for first, second, *counts in results.pairings()}


def test_every_pair_plays_its_games_evenly() -> None:
    tournament = Tournament(NAMES, Results(), replace(PLAN, games=12), 100)
    assert tournament.num_left == 6 * 12
    batches = play(tournament, drawn(1))
    assert met(tournament.results) == {Pair.of(*two): 12 for two in itertools.combinations(NAMES, 2)}
    assert [Counter(batch.pair for batch in batches[:6]).most_common(1)[0][1], len(batches)] == [1, 18]
    assert tournament.num_left == 0


def test_new_players_play_only_what_is_new() -> None:
    results = Results()
    play(Tournament(NAMES[:3], results, PLAN, 100), drawn(1))
    batches = play(Tournament([*NAMES[:3], "b"], results, PLAN, 100), drawn(1))
    assert len(batches) == 3 and all("b" in batch.pair for batch in batches)
    assert play(Tournament(NAMES[:2], results, PLAN, 100), drawn(1)) == []


def test_games_that_were_left_out_are_played_first() -> None:
    results = Results()
    pair = Pair("a", "b")
    results.add(game(pair, number, 1.0) for number in (1, 2, 5))
    tournament = Tournament(NAMES, results, PLAN, 100)
    assert results.missing(pair) == [0, 3, 4]
    assert play(tournament, drawn(1), 2) == [Batch(pair, 0, 1), Batch(pair, 3, 2)]
    play(tournament, drawn(1))
    assert met(results)[pair] == 6, "three games more than a round-robin of four had to fill the gaps"


def test_no_pair_plays_an_opening_again() -> None:
    tournament = Tournament(NAMES, Results(), replace(PLAN, games=40, extra=1000), 5)
    play(tournament, drawn(1))
    assert set(met(tournament.results).values()) == {10}


def test_further_games_go_where_they_tell_most_and_are_counted() -> None:
    results = Results()
    tournament = Tournament(NAMES, results, replace(PLAN, extra=42), 100)
    assert tournament.num_left == 24 + 42
    play(tournament, drawn(2))
    assert sum(met(results).values()) == 24 + 42
    assert play(Tournament(NAMES, results, replace(PLAN, extra=42), 100), drawn(2)) == []
    more = play(Tournament(NAMES, results, replace(PLAN, extra=45), 100), drawn(2))
    assert [batch.num_games for batch in more] == [3]
    counts = met(results)
    assert counts[Pair.of("a", "b")] > counts[Pair.of("c", "random")], "the first are near each other"


def test_without_a_round_robin_everyone_is_linked_and_the_ratings_are_found() -> None:
    tournament = Tournament(NAMES, Results(), replace(PLAN, games=0, extra=1200), 500)
    batches = play(tournament, drawn(3))
    assert {name for batch in batches[:4] for name in batch.pair} == set(NAMES)
    for name, rating in tournament.results.ratings("random").items():
        assert rating.low - 60 < TRUTH[name] < rating.high + 60


def test_a_margin_ends_the_games() -> None:
    tournament = Tournament(NAMES, Results(), replace(PLAN, extra=None, margin=60.0), 1000)
    assert tournament.num_left is None
    play(tournament, drawn(4))
    ratings = tournament.results.ratings("random")
    assert 45.0 < max(rating.high - rating.elo for rating in ratings.values()) <= 60.0


@pytest.mark.parametrize(("first", "second", "verdict"), [("c", "b", "elo1"), ("b", "c", "elo0")])
def test_a_test_plays_until_it_is_decided(first: str, second: str, verdict: str) -> None:
    test = PairTest(first, second, Sprt(0.0, 100.0, 0.05, 0.05))
    results = Results()
    plan = replace(PLAN, test=test)
    batches = play(Tournament(NAMES, results, plan, 300), drawn(5))
    assert test.run(results).verdict == verdict
    assert {batch.pair for batch in batches[6:]} == {Pair("b", "c")} and len(batches) > 7
    assert 2 * test.run(results).num_openings > met(results)[Pair("b", "c")] - PLAN.batch, "no batch too many"
    assert play(Tournament(NAMES, results, plan, 300), drawn(5)) == []
    further = play(Tournament(NAMES, results, replace(plan, extra=40), 300), drawn(5))
    assert sum(batch.num_games for batch in further) == 40
    assert all(batch.pair != Pair("b", "c") for batch in further), "its games are the test's to ask for"


def test_a_test_ends_undecided_with_the_openings() -> None:
    test = PairTest("a", "b", Sprt(0.0, 1.0, 0.05, 0.05))
    tournament = Tournament(NAMES, Results(), replace(PLAN, test=test), 20)
    assert tournament.num_left is None
    play(tournament, drawn(6))
    assert met(tournament.results)[Pair("a", "b")] == 40
    assert test.run(tournament.results).verdict == "" and test.run(tournament.results).num_openings == 20


def test_points_of_openings_stop_at_the_first_that_is_not_whole() -> None:
    results = Results()
    pair = Pair("a", "b")
    for number, score in enumerate((1.0, 0.5, 0.0, 0.0, 1.0)):
        results.add([game(pair, number, score)])
    results.add([game(pair, 6, 1.0), game(pair, 7, 1.0)])
    assert results.points("a", "b") == [1.5, 0.0]
    assert results.points("b", "a") == [0.5, 2.0]


def test_who_cannot_be_compared_has_no_rating() -> None:
    results = Results([game(Pair("a", "b"), 0, 1.0), game(Pair("c", "random"), 0, 1.0)])
    assert set(results.ratings("random")) == {"random", "c"}
    assert set(results.ratings("a")) == {"a", "b"}
    assert results.ratings("nobody") == {}


def test_forfeits_are_the_loser_s() -> None:
    lost = replace(game(Pair("a", "b"), 0, 0.0), forfeit=True)
    won = replace(game(Pair("a", "c"), 0, 1.0), forfeit=True)
    assert dict(Results([lost, won, game(Pair("a", "c"), 1, 0.0)]).forfeits) == {"a": 1, "c": 1}
