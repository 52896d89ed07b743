"""`keima rules`: JSON lines in and out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import games
from rl.protocols.moves import BadRequest, replay
from rl.protocols.rules import answer

FOUR = games.make("connect_four")
TOE = games.make("tic_tac_toe")


def ask(request: Any, game: Any = FOUR) -> dict[str, Any]:
    told = answer(game, json.dumps(request).encode())
    return dict(json.loads(json.dumps(told)))


def test_the_start() -> None:
    assert ask({"moves": []}) == {
        "to_play": 0,
        "legal": ["1", "2", "3", "4", "5", "6", "7"],
        "terminated": False,
        "returns": None,
        "observation_shape": [5, 6, 7],
    }


def test_a_full_column_is_not_legal() -> None:
    told = ask({"moves": ["4"] * 5})
    assert told["to_play"] == 1 and "4" in told["legal"]
    assert ask({"moves": ["4"] * 6})["legal"] == ["1", "2", "3", "5", "6", "7"]


@pytest.mark.parametrize(
    ("game", "moves", "returns"),
    [
        (FOUR, "1 2 1 2 1 2 1", [1.0, -1.0]),
        (FOUR, "7 2 1 2 1 2 1 2", [-1.0, 1.0]),
        (TOE, "b2 a1 a2 c2 b1 b3 a3 c1 c3", [0.0, 0.0]),
        (TOE, "a1 b1 a2 b2 a3", [1.0, -1.0]),
    ],
)
def test_the_end(game: Any, moves: str, returns: list[float]) -> None:
    told = ask({"moves": moves.split()}, game)
    assert told["terminated"] is True and told["to_play"] is None and told["legal"] == []
    assert told["returns"] == returns


def test_trace_counts_the_legal_moves_before_each_ply() -> None:
    assert ask({"moves": [], "trace": True})["num_legal"] == []
    assert ask({"moves": ["4"] * 6 + ["1"], "trace": True})["num_legal"] == [7, 7, 7, 7, 7, 7, 6]
    assert ask({"moves": ["b2", "a1", "c3"], "trace": True}, TOE)["num_legal"] == [9, 8, 7]
    assert "num_legal" not in ask({"moves": ["4"], "trace": False})


def test_pairs_of_player_and_move() -> None:
    assert ask({"moves": [["B", "4"], ["w", "4"], "3"]}) == ask({"moves": ["4", "4", "3"]})


@pytest.mark.parametrize(
    ("moves", "told"),
    [
        (["4"] * 7, "ply 7: 4 is not legal"),
        (["4", "9"], "ply 2: '9'"),
        (["4", "4", ""], "ply 3: ''"),
        (["4", 4], "ply 2: 4"),
        ([None], "ply 1: None"),
        (["1", "2", "1", "2", "1", "2", "1", "2"], "ply 8: the game is over"),
        (["4", ["B", "4"]], "ply 2: B is not to move, W is"),
        ([["X", "4"]], "ply 1: 'X'"),
        ([["B", "4", "4"]], "ply 1: "),
        ([["B", ["B", "4"]]], "ply 1: "),
    ],
)
def test_bad_moves_name_their_ply(moves: list[Any], told: str) -> None:
    assert ask({"moves": moves})["error"].startswith(told)


@pytest.mark.parametrize(
    "line",
    [
        b"moves",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"moves": "44"}',
        b'{"moves": {"4": 4}}',
        b'{"moves": [], "trace": 1}',
        b'{"moves": [',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"moves": [' + b"9" * 5000 + b"]}",
    ],
)
def test_bad_lines_are_answered_by_an_error(line: bytes) -> None:
    told = answer(FOUR, line)
    assert list(told) == ["error"] and "\n" not in told["error"]


def test_unknown_fields_are_named_and_the_rest_is_answered() -> None:
    told = ask({"moves": ["4"], "komi": 7, "rules": "x"})
    assert "komi" in told["warning"] and "rules" in told["warning"] and told["to_play"] == 1
    assert "komi" in ask({"moves": ["9"], "komi": 7})["warning"]


def test_an_id_comes_back() -> None:
    assert ask({"id": "a1", "moves": []})["id"] == "a1"
    told = ask({"id": 3, "moves": ["0"]})
    assert told["id"] == 3 and "ply 1" in told["error"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from("1234567"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["moves", "trace", "id", "x"]), inner),
    max_leaves=12,
)


@given(request=json_values)
def test_any_json_is_answered(request: Any) -> None:
    told = answer(FOUR, json.dumps(request).encode())
    json.dumps(told)
    assert ("error" in told) != ("legal" in told)


@given(line=st.binary(max_size=30))
def test_any_bytes_are_answered(line: bytes) -> None:
    assert "error" in answer(FOUR, line) or "legal" in answer(FOUR, line)


def test_replay_gives_every_position() -> None:
    positions = replay(TOE, ["a1", "b1", "a2", "b2", "a3"])
    assert [int(position.state["num_moves"]) for position in positions] == [0, 1, 2, 3, 4, 5]
    assert [position.returns for position in positions] == [None] * 5 + [(1.0, -1.0)]
    with pytest.raises(BadRequest, match="ply 6"):
        replay(TOE, ["a1", "b1", "a2", "b2", "a3", "b3"])


def test_the_command_answers_line_by_line() -> None:
    command = [sys.executable, "-m", "scripts.cli", "rules", "tic_tac_toe"]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdin and process.stdout
        for line, expected in [(b'{"moves": ["b2"]}', "legal"), (b"nonsense", "error"), (b'{"moves": []}', "legal")]:
            process.stdin.write(line + b"\n\n")  # empty lines are passed over
            process.stdin.flush()
            assert expected in json.loads(process.stdout.readline())  # answered before the next line is sent
        process.stdin.close()
        assert process.wait() == 0
