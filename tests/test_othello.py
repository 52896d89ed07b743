"""Othello against published counts, a slow twin and minimax."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import NO_HISTORY, after, legal, legal_texts, play

import games
from games.base import BoolArray, Game, State, StateArray
from games.compiled import njit
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import UniformEvaluator

PERFT = [4, 12, 56, 244, 1396, 8200, 55092, 390216, 3005288]
"""Lines of play of 1, 2, ... plies."""


@njit
def count_lines(game: Game, states: StateArray, masks: BoolArray, actions: npt.NDArray[np.int64]) -> int:
    """Lines of play of depth D from states[0]; `states` [D], `masks` [D, num_actions] and `actions` [D] are scratch."""
    history = np.zeros(0, np.uint64)
    game.legal_actions(states[0], history, masks[0])
    actions[0] = -1
    level, count = 0, 0
    while level >= 0:
        actions[level] += 1
        action = actions[level]
        if action == game.num_actions:
            level -= 1
        elif masks[level, action]:
            if level == states.size - 1:
                count += 1
                continue
            states[level + 1] = states[level]
            _, ended = game.step(states[level + 1], action, history)
            if not ended:
                level += 1
                game.legal_actions(states[level], history, masks[level])
                actions[level] = -1
    return count


def perft(depth: int) -> int:
    game = games.make("othello")
    states = np.zeros(depth, game.state_dtype)
    game.reset(states[0])
    return count_lines(game, states, np.zeros((depth, game.num_actions), np.bool_), np.zeros(depth, np.int64))


def test_first_published_counts() -> None:
    assert [perft(depth) for depth in range(1, 6)] == PERFT[:5]


@pytest.mark.compiled_only
def test_published_counts() -> None:
    assert [perft(depth) for depth in range(1, 9)] == PERFT[:8]


@pytest.mark.compiled_only
@pytest.mark.long
def test_published_count_of_nine_plies() -> None:
    assert perft(9) == PERFT[8]


# --- a slow, obvious twin -------------------------------------------------------------------------------------------


def neighbours_in_line(cell: str, right: int, down: int, size: int) -> list[str]:
    """The cells from `cell` on in one direction, itself left out, to the edge."""
    column, row = ord(cell[0]) + right, int(cell[1:]) + down
    line = []
    while ord("a") <= column < ord("a") + size and 1 <= row <= size:
        line.append(f"{chr(column)}{row}")
        column, row = column + right, row + down
    return line


def turned_over(discs: dict[str, int], cell: str, player: int, size: int) -> list[str]:
    if cell in discs:
        return []
    turned = []
    for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        run = []
        for other in neighbours_in_line(cell, right, down, size):
            if discs.get(other) != 1 - player:
                if discs.get(other) == player:
                    turned += run
                break
            run.append(other)
    return turned


def twin_moves(discs: dict[str, int], player: int, size: int) -> dict[str, list[str]]:
    """What each placement turns over."""
    cells = [f"{chr(ord('a') + column)}{row}" for row in range(1, size + 1) for column in range(size)]
    found = {cell: turned_over(discs, cell, player, size) for cell in cells}
    return {cell: turned for cell, turned in found.items() if turned}


def twin_start(size: int) -> dict[str, int]:
    left, right, upper, lower = chr(ord("a") + size // 2 - 1), chr(ord("a") + size // 2), size // 2, size // 2 + 1
    return {f"{left}{upper}": 1, f"{right}{lower}": 1, f"{right}{upper}": 0, f"{left}{lower}": 0}


def lead(discs: dict[str, int]) -> int:
    return sum(1 if player == 0 else -1 for player in discs.values())


@pytest.mark.parametrize("name", ["othello4", "othello6", "othello8"])
@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_rules_agree_with_a_slow_twin(name: str, seed: int) -> None:
    game = games.make(name)
    numbers = np.random.default_rng(seed).integers(0, 10**6, game.max_num_moves).tolist()
    size = game.observation_shape[1]
    discs, player, state = twin_start(size), 0, game.new_state()
    for ply in play(game, numbers):
        moves = twin_moves(discs, player, size)
        assert legal_texts(game, state) == (set(moves) or {"pass"})
        state, text = ply.state, game.action_to_text(ply.action)
        if text != "pass":
            discs |= dict.fromkeys([text, *moves[text]], player)
        assert game.score(state) == lead(discs)
        owners = np.zeros(size * size, np.int8)
        game.ownership(state, owners)
        shown = {game.action_to_text(cell): (1 - int(owner)) // 2 for cell, owner in enumerate(owners) if owner}
        assert shown == discs
        ended = not twin_moves(discs, 0, size) and not twin_moves(discs, 1, size)
        assert ply.terminated == ended
        assert ply.reward == (np.sign(lead(discs)) * (1 if player == 0 else -1) if ended else 0)
        player = 1 - player
        assert state["to_play"] == player


# --- perfect play ---------------------------------------------------------------------------------------------------


def best_lead(discs: dict[str, int], player: int, size: int, low: int = -99, high: int = 99) -> int:
    """By how many discs player 0 leads at the end under perfect play, from the rules of the twin: alpha-beta."""
    moves = twin_moves(discs, player, size)
    if not moves:
        if not twin_moves(discs, 1 - player, size):
            return lead(discs)
        return best_lead(discs, 1 - player, size, low, high)
    best = -99 if player == 0 else 99
    for cell, turned in moves.items():
        found = best_lead(discs | dict.fromkeys([cell, *turned], player), 1 - player, size, low, high)
        best = max(best, found) if player == 0 else min(best, found)
        low, high = (max(low, best), high) if player == 0 else (low, min(high, best))
        if low >= high:
            break
    return best


def game_lead(game: Game, state: State, low: float = -99.0, high: float = 99.0) -> float:
    """The same, from the rules of the game."""
    first = state["to_play"] == 0
    best = -99.0 if first else 99.0
    for action in legal(game, state).nonzero()[0]:
        child = state.copy()
        _, terminated = game.step(child, int(action), NO_HISTORY)
        found = game.score(child) if terminated else game_lead(game, child, low, high)
        best = max(best, found) if first else min(best, found)
        low, high = (max(low, best), high) if first else (low, min(high, best))
        if low >= high:
            break
    return best


def test_the_second_player_wins_4x4_by_eleven_to_three() -> None:
    # All 14 discs of the final board are counted: two cells stay empty.
    assert best_lead(twin_start(4), 0, 4) == 3 - 11
    game = games.make("othello4")
    assert game_lead(game, game.new_state()) == 3 - 11


def endgame(game: Game, seed: int, num_empty: int) -> State | None:
    """A position of a random game with so many empty cells left; None when the game is over before."""
    numbers = np.random.default_rng(seed).integers(0, 10**6, game.max_num_moves)
    for ply in play(game, numbers.tolist()):
        discs = int(ply.state["discs"][0] | ply.state["discs"][1]).bit_count()
        if discs == 36 - num_empty and not ply.terminated:
            return ply.state
    return None


@pytest.mark.compiled_only
def test_endgames_on_6x6_are_proven() -> None:
    game = games.make("othello6")
    search = Search(game, SearchConfig(root="puct"), 1, 20_000)
    evaluator = UniformEvaluator(game, 1)
    found = [state for seed in range(8) if (state := endgame(game, seed, 6)) is not None]
    seen = set()
    for state in found:
        owners = np.zeros(36, np.int8)
        game.ownership(state, owners)
        discs = {game.action_to_text(cell): (1 - int(owner)) // 2 for cell, owner in enumerate(owners) if owner}
        player = int(state["to_play"])
        exact = np.sign(best_lead(discs, player, 6)) * (1 if player == 0 else -1)
        proof = int(search.run(evaluator, np.array([state]), 20_000).proofs[0])
        assert proof != 0, "not proven"
        assert (0 if proof == 32767 else np.sign(proof)) == exact
        seen.add(int(exact))
    assert seen >= {-1, 1}


# --- one at a time --------------------------------------------------------------------------------------------------


def test_board_as_text() -> None:
    game = games.make("othello6")
    assert game.to_text(after(game, "b3")).splitlines() == [
        "  a b c d e f",
        "1 . . . . . .",
        "2 . . . . . .",
        "3 . X X X . .",
        "4 . . X O . .",
        "5 . . . . . .",
        "6 . . . . . .",
        "  O to move",
    ]


def test_a_pass_is_the_one_legal_action_without_a_placement() -> None:
    game = games.make("othello4")
    state = game.new_state()
    # Every line from player 1's only disc, on b1, runs over player 0's to the edge of the board.
    stones = [(0, game.text_to_action(cell)) for cell in ["c1", "d1", "b2", "c2", "b3", "c3", "d3", "b4"]]
    game.set_up(state, [(1, game.text_to_action("b1")), *stones], 1)
    assert legal_texts(game, state) == {"pass"}
    assert game.step(state, game.text_to_action("pass"), NO_HISTORY) == (0.0, False)
    assert state["to_play"] == 0 and legal_texts(game, state) == {"a1"}
    assert game.step(state, game.text_to_action("a1"), NO_HISTORY) == (1.0, True)


def test_set_up_refuses_what_is_no_position() -> None:
    game = games.make("othello6")
    centre = [(0, game.text_to_action(cell)) for cell in ("c3", "d3", "c4", "d4")]
    state = game.new_state()
    for stones in (centre[:3], [*centre, centre[0]], [*centre, (0, 36)], centre):
        with pytest.raises(ValueError) as refused:
            game.set_up(state, stones, 0)
        assert "\n" not in str(refused.value)
    game.set_up(state, [*centre, (1, game.text_to_action("e3"))], 0)
    assert legal_texts(game, state) == {"f2", "f3"}
