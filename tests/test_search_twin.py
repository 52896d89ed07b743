"""The compiled search and its slow twin do the same, simulation by simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from search_games import (
    HashedEvaluator,
    RandomGame,
    Ring,
    TwiceNim,
    Walk,
    hashed_evaluation,
    position,
    rows_of,
)
from search_twin import Evaluate, Twin, agree

import games
from games.base import Game, HashArray, State, StateArray
from rl.search.driver import Search, SearchConfig, SearchResult
from rl.search.evaluation import Evaluator

RANDOM_GAME, TWICE_NIM, WALK, RING = RandomGame(), TwiceNim(), Walk(), Ring()
TIC_TAC_TOE, CONNECT_FOUR = games.make("tic_tac_toe"), games.make("connect_four4x4")
GUMBEL, PUCT = SearchConfig(), SearchConfig(root="puct")
SAFEST = SearchConfig(root="puct", c_puct_growth=3.0, lcb_deviations=2.0)
CONFIGS = {
    "gumbel": GUMBEL,
    "gumbel of few": SearchConfig(max_considered=3, c_visit=20.0, c_scale=0.5),
    "puct": PUCT,
    "puct, growing, safest": SAFEST,
    "puct, greedy": SearchConfig(root="puct", c_puct=0.4, fpu_reduction=0.5, root_fpu_reduction=0.0),
}


class NoisySearch(Search):
    """A search whose roots explore as in self-play, tree b with the random numbers of key `seed` + b."""

    def run(
        self,
        evaluator: Evaluator,
        states: StateArray,
        num_simulations: int,
        *,
        histories: Sequence[HashArray] | None = None,
        stop: object = None,
    ) -> SearchResult:
        for b, state in enumerate(states):
            self._waves.begin(b, state, 0, self._seed + b, noisy=True)
        self._num_searched = len(states)
        return self.continue_run(evaluator, num_simulations)


def evaluation_of(game: Game) -> Evaluate:
    """What `HashedEvaluator` says, state by state."""
    observation = np.zeros(game.observation_shape, np.float32)

    def evaluate(state: State) -> tuple[np.ndarray, float]:
        game.observe(state, observation)
        return hashed_evaluation(observation, game.num_actions)

    return evaluate


def starts(game: Game, count: int) -> list[tuple[State, HashArray]]:
    """`count` different positions and what was played before them."""
    if isinstance(game, RandomGame):
        return [(game.start(number), np.zeros(0, np.uint64)) for number in range(count)]
    rng = np.random.default_rng(5)
    lines: list[list[int]] = {
        "twice_nim": [[], [0], [1, 0], [2, 1], [0, 0, 0]],
        "walk": [[], [0], [2, 2], [1, 1, 1, 1, 1, 1, 1], [0, 0]],
        "ring": [[], [0], [2, 1], [0, 1, 2], [1, 1, 1]],
        "tic_tac_toe": [[], [4], [0, 4], [0, 3, 1], [0, 1, 3, 4, 8]],
        "connect_four4x4": [[], [1], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0, 1, 2, 1]],
    }[game.name]
    assert count <= len(lines)
    return [position(game, line) for line in (lines[index] for index in rng.permutation(len(lines))[:count])]


def compare(
    game: Game, config: SearchConfig, count: int, budgets: Sequence[int], batch_size: int, **options: int
) -> None:
    """Search `count` positions together, with each budget, and each of them alone by the twin."""
    found = starts(game, count)
    states, histories = rows_of(game, [state for state, _ in found]), [history for _, history in found]
    search = Search(game, config, count, max(budgets), **options)
    evaluate = evaluation_of(game)
    for budget in budgets:
        result = search.run(HashedEvaluator(game, batch_size), states, budget, histories=histories)
        for row in range(count):
            twin = Twin(game, config, evaluate, states[row], history=histories[row])
            agree(twin.run(budget), result, row)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("game", [TIC_TAC_TOE, CONNECT_FOUR], ids=lambda game: game.name)
def test_known_games(game: Game, config: SearchConfig) -> None:
    compare(game, config, 5, [1, 2, 9, 33, 100], batch_size=5)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_random_games_where_players_move_several_times(config: SearchConfig) -> None:
    compare(RANDOM_GAME, config, 40, [1, 5, 40], batch_size=40)


@pytest.mark.compiled_only
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_many_random_games(config: SearchConfig) -> None:
    compare(RANDOM_GAME, config, 150, [3, 17, 150], batch_size=150)


@pytest.mark.parametrize("config", [GUMBEL, PUCT], ids=["gumbel", "puct"])
@pytest.mark.parametrize("game", [TWICE_NIM, WALK, RING], ids=lambda game: game.name)
def test_turns_rewards_and_histories(game: Game, config: SearchConfig) -> None:
    compare(game, config, 5, [1, 7, 60], batch_size=5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 7, 9])
def test_groups_of_trees(batch_size: int) -> None:
    """Seven trees in seven, four, three, two and one groups; never more than two batches are outstanding."""
    compare(RANDOM_GAME, GUMBEL, 7, [20], batch_size)


@pytest.mark.parametrize("cache_entries", [0, 2, 64, 4096])
@pytest.mark.parametrize("config", [GUMBEL, PUCT], ids=["gumbel", "puct"])
def test_the_cache_changes_nothing(config: SearchConfig, cache_entries: int) -> None:
    compare(TIC_TAC_TOE, config, 4, [50, 50, 20], batch_size=2, cache_entries=cache_entries)


def test_the_cache_saves_evaluations() -> None:
    states = rows_of(TIC_TAC_TOE, [TIC_TAC_TOE.new_state()])
    search = Search(TIC_TAC_TOE, PUCT, 1, 200, cache_entries=1 << 16)
    first, second, other = (HashedEvaluator(TIC_TAC_TOE, 1, network_id) for network_id in (0, 0, 1))
    search.run(first, states, 200)
    assert 1 <= len(first.num_rows) < 200, "transpositions are asked once"
    again = search.run(second, states, 200)
    assert len(second.num_rows) == 0, "all is known: no two positions share a place in so large a table"
    new = search.run(other, states, 200)
    assert len(other.num_rows) > 0, "another network is asked anew"
    assert new.visit_counts.tolist() != again.visit_counts.tolist()


@pytest.mark.parametrize("temperature", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_noise(root: str, temperature: float) -> None:
    compare_noisy(SearchConfig(root=root, temperature=temperature), 25)  # type: ignore[arg-type]


@pytest.mark.parametrize("budget", [2, 25, 90])
@pytest.mark.parametrize("forced_playouts", [0.5, 2.0, 30.0])
def test_forced_playouts(forced_playouts: float, budget: int) -> None:
    compare_noisy(SearchConfig(root="puct", forced_playouts=forced_playouts), budget)


def compare_noisy(config: SearchConfig, budget: int) -> None:
    """Search 30 positions as self-play does, and each of them alone by the twin."""
    states = rows_of(RANDOM_GAME, [state for state, _ in starts(RANDOM_GAME, 30)])
    result = NoisySearch(RANDOM_GAME, config, 30, 100, seed=11).run(HashedEvaluator(RANDOM_GAME, 30), states, budget)
    evaluate = evaluation_of(RANDOM_GAME)
    for row in range(30):
        agree(Twin(RANDOM_GAME, config, evaluate, states[row], key=11 + row, noisy=True).run(budget), result, row)


@pytest.mark.compiled_only
def test_forced_playouts_visit_more_and_teach_less_of_it() -> None:
    """What is visited because it must be is not what the policy learns."""
    states = rows_of(CONNECT_FOUR, [CONNECT_FOUR.new_state()] * 20)
    found = {
        forced: NoisySearch(CONNECT_FOUR, SearchConfig(root="puct", forced_playouts=forced), 20, 200).run(
            HashedEvaluator(CONNECT_FOUR, 20), states, 200
        )
        for forced in (0.0, 8.0)
    }
    plain, forced = found[0.0], found[8.0]
    np.testing.assert_allclose(plain.policy, plain.visit_counts / 199, atol=1e-6)
    least = np.sqrt(8.0 * forced.priors * 198)
    visited = forced.visit_counts > 0
    assert (forced.visit_counts[visited] >= np.floor(least[visited])).all()
    shares = forced.visit_counts / 199
    assert (forced.policy.max(axis=1) >= shares.max(axis=1) - 1e-6).all()
    assert forced.policy.max(axis=1).mean() > shares.max(axis=1).mean() + 0.02


def test_dirichlet_noise_changes_priors_and_keeps_their_sum() -> None:
    states = rows_of(CONNECT_FOUR, [CONNECT_FOUR.new_state()] * 2)
    evaluator = HashedEvaluator(CONNECT_FOUR, 2)
    plain = Search(CONNECT_FOUR, PUCT, 2, 4).run(evaluator, states, 4)
    noisy = NoisySearch(CONNECT_FOUR, PUCT, 2, 4).run(evaluator, states, 4)
    np.testing.assert_allclose(noisy.priors.sum(axis=1), 1.0, atol=1e-6)
    assert (np.abs(noisy.priors - plain.priors).max(axis=1) > 1e-3).all()
    assert np.abs(noisy.priors[0] - noisy.priors[1]).max() > 1e-3, "trees of different keys see different noise"


def test_temperature_draws_by_visits() -> None:
    """Of many noisy PUCT searches of one position, the share that plays an action is its share of the visits."""
    config = SearchConfig(root="puct", dirichlet_fraction=0.0)
    states = rows_of(CONNECT_FOUR, [CONNECT_FOUR.new_state()] * 300)
    result = NoisySearch(CONNECT_FOUR, config, 300, 20).run(HashedEvaluator(CONNECT_FOUR, 300), states, 20)
    assert (result.visit_counts == result.visit_counts[0]).all(), "without Dirichlet noise the trees are the same"
    played = np.bincount(result.best_actions, minlength=4) / 300
    np.testing.assert_allclose(played, result.visit_counts[0] / 19, atol=0.1)


@pytest.mark.parametrize("config", [PUCT, SAFEST], ids=["puct", "safest"])
@pytest.mark.parametrize("game", [TIC_TAC_TOE, RANDOM_GAME, WALK, RING], ids=lambda game: game.name)
def test_subtree_reuse(game: Game, config: SearchConfig) -> None:
    """Search, play the best action and another one, go on: the twin does the same."""
    count = 5
    for state, history in starts(game, count):
        states = rows_of(game, [state])
        search, evaluator = Search(game, config, 1, 90), HashedEvaluator(game, 1)
        twin = Twin(game, config, evaluation_of(game), state, history=history)
        result = search.run(evaluator, states, 30, histories=[history])
        agree(twin.run(30), result, 0)
        for budget in (45, 90):
            action = int(result.best_actions[0])
            try:
                search.advance(action)
            except ValueError:
                break  # the game ends there
            twin.advance(action)
            # Before anything is added: what is kept is all that there is.
            agree(twin.found(), search.continue_run(evaluator, 1), 0)
            result = search.continue_run(evaluator, budget)
            agree(twin.run(budget), result, 0)


@pytest.mark.parametrize("config", [GUMBEL, PUCT], ids=["gumbel", "puct"])
def test_going_on(config: SearchConfig) -> None:
    """More simulations on the same trees, in several bites; Gumbel plans anew for each budget."""
    states = rows_of(RANDOM_GAME, [state for state, _ in starts(RANDOM_GAME, 20)])
    search, evaluator = Search(RANDOM_GAME, config, 20, 60), HashedEvaluator(RANDOM_GAME, 7)
    twins = [Twin(RANDOM_GAME, config, evaluation_of(RANDOM_GAME), state) for state in states]
    search.run(evaluator, states, 9)
    for budget in (9, 10, 30, 60):
        result = search.continue_run(evaluator, budget)
        for row, twin in enumerate(twins):
            twin.run(9)
            agree(twin.run(budget), result, row)
