"""What holds of every search: whatever the evaluator says, whenever it is stopped, whatever subtree is kept."""

from __future__ import annotations

from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from search_checks import check_result, check_tree
from search_games import NO_HISTORY, HashedEvaluator, RandomGame, Ring, TwiceNim, Walk, legal_mask, position, rows_of

import games
from games.base import FloatArray, Game, HashArray, State
from games.board.go import Go
from rl.errors import UserError
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import Evaluation
from rl.search.tree import ROOT

TIC_TAC_TOE = games.make("tic_tac_toe")
RANDOM_GAME = RandomGame()
GAMES: list[Game] = [TIC_TAC_TOE, RANDOM_GAME, TwiceNim(), Walk(), Ring()]
GUMBEL, PUCT = SearchConfig(), SearchConfig(root="puct")


class Adversary(HashedEvaluator):
    """Answers with whatever a broken network may say, by position: logits and values out of two lists."""

    def __init__(self, game: Game, batch_size: int, logits: list[float], values: list[float]) -> None:
        super().__init__(game, batch_size)
        self._logits, self._values = np.array(logits, np.float32), np.array(values, np.float32)

    def evaluate(self, observation: FloatArray) -> tuple[FloatArray, float]:
        number = int(np.frombuffer(observation.tobytes(), np.uint8).sum())
        numbers = (number + np.arange(self.game.num_actions) * (1 + number % 3)) % len(self._logits)
        return self._logits[numbers], float(self._values[number % len(self._values)])


def starts(game: Game) -> list[tuple[State, HashArray]]:
    """Two positions of a game."""
    if isinstance(game, RandomGame):
        return [(game.start(3), NO_HISTORY), (game.start(4), NO_HISTORY)]
    return [position(game, []), position(game, [0, 1, 2])]


def checked(game: Game, search: Search, result: Any, budget: int, histories: list[HashArray], states: Any) -> None:
    for row, (state, history) in enumerate(zip(states, histories, strict=True)):
        check_result(game, result, row, budget, np.flatnonzero(legal_mask(game, state, history)))
        check_tree(game, search.trees[row], int(search._waves.controls["num_nodes"][row]), history)


NUMBERS = st.sampled_from(
    [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.0, 0.3, 3e38, -3e38, 1e4, 88.8, 1e-40]
)


@hypothesis.settings(max_examples=150)
@hypothesis.given(
    game=st.sampled_from(GAMES),
    root=st.sampled_from(["gumbel", "puct"]),
    logits=st.lists(NUMBERS, min_size=1, max_size=5),
    values=st.lists(NUMBERS, min_size=1, max_size=5),
    budget=st.integers(1, 40),
    leaves_per_tree=st.integers(1, 4),
    batch_size=st.integers(1, 9),
    cache_entries=st.sampled_from([0, 4, 256]),
)
@hypothesis.example(TIC_TAC_TOE, "gumbel", [float("nan")], [float("nan")], 40, 1, 2, 0)
@hypothesis.example(TIC_TAC_TOE, "puct", [0.0], [0.0], 40, 4, 8, 0)
@hypothesis.example(GAMES[3], "puct", [0.0], [3e38, -3e38], 40, 1, 2, 0)
@hypothesis.example(GAMES[3], "puct", [0.0], [-3e38], 40, 3, 9, 0)
def test_adversarial_evaluators(
    game: Game,
    root: str,
    logits: list[float],
    values: list[float],
    budget: int,
    leaves_per_tree: int,
    batch_size: int,
    cache_entries: int,
) -> None:
    found = starts(game)
    states, histories = rows_of(game, [state for state, _ in found]), [history for _, history in found]
    config = SearchConfig(root=root)  # type: ignore[arg-type]
    search = Search(game, config, 2, 40, leaves_per_tree=leaves_per_tree, cache_entries=cache_entries)
    evaluator = Adversary(game, batch_size, logits, values)
    result = search.run(evaluator, states, budget, histories=histories)
    checked(game, search, result, budget, histories, states)


