"""What the players of a ladder have scored against each other, and the ratings that follow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from rl.arena.elo import Pairing, Rating, ladder, linked
from rl.arena.game_log import LoggedGame


class Pair(NamedTuple):
    """Two players, in the order of the alphabet."""

    first: str
    second: str

    @classmethod
    def of(cls, one: str, other: str) -> Pair:
        """The pair of two players."""
        return cls(min(one, other), max(one, other))


class Results:
    """All results, by pair and number."""

    def __init__(self, games: Iterable[LoggedGame] = ()) -> None:
        self._scores: defaultdict[Pair, dict[int, float]] = defaultdict(dict)
        self.forfeits: defaultdict[str, int] = defaultdict(int)
        """Games that a player lost by what it did off the board."""
        self.add(games)

    def add(self, games: Iterable[LoggedGame]) -> None:
        """Add finished games."""
        for game in games:
            self._scores[Pair(game.first, game.second)][game.number] = game.score
            if game.forfeit:
                self.forfeits[game.second if game.score == 1.0 else game.first] += 1

    def num_games(self, pair: Pair) -> int:
        """How many games the pair has played."""
        return len(self._scores[pair])

    def missing(self, pair: Pair) -> list[int]:
        """Numbers of the pair that were left out, in order: an interrupted batch leaves such."""
        played = self._scores[pair]
        return [number for number in range(max(played, default=-1) + 1) if number not in played]

    def points(self, player: str, opponent: str) -> list[float]:
        """What `player` took from both games of each opening, in order, up to the first opening that is not whole."""
        pair = Pair.of(player, opponent)
        scores = self._scores[pair]
        points: list[float] = []
        while 2 * len(points) in scores and 2 * len(points) + 1 in scores:
            own = scores[2 * len(points)] + scores[2 * len(points) + 1]
            points.append(own if pair.first == player else 2.0 - own)
        return points

    def pairings(self) -> list[Pairing]:
        """Every pair that has met."""
        return [
            Pairing(*pair, *(sum(score == kind for score in scores.values()) for kind in (1.0, 0.5, 0.0)))
            for pair, scores in self._scores.items()
            if scores
        ]

    def ratings(self, anchor: str) -> dict[str, Rating]:
        """Ratings of all who can be compared with `anchor`, which is rated 0, best first; empty before it has played.

        Of two who have played nobody in common nothing can be said."""
        pairings = self.pairings()
        near = linked(pairings, anchor)
        comparable = [pairing for pairing in pairings if pairing.first in near]
        return ladder(comparable, anchor) if comparable else {}
