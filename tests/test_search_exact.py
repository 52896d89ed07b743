"""Against exact solvers of the tests' own: what the search proves is true, and given enough simulations it plays so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from minimax import solve_tic_tac_toe

import games
from games.base import Game, StateArray
from rl.search.driver import Search, SearchConfig, SearchResult
from rl.search.evaluation import Evaluation, Evaluator, UniformEvaluator
from rl.search.tree import PROVEN_DRAW
from scripts.agents import load_evaluator
from scripts.solvers.connect_four import ActionResult, ConnectFourSolver, best_result

Root = Literal["gumbel", "puct"]
ROOTS: tuple[Root, ...] = ("gumbel", "puct")
Moves = tuple[int, ...]
Results = dict[int, ActionResult]

NO_HISTORY = np.zeros(0, np.uint64)
TIC_TAC_TOE = games.make("tic_tac_toe")
ENOUGH = 4096
"""Simulations after which every position of tic-tac-toe was played perfectly; 1,000 leave three to ten positions."""


class NoisyEvaluator(UniformEvaluator):
    """A network that knows nothing and says so confidently: fixed random features of the stones (two planes)."""

    network_id = 1

    def __init__(self, game: Game, batch_size: int, scale: float) -> None:
        super().__init__(game, batch_size)
        shape = (2 * int(np.prod(game.observation_shape[1:])), game.num_actions + 1)
        self._weights = np.random.default_rng(3).normal(size=shape).astype(np.float32)
        self._scale = np.float32(scale)

    def collect(self, ticket: int) -> Evaluation:
        features = self._observations[:ticket, :2].reshape(ticket, -1) @ self._weights
        return Evaluation(self._scale * features[:, :-1], np.sin(5.0 * features[:, -1]).astype(np.float32))


def states_after(game: Game, openings: Sequence[Moves]) -> StateArray:
    states = np.zeros(len(openings), game.state_dtype)
    for state, moves in zip(states, openings, strict=True):
        game.reset(state)
        for action in moves:
            assert not game.step(state, action, NO_HISTORY)[1]
    return states


def assert_proofs_are_true(openings: Sequence[Moves], solved: Sequence[Results], found: SearchResult) -> None:
    """Signs are exact. Distances are what was seen so far: the true game is never longer, and never longer than the
    search's own move makes it."""
    for i, results in enumerate(solved):
        proof, truth, chosen = int(found.proofs[i]), best_result(results), results[int(found.best_actions[i])]
        where = (openings[i], proof, results)
        if proof == 0:
            continue
        assert truth.outcome == (0 if proof == PROVEN_DRAW else np.sign(proof)), where
        assert chosen.outcome == truth.outcome, where
        assert found.root_values[i] == truth.outcome, where
        if truth.outcome != 0:
            assert truth.plies <= abs(proof), where
            assert chosen.plies <= abs(proof), where
            if truth.outcome > 0 and truth.plies == 1:
                assert chosen.plies == 1, where
        for slot in range(int(found.num_slots[i])):
            if truth.outcome < 0:
                assert found.values[i, slot] == -1.0, where


# --- tic-tac-toe ----------------------------------------------------------------------------------------------------


def tic_tac_toe_openings(least: int = 0) -> list[Moves]:
    """Moves that lead to each position that is not over, at least `least` of them, one way to each."""
    found: dict[tuple[frozenset[int], frozenset[int]], Moves] = {}
    waiting: list[Moves] = [()]
    while waiting:
        moves = waiting.pop()
        position = frozenset(moves[::2]), frozenset(moves[1::2])
        if position in found:
            continue
        found[position] = moves
        for cell, result in solve_tic_tac_toe(moves).items():
            if result.plies != 1 and len(moves) < 8:
                waiting.append((*moves, cell))
    return [moves for moves in found.values() if len(moves) >= least]


def test_every_position_of_tic_tac_toe_is_met() -> None:
    assert len(tic_tac_toe_openings()) == 4520  # of 5,478 positions, 958 are over


