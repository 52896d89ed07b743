"""A sequential test of two players: as few games as it takes to tell two rating differences apart.

Wald's test (1945, Sequential Tests of Statistical Hypotheses) goes on until the logarithm of the ratio of two
likelihoods leaves an interval. Here the hypotheses are two expected scores, of logistic Elo, and an observation is what
a player took from two games of one opening with the colours swapped: two games of deterministic players are anything
but independent of each other, the five results of such a pair are. How likely they are is not among the hypotheses, so
each takes those chances that make what was seen likeliest among all of its expected score: a generalised test, as Van
den Bergh worked it out for the tests of Stockfish (A Practical Introduction to the GSPRT), by Owen's empirical
likelihood of a mean (2001, Empirical Likelihood, chapter 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rl.arena.elo import Matrix, expected_score
from rl.errors import UserError

_SCORES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
"""Points a game from both games of an opening."""
_UNSEEN = 1e-3
"""Times that a result which never came is taken to have come, so that either hypothesis can be true from the first game
on (as in the tests of Stockfish)."""
_HALVINGS = 60
"""Of an interval: about as many as a double has bits."""


@dataclass(frozen=True)
class Sprt:
    """What is tested: whether a player is `elo0` points better than another (or less), or `elo1` (or more)."""

    elo0: float
    elo1: float
    alpha: float
    """Chance to take `elo0` for `elo1`."""
    beta: float
    """Chance to take `elo1` for `elo0`."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.elo0) and math.isfinite(self.elo1) and self.elo0 < self.elo1):
            raise UserError(f"elo0 {self.elo0:g} has to be below elo1 {self.elo1:g}")
        for name in ("alpha", "beta"):
            if not 0.0 < getattr(self, name) < 0.5:
                raise UserError(f"{name} {getattr(self, name):g}: must be between 0 and 0.5")

    @property
    def bounds(self) -> tuple[float, float]:
        """The test ends when the log-likelihood ratio is not between them (Wald 1945)."""
        return math.log(self.beta / (1.0 - self.alpha)), math.log((1.0 - self.beta) / self.alpha)


@dataclass(frozen=True)
class SprtResult:
    """How far a test has come."""

    llr: float
    """Logarithm of the ratio of the likelihoods of elo1 and elo0."""
    num_openings: int
    """Openings played from both sides until it was decided, or so far."""
    verdict: str
    """`elo1` or `elo0`, empty while neither is accepted."""


def run_sprt(test: Sprt, points: Sequence[float]) -> SprtResult:
    """The test over `points`: what a player took from both games of each opening (0 to 2), in the order of playing.

    What came after the decision counts for nothing, so a batch of games may be played beyond it.
    """
    if not len(points):
        return SprtResult(0.0, 0, "")
    seen = np.asarray(points, np.float64)[:, None] / 2.0 == _SCORES
    ratios = log_likelihood_ratios(seen.cumsum(axis=0), test.elo0, test.elo1)
    lower, upper = test.bounds
    outside = np.flatnonzero((ratios <= lower) | (ratios >= upper))
    last = int(outside[0]) if outside.size else len(points) - 1
    verdict = "" if not outside.size else "elo1" if ratios[last] >= upper else "elo0"
    return SprtResult(float(ratios[last]), last + 1, verdict)


def log_likelihood_ratios(counts: npt.NDArray[np.int64], elo0: float, elo1: float) -> Matrix:
    """[n]: of elo1 to elo0, after each result of `_SCORES` came as often as `counts` [n, 5] says."""
    weights = np.where(counts > 0, counts, _UNSEEN)
    return np.asarray((weights * (_log_chances(weights, elo1) - _log_chances(weights, elo0))).sum(axis=1))


def _log_chances(weights: Matrix, elo: float) -> Matrix:
    """[n, 5]: logarithms of the results' chances, but for a constant, where those of the rating difference `elo` are
    chosen under which `weights` [n, 5] are likeliest.

    Those are proportional to weight / (1 + t (score - mean)), with the t that gives them the mean. It is between
    -1 / (1 - mean) and 1 / mean, and is found by halving: the sum below falls as t grows.
    """
    mean = expected_score(elo)
    differences = _SCORES - mean
    low = np.full((len(weights), 1), -1.0 / (1.0 - mean))
    high = np.full((len(weights), 1), 1.0 / mean)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        rises = (weights * differences / (1.0 + middle * differences)).sum(axis=1, keepdims=True) > 0.0
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    return np.asarray(-np.log1p((low + high) / 2.0 * differences))
