"""What is special about the root: noise, Gumbel's sequential halving, and the policy that a search teaches.

Gumbel: Danihelka, Guez, Schrittwieser and Silver 2022, "Policy improvement by planning with Gumbel". Section numbers
below are that paper's. Below the root both variants descend by PUCT, which costs no softmax a node.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from games.base import FloatArray, Game
from games.compiled import inlined, njit
from rl.search.kernels import (
    LOWEST_RANK,
    Settings,
    exploration_of,
    node_value,
    proven_value,
    rank,
    select_puct,
    value_scale,
)
from rl.search.random import dirichlet, gumbel, random_bits
from rl.search.tree import PROVEN_DRAW, ROOT, Control, Tree

_SMALLEST_PRIOR = 1e-30
_LCB_VISIT_SHARE = 0.15
"""Share of the most visited slot's visits that a slot needs for its lower bound to count (KataGo: 0.15)."""
_LCB_LEAST_RETURNS = 8
"""Returns that a deviation is worked out from."""
_GUMBELS, _DIRICHLET = 0, 1  # what a tree's random numbers are drawn for


@inlined
def begin_halving(control: Control, num_considered: int, num_simulations: int) -> None:
    """Lay out sequential halving (section 2, algorithm 2): of the considered root actions, those with the best scores
    are visited again, half as many a round."""
    control["planned_rounds"] = math.ceil(math.log2(num_considered)) if num_considered > 1 else 1
    control["planned_simulations"] = num_simulations
    control["num_alive"] = max(1, num_considered)
    control["round_visits"] = 0
    _begin_round(control, 0)


