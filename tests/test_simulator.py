"""The search over batched simulators: the same search where both can be had, and a robot's where only it can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_checks import check_result, check_tree
from search_games import NO_HISTORY, HashedEvaluator, RandomGame, Ring, Walk, legal_mask, position, rows_of

import games
from games.base import BoolArray, FloatArray, Game, HashArray, StateArray
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import Evaluation
from rl.search.kernels import value_scale
from rl.search.proposals import ActionArray, GaussianProposer, Proposals
from rl.search.random import uniform
from rl.search.simulator import SimulatorSearch

CONNECT_FOUR, RANDOM_GAME, WALK = games.make("connect_four4x4"), RandomGame(), Walk()
GUMBEL, PUCT = SearchConfig(), SearchConfig(root="puct")


class RowByRow:
    """A compiled game as a simulator, one row after the other in plain Python."""

    rows_per_state = 1

    def __init__(self, game: Game) -> None:
        self.game = game
        self.num_rows: list[int] = []

    def reset_batch(self, states: StateArray, keys: HashArray) -> None:
        for state in states:
            self.game.reset(state)

    def step_batch(self, states: StateArray, actions: ActionArray) -> tuple[FloatArray, BoolArray]:
        self.num_rows.append(len(states))
        steps = [self.game.step(state, int(action), NO_HISTORY) for state, action in zip(states, actions, strict=True)]
        return np.array([reward for reward, _ in steps], np.float32), np.array([terminated for _, terminated in steps])

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        for state, observation in zip(states, observations, strict=True):
            self.game.observe(state, observation[0])

    def answer_batch(self, states: StateArray, answers: ActionArray) -> None:
        raise AssertionError("nobody else acts")


class AllLegal:
    """The proposals of a categorical head: every legal action with its logit."""

    def __init__(self, game: Game) -> None:
        self.game = game

    def propose(self, states: StateArray, outputs: FloatArray, keys: HashArray) -> Proposals:
        shape = len(states), self.game.num_slots
        actions, logits = np.zeros(shape, np.int16), np.zeros(shape, np.float32)
        num_slots = np.zeros(len(states), np.int64)
        for row, state in enumerate(states):
            legal = np.flatnonzero(legal_mask(self.game, state))
            actions[row, : len(legal)], logits[row, : len(legal)] = legal, outputs[row, legal]
            num_slots[row] = len(legal)
        return Proposals(actions, logits, num_slots)

    def sample(self, outputs: FloatArray, keys: HashArray) -> ActionArray:
        raise AssertionError("nobody else acts")


def starts(game: Game, count: int) -> StateArray:
    if isinstance(game, RandomGame):
        return rows_of(game, [game.start(number) for number in range(count)])
    lines = [[], [0], [1, 1], [0, 1, 2], [2, 2, 1]]
    return rows_of(game, [position(game, lines[index % 5])[0] for index in range(count)])


def batched(game: Game, config: SearchConfig, num_trees: int, room: int, **options: int) -> SimulatorSearch:
    return SimulatorSearch(game, RowByRow(game), AllLegal(game), config, num_trees, room, **options)


@pytest.mark.parametrize("batch_size", [2, 3, 5, 8])
@pytest.mark.parametrize("config", [GUMBEL, PUCT], ids=["gumbel", "puct"])
@pytest.mark.parametrize("game", [CONNECT_FOUR, RANDOM_GAME, WALK], ids=lambda game: game.name)
def test_a_compiled_game_as_a_simulator_is_searched_alike(game: Game, config: SearchConfig, batch_size: int) -> None:
    states = starts(game, 5)
    compiled, simulated = Search(game, config, 5, 40), batched(game, config, 5, 40)
    for budget in (1, 2, 40):
        expected = compiled.run(HashedEvaluator(game, batch_size), states, budget)
        found = simulated.run(HashedEvaluator(game, batch_size), states, budget)
        for name, array, other in zip(expected._fields, expected, found, strict=True):
            used = np.arange(game.num_slots) < expected.num_slots[:, None]
            mask = used if array.ndim == 2 else np.ones(len(array), np.bool_)
            if array.dtype.kind == "f":  # the compilers of two kernels may round differently
                np.testing.assert_allclose(other[mask], array[mask], atol=1e-6, err_msg=name)
            else:
                np.testing.assert_array_equal(other[mask], array[mask], err_msg=name)


def test_ends_of_games_leave_room_for_other_leaves_of_the_batch() -> None:
    states, evaluator = starts(RANDOM_GAME, 20), HashedEvaluator(RANDOM_GAME, 20)
    batched(RANDOM_GAME, PUCT, 20, 60).run(evaluator, states, 60)
    assert evaluator.num_rows[0] == 20 and np.mean(evaluator.num_rows[:5]) > 15


def test_subtrees_are_kept() -> None:
    states = starts(CONNECT_FOUR, 1)
    searches = Search(CONNECT_FOUR, PUCT, 1, 80), batched(CONNECT_FOUR, PUCT, 1, 80)
    found = []
    for search in searches:
        evaluator = HashedEvaluator(CONNECT_FOUR, 1)
        action = search.run(evaluator, states, 40).best_actions[0]
        search.advance(action)
        found.append(search.continue_run(evaluator, 80).visit_counts.tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize("leaves_per_tree", [2, 5])
@pytest.mark.parametrize("game", [CONNECT_FOUR, RANDOM_GAME], ids=lambda game: game.name)
def test_several_leaves_of_a_tree(game: Game, leaves_per_tree: int) -> None:
    states = starts(game, 3)
    search = batched(game, PUCT, 3, 50, leaves_per_tree=leaves_per_tree)
    result = search.run(HashedEvaluator(game, 2 * leaves_per_tree), states, 50)
    for row in range(3):
        check_result(game, result, row, 50, np.flatnonzero(legal_mask(game, states[row])))
        tree = search.trees[row]
        num_nodes = 1 + max(int(child) for n in range(50) for child in tree[n]["children"][: tree[n]["num_slots"]])
        check_tree(game, tree, num_nodes, NO_HISTORY)


def test_what_a_simulator_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="ring: a simulator's state rows"):
        batched(Ring(), PUCT, 1, 8)

    class Speechless(AllLegal):
        def propose(self, states: StateArray, outputs: FloatArray, keys: HashArray) -> Proposals:
            return super().propose(states, outputs, keys)._replace(num_slots=np.zeros(len(states), np.int64))

    search = SimulatorSearch(CONNECT_FOUR, RowByRow(CONNECT_FOUR), Speechless(CONNECT_FOUR), PUCT, 1, 8)
    with pytest.raises(ValueError, match="connect_four4x4: between 1 and 4 actions"):
        search.run(HashedEvaluator(CONNECT_FOUR, 1), starts(CONNECT_FOUR, 1), 8)
    with pytest.raises(ValueError):
        GaussianProposer(0, 2)
    with pytest.raises(ValueError):
        GaussianProposer(4, 2, uniform_share=1.0)


# --- a robot: continuous actions, rewards, no bounds ----------------------------------------------------------------


class PointMass(Game):
    """A mass on a plane, pushed for 0.1 s a step, is to come to rest at the origin. Lengths in metres.

    | field | unit | meaning |
    | --- | --- | --- |
    | `position` | m | from the goal |
    | `velocity` | m/s | |

    The action is an acceleration in units of 4 m/s^2, each part cut to [-1, 1]. A step pays minus the distance (m) at
    its end.
    """

    action_dtype = np.dtype((np.float32, (2,)))
    stores_states = True
    discount = 0.95
    value_bounds = None
    zero_sum = False
    rows_per_state = 1

    def __init__(self) -> None:
        self.name = "point_mass"
        fields = [("position", np.float32, (2,)), ("velocity", np.float32, (2,))]
        self.state_dtype = np.dtype([*fields, ("to_play", np.int8), ("num_moves", np.int16)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 1, 4, 8, 15
        self.observation_shape = (4, 1, 1)
        self.num_policy_planes, self.num_extra_actions = 0, 4

    def reset_batch(self, states: StateArray, keys: HashArray) -> None:
        states["velocity"], states["to_play"], states["num_moves"] = 0.0, 0, 0
        for state, key in zip(states, keys, strict=True):
            angle = 2 * np.pi * uniform(key, np.uint64(0))
            state["position"] = np.cos(angle), np.sin(angle)

    def step_batch(self, states: StateArray, actions: ActionArray) -> tuple[FloatArray, BoolArray]:
        assert actions.shape == (len(states), 2) and actions.dtype == np.float32
        states["velocity"] += 0.4 * np.clip(actions, -1, 1)
        states["position"] += 0.1 * states["velocity"]
        states["num_moves"] += 1
        distances: FloatArray = np.linalg.norm(states["position"], axis=1).astype(np.float32)
        return -distances, states["num_moves"] == self.max_num_moves

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        observations[:, 0, :2, 0, 0] = states["position"]
        observations[:, 0, 2:, 0, 0] = states["velocity"]

    def answer_batch(self, states: StateArray, answers: ActionArray) -> None:
        raise AssertionError("nobody else acts")


class HandMade:
    """Any push is as good as another (mean 0, deviation 1 before tanh); being far and fast the wrong way is bad."""

    network_id = 0

    num_numbers = 4

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self._observations = np.zeros((batch_size, self.num_numbers, 1, 1), np.float32)
        self._answers: list[Evaluation] = []

    def buffer(self) -> FloatArray:
        return self._observations

    def submit(self, num_rows: int) -> int:
        self._answers.append(self.evaluate(self._observations[:num_rows, :, 0, 0]))
        return len(self._answers) - 1

    def collect(self, ticket: int) -> Evaluation:
        return self._answers[ticket]

    def evaluate(self, rows: FloatArray) -> Evaluation:
        outputs = np.tile(np.zeros(4, np.float32), (len(rows), 1))
        coming = rows[:, :2] + 0.8 * rows[:, 2:]
        return Evaluation(outputs, (-8 * np.linalg.norm(coming, axis=1)).astype(np.float32))


def returns(policy: object, num_episodes: int) -> list[float]:
    """The sum of rewards of every episode; `policy(states, step)` gives the actions."""
    task = PointMass()
    states = np.zeros(num_episodes, task.state_dtype)
    task.reset_batch(states, np.arange(num_episodes, dtype=np.uint64))
    total = np.zeros(num_episodes)
    for step in range(task.max_num_moves):
        rewards, terminated = task.step_batch(states, policy(states, step))  # type: ignore[operator]
        total += rewards
    assert terminated.all()
    return total.tolist()


@pytest.mark.plain_only
@pytest.mark.parametrize("config", [GUMBEL, PUCT], ids=["gumbel", "puct"])
def test_a_point_mass_reaches_its_goal(config: SearchConfig) -> None:
    num_episodes, task = 4, PointMass()
    proposer = GaussianProposer(task.num_slots, 2)
    search = SimulatorSearch(task, task, proposer, config, num_episodes, 32)

    def searched(states: StateArray, step: int) -> ActionArray:
        result = search.run(HandMade(num_episodes), states, 32)
        assert result.best_actions.shape == (num_episodes, 2) and (result.num_slots == 8).all()
        assert (result.visit_counts.sum(axis=1) == 31).all()
        np.testing.assert_allclose(result.priors.sum(axis=1), 1, atol=1e-5)
        assert np.isfinite(result.root_values).all()
        return result.best_actions

    def random(states: StateArray, step: int) -> ActionArray:
        keys = np.arange(num_episodes, dtype=np.uint64) + np.uint64(1000 * step)
        return proposer.sample(np.tile(np.zeros(4, np.float32), (num_episodes, 1)), keys)

    good, bad = returns(searched, num_episodes), returns(random, num_episodes)
    assert min(good) > max(bad) and np.mean(good) > 0.6 * np.mean(bad), (good, bad)


@pytest.mark.plain_only  # compiled: test_robots_watched.py samples, test_search_invariants.py keeps subtrees
def test_sampled_actions_and_their_subtree() -> None:
    task = PointMass()
    states = np.zeros(1, task.state_dtype)
    task.reset_batch(states, np.array([5], np.uint64))
    searches = [SimulatorSearch(task, task, GaussianProposer(8, 2), PUCT, 1, 60, seed=seed) for seed in (1, 1, 2)]
    results = [search.run(HandMade(1), states, 30) for search in searches]
    np.testing.assert_array_equal(results[0].actions, results[1].actions)
    assert (results[0].actions != results[2].actions).any(), "another seed samples other actions"
    assert len(np.unique(results[0].actions[0], axis=0)) == 8
    search, result = searches[0], results[0]
    slot = int(result.visit_counts[0].argmax())
    kept = int(result.visit_counts[0, slot])
    search.advance(result.actions[0, slot])
    moved = search.continue_run(HandMade(1), kept)
    assert moved.visit_counts.sum() + 1 == kept
    expected = states.copy()
    task.step_batch(expected, result.actions[:, slot])
    assert search.trees[0, 0]["state"] == expected[0]
    assert search.continue_run(HandMade(1), 60).visit_counts.sum() == 59
    with pytest.raises(ValueError, match="no subtree"):
        search.advance(np.array([9.0, 9.0], np.float32))


def log_density(actions: np.ndarray, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """[...] of tanh of Gaussians at `actions` [..., D], by the change of variables in float64."""
    inner = np.arctanh(actions.astype(np.float64))
    gaussian = -0.5 * ((inner - means) / deviations) ** 2 - np.log(deviations * np.sqrt(2 * np.pi))
    return (gaussian - np.log1p(-(actions.astype(np.float64) ** 2))).sum(axis=-1)


@given(
    means=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    deviations=st.tuples(st.floats(0.1, 1.5), st.floats(0.1, 1.5)),
    share=st.sampled_from([0.0, 0.25, 0.5]),
)
@settings(max_examples=10)
def test_prior_logits_are_those_of_the_mixture(
    means: tuple[float, float], deviations: tuple[float, float], share: float
) -> None:
    """log pi - log beta, beta being the mixture of pi and of a uniform density of 1/4 in the square."""
    outputs = np.tile(np.array([*means, *np.log(deviations)], np.float32), (5, 1))
    found = GaussianProposer(8, 2, share).propose(np.zeros(5), outputs, np.arange(5, dtype=np.uint64))
    assert found.actions.shape == (5, 8, 2) and found.actions.dtype == np.float32 and (found.num_slots == 8).all()
    assert (np.abs(found.actions) < 1).all()
    own = np.exp(log_density(found.actions, np.array(means), np.array(deviations)))
    uniform_share = int(8 * share) / 8
    expected = np.log(own) - np.log((1 - uniform_share) * own + uniform_share / 4)
    np.testing.assert_allclose(found.prior_logits, expected, atol=2e-2)  # atanh of a float32 near 1 is not exact


def test_samples_have_the_mixture_s_density() -> None:
    """E[pi / beta] under beta is 1, and three quarters of the samples have the head's mean and deviation."""
    means, deviations = np.array([0.5, -0.8]), np.array([0.3, 1.2])
    outputs = np.tile(np.concatenate([means, np.log(deviations)]).astype(np.float32), (50, 1))
    keys, states = np.arange(50, dtype=np.uint64), np.zeros(50)
    found = GaussianProposer(40, 2).propose(states, outputs, keys)
    assert abs(np.exp(found.prior_logits.astype(np.float64)).mean() - 1) < 0.1
    own, even = found.actions[:, :30].reshape(-1, 2), found.actions[:, 30:].reshape(-1, 2)
    inner = np.arctanh(own.astype(np.float64))
    np.testing.assert_allclose(inner.mean(axis=0), means, atol=0.1)
    np.testing.assert_allclose(inner.std(axis=0), deviations, rtol=0.06)
    np.testing.assert_allclose(even.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(even.std(axis=0), 1 / np.sqrt(3), rtol=0.08)
    np.testing.assert_array_equal(
        GaussianProposer(40, 2).propose(states[3:4], outputs[3:4], keys[3:4]).actions[0], found.actions[3]
    )


# --- others that act at the same time -------------------------------------------------------------------------------


class Chase(PointMass):
    """Two on a line act at once: we go where we like, the other one as its policy says; `answer` is its next step."""

    rows_per_state = 2
    action_dtype = np.dtype((np.float32, (1,)))

    def __init__(self) -> None:
        super().__init__()
        self.name = "chase"
        fields = [("own", np.float32), ("other", np.float32), ("answer", np.float32)]
        self.state_dtype = np.dtype([*fields, ("to_play", np.int8), ("num_moves", np.int16)])
        self.num_slots, self.num_actions, self.observation_shape = 3, 2, (2, 1, 1)

    def step_batch(self, states: StateArray, actions: ActionArray) -> tuple[FloatArray, BoolArray]:
        states["own"] += actions[:, 0]
        states["other"] += states["answer"]
        states["answer"] = np.nan  # nobody may step before the other one has been asked
        states["num_moves"] += 1
        distances: FloatArray = np.abs(states["own"] - states["other"]).astype(np.float32)
        return -distances, np.zeros(len(states), np.bool_)

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        for row, (first, second) in enumerate((("own", "other"), ("other", "own"))):
            observations[:, row, 0, 0, 0], observations[:, row, 1, 0, 0] = states[first], states[second]

    def answer_batch(self, states: StateArray, answers: ActionArray) -> None:
        assert answers.shape == (len(states), 1, 1)
        states["answer"] = answers[:, 0, 0]


class Fleeing(HandMade):
    """Means tanh(0.5) away from the one that is seen, hardly any deviation."""

    num_numbers = 2

    def evaluate(self, rows: FloatArray) -> Evaluation:
        outputs = np.stack([np.where(rows[:, 0] >= rows[:, 1], 0.5, -0.5), np.full(len(rows), -20.0)], axis=1)
        return Evaluation(outputs.astype(np.float32), np.zeros(len(rows), np.float32))


@pytest.mark.plain_only
@pytest.mark.parametrize("batch_size", [2, 4, 6])
def test_others_that_act_at_once_are_played_by_their_policy(batch_size: int) -> None:
    task = Chase()
    states = np.zeros(3, task.state_dtype)
    states["other"], states["answer"] = [1.0, -1.0, 2.0], np.nan
    search = SimulatorSearch(task, task, GaussianProposer(3, 1), PUCT, 3, 20)
    result = search.run(Fleeing(batch_size), states, 20)
    assert (result.visit_counts.sum(axis=1) == 19).all()
    for tree in search.trees:
        for node in tree[1:20]:
            parent = tree[node["parent"]]["state"]
            fled = np.tanh(0.5 if parent["other"] >= parent["own"] else -0.5)
            assert abs(parent["answer"] - fled) < 1e-6
            assert abs(node["state"]["other"] - parent["other"] - fled) < 1e-6
            assert abs(node["reward"] + abs(node["state"]["own"] - node["state"]["other"])) < 1e-6


@pytest.mark.plain_only
@pytest.mark.parametrize(("least", "top"), [(0.0, 1.0), (0.25, 1.0), (2.0, -0.5)])
def test_values_that_hardly_differ_are_not_spread_over_the_whole_range(least: float, top: float) -> None:
    """A tree that has seen -10 to -9.5 has them at -1 and 1, or as near to each other as 0.5 is to `least`."""
    control = {"value_low": -10.0, "value_high": -9.5}
    numbers = SearchConfig(least_range=least).settings()
    scale, offset = value_scale(games.make("pendulum"), control, numbers)
    assert scale * -10.0 - offset == pytest.approx(-1.0) and scale * -9.5 - offset == pytest.approx(top)
    board = games.make("tic_tac_toe")
    scale, offset = value_scale(board, control, numbers)
    assert (scale * board.value_low - offset, scale * board.value_high - offset) == (-1.0, 1.0)
