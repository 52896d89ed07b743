"""A robot task inside the tree search: its rows are copied into nodes and stepped there, and the search moves it."""

from __future__ import annotations

import numpy as np
import pytest

import games.robots
from games.base import BoolArray, FloatArray, Game, HashArray, StateArray
from games.robots.task import GoalTask
from rl.search.evaluation import Evaluation
from rl.search.proposals import ActionArray, GaussianProposer
from rl.search.simulator import SIMULATED, SimulatorSearch


class Reaching(Game):
    """PlanarReachDense as a game and as its simulator: a state is a row, and an observation has the goal in it."""

    discount = 0.95
    value_bounds = None
    zero_sum = False
    action_dtype = np.dtype((np.float32, (2,)))
    stores_states = True
    rows_per_state = 1

    def __init__(self) -> None:
        task = games.robots.make("planar_reach", dense=True)
        assert isinstance(task, GoalTask)
        self.task, self.name = task, "planar_reach_dense"
        self.state_dtype = np.dtype(
            [("row", np.float64, (task.state_size,)), ("to_play", np.int8), ("num_moves", np.int16)]
        )
        self.num_players, self.num_actions, self.num_slots = 1, 4, 8
        self.max_num_moves = task.max_episode_steps
        self.observation_shape = (task.observation_size + task.goal_size, 1, 1)
        self.num_policy_planes, self.num_extra_actions = 0, 4

    def reset_batch(self, states: StateArray, keys: HashArray) -> None:
        states["row"], states["to_play"], states["num_moves"] = self.task.new_states(keys), 0, 0

    def step_batch(self, states: StateArray, actions: ActionArray) -> tuple[FloatArray, BoolArray]:
        states["num_moves"] += 1
        return self.task.step(states["row"], actions)

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        rows = states["row"]
        seen = [self.task.observations(rows), self.task.desired_goals(rows)]
        observations[:, 0, :, 0, 0] = np.concatenate(seen, axis=1)

    def answer_batch(self, states: StateArray, answers: ActionArray) -> None:
        raise AssertionError("nobody else acts")


class NearIsGood:
    """Any action is as good as another; the value is that of staying at this distance."""

    network_id = 0

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self._observations = np.zeros((batch_size, 10, 1, 1), np.float32)
        self._answers: list[Evaluation] = []

    def buffer(self) -> FloatArray:
        return self._observations

    def submit(self, num_rows: int) -> int:
        seen = self._observations[:num_rows, :, 0, 0]
        distances = np.linalg.norm(seen[:, 6:8] - seen[:, 8:], axis=1)
        self._answers.append(Evaluation(np.zeros((num_rows, 4), np.float32), (-10 * distances).astype(np.float32)))
        return len(self._answers) - 1

    def collect(self, ticket: int) -> Evaluation:
        return self._answers[ticket]


@pytest.mark.plain_only
def test_the_search_moves_an_arm_to_its_goal() -> None:
    count, simulations = 12, 24
    reaching = Reaching()
    states = np.zeros(count, reaching.state_dtype)
    reaching.reset_batch(states, np.arange(count, dtype=np.uint64) + np.uint64(40))
    before = -reaching.step_batch(states, np.zeros((count, 2), np.float32))[0]
    search = SimulatorSearch(reaching, reaching, GaussianProposer(8, 2), SIMULATED, count, simulations)
    for _ in range(30):
        result = search.run(NearIsGood(count), states, simulations)
        for tree in search.trees:
            child = next(node for node in tree[1:simulations] if node["parent"] == 0)
            expected = tree[:1]["state"].copy()
            reaching.step_batch(expected, tree[0]["slot_actions"][None, child["parent_slot"]])
            np.testing.assert_array_equal(expected["row"][0], child["state"]["row"])
        rewards, terminated = reaching.step_batch(states, result.best_actions)
        assert not terminated.any()
    # Some would have to move away first, to unbend their elbows, and this evaluator sees no further than the distance.
    assert (-rewards < 0.1).sum() >= 4, (before, rewards)
    assert -rewards.mean() < 0.5 * before.mean()
