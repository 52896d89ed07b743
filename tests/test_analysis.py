"""The analysis protocol: fields, perspectives, errors, shared batches and orders."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import games
from games.base import FloatArray, Game
from rl.protocols.analysis.engine import AnalysisEngine, EngineConfig, EngineNames
from rl.search.evaluation import Evaluation, Evaluator, UniformEvaluator

pytestmark = pytest.mark.plain_only  # what the protocol says; compiled, the command itself is tested in test_analyze.py

CONNECT_FOUR = games.make("connect_four")
TIC_TAC_TOE = games.make("tic_tac_toe")


class LogitsEvaluator(UniformEvaluator):
    """Action a has logit a / 2, every position the value 0.25; counts batches and rows."""

    def __init__(self, game: Game, batch_size: int) -> None:
        super().__init__(game, batch_size)
        self.num_actions = game.num_actions
        self.rows: list[int] = []

    def submit(self, num_rows: int) -> int:
        self.rows.append(num_rows)
        return num_rows

    def collect(self, ticket: int) -> Evaluation:
        logits: FloatArray = np.tile(np.arange(self.num_actions, dtype=np.float32) / 2, (ticket, 1))
        return Evaluation(logits, np.full(ticket, 0.25, np.float32))


class HeldEvaluator(UniformEvaluator):
    """Announces its first batch and answers it only when it is let go."""

    def __init__(self, game: Game, batch_size: int) -> None:
        super().__init__(game, batch_size)
        self.asked, self.let_go = threading.Event(), threading.Event()

    def collect(self, ticket: int) -> Evaluation:
        self.asked.set()
        assert self.let_go.wait(30)
        return super().collect(ticket)


def serve(
    queries: Iterable[object], game: Game = CONNECT_FOUR, evaluator: Evaluator | None = None, **options: Any
) -> list[dict[str, Any]]:
    """The engine's answers to queries; a string is sent as it is."""
    engine = AnalysisEngine(
        game, evaluator or UniformEvaluator(game, 16), EngineNames("1.2.3", "test"), EngineConfig(memory=8, **options)
    )
    written: list[str] = []
    engine.serve((query if isinstance(query, str) else json.dumps(query) for query in queries), written.append)
    return [json.loads(line) for line in written]


def ask(
    moves: list[Any], game: Game = CONNECT_FOUR, evaluator: Evaluator | None = None, **fields: Any
) -> dict[str, Any]:
    """The one answer to one query."""
    answers = serve([{"id": "q", "moves": moves, **fields}], game, evaluator)
    assert len(answers) == 1
    return answers[0]


def test_an_answer_has_the_fields_of_the_protocol() -> None:
    answer = ask(["4", "4"], evaluator=LogitsEvaluator(CONNECT_FOUR, 16), maxVisits=30, includePolicy=True)
    assert set(answer) == {"id", "turnNumber", "isDuringSearch", "moveInfos", "rootInfo", "policy"}
    assert (answer["id"], answer["turnNumber"], answer["isDuringSearch"]) == ("q", 2, False)
    assert set(answer["rootInfo"]) == {"winrate", "utility", "visits", "currentPlayer"}
    assert answer["rootInfo"]["visits"] == 30 and answer["rootInfo"]["currentPlayer"] == "B"
    for place, info in enumerate(answer["moveInfos"]):
        assert set(info) == {"move", "visits", "winrate", "prior", "utility", "order", "pv"}
        assert info["order"] == place and info["pv"][0] == info["move"]
        assert info["winrate"] == pytest.approx((1 + info["utility"]) / 2)
    assert sum(info["visits"] for info in answer["moveInfos"]) == 29  # the root's own evaluation is the 30th


def test_the_policy_is_in_action_order_with_minus_one_where_illegal() -> None:
    moves = ["3", "3", "3", "3", "3", "3"]  # fills the third column
    answer = ask(moves, evaluator=LogitsEvaluator(CONNECT_FOUR, 16), maxVisits=1, includePolicy=True)
    weights = np.exp(np.arange(7) / 2)
    weights[2] = 0
    expected = weights / weights.sum()
    expected[2] = -1
    assert answer["policy"] == pytest.approx(expected.tolist(), rel=1e-5)


def test_one_visit_is_the_bare_policy() -> None:
    answer = ask([], evaluator=LogitsEvaluator(CONNECT_FOUR, 16), maxVisits=1)
    assert [info["move"] for info in answer["moveInfos"]] == ["7", "6", "5", "4", "3", "2", "1"]
    assert all(info["visits"] == 0 and info["pv"] == [info["move"]] for info in answer["moveInfos"])
    assert answer["rootInfo"]["visits"] == 1
    assert answer["rootInfo"]["winrate"] == pytest.approx(0.625)  # value 0.25
    assert "policy" not in answer


