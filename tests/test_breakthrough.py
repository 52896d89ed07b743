"""Breakthrough against a slow twin on cells in the game's notation."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import NO_HISTORY, after, legal, legal_texts, observed, play

import games

COLUMNS = "abcdefgh"
GAME = games.make("breakthrough")


def twin_moves(men: dict[str, int], player: int) -> set[str]:
    """From-to of every legal move; `men` are cells -> player."""
    ahead = -1 if player == 0 else 1
    moves = set()
    for cell in (cell for cell, owner in men.items() if owner == player):
        for side in (-1, 0, 1):
            column, row = COLUMNS.index(cell[0]) + side, int(cell[1]) + ahead
            if not (0 <= column < 8 and 1 <= row <= 8):
                continue
            target = f"{COLUMNS[column]}{row}"
            if men.get(target) != player and not (side == 0 and target in men):
                moves.add(cell + target)
    return moves


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6))
def test_rules_agree_with_a_slow_twin(seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, 10**6, GAME.max_num_moves).tolist()
    men = {f"{column}{row}": 0 if row > 2 else 1 for column in COLUMNS for row in (1, 2, 7, 8)}
    player, state = 0, GAME.new_state()
    for ply in play(GAME, numbers):
        assert legal_texts(GAME, state) == twin_moves(men, player)
        state, text = ply.state, GAME.action_to_text(ply.action)
        del men[text[:2]]
        men[text[2:]] = player
        won = text[3] == ("1" if player == 0 else "8") or 1 - player not in men.values()
        assert (ply.reward, ply.terminated) == (float(won), won)
        player = 1 - player
        assert state["to_play"] == player
        for index, line in enumerate(GAME.to_text(state).splitlines()[:8]):
            expected = [".XO"[men.get(f"{column}{8 - index}", -1) + 1] for column in COLUMNS]
            assert line.split() == [str(8 - index), *expected]
        planes = observed(GAME, state)  # the own back row on top
        for column in range(8):
            for row in range(8):
                owner = men.get(f"{COLUMNS[column]}{8 - row if player == 0 else row + 1}")
                assert planes[:, row, column].tolist() == [float(owner == player), float(owner == 1 - player)]


def test_the_first_moves() -> None:
    assert len(legal_texts(GAME, GAME.new_state())) == 22
    assert {"a7a6", "a7b6", "h7g6"} < legal_texts(GAME, GAME.new_state())
    assert {"a2a3", "a2b3", "h2g3"} < legal_texts(GAME, after(GAME, "a7a6"))


def test_the_first_to_reach_the_far_row_wins() -> None:
    state = after(GAME, "a7a6 h2h3 a6a5 h3h4 a5a4 h4h5 a4a3 h5h6 a3b2 h6g7")
    assert GAME.step(state, GAME.text_to_action("b2c1"), NO_HISTORY) == (1.0, True)


def test_who_loses_the_last_man_loses() -> None:
    state = GAME.new_state()
    state["men"][0] = np.uint64(1 << (8 * 3 + 2))  # c5
    state["men"][1] = np.uint64(1 << (8 * 3 + 3))  # d4
    assert GAME.to_text(state).splitlines()[3:5] == ["5 . . X . . . . .", "4 . . . O . . . ."]
    assert GAME.step(state, GAME.text_to_action("c5d4"), NO_HISTORY) == (1.0, True)


def test_sixteen_men_can_have_three_moves_each() -> None:
    # So num_slots is no smaller: all men on inner columns, nobody in front of them.
    state = GAME.new_state()
    inner = 0b01111110
    state["men"][0] = np.uint64(inner << 8 | inner << 24 | 0b00011110 << 40)
    state["men"][1] = np.uint64(1)
    assert legal(GAME, state).sum() == GAME.num_slots == 48


def test_a_man_is_never_without_a_move() -> None:
    # The foremost one has no own man ahead, and one of the other player's blocks it straight ahead alone.
    state = GAME.new_state()
    state["men"][0] = np.uint64(1)  # a8
    state["men"][1] = np.uint64(1 << 48)  # a7
    assert legal_texts(GAME, state) == {"a8b7"}
