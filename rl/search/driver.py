"""The wave driver: searches many trees at once against one evaluator, in groups that take turns at the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import FloatArray, Game, HashArray, IndexArray, StateArray
from rl.errors import UserError
from rl.search.cache import allocate_cache, salt_of
from rl.search.descents import DESCENT_DTYPE, LEAF_DTYPE, Leaves
from rl.search.evaluation import Evaluation, Evaluator
from rl.search.kernels import Settings
from rl.search.random import random_bits
from rl.search.roots import best_proven_slot, best_slot, plan_root, root_policy, root_value, taught_value
from rl.search.tree import PROVEN_DRAW, ROOT, control_dtype, node_dtype
from rl.search.waves import absorb, begin, collect, reroot, win_at_once


@dataclass(frozen=True)
class SearchConfig:
    """How trees are searched."""

    root: Literal["gumbel", "puct"] = "gumbel"
    """Root policy: gumbel (sequential halving; strong with few simulations) or puct (for play with tree reuse)."""
    c_puct: float = 1.25
    """Exploration constant of PUCT (AlphaZero's c_init)."""
    c_puct_growth: float = 0.0
    """What log((visits + 500) / 500) of a node is multiplied with and added to it (AlphaZero: 1, from 19,652 visits on;
    KataGo: 0.45)."""
    fpu_reduction: float = 0.2
    """What an unvisited action's value is below its parent's, times sqrt(visited prior mass) (KataGo: 0.2)."""
    root_fpu_reduction: float = 0.1
    """The same at a PUCT root (KataGo: 0.1)."""
    virtual_loss: float = 1.0
    """What a pending leaf of a tree counts as lost, when several leaves of one tree are searched at once."""
    c_visit: float = 50.0
    """Gumbel: c_visit of sigma (Danihelka et al.: 50)."""
    c_scale: float = 1.0
    """Gumbel: c_scale of sigma, for values on [0, 1] (Danihelka et al.: 1 for board games)."""
    max_considered: int = 16
    """Gumbel: the most root actions that sequential halving starts with (Danihelka et al.: 16)."""
    dirichlet_concentration: float = 10.83
    """PUCT self-play: total concentration of the root noise, shared over the legal actions (KataGo: 10.83)."""
    dirichlet_fraction: float = 0.25
    """PUCT self-play: share of noise in the root's priors (AlphaZero: 0.25)."""
    forced_playouts: float = 0.0
    """PUCT self-play: a root action that has been visited is visited sqrt(this * prior * simulations) times at least,
    and what came of that alone is pruned from the policy target (Wu 2019, section 3.2: 2). 0: not at all."""
    temperature: float = 1.0
    """PUCT self-play: moves are drawn with weights visits ** (1 / temperature); 0 plays the most visited one."""
    lcb_deviations: float = 0.0
    """PUCT without noise: plays the action whose value is largest less so many standard errors, of those that have a
    few visits (lower confidence bound; KataGo: 5). 0: the most visited one."""
    least_range: float = 0.0
    """Where values are normalised by what a tree has seen, the least range that counts, in units of the rewards. Values
    that differ by less are about the same, and what the network errs by is not blown up to a preference (the official
    EfficientZero has a least range, too: Ye et al. 2021, arXiv 2111.00210)."""

    def __post_init__(self) -> None:
        if self.root not in ("gumbel", "puct"):
            raise UserError(f"root {self.root!r} is neither gumbel nor puct")
        if not (self.virtual_loss > 0 and self.dirichlet_concentration > 0 and self.max_considered >= 1):
            raise UserError("virtual_loss and dirichlet_concentration are above 0, max_considered is at least 1")
        if not 0 <= self.dirichlet_fraction <= 1:
            raise UserError("dirichlet_fraction is from 0 to 1")
        at_least_0 = ("c_puct", "c_puct_growth", "fpu_reduction", "root_fpu_reduction", "c_visit", "c_scale")
        for name in (*at_least_0, "forced_playouts", "temperature", "lcb_deviations", "least_range"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} is at least 0")

    def settings(self) -> Settings:
        """The numbers as kernels take them."""
        return Settings(
            gumbel=self.root == "gumbel",
            c_puct=self.c_puct,
            c_puct_growth=self.c_puct_growth,
            fpu_reduction=self.fpu_reduction,
            root_fpu_reduction=self.root_fpu_reduction,
            virtual_loss=self.virtual_loss,
            c_visit=self.c_visit,
            c_scale=self.c_scale,
            max_considered=self.max_considered,
            dirichlet_concentration=self.dirichlet_concentration,
            dirichlet_fraction=self.dirichlet_fraction,
            forced_playouts=self.forced_playouts,
            temperature=self.temperature,
            lcb_deviations=self.lcb_deviations,
            least_range=self.least_range,
        )


class SearchResult(NamedTuple):
    """What b searches found. Slot s < num_slots[i] of search i is the legal action actions[i, s]."""

    num_slots: IndexArray
    """[b] int64"""
    actions: npt.NDArray[Any]
    """[b, A] of the game's action_dtype"""
    visit_counts: npt.NDArray[np.int32]
    """[b, A]"""
    priors: FloatArray
    """[b, A] summing to 1 over the slots in use"""
    policy: FloatArray
    """[b, A] the improved policy that self-play learns, summing to 1 over the slots in use"""
    values: FloatArray
    """[b, A] mean return of each action for the root's player to move; +-1 or 0 where proven, NaN where unvisited"""
    root_values: FloatArray
    """[b] the search's value for the root's player to move"""
    taught_values: FloatArray
    """[b] what self-play learns of the root's value, see `roots.taught_value`"""
    raw_values: FloatArray
    """[b] the network's own"""
    proofs: npt.NDArray[np.int16]
    """[b] 0 unknown, d a win in d plies for the player to move, -d a loss in d plies, 32767 a draw"""
    best_actions: npt.NDArray[Any]
    """[b] of the game's action_dtype: what to play to win"""


class Waves:
    """The memory of B trees and the two halves of a wave, for one group of trees at a time.

    A group holds as many trees as fill the evaluator's batch. With two groups or more, one is searched while the
    other's batch is under evaluation, as a GPU wants it; one batch that holds all trees makes one group.
    """

    def __init__(
        self,
        game: Game,
        settings: Settings,
        num_trees: int,
        max_simulations: int,
        *,
        leaves_per_tree: int = 1,
        cache_entries: int = 0,
    ) -> None:
        self.game, self.settings = game, settings
        self.num_trees, self.leaves_per_tree = num_trees, leaves_per_tree
        self.rows_per_tree = leaves_per_tree
        max_history = game.max_num_moves if game.uses_history else 0
        self.trees = np.zeros((num_trees, max_simulations + 1), node_dtype(game))
        self.controls = np.zeros(num_trees, control_dtype(game, max_simulations, max_history))
        self.cache = allocate_cache(game, cache_entries)
        self.leaves = [np.zeros(0, LEAF_DTYPE)]
        self.descents = np.zeros(num_trees, DESCENT_DTYPE)
        self._in_flight: dict[int, tuple[Evaluator, int, int]] = {}

    def groups(self, evaluator: Evaluator) -> list[tuple[int, int]]:
        """(first, last) trees of each group. Raises ValueError when the batch size changes with batches in flight."""
        size = max(1, evaluator.batch_size // self.rows_per_tree)
        starts = range(0, self.num_trees, size)
        if len(self.leaves) != len(starts) or self.leaves[0].size != evaluator.batch_size:
            if self._in_flight:
                raise ValueError(
                    f"a batch of {self.leaves[0].size} is in flight, the evaluator has {evaluator.batch_size}"
                )
            self.leaves = [np.zeros(evaluator.batch_size, LEAF_DTYPE) for _ in starts]
        return [(start, min(self.num_trees, start + size)) for start in starts]

    def absorb(self, group: int) -> int:
        """Take the network's answers, the oldest first, until the group waits for none and may submit: an evaluator
        takes two batches at a time, however many groups there are. Returns how many rows were answered."""
        absorbed = 0
        while group in self._in_flight or len(self._in_flight) > 1:
            oldest = next(iter(self._in_flight))
            evaluator, ticket, num_rows = self._in_flight.pop(oldest)
            self.expand(self.leaves[oldest], num_rows, evaluator.collect(ticket))
            absorbed += num_rows
        return absorbed

    def expand(self, leaves: Leaves, num_rows: int, answer: Evaluation) -> None:
        """Expand the leaves of a batch's first rows and back them up."""
        absorb(
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
        )

    def collect(
        self, first: int, last: int, group: int, num_rows: int, observations: FloatArray, network_id: int
    ) -> int:
        """Descend the trees first..last-1 and append the leaves to evaluate; returns the new number of rows."""
        return collect(
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
        )

    def submit(self, group: int, num_rows: int, evaluator: Evaluator) -> None:
        """Send a group's rows to the network."""
        if num_rows > 0:
            self._in_flight[group] = (evaluator, evaluator.submit(num_rows), num_rows)

    def begin(
        self, b: int, state: Any, budget: int, key: int, *, noisy: bool, history: HashArray | None = None
    ) -> None:
        """Start a fresh search in tree b; `history` [k] uint64 are the hashes of the positions before it."""
        if self.game.uses_history:
            hashes = np.zeros(0, np.uint64) if history is None else history
            self.controls["history"][b, : hashes.size] = hashes
            self.controls["history_length"][b] = hashes.size
        begin(self.game, self.trees[b], self.controls[b], state, budget, np.uint64(key), noisy)

    def win_at_once(self, b: int) -> None:
        """See that no win at once is missed in tree b, whose search is over: `rl.search.waves.win_at_once`."""
        win_at_once(self.game, self.trees[b], self.controls[b])

    def drop(self) -> None:
        """Wait for what is in flight and ignore it, and let all trees rest."""
        for evaluator, ticket, _ in self._in_flight.values():
            evaluator.collect(ticket)
        self._in_flight.clear()
        self.controls["budget"] = 0
        self.controls["pending"] = 0

    def forget(self) -> None:
        """Empty the evaluation cache."""
        self.cache["key"] = 0


class Search:
    """B trees searched together. Not thread-safe; it owns its trees and its cache."""

    def __init__(
        self,
        game: Game,
        config: SearchConfig,
        num_trees: int,
        max_simulations: int,
        *,
        leaves_per_tree: int = 1,
        cache_entries: int = 0,
        seed: int = 0,
    ) -> None:
        """Room for `num_trees` trees of `max_simulations` evaluations; `leaves_per_tree` of a tree at a time."""
        self.game, self.config, self._seed = game, config, seed
        self._waves = self._make_waves(num_trees, max_simulations, leaves_per_tree, cache_entries)
        self.max_simulations = max_simulations
        self._num_searched = 0

    def _make_waves(self, num_trees: int, max_simulations: int, leaves_per_tree: int, cache_entries: int) -> Waves:
        """The memory and the stages: the game's own kernels here."""
        return Waves(
            self.game,
            self.config.settings(),
            num_trees,
            max_simulations,
            leaves_per_tree=leaves_per_tree,
            cache_entries=cache_entries,
        )

    @property
    def trees(self) -> npt.NDArray[np.void]:
        """[B, N] of `rl.search.tree.node_dtype`: the trees as they stand."""
        return self._waves.trees

    def run(
        self,
        evaluator: Evaluator,
        states: StateArray,
        num_simulations: int,
        *,
        histories: Sequence[HashArray] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> SearchResult:
        """Search each of `states` [b <= B] from a fresh root with `num_simulations` evaluations.

        The root's own is one of them: 1 is the bare policy. No noise; where actions are sampled, other ones after every
        move. `histories[i]` [k] uint64 are the hashes before state i. `stop` is asked once a wave. None of the states
        may have ended. Raises ValueError when there is no room.
        """
        if len(states) > self._waves.num_trees:
            raise ValueError(f"{len(states)} states, but room for {self._waves.num_trees} trees")
        self._waves.drop()  # an evaluator that failed may have left something in flight
        for b, state in enumerate(states):
            history = None if histories is None else histories[b]
            key = int(random_bits(np.uint64(self._seed), np.uint64(state["num_moves"])))
            self._waves.begin(b, state, 0, key, noisy=False, history=history)
        self._num_searched = len(states)
        return self.continue_run(evaluator, num_simulations, stop=stop)

    def continue_run(
        self, evaluator: Evaluator, num_simulations: int, *, stop: Callable[[], bool] | None = None
    ) -> SearchResult:
        """Go on with the trees of the last `run` until each root has `num_simulations` evaluations in all.

        Raises ValueError when there is no room.
        """
        if not 1 <= num_simulations <= self.max_simulations:
            raise ValueError(f"{num_simulations} simulations, but room for 1 to {self.max_simulations}")
        waves = self._waves
        waves.controls["budget"] = 0
        waves.controls["budget"][: self._num_searched] = num_simulations
        for b in range(self._num_searched):
            plan_root(waves.trees[b], waves.controls[b], waves.settings)
        busy = True
        while busy:
            busy = False
            stopping = stop is not None and stop()
            for group, (first, last) in enumerate(waves.groups(evaluator)):
                waves.absorb(group)
                if stopping:
                    continue
                rows = waves.collect(first, last, group, 0, evaluator.buffer(), evaluator.network_id)
                waves.submit(group, rows, evaluator)
                busy = busy or rows > 0
        return self._result()

    def advance(self, action: Any) -> None:
        """Play `action` in a single tree of a PUCT search: the child's subtree stays, compacted.

        The action must have been searched; otherwise, or when the game ended there, raises ValueError (start afresh
        with `run`).
        """
        if self.config.root != "puct":
            raise ValueError("only a PUCT search keeps its tree: Gumbel starts each move from a fresh root")
        if self._num_searched != 1:
            raise ValueError(f"{self._num_searched} trees were searched: only a single one moves on")
        tree, control = self._waves.trees[0], self._waves.controls[0]
        root = tree[ROOT]
        same = root["slot_actions"][: root["num_slots"]] == action
        found = np.flatnonzero(same.all(axis=tuple(range(1, same.ndim))))
        child = int(root["children"][found[0]]) if found.size else -1
        if child < 0 or tree[child]["terminated"] or tree[child]["node_visits"] == 0:
            raise ValueError(f"action {action} has no subtree")
        if self.game.uses_history:
            control["history"][control["history_length"]] = self.game.history_hash(root["state"])
            control["history_length"] += 1
        reroot(tree, control, int(found[0]), np.zeros(tree.size, np.int32))

    def principal_variation(self, b: int, action: int) -> list[int]:
        """The line that the search of tree b expects after a numbered `action`, `action` first: where the outcome is
        proven the best way to it, elsewhere the most visited action that is not lost."""
        tree = self._waves.trees[b]
        root = tree[ROOT]
        line = [int(action)]
        n = int(root["children"][int(np.flatnonzero(root["slot_actions"][: root["num_slots"]] == action)[0])])
        while n >= 0 and tree[n]["num_slots"] > 0:
            node = tree[n]
            visits = np.where(node["lost"] != 0, -1, node["visit_counts"])[: node["num_slots"]]
            if node["proof"] == 0 and visits.max() <= 0:
                break
            slot = int(visits.argmax()) if node["proof"] == 0 else best_proven_slot(tree, n)
            line.append(int(node["slot_actions"][slot]))
            n = int(node["children"][slot])
        return line

    def _result(self) -> SearchResult:
        waves, count = self._waves, self._num_searched
        policy = np.zeros((count, self.game.num_slots), np.float32)
        values, taught, best = np.zeros(count, np.float32), np.zeros(count, np.float32), np.zeros(count, np.int64)
        for b in range(count):
            tree, control = waves.trees[b], waves.controls[b]
            if tree[ROOT]["num_slots"] > 0:
                waves.win_at_once(b)
                root_policy(self.game, tree, control, waves.settings, policy[b])
                values[b] = root_value(tree)
                taught[b] = taught_value(self.game, tree, control, waves.settings)
                best[b] = best_slot(self.game, tree, control, waves.settings)
        roots = waves.trees[:count, ROOT]
        num_slots = roots["num_slots"].astype(np.int64)
        used = np.arange(self.game.num_slots) < num_slots[:, None]
        visits = np.where(used, roots["visit_counts"], 0).astype(np.int32)
        actions = roots["slot_actions"].copy()
        return SearchResult(
            num_slots=num_slots,
            actions=actions,
            visit_counts=visits,
            priors=np.where(used, roots["priors"], 0).astype(np.float32),
            policy=policy,
            values=np.where(visits > 0, roots["value_sums"] / np.maximum(visits, 1), np.nan).astype(np.float32),
            root_values=values,
            taught_values=taught,
            raw_values=roots["raw_value"].copy(),
            proofs=_plies(roots["proof"]),
            best_actions=actions[np.arange(count), best],
        )


def _plies(proofs: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """From the tree's d + 1 to plies d; 0 and PROVEN_DRAW stay."""
    return np.where((proofs == 0) | (proofs == PROVEN_DRAW), proofs, proofs - np.sign(proofs)).astype(np.int16)
