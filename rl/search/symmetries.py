"""Symmetry averaging: every position is shown to the network in all of the game's symmetries."""

from __future__ import annotations

import numpy as np

from games.base import FloatArray, Game
from rl.search.evaluation import Evaluation, Evaluator


class AveragedEvaluator:
    """Answers with the mean of another evaluator's logits and values over the symmetries of `game`.

    A network has learnt each position in all of them, with errors that partly cancel (AlphaGo, Silver et al. 2016,
    methods: "symmetries"). Costs as many evaluations as there are symmetries. The inner
    evaluator's weights must stay; its `network_id` is taken over, so that averaged and plain answers must not share a
    cache.
    """

    def __init__(self, game: Game, inner: Evaluator) -> None:
        """Raises ValueError when not even one position fits into a batch of `inner`."""
        symmetries = game.symmetries()
        self._inner = inner
        self._cells = [np.ascontiguousarray(symmetry.cells) for symmetry in symmetries]
        self._actions = [np.ascontiguousarray(symmetry.actions) for symmetry in symmetries]
        self.batch_size = inner.batch_size // len(symmetries)
        if self.batch_size == 0:
            raise ValueError(f"{len(symmetries)} symmetries, but batches of {inner.batch_size}")
        self.network_id = inner.network_id
        self._observations = np.zeros((self.batch_size, *game.observation_shape), np.float32)

    def buffer(self) -> FloatArray:
        return self._observations

    def submit(self, num_rows: int) -> int:
        shown = self._inner.buffer()
        planes = self._observations[:num_rows].reshape(num_rows, self._observations.shape[1], -1)
        for index, cells in enumerate(self._cells):
            view = shown[index * num_rows : (index + 1) * num_rows]
            view[:] = planes[:, :, cells].reshape(view.shape)
        return self._inner.submit(num_rows * len(self._cells))

    def collect(self, ticket: int) -> Evaluation:
        answer = self._inner.collect(ticket)
        logits = answer.prior_logits.reshape(len(self._actions), -1, answer.prior_logits.shape[1])
        turned_back = [view[:, actions] for view, actions in zip(logits, self._actions, strict=True)]
        values = answer.values.reshape(len(self._actions), -1)
        return Evaluation(np.mean(turned_back, axis=0), values.mean(axis=0))
