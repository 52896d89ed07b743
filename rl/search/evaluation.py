"""What the search asks of a network: batches of observations in, prior logits and values out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from games.base import FloatArray, Game


class Evaluation(NamedTuple):
    """The network's answer for the rows of one batch."""

    prior_logits: FloatArray
    """[rows, num_actions] float32, raw: illegal actions are masked when a node is expanded, not before."""
    values: FloatArray
    """[rows] float32 for the player to move, in the game's `value_bounds` (board games: P(win) - P(loss))."""


class Evaluator(Protocol):
    """Evaluates batches in the order they were submitted; at most two tickets are outstanding."""

    batch_size: int
    """The most rows of one `submit`."""
    network_id: int
    """Differs between different weights; part of every cache key."""

    def buffer(self) -> FloatArray:
        """[batch_size, C, H, W] float32, in C order, to write observations into; free until the next `submit`. (Another
        order would serve, but kernels are compiled for one: all evaluators of a game share them.)"""
        ...

    def submit(self, num_rows: int) -> int:
        """Start evaluating the first `num_rows` of the buffer last given; returns a ticket."""
        ...

    def collect(self, ticket: int) -> Evaluation:
        """Wait for a ticket. Its arrays stay valid until two further tickets have been submitted."""
        ...


class ScoreEstimate(NamedTuple):
    """How n positions of a scored game will be counted at the end, for their players to move."""

    ownership: FloatArray
    """[n, H*W] float32 from -1 to 1, cells by rows from the top: the expectation of 1 for a cell of his own, -1 for the
    opponent's, 0 for neither's."""
    leads: FloatArray
    """[n] float32: by how many points he will lead, komi counted."""


class ScoreReader(Protocol):
    """Foretells scores. The search has no use for them; people have."""

    def read(self, observations: FloatArray) -> ScoreEstimate:
        """Of `observations` [n, C, H, W] float32."""
        ...


def score_reader(evaluator: Evaluator) -> ScoreReader | None:
    """What foretells scores with the evaluator's network; None where that has not learnt it."""
    reader: ScoreReader | None = getattr(evaluator, "score_reader", None)
    return reader


class UniformEvaluator:
    """Zero logits and value 0 everywhere: what is left is the search. For benchmarks, tests and untrained games."""

    network_id = 0

    def __init__(self, game: Game, batch_size: int) -> None:
        self.batch_size = batch_size
        self._observations = np.zeros((batch_size, *game.observation_shape), np.float32)
        self._evaluation = Evaluation(
            np.zeros((batch_size, game.num_actions), np.float32), np.zeros(batch_size, np.float32)
        )

    def buffer(self) -> FloatArray:
        return self._observations

    def submit(self, num_rows: int) -> int:
        return num_rows

    def collect(self, ticket: int) -> Evaluation:
        return Evaluation(self._evaluation.prior_logits[:ticket], self._evaluation.values[:ticket])
