"""Hex against a slow twin, against a solver, and what is known of small boards."""

from __future__ import annotations

import numpy as np
import pytest
from hex_solver import HexSolver
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import NO_HISTORY, after, legal_texts, observed, play

import games
from games.base import Game, State
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import UniformEvaluator

Cells = dict[tuple[int, int], int]
"""(column, row) -> player, row 0 at the top."""


def touches(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Cells touch where all three coordinates along the directions of a hexagon differ by at most one."""
    right, down = second[0] - first[0], second[1] - first[1]
    return max(abs(right), abs(down), abs(right + down)) == 1


def joins(cells: Cells, player: int, size: int) -> bool:
    """Whether a player's stones join its edges, looked for from the first edge on."""
    stones = {cell for cell, owner in cells.items() if owner == player}
    reached = {cell for cell in stones if cell[1 - player] == 0}
    while True:
        grown = reached | {cell for cell in stones if any(touches(cell, other) for other in reached)}
        if grown == reached:
            return any(cell[1 - player] == size - 1 for cell in reached)
        reached = grown


def shown(game: Game, state: State) -> Cells:
    """The cells as the board is printed."""
    lines = game.to_text(state).splitlines()[1:]
    rows = [line.split()[1:] for line in lines]
    return {
        (column, row): ".XO".index(mark) - 1
        for row, marks in enumerate(rows)
        for column, mark in enumerate(marks)
        if mark != "."
    }


@pytest.mark.parametrize("name", ["hex3", "hex5", "hex7:swap"])
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_rules_agree_with_a_slow_twin(name: str, seed: int) -> None:
    game = games.make(name)
    size = game.observation_shape[1]
    numbers = np.random.default_rng(seed).integers(0, 10**6, game.max_num_moves)
    if seed % 2:
        numbers[1] = -1  # the last legal action, which is the swap where there is one
    cells: Cells = {}
    player = 0
    for ply in play(game, numbers.tolist()):
        text = game.action_to_text(ply.action)
        if text == "swap":
            ((column, row),) = cells
            cells = {(row, column): player}
        else:
            cell = ("abcdefghijklmnopqrs".index(text[0]), int(text[1:]) - 1)
            assert cell not in cells
            cells[cell] = player
        assert shown(game, ply.state) == cells
        won = joins(cells, player, size)
        assert (ply.reward, ply.terminated) == (float(won), won)
        player = 1 - player
        assert ply.state["to_play"] == player
    planes = observed(game, ply.state)
    for row in range(size):
        for column in range(size):
            owner = cells.get((column, row))
            edge = (column if player == 1 else row) in (0, size - 1)
            assert planes[:, row, column].tolist() == [owner == player, owner == 1 - player, edge, 0]


def test_swap_is_an_answer_to_the_first_stone_alone() -> None:
    game = games.make("hex5:swap")
    assert "swap" not in legal_texts(game, game.new_state())
    state = after(game, "d2")
    assert "swap" in legal_texts(game, state) and observed(game, state)[3].all()
    assert "swap" not in legal_texts(game, after(game, "d2 swap")) | legal_texts(game, after(game, "d2 a1"))
    assert shown(game, after(game, "d2 swap")) == {(1, 3): 1}
    assert "swap" not in legal_texts(games.make("hex5"), after(games.make("hex5"), "d2"))
    assert not observed(games.make("hex5"), after(games.make("hex5"), "d2"))[3].any()


def test_a_swapped_stone_counts_for_its_new_owner() -> None:
    game = games.make("hex3:swap")
    state = after(game, "b1 swap b3 b2 a3")  # player 1 has a2 and b2
    assert game.step(state, game.text_to_action("c2"), NO_HISTORY) == (1.0, True)


def test_board_as_text() -> None:
    game = games.make("hex4")
    assert game.to_text(after(game, "b2 d1")).splitlines() == [
        "   a b c d",
        " 1 . . . O",
        "  2 . X . .",
        "   3 . . . .",
        "    4 . . . .",
    ]


def test_set_up_refuses_what_is_no_position() -> None:
    game = games.make("hex3")
    state = game.new_state()
    for stones in ([(0, 3), (1, 3)], [(0, 9)], [(0, 1), (0, 4), (0, 7)]):
        with pytest.raises(ValueError) as refused:
            game.set_up(state, stones, 0)
        assert "\n" not in str(refused.value)
    game.set_up(state, [(0, 1), (0, 4)], 0)
    assert game.step(state, 7, NO_HISTORY) == (1.0, True)


# --- perfect play ---------------------------------------------------------------------------------------------------


def winning_openings(size: int) -> list[str]:
    """The board with # where the first stone wins."""
    solver = HexSolver(size)
    half = [not solver.wins((1 << cell, 0), 1) for cell in range((size * size + 1) // 2)]
    wins = half + half[: size * size // 2][::-1]  # turned by half a turn, the board is the same
    return ["".join(".#"[won] for won in wins[row * size : (row + 1) * size]) for row in range(size)]


def test_winning_openings_of_3x3() -> None:
    assert winning_openings(3) == ["..#", "###", "#.."]


@pytest.mark.compiled_only
def test_winning_openings_of_4x4() -> None:
    assert winning_openings(4) == ["...#", "..#.", ".#..", "#..."]


@pytest.mark.compiled_only
def test_thirteen_winning_openings_of_5x5() -> None:
    assert winning_openings(5) == ["....#", ".####", ".###.", "####.", "#...."]


@pytest.mark.compiled_only
def test_searches_prove_what_the_solver_says() -> None:
    """Positions of random games, proven by the search over the game's own rules."""
    game, solver = games.make("hex4"), HexSolver(4)
    search = Search(game, SearchConfig(root="puct"), 1, 20_000)
    evaluator = UniformEvaluator(game, 1)
    seen = set()
    for seed in range(12):
        plies = play(game, np.random.default_rng(seed).integers(0, 10**6, 6).tolist())
        state = plies[-1].state
        stones = [sum(1 << int(cell) for cell in (state["board"] == player).nonzero()[0]) for player in (1, 2)]
        proof = int(search.run(evaluator, np.array([state]), 20_000).proofs[0])
        assert proof != 0, "not proven"
        assert (proof > 0) == solver.wins((stones[0], stones[1]), int(state["to_play"]))
        seen.add(proof > 0)
    assert seen == {False, True}
