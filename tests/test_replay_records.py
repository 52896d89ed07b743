"""Records of games: nothing is lost between encode and decode, and nothing unsound is decoded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_games import random_game
from small_games import NETWORK_GAMES

import games
from rl.replay.records import (
    WEIGHT_SUM,
    GameRecord,
    check,
    decode,
    encode,
    make_record,
    payload_marker,
    quantize_policy,
    step_dtype,
    target_dtype,
)

TIC_TAC_TOE = games.make("tic_tac_toe")


def assert_equal(one: GameRecord, other: GameRecord) -> None:
    assert one.game_number == other.game_number
    assert one.steps.dtype == other.steps.dtype
    assert one.targets.dtype == other.targets.dtype
    assert one.steps.tobytes() == other.steps.tobytes()
    assert one.targets.tobytes() == other.targets.tobytes()


@pytest.mark.parametrize("name", NETWORK_GAMES)
@settings(max_examples=20)
@given(number=st.integers(0, 2**62), share=st.floats(0, 1))
def test_decode_gives_back_what_was_encoded(name: str, number: int, share: float) -> None:
    game = games.make(name)
    record = random_game(game, number, share)
    data = encode(record)
    assert data.startswith(payload_marker(game))
    assert_equal(decode(game, data), record)


@pytest.mark.parametrize("name", NETWORK_GAMES)
def test_a_position_takes_few_bytes(name: str) -> None:
    game = games.make(name)
    record = random_game(game, 1, 1.0)
    assert step_dtype(game).itemsize == 2 + 1 + 1 + 1 + 2 + 4 + 4 + 4 + 4
    assert target_dtype(game).itemsize == 4
    assert len(encode(record)) < 30 + len(record.steps) * 23 + len(record.targets) * 4


@given(
    st.lists(
        st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3).filter(lambda row: sum(row) > 1e-3),
        min_size=1,
        max_size=5,
    )
)
def test_quantized_weights_sum_exactly_and_are_off_by_less_than_a_unit(rows: list[list[float]]) -> None:
    policy = np.array(rows)
    policy /= policy.sum(-1, keepdims=True)
    weights = quantize_policy(policy)
    assert weights.dtype == np.uint16
    assert (weights.sum(-1, dtype=np.int64) == WEIGHT_SUM).all()
    assert (np.abs(weights - policy * WEIGHT_SUM) <= 1 + 1e-6).all()


def test_quantized_weights_of_a_certain_action() -> None:
    assert quantize_policy(np.array([0.0, 1.0, 0.0])).tolist() == [0, WEIGHT_SUM, 0]
    assert quantize_policy(np.array([0.5, 0.5])).tolist() == [32768, 32767]


def test_make_record_leaves_out_actions_without_weight_and_steps_without_target() -> None:
    steps = np.zeros(3, step_dtype(TIC_TAC_TOE))
    steps["is_target"] = [True, False, True]
    steps["num_targets"] = 9
    policies = [(np.array([4, 7, 8]), np.array([0.25, 0.0, 0.75])), (np.array([2]), np.array([1.0]))]
    record = make_record(TIC_TAC_TOE, 5, steps, policies)
    assert record.steps["num_targets"].tolist() == [2, 0, 1]
    assert record.targets["action"].tolist() == [4, 8, 2]
    assert record.targets["weight"].tolist() == [16384, 49151, 65535]


def test_every_cut_of_the_bytes_is_refused() -> None:
    data = encode(random_game(TIC_TAC_TOE, 3))
    for end in range(len(data)):
        with pytest.raises(ValueError):
            decode(TIC_TAC_TOE, data[:end])
    with pytest.raises(ValueError, match="bytes for"):
        decode(TIC_TAC_TOE, data + b"\0")


def test_rows_laid_out_otherwise_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(random_game(TIC_TAC_TOE, 3))
    monkeypatch.setattr(type(TIC_TAC_TOE), "action_dtype", np.dtype(np.uint16))
    with pytest.raises(ValueError, match="laid out"):
        decode(TIC_TAC_TOE, data)
    with pytest.raises(ValueError, match="record version 9"):
        decode(TIC_TAC_TOE, b"\x09" + data[1:])


@pytest.mark.parametrize("action", [-1, 9, 30000])
def test_actions_that_would_index_outside_arrays_are_refused(action: int) -> None:
    for rows in ("steps", "targets"):
        record = random_game(TIC_TAC_TOE, 3)
        getattr(record, rows)["action"][-1] = action
        with pytest.raises(ValueError, match="outside 0 to 8"):
            decode(TIC_TAC_TOE, encode(record))


def test_a_game_longer_than_any_is_refused() -> None:
    steps = np.zeros(10, step_dtype(TIC_TAC_TOE))
    with pytest.raises(ValueError, match="10 moves, a game has at most 9"):
        decode(TIC_TAC_TOE, encode(make_record(TIC_TAC_TOE, 0, steps, [])))


def test_records_that_contradict_themselves_are_refused() -> None:
    record = random_game(TIC_TAC_TOE, 3)
    check(record)
    with pytest.raises(ValueError, match="without steps"):
        check(record._replace(steps=record.steps[:0]))
    with pytest.raises(ValueError, match="policy targets"):
        check(record._replace(targets=record.targets[:-1]))
    wrong = random_game(TIC_TAC_TOE, 3)
    wrong.targets["weight"][0] -= 1
    with pytest.raises(ValueError, match="do not sum"):
        check(wrong)
    wrong = random_game(TIC_TAC_TOE, 3)
    wrong.steps["to_play"][1] = 2
    with pytest.raises(ValueError, match="to_play"):
        encode(wrong)


def test_actions_may_be_vectors_and_states_stored() -> None:
    class Arm(type(TIC_TAC_TOE)):  # type: ignore[misc]
        action_dtype = np.dtype((np.float32, (4,)))
        stores_states = True

    arm = Arm()
    steps = np.zeros(2, step_dtype(arm))
    steps["action"] = np.arange(8).reshape(2, 4)
    steps["is_target"] = True
    steps["state"]["board"] = 1
    proposals = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    record = make_record(arm, 1, steps, [(proposals, np.array([0.5, 0.25, 0.25]))] * 2)
    again = decode(arm, encode(record))
    assert_equal(again, record)
    assert again.targets["action"].shape == (6, 4)
    assert again.steps["state"]["board"].all()
