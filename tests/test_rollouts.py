"""The reference player against a slow twin that follows the definition, and against games solved by brute force."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest

import games
from games.base import BoolArray, Game, HashArray, State
from rl.search.random import below, random_bits
from rl.search.rollouts import DEFAULT_EXPLORATION, RolloutSearch

NO_HISTORY = np.zeros(0, np.uint64)


class Circle(Game):
    """Two players walk round a circle of seven; each moves twice in a row; no place may be entered twice.

    Actions 0 and 1 go one and two places on; action 2 gives up and loses, action 3 wins from place 5.
    """

    uses_history = True

    def __init__(self) -> None:
        self.name = "circle"
        self.state_dtype = np.dtype([("place", np.int8), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 2, 4, 4, 9

    def reset(self, state: State) -> None:
        state["place"] = state["to_play"] = state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        for action in range(2):
            mask[action] = True
            target = np.uint64((int(state["place"]) + action + 1) % 7 + 1)
            for index in range(history.size):
                if history[index] == target:
                    mask[action] = False
        mask[2] = True
        mask[3] = state["place"] == 5

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        num_moves = int(state["num_moves"]) + 1
        state["num_moves"] = num_moves
        state["to_play"] = num_moves // 2 % 2
        if action >= 2:
            return (-1.0 if action == 2 else 1.0), True
        state["place"] = (int(state["place"]) + action + 1) % 7
        return 0.0, False

    def hash(self, state: State) -> np.uint64:
        return np.uint64(state["place"] + 1)


class Orchard(Game):
    """One player, four years: each year pick apples now (reward 0.1) or plant (0.3, but only from the next year on)."""

    discount = 0.5
    zero_sum = False

    def __init__(self) -> None:
        self.name = "orchard"
        self.state_dtype = np.dtype([("trees", np.int8), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 1, 2, 2, 4

    def reset(self, state: State) -> None:
        state["trees"] = state["to_play"] = state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        mask[:] = True

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        state["num_moves"] += 1
        reward = 0.3 * state["trees"]
        if action == 0:
            reward += 0.1
        else:
            state["trees"] += 1
        return reward, state["num_moves"] == 4

    def hash(self, state: State) -> np.uint64:
        return np.uint64(state["trees"] + 1)


@dataclass
class Node:
    """A position of the twin's tree."""

    actions: list[int]
    player: int
    tried: list[Edge] = field(default_factory=list)
    visits: int = 0


@dataclass
class Edge:
    """A visited action of the twin's tree."""

    action: int
    child: Node | None = None
    visits: int = 0
    total: float = 0.0
    outcome: int | None = None


