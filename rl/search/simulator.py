"""Searching what is no numba kernel: simulators that step many states at a time, and actions that are sampled.

The tree, the roots and the backup are those of every search; a `Game` declares the shapes and constants, and none of
its methods is compiled. Two stages of a wave run as batched Python over flat rows instead:

    collect   descend (kernel) -> step_batch -> enter (kernel) -> observe_batch
    expand    propose: a slot's action is whatever a head proposes -> expand and backup (kernel)
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, StateArray
from games.compiled import njit
from rl.search.descents import WAITS, Leaves, descend, wants_more
from rl.search.driver import Search, SearchConfig, Waves
from rl.search.evaluation import Evaluation, Evaluator
from rl.search.kernels import (
    Settings,
    add_child,
    add_virtual_loss,
    backup,
    bounded_logit,
    bounded_value,
    enter_child,
    normalise,
    open_slots,
)
from rl.search.proposals import ActionArray, Proposer
from rl.search.random import random_bits
from rl.search.roots import best_slot, policy_surprise, root_policy, root_value
from rl.search.tree import ROOT
from rl.search.waves import back_up_expanded, begin, count_simulation

SIMULATED = SearchConfig(c_scale=0.1)
"""How simulated games are searched. Values are normalised by what a tree has seen, for which Danihelka et al. have a
c_scale of 0.1."""


class Simulator(Protocol):
    """Acts on flat rows of the game's `state_dtype`. A row is all there is to a state: rows are copied at will."""

    rows_per_state: int
    """Observation rows of one state: 1, or more where others act at the same time and are played by a policy."""

    def reset_batch(self, states: StateArray, keys: HashArray) -> None:
        """Write a starting state into each of `states` [n], its randomness drawn from `keys` [n] uint64."""
        ...

    def step_batch(self, states: StateArray, actions: ActionArray) -> tuple[FloatArray, BoolArray]:
        """Play `actions` [n, ...] in place in `states` [n]: (rewards [n] for the player who moved, terminated [n])."""
        ...

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        """Write what the network sees into `observations` [n, rows_per_state, C, H, W], the player to move first."""
        ...

    def answer_batch(self, states: StateArray, answers: ActionArray) -> None:
        """Note in `states` [n] what the others do in the next step: `answers` [n, rows_per_state - 1, ...], sampled for
        the further observation rows. Not called where `rows_per_state` is 1."""
        ...


@njit
def descend_trees(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    settings: Settings,
    first: int,
    last: int,
    leaves_per_tree: int,
    num_leaves: int,
    leaves: Leaves,
) -> int:
    """Append to the `num_leaves` first of `leaves` new nodes, or unexpanded roots, until each of the trees
    first..last-1 has `leaves_per_tree` pending or nothing left to begin; returns the new number."""
    for b in range(first, last):
        tree, control = trees[b], controls[b]
        while control["pending"] < leaves_per_tree and num_leaves < leaves.size and wants_more(tree, control):
            n, slot = descend(game, tree, control, settings)
            if n == WAITS:
                break
            count_simulation(control)
            if slot >= 0:
                n = add_child(tree, control, n, slot)
            elif tree[n]["node_visits"] > 0:
                backup(game, tree, control, n, 0.0)
                control["num_known_leaves"] += 1
                continue
            leaf = leaves[num_leaves]
            leaf["tree"] = b
            leaf["node"] = n
            leaf["key"] = random_bits(control["key"], np.uint64(control["started"]))
            num_leaves += 1
            control["pending"] += 1
            if leaves_per_tree > 1:
                add_virtual_loss(tree, n, settings.virtual_loss)
    return num_leaves


@njit
def enter_children(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    virtual_loss: float,
    num_kept: int,
    num_leaves: int,
    leaves: Leaves,
    rewards: FloatArray,
    terminated: BoolArray,
) -> int:
    """Note what the steps into leaves num_kept..num_leaves-1 brought; returns how many leaves are left to evaluate.

    Those where the game has ended are backed up and leave the list. `rewards` and `terminated` [new leaves].
    """
    for row in range(num_kept, num_leaves):
        b, n = leaves[row]["tree"], leaves[row]["node"]
        tree, control = trees[b], controls[b]
        node = tree[n]
        if n != ROOT:
            new = row - num_leaves + rewards.size
            enter_child(game, node, tree[node["parent"]], rewards[new], terminated[new])
        if node["terminated"]:
            backup(game, tree, control, n, virtual_loss)
            control["pending"] -= 1
            control["num_known_leaves"] += 1
        else:
            leaves[num_kept] = leaves[row]
            num_kept += 1
    return num_kept


