"""The stages of a wave, each acting on one tree: simulate, step, expand, backup, prove.

Everything here is inlined into the wave kernels of `rl.search.waves` and `rl.search.simulator`. Those that take a
`game` only for its constants (`backup`, `enter_child`, `bounded_value`) ask nothing of it that has to be compiled.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from games.base import BoolArray, FloatArray, Game, HashArray
from games.compiled import inlined, njit
from rl.search.tree import NO_CHILD, PROVEN_DRAW, ROOT, Control, Node, Tree

LOWEST_RANK = -(2**63)
"""Below the `rank` of any score."""
_GROWTH_VISITS = 500.0
"""Visits from which `c_puct_growth` counts (KataGo: 500)."""
_LARGEST_LOGIT = 1e4
_LARGEST_VALUE = 1e30  # sums of a billion of them stay finite in float32


class Settings(NamedTuple):
    """The numbers of `SearchConfig` that kernels read."""

    gumbel: bool
    c_puct: float
    c_puct_growth: float
    fpu_reduction: float
    root_fpu_reduction: float
    virtual_loss: float
    c_visit: float
    c_scale: float
    max_considered: int
    dirichlet_concentration: float
    dirichlet_fraction: float
    forced_playouts: float
    temperature: float
    lcb_deviations: float
    least_range: float


@inlined
def node_value(node: Node) -> float:
    """Mean return of a node for its player to move: its network value and all returns through its slots."""
    total = float(node["raw_value"])
    for slot in range(node["num_slots"]):
        total += node["value_sums"][slot]
    return total / int(node["node_visits"])


@inlined
def value_scale(game: Game, control: Control, settings: Settings) -> tuple[float, float]:
    """(scale, offset): scale * value - offset is the value on [-1, 1], min-max normalised over the tree's range.

    Bounded games keep their bounds as the range, and the two are constants to the compiler. A range below
    `least_range` is taken for that much, and its values keep to the low end.
    """
    low = game.value_low if game.bounded else float(control["value_low"])
    high = game.value_high if game.bounded else float(control["value_high"])
    if high > low:
        scale = 2.0 / (high - low if game.bounded else max(high - low, settings.least_range))
        return scale, scale * low + 1.0
    return 0.0, 0.0


@inlined
def rank(score: float) -> int:
    """An integer that is larger where the score is; never `LOWEST_RANK`.

    Which slot is the best so far is anybody's guess, the processor's too, and a wrong guess costs it more than a slot's
    score. Integers, unlike floats, are compared and kept without a branch to guess at.
    """
    bits = np.float64(score).view(np.int64)
    return int(bits ^ ((bits >> 63) & np.int64(0x7FFFFFFFFFFFFFFF)))


@inlined
def exploration_of(node: Node, settings: Settings) -> float:
    """(c_puct + c_puct_growth * log((N + 500) / 500)) * sqrt(N) of a node (Silver et al. 2018, methods: C(s))."""
    visits = int(node["node_visits"])
    coefficient = settings.c_puct
    if settings.c_puct_growth > 0.0:
        coefficient += settings.c_puct_growth * math.log1p(visits / _GROWTH_VISITS)
    return coefficient * math.sqrt(visits)


@inlined
def select_puct(game: Game, node: Node, control: Control, settings: Settings, fpu_reduction: float) -> int:
    """The slot that maximises Q + c_puct * P * sqrt(N) / (1 + n): PUCT of AlphaZero (Silver et al. 2018, methods).

    Unvisited slots take the node's value less `fpu_reduction` * sqrt(visited prior mass) as Q (first play urgency as in
    KataGo, Wu 2019), which is the same for all of them, so only the one with the largest prior competes. Slots proven
    lost are skipped. Ties go to the lowest slot, an unvisited one last.
    """
    visit_counts, value_sums, priors, lost = node["visit_counts"], node["value_sums"], node["priors"], node["lost"]
    scale, offset = value_scale(game, control, settings)
    exploration = exploration_of(node, settings)
    total = float(node["raw_value"])
    visited_mass = 0.0
    best, best_rank = -1, LOWEST_RANK
    unvisited, unvisited_prior = -1, -1.0
    for slot in range(node["num_slots"]):
        visits = visit_counts[slot]
        prior = float(priors[slot])
        if visits == 0:
            if prior > unvisited_prior:
                unvisited, unvisited_prior = slot, prior
            continue
        value_sum = float(value_sums[slot])
        total += value_sum
        visited_mass += prior
        if lost[slot] != 0:
            continue
        slot_rank = rank(scale * value_sum / visits - offset + exploration * prior / (1 + visits))
        best = slot if slot_rank > best_rank else best
        best_rank = max(slot_rank, best_rank)
    if unvisited >= 0:
        value = scale * total / max(1, node["node_visits"]) - offset
        if rank(value - fpu_reduction * math.sqrt(visited_mass) + exploration * unvisited_prior) > best_rank:
            best = unvisited
    return best


@inlined
def add_child(tree: Tree, control: Control, parent: int, slot: int) -> int:
    """A new node below a slot; its position is the parent's until `step_child` has played the action."""
    child = int(control["num_nodes"])
    control["num_nodes"] = child + 1
    tree[parent]["children"][slot] = child
    node = tree[child]
    node["parent"] = parent
    node["parent_slot"] = slot
    node["terminated"] = False
    node["proof"] = 0
    node["num_slots"] = 0
    node["node_visits"] = 0
    return child


