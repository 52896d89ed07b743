"""The search once more, slow and obvious: one tree of Python objects, lists of returns, no arrays.

Shares nothing with rl/search but the random numbers. What every function should do is told by the papers named in
`rl.search.roots` and `rl.search.kernels`; where they leave a choice (ties, what an unvisited action is worth), the
docstrings there do.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from games.base import FloatArray, Game, HashArray, State
from rl.search.driver import SearchConfig
from rl.search.random import dirichlet, gumbel, random_bits

Evaluate = Callable[[State], tuple[FloatArray, float]]
"""(prior logits [num_actions], value) of a state."""


@dataclass
class Edge:
    """One legal action of a node."""

    action: int
    prior: float
    returns: list[float] = field(default_factory=list)
    child: Node | None = None


@dataclass
class Node:
    """One position."""

    state: State
    history: list[int]
    """Hashes of the positions before it."""
    reward: float = 0.0
    terminated: bool = False
    value: float = 0.0
    """The network's."""
    edges: list[Edge] = field(default_factory=list)
    outcome: int | None = None
    """Proven: 1 win, 0 draw, -1 loss for the player to move."""
    plies: int = 0
    """Until the proven win or loss."""

    @property
    def to_play(self) -> int:
        return int(self.state["to_play"])

    @property
    def visits(self) -> int:
        return 1 + sum(len(edge.returns) for edge in self.edges)


def seen_from(node: Node, child: Node) -> int:
    """1 or -1: what turns a value of the child into one of the node."""
    return 1 if child.to_play == node.to_play else -1


def is_lost(node: Node, edge: Edge) -> bool:
    """Whether the action is proven to lose."""
    child = edge.child
    return child is not None and child.outcome is not None and seen_from(node, child) * child.outcome < 0


def edge_value(node: Node, edge: Edge) -> float:
    """What a visited action is worth: the outcome where proven, else the mean of the returns."""
    child = edge.child
    if child is not None and child.outcome is not None:
        return float(seen_from(node, child) * child.outcome)
    return sum(edge.returns) / len(edge.returns)


def node_value(node: Node) -> float:
    """The mean of the network's value and of all returns."""
    visited = [edge for edge in node.edges if edge.returns]
    return (node.value + sum(edge_value(node, edge) * len(edge.returns) for edge in visited)) / node.visits


def prove(node: Node) -> tuple[int | None, int]:
    """(outcome, plies) of a node from its children's; (None, 0) while nothing is proven."""
    results = []
    for edge in node.edges:
        child = edge.child
        known = child is not None and child.outcome is not None
        results.append((seen_from(node, child) * child.outcome, child.plies + 1) if known else None)  # type: ignore
    wins = [result[1] for result in results if result is not None and result[0] == 1]
    if wins:
        return 1, min(wins)
    if None in results:
        return None, 0
    if any(result is not None and result[0] == 0 for result in results):
        return 0, 0
    return -1, max(result[1] for result in results if result is not None)