@pytest.mark.parametrize(
    ("moves", "player", "winning"),
    [(["4", "1", "4", "1", "4", "1"], "B", "4"), (["7", "4", "7", "4", "1", "4", "1"], "W", "4")],
)
def test_who_is_about_to_win_has_winrate_one(moves: list[str], player: str, winning: str) -> None:
    answer = ask(moves, maxVisits=60)
    assert answer["rootInfo"]["currentPlayer"] == player
    assert answer["rootInfo"]["winrate"] == 1.0
    best = answer["moveInfos"][0]
    assert (best["move"], best["winrate"], best["utility"], best["pv"]) == (winning, 1.0, 1.0, [winning])


def test_who_cannot_stop_two_threats_has_winrate_zero() -> None:
    moves = ["4", "4", "3", "3", "5"]  # an open three on the lowest row: 2 and 6 both win
    answer = ask(moves, maxVisits=200)
    assert answer["rootInfo"]["currentPlayer"] == "W"
    assert answer["rootInfo"]["winrate"] == 0.0
    assert all(info["winrate"] == 0.0 for info in answer["moveInfos"])
    assert len(answer["moveInfos"][0]["pv"]) == 2  # any move, and the win


def test_analyze_turns_gives_one_answer_a_turn_each_for_its_side_to_move() -> None:
    moves = [["B", "4"], ["w", "1"], ["b", "4"], ["W", "1"], ["B", "4"], ["W", "1"]]
    answers = serve([{"id": "x", "moves": moves, "maxVisits": 40, "analyzeTurns": [6, 5, 0, 6]}])
    by_turn = {answer["turnNumber"]: answer for answer in answers}
    assert len(answers) == 3 and set(by_turn) == {0, 5, 6}
    assert [by_turn[turn]["rootInfo"]["currentPlayer"] for turn in (0, 5, 6)] == ["B", "W", "B"]
    assert by_turn[6]["rootInfo"]["winrate"] == 1.0
    block = next(info for info in by_turn[5]["moveInfos"] if info["move"] == "4")
    assert all(info["winrate"] < block["winrate"] for info in by_turn[5]["moveInfos"] if info["move"] != "4")


def test_a_finished_game_is_answered_with_its_result() -> None:
    answer = ask(["4", "1", "4", "1", "4", "1", "4"], includePolicy=True)
    assert answer["moveInfos"] == [] and answer["policy"] == [-1] * 7
    assert answer["rootInfo"] == {"winrate": 0.0, "utility": -1.0, "visits": 0, "currentPlayer": "W"}
    draw = ask(["a1", "b1", "c1", "b2", "a2", "c2", "b3", "a3", "c3"], TIC_TAC_TOE)
    assert draw["rootInfo"]["winrate"] == 0.5


def test_queries_share_batches_and_are_answered_as_if_alone() -> None:
    together, alone = LogitsEvaluator(CONNECT_FOUR, 16), LogitsEvaluator(CONNECT_FOUR, 16)
    moves = [[str(first), str(second)] for first in range(1, 6) for second in range(1, 6)]
    queries = [{"id": str(number), "moves": each, "maxVisits": 25} for number, each in enumerate(moves)]
    answers = serve(queries, evaluator=together)
    assert sorted(int(answer["id"]) for answer in answers) == list(range(25))
    assert sum(together.rows) / len(together.rows) > 4
    shared = next(answer for answer in answers if answer["id"] == "7")
    assert shared == {**ask(moves[7], evaluator=alone, maxVisits=25), "id": "7"}


def test_the_highest_priority_is_served_first() -> None:
    evaluator = HeldEvaluator(CONNECT_FOUR, 16)

    def lines() -> Iterator[dict[str, Any]]:
        yield {"id": "running", "moves": [], "maxVisits": 5}
        assert evaluator.asked.wait(30)
        yield {"id": "low", "moves": [], "maxVisits": 6}
        yield {"id": "mixed", "moves": ["1"], "maxVisits": 8, "analyzeTurns": [0, 1], "priorities": [-1, 4]}
        yield {"id": "high", "moves": [], "maxVisits": 7, "priority": 5}
        evaluator.let_go.set()

    answered = [(answer["id"], answer["turnNumber"]) for answer in serve(lines(), evaluator=evaluator, trees=1)]
    assert answered == [("running", 0), ("high", 0), ("mixed", 1), ("low", 0), ("mixed", 0)]