@pytest.mark.compiled_only
@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_tic_tac_toe_is_played_perfectly_from_everywhere(root: Root, scale: float) -> None:
    openings = tic_tac_toe_openings()
    size = len(openings) // 4
    evaluator = NoisyEvaluator(TIC_TAC_TOE, size, scale) if scale else UniformEvaluator(TIC_TAC_TOE, size)
    search = Search(TIC_TAC_TOE, SearchConfig(root=root), size, ENOUGH, cache_entries=1 << 14)
    for start in range(0, len(openings), size):
        part = openings[start : start + size]
        found = search.run(evaluator, states_after(TIC_TAC_TOE, part), ENOUGH)
        solved = [solve_tic_tac_toe(moves) for moves in part]
        for moves, results, action in zip(part, solved, found.best_actions, strict=True):
            assert results[int(action)].outcome == best_result(results).outcome, moves
        assert_proofs_are_true(part, solved, found)


@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_the_ends_of_tic_tac_toe_are_proven(root: Root) -> None:
    openings = tic_tac_toe_openings(6)[::40]
    found = Search(TIC_TAC_TOE, SearchConfig(root=root), len(openings), 60).run(
        NoisyEvaluator(TIC_TAC_TOE, len(openings), 0.1), states_after(TIC_TAC_TOE, openings), 60
    )
    assert np.count_nonzero(found.proofs) >= 0.95 * len(openings)
    assert_proofs_are_true(openings, [solve_tic_tac_toe(moves) for moves in openings], found)


# --- Connect Four on small boards -----------------------------------------------------------------------------------


def random_openings(game: Game, count: int, seed: int, least: int = 0) -> list[Moves]:
    """Moves of random games that have not ended, of all lengths from `least` on."""
    generator = np.random.default_rng(seed)
    found: set[Moves] = set()
    while len(found) < count:
        state, moves, ended = game.new_state(), [], False
        legal = np.zeros(game.num_actions, np.bool_)
        for _ in range(int(generator.integers(least, game.max_num_moves - 1))):
            game.legal_actions(state, NO_HISTORY, legal)
            moves.append(int(generator.choice(np.flatnonzero(legal))))
            ended = game.step(state, moves[-1], NO_HISTORY)[1]
            if ended:
                break
        if not ended:
            found.add(tuple(moves))
    return sorted(found)


@pytest.mark.compiled_only
@pytest.mark.parametrize("size", [(4, 4), (5, 4)])
@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_what_is_proven_on_small_boards_is_true(size: tuple[int, int], root: Root, scale: float) -> None:
    game, solver = games.make(f"connect_four{size[0]}x{size[1]}"), ConnectFourSolver(*size)
    openings = random_openings(game, 400, seed=1)
    solved = [solver.solve(moves) for moves in openings]
    evaluator = NoisyEvaluator(game, len(openings), scale) if scale else UniformEvaluator(game, len(openings))
    search = Search(game, SearchConfig(root=root), len(openings), 1000)
    for num_simulations in (30, 1000):
        found = search.run(evaluator, states_after(game, openings), num_simulations)
        assert_proofs_are_true(openings, solved, found)
    decided = [i for i, results in enumerate(solved) if found.proofs[i] != 0 and best_result(results).outcome != 0]
    best = [i for i in decided if solved[i][int(found.best_actions[i])] == best_result(solved[i])]
    # What was proven first may be a detour: rare, unless the network is confident and wrong.
    assert len(decided) >= 60
    assert len(best) >= (0.8 if scale else 0.98) * len(decided)


@pytest.mark.compiled_only
@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_a_proven_win_is_carried_home_against_the_longest_defence(root: Root) -> None:
    game, solver = games.make("connect_four5x4"), ConnectFourSolver(5, 4)
    openings = [moves for moves in random_openings(game, 500, seed=2) if best_result(solver.solve(moves)).outcome == 1]
    search = Search(game, SearchConfig(root=root), len(openings), 1000)
    evaluator = UniformEvaluator(game, len(openings))
    found = search.run(evaluator, states_after(game, openings), 1000)
    lines = {moves: int(proof) for moves, proof in zip(openings, found.proofs, strict=True) if proof > 0}
    assert len(lines) > 50
    most = dict(lines)
    going = {moves: moves for moves in lines}  # the line so far -> the opening it began with
    while going:
        before = list(going)
        found = search.run(evaluator, states_after(game, before), 1000)
        after: dict[Moves, Moves] = {}
        for line, action in zip(before, found.best_actions, strict=True):
            results = solver.solve(line)
            chosen = results[int(action)]
            assert chosen.outcome == 1, line
            if chosen.plies > 1:
                answers = solver.solve((*line, int(action)))
                longest = max(answers, key=lambda column: answers[column].plies)
                after[(*line, int(action), longest)] = going[line]
        going = after
        assert all(len(line) - len(opening) < most[opening] for line, opening in going.items()), "as quick as proven"