@inlined
def gather_history(game: Game, tree: Tree, control: Control, n: int) -> HashArray:
    """[k] hashes of the positions before node n, the game's and then the path's, oldest first.

    The path's are written behind the game's, which stay: a game may be long, and this is done for every new node.
    """
    history: HashArray = control["history"]
    if not game.uses_history:
        return history[:0]
    length = int(control["history_length"])
    node = n
    while node != ROOT:
        node = int(tree[node]["parent"])
        length += 1
    gathered: HashArray = history[:length]
    node = n
    while node != ROOT:
        node = int(tree[node]["parent"])
        length -= 1
        history[length] = game.history_hash(tree[node]["state"])
    return gathered


@inlined
def step_child(game: Game, tree: Tree, control: Control, child: int) -> None:
    """Play the action that leads to a new node in the node's own state, and note reward, end and proof."""
    node = tree[child]
    parent = tree[int(node["parent"])]
    history = gather_history(game, tree, control, int(node["parent"]))
    node["state"] = parent["state"]
    reward, terminated = game.step(node["state"], parent["slot_actions"][node["parent_slot"]], history)
    enter_child(game, node, parent, reward, terminated)


@inlined
def enter_child(game: Game, node: Node, parent: Node, reward: float, terminated: bool) -> None:
    """Note what the step into a new node brought: reward, end and proof."""
    node["reward"] = reward
    node["terminated"] = terminated
    node["to_play"] = node["state"]["to_play"]
    if terminated:
        node["raw_value"] = 0.0
        node["node_visits"] = 1
        if game.proves:
            node["proof"] = terminal_proof(reward, node["to_play"] == parent["to_play"])


@inlined
def terminal_proof(reward: float, same_player: bool) -> int:
    """The proof of a terminal node from the reward of the player who moved there."""
    if reward == 0.0:
        return PROVEN_DRAW
    return 1 if (reward > 0.0) == same_player else -1


@inlined
def expand(game: Game, node: Node, history: HashArray, mask: BoolArray, logits: FloatArray, value: float) -> None:
    """Give a node a slot for each legal action, priors from `logits` [num_actions], and the network's `value`.

    `mask` [num_actions] is scratch.
    """
    game.legal_actions(node["state"], history, mask)
    slot_actions, priors = node["slot_actions"], node["priors"]
    num_slots = 0
    largest, smallest = -_LARGEST_LOGIT, _LARGEST_LOGIT
    for action in range(game.num_actions):
        if mask[action]:
            logit = bounded_logit(float(logits[action]))
            largest = max(largest, logit)
            smallest = min(smallest, logit)
            slot_actions[num_slots] = action
            priors[num_slots] = logit
            num_slots += 1
    normalise(priors, num_slots, largest, smallest)
    open_slots(node, num_slots)
    node["raw_value"] = bounded_value(game, float(value))


@inlined
def bounded_logit(logit: float) -> float:
    """A logit that a softmax can take. A network that diverges must not take the search with it: NaN is the lowest."""
    return -_LARGEST_LOGIT if math.isnan(logit) else min(max(logit, -_LARGEST_LOGIT), _LARGEST_LOGIT)


@inlined
def bounded_value(game: Game, value: float) -> float:
    """A network's value cut to the game's bounds; 0 for NaN and infinity."""
    if math.isnan(value) or math.isinf(value):
        value = 0.0
    low, high = (game.value_low, game.value_high) if game.bounded else (-_LARGEST_VALUE, _LARGEST_VALUE)
    return min(max(value, low), high)


@inlined
def normalise(priors: FloatArray, num_slots: int, largest: float, smallest: float) -> None:
    """Softmax in place, given the largest and the smallest logit (equal ones need no exponential)."""
    if largest == smallest:
        for slot in range(num_slots):
            priors[slot] = 1.0 / num_slots
        return
    total = 0.0
    for slot in range(num_slots):
        weight = math.exp(float(priors[slot]) - largest)
        priors[slot] = weight
        total += weight
    for slot in range(num_slots):
        priors[slot] = float(priors[slot]) / total


