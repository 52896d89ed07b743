"""The reference player: Monte Carlo tree search that values a leaf by playing it out at random. It learns nothing.

UCT (Kocsis and Szepesvari 2006) over any game, all simulations of a move in one kernel. A simulation descends by
mean + c * sqrt(ln(visits of the node) / visits of the slot), adds one node, plays at random to the end, and backs the
result up. Ends of games found in the tree are proven and backed up exactly (Winands, Bjornsson and Saito 2008), so a
win or loss seen by the tree is never misjudged, and a proven root stops the search.

Positions are replayed from the root rather than stored: a step is cheaper than the memory it would save.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, Game, HashArray, IndexArray, State, StateArray
from games.compiled import inlined, njit
from rl.search.random import below, random_bits

ValueArray = npt.NDArray[np.float64]

DEFAULT_EXPLORATION = 2.0
"""c of UCT for values in [-1, 1], as OpenSpiel's reference player has it; sqrt(2) for values in [0, 1] is 2.8 here."""

_NO_NODE = -1
_UNKNOWN = 2
"""Of an outcome that is not proven; proven ones are 1, 0 and -1."""


class RolloutTree(NamedTuple):
    """One tree of at most N nodes of at most A slots; node 0 is the root. A slot is a legal action of a node."""

    to_play: npt.NDArray[np.int8]
    """[N] the player to move."""
    node_visits: npt.NDArray[np.int32]
    """[N] simulations that passed the node, the one that made it included."""
    num_slots: npt.NDArray[np.int32]
    """[N] legal actions."""
    num_tried: npt.NDArray[np.int32]
    """[N] slots visited at least once: the first ones, for an untried slot is chosen at random and moved there."""
    actions: npt.NDArray[Any]
    """[N, A] the action of each slot."""
    children: npt.NDArray[np.int32]
    """[N, A] the node a slot leads to; _NO_NODE when untried or when the game ends there."""
    visit_counts: npt.NDArray[np.int32]
    """[N, A]"""
    value_sums: ValueArray
    """[N, A] sum of the returns of the visits, for the node's player to move."""
    outcomes: npt.NDArray[np.int8]
    """[N, A] the proven outcome for the node's player to move, or _UNKNOWN."""


class Scratch(NamedTuple):
    """Memory of one simulation. D: the most moves of a game."""

    states: StateArray
    """[1] the position being played."""
    mask: BoolArray
    """[num_actions]"""
    legal: IndexArray
    """[num_actions]"""
    history: HashArray
    """[hashes of the game so far + D + 1]"""
    path_nodes: IndexArray
    """[D + 1] nodes of the descent, the root first."""
    path_slots: IndexArray
    """[D + 1] the slot taken in each."""
    path_rewards: ValueArray
    """[D + 1] the reward of taking it, for the player who moved."""


class RolloutResults(NamedTuple):
    """What b searches found. Slots beyond `num_slots` hold action -1, no visits and NaN."""

    best_actions: IndexArray
    """[b] the action to play: proven wins first, proven losses last, else the most visited."""
    num_slots: IndexArray
    """[b]"""
    actions: IndexArray
    """[b, A]"""
    visit_counts: IndexArray
    """[b, A]"""
    values: ValueArray
    """[b, A] for the player to move at the root: the proven outcome, else the mean return; NaN where never visited."""


class RolloutResult(NamedTuple):
    """The same for one search: see `RolloutResults`."""

    best_action: int
    num_slots: int
    actions: IndexArray
    visit_counts: IndexArray
    values: ValueArray