@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize("scale", [0.0, 0.1])
def test_the_ends_of_games_on_4x4_are_proven(root: Root, scale: float) -> None:
    game, solver = games.make("connect_four4x4"), ConnectFourSolver(4, 4, 10_007)
    openings = random_openings(game, 24, seed=3, least=12)
    evaluator = NoisyEvaluator(game, len(openings), scale) if scale else UniformEvaluator(game, len(openings))
    found = Search(game, SearchConfig(root=root), len(openings), 60).run(evaluator, states_after(game, openings), 60)
    assert np.count_nonzero(found.proofs) >= 20
    assert_proofs_are_true(openings, [solver.solve(moves) for moves in openings], found)


@pytest.mark.compiled_only
@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_5x4_is_played_perfectly_from_the_tenth_ply_on(root: Root) -> None:
    """Wins, draws and losses alike. From the start on, a search that knows nothing is not perfect."""
    game, solver = games.make("connect_four5x4"), ConnectFourSolver(5, 4)
    openings = random_openings(game, 200, seed=6, least=10)
    search = Search(game, SearchConfig(root=root), 25, 100_000, cache_entries=1 << 18)
    evaluator = UniformEvaluator(game, 25)
    for first in range(0, len(openings), 25):
        some = openings[first : first + 25]
        found = search.run(evaluator, states_after(game, some), 100_000)
        for moves, action in zip(some, found.best_actions, strict=True):
            results = solver.solve(moves)
            assert results[int(action)].outcome == best_result(results).outcome, moves


def assert_keeps_the_result(
    game: Game, root: Root, simulations: int, evaluator: Evaluator, solver: ConnectFourSolver
) -> None:
    """Whole games from the start, half of them as either player, against opponents that draw among their best moves:
    none of the search's moves gives anything away."""
    generator = np.random.default_rng(0)
    num_games = evaluator.batch_size
    search = Search(game, SearchConfig(root=root), num_games, simulations, cache_entries=1 << 18)
    lines: dict[int, Moves] = {number: () for number in range(num_games)}  # of the games that go on
    for ply in range(game.max_num_moves):
        searching = [number for number in lines if number % 2 == ply % 2]
        found = search.run(evaluator, states_after(game, [lines[number] for number in searching]), simulations)
        chosen = dict(zip(searching, found.best_actions.tolist(), strict=True))
        for number, line in list(lines.items()):
            results = solver.solve(line)
            best = [column for column, result in results.items() if result.outcome == best_result(results).outcome]
            column = chosen[number] if number in chosen else int(generator.choice(best))
            assert column in best, line
            lines[number] = (*line, column)
            if game.step(states_after(game, [line])[0], column, NO_HISTORY)[1]:
                del lines[number]
        if not lines:
            return


@pytest.mark.long
@pytest.mark.compiled_only
def test_4x4_is_played_perfectly_by_a_search_that_knows_nothing() -> None:
    game = games.make("connect_four4x4")
    assert_keeps_the_result(game, "puct", 16_000, UniformEvaluator(game, 32), ConnectFourSolver(4, 4))


@pytest.mark.long
@pytest.mark.compiled_only
def test_5x4_is_learnt_and_then_played_perfectly(tmp_path: Path) -> None:
    """Four minutes of self-play, and both searches play whole games from the start without a slip."""
    game, solver = games.make("connect_four5x4"), ConnectFourSolver(5, 4)
    command = ["train", game.name, "--run-dir", str(tmp_path), "--minutes", "4", "--evaluation.seconds", "0"]
    subprocess.run([sys.executable, "-m", "scripts.cli", *command], check=True, capture_output=True)
    evaluator = load_evaluator(game, tmp_path / "agents" / f"{game.name}.safetensors", 64)
    for root in ROOTS:
        assert_keeps_the_result(game, root, 3000, evaluator, solver)
