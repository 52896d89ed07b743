"""Who has beaten whom in a run, and the ratings that follow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rl.arena.elo import Pairing, Rating, ladder

ANCHOR = "random"
"""Rated 0."""


class Ladder:
    """All results of a run's evaluations. Kept in its checkpoints."""

    def __init__(self, pairings: Iterable[Pairing] = ()) -> None:
        self._results: dict[tuple[str, str], Pairing] = {}
        self.add(pairings)

    def add(self, pairings: Iterable[Pairing]) -> None:
        """Add results to those that there are."""
        for pairing in pairings:
            key = (pairing.first, pairing.second)
            old = self._results.get(key, Pairing(*key, 0, 0, 0))
            sums = (old.wins + pairing.wins, old.draws + pairing.draws, old.losses + pairing.losses)
            self._results[key] = Pairing(*key, *sums)

    def has(self, first: str, second: str) -> bool:
        """Whether there are results of these two, in this order."""
        return (first, second) in self._results

    def ratings(self, anchor: str = ANCHOR) -> dict[str, Rating]:
        """Ratings relative to `anchor`, best first; empty while the anchor has not played."""
        players = {name for key in self._results for name in key}
        return ladder(self.pairings(), anchor) if anchor in players else {}

    def best(self, names: Sequence[str]) -> str | None:
        """The best of `names` (oldest first) that have played: the newest that is not clearly weaker than the top.

        Clearly: the 95 % interval of the difference excludes 0. A few games tell little, and newer is usually better.
        """
        ratings = self.ratings()
        rated = [name for name in names if name in ratings]
        if not rated:
            return None
        top = max(rated, key=lambda name: ratings[name].elo)
        relative = self.ratings(anchor=top)
        return next(name for name in reversed(rated) if relative[name].high >= 0.0)

    def pairings(self) -> list[Pairing]:
        """All results, one entry an ordered pair; lists of these make a `Ladder` again."""
        return list(self._results.values())

    @classmethod
    def from_json(cls, pairings: Iterable[Sequence[Any]]) -> Ladder:
        """From what JSON makes of `pairings`."""
        return cls(Pairing(*entry) for entry in pairings)
