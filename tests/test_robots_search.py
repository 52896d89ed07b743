"""A robot task inside the tree search: its rows are copied into nodes and stepped there, and the search moves it."""

from __future__ import annotations

import numpy as np
import pytest

import games
from games.base import FloatArray
from games.robots.arm import reach_angles, tip_of
from games.robots.game import RobotGame
from games.robots.planar_reach import LENGTH_1, LENGTH_2, RATE, TOLERANCE, TOP_SPEED
from rl.search.evaluation import Evaluation
from rl.search.proposals import GaussianProposer
from rl.search.simulator import SIMULATED, SimulatorSearch


class StraightTurns:
    """Any action is as good as another; a state is worth the return of turning both joints straight to the goal."""

    network_id = 0

    def __init__(self, game: RobotGame, batch_size: int) -> None:
        self.batch_size, self.discount = batch_size, game.discount
        self._observations = np.zeros((batch_size, *game.observation_shape), np.float32)
        self._answers: list[Evaluation] = []

    def buffer(self) -> FloatArray:
        return self._observations

    def submit(self, num_rows: int) -> int:
        values = [self._return_of(seen) for seen in self._observations[:num_rows, :, 0, 0]]
        self._answers.append(Evaluation(np.zeros((num_rows, 4), np.float32), np.array(values, np.float32)))
        return len(self._answers) - 1

    def collect(self, ticket: int) -> Evaluation:
        return self._answers[ticket]

    def _return_of(self, seen: FloatArray) -> float:
        """Of an observation: cosine and sine of both angles first, the goal behind the eight numbers of the task, in
        halves of its range."""
        angles = np.arctan2(seen[[1, 3]].astype(np.float64), seen[[0, 2]].astype(np.float64))
        goal = seen[8:10].astype(np.float64) * (LENGTH_1 + LENGTH_2)
        wanted = np.array(reach_angles(LENGTH_1, LENGTH_2, goal[0], goal[1], angles[1]))
        turns = (wanted - angles + np.pi) % (2.0 * np.pi) - np.pi
        value = 0.0
        for step in range(1, int(np.abs(turns).max() * RATE / TOP_SPEED) + 1):
            turned = np.clip(turns, -step * TOP_SPEED / RATE, step * TOP_SPEED / RATE)
            tip = np.array(tip_of(LENGTH_1, LENGTH_2, *(angles + turned)))
            value -= self.discount ** (step - 1) * float(np.linalg.norm(tip - goal))
        return value


@pytest.mark.plain_only
def test_the_search_moves_arms_to_their_goals() -> None:
    count, simulations = 12, 24
    game = games.make("planar_reach:dense")
    assert isinstance(game, RobotGame)
    states = game.new_states(np.arange(count, dtype=np.uint64) + np.uint64(40))
    before = -game.step_batch(states, np.zeros((count, 2), np.float32))[0]
    search = SimulatorSearch(game, game, GaussianProposer(8, 2), SIMULATED, count, simulations)
    for _ in range(40):
        result = search.run(StraightTurns(game, count), states, simulations)
        for tree in search.trees:
            child = next(node for node in tree[1:simulations] if node["parent"] == 0)
            expected = tree[:1]["state"].copy()
            game.step_batch(expected, tree[0]["slot_actions"][None, child["parent_slot"]])
            np.testing.assert_array_equal(expected["row"][0], child["state"]["row"])
        rewards, terminated = game.step_batch(states, result.best_actions)
        assert not terminated.any()
    assert (before > 0.1).all()
    assert (-rewards <= TOLERANCE).sum() >= 11, (before, rewards)


@pytest.mark.plain_only
def test_other_actions_are_sampled_after_every_move() -> None:
    game = games.make("planar_reach:dense")
    assert isinstance(game, RobotGame)
    states = game.new_states(np.arange(1, dtype=np.uint64))
    search = SimulatorSearch(game, game, GaussianProposer(8, 2), SIMULATED, 1, 8)

    def sampled() -> FloatArray:
        search.run(StraightTurns(game, 1), states, 8)
        return search.trees[0, 0]["slot_actions"].copy()

    first, again = sampled(), sampled()
    game.step_batch(states, np.zeros((1, 2), np.float32))
    np.testing.assert_array_equal(first, again)
    assert (first != sampled()).all()