class RolloutSearch:
    """Searches positions of one game, one after the other, in memory that it keeps: one for each thread."""

    def __init__(self, game: Game, max_simulations: int, exploration: float = DEFAULT_EXPLORATION) -> None:
        """`exploration`: c of UCT, in the units of the game's values. Raises ValueError on a game it cannot play."""
        if max_simulations < 1:
            raise ValueError(f"max_simulations {max_simulations}: must be at least 1")
        if game.value_bounds is None or game.action_dtype.subdtype is not None:
            raise ValueError(f"{game.name}: random rollouts need bounded values and numbered actions")
        self.game, self.max_simulations, self.exploration = game, max_simulations, exploration
        nodes, slots, plies = max_simulations + 1, game.num_slots, game.max_num_moves + 1
        self._tree = RolloutTree(
            to_play=np.zeros(nodes, np.int8),
            node_visits=np.zeros(nodes, np.int32),
            num_slots=np.zeros(nodes, np.int32),
            num_tried=np.zeros(nodes, np.int32),
            actions=np.zeros((nodes, slots), game.action_dtype),
            children=np.zeros((nodes, slots), np.int32),
            visit_counts=np.zeros((nodes, slots), np.int32),
            value_sums=np.zeros((nodes, slots), np.float64),
            outcomes=np.zeros((nodes, slots), np.int8),
        )
        self._scratch = Scratch(
            states=np.zeros(1, game.state_dtype),
            mask=np.zeros(game.num_actions, np.bool_),
            legal=np.zeros(game.num_actions, np.int64),
            history=np.zeros(2 * plies, np.uint64),
            path_nodes=np.zeros(plies, np.int64),
            path_slots=np.zeros(plies, np.int64),
            path_rewards=np.zeros(plies, np.float64),
        )

    def run(self, state: State, num_simulations: int, seed: int, history: HashArray | None = None) -> RolloutResult:
        """Search one position; the same seed gives the same result. `history` as in `Game.legal_actions`."""
        states = np.zeros(1, self.game.state_dtype)
        states[0] = state
        keys = np.array([seed % 2**64], np.uint64)
        results = self.run_many(states, num_simulations, keys, None if history is None else [history])
        return RolloutResult(
            int(results.best_actions[0]), int(results.num_slots[0]), *(part[0] for part in results[2:])
        )

    def run_many(
        self, states: StateArray, num_simulations: int, keys: HashArray, histories: Sequence[HashArray] | None = None
    ) -> RolloutResults:
        """Search each of `states` [b], none of them ended, with the random stream `keys` [b] uint64 of each.

        Raises ValueError when `num_simulations` is not within 1 to `max_simulations`.
        """
        if not 1 <= num_simulations <= self.max_simulations:
            raise ValueError(f"num_simulations {num_simulations}: must be 1 to {self.max_simulations}")
        rows, slots = len(states), self.game.num_slots
        hashes, offsets = flatten_histories(self.game, rows, histories)
        results = RolloutResults(
            best_actions=np.zeros(rows, np.int64),
            num_slots=np.zeros(rows, np.int64),
            actions=np.full((rows, slots), -1),
            visit_counts=np.zeros((rows, slots), np.int64),
            values=np.full((rows, slots), np.nan),
        )
        _search_many(
            self.game,
            self._tree,
            self._scratch,
            states,
            hashes,
            offsets,
            keys,
            num_simulations,
            self.exploration,
            results,
        )
        return results


def flatten_histories(game: Game, num_rows: int, histories: Sequence[HashArray] | None) -> tuple[HashArray, IndexArray]:
    """(hashes, offsets) with the history of row i at `hashes[offsets[i]:offsets[i + 1]]`, as kernels take them."""
    if histories is None or not game.uses_history:
        return np.zeros(0, np.uint64), np.zeros(num_rows + 1, np.int64)
    return np.concatenate(list(histories)), np.cumsum([0, *map(len, histories)])


@njit
def choose_random(
    game: Game, states: StateArray, hashes: HashArray, offsets: IndexArray, keys: HashArray, actions: IndexArray
) -> None:
    """Write a random legal action of each of `states` [b] into `actions` [b], drawn by its key of `keys` [b]."""
    mask = np.zeros(game.num_actions, np.bool_)
    legal = np.zeros(game.num_actions, np.int64)
    for row in range(states.size):
        game.legal_actions(states[row], hashes[offsets[row] : offsets[row + 1]], mask)
        actions[row] = random_legal(mask, legal, random_bits(keys[row], np.uint64(0)))