@njit
def expand_proposals(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    settings: Settings,
    virtual_loss: float,
    leaves: Leaves,
    num_slots: IndexArray,
    prior_logits: FloatArray,
    values: FloatArray,
) -> None:
    """Expand `leaves` [n], whose slots' actions are in place already, and back them up."""
    for row in range(leaves.size):
        n = int(leaves[row]["node"])
        tree, control = trees[leaves[row]["tree"]], controls[leaves[row]["tree"]]
        node = tree[n]
        priors = node["priors"]
        used = int(num_slots[row])
        for slot in range(used):
            priors[slot] = bounded_logit(float(prior_logits[row, slot]))
        normalise(priors, used, float(priors[:used].max()), float(priors[:used].min()))
        open_slots(node, used)
        node["raw_value"] = bounded_value(game, float(values[row]))
        back_up_expanded(game, tree, control, settings, n, virtual_loss)
        control["pending"] -= 1


@njit
def begin_trees(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    places: IndexArray,
    states: StateArray,
    budgets: IndexArray,
    keys: HashArray,
    noisy: bool,
) -> None:
    """Start fresh searches in the trees `places` [n]: `states`, `budgets` and `keys`, all [n]."""
    for row in range(len(places)):
        b = places[row]
        begin(game, trees[b], controls[b], states[row], budgets[row], keys[row], noisy)


@njit
def find_complete(
    trees: npt.NDArray[np.void], controls: npt.NDArray[np.void], first: int, last: int, places: IndexArray
) -> int:
    """Write which of the trees first..last-1 wait for nothing and want no more into `places`; returns how many."""
    found = 0
    for b in range(first, last):
        if controls[b]["budget"] > 0 and controls[b]["pending"] == 0 and not wants_more(trees[b], controls[b]):
            places[found] = b
            found += 1
    return found


@njit
def read_roots(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    settings: Settings,
    places: IndexArray,
    slots: IndexArray,
    policies: FloatArray,
    values: FloatArray,
    surprises: FloatArray,
) -> None:
    """What the searches in the trees `places` [n] found: the slot to play, the policy to learn [n, A], the root's value
    and the policy's surprise."""
    for row in range(len(places)):
        tree, control = trees[places[row]], controls[places[row]]
        slots[row] = best_slot(game, tree, control, settings)
        root_policy(game, tree, control, settings, policies[row])
        values[row] = root_value(tree)
        surprises[row] = policy_surprise(tree, control, policies[row])


