"""What a drawn position is: rebuilt from its game as it was played, with what it is to teach."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recorded_games import NO_HOLDOUT, origins, played, random_game, replayed
from small_games import NETWORK_GAMES

import games
from games.base import FloatArray, Game, IndexArray, Symmetry
from rl.replay.records import WEIGHT_SUM, GameRecord, step_dtype
from rl.replay.sampling import fill_lambda_returns, fill_returns
from rl.replay.window import Batch, Window, WindowConfig

TESTS = Path(__file__).resolve().parent
TIC_TAC_TOE = games.make("tic_tac_toe")


def assert_rebuilt(game: Game, record: GameRecord, ply: int, batch: Batch, row: int) -> int:
    """A row must be the recorded position under one symmetry, found by replaying the mapped moves; says which."""
    step = record.steps[ply]
    first = int(record.steps["num_targets"][:ply].sum())
    targets = record.targets[first : first + step["num_targets"]]
    planes, mask = np.zeros(game.observation_shape, np.float32), np.zeros(game.num_actions, np.bool_)
    for index, symmetry in enumerate(game.symmetries()):
        moves = symmetry.actions[record.steps["action"][:ply]]
        state, history = replayed(game, moves, first_player=int(symmetry.swaps_players))
        game.observe(state, planes)
        game.legal_actions(state, history, mask)
        policy = np.zeros(game.num_actions)
        policy[symmetry.actions[targets["action"]]] = targets["weight"] / 65535
        if (
            np.array_equal(batch.observations[row], planes)
            and np.array_equal(batch.legal[row], mask)
            and np.allclose(batch.policy[row], policy, atol=1e-7)
        ):
            return index
    raise AssertionError(f"ply {ply} of game {record.game_number} is not what was drawn")


@pytest.mark.parametrize("name", (*NETWORK_GAMES, "hex3", "breakthrough"))
def test_planes_legal_moves_and_policy_are_those_of_the_mapped_moves(name: str) -> None:
    game = games.make(name)
    records = {number: random_game(game, number) for number in range(8)}
    window = Window(game, NO_HOLDOUT)
    window.add_all(records.values())
    batch = window.sample(120, 9)
    seen = {assert_rebuilt(game, records[number], ply, batch, row) for row, (number, ply) in enumerate(origins(batch))}
    assert seen == set(range(len(game.symmetries())))
    np.testing.assert_allclose(batch.policy.sum(1), 1, atol=1e-6)
    assert not batch.policy[~batch.legal].any()
    for row, (number, ply) in enumerate(origins(batch)):
        steps = records[number].steps
        last = steps[-1]
        sign = 1 if last["to_play"] == steps[ply]["to_play"] else -1
        expected = {1.0: [1, 0, 0], 0.0: [0, 1, 0], -1.0: [0, 0, 1]}[float(sign * last["reward"])]
        assert batch.outcome[row].tolist() == expected


@pytest.mark.parametrize("name", ["go3", "othello4"])
def test_scores_are_those_of_the_end_for_the_player_to_move_turned_as_the_planes(name: str) -> None:
    game = games.make(name)
    records = {number: random_game(game, number) for number in range(40)}
    window = Window(game, WindowConfig(min_positions=150, holdout_fraction=0.0, trace_decay=0.0))
    window.add_all(records.values())
    assert window.num_games < 40, "the first were dropped"
    batch = window.sample(80, 9)
    assert batch.ownership is not None and batch.leads is not None
    owners = np.zeros(batch.ownership[0].size, np.int8)
    for row, (number, ply) in enumerate(origins(batch)):
        record = records[number]
        symmetry = game.symmetries()[assert_rebuilt(game, record, ply, batch, row)]
        last, _ = replayed(game, record.steps["action"].tolist())
        game.ownership(last, owners)
        sign = 1 - 2 * int(record.steps[ply]["to_play"])
        views = [owners[other.cells] for other in game.symmetries() if same_view(game, record, ply, symmetry, other)]
        assert any((batch.ownership[row].ravel() == sign * view).all() for view in views)
        assert batch.leads[row] == sign * game.score(last)


def same_view(game: Game, record: GameRecord, ply: int, one: Symmetry, other: Symmetry) -> bool:
    """Whether two symmetries show a position alike: what was drawn does not tell them apart."""
    planes, actions = np.zeros(game.observation_shape, np.float32), record.steps["action"][:ply].tolist()
    game.observe(replayed(game, actions)[0], planes)
    flat = planes.reshape(len(planes), -1)
    return bool((flat[:, one.cells] == flat[:, other.cells]).all())


def test_every_symmetry_is_drawn_equally_often() -> None:
    window = Window(TIC_TAC_TOE, NO_HOLDOUT)
    window.add(played(TIC_TAC_TOE, [0, 1, 3, 4, 6]))
    batch = window.sample(8000, 0)
    # The fourth position (stones on 0, 1 and 3, 4 next) differs under all eight symmetries, as do its planes.
    rows = batch.observations[batch.observations.sum((1, 2, 3)) == 3]
    _, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(counts) == 8
    assert (np.abs(counts - len(rows) / 8) < 5 * np.sqrt(len(rows) / 8)).all()


@pytest.mark.parametrize("trace_decay", [0.0, 0.3, 0.9, 1.0])
def test_lambda_returns_are_those_of_the_forward_view(trace_decay: float) -> None:
    """Against the definition: the mean of all n-step returns that end at a search's value, or at the end of the game,
    weighted by (1 - lambda) lambda^k, k the searches passed (Sutton and Barto 2018, equation 12.2). A detour's search
    has all the weight that is left: what followed it is none of the moves' before it (section 12.10)."""
    for number in range(30):
        generator = np.random.default_rng(number)
        steps = random_game(TIC_TAC_TOE, number).steps
        steps["root_value"] = generator.uniform(-1, 1, len(steps))
        steps["to_play"] = generator.integers(0, 2, len(steps))  # the same player may move twice
        steps["is_detour"] = steps["is_target"] & (generator.random(len(steps)) < 0.2)
        returns = np.zeros(len(steps), np.float32)
        fill_lambda_returns(steps, 1.0, trace_decay, returns)
        for ply in range(len(steps)):
            value, weight, sign = 0.0, 1.0, 1
            for later in range(ply, len(steps)):
                sign = 1 if steps[later]["to_play"] == steps[ply]["to_play"] else -1
                if steps[later]["is_detour"]:
                    value, weight = value + weight * sign * float(steps[later]["root_value"]), 0.0
                    break
                if steps[later]["is_target"]:
                    value += weight * (1 - trace_decay) * sign * float(steps[later]["root_value"])
                    weight *= trace_decay
            assert returns[ply] == pytest.approx(value + weight * sign * float(steps[-1]["reward"]), abs=1e-6)


