"""Waves that tell what each of their stages takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from games.base import FloatArray, Game, IndexArray
from games.compiled import nanoseconds, njit, uncounted
from rl.search.cache import Cache, salt_of
from rl.search.descents import Descents, Leaves, go_down, set_out
from rl.search.driver import Waves
from rl.search.evaluation import Evaluation
from rl.search.kernels import Settings
from rl.search.waves import absorb, ask_cache, make_leaves, observe_leaves

STAGES = ("set out", "go down", "make leaves", "ask the cache", "observe", "absorb")
"""Which trees want a descent; the walk to a leaf; the step into it, and its hash; what the cache knows, expanded and
backed up; the network's input; its answers, remembered, expanded and backed up."""


class StagedWaves(Waves):
    """The same searches as `Waves`, the clock read between the stages."""

    nanoseconds: IndexArray
    """[6] what `STAGES` have taken so far."""

    def __init__(
        self, game: Game, settings: Settings, num_trees: int, max_simulations: int, *, cache_entries: int = 0
    ) -> None:
        super().__init__(game, settings, num_trees, max_simulations, cache_entries=cache_entries)
        self.nanoseconds = np.zeros(len(STAGES), np.int64)

    def collect(
        self, first: int, last: int, group: int, num_rows: int, observations: FloatArray, network_id: int
    ) -> int:
        return _collect(
            self.game,
            self.trees,
            self.controls,
            self.settings,
            self.cache,
            salt_of(network_id),
            first,
            last,
            self.leaves_per_tree,
            num_rows,
            self.descents,
            self.leaves[group],
            observations,
            self.nanoseconds,
        )

    def expand(self, leaves: Leaves, num_rows: int, answer: Evaluation) -> None:
        _absorb(
            self.game,
            self.trees,
            self.controls,
            self.settings,
            self.cache,
            self.leaves_per_tree,
            num_rows,
            leaves,
            answer.prior_logits,
            answer.values,
            self.nanoseconds,
        )


@njit
def _collect(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    settings: Settings,
    cache: Cache,
    salt: np.uint64,
    first: int,
    last: int,
    leaves_per_tree: int,
    num_rows: int,
    descents: Descents,
    leaves: Leaves,
    observations: FloatArray,
    taken: IndexArray,
) -> int:
    """`rl.search.waves.collect`, adding to `taken` [6] what its stages take."""
    trees, observations = uncounted(trees), uncounted(observations)
    num_going = last - first
    for place in range(num_going):
        descents[place]["tree"] = first + place
    num_known = num_rows
    moment = nanoseconds()
    while num_going > 0:
        num_going = set_out(trees, controls, leaves_per_tree, descents, num_going)
        moment = _note(taken, 0, moment)
        go_down(game, trees, controls, settings, descents, num_going)
        moment = _note(taken, 1, moment)
        num_going = make_leaves(game, trees, controls, cache, salt, descents, num_going, leaves.size - num_rows)
        moment = _note(taken, 2, moment)
        num_rows = ask_cache(
            game, trees, controls, settings, cache, leaves_per_tree, descents, num_going, num_rows, leaves
        )
        moment = _note(taken, 3, moment)
    observe_leaves(game, trees, leaves, num_known, num_rows, observations)
    _note(taken, 4, moment)
    return num_rows


@njit
def _absorb(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    settings: Settings,
    cache: Cache,
    leaves_per_tree: int,
    num_rows: int,
    leaves: Leaves,
    prior_logits: FloatArray,
    values: FloatArray,
    taken: IndexArray,
) -> None:
    """`rl.search.waves.absorb`, adding to `taken` [6] what it takes."""
    moment = nanoseconds()
    absorb(game, trees, controls, settings, cache, leaves_per_tree, num_rows, leaves, prior_logits, values)
    _note(taken, 5, moment)


@njit
def _note(taken: IndexArray, stage: int, since: int) -> int:
    """Add the time since then to a stage's; returns the time now."""
    now = nanoseconds()
    taken[stage] += now - since
    return now
