"""Histograms of self-play: how surprised searches were, and what they expected of games that were won and lost."""

from __future__ import annotations

import numpy as np

from games.base import FloatArray, Game
from rl.replay.records import GameRecord

_NAMES = ("search/policy_surprise", "value/of_winners", "value/of_losers")


class Distributions:
    """Gathers positions that were searched in full, until they are taken."""

    def __init__(self) -> None:
        self._parts: dict[str, list[FloatArray]] = {name: [] for name in _NAMES}

    def add(self, game: Game, record: GameRecord) -> None:
        """A finished game."""
        steps = record.steps[record.steps["is_target"]]
        if not game.zero_sum:  # nobody wins or loses
            self._parts["search/policy_surprise"].append(steps["surprise"])
            return
        last = record.steps[-1]
        outcomes = np.where(steps["to_play"] == last["to_play"], last["reward"], -last["reward"])
        expected = (steps["root_value"] + 1.0) / 2.0
        for name, values in zip(
            _NAMES, (steps["surprise"], expected[outcomes > 0], expected[outcomes < 0]), strict=True
        ):
            self._parts[name].append(values)

    def take(self) -> dict[str, FloatArray]:
        """All values by metric name since the last call; names without values are left out."""
        taken = {name: np.concatenate(parts) for name, parts in self._parts.items() if parts}
        self._parts = {name: [] for name in _NAMES}
        return {name: values for name, values in taken.items() if values.size}
