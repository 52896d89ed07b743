"""What a ladder plays next: every pair its round-robin, then a sequential test, then the games that tell most."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rl.arena.elo import Matrix
from rl.arena.results import Pair, Results
from rl.arena.scheduling import next_pair
from rl.arena.sprt import Sprt, SprtResult, run_sprt


class PairTest(NamedTuple):
    """A sequential test of two players."""

    first: str
    """Whether it is better is tested."""
    second: str
    sprt: Sprt

    @property
    def pair(self) -> Pair:
        """Who plays."""
        return Pair.of(self.first, self.second)

    def run(self, results: Results) -> SprtResult:
        """How far the test is."""
        return run_sprt(self.sprt, results.points(self.first, self.second))


@dataclass(frozen=True)
class Plan:
    """How much is played. Numbers of games are even: each opening is played from both sides."""

    anchor: str
    """Who is rated 0."""
    games: int
    """Of every pair."""
    extra: int | None
    """Further games, of the pairs where they tell most; None is no limit."""
    margin: float | None
    """No further games once every 95 % interval is at most so many points to either side."""
    test: PairTest | None
    """Played until it is decided."""
    batch: int
    """Games that a pair plays side by side."""


class Batch(NamedTuple):
    """Games to be played next: `num_games` of a pair, from its number `start` on."""

    pair: Pair
    start: int
    num_games: int


class Tournament:
    """Decides what is played, from the results there are: so it goes on wherever it was left."""

    def __init__(self, names: Sequence[str], results: Results, plan: Plan, num_openings: int) -> None:
        """`names` play, the anchor and those of the test among them; `results` may have more. A pair has `num_openings`
        openings, each played from both sides."""
        self.results = results
        self._names = list(names)
        self._plan = plan
        self._most = 2 * num_openings
        self._quota = min(plan.games, self._most)
        self._pairs = [Pair.of(*two) for two in itertools.combinations(self._names, 2)]

    @property
    def num_left(self) -> int | None:
        """Games that are still to be played; None where that depends on how they end."""
        if self.next_batch() is None:
            return 0
        if self._plan.margin is not None or self._plan.extra is None or self._test_goes_on():
            return None
        missing = sum(max(0, self._quota - self.results.num_games(pair)) for pair in self._pairs)
        return missing + self._plan.extra - self._num_extra()

    def next_batch(self) -> Batch | None:
        """What to play next; None when all that was asked for is played."""
        for pair in self._pairs:
            if left_out := self.results.missing(pair):
                until = next(number for number in itertools.count(left_out[0]) if number not in left_out)
                return Batch(pair, left_out[0], until - left_out[0])
        pair = min(self._pairs, key=self.results.num_games)
        if self.results.num_games(pair) < self._quota:
            return self._more(pair, self._quota)
        if self._plan.test is not None and self._test_goes_on():
            return self._more(self._plan.test.pair, self._most)
        return self._worth_most()

    def _more(self, pair: Pair, most: int) -> Batch:
        """The next games of a pair, up to `most` in all."""
        played = self.results.num_games(pair)
        return Batch(pair, played, min(self._plan.batch, most - played))

    def _test_goes_on(self) -> bool:
        """Whether the test is neither decided nor out of openings."""
        test = self._plan.test
        if test is None or self.results.num_games(test.pair) == self._most:
            return False
        return not test.run(self.results).verdict

    def _num_extra(self) -> int:
        """Games beyond the round-robin, those of the test not counted."""
        return sum(max(0, self.results.num_games(pair) - self._quota) for pair in self._pairs if self._is_free(pair))

    def _is_free(self, pair: Pair) -> bool:
        """Whether the pair is not the one of the test, whose games are the test's alone to ask for."""
        return self._plan.test is None or pair != self._plan.test.pair

    def _worth_most(self) -> Batch | None:
        """Of the further games those that tell most."""
        left = self._most if self._plan.extra is None else self._plan.extra - self._num_extra()
        if left <= 0 or self._is_certain():
            return None
        num_players = len(self._names)
        games = np.zeros((num_players, num_players))
        allowed = np.zeros((num_players, num_players), np.bool_)
        for row, column in itertools.combinations(range(num_players), 2):
            pair = Pair.of(self._names[row], self._names[column])
            games[row, column] = games[column, row] = self.results.num_games(pair)
            allowed[row, column] = self._is_free(pair) and games[row, column] < self._most
        chosen = next_pair(self._ratings(), games, self._plan.batch, allowed)
        if chosen is None:
            return None
        pair = Pair.of(self._names[chosen[0]], self._names[chosen[1]])
        return self._more(pair, min(self._most, self.results.num_games(pair) + left))

    def _ratings(self) -> Matrix:
        """[players]: as far as they are known; of those who have played nobody of the others, the others' mean."""
        known = self.results.ratings(self._plan.anchor)
        mean = float(np.mean([rating.elo for rating in known.values()])) if known else 0.0
        return np.array([known[name].elo if name in known else mean for name in self._names])

    def _is_certain(self) -> bool:
        """Whether every interval is as narrow as was asked for."""
        if self._plan.margin is None:
            return False
        ratings = self.results.ratings(self._plan.anchor)
        return all(
            name in ratings and ratings[name].high - ratings[name].elo <= self._plan.margin for name in self._names
        )