@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize("leaves_per_tree", [2, 3, 8])
@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_virtual_losses_are_taken_back(game: Game, leaves_per_tree: int, root: str) -> None:
    found = starts(game)
    states, histories = rows_of(game, [state for state, _ in found]), [history for _, history in found]
    config = SearchConfig(root=root, virtual_loss=0.5)  # type: ignore[arg-type]
    search = Search(game, config, 2, 60, leaves_per_tree=leaves_per_tree)
    evaluator = HashedEvaluator(game, 2 * leaves_per_tree)
    result = search.run(evaluator, states, 60, histories=histories)
    checked(game, search, result, 60, histories, states)
    if game is TIC_TAC_TOE:
        assert max(evaluator.num_rows) >= 4, "several leaves of a tree are asked at once"


@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize("leaves_per_tree", [1, 3])
def test_a_search_that_is_stopped_goes_on(leaves_per_tree: int, root: str) -> None:
    config = SearchConfig(root=root)  # type: ignore[arg-type]
    states = rows_of(RANDOM_GAME, [RANDOM_GAME.start(number) for number in range(6)])
    whole = Search(RANDOM_GAME, config, 6, 50, leaves_per_tree=leaves_per_tree)
    expected = whole.run(HashedEvaluator(RANDOM_GAME, 2 * leaves_per_tree), states, 50)
    search = Search(RANDOM_GAME, config, 6, 50, leaves_per_tree=leaves_per_tree)
    evaluator = HashedEvaluator(RANDOM_GAME, 2 * leaves_per_tree)
    asked = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) % 4 == 0

    result = search.run(evaluator, states, 50, stop=stop)
    assert (result.visit_counts.sum(axis=1) < 49).any(), "it was stopped"
    for row in range(6):
        check_tree(RANDOM_GAME, search.trees[row], int(search._waves.controls["num_nodes"][row]), NO_HISTORY)
    for _ in range(30):
        result = search.continue_run(evaluator, 50, stop=stop)
    if leaves_per_tree == 1:
        np.testing.assert_array_equal(result.visit_counts, expected.visit_counts)
    checked(RANDOM_GAME, search, result, 50, [NO_HISTORY] * 6, states)


def test_a_search_stopped_at_once_says_nothing() -> None:
    search = Search(TIC_TAC_TOE, PUCT, 1, 8)
    states = rows_of(TIC_TAC_TOE, [TIC_TAC_TOE.new_state()])
    result = search.run(HashedEvaluator(TIC_TAC_TOE, 1), states, 8, stop=lambda: True)
    assert result.num_slots[0] == 0 and not result.policy.any() and not result.visit_counts.any()


def test_trees_do_not_know_of_each_other_or_of_the_past() -> None:
    """A position is searched alike in any place, after any other search, with any company."""
    states = rows_of(RANDOM_GAME, [RANDOM_GAME.start(number) for number in range(8)])
    search, evaluator = Search(RANDOM_GAME, GUMBEL, 8, 50), HashedEvaluator(RANDOM_GAME, 8)
    together = search.run(evaluator, states, 50)
    backwards = search.run(evaluator, states[::-1].copy(), 50)
    for name, first, second in zip(together._fields, together, backwards, strict=True):
        np.testing.assert_array_equal(first, second[::-1], err_msg=name) if name != "actions" else None
    alone = search.run(evaluator, states[3:4], 50)
    np.testing.assert_array_equal(alone.visit_counts[0], together.visit_counts[3])


def test_histories_do_not_outlive_their_search() -> None:
    ring = Ring()
    state, history = position(ring, [0, 0, 0])
    search, evaluator = Search(ring, PUCT, 1, 40), HashedEvaluator(ring, 1)
    fresh = search.run(evaluator, rows_of(ring, [ring.new_state()]), 40)
    search.run(evaluator, rows_of(ring, [state]), 40, histories=[history])
    again = search.run(evaluator, rows_of(ring, [ring.new_state()]), 40)
    np.testing.assert_array_equal(fresh.visit_counts, again.visit_counts)


