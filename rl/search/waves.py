"""One wave over many trees: `collect` descends every tree to a leaf that needs the network, `absorb` takes its answer.

Python runs once a wave, not once a simulation. A descent that ends in a terminal or proven node, or whose position the
cache knows, is finished at once and the tree descends again, so that every row of the batch asks something new.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, State
from games.compiled import inlined, njit, prefetch
from rl.search.cache import Cache, place_of, probe, store
from rl.search.kernels import (
    Settings,
    add_child,
    add_virtual_loss,
    backup,
    expand,
    gather_history,
    select_puct,
    step_child,
)
from rl.search.roots import note_root_logits, prepare_root, select_root
from rl.search.tree import NO_CHILD, PROVEN_DRAW, ROOT, WIN_IN_ONE, Control, Tree

WAITS = -1  # the descent met a leaf that another descent of this tree waits for

_AHEAD = 3
"""How many trees ahead memory is asked for: about as long as it takes to come."""

LEAF_DTYPE = np.dtype([("tree", np.int32), ("node", np.int32), ("key", np.uint64)])
"""One row of a batch: which tree and node asks, and the cache key of the node's position."""
Leaves = npt.NDArray[np.void]
"""[rows] of LEAF_DTYPE."""


@njit
def begin(game: Game, tree: Tree, control: Control, state: State, budget: int, key: np.uint64, noisy: bool) -> None:
    """Start a fresh search from `state`: an unexpanded root, `budget` evaluations, its own random numbers."""
    root = tree[ROOT]
    root["state"] = state
    root["to_play"] = state["to_play"]
    root["terminated"] = False
    root["proof"] = 0
    root["num_slots"] = 0
    root["node_visits"] = 0
    control["num_nodes"] = 1
    control["budget"] = budget
    control["started"] = 0
    control["pending"] = 0
    control["key"] = key
    control["noisy"] = noisy
    control["gumbels"][:] = 0.0
    control["value_low"] = game.value_low
    control["value_high"] = game.value_high


@inlined
def wants_more(tree: Tree, control: Control) -> bool:
    """Whether tree b has simulations left to begin: budget, room, and a root that is not yet proven."""
    return bool(
        control["started"] < control["budget"] and control["num_nodes"] < tree.size and tree[ROOT]["proof"] == 0
    )


@inlined
def descend(tree: Tree, control: Control, settings: Settings) -> tuple[int, int]:
    """Walk from the root to a node to evaluate: (node, slot) with slot -1 when the node exists already.

    A slot >= 0 names a child that is yet to be made; (WAITS, -1): the way leads to a leaf under evaluation.
    """
    if tree[ROOT]["node_visits"] == 0:
        return (ROOT, -1) if control["pending"] == 0 else (WAITS, -1)
    n = ROOT
    slot = select_root(tree, control, settings)
    while True:
        child = int(tree[n]["children"][slot])
        if child == NO_CHILD:
            return n, slot
        node = tree[child]
        if node["terminated"] or node["proof"] != 0:
            return child, -1
        if node["node_visits"] == 0:
            return WAITS, -1
        n = child
        slot = select_puct(node, control, settings.c_puct, settings.fpu_reduction)


@inlined
def count_simulation(control: Control) -> None:
    """Note that a simulation has begun."""
    control["started"] += 1
    control["num_simulations"] += 1


@inlined
def grow(game: Game, tree: Tree, control: Control, settings: Settings) -> int:
    """Begin one simulation: the node it ends in, made if it is new; WAITS when it has to wait.

    A node that needs an evaluation has node_visits 0.
    """
    node, slot = descend(tree, control, settings)
    if node == WAITS:
        return WAITS
    count_simulation(control)
    if slot >= 0:
        node = add_child(tree, control, node, slot)
        step_child(game, tree, control, node)
    return node


@inlined
def settle(
    game: Game,
    tree: Tree,
    control: Control,
    settings: Settings,
    node: int,
    logits: FloatArray,
    value: float,
    virtual_loss: float,
    mask: BoolArray,
) -> None:
    """Expand a leaf with its evaluation and back it up; `mask` [num_actions] is scratch."""
    expand(game, tree[node], gather_history(game, tree, control, node), mask, logits, value)
    back_up_expanded(game, tree, control, settings, node, virtual_loss)


@inlined
def back_up_expanded(
    game: Game, tree: Tree, control: Control, settings: Settings, node: int, virtual_loss: float
) -> None:
    """Back up a leaf that has just been expanded; the root has nowhere to go and is prepared instead."""
    if node == ROOT:
        prepare_root(tree, control, settings)
    else:
        backup(game, tree, control, node, virtual_loss)


