"""The window: which games it holds, which positions it draws, and that a drawn position is the recorded one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded_games import played, random_game, replayed
from small_games import NETWORK_GAMES

import games
from games.base import Game, Symmetry
from rl.replay.records import GameRecord, step_dtype
from rl.replay.rows import RowQueue
from rl.replay.sampling import count_copies, fill_lambda_returns, fill_returns
from rl.replay.window import Batch, Window, WindowConfig

TESTS = Path(__file__).resolve().parent
TIC_TAC_TOE = games.make("tic_tac_toe")
NO_HOLDOUT = WindowConfig(holdout_fraction=0.0, trace_decay=0.0)


def window_of(game: Game, numbers: range, config: WindowConfig = NO_HOLDOUT) -> Window:
    window = Window(game, config)
    window.add_all(random_game(game, number) for number in numbers)
    return window


def origins(batch: Batch) -> list[tuple[int, int]]:
    """(game number, ply) of each row, which `random_game` hides in root_value."""
    return [(int(value), round(value % 1 * 256)) for value in batch.lambda_returns.astype(float)]


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "size"),
    [
        (0, 250_000),
        (250_000, 250_000),
        (500_000, 340_906),
        (1_000_000, 493_790),
        (2_500_000, 866_455),
        (25_000_000, 4_333_036),
        (241_000_000, 23_183_953),
    ],
)
def test_the_window_grows_as_katago_says(total: int, size: int) -> None:
    config = WindowConfig(min_positions=250_000)
    # c (1 + beta ((N / c)**alpha - 1) / alpha) with KataGo's c = 250,000, alpha = 0.75, beta = 0.4, worked out by hand
    assert config.num_positions(total) == pytest.approx(size, abs=1)


def test_the_window_grows_ever_more_slowly_and_never_beyond_what_was_played() -> None:
    config = WindowConfig(min_positions=1000)
    sizes = [config.num_positions(total) for total in range(1000, 101_000, 1000)]
    growth = np.diff(sizes)
    assert (growth > 0).all() and growth[0] <= 400 and (np.diff(growth) <= 1).all()


def test_only_the_newest_games_stay_as_many_as_are_needed() -> None:
    config = WindowConfig(min_positions=60, holdout_fraction=0.2, trace_decay=0.0)
    window, counts = Window(TIC_TAC_TOE, config), []
    for number in range(300):
        record = random_game(TIC_TAC_TOE, number)
        counts.append(int(record.steps["is_target"].sum()))
        window.add(record)
        size = config.num_positions(sum(counts))
        held = window.num_positions + window.num_holdout_positions
        assert window.total_positions == sum(counts)
        assert held == sum(counts[-window.num_games :])
        assert held >= min(size, sum(counts))
        assert held - counts[-window.num_games] < size or window.num_games == 1
        assert window.newest_game == number
    assert window.num_games < 100
    sampled = {number for number, _ in origins(window.sample(3000, 1))}
    held_out = {number for number, _ in origins(window.sample_holdout(3000, 1))}
    held_numbers = range(300 - window.num_games, 300)
    assert held_out == {number for number in held_numbers if window.is_held_out(number)}
    assert sampled == set(held_numbers) - held_out


def test_rows_keep_their_order_whatever_is_dropped_and_memory_stays_small() -> None:
    rng = np.random.default_rng(0)
    queue, twin, end = RowQueue(np.int64), [], 0
    for _ in range(3000):
        count = int(rng.integers(0, 40))
        queue.append(np.arange(end, end + count))
        twin += range(end, end + count)
        end += count
        dropped = int(rng.integers(0, 40)) if len(twin) > 100 else 0
        queue.drop(min(dropped, len(twin)))
        del twin[: min(dropped, len(twin))]
        assert len(queue) == len(twin) and queue.end == end
    assert queue.rows.tolist() == twin
    assert queue.rows.base is not None and len(queue.rows.base) < 8 * len(twin) + 2048


# --- what is drawn ---------------------------------------------------------------------------------------------------


def test_every_target_position_is_drawn_equally_often_and_no_other() -> None:
    window = window_of(TIC_TAC_TOE, range(12))
    targets = {
        (number, int(ply))
        for number in range(12)
        for ply in np.flatnonzero(random_game(TIC_TAC_TOE, number).steps["is_target"])
    }
    num_draws = 200 * len(targets)
    drawn = [origin for key in range(4) for origin in origins(window.sample(num_draws // 4, key))]
    assert set(drawn) == targets
    counts = np.array([drawn.count(target) for target in sorted(targets)])
    chi_square = ((counts - 200.0) ** 2 / 200).sum()
    freedom = len(targets) - 1
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


def test_surprising_positions_are_drawn_more_often() -> None:
    """Half of a game's weight goes by surprise: 0, 1 and 3 of an average of 1 make weights of 0.5, 1 and 2."""
    game = games.make("tic_tac_toe")
    records = [random_game(game, number, 1.0) for number in range(400)]
    config = replace(NO_HOLDOUT, surprise_share=0.5)
    window, expected = Window(game, config), {}
    for record in records:
        surprise = np.tile([0.0, 3.0, 1.0, 0.0], 3)[: len(record.steps)].astype(np.float32)
        record.steps["surprise"] = surprise
        window.add(record)
        for ply, relative in enumerate(surprise / surprise.mean()):
            expected[record.game_number, ply] = 0.5 + 0.5 * relative
    drawn = Counter(origins(window.sample(60_000, 0)))
    num_positions = len(expected)
    assert window.total_positions == num_positions, "what is drawn more often is still one position"
    assert abs(window.num_positions - num_positions) < 5 * np.sqrt(num_positions / 4)
    by_weight: dict[float, list[int]] = {}
    for place, weight in expected.items():
        by_weight.setdefault(round(weight, 3), []).append(drawn[place])
    for weight, counts in by_weight.items():
        mean = np.mean(counts) / 60_000 * window.num_positions
        assert abs(mean - weight) < 0.02 + 5 * 0.5 / np.sqrt(len(counts)) + 0.05 * weight, (weight, mean)
        assert set(np.round(np.array(counts) / 60_000 * window.num_positions).astype(int).tolist()) <= set(range(9))


