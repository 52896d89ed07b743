"""Small trees drawn and reckoned by hand, and the numbers that the papers print."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from search_games import NO_HISTORY, TwiceNim, Walk, legal_mask, position, rows_of

import games
from games.base import BoolArray, FloatArray, Game, HashArray, State
from rl.search.driver import Search, SearchConfig, SearchResult
from rl.search.evaluation import Evaluation, UniformEvaluator
from rl.search.roots import begin_halving, considered_visits
from rl.search.tree import control_dtype

TWICE_NIM, WALK, TIC_TAC_TOE = TwiceNim(), Walk(), games.make("tic_tac_toe")


class Arms(Game):
    """One player pulls one of four arms and then can only go on; nothing is ever paid. `arm` is 4 before the choice."""

    zero_sum = False

    def __init__(self) -> None:
        self.name = "arms"
        self.state_dtype = np.dtype([("arm", np.int8), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 1, 4, 4, 100
        self.observation_shape = (1, 1, 1)
        self.num_policy_planes, self.num_extra_actions = 0, 4

    def reset(self, state: State) -> None:
        state["arm"] = 4
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        for action in range(4):
            mask[action] = action == 0 or state["arm"] == 4

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        if state["arm"] == 4:
            state["arm"] = action
        state["num_moves"] += 1
        return 0.0, False

    def observe(self, state: State, observation: FloatArray) -> None:
        observation[0, 0, 0] = state["arm"]

    def hash(self, state: State) -> np.uint64:
        return np.uint64(int(state["arm"]) + 1)


ARMS = Arms()


class ToyEvaluator:
    """Everything in arm i is worth values[i], the root values[4]; the root's priors are given."""

    batch_size, network_id = 1, 0

    def __init__(self, priors: list[float], values: list[float]) -> None:
        self._logits, self._values = np.log(np.array([priors], np.float32)), values
        self._observations = np.zeros((1, 1, 1, 1), np.float32)

    def buffer(self) -> FloatArray:
        return self._observations

    def submit(self, num_rows: int) -> int:
        return num_rows

    def collect(self, ticket: int) -> Evaluation:
        return Evaluation(self._logits, np.array([self._values[int(self._observations.item())]], np.float32))


of_arms = pytest.mark.plain_only
"""The search would be compiled for these arms alone: compiled, it is compared with its twin in test_search_twin.py."""


def pull(config: SearchConfig, budget: int, priors: list[float], values: list[float]) -> SearchResult:
    """A search of the arms from their root."""
    return Search(ARMS, config, 1, 64).run(ToyEvaluator(priors, values), rows_of(ARMS, [ARMS.new_state()]), budget)


@pytest.mark.parametrize(
    ("num_considered", "num_simulations", "expected"),
    [
        (1, 5, [0, 1, 2, 3, 4]),
        (2, 5, [0, 0, 1, 1, 2]),
        (4, 8, [0, 0, 0, 0, 1, 1, 2, 2]),
        (4, 4, [0, 0, 0, 0]),
        (4, 2, [0, 0]),
        (8, 24, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]),
        (4, 16, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (3, 9, [0, 0, 0, 1, 1, 2, 2, 3, 3]),
        (
            16,
            64,
            [0] * 16
            + [1] * 8
            + [2] * 8
            + [3] * 4
            + [4] * 4
            + [5] * 4
            + [6] * 4
            + [7, 7, 8, 8, 9, 9, 10, 10]
            + [11, 11, 12, 12, 13, 13, 14, 14],
        ),
    ],
    ids=str,
)
def test_sequential_halving(num_considered: int, num_simulations: int, expected: list[int]) -> None:
    """Figure 1 of Danihelka et al. 2022 has 4 actions and 8 simulations: all four once, the better two twice more."""
    control = np.zeros(1, control_dtype(TIC_TAC_TOE, num_simulations, 0))[0]
    begin_halving(control, num_considered, num_simulations)
    assert [considered_visits(control, simulation) for simulation in range(num_simulations)] == expected


def test_sequential_halving_is_asked_in_the_middle_where_a_tree_is_kept() -> None:
    asked = [5, 6, 30, 63]
    control = np.zeros(1, control_dtype(TIC_TAC_TOE, 64, 0))[0]
    begin_halving(control, 16, 64)
    assert [considered_visits(control, simulation) for simulation in asked] == [0, 0, 2, 14]


