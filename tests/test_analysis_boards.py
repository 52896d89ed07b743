"""The analysis protocol's fields about sizes, rules, komi, set-up stones and the score, on a tiny scored game."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scored_game import Patches

import games
from games.base import FloatArray, Game
from rl.errors import UserError
from rl.protocols.analysis.answers import count_after
from rl.protocols.analysis.boards import Variants
from rl.protocols.analysis.engine import AnalysisEngine, EngineConfig, EngineNames
from rl.protocols.moves import replay
from rl.search.evaluation import Evaluation, Evaluator, UniformEvaluator
from scripts.variants import remake

pytestmark = pytest.mark.plain_only  # what the protocol says; compiled, the command itself is tested in test_analyze.py


class FirstActionEvaluator(UniformEvaluator):
    """Would rather play the first actions: the most likely line is a1 b1 c1 ..."""

    def __init__(self, game: Game, batch_size: int) -> None:
        super().__init__(game, batch_size)
        self.num_actions = game.num_actions

    def submit(self, num_rows: int) -> int:
        return num_rows

    def collect(self, ticket: int) -> Evaluation:
        logits: FloatArray = np.tile(-4 * np.arange(self.num_actions, dtype=np.float32), (ticket, 1))
        return Evaluation(logits, np.zeros(ticket, np.float32))


def remake_patches(game: Game, size: tuple[int, int] | None, options: Mapping[str, str]) -> Game:
    assert isinstance(game, Patches)
    width, height = size or (game.width, game.height)
    if max(width, height) > 5:
        raise ValueError(f"patches {width}x{height}: at most 5")
    if options.get("ko") == "situational":
        raise ValueError("patches knows no situational ko")
    superko = options["ko"] == "positional" if "ko" in options else game.uses_history
    return Patches(width, height, superko)


def evaluator_for(game: Game) -> Evaluator:
    if game.observation_shape[1] == 5:
        raise UserError("the agent plays no patches of 5 rows")
    return FirstActionEvaluator(game, 16)


def serve(*queries: dict[str, Any], game: Game | None = None, variants: Variants | None = None) -> list[dict[str, Any]]:
    chosen = game or Patches(3)
    engine = AnalysisEngine(
        chosen,
        FirstActionEvaluator(chosen, 16),
        EngineNames("1", "test"),
        EngineConfig(memory=8),
        variants or Variants(remake_patches, evaluator_for),
    )
    written: list[str] = []
    engine.serve([json.dumps({"id": "q", "maxVisits": 1, **query}) for query in queries], written.append)
    return [json.loads(line) for line in written]


def ask(moves: list[Any], game: Game | None = None, **fields: Any) -> dict[str, Any]:
    """The one answer to one query that is served without a warning."""
    (answer,) = serve({"moves": moves, **fields}, game=game)
    assert "error" not in answer, answer
    return answer


def refused(moves: list[Any], game: Game | None = None, **fields: Any) -> tuple[str, str]:
    """(field, message) of the one error that answers a query."""
    (answer,) = serve({"moves": moves, **fields}, game=game)
    assert answer["id"] == "q" and "\n" not in answer["error"]
    return answer["field"], answer["error"]


# --- the score ------------------------------------------------------------------------------------------------------


def test_score_lead_counts_the_board_at_the_end_of_the_line() -> None:
    answer = ask([], maxVisits=1)
    # one visit: each line is its move; a stone owns its cell and, alone, its neighbours; the komi is 0.5
    leads = {info["move"]: info["scoreLead"] for info in answer["moveInfos"]}
    assert leads == {**dict.fromkeys(("a1", "c1", "a3", "c3"), 2.5), **dict.fromkeys(("b1", "a2", "c2", "b3"), 3.5)} | {
        "b2": 4.5,
        "pass": -0.5,
    }
    assert answer["rootInfo"]["scoreLead"] == answer["moveInfos"][0]["scoreLead"] == 2.5
    assert "ownership" not in answer


def test_score_lead_and_ownership_are_for_the_side_to_move() -> None:
    (warning, answer) = serve({"moves": ["b2"], "maxVisits": 1, "includeOwnership": True})
    assert warning["field"] == "includeOwnership" and "principal variation" in warning["warning"]
    assert answer["rootInfo"]["currentPlayer"] == "W" and answer["moveInfos"][0]["pv"] == ["a1"]
    # W at a1, B in the middle: B owns b2, c2 and b3; b1 and a2 touch both
    assert answer["ownership"] == [1, 0, 0, 0, -1, -1, 0, -1, 0]
    assert answer["rootInfo"]["scoreLead"] == -1.5


def test_a_longer_line_is_played_to_its_end() -> None:
    answer = ask([], maxVisits=40)
    best = answer["moveInfos"][0]
    assert len(best["pv"]) > 2
    state = replay(Patches(3), best["pv"])[-1].state
    assert best["scoreLead"] == pytest.approx(Patches(3).score(state))


def test_a_finished_game_has_its_own_score() -> None:
    (_, answer) = serve({"moves": ["b2", "pass", "pass"], "includeOwnership": True})
    assert answer["rootInfo"]["currentPlayer"] == "W" and answer["moveInfos"] == []
    assert answer["rootInfo"]["scoreLead"] == -4.5 and answer["rootInfo"]["winrate"] == 0.0
    assert answer["ownership"] == [0, -1, 0, -1, -1, -1, 0, -1, 0]


def test_a_line_is_played_with_its_history() -> None:
    game = Patches(2, superko=True)
    position = replay(game, ["a1", "b1"])[-1]
    lead, owners = count_after(game, position, [2, 3])
    assert (lead, owners) == (-0.5, [1.0, -1.0, 1.0, -1.0]) and len(position.history) == 2


def test_other_games_have_no_ownership() -> None:
    (warning, answer) = serve({"moves": [], "includeOwnership": True}, game=games.make("tic_tac_toe"))
    assert warning["field"] == "includeOwnership" and "not scored" in warning["warning"]
    assert "ownership" not in answer and "scoreLead" not in answer["rootInfo"]
    assert refused([], includeOwnership="yes") == (
        "includeOwnership",
        "'includeOwnership' must be true or false, not \"yes\"",
    )


# --- komi -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("komi", "lead"), [(0, 1.0), (2.5, -1.5), (-3, 4.0), (150, -149.0)])
def test_komi_moves_the_score(komi: float, lead: float) -> None:
    assert ask(["b1", "a1", "pass", "pass"], komi=komi)["rootInfo"]["scoreLead"] == lead


@pytest.mark.parametrize("komi", ["7.5", None, True, 0.25, 151, -150.5, 1e300])
def test_bad_komi(komi: object) -> None:
    field, message = refused([], komi=komi)
    assert field == "komi" and "komi" in message


# --- set-up stones and who begins -----------------------------------------------------------------------------------


def test_initial_stones_are_on_the_board() -> None:
    (_, answer) = serve({"moves": [], "initialStones": [["B", "a1"], ["w", "C3"]], "includeOwnership": True})
    assert answer["rootInfo"]["currentPlayer"] == "B" and answer["turnNumber"] == 0
    assert {info["move"] for info in answer["moveInfos"]}.isdisjoint({"a1", "c3"})
    assert answer["ownership"] == [1, 1, 1, 1, 1, -1, 0, -1, -1]  # after b1, the move thought likeliest


@pytest.mark.parametrize(
    ("fields", "player"),
    [
        ({}, "B"),
        ({"initialPlayer": "w"}, "W"),
        ({"initialPlayer": "B", "initialStones": [["B", "a1"], ["B", "b1"]]}, "B"),
        ({"initialStones": [["B", "a1"], ["B", "b1"]]}, "W"),
        ({"initialStones": [["B", "a1"]]}, "B"),
        ({"initialStones": [["B", "a1"], ["W", "b1"]]}, "B"),
        ({"moves": [["W", "c3"], ["B", "c2"]]}, "W"),
        ({"moves": ["c3", "c2"], "initialPlayer": "W"}, "W"),
    ],
)
def test_who_moves_first(fields: dict[str, Any], player: str) -> None:
    answers = serve({"moves": [], "analyzeTurns": [0], **fields})
    assert [answer["rootInfo"]["currentPlayer"] for answer in answers] == [player]


@pytest.mark.parametrize(
    ("fields", "field", "part"),
    [
        ({"initialStones": "a1"}, "initialStones", "list"),
        ({"initialStones": ["a1"]}, "initialStones", "pairs"),
        ({"initialStones": [["B"]]}, "initialStones", "pairs"),
        ({"initialStones": [["B", 3]]}, "initialStones", "pairs"),
        ({"initialStones": [["X", "a1"]]}, "initialStones", "X"),
        ({"initialStones": [["B", "z9"]]}, "initialStones", "z9"),
        ({"initialStones": [["B", "pass"]]}, "initialStones", "pass"),
        ({"initialStones": [["B", "a1"], ["W", "a1"]]}, "initialStones", "a1"),
        ({"initialPlayer": "X"}, "initialPlayer", "X"),
        ({"initialPlayer": None}, "initialPlayer", "null"),
        ({"moves": [["B", "a1"]], "initialStones": [["B", "a1"]]}, "moves", "ply 1"),
        ({"moves": [["B", "a1"]], "initialPlayer": "W"}, "moves", "ply 1"),
    ],
)
def test_bad_stones_and_players(fields: dict[str, Any], field: str, part: str) -> None:
    told, message = refused(**{"moves": [], **fields})
    assert told == field and part in message


def test_a_game_without_set_up_refuses_stones() -> None:
    field, message = refused([], games.make("tic_tac_toe"), initialStones=[["B", "a1"]])
    assert field == "initialStones" and "takes no set-up stones" in message
    assert "error" not in ask([], games.make("tic_tac_toe"), initialStones=[], initialPlayer="b")


# --- sizes and rules ------------------------------------------------------------------------------------------------


def test_sizes_are_other_boards_of_the_game() -> None:
    wide = {"moves": ["d2"], "boardXSize": 4, "boardYSize": 2}
    answers = serve(
        {"id": "3", "moves": ["c3"], "boardXSize": 3, "boardYSize": 3, "includePolicy": True},
        {"id": "4x2", "includePolicy": True, **wide},
        {"id": "again", "maxVisits": 5, **wide},
        {"id": "bare", "moves": ["c3"]},
    )
    by_id = {answer["id"]: answer for answer in answers}
    assert len(answers) == 4 and not any("error" in answer for answer in answers)
    assert len(by_id["3"]["policy"]) == 10 and len(by_id["4x2"]["policy"]) == 9
    assert by_id["again"]["rootInfo"]["visits"] == 5


@pytest.mark.parametrize(
    ("fields", "field", "part"),
    [
        ({"boardXSize": 9, "boardYSize": 9}, "boardXSize", "at most 5"),
        ({"boardXSize": 3}, "boardYSize", "both"),
        ({"boardYSize": 3}, "boardXSize", "both"),
        ({"boardXSize": 3.5, "boardYSize": 3}, "boardXSize", "integer"),
        ({"boardXSize": 3, "boardYSize": "3"}, "boardYSize", "integer"),
        ({"boardXSize": 0, "boardYSize": 3}, "boardXSize", "no such board"),
        ({"boardXSize": 3, "boardYSize": 10**30}, "boardYSize", "no such board"),
        ({"boardXSize": 4, "boardYSize": 5}, "boardXSize", "the agent plays no"),
        ({"boardXSize": 4, "boardYSize": 4, "maxVisits": 10**9}, "maxVisits", "1000000000"),
    ],
)
def test_sizes_that_cannot_be_had(fields: dict[str, Any], field: str, part: str) -> None:
    told, message = refused([], **fields)
    assert told == field and part in message


def test_an_engine_of_one_board_refuses_others() -> None:
    engine = AnalysisEngine(Patches(3), UniformEvaluator(Patches(3), 4), EngineNames("1", "t"), EngineConfig(memory=8))
    written: list[str] = []
    engine.serve([json.dumps({"id": "q", "moves": [], "boardXSize": 4, "boardYSize": 4})], written.append)
    assert "only patches3" in json.loads(written[0])["error"]


@pytest.mark.parametrize("rules", ["tromp-taylor", {"ko": "POSITIONAL"}])
def test_rules_are_options_of_the_game(rules: object) -> None:
    moves = ["pass", "a1", "pass"]  # B passes twice in a row, which the option forbids
    assert "error" not in ask(moves) and "error" not in ask(moves, rules="chinese")
    assert "ply 3" in refused(moves, rules=rules)[1]
    assert "ply 3" in refused(moves, rules=rules, boardXSize=4, boardYSize=4)[1]


@pytest.mark.parametrize("rules", ["japanese", "new-zealand", {"ko": "SITUATIONAL"}, {"scoring": "TERRITORY"}, 7])
def test_rules_that_a_game_has_not_are_a_warning(rules: object) -> None:
    (warning, answer) = serve({"moves": [], "rules": rules})
    assert warning["field"] == "rules" and "by its own" in warning["warning"] and "rootInfo" in answer


def test_fields_without_meaning_are_warnings_in_the_order_of_the_query() -> None:
    query = {"moves": [], "rules": "chinese", "whiteHandicapBonus": "0", "komi": 6.5, "includeOwnership": True}
    *warnings, answer = serve(query, game=games.make("tic_tac_toe"))
    assert [warning["field"] for warning in warnings] == ["rules", "whiteHandicapBonus", "komi", "includeOwnership"]
    assert all(warning["id"] == "q" for warning in warnings) and "rootInfo" in answer


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "made"),
    [
        ("connect_four", None, "connect_four"),
        ("connect_four", (7, 6), "connect_four"),
        ("connect_four", (5, 4), "connect_four5x4"),
        ("connect_four", (4, 4), "connect_four4x4"),
        ("connect_four5x4", (7, 6), "connect_four"),
        ("tic_tac_toe", (3, 3), "tic_tac_toe"),
    ],
)
def test_other_sizes_by_name(name: str, size: tuple[int, int] | None, made: str) -> None:
    assert remake(games.make(name), size, {}).name == made


def test_sizes_and_options_that_there_are_not() -> None:
    for name, size, options in (
        ("tic_tac_toe", (4, 4), {}),
        ("connect_four", (3, 3), {}),
        ("connect_four", None, {"ko": "x"}),
    ):
        with pytest.raises(games.UnknownGame):
            remake(games.make(name), size, options)