def test_terminate_ends_a_running_search_with_what_it_has_and_drops_waiting_ones() -> None:
    evaluator = HeldEvaluator(CONNECT_FOUR, 16)

    def lines() -> Iterator[dict[str, Any]]:
        yield {"id": "long", "moves": [], "maxVisits": 20000}
        assert evaluator.asked.wait(30)
        yield {"id": "waiting", "moves": ["1", "2"], "maxVisits": 7, "analyzeTurns": [0, 1, 2]}
        yield {"id": "t1", "action": "terminate", "terminateId": "waiting", "turnNumbers": [0, 2]}
        yield {"id": "t2", "action": "terminate", "terminateId": "long"}
        evaluator.let_go.set()

    answers = serve(lines(), evaluator=evaluator)
    echoes = {answer["id"]: answer for answer in answers if "action" in answer}
    assert echoes["t2"] == {"id": "t2", "action": "terminate", "terminateId": "long"}
    analyses = {(answer["id"], answer["turnNumber"]): answer for answer in answers if "action" not in answer}
    assert set(analyses) == {("long", 0), ("waiting", 0), ("waiting", 1), ("waiting", 2)}
    dropped = {"id": "waiting", "turnNumber": 0, "isDuringSearch": False, "noResults": True}
    assert analyses["waiting", 0] == dropped and analyses["waiting", 2]["noResults"]
    assert analyses["waiting", 1]["rootInfo"]["visits"] == 7
    assert analyses["long", 0]["rootInfo"]["visits"] < 20000


def test_one_terminated_query_of_a_shared_search_leaves_the_others_whole() -> None:
    evaluator = HeldEvaluator(CONNECT_FOUR, 16)

    def lines() -> Iterator[dict[str, Any]]:
        yield {"id": "first", "moves": [], "maxVisits": 3}
        assert evaluator.asked.wait(30)
        evaluator.asked.clear()
        yield {"id": "a", "moves": ["1"], "maxVisits": 300}
        yield {"id": "b", "moves": ["2"], "maxVisits": 300}
        yield {"id": "c", "moves": [], "maxVisits": 3, "priority": 1}
        evaluator.let_go.set()
        evaluator.asked.wait(30)
        yield {"id": "t", "action": "terminate", "terminateId": "a"}

    answers = serve(lines(), evaluator=evaluator)
    visits = {answer["id"]: answer["rootInfo"]["visits"] for answer in answers if "rootInfo" in answer}
    assert visits["b"] == 300 and visits.get("a", 0) <= 300


def test_orders_are_echoed_with_their_answers() -> None:
    answers = serve(
        [
            {"id": "v", "action": "query_version"},
            {"id": "m", "action": "query_models"},
            {"id": "c", "action": "clear_cache"},
            {"id": "t", "action": "terminate_all"},
            {"id": "u", "action": "clear_cache", "extra": [1]},
        ]
    )
    assert answers[0] == {"id": "v", "action": "query_version", "version": "1.2.3", "git_hash": "<omitted>"}
    assert answers[1]["models"][0]["name"] == "test" and answers[1]["models"][0]["maxBatchSize"] == 16
    assert answers[2:4] == [{"id": "c", "action": "clear_cache"}, {"id": "t", "action": "terminate_all"}]
    assert answers[4]["field"] == "extra" and "extra" in answers[4]["warning"]