def test_a_trace_that_does_not_decay_ends_at_the_outcome() -> None:
    """And at the search's value where a detour comes first."""
    for detours in (False, True):
        window = Window(TIC_TAC_TOE, WindowConfig(trace_decay=1.0))
        for number in range(12):
            record = random_game(TIC_TAC_TOE, number)
            record.steps["root_value"] /= 16.0  # number + ply / 256, by which rows are told apart elsewhere
            record.steps["is_detour"] = detours & record.steps["is_target"]
            window.add(record)
        batch = window.sample(200, 0)
        expected = batch.outcome[:, 0] - batch.outcome[:, 2]
        np.testing.assert_allclose(batch.lambda_returns, expected, atol=1e-6)
        assert np.isin(expected, (-1.0, 0.0, 1.0)).all() != detours


def test_replies_are_the_next_plys_policy_seen_through_the_same_symmetry() -> None:
    """All 0 at the end of a game, after a detour and where the next position has no target. Short returns are those of
    lambda 0.8."""
    records = {number: random_game(TIC_TAC_TOE, number) for number in range(40)}
    for number, record in records.items():
        record.steps["is_detour"] = record.steps["is_target"] & (number % 4 == 0)
    window = Window(TIC_TAC_TOE, NO_HOLDOUT)
    window.add_all(records.values())
    batch = window.sample(600, 3)
    num_replies = 0
    for row, (number, ply) in enumerate(origins(batch)):
        steps = records[number].steps
        pairs = {
            (
                turned(records[number], ply, side.actions),
                turned(records[number], len(steps) if steps[ply]["is_detour"] else ply + 1, side.actions),
            )
            for side in TIC_TAC_TOE.symmetries()
        }
        assert (weights_of(batch.policy[row]), weights_of(batch.replies[row])) in pairs
        num_replies += batch.replies[row].any()
        short_returns = np.zeros(len(steps), np.float32)
        fill_lambda_returns(steps, 1.0, 0.8, short_returns)
        assert batch.short_returns[row] == short_returns[ply]
    assert 200 < num_replies < 500