def test_the_number_of_simulations_compiles_nothing_anew() -> None:
    assert control_dtype(TIC_TAC_TOE, 1, 0) == control_dtype(TIC_TAC_TOE, 1_000_000, 0)
    go, plies = games.make("go5"), 50  # whose history has room for a path
    assert len({control_dtype(go, simulations, plies) for simulations in (1, 64, 1024)}) == 1
    assert control_dtype(go, 1025, plies)["history"].shape[0] >= plies + 1025


@of_arms
def test_gumbel_with_four_actions_and_eight_simulations() -> None:
    r"""Without noise, with equal priors:

                     root (-0.2)
              /      |       |      \
        q   0.0     0.5    -0.5    0.25
      visits 1       3       1       3        the better half gets two more visits each
    """
    result = pull(SearchConfig(), 9, [0.25] * 4, [0.0, 0.5, -0.5, 0.25, -0.2])
    assert result.visit_counts[0].tolist() == [1, 3, 1, 3]
    assert result.values[0].tolist() == [0.0, 0.5, -0.5, 0.25]
    assert result.best_actions[0] == 1
    assert result.root_values[0] == pytest.approx((-0.2 + 0.0 + 3 * 0.5 - 0.5 + 3 * 0.25) / 9)
    # sigma(q) = (c_visit + most visits) * c_scale * (1 + q) / 2 = 53 / 2 * (1 + q)
    weights = [math.exp(26.5 * (q - 0.5)) for q in (0.0, 0.5, -0.5, 0.25)]
    np.testing.assert_allclose(result.policy[0], np.array(weights) / sum(weights), atol=1e-6)
    assert result.policy[0, 3] == pytest.approx(0.001324, abs=1e-5)


@of_arms
def test_gumbel_completes_the_values_of_unvisited_actions() -> None:
    r"""Two of four actions are considered, each is visited twice:

                     root (0.1)
              /      |       |      \
      prior  0.4    0.3     0.2     0.1
        q   -0.5    0.5   v_mix    v_mix
      visits 2       2       0       0

    v_mix = (0.1 + 4 * (0.4 * -0.5 + 0.3 * 0.5) / (0.4 + 0.3)) / 5 = (0.1 - 2 / 7) / 5 = -13 / 350
    """
    config = SearchConfig(max_considered=2, c_visit=0.0, c_scale=1.0)
    result = pull(config, 5, [0.4, 0.3, 0.2, 0.1], [-0.5, 0.5, 0.9, 0.9, 0.1])
    assert result.visit_counts[0].tolist() == [2, 2, 0, 0]
    assert np.isnan(result.values[0, 2:]).all()
    mixed = -13 / 350
    # sigma(q) = (0 + 2) * 1 * (1 + q) / 2 = 1 + q
    weights = np.array([0.4 * math.exp(-0.5), 0.3 * math.exp(0.5), 0.2 * math.exp(mixed), 0.1 * math.exp(mixed)])
    np.testing.assert_allclose(result.policy[0], weights / weights.sum(), atol=1e-6)
    assert result.best_actions[0] == 1


@of_arms
def test_one_simulation_is_the_bare_policy() -> None:
    for config in (SearchConfig(), SearchConfig(root="puct")):
        result = pull(config, 1, [0.1, 0.2, 0.4, 0.3], [0.0, 0.0, 0.0, 0.0, 0.3])
        np.testing.assert_allclose(result.policy[0], [0.1, 0.2, 0.4, 0.3], atol=1e-6)
        assert result.best_actions[0] == 2 and result.root_values[0] == result.raw_values[0] == np.float32(0.3)
        assert not result.visit_counts.any()