def test_without_surprise_every_target_is_drawn_alike() -> None:
    steps = random_game(TIC_TAC_TOE, 1).steps
    copies = np.zeros(len(steps), np.int64)
    count_copies(1, steps, 1.0, copies)
    assert copies.tolist() == steps["is_target"].astype(int).tolist(), "no search was surprised"
    steps["surprise"] = np.arange(len(steps))
    count_copies(1, steps, 0.0, copies)
    assert copies.tolist() == steps["is_target"].astype(int).tolist(), "nobody asks for surprise"
    window = Window(TIC_TAC_TOE, WindowConfig(holdout_fraction=1.0, surprise_share=1.0))
    window.add(random_game(TIC_TAC_TOE, 1, 1.0))
    assert window.num_holdout_positions == window.total_positions, "held-out positions are measured alike"


def test_a_batch_is_a_function_of_its_key() -> None:
    one, other = window_of(TIC_TAC_TOE, range(9)), window_of(TIC_TAC_TOE, range(9))
    for first, second in zip(one.sample(50, 2**64 - 1), other.sample(50, 2**64 - 1), strict=True):
        np.testing.assert_array_equal(first, second)
    assert origins(one.sample(50, 1)) != origins(one.sample(50, 2))
    assert origins(one.sample(50, 1))[:20] == origins(one.sample(20, 1))


def test_the_order_of_arrival_within_a_generation_does_not_matter() -> None:
    config = WindowConfig(min_positions=50, holdout_fraction=0.1)
    arrivals = [list(range(30)), list(reversed(range(30)))]
    batches = []
    for arrival in arrivals:
        window = Window(TIC_TAC_TOE, config)
        for generation in (range(0, 10), range(10, 20), range(20, 30)):
            window.add_all(random_game(TIC_TAC_TOE, number) for number in arrival if number in generation)
        batches.append((window.sample(100, 5), window.sample_holdout(100, 5)))
    for one, other in zip(*batches, strict=True):
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)


def test_about_the_asked_share_of_games_is_held_out_and_always_the_same() -> None:
    window = Window(TIC_TAC_TOE, WindowConfig(holdout_fraction=0.05))
    held_out = [number for number in range(4000) if window.is_held_out(number)]
    assert 140 < len(held_out) < 260
    assert not any(Window(TIC_TAC_TOE, NO_HOLDOUT).is_held_out(number) for number in range(4000))
    assert all(Window(TIC_TAC_TOE, WindowConfig(holdout_fraction=1.0)).is_held_out(number) for number in range(100))


def test_ages_are_counted_from_the_newest_game() -> None:
    window = window_of(TIC_TAC_TOE, range(5, 15))
    batch = window.sample(200, 0)
    assert batch.ages.tolist() == [14 - number for number, _ in origins(batch)]


def test_nothing_to_sample_is_an_error() -> None:
    window = Window(TIC_TAC_TOE, NO_HOLDOUT)
    with pytest.raises(ValueError, match="no positions"):
        window.sample(1, 0)
    window.add(random_game(TIC_TAC_TOE, 0, 0.0))
    with pytest.raises(ValueError, match="no positions"):
        window.sample(1, 0)
    with pytest.raises(ValueError, match="no positions"):
        window.sample_holdout(1, 0)


# --- what a drawn position is ----------------------------------------------------------------------------------------


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
    weighted by (1 - lambda) lambda^k, k the searches passed (Sutton and Barto 2018, equation 12.2)."""
    for number in range(30):
        generator = np.random.default_rng(number)
        steps = random_game(TIC_TAC_TOE, number).steps
        steps["root_value"] = generator.uniform(-1, 1, len(steps))
        steps["to_play"] = generator.integers(0, 2, len(steps))  # the same player may move twice
        returns = np.zeros(len(steps), np.float32)
        fill_lambda_returns(steps, 1.0, trace_decay, returns)
        for ply in range(len(steps)):
            value, weight, sign = 0.0, 1.0, 1
            for later in range(ply, len(steps)):
                sign = 1 if steps[later]["to_play"] == steps[ply]["to_play"] else -1
                if steps[later]["is_target"]:
                    value += weight * (1 - trace_decay) * sign * float(steps[later]["root_value"])
                    weight *= trace_decay
            assert returns[ply] == pytest.approx(value + weight * sign * float(steps[-1]["reward"]), abs=1e-6)


def test_a_trace_that_does_not_decay_ends_at_the_outcome() -> None:
    batch = window_of(TIC_TAC_TOE, range(12), WindowConfig(trace_decay=1.0)).sample(200, 0)
    np.testing.assert_array_equal(batch.lambda_returns, batch.outcome[:, 0] - batch.outcome[:, 2])


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


def test_actions_that_are_no_integers_are_refused() -> None:
    class Arm(type(TIC_TAC_TOE)):  # type: ignore[misc]
        action_dtype = np.dtype((np.float32, (4,)))

    with pytest.raises(TypeError, match="actions are integers"):
        Window(Arm(), NO_HOLDOUT)