class Twin:
    """UCT with random play-outs as its paper has it, with nodes, dicts and recursion; it draws the same numbers."""

    def __init__(self, game: Game, seed: int, exploration: float) -> None:
        self.game, self.key, self.counter, self.exploration = game, np.uint64(seed), 0, exploration

    def draw(self, bound: int) -> int:
        bits = np.uint64(random_bits(self.key, np.uint64(self.counter)))
        self.counter += 1
        return int(below(bits, bound))

    def legal(self, state: State, history: list[np.uint64]) -> list[int]:
        mask = np.zeros(self.game.num_actions, np.bool_)
        self.game.legal_actions(state, np.array(history, np.uint64), mask)
        return [int(action) for action in np.flatnonzero(mask)]

    def play(self, state: State, history: list[np.uint64], action: int) -> tuple[float, bool]:
        before = self.game.hash(state)
        reward, ended = self.game.step(state, action, np.array(history, np.uint64))
        if self.game.uses_history:
            history.append(before)
        return float(reward), bool(ended)

    def roll_out(self, state: State, history: list[np.uint64]) -> float:
        """The return of random play for the player to move."""
        player, actions = int(state["to_play"]), self.legal(state, history)
        reward, ended = self.play(state, history, actions[self.draw(len(actions))])
        later = int(state["to_play"])
        if ended:
            return reward
        rest = self.roll_out(state, history)
        return reward + self.game.discount * (rest if later == player else -rest)

    def simulate(self, node: Node, state: State, history: list[np.uint64]) -> tuple[float, bool]:
        """(return for the node's player, whether it is now proven)."""
        if len(node.tried) < len(node.actions):
            first, chosen = len(node.tried), len(node.tried) + self.draw(len(node.actions) - len(node.tried))
            node.actions[first], node.actions[chosen] = node.actions[chosen], node.actions[first]
            edge = Edge(node.actions[first])
            node.tried.append(edge)
        else:
            edge = max(node.tried, key=lambda edge: self.bound(node, edge))
        reward, ended = self.play(state, history, edge.action)
        proven = ended and self.game.proves
        value = 0.0
        if not ended:
            player = int(state["to_play"])
            if edge.child is None:
                edge.child = Node(self.legal(state, history), player)
                value = self.roll_out(state, history)
            else:
                value, proven = self.simulate(edge.child, state, history)
            value *= 1 if player == node.player else -1
        value = reward + self.game.discount * value
        node.visits += 1
        edge.visits += 1
        edge.total += value
        if not proven:
            return value, False
        edge.outcome = int(value)
        outcomes = [edge.outcome for edge in node.tried]
        if value == 1:
            return value, True
        if len(outcomes) == len(node.actions) and None not in outcomes:
            return float(max(outcome for outcome in outcomes if outcome is not None)), True
        return value, False

    def bound(self, node: Node, edge: Edge) -> float:
        if edge.outcome is not None:
            return edge.outcome
        return edge.total / edge.visits + self.exploration * math.sqrt(math.log(node.visits)) / math.sqrt(edge.visits)

    def search(self, start: State, history: list[np.uint64], num_simulations: int) -> Node:
        root = Node(self.legal(start, history), int(start["to_play"]))
        for _ in range(num_simulations):
            if self.simulate(root, start.copy(), list(history))[1]:
                break
        return root


def after(game: Game, moves: list[int]) -> tuple[State, list[np.uint64]]:
    """The position after `moves`, and the hashes before it."""
    state, history = game.new_state(), list[np.uint64]()
    for action in moves:
        before = game.hash(state)
        game.step(state, action, np.array(history, np.uint64))
        history.append(before)
    return state, history if game.uses_history else []


CASES = [
    (games.make("tic_tac_toe"), []),
    (games.make("tic_tac_toe"), [4, 0, 8, 2]),
    (games.make("connect_four4x4"), []),
    (games.make("connect_four4x4"), [0, 1, 1, 2, 0, 3]),
    (Circle(), []),
    (Circle(), [1, 0, 1]),
    (Orchard(), []),
    (Orchard(), [1, 0]),
]


@pytest.mark.parametrize(("game", "moves"), CASES, ids=[f"{game.name}-{len(moves)}" for game, moves in CASES])
@pytest.mark.parametrize("seed", [1, 2**64 - 3])
def test_it_grows_the_same_tree_as_its_slow_twin(game: Game, moves: list[int], seed: int) -> None:
    state, history = after(game, moves)
    for num_simulations in (1, 3, 150):
        root = Twin(game, seed, DEFAULT_EXPLORATION).search(state, history, num_simulations)
        found = RolloutSearch(game, 200).run(state, num_simulations, seed, np.array(history, np.uint64))
        tried = len(root.tried)
        assert found.num_slots == len(root.actions)
        assert found.actions[: found.num_slots].tolist() == root.actions
        assert found.visit_counts[:tried].tolist() == [edge.visits for edge in root.tried]
        expected = [edge.total / edge.visits if edge.outcome is None else edge.outcome for edge in root.tried]
        np.testing.assert_allclose(found.values[:tried], expected, atol=1e-12)
        assert np.isnan(found.values[tried:]).all() and not found.visit_counts[tried:].any()


@cache
def minimax(board: tuple[int, ...], player: int) -> int:
    """The outcome of a tic-tac-toe position for `player`, who is to move."""
    lines = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
    if any(all(board[cell] == 2 - player for cell in line) for line in lines):
        return -1
    free = [cell for cell in range(9) if not board[cell]]
    return max((-minimax((*board[:cell], player + 1, *board[cell + 1 :]), 1 - player) for cell in free), default=0)