@njit
def _search_many(
    game: Game,
    tree: RolloutTree,
    scratch: Scratch,
    states: StateArray,
    hashes: HashArray,
    offsets: IndexArray,
    keys: HashArray,
    num_simulations: int,
    exploration: float,
    results: RolloutResults,
) -> None:
    """One search a row; `hashes[offsets[row]:offsets[row + 1]]` is its history."""
    for row in range(states.size):
        past = offsets[row + 1] - offsets[row]
        for index in range(past):
            scratch.history[index] = hashes[offsets[row] + index]
        scratch.states[0] = states[row]
        key = keys[row]
        counter = np.uint64(0)
        _add_node(game, tree, 0, scratch, past)
        for simulation in range(num_simulations):
            scratch.states[0] = states[row]
            counter, proven = _simulate(game, tree, simulation + 1, scratch, past, key, counter, exploration)
            if proven:
                break
        _read_root(tree, row, results)


@inlined
def _add_node(game: Game, tree: RolloutTree, node: int, scratch: Scratch, past: int) -> None:
    """Make `node` of the position in `scratch`, with all its slots untried."""
    state = scratch.states[0]
    game.legal_actions(state, scratch.history[:past], scratch.mask)
    num_slots = 0
    for action in range(game.num_actions):
        if scratch.mask[action]:
            tree.actions[node, num_slots] = action
            num_slots += 1
    for slot in range(num_slots):
        tree.children[node, slot] = _NO_NODE
        tree.visit_counts[node, slot] = 0
        tree.value_sums[node, slot] = 0.0
        tree.outcomes[node, slot] = _UNKNOWN
    tree.to_play[node] = state["to_play"]
    tree.num_slots[node] = num_slots
    tree.num_tried[node] = 0
    tree.node_visits[node] = 0


@inlined
def _simulate(
    game: Game,
    tree: RolloutTree,
    new_node: int,
    scratch: Scratch,
    past: int,
    key: np.uint64,
    counter: np.uint64,
    exploration: float,
) -> tuple[np.uint64, bool]:
    """One simulation from the root; a node it adds gets the id `new_node`. Returns (counter, root is proven)."""
    state = scratch.states[0]
    node = 0
    depth = 0
    ended = False
    while True:
        if tree.num_tried[node] < tree.num_slots[node]:
            slot = _open_slot(tree, node, key, counter)
            counter += np.uint64(1)
        else:
            slot = _select(tree, node, exploration)
        scratch.path_nodes[depth] = node
        scratch.path_slots[depth] = slot
        position_hash = game.history_hash(state) if game.uses_history else np.uint64(0)
        reward, ended = game.step(state, int(tree.actions[node, slot]), scratch.history[:past])
        scratch.path_rewards[depth] = reward
        depth += 1
        if game.uses_history:
            scratch.history[past] = position_hash
            past += 1
        child = tree.children[node, slot]
        if ended or child == _NO_NODE:
            break
        node = child
    if ended:
        return counter, _backup(game, tree, scratch, depth, 0.0, int(state["to_play"]), game.proves)
    tree.children[node, slot] = new_node
    _add_node(game, tree, new_node, scratch, past)
    leaf_player = int(state["to_play"])
    value, counter = _roll_out(game, scratch, past, key, counter)
    return counter, _backup(game, tree, scratch, depth, value, leaf_player, False)


@inlined
def _open_slot(tree: RolloutTree, node: int, key: np.uint64, counter: np.uint64) -> int:
    """Choose an untried slot at random and move it to the end of the tried ones."""
    slot = tree.num_tried[node]
    chosen = slot + below(random_bits(key, counter), tree.num_slots[node] - slot)
    action = tree.actions[node, chosen]
    tree.actions[node, chosen] = tree.actions[node, slot]
    tree.actions[node, slot] = action
    tree.num_tried[node] = slot + 1
    return int(slot)