@of_arms
def test_puct_step_by_step() -> None:
    r"""c_puct 1, no FPU reduction: an unvisited action is worth the root's mean so far. Scores q + p sqrt(N) / (1 + n):

    N   arm 0            arm 1            arm 2           arm 3           visits arm
    1   0.00 + 0.400     0.00 + 0.300     0.00 + 0.200    0.00 + 0.100    0
    2   0.20 + 0.283     0.10 + 0.424     0.10 + 0.283    0.10 + 0.141    1
    3   0.20 + 0.346     0.60 + 0.260     0.27 + 0.346    0.27 + 0.173    1
    4   0.20 + 0.400     0.60 + 0.200     0.35 + 0.400    0.35 + 0.200    1
    5   0.20 + 0.447     0.60 + 0.168     0.40 + 0.447    0.40 + 0.224    2
    6   0.20 + 0.490     0.60 + 0.184     0.00 + 0.245    0.33 + 0.245    1
    """
    config = SearchConfig(root="puct", c_puct=1.0, fpu_reduction=0.0, root_fpu_reduction=0.0)
    priors, values = [0.4, 0.3, 0.2, 0.1], [0.2, 0.6, 0.0, 0.9, 0.0]
    expected = [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 2, 0, 0], [1, 3, 0, 0], [1, 3, 1, 0], [1, 4, 1, 0]]
    for budget, visits in enumerate(expected, start=1):
        assert pull(config, budget, priors, values).visit_counts[0].tolist() == visits
    result = pull(config, 7, priors, values)
    assert result.root_values[0] == pytest.approx((0.2 + 4 * 0.6 + 0.0) / 7)
    np.testing.assert_allclose(result.policy[0], [1 / 6, 4 / 6, 1 / 6, 0], atol=1e-6)


@of_arms
def test_first_play_urgency() -> None:
    """With the reduction an unvisited action is worth less: at N = 2 0.1 - sqrt(0.4) + 0.424 < 0.2 + 0.283."""
    config = SearchConfig(root="puct", c_puct=1.0, fpu_reduction=0.0, root_fpu_reduction=1.0)
    result = pull(config, 6, [0.4, 0.3, 0.2, 0.1], [0.2, 0.6, 0.0, 0.9, 0.0])
    assert result.visit_counts[0].tolist() == [5, 0, 0, 0]


def test_rewards_are_discounted_and_values_normalised() -> None:
    r"""Two steps before the end of the walk, at place 5; discount 3/4, the evaluator says 0 everywhere.

                     place 5 (0)
              / -1      | -1      \ +20, the end
          place 4    place 5     place 6
      q     -1         -1          20         on [-1, 20], normalised: -1, -1, 1
    visits   1          1           2
    """
    state, _ = position(WALK, [2, 2, 2, 1, 1, 1, 1, 1])
    result = Search(WALK, SearchConfig(root="puct"), 1, 64).run(UniformEvaluator(WALK, 1), rows_of(WALK, [state]), 5)
    assert result.visit_counts[0].tolist() == [1, 1, 2]
    assert result.values[0].tolist() == [-1.0, -1.0, 20.0]
    assert result.root_values[0] == pytest.approx((0 - 1 - 1 + 2 * 20) / 5)


def test_returns_of_two_steps() -> None:
    r"""One step earlier: the return of right, right is -1 + 3/4 * 20 = 14.

    place 4 (0) --  -1  --> place 5 (0) -- +20 --> the end
    """
    state, _ = position(WALK, [2, 2, 1, 1, 1, 1, 1, 1])
    search = Search(WALK, SearchConfig(root="puct"), 1, 512)
    search.run(UniformEvaluator(WALK, 1), rows_of(WALK, [state]), 400)
    root = search.trees[0, 0]
    right = search.trees[0, root["children"][2]]
    expected = 0.0  # the evaluator's value of place 5, then every return from there
    for slot in range(3):
        expected += right["value_sums"][slot]
    assert root["value_sums"][2] == pytest.approx(-1.0 * root["visit_counts"][2] + 0.75 * expected, rel=1e-4)
    assert right["value_sums"][2] == 20.0 * right["visit_counts"][2]
    assert root["visit_counts"][2] > 300 and root["value_sums"][2] / root["visit_counts"][2] > 11


# --- proofs ---------------------------------------------------------------------------------------------------------


@cache
def solve(heap: int, moved: int) -> tuple[int, int]:
    """(outcome, plies) of twice nim, by its rules, for the player to move, who has made `moved` of his two moves."""
    results = []
    for taken in range(1, min(3, heap) + 1):
        if taken == heap:
            results.append((1, 1))
            continue
        outcome, plies = solve(heap - taken, 1 - moved)
        results.append((outcome if moved == 0 else -outcome, plies + 1))
    return max(results, key=lambda result: (result[0], -result[0] * result[1]))


