"""Elo: how scores become rating differences, for one match and for a ladder of many players.

A player rated d points above another is expected to score 1 / (1 + 10 ** (-d / 400)) (Elo 1978), draws counting half:
the model of Bradley and Terry (1952).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

POINTS_PER_NAT = 400.0 / math.log(10.0)
"""Elo points of one unit of log-odds."""
NORMAL_95 = 1.959963984540054
"""Half the width of a 95 % interval, in standard deviations."""
PRIOR_DRAWS = 0.5
"""Draws that each player of a ladder is taken to have made besides its games, so that a player who won every game still
has a finite rating; spread over its opponents as its games are (after Coulom's Bayeselo, which takes 2)."""


class Pairing(NamedTuple):
    """The results of two players against each other, as `first` saw them."""

    first: str
    second: str
    wins: float
    draws: float
    losses: float


class Rating(NamedTuple):
    """A player's place on a ladder."""

    elo: float
    low: float
    """Lower end of the 95 % interval of the difference to the anchor."""
    high: float
    num_games: float


def expected_score(difference: float) -> float:
    """The score per game, in [0, 1], expected of a player rated `difference` points above the other."""
    return 1.0 / (1.0 + math.exp(-difference / POINTS_PER_NAT))


def elo_difference(score: float) -> float:
    """The rating difference that explains a score per game; infinite at 0 and 1."""
    if not 0.0 < score < 1.0:
        return math.copysign(math.inf, score - 0.5)
    return POINTS_PER_NAT * math.log(score / (1.0 - score))


def wilson_interval(score: float, num_games: float) -> tuple[float, float]:
    """95 % interval of a score per game (Wilson 1927), a draw counting as half a win; (0, 1) without games.

    A draw has less variance than a win or a loss, so with draws the interval is somewhat wider than it need be.
    """
    if num_games <= 0:
        return 0.0, 1.0
    square = NORMAL_95 * NORMAL_95
    centre = score + square / (2.0 * num_games)
    spread = NORMAL_95 * math.sqrt(score * (1.0 - score) / num_games + square / (4.0 * num_games * num_games))
    scale = 1.0 + square / num_games
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return (0.0 if score == 0.0 else low), (1.0 if score == 1.0 else high)


def ladder(pairings: Sequence[Pairing], anchor: str = "random", anchor_rating: float = 0.0) -> dict[str, Rating]:
    """Ratings of all players that make their results most likely, `anchor` being held at `anchor_rating`; best first.

    The intervals come from the curvature of the log-likelihood (the inverse of its Hessian) and are of the difference
    to the anchor, whose own interval has no width. Pairs without games are ignored; two entries of one pair add up.
    Raises ValueError when the anchor has no games or a player is not linked to it through games.
    """
    played = [pairing for pairing in pairings if pairing.wins + pairing.draws + pairing.losses > 0]
    names = sorted({name for pairing in played for name in (pairing.first, pairing.second)})
    if anchor not in names:
        raise ValueError(f"{anchor!r} has played no games: a ladder needs games of its anchor")
    near = linked(played, anchor)
    if missing := [name for name in names if name not in near]:
        raise ValueError(f"no games link {', '.join(missing)} to {anchor!r}: ratings cannot be compared")
    scores = _score_matrix(played, names)
    games = (scores + scores.T).sum(axis=1)
    ratings, deviations = _fit(_with_prior(scores), names.index(anchor))
    table = {
        name: Rating(
            anchor_rating + ratings[index],
            anchor_rating + ratings[index] - NORMAL_95 * deviations[index],
            anchor_rating + ratings[index] + NORMAL_95 * deviations[index],
            float(games[index]),
        )
        for index, name in enumerate(names)
    }
    return dict(sorted(table.items(), key=lambda entry: -entry[1].elo))


def linked(pairings: Iterable[Pairing], player: str) -> set[str]:
    """`player` and everyone who can be compared with it: through games with it, or with others of whom that is true."""
    opponents: dict[str, set[str]] = {player: set()}
    for first, second, wins, draws, losses in pairings:
        if wins + draws + losses > 0:
            opponents.setdefault(first, set()).add(second)
            opponents.setdefault(second, set()).add(first)
    found, frontier = {player}, [player]
    while frontier:
        near = opponents[frontier.pop()] - found
        found |= near
        frontier += sorted(near)
    return found


def _score_matrix(pairings: Sequence[Pairing], names: Sequence[str]) -> Matrix:
    """[players, players] points that the row's player took from the column's."""
    scores = np.zeros((len(names), len(names)))
    places = {name: index for index, name in enumerate(names)}
    for first, second, wins, draws, losses in pairings:
        if first == second:
            raise ValueError(f"{first!r} is paired with itself: two players of one name cannot be told apart")
        scores[places[first], places[second]] += wins + draws / 2.0
        scores[places[second], places[first]] += losses + draws / 2.0
    return scores


def _with_prior(scores: Matrix) -> Matrix:
    """Add each player's PRIOR_DRAWS to its points and its opponents'."""
    games = scores + scores.T
    share: Matrix = PRIOR_DRAWS * games / games.sum(axis=1, keepdims=True)
    prior: Matrix = (share + share.T) / 2.0
    return np.add(scores, prior)


def _fit(scores: Matrix, anchor: int) -> tuple[Matrix, Matrix]:
    """([players] Elo relative to the anchor, [players] standard deviations): Newton's method on a concave function."""
    free = np.arange(len(scores)) != anchor
    games = scores + scores.T
    strengths = np.zeros(len(scores))  # in log-odds

    def likelihood(of: Matrix) -> float:
        return float(-(scores * np.logaddexp(0.0, of[None, :] - of[:, None])).sum())

    while True:
        expected = 1.0 / (1.0 + np.exp(strengths[None, :] - strengths[:, None]))
        gradient = (scores - games * expected).sum(axis=1)[free]
        weights = games * expected * (1.0 - expected)
        information = (np.diag(weights.sum(axis=1)) - weights)[np.ix_(free, free)]
        covariance = np.linalg.inv(information)
        step = covariance @ gradient
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
        moved = strengths.copy()
        size = min(1.0, 4.0 / np.abs(step).max())  # the curvature vanishes far out: no leaps of more than 700 Elo
        moved[free] += size * step
        while likelihood(moved) < likelihood(strengths) and size > 1e-6:
            size /= 2.0
            moved[free] = strengths[free] + size * step
        strengths = moved
    deviations = np.zeros(len(scores))
    deviations[free] = np.sqrt(np.diag(covariance))
    return POINTS_PER_NAT * strengths, POINTS_PER_NAT * deviations
