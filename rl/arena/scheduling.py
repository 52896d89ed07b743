"""Which two players should meet next: those whose games make the ratings most certain.

With the ratings as they are thought to be, a game of two players who score p and 1 - p against each other adds
p (1 - p) to what is known of the difference of their log-odds, whatever its result will be. So what it is worth can be
told before it is played: how much smaller it makes the mean variance of the difference of two ratings, over all pairs.
That mean is what A-optimal designs minimise (Chaloner and Verdinelli 1995, Bayesian Experimental Design: A Review);
here one step at a time, the covariance being the inverse of the Fisher information of Bradley and Terry's model and of
a wide prior. It is the same whichever player the ratings are counted from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rl.arena.elo import POINTS_PER_NAT, Matrix

PRIOR_DEVIATION = 1000.0
"""Elo points that a player is thought to be from the others before it has played: it makes the first games of new
players worth most, and is nothing beside the games of the others."""


def covariance(ratings: Matrix, games: Matrix) -> Matrix:
    """[players, players], in squared Elo points: how uncertain `ratings` [players] are after `games` [players, players]
    (symmetric, 0 on the diagonal)."""
    weights = games * _information(ratings)
    information = np.diag(weights.sum(axis=1)) - weights
    return np.asarray(np.linalg.inv(information + np.eye(len(ratings)) / PRIOR_DEVIATION**2))


def mean_variance(spread: Matrix) -> float:
    """Mean variance of the difference of two ratings, over all pairs, of ratings with covariance `spread`."""
    num_players = len(spread)
    return float((num_players * np.trace(spread) - spread.sum()) / (num_players * (num_players - 1) / 2.0))


def gains(ratings: Matrix, games: Matrix, num_games: int) -> Matrix:
    """[players, players]: by how much `num_games` more games of the row's and the column's player lower the mean
    variance of a difference, in squared Elo points. By the formula of Sherman and Morrison (1950), for they change the
    information by a matrix of rank one."""
    num_players = len(ratings)
    spread = covariance(ratings, games)
    own = np.diag(spread)
    variances = own[:, None] + own[None, :] - 2.0 * spread  # of the differences
    products = spread @ spread
    lengths = np.diag(products)
    squares = lengths[:, None] + lengths[None, :] - 2.0 * products  # of spread (e_i - e_j), whose sum is 0
    weights = num_games * _information(ratings)
    return np.asarray(2.0 / (num_players - 1) * weights * squares / (1.0 + weights * variances))


def next_pair(ratings: Matrix, games: Matrix, num_games: int, allowed: npt.NDArray[np.bool_]) -> tuple[int, int] | None:
    """The pair of `allowed` [players, players] whose `num_games` games are worth most; None where none is allowed.

    Of several that are worth the same it is the one that has played least, then the first."""
    candidates = np.argwhere(np.triu(allowed, 1))
    if not candidates.size:
        return None
    rows, columns = candidates.T
    worth = np.round(gains(ratings, games, num_games)[rows, columns], 9)
    best = np.lexsort((games[rows, columns], -worth))[0]
    return int(rows[best]), int(columns[best])


def _information(ratings: Matrix) -> Matrix:
    """[players, players]: what one game of each pair tells, per squared Elo point."""
    chances = 1.0 / (1.0 + np.exp((ratings[None, :] - ratings[:, None]) / POINTS_PER_NAT))
    return np.asarray(chances * (1.0 - chances) / POINTS_PER_NAT**2)
