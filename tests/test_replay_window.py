"""The window: which games it holds, and which of their positions it draws."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from recorded_games import NO_HOLDOUT, origins, random_game, window_of

import games
from rl.replay.rows import RowQueue
from rl.replay.sampling import count_copies
from rl.replay.window import Window, WindowConfig

TIC_TAC_TOE = games.make("tic_tac_toe")


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


@pytest.mark.compiled_only
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
    assert window.num_positions == num_positions
    by_weight: dict[float, list[int]] = {}
    for place, weight in expected.items():
        by_weight.setdefault(round(weight, 3), []).append(drawn[place])
    for weight, counts in by_weight.items():
        mean = np.mean(counts) / 60_000 * window.num_positions
        assert abs(mean - weight) < 0.02 + 5 * 0.5 / np.sqrt(len(counts)) + 0.05 * weight, (weight, mean)
        assert set(np.round(np.array(counts) / 60_000 * window.num_positions).astype(int).tolist()) <= set(range(9))


def test_settled_positions_are_drawn_more_often() -> None:
    """With a weight of 3: three times as often where the search is sure, twice at a half of that in the square."""
    values = np.array([0.0, 1.0, -1.0, np.sqrt(0.5), -np.sqrt(0.5)])
    steps = random_game(TIC_TAC_TOE, 1).steps[:5]
    steps["is_target"], steps["root_value"] = True, values
    counts = np.zeros(5)
    for number in range(500):
        copies = np.zeros(5, np.int64)
        count_copies(number, steps, 0.0, 3.0, copies)
        counts += copies
    # In float32 the square of sqrt(1/2) may be a hair below 1/2, so once in millions a copy is missing.
    np.testing.assert_allclose(counts / 500, 1 + 2 * values**2, atol=0.01)


@pytest.mark.compiled_only
def test_what_is_drawn_more_often_takes_no_place_from_other_games() -> None:
    plain, weighted = (
        Window(TIC_TAC_TOE, WindowConfig(min_positions=60, holdout_fraction=0.2, settled_weight=weight))
        for weight in (1.0, 4.0)
    )
    for number in range(80):
        record = random_game(TIC_TAC_TOE, number)
        record.steps["root_value"] = 1.0
        for window in (plain, weighted):
            window.add(record)
        assert (weighted.num_games, weighted.num_positions) == (plain.num_games, plain.num_positions)
        assert weighted.num_holdout_positions == plain.num_holdout_positions
    np.testing.assert_array_equal(
        weighted.sample_holdout(500, 1).observations, plain.sample_holdout(500, 1).observations
    )
    same, other = (Counter(origins(window.sample(20_000, 2))) for window in (plain, weighted))
    assert set(same) == set(other), "all are drawn alike where all are settled"


def test_without_surprise_every_target_is_drawn_alike() -> None:
    steps = random_game(TIC_TAC_TOE, 1).steps
    copies = np.zeros(len(steps), np.int64)
    count_copies(1, steps, 1.0, 1.0, copies)
    assert copies.tolist() == steps["is_target"].astype(int).tolist(), "no search was surprised"
    steps["surprise"] = np.arange(len(steps))
    count_copies(1, steps, 0.0, 1.0, copies)
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


def test_actions_that_are_no_integers_are_refused() -> None:
    class Arm(type(TIC_TAC_TOE)):  # type: ignore[misc]
        action_dtype = np.dtype((np.float32, (4,)))

    with pytest.raises(TypeError, match="actions are integers"):
        Window(Arm(), NO_HOLDOUT)
