"""Descents: from the root of a tree to the node that its next simulation is about, one tree or many side by side."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from games.base import Game
from games.compiled import inlined, prefetch, prefetch_head
from rl.search.kernels import Settings, select_puct
from rl.search.roots import select_root
from rl.search.tree import NO_CHILD, ROOT, Control, Tree

WAITS = -1  # the descent met a leaf that another descent of this tree waits for
ENDS, GO_ON = -2, -3  # a descent's other findings

AHEAD = 12
"""How many trees ahead memory is asked for: about as long as it takes to come."""

LEAF_DTYPE = np.dtype([("tree", np.int32), ("node", np.int32), ("key", np.uint64), ("ancestor", np.int32)], align=True)
"""One row of a batch: which tree and node asks, and the cache key of the node's position. `ancestor` is scratch."""
Leaves = npt.NDArray[np.void]
"""[rows] of LEAF_DTYPE."""

DESCENT_DTYPE = np.dtype(
    [("tree", np.int32), ("node", np.int32), ("key", np.uint64), ("slot", np.int32), ("walker", np.int32)], align=True
)
"""A descent: the node it has come to and in the end the leaf it is about, and the slot it ends in. `walker` is no part
of it: entry i of that column names the i-th descent of those that are still on their way."""
Descents = npt.NDArray[np.void]
"""[trees] of DESCENT_DTYPE."""


@inlined
def wants_more(tree: Tree, control: Control) -> bool:
    """Whether tree b has simulations left to begin: budget, room, and a root that is not yet proven."""
    return bool(
        control["started"] < control["budget"] and control["num_nodes"] < tree.size and tree[ROOT]["proof"] == 0
    )


@inlined
def arrive(tree: Tree, control: Control, n: int) -> int:
    """What a descent finds at node n: GO_ON below it, ENDS here (to evaluate, or its value is known), or WAITS."""
    node = tree[n]
    if node["terminated"] or node["proof"] != 0:
        return ENDS
    if node["node_visits"] > 0:
        return GO_ON
    return ENDS if n == ROOT and control["pending"] == 0 else WAITS


@inlined
def select(game: Game, tree: Tree, control: Control, settings: Settings, n: int) -> int:
    """The slot of node n that a descent takes."""
    if n == ROOT:
        return select_root(game, tree, control, settings)
    return select_puct(game, tree[n], control, settings, settings.fpu_reduction)


@inlined
def descend(game: Game, tree: Tree, control: Control, settings: Settings) -> tuple[int, int]:
    """Walk from the root to a node to evaluate: (node, slot) with slot -1 when the node exists already.

    A slot >= 0 names a child that is yet to be made; (WAITS, -1): the way leads to a leaf under evaluation.
    """
    n = ROOT
    while True:
        found = arrive(tree, control, n)
        if found != GO_ON:
            return (n if found == ENDS else WAITS), -1
        slot = select(game, tree, control, settings, n)
        child = int(tree[n]["children"][slot])
        if child == NO_CHILD:
            return n, slot
        n = child


@inlined
def set_out(
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    leaves_per_tree: int,
    descents: Descents,
    num_going: int,
) -> int:
    """Put those of the first `num_going` descents whose trees want one at their roots; returns how many do."""
    kept = 0
    for place in range(num_going):
        b = int(descents[place]["tree"])
        if place + AHEAD < num_going:
            ahead = int(descents[place + AHEAD]["tree"])
            prefetch_head(controls, ahead)
            prefetch(trees[ahead], ROOT)
        if controls[b]["pending"] < leaves_per_tree and wants_more(trees[b], controls[b]):
            descents[kept]["tree"] = b
            descents[kept]["node"] = ROOT
            kept += 1
            prefetch(trees[b], int(controls[b]["num_nodes"]))  # the node that this descent is likely to make
    return kept


@inlined
def go_down(
    game: Game,
    trees: npt.NDArray[np.void],
    controls: npt.NDArray[np.void],
    settings: Settings,
    descents: Descents,
    num_going: int,
) -> None:
    """Take each of the first `num_going` descents to its end, as `descend` does with one: its `node` and `slot`.

    All of them go a level down in turn, so that the node which one needs next comes from memory while the others are
    at theirs. Those still on their way are listed in the column `walker`.
    """
    walking = num_going
    for place in range(num_going):
        descents[place]["walker"] = place
    while walking > 0:
        going_on = 0
        for index in range(walking):
            place = int(descents[index]["walker"])
            descent = descents[place]
            b, n = int(descent["tree"]), int(descent["node"])
            tree, control = trees[b], controls[b]
            found = arrive(tree, control, n)
            if found != GO_ON:
                descent["node"] = n if found == ENDS else WAITS
                descent["slot"] = -1
                continue
            slot = select(game, tree, control, settings, n)
            child = int(tree[n]["children"][slot])
            if child == NO_CHILD:
                descent["slot"] = slot
                continue
            prefetch(tree, child)
            descent["node"] = child
            descents[going_on]["walker"] = place
            going_on += 1
        walking = going_on


@inlined
def fetch_paths(trees: npt.NDArray[np.void], leaves: Leaves, num_rows: int) -> None:
    """Ask for the memory of the first `num_rows` leaves and of all nodes above them: while the network was at work it
    has been out of use. All rows climb a level in turn, as in `go_down`."""
    for row in range(num_rows):
        leaf = leaves[row]
        prefetch(trees[leaf["tree"]], int(leaf["node"]))
        leaf["ancestor"] = leaf["node"]
    climbing = num_rows
    while climbing > 0:
        climbing = 0
        for row in range(num_rows):
            leaf = leaves[row]
            if leaf["ancestor"] != ROOT:
                tree = trees[leaf["tree"]]
                leaf["ancestor"] = tree[int(leaf["ancestor"])]["parent"]
                prefetch_head(tree, int(leaf["ancestor"]))
                climbing += 1