class SimulatorWaves(Waves):
    """The two halves of a wave with batched Python stages. There is no cache: a state seldom comes again."""

    def __init__(
        self,
        game: Game,
        settings: Settings,
        num_trees: int,
        max_simulations: int,
        simulator: Simulator,
        proposer: Proposer,
        *,
        leaves_per_tree: int = 1,
    ) -> None:
        if game.uses_history:
            raise ValueError(f"{game.name}: a simulator's state rows hold all there is to a state, its history too")
        super().__init__(game, settings, num_trees, max_simulations, leaves_per_tree=leaves_per_tree)
        self.simulator, self.proposer = simulator, proposer
        self.rows_per_tree = leaves_per_tree * simulator.rows_per_state
        self.past: Evaluator | None = None
        """Plays the others in the trees of `plays_past`; None: the network that is searched plays them everywhere."""
        self.plays_past = np.zeros(num_trees, np.bool_)
        self._virtual_loss = settings.virtual_loss if leaves_per_tree > 1 else 0.0

    def collect(
        self, first: int, last: int, group: int, num_rows: int, observations: FloatArray, network_id: int
    ) -> int:
        """As in every wave: the leaves of the trees first..last-1, `rows_per_state` rows for each."""
        rows = self.simulator.rows_per_state
        leaves, kept = self.leaves[group][: len(observations) // rows], num_rows // rows
        begun = kept
        while True:  # steps that end the game make room for more descents
            found = descend_trees(
                self.game, self.trees, self.controls, self.settings, first, last, self.leaves_per_tree, kept, leaves
            )
            if found == kept:
                break
            rewards, terminated = self._step(leaves[kept:found])
            kept = enter_children(
                self.game, self.trees, self.controls, self._virtual_loss, kept, found, leaves, rewards, terminated
            )
        if kept > begun:
            new = leaves[begun:kept]
            states = self.trees["state"][new["tree"], new["node"]]
            planes = observations[begun * rows : kept * rows]
            self.simulator.observe_batch(states, planes.reshape(len(new), rows, *planes.shape[1:]))
        return kept * rows

    def win_at_once(self, b: int) -> None:
        """Simulators prove nothing: their actions are sampled."""

    def _step(self, leaves: Leaves) -> tuple[FloatArray, BoolArray]:
        """Step into the new nodes among `leaves` [n]: (rewards [n], terminated [n]); a root is no step."""
        rewards, terminated = np.zeros(len(leaves), np.float32), np.zeros(len(leaves), np.bool_)
        entered = leaves["node"] != ROOT
        b, n = leaves["tree"][entered], leaves["node"][entered]
        if len(n) > 0:
            parents, slots = self.trees["parent"][b, n], self.trees["parent_slot"][b, n]
            states = self.trees["state"][b, parents]
            actions = self.trees["slot_actions"][b, parents, slots]
            rewards[entered], terminated[entered] = self.simulator.step_batch(states, actions)
            self.trees["state"][b, n] = states
        return rewards, terminated

    def expand(self, leaves: Leaves, num_rows: int, answer: Evaluation) -> None:
        """Give the leaves of a batch the slots that are proposed for them, and back them up."""
        rows = self.simulator.rows_per_state
        leaves = leaves[: num_rows // rows]
        b, n, keys = leaves["tree"], leaves["node"], leaves["key"]
        outputs = answer.prior_logits.reshape(len(leaves), rows, -1)
        states = self.trees["state"][b, n]
        proposals = self.proposer.propose(states, outputs[:, 0], keys)
        if not (proposals.num_slots.min() >= 1 and proposals.num_slots.max() <= self.game.num_slots):
            raise ValueError(f"{self.game.name}: between 1 and {self.game.num_slots} actions have to be proposed")
        self.trees["slot_actions"][b, n] = proposals.actions
        if rows > 1:
            playing = self._policies_of_others(states, outputs, self.plays_past[b])
            others = [self.proposer.sample(playing[:, row], keys + np.uint64(row)) for row in range(1, rows)]
            self.simulator.answer_batch(states, np.stack(others, axis=1))
            self.trees["state"][b, n] = states
        expand_proposals(
            self.game,
            self.trees,
            self.controls,
            self.settings,
            self._virtual_loss,
            leaves,
            proposals.num_slots,
            proposals.prior_logits,
            answer.values[::rows],
        )

    def _policies_of_others(self, states: StateArray, outputs: FloatArray, by_past: BoolArray) -> FloatArray:
        """[n, rows_per_state, num_outputs] the policies of `states` [n], from the second row on those that the others
        play by: `outputs`, of the network that is searched, or where `by_past` [n] those of `past`."""
        if self.past is None or not by_past.any():
            return outputs
        playing = outputs.copy()
        playing[by_past] = ask(self.simulator, self.past, states[by_past])
        return playing


def ask(simulator: Simulator, evaluator: Evaluator, states: StateArray) -> FloatArray:
    """[n, rows_per_state, num_outputs] a copy of what the policy head says of each observation row of `states` [n]."""
    rows, parts = simulator.rows_per_state, []
    size = max(1, evaluator.batch_size // rows)
    for first in range(0, len(states), size):
        part = states[first : first + size]
        planes = evaluator.buffer()[: len(part) * rows]
        simulator.observe_batch(part, planes.reshape(len(part), rows, *planes.shape[1:]))
        found = evaluator.collect(evaluator.submit(len(planes))).prior_logits
        parts.append(found.reshape(len(part), rows, -1).copy())
    return np.concatenate(parts)


class SimulatorSearch(Search):
    """`Search` over a `Simulator`: the same roots, results and tree reuse. `game` declares shapes and constants."""

    def __init__(
        self,
        game: Game,
        simulator: Simulator,
        proposer: Proposer,
        config: SearchConfig,
        num_trees: int,
        max_simulations: int,
        *,
        leaves_per_tree: int = 1,
        seed: int = 0,
    ) -> None:
        self._simulator, self._proposer = simulator, proposer
        super().__init__(game, config, num_trees, max_simulations, leaves_per_tree=leaves_per_tree, seed=seed)

    def _make_waves(self, num_trees: int, max_simulations: int, leaves_per_tree: int, cache_entries: int) -> Waves:
        return SimulatorWaves(
            self.game,
            self.config.settings(),
            num_trees,
            max_simulations,
            self._simulator,
            self._proposer,
            leaves_per_tree=leaves_per_tree,
        )
