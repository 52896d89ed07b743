"""What the network sees of Connect Four besides the stones; its rules are in test_games_contract.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import after, observed, play

import games

Cells = dict[tuple[int, int], int]
"""(column, row) -> player, row 0 at the bottom."""


def completes_four(cells: Cells, column: int, row: int, player: int) -> bool:
    """Whether three stones of `player` make four in a row together with this cell."""
    for right, up in ((1, 0), (0, 1), (1, 1), (1, -1)):
        for first in range(-3, 1):
            others = [(column + step * right, row + step * up) for step in range(first, first + 4) if step != 0]
            if all(cells.get(other) == player for other in others):
                return True
    return False


@pytest.mark.parametrize("name", ["connect_four", "connect_four5x4", "connect_four4x5"])
@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def test_threats_agree_with_a_slow_twin(name: str, seed: int) -> None:
    game = games.make(name)
    _, height, width = game.observation_shape
    cells: Cells = {}
    numbers = np.random.default_rng(seed).integers(0, 10**6, game.max_num_moves).tolist()
    for number, ply in enumerate(play(game, numbers)):
        cells[ply.action, sum(column == ply.action for column, _ in cells)] = number % 2
        planes, to_play = observed(game, ply.state), 1 - number % 2
        for plane, player in ((2, to_play), (3, 1 - to_play)):
            for column in range(width):
                for row in range(height):
                    threat = (column, row) not in cells and completes_four(cells, column, row, player)
                    assert planes[plane, height - 1 - row, column] == threat


def test_threats_and_good_rows_by_hand() -> None:
    """O, to move, sees X's three on the bottom row and its own column of three."""
    planes = observed(games.make("connect_four"), after(games.make("connect_four"), "1 4 2 4 3 4 6"))
    own = np.zeros((6, 7))
    own[2, 3] = 1  # on top of its three
    assert (planes[2] == own).all()
    assert not planes[3].any(), "O's stone lies where X's row would go on"
    assert planes[4, :, 0].tolist() == [1, 0, 1, 0, 1, 0], "even rows are good for the player who began second"
    first = observed(games.make("connect_four"), games.make("connect_four").new_state())
    assert first[4, :, 6].tolist() == [0, 1, 0, 1, 0, 1]
