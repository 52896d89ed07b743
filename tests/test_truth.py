"""Connect Four's solved positions are right, are the set they claim to be, and measure players."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

import games
from games.base import FloatArray, HashArray, IndexArray, StateArray, TruthPosition
from rl.arena.players import AgentPlayer, RandomPlayer, Stop
from rl.arena.truth import accuracy, spread, states_of, value_error
from rl.search.evaluation import Evaluation, UniformEvaluator
from scripts.solvers.connect_four import ActionResult, ConnectFourSolver, best_result

GAME = games.make("connect_four")
WATCHED = GAME.truth_positions()
"""What training runs are watched on."""
HELD_OUT = GAME.truth_positions(held_out=True)
"""What is reported."""
POSITIONS = WATCHED

both_sets = pytest.mark.parametrize("positions", [WATCHED, HELD_OUT], ids=["watched", "held out"])

Grid = dict[tuple[int, int], int]
"""The player at each (column, row) that holds a stone."""


def drop(grid: Grid, column: int, player: int, height: int = 6) -> Grid | None:
    """The grid after a stone in `column`, None when it is full."""
    row = sum((column, row) in grid for row in range(height))
    return None if row == height else {**grid, (column, row): player}


def has_four(grid: Grid, player: int) -> bool:
    return any(
        all(grid.get((column + step * right, row + step * up)) == player for step in range(4))
        for column, row in grid
        for right, up in ((1, 0), (0, 1), (1, 1), (1, -1))
    )


def grid_after(moves: Sequence[int], height: int = 6) -> Grid:
    grid: Grid = {}
    for ply, column in enumerate(moves):
        after = drop(grid, column, ply % 2, height)
        assert after is not None
        grid = after
    return grid


def columns_that_win(grid: Grid, player: int) -> set[int]:
    afters = {column: drop(grid, column, player) for column in range(7)}
    return {column for column, after in afters.items() if after is not None and has_four(after, player)}


# --- the tests' solver ----------------------------------------------------------------------------------------------


def slow_results(grid: Grid, player: int, width: int, height: int) -> dict[int, ActionResult]:
    """The plainest minimax there is, for a few empty cells."""
    results = {}
    for column in range(width):
        after = drop(grid, column, player, height)
        if after is None:
            continue
        if has_four(after, player):
            results[column] = ActionResult(1, 1)
        elif len(after) == width * height:
            results[column] = ActionResult(0, 0)
        else:
            answer = best_result(slow_results(after, 1 - player, width, height))
            results[column] = ActionResult(-answer.outcome, answer.plies + 1 if answer.outcome else 0)
    return results


def random_moves(width: int, height: int, num_moves: int, generator: np.random.Generator) -> list[int]:
    """The moves of a random game that has not ended after `num_moves`."""
    while True:
        moves: list[int] = []
        grid: Grid = {}
        while len(moves) < num_moves and not any(has_four(grid, player) for player in (0, 1)):
            column = int(generator.integers(width))
            if after := drop(grid, column, len(moves) % 2, height):
                grid = after
                moves.append(column)
        if len(moves) == num_moves and not any(has_four(grid, player) for player in (0, 1)):
            return moves


@pytest.mark.parametrize(("width", "height", "num_moves"), [(4, 4, 10), (5, 4, 14), (4, 5, 14), (5, 5, 19), (7, 6, 36)])
def test_the_solver_agrees_with_plain_minimax(width: int, height: int, num_moves: int) -> None:
    generator = np.random.default_rng(width * 10 + height)
    solver = ConnectFourSolver(width, height, 10_007)
    for _ in range(20):
        moves = random_moves(width, height, num_moves, generator)
        expected = slow_results(grid_after(moves, height), num_moves % 2, width, height)
        assert solver.solve(moves) == expected, moves
        best = best_result(expected)
        assert solver.best_columns(moves) == (best, tuple(c for c, result in expected.items() if result == best)), moves
        assert solver.outcomes(moves) == {column: result.outcome for column, result in expected.items()}, moves


@pytest.mark.compiled_only
def test_published_outcomes_of_small_boards() -> None:
    # John Tromp's table: all of these are drawn. On 5x4 an edge column loses, by the mirror on both sides.
    for width, height in ((4, 4), (5, 4), (5, 5)):
        assert best_result(ConnectFourSolver(width, height).solve([])).outcome == 0, (width, height)


# --- the set --------------------------------------------------------------------------------------------------------


def both_sides(position: TruthPosition) -> set[frozenset[tuple[tuple[int, int], int]]]:
    """The position and its mirror image."""
    grid = grid_after(position.moves)
    return {frozenset(grid.items()), frozenset(((6 - column, row), player) for (column, row), player in grid.items())}


def test_the_sets_are_as_they_were_asked_for() -> None:
    watched, held_out = (Counter(len(position.moves) for position in positions) for positions in (WATCHED, HELD_OUT))
    assert len(WATCHED) >= 500 and len(HELD_OUT) >= 500
    assert sorted(watched) == list(range(36))
    assert (watched[0], watched[1]) == (1, 3), "after the centre column, every answer loses"
    assert watched[2] >= 15
    assert sorted(held_out) == list(range(3, 36)), "the first plies have too few positions for two sets"
    assert len({counts[ply] for counts in (watched, held_out) for ply in range(3, 36)}) == 1, "evenly over the plies"


def test_no_position_is_in_both_sets() -> None:
    assert not set().union(*map(both_sides, WATCHED)) & set().union(*map(both_sides, HELD_OUT))


@both_sets
def test_positions_are_sound_and_distinct(positions: Sequence[TruthPosition]) -> None:
    seen: set[frozenset[tuple[tuple[int, int], int]]] = set()
    for position in positions:
        grid = grid_after(position.moves)
        assert not has_four(grid, 0) and not has_four(grid, 1), position
        values = np.array(position.action_values)
        assert values.shape == (7,)
        assert np.isnan(values).tolist() == [(column, 5) in grid for column in range(7)], position
        assert len(set(values[~np.isnan(values)])) >= 2, position
        assert set(values[~np.isnan(values)]) <= {-1.0, 0.0, 1.0}
        assert not both_sides(position) & seen, position
        seen |= both_sides(position)


def test_the_start_as_allis_and_allen_solved_it_in_1988() -> None:
    assert POSITIONS[0] == TruthPosition((), (-1.0, -1.0, 0.0, 1.0, 0.0, -1.0, -1.0))


def test_other_sizes_and_games_offer_none() -> None:
    for name in ("connect_four5x4", "tic_tac_toe"):
        for held_out in (False, True):
            assert games.make(name).truth_positions(held_out=held_out) == (), name


@both_sets
def test_random_play_and_tactics_keep_the_known_shares(positions: Sequence[TruthPosition]) -> None:
    by_random, by_tactics = [], []
    for position in positions:
        values = np.array(position.action_values)
        kept = {int(column) for column in np.flatnonzero(values == np.nanmax(values))}
        grid, player = grid_after(position.moves), len(position.moves) % 2
        legal = set(np.flatnonzero(~np.isnan(values)).tolist())
        forced = columns_that_win(grid, player) or columns_that_win(grid, 1 - player) or legal
        by_random.append(len(kept) / len(legal))
        by_tactics.append(len(kept & forced) / len(forced))
    assert np.mean(by_random) == pytest.approx(0.39, abs=0.03)
    assert np.mean(by_tactics) == pytest.approx(0.66, abs=0.03)


def disagreements(positions: Sequence[TruthPosition], solver: ConnectFourSolver) -> Iterator[TruthPosition]:
    for position in positions:
        solved = solver.outcomes(position.moves)
        if not np.array_equal(
            [solved.get(column, np.nan) for column in range(7)], position.action_values, equal_nan=True
        ):
            yield position


@both_sets
def test_late_positions_solved_again(positions: Sequence[TruthPosition]) -> None:
    late = [position for position in positions if len(position.moves) >= 32]
    assert not list(disagreements(late, ConnectFourSolver(7, 6)))


@both_sets
@pytest.mark.compiled_only
def test_a_sample_solved_again(positions: Sequence[TruthPosition]) -> None:
    sample = spread([position for position in positions if 18 <= len(position.moves) < 32], 150)
    assert len(sample) >= 100
    assert not list(disagreements(sample, ConnectFourSolver(7, 6)))


@both_sets
@pytest.mark.long
@pytest.mark.compiled_only
def test_all_from_ply_10_solved_again(positions: Sequence[TruthPosition]) -> None:
    later = [position for position in positions if len(position.moves) >= 10]
    assert not list(disagreements(later, ConnectFourSolver(7, 6, 16_000_057)))


# --- measuring players ----------------------------------------------------------------------------------------------


class ByRule:
    """A player who looks the position up and applies a rule to the values of its actions."""

    name = "by rule"

    def __init__(self, rule: Callable[[FloatArray], int]) -> None:
        self._rule = rule
        self._values = {str(state): np.array(p.action_values) for state, p in zip(*_states(), strict=True)}

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        assert len(states) == len(histories) == len(keys)
        return np.array([self._rule(self._values[str(state)]) for state in states])


def _states() -> tuple[StateArray, Sequence[TruthPosition]]:
    return states_of(GAME, POSITIONS)[0], POSITIONS


def test_a_perfect_player_keeps_all_and_the_worst_nothing() -> None:
    perfect = accuracy(GAME, POSITIONS, ByRule(lambda values: int(np.nanargmax(values))))
    worst = accuracy(GAME, POSITIONS, ByRule(lambda values: int(np.nanargmin(values))))
    assert (perfect.share, worst.share) == (1.0, 0.0)
    assert perfect.num_kept == perfect.num_asked == len(POSITIONS)
    assert perfect.interval[1] == 1.0 and perfect.interval[0] > 0.99
    assert worst.interval[0] == 0.0 and worst.interval[1] < 0.01


def test_random_play_through_the_same_door() -> None:
    result = accuracy(GAME, POSITIONS, RandomPlayer(GAME), seed=3)
    assert result.share == pytest.approx(0.39, abs=0.06)
    assert result.interval[0] < result.share < result.interval[1]
    assert sum(kept for kept, _ in result.by_ply.values()) == result.num_kept
    assert {ply: count for ply, (_, count) in result.by_ply.items()} == Counter(len(p.moves) for p in POSITIONS)
    assert list(result.by_ply) == sorted(result.by_ply)
    assert result == accuracy(GAME, POSITIONS, RandomPlayer(GAME), seed=3)


class FavouriteColumns:
    """An evaluator whose logits like the columns from the right in every position."""

    batch_size = 8
    network_id = 1

    def buffer(self) -> FloatArray:
        return np.zeros((self.batch_size, *GAME.observation_shape), np.float32)

    def submit(self, num_rows: int) -> int:
        return num_rows

    def collect(self, ticket: int) -> Evaluation:
        logits = np.arange(7, dtype=np.float32) * np.ones((ticket, 1), np.float32)
        return Evaluation(logits, np.zeros(ticket, np.float32))


def test_a_bare_policy_is_judged_by_its_favourite_legal_column() -> None:
    positions = spread(POSITIONS, 50)
    assert 25 <= len(positions) <= 50
    result = accuracy(GAME, positions, AgentPlayer(GAME, FavouriteColumns(), 1))
    expected = 0
    for position in positions:
        values = np.array(position.action_values)
        expected += values[np.flatnonzero(~np.isnan(values))[-1]] == np.nanmax(values)
    assert result.num_kept == expected


def test_a_search_that_sees_the_win_keeps_more_results_than_the_bare_uniform_policy() -> None:
    nan = float("nan")
    # X has a3 and b3, O has a2 and b2: X wins at c3 (cell 2), and before that O had to go there.
    wins = TruthPosition((0, 3, 1, 4), (nan, nan, 1.0, nan, nan, 0.0, -1.0, -1.0, -1.0))
    blocks = TruthPosition((0, 3, 1), (nan, nan, 0.0, nan, -1.0, -1.0, -1.0, -1.0, -1.0))
    game = games.make("tic_tac_toe")
    evaluator = UniformEvaluator(game, 1)
    assert accuracy(game, (wins, blocks), AgentPlayer(game, evaluator, 200)).share == 1.0
    assert accuracy(game, (blocks, wins, blocks), AgentPlayer(game, evaluator, 200)).by_ply == {3: (2, 2), 4: (1, 1)}
    assert value_error(game, (wins, blocks), evaluator) == pytest.approx(0.5)  # says 0; the truth is 1 and 0


def test_positions_are_replayed_and_spread() -> None:
    positions = tuple(TruthPosition((action,), (0.0,) * 9) for action in range(9))
    states, histories = states_of(games.make("tic_tac_toe"), positions)
    assert (np.flatnonzero(states["board"].reshape(-1)) == np.arange(9) * 10).all()
    assert [history.size for history in histories] == [0] * 9
    assert [position.moves[0] for position in spread(positions, 3)] == [0, 3, 6]
    assert spread(positions, 100) == positions
    assert spread((), 3) == ()


def test_no_positions_is_an_error() -> None:
    with pytest.raises(ValueError, match="tic_tac_toe has no solved positions"):
        accuracy(games.make("tic_tac_toe"), (), RandomPlayer(games.make("tic_tac_toe")))
