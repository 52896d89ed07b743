"""One wave over many trees: `collect` descends every tree to a leaf that needs the network, `absorb` takes its answer.

Python runs once a wave, not once a simulation. A descent that ends in a terminal or proven node, or whose position the
cache knows, is finished at once and the tree descends again, so that every row of the batch asks something new.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, State
from games.compiled import inlined, njit, prefetch, prefetch_head, uncounted
from rl.search.cache import Cache, place_of, probe, store
from rl.search.descents import AHEAD, WAITS, Descents, Leaves, descend, fetch_paths, go_down, set_out, wants_more
from rl.search.kernels import (
    Settings,
    add_child,
    add_virtual_loss,
    backup,
    expand,
    forget_returns,
    gather_history,
    step_child,
)
from rl.search.roots import note_root_logits, prepare_root
from rl.search.tree import NO_CHILD, PROVEN_DRAW, ROOT, WIN_IN_ONE, Control, Tree


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
    forget_returns(control)
    control["value_low"] = game.value_low
    control["value_high"] = game.value_high


@inlined
def count_simulation(control: Control) -> None:
    """Note that a simulation has begun."""
    control["started"] += 1
    control["num_simulations"] += 1


@inlined
def end_descent(game: Game, tree: Tree, control: Control, n: int, slot: int) -> int:
    """Begin the simulation whose descent ended at (n, slot): the node it is about, made if it is new.

    A node that needs an evaluation has node_visits 0.
    """
    count_simulation(control)
    if slot >= 0:
        n = add_child(tree, control, n, slot)
        step_child(game, tree, control, n)
    return n


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
    descents: Descents,
    leaves: Leaves,
    observations: FloatArray,
) -> int:
    """Descend trees first..last-1 until each has `leaves_per_tree` leaves pending or nothing left to begin.

    Leaves to evaluate are appended after the `num_rows` rows that `leaves` and `observations` [rows, C, H, W] hold
    already; returns the new number of rows. `salt` is the cache's part of the key that names the network.

    Goes in rounds, and each stage of a round does its work for all trees before the next begins: while it is at one
    tree, what it needs of the next ones is on its way from memory. A search waits for memory more than it computes.
    """
    trees, observations = uncounted(trees), uncounted(observations)
    num_going = last - first
    for place in range(num_going):
        descents[place]["tree"] = first + place
    num_known = num_rows
    while num_going > 0:
        num_going = set_out(trees, controls, leaves_per_tree, descents, num_going)
        go_down(game, trees, controls, settings, descents, num_going)
        num_going = make_leaves(game, trees, controls, cache, salt, descents, num_going, leaves.size - num_rows)
        num_rows = ask_cache(
            game, trees, controls, settings, cache, leaves_per_tree, descents, num_going, num_rows, leaves
        )
    observe_leaves(game, trees, leaves, num_known, num_rows, observations)
    return num_rows


@inlined
def make_leaves(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    cache: Cache,
    salt: np.uint64,
    descents: Descents,
    num_going: int,
    room: int,
) -> int:
    """Begin the simulations whose descents have ended: make new nodes, and back up what needs no evaluation.

    What needs one is left as the descent's `node`, with its cache `key`; a descent without a question has WAITS there.
    Keeps the descents of the trees that may go down again and returns their number. No more than `room` leaves may ask.
    """
    num_asking, kept = 0, 0
    for place in range(num_going):
        b, n, slot = int(descents[place]["tree"]), int(descents[place]["node"]), int(descents[place]["slot"])
        tree, control = trees[b], controls[b]
        if n == WAITS:
            continue
        descent = descents[kept]
        descent["tree"] = b
        descent["node"] = WAITS
        if num_asking == room and (slot >= 0 or tree[n]["node_visits"] == 0):
            if num_asking > 0:  # the cache may answer some of these, and it goes down again
                kept += 1
            continue
        kept += 1
        n = end_descent(game, tree, control, n, slot)
        node = tree[n]
        if node["node_visits"] > 0:
            backup(game, tree, control, n, 0.0)
            control["num_known_leaves"] += 1
            continue
        descent["node"] = n
        descent["key"] = game.hash(node["state"]) ^ salt
        prefetch(cache, place_of(cache, descent["key"]))
        num_asking += 1
    return kept


@inlined
def ask_cache(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    settings: Settings,
    cache: Cache,
    leaves_per_tree: int,
    descents: Descents,
    num_going: int,
    num_rows: int,
    leaves: Leaves,
) -> int:
    """Settle the leaves that the cache knows, and append the others to the `num_rows` rows of `leaves`, pending now;
    returns the new number of rows."""
    mask = np.empty(game.num_actions, np.bool_)
    for place in range(num_going):
        b, n, key = int(descents[place]["tree"]), int(descents[place]["node"]), descents[place]["key"]
        if n == WAITS:
            continue
        tree, control = trees[b], controls[b]
        found = probe(cache, key)
        if found >= 0:
            entry = cache[found]
            logits = entry["prior_logits"][:]  # an array as `absorb` has it, lest `settle` be compiled twice
            settle(game, tree, control, settings, n, logits, entry["value"], 0.0, mask)
            control["num_cache_hits"] += 1
            continue
        leaf = leaves[num_rows]
        leaf["tree"] = b
        leaf["node"] = n
        leaf["key"] = key
        num_rows += 1
        control["pending"] += 1
        if leaves_per_tree > 1:
            add_virtual_loss(tree, n, settings.virtual_loss)
    return num_rows


@inlined
def observe_leaves(
    game: Game, trees: npt.NDArray[np.void], leaves: Leaves, first_row: int, num_rows: int, observations: FloatArray
) -> None:
    """Write what the network sees of the leaves first_row..num_rows-1 into their rows of `observations`."""
    for row in range(first_row, num_rows):
        leaf = leaves[row]
        game.observe(trees[leaf["tree"]][leaf["node"]]["state"], observations[row])


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
    trees, prior_logits = uncounted(trees), uncounted(prior_logits)
    virtual_loss = settings.virtual_loss if leaves_per_tree > 1 else 0.0
    mask = np.empty(game.num_actions, np.bool_)
    fetch_paths(trees, leaves, num_rows)
    for row in range(num_rows):
        ahead = leaves[min(row + AHEAD, num_rows - 1)]
        prefetch_head(controls, int(ahead["tree"]))
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
    trees = uncounted(trees)
    mask = np.empty(game.num_actions, np.bool_)
    for b in range(first, last):
        tree, control = trees[b], controls[b]
        while wants_more(tree, control):
            n, slot = descend(game, tree, control, settings)
            n = end_descent(game, tree, control, n, slot)
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
    forget_returns(control)
    note_root_logits(tree, control)
