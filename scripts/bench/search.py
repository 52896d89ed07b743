"""`keima bench search`: the tree search on one core, its network replaced by a constant answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

import games
from games.base import Game, StateArray
from games.compiled import njit
from rl.arena.openings import find_openings
from rl.errors import UserError
from rl.search.driver import SearchConfig, Waves
from rl.search.evaluation import UniformEvaluator
from rl.search.random import random_bits
from rl.search.tree import node_dtype
from rl.search.waves import begin, search_uniform
from scripts.arguments import GameName
from scripts.bench.report import Figure, Report, TimedOptions, interleaved, rates, require_positive, timed
from scripts.bench.stages import STAGES, StagedWaves

_Root = Literal["gumbel", "puct"]
_ROOTS: tuple[_Root, ...] = ("gumbel", "puct")
_WAVES_GOAL, _FUSED_GOAL, _BYTES_GOAL = 3e6, 8e6, 200.0
_CACHE_ENTRIES = 1 << 18


@dataclass(frozen=True)
class SearchBench(TimedOptions):
    """Search with a constant evaluator, from distinct roots with noise: simulations a second on one core."""

    game: GameName = "connect_four"
    trees: int = 256
    """Trees searched together, from as many different positions; also the rows of a batch."""
    simulations: int = 800
    """Simulations of each tree. A tree whose root is proven stops early: only those that took place are counted."""
    stages: bool = False
    """Tell instead where the time of waves goes, stage by stage."""


def measure(command: SearchBench) -> Report:
    """Waves as self-play makes them (observe, batch, cache), and whole trees in one kernel, for both root policies."""
    require_positive({"trees": command.trees, "simulations": command.simulations, "repeats": command.repeats})
    game = games.make_board(command.game)
    if not game.bounded:
        raise UserError(f"bench search: {game.name} has no bounded values, so a constant 0 means nothing")
    states = distinct_states(game, command.trees, command.seed)
    settings = {"game": game.name, "repeats": command.repeats, "trees": len(states), "simulations": command.simulations}
    if command.stages:
        return Report("search", command.seed, settings, tuple(_stages(command, game, states)))
    searchers = {root: Searcher(game, states, root, command.simulations, command.seed) for root in _ROOTS}
    works: dict[str, Callable[[int], float]] = {}
    for root, searcher in searchers.items():
        works[f"{root}, waves"] = searcher.in_waves
        works[f"{root}, one kernel"] = searcher.in_one_kernel
    laps = interleaved(works, command.repeats)
    figures = []
    for name, measured in laps.items():
        figures += rates(name, "simulations", measured, _WAVES_GOAL if name.endswith("waves") else _FUSED_GOAL)
    for root, searcher in searchers.items():
        figures.append(Figure(f"{root}, answered by the cache", "share of waves", (searcher.cache_share,)))
    node_size = float(node_dtype(game).itemsize)
    figures.append(Figure("node of a tree", "bytes", (node_size,), goal=_BYTES_GOAL, at_most=True))
    return Report("search", command.seed, settings, tuple(figures))


def _stages(command: SearchBench, game: Game, states: StateArray) -> list[Figure]:
    """What each stage of a wave takes of a simulation's time, and the calls from Python, which are the rest."""
    figures = []
    for root in _ROOTS:
        searcher = Searcher(game, states, root, command.simulations, command.seed, StagedWaves)
        waves = searcher.waves
        assert isinstance(waves, StagedWaves)
        taken: dict[str, list[float]] = {}
        for turn in range(command.repeats + 1):  # the first one compiles
            waves.nanoseconds[:] = 0
            lap = timed(partial(searcher.in_waves, turn))
            whole = 1e9 * lap.wall_seconds
            parts = dict(zip(STAGES, waves.nanoseconds.tolist(), strict=True))
            for name, part in {**parts, "calls from Python": whole - sum(parts.values()), "in all": whole}.items():
                if turn > 0:
                    taken.setdefault(name, []).append(part / lap.amount)
        figures += [Figure(f"{root}, {name}", "ns/simulation", tuple(times), "wall") for name, times in taken.items()]
    return figures


class Searcher:
    """The trees of one root policy, and the two ways to search them. Both return the simulations that took place."""

    def __init__(
        self,
        game: Game,
        states: StateArray,
        root: _Root,
        num_simulations: int,
        seed: int,
        waves_class: type[Waves] = Waves,
    ) -> None:
        settings = SearchConfig(root=root).settings()
        self._game, self._states, self._num_simulations, self._seed = game, states, num_simulations, seed
        self.waves = waves_class(game, settings, len(states), num_simulations, cache_entries=_CACHE_ENTRIES)
        self._evaluator = UniformEvaluator(game, len(states))
        self._logits = np.zeros(game.num_actions, np.float32)
        self.cache_share = 0.0
        """Of the simulations of the last waves, those that the cache answered."""

    def in_waves(self, turn: int) -> float:
        """As self-play does: collect the leaves of all trees, observe them, evaluate one batch, absorb the answer."""
        waves, evaluator = self.waves, self._evaluator
        evaluator.network_id = turn  # to the cache, other weights: the turns before answer nothing
        self._begin(turn)
        busy = True
        while busy:
            busy = False
            for group, (first, last) in enumerate(waves.groups(evaluator)):
                waves.absorb(group)
                rows = waves.collect(first, last, group, 0, evaluator.buffer(), evaluator.network_id)
                waves.submit(group, rows, evaluator)
                busy = busy or rows > 0
        count = self._count()
        self.cache_share = float(waves.controls["num_cache_hits"].sum()) / count
        return count

    def in_one_kernel(self, turn: int) -> float:
        """Tree after tree, without observations, batches and cache."""
        waves = self.waves
        self._begin(turn)
        search_uniform(self._game, waves.trees, waves.controls, waves.settings, 0, len(self._states), self._logits)
        return self._count()

    def _begin(self, turn: int) -> None:
        waves = self.waves
        waves.controls["num_simulations"] = 0
        waves.controls["num_cache_hits"] = 0
        key = np.uint64(self._seed + turn)
        _begin_all(self._game, waves.trees, waves.controls, self._states, self._num_simulations, key)

    def _count(self) -> float:
        return float(self.waves.controls["num_simulations"].sum())


def distinct_states(game: Game, most: int, seed: int) -> StateArray:
    """[b <= most] undecided positions after short random openings, all different up to the board's symmetries."""
    openings, _ = find_openings(game, most, seed)
    states = np.zeros(len(openings), game.state_dtype)
    history = np.zeros(game.max_num_moves, np.uint64)
    for state, opening in zip(states, openings, strict=True):
        game.reset(state)
        for ply, action in enumerate(opening):
            history[ply] = game.history_hash(state) if game.uses_history else 0
            game.step(state, action, history[:ply])
    return states


@njit
def _begin_all(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    states: StateArray,
    simulations: int,
    key: np.uint64,
) -> None:
    """Start a search of each of `states` [b], with root noise as in self-play."""
    for b in range(states.size):
        begin(game, trees[b], controls[b], states[b], simulations, random_bits(key, np.uint64(b)), True)