def test_superko_holds_within_the_tree() -> None:
    """On a small board most of a tree is captures: moves are forbidden by the game so far and by the path, alike."""
    go = Go(3, komi=0.5)
    generator = np.random.default_rng(4)
    state, history = go.new_state(), NO_HISTORY
    for _ in range(24):
        stones = np.flatnonzero(legal_mask(go, state, history))[:-1]
        before = np.append(history, np.uint64(go.history_hash(state)))
        assert not go.step(state, int(generator.choice(stones)) if len(stones) else go.num_actions - 1, history)[1]
        history = before
    search, evaluator = Search(go, PUCT, 1, 400), HashedEvaluator(go, 1)
    states = rows_of(go, [state])
    result = search.run(evaluator, states, 400, histories=[history])
    checked(go, search, result, 400, [history], states)  # every node's slots are what its own history allows
    nodes = search.trees[0][: int(search._waves.controls["num_nodes"][0])]
    forbidden = 0
    for node in nodes[nodes["num_slots"] > 0]:
        forbidden += int(legal_mask(go, node["state"]).sum() > node["num_slots"])
    assert forbidden > 20, "superko was hardly asked"


class Failing(HashedEvaluator):
    """Fails once, on the third batch that is asked for."""

    failed = False

    def collect(self, ticket: int) -> Evaluation:
        if ticket == 2 and not self.failed:
            self.failed = True
            self._outstanding.remove(ticket)
            raise RuntimeError("out of order")
        return super().collect(ticket)


def test_a_failed_evaluator_spoils_no_later_search() -> None:
    states = rows_of(RANDOM_GAME, [RANDOM_GAME.start(number) for number in range(6)])
    expected = Search(RANDOM_GAME, PUCT, 6, 40).run(HashedEvaluator(RANDOM_GAME, 3), states, 40)
    search, evaluator = Search(RANDOM_GAME, PUCT, 6, 40), Failing(RANDOM_GAME, 3)
    with pytest.raises(RuntimeError, match="out of order"):
        search.run(evaluator, states, 40)
    result = search.run(evaluator, states, 40)
    np.testing.assert_array_equal(result.visit_counts, expected.visit_counts)


# --- reuse ------------------------------------------------------------------------------------------------------------


def described(tree: Any, n: int) -> Any:
    """A subtree as nested tuples of all that is known of its nodes."""
    node, used = tree[n], int(tree[n]["num_slots"])
    arrays = ("visit_counts", "value_sums", "priors", "slot_actions", "lost")
    numbers = ("raw_value", "node_visits", "proof", "to_play", "terminated")
    children = tuple(None if child < 0 else described(tree, int(child)) for child in node["children"][:used])
    own = tuple(tuple(node[name][:used].tolist()) for name in arrays) + tuple(node[name].item() for name in numbers)
    return node["state"].tobytes(), own, children


def size(description: Any) -> int:
    return 1 + sum(size(child) for child in description[2] if child is not None)


@pytest.mark.parametrize("leaves_per_tree", [1, 3])
@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
def test_advancing_keeps_exactly_the_subtree(game: Game, leaves_per_tree: int) -> None:
    most = 64
    for state, history in starts(game):
        search = Search(game, PUCT, 1, most, leaves_per_tree=leaves_per_tree)
        evaluator = HashedEvaluator(game, leaves_per_tree)
        states = rows_of(game, [state])
        result = search.run(evaluator, states, most, histories=[history])
        control = search._waves.controls[0]
        for _ in range(10):
            tree = search.trees[0]
            visited = np.argsort(-result.visit_counts[0], kind="stable")
            found = [slot for slot in visited if result.visit_counts[0, slot] > 0]
            kept = [slot for slot in found if not tree[tree[ROOT]["children"][slot]]["terminated"]]
            if not kept:
                break
            action, child = int(result.actions[0, kept[-1]]), int(tree[ROOT]["children"][kept[-1]])
            expected = described(tree, child)
            past = np.append(history, np.uint64(game.history_hash(tree[ROOT]["state"])))
            history = past if game.uses_history else history
            search.advance(action)
            assert described(tree, ROOT) == expected
            assert control["num_nodes"] == size(expected)
            assert control["started"] == tree[ROOT]["node_visits"] <= most
            check_tree(game, tree, int(control["num_nodes"]), history)
            # Room and budget are used to the last simulation, time and again.
            result = search.continue_run(evaluator, most)
            assert control["num_nodes"] <= control["started"] <= most < len(tree)
            legal = np.flatnonzero(legal_mask(game, tree[ROOT]["state"], history))
            check_result(game, result, 0, most, legal)
            check_tree(game, tree, int(control["num_nodes"]), history)