@njit
def collect(
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
    leaves: Leaves,
    observations: FloatArray,
) -> int:
    """Descend trees first..last-1 until each has `leaves_per_tree` leaves pending or nothing left to begin.

    Leaves to evaluate are appended after the `num_rows` rows that `leaves` and `observations` [rows, C, H, W] hold
    already; returns the new number of rows. `salt` is the cache's part of the key that names the network.

    Goes in rounds, one descent of each tree and then all questions to the cache, so that the memory a descent or a
    question will need is on its way while others are served: a search waits for memory more than it computes.
    """
    mask = np.empty(game.num_actions, np.bool_)
    descents = np.empty(last - first, LEAF_DTYPE)
    num_going = last - first
    for place in range(num_going):
        descents[place]["tree"] = first + place
    while num_going > 0:
        num_asking, kept = 0, 0
        for place in range(num_going):
            ahead = int(descents[min(place + _AHEAD, num_going - 1)]["tree"])
            prefetch(trees[ahead], ROOT)
            b = int(descents[place]["tree"])
            tree, control = trees[b], controls[b]
            if control["pending"] >= leaves_per_tree or not wants_more(tree, control):
                continue
            if num_rows + num_asking >= leaves.size:
                if num_asking > 0:  # the cache may yet answer some of these
                    descents[kept]["tree"] = b
                    descents[kept]["node"] = WAITS
                    kept += 1
                continue
            n = grow(game, tree, control, settings)
            if n == WAITS:
                continue
            descent = descents[kept]
            descent["tree"] = b
            kept += 1
            node = tree[n]
            if node["node_visits"] > 0:
                backup(game, tree, control, n, 0.0)
                control["num_known_leaves"] += 1
                descent["node"] = WAITS
                continue
            key = game.hash(node["state"]) ^ salt
            prefetch(cache, place_of(cache, key))
            descent["node"] = n
            descent["key"] = key
            num_asking += 1
        num_going = kept
        for place in range(num_going):
            descent = descents[place]
            n = int(descent["node"])
            if n == WAITS:
                continue
            b = int(descent["tree"])
            tree, control = trees[b], controls[b]
            found = probe(cache, descent["key"])
            if found >= 0:
                entry = cache[found]
                settle(game, tree, control, settings, n, entry["prior_logits"], entry["value"], 0.0, mask)
                control["num_cache_hits"] += 1
                continue
            game.observe(tree[n]["state"], observations[num_rows])
            leaves[num_rows] = descent
            num_rows += 1
            control["pending"] += 1
            if leaves_per_tree > 1:
                add_virtual_loss(tree, n, settings.virtual_loss)
    return num_rows


@njit
def absorb(
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
) -> None:
    """Expand and back up the first `num_rows` leaves with the network's answers, and remember these in the cache."""
    virtual_loss = settings.virtual_loss if leaves_per_tree > 1 else 0.0
    mask = np.empty(game.num_actions, np.bool_)
    for row in range(num_rows):
        ahead = leaves[min(row + _AHEAD, num_rows - 1)]
        prefetch(trees[ahead["tree"]], int(ahead["node"]))
        prefetch(cache, place_of(cache, ahead["key"]))
        leaf = leaves[row]
        control = controls[leaf["tree"]]
        logits, value = prior_logits[row], values[row]
        store(cache, leaf["key"], logits, value)
        settle(game, trees[leaf["tree"]], control, settings, int(leaf["node"]), logits, value, virtual_loss, mask)
        control["pending"] -= 1


@njit
def search_uniform(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    settings: Settings,
    first: int,
    last: int,
    logits: FloatArray,
) -> None:
    """The fused path: whole searches, tree after tree, with the constant evaluation `logits` [num_actions] and value 0.

    The same stages without observations, batches and cache, for exact play on small games and for benchmarks.
    """
    mask = np.empty(game.num_actions, np.bool_)
    for b in range(first, last):
        tree, control = trees[b], controls[b]
        while wants_more(tree, control):
            n = grow(game, tree, control, settings)
            if tree[n]["node_visits"] > 0:
                backup(game, tree, control, n, 0.0)
            else:
                settle(game, tree, control, settings, n, logits, 0.0, 0.0, mask)


@njit
def win_at_once(game: Game, tree: Tree, control: Control) -> None:
    """At a root that is won in more than one ply, visit an action that wins now, if there is one.

    What was proven first may be a detour: the search stopped there, with actions that it never tried.
    """
    root = tree[ROOT]
    if not WIN_IN_ONE < root["proof"] < PROVEN_DRAW:
        return
    for slot in range(root["num_slots"]):
        if root["children"][slot] != NO_CHILD or control["num_nodes"] == tree.size:
            continue
        child = add_child(tree, control, ROOT, slot)
        step_child(game, tree, control, child)
        if tree[child]["terminated"]:
            backup(game, tree, control, child, 0.0)
            if root["proof"] == WIN_IN_ONE:
                return
        else:  # as if it had not been tried
            root["children"][slot] = NO_CHILD
            control["num_nodes"] = child


@njit
def reroot(tree: Tree, control: Control, slot: int, moved: npt.NDArray[np.int32]) -> None:
    """Make the root's child at `slot` the root and keep its subtree, compacted to the front; `moved` [N] is scratch.

    Parents have smaller ids than their children, so one pass in order finds the subtree, and moving each node to its
    new, never larger, place in that order overwrites nothing that is still needed.
    """
    new_root = int(tree[ROOT]["children"][slot])
    kept = 0
    for n in range(int(control["num_nodes"])):
        moved[n] = NO_CHILD
        if n == new_root or (n > new_root and moved[tree[n]["parent"]] >= 0):
            moved[n] = kept
            tree[kept] = tree[n]
            if n != new_root:
                parent = int(moved[tree[n]["parent"]])
                tree[kept]["parent"] = parent
                tree[parent]["children"][tree[kept]["parent_slot"]] = kept
            kept += 1
    control["num_nodes"] = kept
    control["started"] = tree[ROOT]["node_visits"]
    control["gumbels"][:] = 0.0
    note_root_logits(tree, control)
