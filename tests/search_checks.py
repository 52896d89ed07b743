"""What must hold of every finished search, whatever the evaluator said."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from games.base import Game, HashArray, State
from rl.search.driver import SearchResult
from rl.search.tree import ROOT


def check_result(game: Game, result: SearchResult, row: int, budget: int, legal: npt.NDArray[np.int64]) -> None:
    """Sums, bounds and legality of one search of `budget` simulations; `legal` are the root's legal actions."""
    used = int(result.num_slots[row])
    assert result.actions[row, :used].tolist() == legal.tolist()
    visits = result.visit_counts[row]
    assert (visits >= 0).all() and not visits[used:].any()
    if result.proofs[row] == 0:
        assert visits.sum() + 1 == budget, "every simulation counts once"
    else:
        assert visits.sum() + 1 <= budget
    for probabilities in (result.priors[row], result.policy[row]):
        assert np.isfinite(probabilities).all() and (probabilities >= 0).all() and not probabilities[used:].any()
        assert abs(probabilities.sum() - 1) < 1e-5
    low, high = (-1e30, 1e30) if game.value_bounds is None else game.value_bounds
    values = np.append(result.values[row][visits > 0], [result.root_values[row], result.raw_values[row]])
    assert np.isfinite(values).all() and (values >= low - 1e-4).all() and (values <= high + 1e-4).all()
    assert np.isnan(result.values[row][visits == 0]).all()
    assert result.best_actions[row] in legal


def check_tree(game: Game, tree: npt.NDArray[np.void], num_nodes: int, history: HashArray) -> None:
    """Every node against the rules and against its children: counts, value sums, proofs. Nothing may be pending."""
    tolerance = 1e-4 * max(2.0, float(np.abs(tree["raw_value"][:num_nodes]).max()))
    games_so_far: dict[int, tuple[State, list[int]]] = {ROOT: (tree[ROOT]["state"], [int(bits) for bits in history])}
    total: dict[int, float] = {}  # by node: the sum of what was backed up from it, for its player to move
    for n in range(num_nodes):
        node = tree[n]
        state, past = games_so_far[n]
        assert node["state"] == state and node["to_play"] == state["to_play"]
        used = int(node["num_slots"])
        assert node["node_visits"] >= 1, "a leaf was never evaluated"
        if node["terminated"]:
            assert used == 0
            continue
        assert node["node_visits"] == 1 + node["visit_counts"][:used].sum()
        assert abs(node["priors"][:used].sum() - 1) < 1e-5
        mask = np.zeros(game.num_actions, np.bool_)
        game.legal_actions(state, np.array(past, np.uint64), mask)
        assert node["slot_actions"][:used].tolist() == np.flatnonzero(mask).tolist()
        for slot in range(used):
            child = int(node["children"][slot])
            assert (child < 0) == (node["visit_counts"][slot] == 0)
            if child < 0:
                continue
            assert n < child < num_nodes and tree[child]["parent"] == n and tree[child]["parent_slot"] == slot
            states = np.array([state], game.state_dtype)
            reward, terminated = game.step(states[0], int(node["slot_actions"][slot]), np.array(past, np.uint64))
            assert tree[child]["reward"] == np.float32(reward) and tree[child]["terminated"] == terminated
            games_so_far[child] = states[0], [*past, int(game.history_hash(state))] if game.uses_history else []
            if tree[child]["proof"] != 0:  # visits after the proof went no further
                assert tree[child]["node_visits"] <= node["visit_counts"][slot]
            elif not terminated:
                assert tree[child]["node_visits"] == node["visit_counts"][slot]
    assert len(games_so_far) == num_nodes
    for n in reversed(range(num_nodes)):
        node, used = tree[n], int(tree[n]["num_slots"])
        total[n] = float(node["raw_value"])
        if any_proof(tree, n):
            continue  # values below were exact from some visit on: sums no longer tell the history
        for slot in range(used):
            child = int(node["children"][slot])
            if child < 0:
                continue
            sign = 1.0 if tree[child]["to_play"] == node["to_play"] else -1.0
            visits = int(node["visit_counts"][slot])
            below = total[child] * visits if tree[child]["terminated"] else total[child]
            expected = visits * float(tree[child]["reward"]) + game.discount * sign * below
            assert abs(float(node["value_sums"][slot]) - expected) <= tolerance * visits
            total[n] += float(node["value_sums"][slot])
    for n in range(num_nodes):
        check_proof(tree, n)


def any_proof(tree: npt.NDArray[np.void], n: int) -> bool:
    """Whether anything in the subtree of node n is proven."""
    if tree[n]["proof"] != 0:
        return True
    children = tree[n]["children"][: tree[n]["num_slots"]]
    return any(any_proof(tree, int(child)) for child in children if child >= 0)


def check_proof(tree: npt.NDArray[np.void], n: int) -> None:
    """A node's proof, the flags and the exact value sums of its slots, from its children's proofs."""
    node: Any = tree[n]
    outcomes = []
    for slot in range(node["num_slots"]):
        child = int(node["children"][slot])
        proof = int(tree[child]["proof"]) if child >= 0 else 0
        sign = 1 if child >= 0 and tree[child]["to_play"] == node["to_play"] else -1
        outcome = None if proof == 0 else 0 if proof == 32767 else sign * (1 if proof > 0 else -1)
        outcomes.append(outcome)
        assert bool(node["lost"][slot]) == (outcome == -1)
        if outcome is not None:
            assert node["value_sums"][slot] == outcome * node["visit_counts"][slot]
    if node["terminated"]:
        return
    expected = 1 if 1 in outcomes else None if None in outcomes or not outcomes else 0 if 0 in outcomes else -1
    proof = int(node["proof"])
    assert (None if proof == 0 else 0 if proof == 32767 else np.sign(proof)) == expected