def test_a_budget_below_what_was_kept_adds_nothing() -> None:
    search, evaluator = Search(TIC_TAC_TOE, PUCT, 1, 64), HashedEvaluator(TIC_TAC_TOE, 1)
    search.run(evaluator, rows_of(TIC_TAC_TOE, [TIC_TAC_TOE.new_state()]), 64)
    root = search.trees[0, ROOT]
    slot = int(root["visit_counts"][:9].argmax())
    visits = int(root["visit_counts"][slot])
    search.advance(int(root["slot_actions"][slot]))
    asked = len(evaluator.num_rows)
    assert search.continue_run(evaluator, 2).visit_counts.sum() == visits - 1
    assert len(evaluator.num_rows) == asked


@pytest.mark.parametrize("game", GAMES[:4], ids=lambda game: game.name)
def test_a_new_root_without_visits_says_its_own_policy(game: Game) -> None:
    """Not the old root's: logits break ties and stand in where there are no visits."""
    search, evaluator = Search(game, PUCT, 1, 8), HashedEvaluator(game, 1)
    result = search.run(evaluator, rows_of(game, [starts(game)[0][0]]), 2)
    search.advance(int(result.actions[0, result.visit_counts[0].argmax()]))
    moved = search.continue_run(evaluator, 1)
    assert not moved.visit_counts.any() and moved.num_slots[0] > 1
    np.testing.assert_allclose(moved.policy, moved.priors, atol=1e-6)
    assert moved.best_actions[0] == moved.actions[0, moved.priors[0].argmax()]


def test_what_cannot_be_done_is_said() -> None:
    states, evaluator = rows_of(TIC_TAC_TOE, [TIC_TAC_TOE.new_state()] * 2), HashedEvaluator(TIC_TAC_TOE, 2)
    search = Search(TIC_TAC_TOE, PUCT, 2, 8)
    with pytest.raises(ValueError, match="room for 2 trees"):
        search.run(evaluator, rows_of(TIC_TAC_TOE, [states[0]] * 3), 8)
    for budget in (0, -1, 9):
        with pytest.raises(ValueError, match="room for 1 to 8"):
            search.run(evaluator, states, budget)
    result = search.run(evaluator, states, 4)
    with pytest.raises(ValueError, match="only a single one"):
        search.advance(int(result.best_actions[0]))
    unvisited = int(search.run(evaluator, states[:1], 2).visit_counts[0].argmin())
    for action in (unvisited, 9, -1):
        with pytest.raises(ValueError, match="no subtree"):
            search.advance(action)
    gumbel = Search(TIC_TAC_TOE, GUMBEL, 1, 8)
    gumbel.run(evaluator, states[:1], 8)
    with pytest.raises(ValueError, match="only a PUCT search"):
        gumbel.advance(0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"root": "alphabeta"},
        {"c_puct": -1.0},
        {"fpu_reduction": -0.1},
        {"root_fpu_reduction": float("nan")},
        {"virtual_loss": 0.0},
        {"c_visit": -1.0},
        {"c_scale": -1.0},
        {"max_considered": 0},
        {"dirichlet_concentration": 0.0},
        {"dirichlet_fraction": 1.5},
        {"temperature": -1.0},
    ],
    ids=str,
)
def test_wrong_numbers_are_one_clear_line(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError) as error:
        SearchConfig(**wrong)
    assert "\n" not in str(error.value) and next(iter(wrong)) in str(error.value)