def halving(num_considered: int, num_simulations: int) -> list[int]:
    """How often the action that each simulation takes has been visited before, by sequential halving.

    Rounds start with all considered actions and go on with the better half, never fewer than two; each round gets an
    equal share of the simulations, and each of its actions is visited at least once.
    """
    num_rounds = max(1, math.ceil(math.log2(num_considered)))
    wanted: list[int] = []
    alive, visits = num_considered, 0
    while len(wanted) < num_simulations:
        for _ in range(max(1, num_simulations // (num_rounds * alive))):
            wanted += [visits] * alive
            visits += 1
        alive = max(2, alive // 2) if num_considered > 1 else 1
    return wanted[:num_simulations]


@dataclass
class Found:
    """What a search found, an entry an action in the order of the root's edges."""

    actions: list[int]
    visit_counts: list[int]
    priors: list[float]
    policy: list[float]
    values: list[float]
    """NaN where unvisited."""
    root_value: float
    taught_value: float
    proof: int
    """As in `SearchResult.proofs`."""
    best_action: int


class Twin:
    """One search from one position."""

    def __init__(
        self,
        game: Game,
        config: SearchConfig,
        evaluate: Evaluate,
        state: State,
        *,
        history: HashArray | None = None,
        key: int = 0,
        noisy: bool = False,
    ) -> None:
        self.game, self.config, self.evaluate = game, config, evaluate
        self.key, self.noisy = np.uint64(key), noisy
        self.root = Node(copy.deepcopy(state), [] if history is None else [int(bits) for bits in history])
        self.low, self.high = (math.inf, -math.inf) if game.value_bounds is None else game.value_bounds
        self.simulations = 0
        self.logits: list[float] = []
        self.gumbels: list[float] = []
        self.inherited: dict[int, int] = {}
        """Returns by root action from before the root was the root."""

    # --- the search -------------------------------------------------------------------------------------------------

    def run(self, budget: int) -> Found:
        """Simulate until the root has `budget` evaluations or is proven; Gumbel plans anew for a new budget."""
        if self.root.edges:
            self.plan(budget)
        while self.simulations < budget and self.root.outcome is None:
            if self.simulations == 0:
                self.expand(self.root)
                self.prepare_root(budget)
            else:
                self.simulate()
            self.simulations += 1
        if self.root.outcome == 1 and self.root.plies > 1:
            self.win_at_once()
        return self.found()

    def win_at_once(self) -> None:
        """Try the root's untried actions in order, for one that ends the game, until a win in one ply is known."""
        for edge in self.root.edges:
            if edge.child is None and self.root.plies > 1:
                child = self.step(self.root, edge.action)
                if child.terminated:
                    edge.child = child
                    self.backup([(self.root, edge)], 0.0)

    def simulate(self) -> None:
        path: list[tuple[Node, Edge]] = []
        node = self.root
        while True:
            edge = self.select_root() if node is self.root else self.select_puct(node, self.config.fpu_reduction)
            path.append((node, edge))
            if edge.child is None:
                node = edge.child = self.step(node, edge.action)
                if not node.terminated:
                    self.expand(node)
                break
            node = edge.child
            if node.terminated or node.outcome is not None:
                break
        self.backup(path, node.value)

    def step(self, parent: Node, action: int) -> Node:
        states = np.array([parent.state], self.game.state_dtype)
        history = np.array(parent.history, np.uint64)
        reward, terminated = self.game.step(states[0], action, history)
        past = [*parent.history, int(self.game.history_hash(parent.state))] if self.game.uses_history else []
        child = Node(states[0], past, float(reward), bool(terminated))
        if terminated and self.game.proves:
            child.outcome = int(reward) * seen_from(parent, child)
        return child

    def expand(self, node: Node) -> None:
        mask = np.zeros(self.game.num_actions, np.bool_)
        self.game.legal_actions(node.state, np.array(node.history, np.uint64), mask)
        logits, value = self.evaluate(node.state)
        legal = [int(action) for action in np.flatnonzero(mask)]
        weights = [math.exp(float(logits[action]) - max(float(logits[other]) for other in legal)) for action in legal]
        node.edges = [Edge(action, weight / sum(weights)) for action, weight in zip(legal, weights, strict=True)]
        node.value = float(value)

    def backup(self, path: list[tuple[Node, Edge]], value: float) -> None:
        for node, edge in reversed(path):
            child = edge.child
            assert child is not None
            if child.outcome is not None:
                value = float(seen_from(node, child) * child.outcome)
            else:
                value = child.reward + self.game.discount * seen_from(node, child) * value
            edge.returns.append(value)
            if self.game.value_bounds is None:
                self.low, self.high = min(self.low, value), max(self.high, value)
            if self.game.proves:
                node.outcome, node.plies = prove(node)

    # --- choosing ---------------------------------------------------------------------------------------------------

    def normalised(self, value: float) -> float:
        """A value on [-1, 1]."""
        return (value - self.low) / (self.high - self.low) * 2 - 1 if self.high > self.low else 0.0

    def select_puct(self, node: Node, fpu_reduction: float) -> Edge:
        visited_mass = sum(edge.prior for edge in node.edges if edge.returns)
        urgency = self.normalised(node_value(node)) - fpu_reduction * math.sqrt(visited_mass)

        def score(edge: Edge) -> tuple[float, bool]:
            value = self.normalised(edge_value(node, edge)) if edge.returns else urgency
            return value + self.exploration(node) * edge.prior / (1 + len(edge.returns)), bool(edge.returns)

        return max((edge for edge in node.edges if not is_lost(node, edge)), key=score)

    def exploration(self, node: Node) -> float:
        """C(s) * sqrt(N)."""
        grown = self.config.c_puct + self.config.c_puct_growth * math.log((node.visits + 500) / 500)
        return grown * math.sqrt(node.visits)

    def forced(self, edge: Edge) -> float:
        """How often a root action that was visited has to be visited."""
        if self.config.root == "gumbel" or not self.noisy:
            return 0.0
        return math.sqrt(self.config.forced_playouts * edge.prior * (self.root.visits - 1))

    def counts(self) -> dict[int, int]:
        """Visits by root action, without the lost ones and those that were forced."""
        root = self.root
        visits = {edge.action: len(edge.returns) for edge in root.edges if not is_lost(root, edge)}
        if not visits or not self.noisy or self.config.root == "gumbel" or self.config.forced_playouts == 0:
            return visits
        leader = max(visits, key=lambda action: visits[action])

        def score(edge: Edge, count: int) -> float:
            return self.normalised(edge_value(root, edge)) + self.exploration(root) * edge.prior / (1 + count)

        (best,) = [score(edge, len(edge.returns)) for edge in root.edges if edge.action == leader]
        for edge in root.edges:
            if edge.action == leader or not visits.get(edge.action):
                continue
            tried = range(max(0, len(edge.returns) - int(self.forced(edge))), len(edge.returns))
            kept = min((count for count in tried if score(edge, count) < best), default=len(edge.returns))
            visits[edge.action] = kept if kept > 1 else 0
        return visits

    def select_root(self) -> Edge:
        for edge in self.root.edges:
            if edge.returns and not is_lost(self.root, edge) and len(edge.returns) < self.forced(edge):
                return edge
        if self.config.root == "puct":
            return self.select_puct(self.root, self.config.root_fpu_reduction)
        wanted = self.wanted[self.simulations - 1]
        open_edges = [edge for edge in self.root.edges if not is_lost(self.root, edge)]
        considered = [edge for edge in open_edges if len(edge.returns) == wanted] or open_edges
        return max(considered, key=lambda edge: self.improved_logit(edge) + self.gumbels[self.root.edges.index(edge)])

    def prepare_root(self, budget: int) -> None:
        edges, config = self.root.edges, self.config
        self.logits = [math.log(max(edge.prior, 1e-30)) for edge in edges]
        self.plan(budget)
        gumbels, noise = (np.uint64(random_bits(self.key, np.uint64(purpose))) for purpose in (0, 1))
        self.gumbels = [gumbel(gumbels, np.uint64(index)) if self.noisy else 0.0 for index in range(len(edges))]
        if config.root == "puct" and self.noisy and config.dirichlet_fraction > 0:
            shares = np.zeros(len(edges), np.float32)
            dirichlet(noise, config.dirichlet_concentration / len(edges), shares)
            for edge, share in zip(edges, shares, strict=True):
                edge.prior = (1 - config.dirichlet_fraction) * edge.prior + config.dirichlet_fraction * float(share)

    def plan(self, budget: int) -> None:
        self.wanted = halving(min(self.config.max_considered, len(self.root.edges)), budget - 1)

    def mixed_value(self) -> float:
        """v_mix."""
        visited = [edge for edge in self.root.edges if edge.returns]
        if not visited:
            return self.root.value
        mass = sum(edge.prior for edge in visited)
        mean = sum(edge.prior * edge_value(self.root, edge) for edge in visited) / mass
        num_visits = sum(len(edge.returns) for edge in visited)
        return (self.root.value + num_visits * mean) / (1 + num_visits)

    def improved_logit(self, edge: Edge) -> float:
        value = edge_value(self.root, edge) if edge.returns else self.mixed_value()
        most = max(len(other.returns) for other in self.root.edges)
        completed = (self.normalised(value) + 1) / 2
        logit = self.logits[self.root.edges.index(edge)]
        return logit + (self.config.c_visit + most) * self.config.c_scale * completed

    # --- results ----------------------------------------------------------------------------------------------------

    def proven_edge(self) -> Edge:
        """The quickest win, else a draw, else the slowest loss."""

        def rank(edge: Edge) -> tuple[int, int]:
            child = edge.child
            if child is None or child.outcome is None:
                return -2, 0
            outcome = seen_from(self.root, child) * child.outcome
            return outcome, -outcome * child.plies

        return max(self.root.edges, key=rank)

    def policy(self) -> list[float]:
        edges = self.root.edges
        if self.root.outcome is not None:
            return [1.0 if edge is self.proven_edge() else 0.0 for edge in edges]
        left = [edge for edge in edges if not is_lost(self.root, edge)]
        counts = self.counts()
        if self.config.root == "puct" and any(counts.values()):
            return [counts.get(edge.action, 0) / sum(counts.values()) for edge in edges]
        largest = max(self.improved_logit(edge) for edge in left)
        weights = [math.exp(self.improved_logit(edge) - largest) if edge in left else 0.0 for edge in edges]
        return [weight / sum(weights) for weight in weights]

    def taught_value(self) -> float:
        if self.root.outcome is not None:
            return float(self.root.outcome)
        if self.config.root == "puct":
            return node_value(self.root)
        values = [edge_value(self.root, edge) if edge.returns else self.mixed_value() for edge in self.root.edges]
        return sum(share * value for share, value in zip(self.policy(), values, strict=True))

    def best_edge(self) -> Edge:
        if self.root.outcome is not None:
            return self.proven_edge()
        left = [index for index, edge in enumerate(self.root.edges) if not is_lost(self.root, edge)]
        visits = [self.counts().get(edge.action, 0) for edge in self.root.edges]
        if self.config.root == "puct" and self.noisy and self.config.temperature > 0 and max(visits[i] for i in left):
            drawn = [index for index in left if visits[index]]
            weights = {index: math.log(visits[index]) / self.config.temperature for index in drawn}
            return self.root.edges[max(drawn, key=lambda index: weights[index] + self.gumbels[index])]

        if self.config.root == "puct" and not self.noisy and self.config.lcb_deviations > 0:
            edges = [self.root.edges[index] for index in left]
            most = max(len(edge.returns) for edge in self.root.edges)
            often = [edge for edge in edges if len(edge.returns) >= 0.15 * most and len(self.fresh_returns(edge)) >= 8]
            if often:
                return max(often, key=self.lower_bound)

        def rank(index: int) -> tuple[int, float]:
            return visits[index], self.improved_logit(self.root.edges[index]) + self.gumbels[index]

        return self.root.edges[max(left, key=rank)]

    def fresh_returns(self, edge: Edge) -> list[float]:
        """The returns of a root's edge since the root is the root."""
        return edge.returns[self.inherited.get(edge.action, 0) :]

    def lower_bound(self, edge: Edge) -> float:
        """A root action's value less so many standard errors."""
        if edge.child is not None and edge.child.outcome is not None:
            return edge_value(self.root, edge)
        deviation = float(np.std(self.fresh_returns(edge)))
        return edge_value(self.root, edge) - self.config.lcb_deviations * deviation / math.sqrt(len(edge.returns))

    def found(self) -> Found:
        root = self.root
        outcome = root.outcome
        return Found(
            actions=[edge.action for edge in root.edges],
            visit_counts=[len(edge.returns) for edge in root.edges],
            priors=[edge.prior for edge in root.edges],
            policy=self.policy(),
            values=[edge_value(root, edge) if edge.returns else math.nan for edge in root.edges],
            root_value=node_value(root) if outcome is None else float(outcome),
            taught_value=self.taught_value(),
            proof=0 if outcome is None else outcome * root.plies if outcome else 32767,
            best_action=self.best_edge().action,
        )

    def advance(self, action: int) -> None:
        """Make the child that an action leads to the root."""
        (child,) = [edge.child for edge in self.root.edges if edge.action == action]
        assert child is not None
        self.root = child
        self.simulations = child.visits
        self.logits = [math.log(max(edge.prior, 1e-30)) for edge in child.edges]
        self.gumbels = [0.0] * len(child.edges)
        self.inherited = {edge.action: len(edge.returns) for edge in child.edges}


def agree(twin: Found, result: Any, row: int) -> None:
    """Assert that row `row` of a `SearchResult` is what the twin found."""
    used = int(result.num_slots[row])
    assert result.actions[row, :used].tolist() == twin.actions
    assert result.visit_counts[row, :used].tolist() == twin.visit_counts
    assert not result.visit_counts[row, used:].any() and not result.policy[row, used:].any()
    np.testing.assert_allclose(result.priors[row, :used], twin.priors, atol=1e-6)
    np.testing.assert_allclose(result.policy[row, :used], twin.policy, atol=1e-5)
    np.testing.assert_allclose(result.values[row, :used], twin.values, atol=1e-5)
    np.testing.assert_allclose(result.root_values[row], twin.root_value, atol=1e-5)
    np.testing.assert_allclose(result.taught_values[row], twin.taught_value, atol=1e-5)
    assert int(result.proofs[row]) == twin.proof
    assert int(result.best_actions[row]) == twin.best_action