@inlined
def open_slots(node: Node, num_slots: int) -> None:
    """Clear the slots of a node that is being expanded."""
    visit_counts, value_sums, children, lost = node["visit_counts"], node["value_sums"], node["children"], node["lost"]
    for slot in range(num_slots):
        visit_counts[slot] = 0
        value_sums[slot] = 0.0
        children[slot] = NO_CHILD
        lost[slot] = 0
    node["num_slots"] = num_slots
    node["node_visits"] = 1


@inlined
def backup(game: Game, tree: Tree, control: Control, leaf: int, virtual_loss: float) -> None:
    """Carry a leaf's value to the root, flipping it only where `to_play` differs, and proofs as far as they reach.

    `virtual_loss` > 0 takes back what `add_virtual_loss` added on the way down. Where a child is proven its return is
    exact from then on, for visits past and to come.
    """
    node = tree[leaf]
    value = float(node["raw_value"])
    n, slot = leaf, -1
    while n != ROOT:
        control["num_levels"] += 1
        n = int(node["parent"])
        parent = tree[n]
        slot = int(node["parent_slot"])
        same_player = node["to_play"] == parent["to_play"]
        if virtual_loss == 0.0:
            parent["visit_counts"][slot] += 1
            parent["node_visits"] += 1
        proof = int(node["proof"])
        if proof != 0:
            value = proven_value(proof) if same_player else -proven_value(proof)
            parent["value_sums"][slot] = value * parent["visit_counts"][slot]
            parent["lost"][slot] = value < 0.0
            parent["proof"] = prove(tree, n)
        else:
            value = float(node["reward"]) + game.discount * (value if same_player else -value)
            parent["value_sums"][slot] += value + virtual_loss
            if not game.bounded:
                widen(control, value)
        node = parent
    if slot >= 0:
        control["return_counts"][slot] += 1
        control["return_sums"][slot] += value
        control["return_squares"][slot] += value * value


@inlined
def forget_returns(control: Control) -> None:
    """Begin to gather the returns of a new root's slots."""
    control["return_counts"][:] = 0
    control["return_sums"][:] = 0.0
    control["return_squares"][:] = 0.0


@inlined
def widen(control: Control, value: float) -> None:
    """Let the tree's range hold a value."""
    control["value_low"] = min(control["value_low"], value)
    control["value_high"] = max(control["value_high"], value)


@inlined
def proven_value(proof: int) -> float:
    """1 win, 0 draw, -1 loss for the player to move of a proven node."""
    return 0.0 if proof == PROVEN_DRAW else 1.0 if proof > 0 else -1.0


@inlined
def parent_proof(tree: Tree, parent: int, child: int) -> int:
    """A proven child's proof as seen one ply earlier by the parent's player to move."""
    proof = int(tree[child]["proof"])
    if proof == PROVEN_DRAW:
        return PROVEN_DRAW
    longer = proof + 1 if proof > 0 else proof - 1
    return longer if tree[child]["to_play"] == tree[parent]["to_play"] else -longer


@njit
def prove(tree: Tree, n: int) -> int:
    """A node's proof from its children's (Winands et al. 2008, "Monte-Carlo tree search solver", with draws).

    A win needs one winning child and takes the shortest; a loss needs all children lost and takes the longest; a draw
    needs all children proven.
    """
    shortest_win, longest_loss, draws, open_slots = PROVEN_DRAW, 0, 0, 0
    for slot in range(tree[n]["num_slots"]):
        child = tree[n]["children"][slot]
        if child == NO_CHILD or tree[child]["proof"] == 0:
            open_slots += 1
            continue
        proof = parent_proof(tree, n, child)
        if proof == PROVEN_DRAW:
            draws += 1
        elif proof > 0:
            shortest_win = min(shortest_win, proof)
        else:
            longest_loss = min(longest_loss, proof)
    if shortest_win != PROVEN_DRAW:
        return shortest_win
    if open_slots > 0:
        return 0
    return PROVEN_DRAW if draws > 0 else longest_loss


@inlined
def add_virtual_loss(tree: Tree, leaf: int, virtual_loss: float) -> None:
    """Count a visit that loses along a leaf's path until its evaluation arrives, so that others go elsewhere."""
    n = leaf
    while n != ROOT:
        slot = int(tree[n]["parent_slot"])
        n = int(tree[n]["parent"])
        tree[n]["visit_counts"][slot] += 1
        tree[n]["value_sums"][slot] -= virtual_loss
        tree[n]["node_visits"] += 1
