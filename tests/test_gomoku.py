"""Gomoku against a slow twin, and its two rules of rows longer than five."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import NO_HISTORY, after, legal_texts, observed

import games
from games.base import Game

LETTERS = "ABCDEFGHJKLMNOPQRST"


def longest_row(cells: dict[tuple[int, int], int], last: tuple[int, int]) -> set[int]:
    """The lengths of all rows of the last stone's colour through it."""
    lengths = set()
    for right, up in ((1, 0), (0, 1), (1, 1), (1, -1)):
        length = 1
        for sign in (1, -1):
            column, row = last[0] + sign * right, last[1] + sign * up
            while cells.get((column, row)) == cells[last]:
                length += 1
                column, row = column + sign * right, row + sign * up
        lengths.add(length)
    return lengths


@pytest.mark.parametrize("name", ["gomoku9", "gomoku9:exactly_five", "gomoku15"])
@settings(max_examples=30)
@given(corner=st.integers(0, 5), numbers=st.lists(st.integers(0, 20), min_size=9, max_size=30))
def test_rules_agree_with_a_slow_twin(name: str, corner: int, numbers: list[int]) -> None:
    """Stones go to three rows of seven cells, where rows of five and more soon come about."""
    game = games.make(name)
    size = game.observation_shape[1]
    cells: dict[tuple[int, int], int] = {}
    state = game.new_state()
    for number in numbers:
        cell = (corner // 2 + number % 7, corner + number // 7)
        if cell in cells:
            continue
        player = len(cells) % 2
        cells[cell] = player
        text = f"{LETTERS[cell[0]]}{cell[1] + 1}"
        reward, terminated = game.step(state, game.text_to_action(text), NO_HISTORY)
        lengths = longest_row(cells, cell)
        won = 5 in lengths if name.endswith("exactly_five") else max(lengths) >= 5
        assert (reward, terminated) == (float(won), won)
        if won:
            break
    shown = observed(game, state)
    for column, row in cells:
        own = cells[column, row] == state["to_play"]
        assert shown[:, size - 1 - row, column].tolist() == [float(own), float(not own)]
    assert shown.sum() == len(cells)
    taken = {f"{LETTERS[column]}{row + 1}" for column, row in cells}
    assert legal_texts(game, state) == set(map(game.action_to_text, range(size * size))) - taken


@pytest.mark.parametrize(
    ("first", "last"),
    [("A1 B1 C1 D1", "E1"), ("A1 A2 A3 A5", "A4"), ("A1 B2 C3 E5", "D4"), ("J1 H2 G3 F4", "E5"), ("F9 G9 H9 J9", "E9")],
)
def test_five_in_each_direction(first: str, last: str) -> None:
    game = games.make("gomoku9")
    elsewhere = ("A9", "C9", "A7", "C7")
    state = after(game, " ".join(f"{own} {other}" for own, other in zip(first.split(), elsewhere, strict=True)))
    assert game.step(state, game.text_to_action(last), NO_HISTORY) == (1.0, True)


def test_rows_do_not_go_on_at_the_other_edge() -> None:
    game = games.make("gomoku9")
    state = after(
        game, "H2 A9 J2 C9 A1 E9 B1 G9"
    )  # cell numbers of row 2's end and row 1's beginning follow each other
    assert game.step(state, game.text_to_action("C1"), NO_HISTORY) == (0.0, False)


@pytest.mark.parametrize(("name", "wins"), [("gomoku9", True), ("gomoku9:exactly_five", False)])
def test_six_in_a_row(name: str, wins: bool) -> None:
    game = games.make(name)
    state = after(game, "A1 A9 B1 C9 C1 E9 E1 G9 F1 A7")
    assert game.step(state, game.text_to_action("D1"), NO_HISTORY) == (float(wins), wins)
    if not wins:  # but five across the six do
        for move in ("C7", "D2", "E7", "D3", "G7", "D4", "A5"):
            assert game.step(state, game.text_to_action(move), NO_HISTORY) == (0.0, False)
        assert game.step(state, game.text_to_action("D5"), NO_HISTORY) == (1.0, True)


def full_board(game: Game) -> list[str]:
    """All cells in an order in which nobody gets three in a row: rows of XXOO... and OOXX... take turns."""
    texts: list[list[str]] = [[], []]
    for row in range(9):
        for column in range(9):
            texts[(column + 2 * row) % 4 // 2].append(f"{LETTERS[column]}{row + 1}")
    more, fewer = sorted(texts, key=len, reverse=True)
    assert len(more) == len(fewer) + 1
    return [text for pair in zip(more, [*fewer, ""], strict=True) for text in pair if text]


def test_a_full_board_is_a_draw() -> None:
    game = games.make("gomoku9")
    state = game.new_state()
    moves = full_board(game)
    results = [game.step(state, game.text_to_action(move), NO_HISTORY) for move in moves]
    assert results == [(0.0, False)] * 80 + [(0.0, True)]


def test_board_as_text() -> None:
    game = games.make("gomoku9")
    lines = game.to_text(after(game, "E5 A1 J9")).splitlines()
    assert lines[0] == " 9 . . . . . . . . X" and lines[4] == " 5 . . . . X . . . ."
    assert lines[8:] == [" 1 O . . . . . . . .", "   A B C D E F G H J"]


def test_set_up_refuses_what_is_no_position() -> None:
    game = games.make("gomoku9")
    state = game.new_state()
    for stones in ([(0, 3), (1, 3)], [(0, 81)], [(0, cell) for cell in range(5)]):
        with pytest.raises(ValueError) as refused:
            game.set_up(state, stones, 0)
        assert "\n" not in str(refused.value)
    game.set_up(state, [(0, 0), (0, 1), (0, 2), (0, 3)], 0)
    assert game.step(state, 4, NO_HISTORY) == (1.0, True)