@inlined
def _begin_round(control: Control, simulation: int) -> None:
    """A round whose first simulation this is: each action alive is visited equally often."""
    alive = int(control["num_alive"])
    passes = max(1, int(control["planned_simulations"]) // (int(control["planned_rounds"]) * alive))
    control["round_start"] = simulation
    control["round_end"] = simulation + passes * alive


@inlined
def considered_visits(control: Control, simulation: int) -> int:
    """The visit count of the root actions that this simulation chooses among. It is never asked of an earlier one."""
    while simulation >= control["round_end"]:
        alive, first, last = int(control["num_alive"]), int(control["round_start"]), int(control["round_end"])
        control["round_visits"] += (last - first) // alive
        control["num_alive"] = max(2, alive // 2) if alive > 1 else 1
        _begin_round(control, last)
    return int(control["round_visits"]) + (simulation - int(control["round_start"])) // int(control["num_alive"])


@njit
def plan_root(tree: Tree, control: Control, settings: Settings) -> None:
    """Lay out the root's sequential halving for its budget; for an unexpanded root that is done when it is expanded."""
    if settings.gumbel and tree[ROOT]["num_slots"] > 0:
        num_considered = min(settings.max_considered, int(tree[ROOT]["num_slots"]))
        begin_halving(control, num_considered, max(0, int(control["budget"]) - 1))


@njit
def prepare_root(tree: Tree, control: Control, settings: Settings) -> None:
    """Draw a freshly expanded root's noise and, for Gumbel, lay out its sequential halving."""
    num_slots = int(tree[ROOT]["num_slots"])
    note_root_logits(tree, control)
    key = random_bits(control["key"], np.uint64(_GUMBELS))
    for slot in range(num_slots):
        control["gumbels"][slot] = gumbel(key, np.uint64(slot)) if control["noisy"] else 0.0
    if settings.gumbel:
        plan_root(tree, control, settings)
    elif control["noisy"] and settings.dirichlet_fraction > 0.0:
        noise = np.empty(num_slots, np.float32)
        dirichlet(
            random_bits(control["key"], np.uint64(_DIRICHLET)), settings.dirichlet_concentration / num_slots, noise
        )
        for slot in range(num_slots):
            prior = tree[ROOT]["priors"][slot]
            tree[ROOT]["priors"][slot] = prior + settings.dirichlet_fraction * (noise[slot] - prior)


@inlined
def note_root_logits(tree: Tree, control: Control) -> None:
    """Keep the logarithms of the root's priors, before noise changes these."""
    for slot in range(tree[ROOT]["num_slots"]):
        control["root_logits"][slot] = math.log(max(float(tree[ROOT]["priors"][slot]), _SMALLEST_PRIOR))


@inlined
def mixed_value(tree: Tree) -> float:
    """v_mix (appendix D, equation 33): the network's value and the visited slots' mean Q, weighted by the prior."""
    total_visits, mass, weighted = 0, 0.0, 0.0
    for slot in range(tree[ROOT]["num_slots"]):
        visits = tree[ROOT]["visit_counts"][slot]
        if visits > 0:
            total_visits += visits
            prior = max(float(tree[ROOT]["priors"][slot]), _SMALLEST_PRIOR)
            mass += prior
            weighted += prior * tree[ROOT]["value_sums"][slot] / visits
    raw_value = float(tree[ROOT]["raw_value"])
    return raw_value if mass == 0.0 else (raw_value + total_visits * weighted / mass) / (1 + total_visits)


@inlined
def most_visits(tree: Tree) -> int:
    """The largest visit count at the root."""
    most = 0
    for slot in range(tree[ROOT]["num_slots"]):
        most = max(most, int(tree[ROOT]["visit_counts"][slot]))
    return most


@inlined
def improved_logit(
    game: Game, tree: Tree, control: Control, settings: Settings, slot: int, most: int, mixed: float
) -> float:
    """logits + sigma(completed Q) (sections 3 and 5, equation 8), Q on [0, 1]; unvisited slots take v_mix as Q."""
    visits = tree[ROOT]["visit_counts"][slot]
    value = tree[ROOT]["value_sums"][slot] / visits if visits > 0 else mixed
    scale, offset = value_scale(game, control, settings)
    sigma = (settings.c_visit + most) * settings.c_scale * 0.5 * (1.0 + scale * value - offset)
    return float(control["root_logits"][slot]) + sigma


@inlined
def select_gumbel(game: Game, tree: Tree, control: Control, settings: Settings, wanted_visits: int) -> int:
    """The root slot with the best gumbel + logit + sigma(Q) among those with `wanted_visits` visits and not yet lost.

    When proofs have closed all of them, among all that are not lost; -1 when every slot is.
    """
    root, most, num_wanted = tree[ROOT], 0, 0
    visit_counts, lost = root["visit_counts"], root["lost"]
    for slot in range(root["num_slots"]):
        visits = int(visit_counts[slot])
        most = max(most, visits)
        num_wanted += (lost[slot] == 0) & (visits == wanted_visits)
    any_wanted = num_wanted > 0
    # Wanted slots are all visited, or all unvisited and of the same v_mix: which it is matters only among the others.
    mixed = 0.0 if any_wanted else mixed_value(tree)
    best, best_rank = -1, LOWEST_RANK
    for slot in range(root["num_slots"]):
        if lost[slot] != 0 or (any_wanted and visit_counts[slot] != wanted_visits):
            continue
        score = improved_logit(game, tree, control, settings, slot, most, mixed) + float(control["gumbels"][slot])
        slot_rank = rank(score)
        best = slot if slot_rank > best_rank else best
        best_rank = max(slot_rank, best_rank)
    return best


@inlined
def select_root(game: Game, tree: Tree, control: Control, settings: Settings) -> int:
    """The root slot that the next simulation descends into."""
    if settings.gumbel:
        wanted_visits = considered_visits(control, int(control["started"]) - 1)
        return select_gumbel(game, tree, control, settings, wanted_visits)
    if forces(control, settings):
        slot = forced_slot(tree, settings)
        if slot >= 0:
            return slot
    return select_puct(game, tree[ROOT], control, settings, settings.root_fpu_reduction)


@inlined
def forces(control: Control, settings: Settings) -> bool:
    """Whether the root's actions have to be visited a little: in a PUCT search that explores."""
    return bool(control["noisy"]) and settings.forced_playouts > 0.0 and not settings.gumbel


@inlined
def forced_visits(tree: Tree, settings: Settings, slot: int) -> float:
    """The least visits of a root action that has any (Wu 2019, arXiv 1902.10565, section 3.2, with its k)."""
    simulations = int(tree[ROOT]["node_visits"]) - 1
    return math.sqrt(settings.forced_playouts * float(tree[ROOT]["priors"][slot]) * simulations)


@inlined
def forced_slot(tree: Tree, settings: Settings) -> int:
    """The first slot that has been visited, but not as often as it must be; -1 when there is none."""
    root = tree[ROOT]
    for slot in range(root["num_slots"]):
        visits = int(root["visit_counts"][slot])
        if visits > 0 and root["lost"][slot] == 0 and visits < forced_visits(tree, settings, slot):
            return slot
    return -1


@inlined
def root_score(game: Game, tree: Tree, control: Control, settings: Settings, slot: int, visits: int) -> float:
    """The PUCT score that a visited root slot would have after `visits` visits, its value as it is."""
    root = tree[ROOT]
    scale, offset = value_scale(game, control, settings)
    value = scale * float(root["value_sums"][slot]) / int(root["visit_counts"][slot]) - offset
    return value + exploration_of(root, settings) * float(root["priors"][slot]) / (1 + visits)


@inlined
def unforced_visits(
    game: Game, tree: Tree, control: Control, settings: Settings, slot: int, leader: int, leading_score: float
) -> int:
    """A root slot's visits without those that only `forced_visits` made: policy target pruning (Wu 2019, section 3.2).

    As many of those are taken away as leave its score below `leading_score`, that of the most visited slot `leader`;
    what then has a single one has none.
    """
    visits = int(tree[ROOT]["visit_counts"][slot])
    if slot == leader or visits == 0:
        return visits
    least = max(0, visits - int(forced_visits(tree, settings, slot)))
    while visits > least and root_score(game, tree, control, settings, slot, visits - 1) < leading_score:
        visits -= 1
    return visits if visits > 1 else 0


@njit
def count_root_visits(
    game: Game, tree: Tree, control: Control, settings: Settings, counts: npt.NDArray[np.int64]
) -> None:
    """Write what a search's visits say of each root slot into `counts` [A]: 0 for the lost ones, and without those that
    were forced."""
    root, leader = tree[ROOT], -1
    for slot in range(root["num_slots"]):
        counts[slot] = 0 if root["lost"][slot] != 0 else int(root["visit_counts"][slot])
        if leader < 0 or counts[slot] > counts[leader]:
            leader = slot
    if not forces(control, settings) or counts[leader] == 0:
        return
    leading_score = root_score(game, tree, control, settings, leader, int(counts[leader]))
    for slot in range(root["num_slots"]):
        if counts[slot] > 0:
            counts[slot] = unforced_visits(game, tree, control, settings, slot, leader, leading_score)


@njit
def root_policy(game: Game, tree: Tree, control: Control, settings: Settings, out: FloatArray) -> None:
    """Write the policy that the search teaches into `out` [A], summing to 1 over the slots in use.

    Gumbel: softmax of the improved logits (section 4, equation 11). PUCT: the visit counts but for forced ones, and the
    same as Gumbel where every slot that was visited is lost. Proofs overrule both: all weight on the shortest proven
    win, none on losing slots while another one is left, and in a lost position on the longest defence.
    """
    num_slots = int(tree[ROOT]["num_slots"])
    out[:] = 0.0
    if tree[ROOT]["proof"] != 0:
        out[best_proven_slot(tree, ROOT)] = 1.0
        return
    most, mixed = most_visits(tree), mixed_value(tree)
    counts = np.empty(num_slots, np.int64)
    count_root_visits(game, tree, control, settings, counts)
    by_logits = settings.gumbel or counts.max() == 0
    largest = -math.inf
    for slot in range(num_slots):
        if tree[ROOT]["lost"][slot] != 0:
            out[slot] = -np.inf
        elif by_logits:
            out[slot] = improved_logit(game, tree, control, settings, slot, most, mixed)
        else:
            out[slot] = math.log(counts[slot]) if counts[slot] > 0 else -np.inf
        largest = max(largest, float(out[slot]))
    total = 0.0
    for slot in range(num_slots):
        out[slot] = math.exp(out[slot] - largest)
        total += out[slot]
    for slot in range(num_slots):
        out[slot] /= total


@njit
def policy_surprise(tree: Tree, control: Control, policy: FloatArray) -> float:
    """KL(policy || the network's priors) in nats: how far `policy` [A], which the search teaches, is from what the
    network held before it."""
    surprise = 0.0
    for slot in range(tree[ROOT]["num_slots"]):
        share = float(policy[slot])
        if share > 0.0:
            surprise += share * (math.log(share) - float(control["root_logits"][slot]))
    return max(0.0, surprise)


@njit
def best_proven_slot(tree: Tree, n: int) -> int:
    """The slot of a proven node n to play: the shortest win, a draw, or the longest loss."""
    best, best_rank = -1, -math.inf
    for slot in range(tree[n]["num_slots"]):
        child = tree[n]["children"][slot]
        if child < 0 or tree[child]["proof"] == 0:
            continue
        rank = proof_rank(tree, n, child)
        if rank > best_rank:
            best, best_rank = slot, rank
    return best


@inlined
def proof_rank(tree: Tree, n: int, child: int) -> float:
    """Orders the proven children of node n from the longest-lasting loss (least bad) to the quickest win (best)."""
    proof = float(tree[child]["proof"])
    if proof == PROVEN_DRAW:
        return 0.0
    if tree[child]["to_play"] != tree[n]["to_play"]:
        proof = -proof
    return 1.0 / proof


@inlined
def lower_bound(tree: Tree, control: Control, settings: Settings, slot: int) -> float:
    """What a visited root slot is worth at least: its value less `lcb_deviations` standard errors, the deviation
    being that of the returns since the root is the root (KataGo's LCB)."""
    visits = int(tree[ROOT]["visit_counts"][slot])
    value = float(tree[ROOT]["value_sums"][slot]) / visits
    child = tree[ROOT]["children"][slot]
    if child >= 0 and tree[child]["proof"] != 0:
        return value
    count = int(control["return_counts"][slot])
    mean = control["return_sums"][slot] / count
    variance = max(0.0, control["return_squares"][slot] / count - mean * mean)
    return value - settings.lcb_deviations * math.sqrt(variance / visits)


@inlined
def safest_slot(tree: Tree, control: Control, settings: Settings, most: int) -> int:
    """The slot that is worth most at least, of those visited often enough to tell; -1 where none is."""
    best, best_bound = -1, -math.inf
    for slot in range(tree[ROOT]["num_slots"]):
        often = tree[ROOT]["visit_counts"][slot] >= _LCB_VISIT_SHARE * most
        if tree[ROOT]["lost"][slot] == 0 and often and control["return_counts"][slot] >= _LCB_LEAST_RETURNS:
            bound = lower_bound(tree, control, settings, slot)
            if bound > best_bound:
                best, best_bound = slot, bound
    return best


@njit
def best_slot(game: Game, tree: Tree, control: Control, settings: Settings) -> int:
    """The slot to play: a proven result as above; else the most visited of those not lost, where forced visits do not
    count. Ties go by the improved logit plus the root's Gumbel variates (section 3: with noise this samples from the
    improved policy).

    A PUCT search without noise may be told to play what is worth most at least: `safest_slot`.
    A noisy PUCT search with a temperature draws instead, with weights visits ** (1 / temperature): the largest of
    logarithms of weights plus Gumbel variates is such a draw.
    """
    if tree[ROOT]["proof"] != 0:
        return best_proven_slot(tree, ROOT)
    most, mixed = most_visits(tree), mixed_value(tree)
    if settings.lcb_deviations > 0.0 and not settings.gumbel and not control["noisy"]:
        safest = safest_slot(tree, control, settings, most)
        if safest >= 0:
            return safest
    counts = np.empty(int(tree[ROOT]["num_slots"]), np.int64)
    count_root_visits(game, tree, control, settings, counts)
    drawn = control["noisy"] and not settings.gumbel and settings.temperature > 0.0 and counts.max() > 0
    best, best_visits, best_score = -1, -1, -math.inf
    for slot in range(tree[ROOT]["num_slots"]):
        if tree[ROOT]["lost"][slot] != 0:
            continue
        visits = int(counts[slot])
        score = improved_logit(game, tree, control, settings, slot, most, mixed) + control["gumbels"][slot]
        if drawn:
            score = control["gumbels"][slot] + math.log(visits) / settings.temperature if visits > 0 else -math.inf
            visits = 0
        if visits > best_visits or (visits == best_visits and score > best_score):
            best, best_visits, best_score = slot, visits, score
    return best


@njit
def root_value(tree: Tree) -> float:
    """The search's value of the root for its player to move: the proven one, else the mean return."""
    proof = int(tree[ROOT]["proof"])
    return proven_value(proof) if proof != 0 else node_value(tree[ROOT])


@njit
def taught_value(game: Game, tree: Tree, control: Control, settings: Settings) -> float:
    """What the search teaches of the root's value, for its player to move: the proven one; PUCT: the mean return.

    Gumbel: the slots' values in the mean of the improved policy, v_mix standing for those unvisited (section 4). The
    mean return would be that of sequential halving, which visits bad moves nearly as often as good ones.
    """
    if tree[ROOT]["proof"] != 0 or not settings.gumbel:
        return root_value(tree)
    most, mixed = most_visits(tree), mixed_value(tree)
    largest, total, value = -math.inf, 0.0, 0.0
    for slot in range(tree[ROOT]["num_slots"]):
        if tree[ROOT]["lost"][slot] != 0:
            continue
        logit = improved_logit(game, tree, control, settings, slot, most, mixed)
        if logit > largest:
            scale = math.exp(largest - logit)
            total, value, largest = total * scale, value * scale, logit
        weight = math.exp(logit - largest)
        visits = tree[ROOT]["visit_counts"][slot]
        total += weight
        value += weight * (tree[ROOT]["value_sums"][slot] / visits if visits > 0 else mixed)
    return value / total