@pytest.mark.parametrize("moves", [[4], [4, 1], [0, 4, 8], [0, 1], [2, 4, 6, 3], [4, 0, 8, 2, 1]])
def test_what_it_proves_is_true_and_it_proves_small_positions(moves: list[int]) -> None:
    game = games.make("tic_tac_toe")
    state, _ = after(game, moves)
    found = RolloutSearch(game, 6000).run(state, 300 if len(moves) > 3 else 6000, 1)
    board, player = state["board"], int(state["to_play"])
    truth = {}
    for cell in np.flatnonzero(board == 0).tolist():
        child = board.copy()
        child[cell] = player + 1
        truth[cell] = -minimax(tuple(child.tolist()), 1 - player)
    assert truth[found.best_action] == max(truth.values())
    proven = [slot for slot in range(found.num_slots) if found.values[slot] in (-1.0, 1.0)]
    assert all(found.values[slot] == truth[int(found.actions[slot])] for slot in proven)
    if max(truth.values()) == 1:
        assert np.nanmax(found.values) == 1.0


def test_it_wins_at_once_and_stops_an_immediate_loss() -> None:
    game = games.make("connect_four")
    winning, _ = after(game, [3, 0, 3, 0, 3, 1])
    losing, _ = after(game, [3, 0, 3, 0, 3])
    search = RolloutSearch(game, 200)
    for seed in range(10):
        assert search.run(winning, 200, seed).best_action == 3
        assert search.run(losing, 200, seed).best_action == 3


def test_values_are_for_the_player_to_move() -> None:
    game = games.make("tic_tac_toe")
    search = RolloutSearch(game, 400)
    lost, _ = after(game, [0, 8, 2, 6, 4])  # X has two threats, but O is to move and has a row of its own
    ahead = search.run(game.new_state(), 400, 1)
    assert np.nanmax(ahead.values) > 0.2, "the first player is ahead in random play"
    found = search.run(lost, 400, 1)
    assert found.values[found.actions.tolist().index(7)] == 1.0, "6-7-8 is a row of O"


def test_searches_of_one_call_do_not_touch_each_other() -> None:
    game = Circle()
    positions = [after(game, moves) for moves in ([], [1], [0, 1, 1], [1, 1])]
    states = np.zeros(len(positions), game.state_dtype)
    for row, (state, _) in enumerate(positions):
        states[row] = state
    histories = [np.array(history, np.uint64) for _, history in positions]
    together = RolloutSearch(game, 50).run_many(states, 40, np.arange(4, dtype=np.uint64), histories)
    for row in range(4):
        alone = RolloutSearch(game, 40).run(states[row], 40, row, histories[row])
        assert together.best_actions[row] == alone.best_action
        assert together.visit_counts[row].tolist() == alone.visit_counts.tolist()
        np.testing.assert_array_equal(together.values[row], alone.values)


def test_the_seed_decides() -> None:
    game = games.make("connect_four4x4")
    search = RolloutSearch(game, 60)
    runs = [search.run(game.new_state(), 60, seed).visit_counts.tolist() for seed in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2]


def test_a_budget_is_spent_unless_the_root_is_proven() -> None:
    game = games.make("connect_four4x4")
    assert RolloutSearch(game, 300).run(game.new_state(), 300, 1).visit_counts.sum() == 300
    almost_won, _ = after(game, [0, 1, 0, 1, 0, 1])
    found = RolloutSearch(game, 300).run(almost_won, 300, 1)
    assert found.best_action == 0 and found.visit_counts.sum() < 300


@pytest.mark.parametrize("num_simulations", [0, -1, 11])
def test_impossible_budgets_are_refused(num_simulations: int) -> None:
    game = games.make("tic_tac_toe")
    with pytest.raises(ValueError, match="must be 1 to 10"):
        RolloutSearch(game, 10).run(game.new_state(), num_simulations, 1)
    with pytest.raises(ValueError, match="at least 1"):
        RolloutSearch(game, 0)


def test_games_that_cannot_be_rolled_out_are_refused() -> None:
    game = Orchard()
    game.value_bounds = None  # type: ignore[misc]
    with pytest.raises(ValueError, match="bounded values"):
        RolloutSearch(game, 10)