def test_the_hand_checked_heaps() -> None:
    r"""Four left with both moves to go: take one and then three. Five left with one move to go: lost, at best in three.

    5 (last move) - take 1 -> 4 (two moves): loses in 3      take 2, 3 -> 3, 2: loses in 2
    """
    assert solve(4, 0) == (1, 2) and solve(5, 1) == (-1, 3) and solve(3, 1) == (1, 1)


@pytest.mark.plain_only
@pytest.mark.parametrize("config", [SearchConfig(), SearchConfig(root="puct")], ids=["gumbel", "puct"])
def test_proofs_where_players_move_twice(config: SearchConfig) -> None:
    """Every position of twice nim: the outcome, the length and the move are those of its solution."""
    lines = [[], [0], [1], [2], [0, 0], [1, 1], [2, 2], [0, 0, 0], [0, 0, 1], [1, 1, 0], [2, 1, 0], [0, 0, 0, 0]]
    states = [position(TWICE_NIM, line)[0] for line in lines]
    search = Search(TWICE_NIM, config, len(states), 2000)
    result = search.run(UniformEvaluator(TWICE_NIM, 16), rows_of(TWICE_NIM, states), 2000)
    for row, state in enumerate(states):
        heap, moved = int(state["heap"]), int(state["num_moves"]) % 2
        outcome, plies = solve(heap, moved)
        proof = int(result.proofs[row])
        assert np.sign(proof) == outcome and result.root_values[row] == outcome, f"heap {heap}, {moved} moved"
        # The search stops at the first proof of a win, which need not be the shortest; it never is too short.
        assert abs(proof) >= plies if outcome > 0 else abs(proof) >= 1
        line = search.principal_variation(row, int(result.best_actions[row]))
        assert len(line) == abs(proof)
        states_after = rows_of(TWICE_NIM, [state])
        for ply, action in enumerate(line, start=1):
            reward, terminated = TWICE_NIM.step(states_after[0], action, NO_HISTORY)
            assert terminated == (ply == len(line))
        winner_moved = int(np.sign(proof)) == (1 if mover(state, len(line)) == state["to_play"] else -1)
        assert reward == 1.0 and winner_moved
        assert result.policy[row].tolist() == [float(slot == result.best_actions[row]) for slot in range(3)]


def mover(state: State, ply: int) -> int:
    """Who makes the ply-th move from a state of twice nim, counted from 1."""
    return (int(state["num_moves"]) + ply - 1) // 2 % 2


class FirstLegal(UniformEvaluator):
    """Value 0 everywhere, and nearly all of the prior on the first legal actions."""

    def collect(self, ticket: int) -> Evaluation:
        answer = super().collect(ticket)
        return answer._replace(prior_logits=answer.prior_logits - 20.0 * np.arange(9, dtype=np.float32))


@pytest.mark.plain_only
@pytest.mark.parametrize("config", [SearchConfig(max_considered=1), SearchConfig(root="puct")], ids=["gumbel", "puct"])
def test_when_all_that_was_visited_is_lost_the_rest_is_left(config: SearchConfig) -> None:
    r"""O to move: at b3 he loses to a1, at a1 he draws. Three simulations see the one and nothing of the other.

    3 O . X
    2 X O O
    1 . X X
      a b c
    """
    state, _ = position(TIC_TAC_TOE, [8, 0, 7, 4, 2, 5, 3])
    legal = np.flatnonzero(legal_mask(TIC_TAC_TOE, state))
    assert legal.tolist() == [1, 6]
    search = Search(TIC_TAC_TOE, config, 1, 64)
    result = search.run(FirstLegal(TIC_TAC_TOE, 1), rows_of(TIC_TAC_TOE, [state]), 3)
    assert result.visit_counts[0, :2].tolist() == [2, 0] and result.values[0, 0] == -1 and result.proofs[0] == 0
    assert result.policy[0].tolist() == [0.0, 1.0, *[0.0] * 7]
    assert result.best_actions[0] == legal[1]