@inlined
def _select(tree: RolloutTree, node: int, exploration: float) -> int:
    """The slot of the highest upper confidence bound; a proven slot counts as what it is, without a bonus."""
    numerator = exploration * math.sqrt(math.log(tree.node_visits[node]))
    best, best_score = 0, -math.inf
    for slot in range(tree.num_slots[node]):
        score = float(tree.outcomes[node, slot])
        if score == _UNKNOWN:
            visits = tree.visit_counts[node, slot]
            score = tree.value_sums[node, slot] / visits + numerator / math.sqrt(visits)
        if score > best_score:
            best, best_score = slot, score
    return best


@inlined
def random_legal(mask: BoolArray, legal: IndexArray, bits: np.uint64) -> int:
    """A legal action of `mask` [num_actions], at least one being legal, all equally likely. `legal` [num_actions] is
    scratch: listing the legal ones without a branch makes random play 1.6 times as fast as looking for the k-th."""
    num_legal = 0
    for action in range(mask.size):
        legal[num_legal] = action
        num_legal += mask[action]
    return int(legal[below(bits, num_legal)])


@inlined
def _roll_out(game: Game, scratch: Scratch, past: int, key: np.uint64, counter: np.uint64) -> tuple[float, np.uint64]:
    """Play at random to the end; (discounted return for the player to move now, counter)."""
    state = scratch.states[0]
    player = int(state["to_play"])
    total, weight = 0.0, 1.0
    ended = False
    while not ended:
        game.legal_actions(state, scratch.history[:past], scratch.mask)
        action = random_legal(scratch.mask, scratch.legal, random_bits(key, counter))
        counter += np.uint64(1)
        mover = int(state["to_play"])
        position_hash = game.history_hash(state) if game.uses_history else np.uint64(0)
        reward, ended = game.step(state, action, scratch.history[:past])
        if game.uses_history:
            scratch.history[past] = position_hash
            past += 1
        total += weight * (reward if mover == player else -reward)
        weight *= game.discount
    return total, counter


@inlined
def _backup(
    game: Game, tree: RolloutTree, scratch: Scratch, depth: int, value: float, value_player: int, proven: bool
) -> bool:
    """Add a leaf's `value`, for `value_player`, to the `depth` slots of the path; True when that proves the root.

    A slot proven a win proves its node; so do slots that are all proven. From there up the proven value is backed up.
    """
    for level in range(depth - 1, -1, -1):
        node, slot = scratch.path_nodes[level], scratch.path_slots[level]
        player = int(tree.to_play[node])
        value = scratch.path_rewards[level] + game.discount * (value if player == value_player else -value)
        value_player = player
        tree.node_visits[node] += 1
        tree.visit_counts[node, slot] += 1
        tree.value_sums[node, slot] += value
        if proven:
            tree.outcomes[node, slot] = int(value)
            if value != 1.0:
                best = -1
                for other in range(tree.num_slots[node]):
                    proven = proven and tree.outcomes[node, other] != _UNKNOWN
                    best = max(best, tree.outcomes[node, other])
                if proven:
                    value = float(best)
    return proven


@inlined
def _read_root(tree: RolloutTree, row: int, results: RolloutResults) -> None:
    """Write what the root holds into `results`."""
    num_slots = tree.num_slots[0]
    results.num_slots[row] = num_slots
    best_rank = -math.inf
    for slot in range(num_slots):
        visits, outcome = tree.visit_counts[0, slot], int(tree.outcomes[0, slot])
        results.actions[row, slot] = tree.actions[0, slot]
        results.visit_counts[row, slot] = visits
        mean = -1.0
        if outcome != _UNKNOWN:
            mean = float(outcome)
            results.values[row, slot] = mean
        elif visits > 0:
            mean = tree.value_sums[0, slot] / visits
            results.values[row, slot] = mean
        # Visits decide, the mean breaks ties (it is within [-1, 1] wherever outcomes are proven); proofs outrank both.
        rank = visits + 0.25 * mean + (1e9 * outcome if outcome != _UNKNOWN else 0.0)
        if rank > best_rank:
            best_rank = rank
            results.best_actions[row] = tree.actions[0, slot]