@pytest.mark.parametrize(
    ("query", "field", "part"),
    [
        ("not json", None, "JSON"),
        ("[1, 2]", None, "object"),
        ('"id"', None, "object"),
        ('{"id": "q", "moves": [], "maxVisits": NaN}', None, "NaN"),
        ("[" * 100_000, None, "JSON"),
        ('{"id": "q", "moves": ' + "[" * 200 + "]" * 200 + "}", None, "nested"),
        ({"moves": []}, "id", "id"),
        ({"id": 7, "moves": []}, "id", "string"),
        ({"id": "q"}, "moves", "moves"),
        ({"id": "q", "moves": "4"}, "moves", "list"),
        ({"id": "q", "moves": ["4", 4]}, "moves", "ply 2"),
        ({"id": "q", "moves": ["4", ["B", "4", "4"]]}, "moves", "ply 2"),
        ({"id": "q", "moves": ["4", "8"]}, "moves", "ply 2"),
        ({"id": "q", "moves": ["3"] * 7}, "moves", "ply 7"),
        ({"id": "q", "moves": ["4", "1", "4", "1", "4", "1", "4", "1"]}, "moves", "ply 8"),
        ({"id": "q", "moves": [["W", "4"]]}, "moves", "ply 1"),
        ({"id": "q", "moves": [["B", "4"], ["B", "4"]]}, "moves", "ply 2"),
        ({"id": "q", "moves": [["X", "4"]]}, "moves", "ply 1"),
        ({"id": "q", "moves": [], "initialPlayer": "W"}, "initialPlayer", "B"),
        ({"id": "q", "moves": [], "initialPlayer": 3}, "initialPlayer", "3"),
        ({"id": "q", "moves": [], "maxVisits": 0}, "maxVisits", "1"),
        ({"id": "q", "moves": [], "maxVisits": -5}, "maxVisits", "-5"),
        ({"id": "q", "moves": [], "maxVisits": 10**9}, "maxVisits", "1000000000"),
        ({"id": "q", "moves": [], "maxVisits": 2.5}, "maxVisits", "integer"),
        ({"id": "q", "moves": [], "maxVisits": True}, "maxVisits", "integer"),
        ({"id": "q", "moves": ["1"], "analyzeTurns": [2]}, "analyzeTurns", "0 to 1"),
        ({"id": "q", "moves": ["1"], "analyzeTurns": [-1]}, "analyzeTurns", "-1"),
        ({"id": "q", "moves": ["1"], "analyzeTurns": ["0"]}, "analyzeTurns", "integers"),
        ({"id": "q", "moves": ["1"], "analyzeTurns": []}, "analyzeTurns", "empty"),
        ({"id": "q", "moves": [], "includePolicy": 1}, "includePolicy", "true or false"),
        ({"id": "q", "moves": [], "priority": "high"}, "priority", "integer"),
        ({"id": "q", "moves": [], "priorities": [1, 2]}, "priorities", "1, not 2"),
        ({"id": "q", "action": "dance"}, "action", "query_version"),
        ({"id": "q", "action": ["terminate"]}, "action", "terminate"),
        ({"id": "q", "action": "terminate"}, "terminateId", "string"),
        ({"id": "q", "action": "terminate_all", "turnNumbers": 3}, "turnNumbers", "list"),
    ],
)
def test_a_bad_line_gets_an_error_and_the_next_is_served(query: object, field: str | None, part: str) -> None:
    answers = serve([query, {"id": "next", "moves": [], "maxVisits": 1}])
    errors = [answer for answer in answers if "error" in answer]
    assert len(errors) == 1 and len(answers) == 2
    assert errors[0].get("field") == field and part in errors[0]["error"] and "\n" not in errors[0]["error"]
    has_id = isinstance(query, dict) and isinstance(query.get("id"), str)
    assert errors[0].get("id") == ("q" if has_id else None)


def test_unknown_fields_are_named_in_warnings_and_the_query_is_served() -> None:
    answers = serve([{"id": "q", "moves": [], "maxVisits": 2, "komi": 7.5, "rules": "chinese"}])
    assert [answer.get("field") for answer in answers] == ["komi", "rules", None]
    assert all(name in answer["warning"] for name, answer in zip(("komi", "rules"), answers, strict=False))
    assert answers[2]["rootInfo"]["visits"] == 2


def test_blank_lines_are_no_queries() -> None:
    assert serve(["", "   ", "\t"]) == []


def test_a_reader_that_goes_away_ends_the_service() -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    engine = AnalysisEngine(CONNECT_FOUR, UniformEvaluator(CONNECT_FOUR, 4), EngineNames("1", "test"))
    for line in ('{"id": "q", "moves": [], "maxVisits": 3}', "an error, written by the reading thread"):
        with pytest.raises(BrokenPipeError):
            engine.serve([line], gone)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["4", "B", "W"]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=4), children, max_size=3),
    max_leaves=8,
)
_NAMES = ("id", "moves", "initialPlayer", "maxVisits", "analyzeTurns", "includePolicy", "priority", "action")
_LINES = st.one_of(
    st.text(max_size=40).filter(lambda text: "\n" not in text and "\r" not in text),
    _JSON.map(json.dumps),
    st.dictionaries(st.sampled_from([*_NAMES, "terminateId", "komi", "priorities"]), _JSON, max_size=6).map(json.dumps),
    st.fixed_dictionaries(
        {"id": st.text(max_size=3), "moves": st.lists(st.sampled_from(["1", "4", "8", "", "pass"]), max_size=9)},
        optional={"maxVisits": st.integers(-1, 4), "analyzeTurns": st.lists(st.integers(-1, 9), max_size=3)},
    ).map(json.dumps),
)


@settings(max_examples=60)
@given(st.lists(_LINES, max_size=6))
def test_no_line_stops_the_engine(lines: list[str]) -> None:
    answers = serve([*lines, {"id": "the last", "moves": [], "maxVisits": 1}], visits=3)
    assert any(answer.get("id") == "the last" and "rootInfo" in answer for answer in answers)
    kinds = ("error", "warning", "rootInfo", "action", "noResults")
    assert all(any(kind in answer for kind in kinds) for answer in answers)
    assert len(answers) >= sum(bool(line.strip()) for line in lines)
