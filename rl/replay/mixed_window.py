"""The training window of a mixture of games: a window for each, and batches that hold positions of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from games.base import IndexArray
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord
from rl.replay.window import Batch, Window, WindowConfig
from rl.search.random import random_bits

_ROWS_KEY = np.uint64(0x726F7773)  # "rows"


class MixedWindow:
    """As `Window`, over all games of a mixture. Each game's window has its share of the configured size."""

    def __init__(self, mixture: Mixture, config: WindowConfig) -> None:
        self._mixture = mixture
        self._windows = [
            Window(
                game,
                replace(config, min_positions=max(1, round(config.min_positions * share))),
                canvas_actions=mixture.embedding(index),
            )
            for index, (game, share) in enumerate(zip(mixture.games, mixture.shares, strict=True))
        ]

    @property
    def total_positions(self) -> int:
        """Positions with a policy target of all games ever added."""
        return sum(window.total_positions for window in self._windows)

    @property
    def newest_game(self) -> int:
        """The highest game number ever added; -1 before there is one."""
        return max(window.newest_game for window in self._windows)

    @property
    def num_games(self) -> int:
        """Games held, those held out included."""
        return sum(window.num_games for window in self._windows)

    @property
    def num_positions(self) -> int:
        """Positions to train on."""
        return sum(window.num_positions for window in self._windows)

    @property
    def num_holdout_positions(self) -> int:
        """Positions held out."""
        return sum(window.num_holdout_positions for window in self._windows)

    def add_all(self, records: Iterable[GameRecord]) -> None:
        """Add games in the order of their numbers."""
        for record in sorted(records, key=lambda record: record.game_number):
            self._windows[self._mixture.index(record.game_number)].add(record)

    def sample(self, batch_size: int, key: int) -> Batch:
        """Draw positions uniformly, with replacement, from all positions to train on, game after game in the batch.

        A function of `key` (below 2**64) and of the games held. Raises ValueError when there are none.
        """
        return self._sample(batch_size, key, held_out=False)

    def sample_holdout(self, batch_size: int, key: int) -> Batch:
        """As `sample`, from the games that are never trained on."""
        return self._sample(batch_size, key, held_out=True)

    def _sample(self, batch_size: int, key: int, *, held_out: bool) -> Batch:
        batch = Batch.blank(self._mixture.canvas, batch_size, masked=self._mixture.needs_mask)
        first = 0
        for index, count in enumerate(self._counts(batch_size, key, held_out).tolist()):
            if count == 0:
                continue
            part = batch.rows(first, first + count)
            with np.errstate(over="ignore"):
                own_key = key if len(self._windows) == 1 else int(random_bits(np.uint64(key), np.uint64(index)))
            self._windows[index].sample_into(part, own_key, self.newest_game, held_out=held_out)
            if part.mask is not None:
                part.mask[:] = self._mixture.mask(index)
            first += count
        return batch

    def _counts(self, batch_size: int, key: int, held_out: bool) -> IndexArray:
        """How many rows each game gets: every row is drawn from all positions."""
        held = [window.num_holdout_positions if held_out else window.num_positions for window in self._windows]
        if sum(held) == 0:
            raise ValueError("there are no positions to sample")
        if len(held) == 1:
            return np.array([batch_size])
        with np.errstate(over="ignore"):  # where kernels run as plain Python
            row_key = np.uint64(random_bits(_ROWS_KEY, np.uint64(key)))
            draws = [int(random_bits(row_key, np.uint64(row))) % sum(held) for row in range(batch_size)]
        return np.bincount(np.searchsorted(np.cumsum(held), draws, side="right"), minlength=len(held))
