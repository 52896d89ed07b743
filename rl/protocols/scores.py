"""Scores that a network foretells, as the analysis protocols tell them: of a position, and after each of its moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from games.base import FloatArray, Game, HashArray, State
from rl.search.evaluation import ScoreReader


class Foretold(NamedTuple):
    """What is foretold of one position, for its player to move."""

    ownership: list[float]
    """[H*W] from -1 to 1, cells by rows from the top."""
    lead: float
    """In points, komi counted."""
    leads_after: list[float]
    """The same player's lead after each of the actions asked about."""


def foretell(reader: ScoreReader, game: Game, state: State, history: HashArray, actions: Sequence[int]) -> Foretold:
    """Ask the network about a position that has not ended, and about those that `actions` lead to.

    `history` [k] uint64 are the hashes of the positions before it. A game that an action ends has the score that it is
    counted for.
    """
    player = int(state["to_play"])
    observations: FloatArray = np.zeros((1 + len(actions), *game.observation_shape), np.float32)
    game.observe(state, observations[0])
    signs, counted = [], []
    for place, action in enumerate(actions, start=1):
        after = state.copy()
        _, ended = game.step(after, action, history)
        game.observe(after, observations[place])
        signs.append(1.0 if int(after["to_play"]) == player else -1.0)
        counted.append((1.0 if player == 0 else -1.0) * float(game.score(after)) if ended else None)
    found = reader.read(observations)
    after_leads = [
        sign * float(lead) if score is None else score
        for sign, lead, score in zip(signs, found.leads[1:], counted, strict=True)
    ]
    return Foretold(found.ownership[0].astype(float).tolist(), float(found.leads[0]), after_leads)
