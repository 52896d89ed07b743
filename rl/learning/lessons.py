"""From a batch of the replay to what a step learns: one kind of lesson for boards, one for simulated games."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from games.base import Game
from games.compiled import njit
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.learning.lookahead import Lookahead, Reference
from rl.learning.losses import Inputs, TrainingBatch, value_targets
from rl.network.kinds import AnyNetwork
from rl.network.model import Network
from rl.network.vector import ValueBins, VectorNetwork
from rl.replay.episode_batch import EpisodeBatch
from rl.search.driver import SearchConfig
from rl.search.random import random_bits

AnyBatch = TrainingBatch | EpisodeBatch


class Lessons(Protocol):
    """What a learner asks of the kind of game."""

    def inputs(self, batch: Any, network: Any, step: int) -> Inputs:
        """The batch on the device, its targets made whole with the averaged `network` where they need it; random
        numbers are a function of the learner's `step`."""
        ...

    def views(self, inputs: Inputs) -> Iterator[Inputs]:
        """The batch as each symmetry of the game shows it."""
        ...


class BoardLessons:
    """Positions of board games: win, draw or loss, and every legal action."""

    def __init__(self, game: Game, device: torch.device) -> None:
        self.symmetries = game.symmetries()
        """Under which evaluations show a batch."""
        self._device = device

    def inputs(self, batch: TrainingBatch, network: Any, step: int) -> Inputs:
        def moved(array: np.ndarray[Any, Any]) -> Tensor:
            return torch.from_numpy(array).to(self._device, non_blocking=True)

        outcome = moved(batch.outcome)
        value_target = value_targets(moved(batch.lambda_returns))
        return Inputs(
            moved(batch.observations),
            moved(batch.legal),
            moved(batch.policy),
            outcome,
            value_target,
            moved(batch.replies),
            moved(batch.short_returns),
            None if batch.mask is None else moved(batch.mask),
            None if batch.ownership is None else moved(batch.ownership),
            None if batch.leads is None else moved(batch.leads),
        )

    def views(self, inputs: Inputs) -> Iterator[Inputs]:
        for symmetry in self.symmetries:
            cells = torch.from_numpy(np.ascontiguousarray(symmetry.cells)).to(self._device)  # may be a turned view
            origins = torch.from_numpy(np.argsort(symmetry.actions)).to(self._device)  # new action -> original

            def turned(cells_last: Tensor, cells: Tensor = cells) -> Tensor:
                return cells_last.flatten(-2)[..., cells].view_as(cells_last)

            assert inputs.replies is not None
            yield inputs._replace(
                observations=turned(inputs.observations),
                mask=None if inputs.mask is None else turned(inputs.mask),
                ownership=None if inputs.ownership is None else turned(inputs.ownership),
                choices=inputs.choices[:, origins],
                policy=inputs.policy[:, origins],
                replies=inputs.replies[:, origins],
            )


class SimulatedLessons:
    """States of simulated games: sampled actions, and returns within the game's range."""

    def __init__(
        self,
        game: SimulatedGame,
        network: VectorNetwork,
        device: torch.device,
        search: SearchConfig,
        reference: Reference,
    ) -> None:
        self._device = device
        self._bins = ValueBins(network.shape, network.config, device)
        self._lookahead = Lookahead(game, search.settings(), network, device, "native", reference)

    def inputs(self, batch: EpisodeBatch, network: VectorNetwork, step: int) -> Inputs:
        actions, policy, returns = batch.actions, batch.policy, batch.returns
        rows = np.flatnonzero(batch.fresh)
        if len(rows) > 0:
            draw_keys(step, keys := np.empty(len(rows), np.uint64))
            followed = batch.followed._replace(rows=np.searchsorted(rows, batch.followed.rows))
            found = self._lookahead.look(network, batch.states[rows], batch.observations[rows], keys, followed)
            actions[rows], policy[rows] = found.actions, found.policy  # the batch is this step's alone
            returns[rows] = np.where(batch.revalued[rows], found.values, returns[rows])
        if len(batch.successors.rows) > 0:
            rows = batch.successors.rows
            found = self._lookahead.recall(network, batch.observations[rows], batch.successors)
            actions[rows], policy[rows] = found.actions, found.policy
            returns[rows] = np.where(batch.revalued[rows], found.values, returns[rows])
        observations, choices, weights, values = (
            torch.from_numpy(array).to(self._device) for array in (batch.observations, actions, policy, returns)
        )
        targets = self._bins.targets(values)
        return Inputs(observations, choices, weights, None, targets, None, None, None, None, None)

    def views(self, inputs: Inputs) -> Iterator[Inputs]:
        yield inputs


def lessons_of(
    game: Game, network: AnyNetwork, device: torch.device, search: SearchConfig, reference: Reference
) -> Lessons:
    """How `network` learns `game`, which is searched as `search` says; `reference` is as for `Lookahead`. Raises
    UserError where it has heads that the game does not teach."""
    if isinstance(game, SimulatedGame) and isinstance(network, VectorNetwork):
        return SimulatedLessons(game, network, device, search, reference)
    if isinstance(network, Network) and network.config.score_heads and not game.is_scored:
        raise UserError(f"--network.score-heads: {game.name} is not scored")
    return BoardLessons(game, device)


@njit
def draw_keys(step: int, keys: np.ndarray[Any, Any]) -> None:
    """A random key for each row of a learner step, into `keys` [n] uint64."""
    for row in range(len(keys)):
        keys[row] = random_bits(random_bits(np.uint64(0x6C6F6F6B), np.uint64(step)), np.uint64(row))  # "look"