def weights_of(policy: FloatArray) -> tuple[int, ...]:
    return tuple(np.round(policy * WEIGHT_SUM).astype(int).tolist())


def turned(record: GameRecord, ply: int, actions: IndexArray) -> tuple[int, ...]:
    """The weights of a step's policy target, each action as `actions` names it; no step has none."""
    weights = [0] * TIC_TAC_TOE.num_actions
    ends = np.cumsum(record.steps["num_targets"])
    if ply < len(ends):
        for target in record.targets[ends[ply] - record.steps["num_targets"][ply] : ends[ply]]:
            weights[actions[target["action"]]] = int(target["weight"])
    return tuple(weights)


def outcomes_by_ply(game: Game, record: GameRecord) -> list[list[float]]:
    """The outcome of each position of a game, by its number of stones."""
    window = Window(game, NO_HOLDOUT)
    window.add(record)
    batch = window.sample(400, 0)
    stones = batch.observations.sum((1, 2, 3)).astype(int)
    return [batch.outcome[stones == ply][0].tolist() for ply in range(len(record.steps))]


def test_outcomes_are_for_the_player_to_move() -> None:
    win, draw, loss = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    # X (0, 1, 2) completes the top row with the fifth move; O's last chance is lost too.
    assert outcomes_by_ply(TIC_TAC_TOE, played(TIC_TAC_TOE, [0, 3, 1, 4, 2])) == [win, loss, win, loss, win]
    # O (2, 4, 6) completes the diagonal with the sixth.
    assert outcomes_by_ply(TIC_TAC_TOE, played(TIC_TAC_TOE, [0, 4, 1, 2, 8, 6])) == [loss, win] * 3
    # X O X / X O O / O X X
    assert outcomes_by_ply(TIC_TAC_TOE, played(TIC_TAC_TOE, [0, 1, 2, 4, 3, 5, 7, 6, 8])) == [draw] * 9


def test_returns_flip_only_where_the_player_to_move_changes_and_are_discounted() -> None:
    steps = np.zeros(5, step_dtype(TIC_TAC_TOE))
    steps["to_play"] = [0, 1, 1, 0, 0]  # both move twice in a row once, as after a pass in Othello
    steps["reward"] = [0.0, 0.25, 0.0, 0.0, 1.0]
    returns = np.zeros(5, np.float32)
    fill_returns(steps, 0.5, returns)
    # 1; 0.5 * 1, the same player; -0.5 * 0.5, the other one; 0.25 + 0.5 * -0.25; -0.5 * 0.125
    assert returns.tolist() == [-0.0625, 0.125, -0.25, 0.5, 1.0]
    fill_returns(steps, 1.0, returns)
    assert returns.tolist() == [0.75, -0.75, -1.0, 1.0, 1.0]


def test_a_discounted_outcome_is_split_so_that_its_expectation_is_the_return() -> None:
    record = played(TIC_TAC_TOE, [0, 3, 1, 4, 2])
    record.steps["reward"] = [0.0, 0.0, 0.0, 0.0, 0.25]
    assert outcomes_by_ply(TIC_TAC_TOE, record)[3:] == [[0.0, 0.75, 0.25], [0.25, 0.75, 0.0]]
    record.steps["reward"][4] = 3.0  # beyond the bounds of a board game's value
    assert outcomes_by_ply(TIC_TAC_TOE, record)[3:] == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_games_with_a_history_or_with_stored_states_are_rebuilt(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent), "NUMBA_CACHE_DIR": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, str(TESTS / "held_states.py")], capture_output=True, text=True, env=environment
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout == "as replayed\n"
