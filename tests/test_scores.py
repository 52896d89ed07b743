"""Scores that a network foretells: what is read from it, and how the protocols tell of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from gtp_talk import FirstFree, make_session, talk
from small_batches import SMALL_NETWORK
from toy_area import ToyArea

import games
from games.base import FloatArray, Game
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import SCORE_UNIT, Network, NetworkShape
from rl.network.scores import NetworkScores
from rl.protocols.analysis.engine import AnalysisEngine, EngineConfig, EngineNames
from rl.protocols.scores import foretell
from rl.search.evaluation import ScoreEstimate, UniformEvaluator, score_reader

NONE = np.zeros(0, np.uint64)


class StoneCounter:
    """Foretells that nothing will change: a cell belongs to whose stone is on it."""

    def read(self, observations: FloatArray) -> ScoreEstimate:
        owners = (observations[:, 0] - observations[:, 1]).reshape(len(observations), -1)
        return ScoreEstimate(owners, owners.sum(1) + observations[:, 3, 0, 0])


class Foreseeing(UniformEvaluator):
    score_reader = StoneCounter()


class ForeseeingFirst(FirstFree):
    score_reader = StoneCounter()


def test_only_a_network_with_score_heads_foretells() -> None:
    game = games.make("go5")
    plain, scoring = (
        Network(NetworkShape.of(game), replace(SMALL_NETWORK, score_heads=heads)) for heads in (False, True)
    )
    assert score_reader(NetworkEvaluator(game, plain, 2)) is None
    assert score_reader(UniformEvaluator(game, 2)) is None
    reader = score_reader(NetworkEvaluator(game, scoring, 2))
    assert isinstance(reader, NetworkScores)
    observations = np.random.default_rng(0).random((3, *game.observation_shape), np.float32)
    found = reader.read(observations)
    scoring.eval()
    with torch.inference_mode():
        score = scoring(torch.from_numpy(observations)).score
    assert score is not None and found.ownership.shape == (3, 25)
    own = torch.sigmoid(score.ownership_logits)
    np.testing.assert_allclose(found.ownership, (own - (1 - own)).flatten(1).numpy(), atol=1e-6)
    np.testing.assert_allclose(found.leads, SCORE_UNIT * score.lead.numpy(), rtol=1e-6)


def test_new_weights_foretell_otherwise_and_the_network_stays_as_it_was() -> None:
    game = games.make("go5")
    first, second = (Network(NetworkShape.of(game), replace(SMALL_NETWORK, score_heads=True)).train() for _ in range(2))
    observations = np.random.default_rng(0).random((2, *game.observation_shape), np.float32)
    evaluator = NetworkEvaluator(game, first, 2)
    fresh = NetworkEvaluator(game, second, 2)
    assert evaluator.score_reader is not None and fresh.score_reader is not None
    before = evaluator.score_reader.read(observations)
    evaluator.load_weights(second.state_dict(), 1)
    after, expected = (one.score_reader.read(observations) for one in (evaluator, fresh))
    assert not np.array_equal(before.leads, after.leads)
    np.testing.assert_array_equal(after.leads, expected.leads)
    assert first.training and second.training


@pytest.mark.parametrize("player", [0, 1])
def test_leads_are_the_same_players_before_and_after_his_moves(player: int) -> None:
    game = ToyArea(3)
    state = game.new_state()
    for action in (0, 1)[: 1 + player]:
        game.step(state, action, NONE)
    state["to_play"] = player
    found = foretell(StoneCounter(), game, state, NONE, [8, 9])
    sign = 1 if player == 0 else -1
    assert found.ownership[0] == sign and found.ownership[8] == 0
    lead = (1 - player) * 1 - 0.5 if player == 0 else (1 - 1) + 0.5  # stones, and the komi of half a point
    assert found.lead == lead
    assert found.leads_after == [lead + 1, lead]


def test_a_game_that_ends_is_counted_not_foretold() -> None:
    game = ToyArea(3)
    state = game.new_state()
    for action in (0, 9):  # a stone, a pass
        game.step(state, action, NONE)

    class Wild(StoneCounter):
        def read(self, observations: FloatArray) -> ScoreEstimate:
            return super().read(observations)._replace(leads=np.full(len(observations), 99.0, np.float32))

    found = foretell(Wild(), game, state, NONE, [9, 5])
    assert found.leads_after == [0.5, -99.0]


def serve(game: Game, **query: object) -> list[dict[str, object]]:
    engine = AnalysisEngine(game, Foreseeing(game, 16), EngineNames("1", "test"), EngineConfig(memory=8))
    written: list[str] = []
    engine.serve([json.dumps({"id": "q", "maxVisits": 20, **query})], written.append)
    return [json.loads(line) for line in written]


@pytest.mark.plain_only
def test_analysis_tells_what_is_foretold_without_a_warning() -> None:
    (answer,) = serve(ToyArea(3), moves=["A1"], includeOwnership=True)
    root, infos = answer["rootInfo"], answer["moveInfos"]
    assert isinstance(root, dict) and isinstance(infos, list)
    assert root["currentPlayer"] == "W" and root["scoreLead"] == -0.5, "one stone behind, half a point ahead"
    assert {info["scoreLead"] for info in infos if info["move"] != "pass"} == {0.5}
    assert [info["scoreLead"] for info in infos if info["move"] == "pass"] == [-0.5]
    assert answer["ownership"] == [0, 0, 0, 0, 0, 0, -1, 0, 0]


@pytest.mark.plain_only
def test_gtp_tells_leads_and_on_demand_ownership() -> None:
    session = make_session(ToyArea(3), evaluator=ForeseeingFirst)
    told = talk(["play b A3", "kata-analyze w 1000 ownership true", "name"], session=session)
    line = next(line for line in told.split("\n") if line.startswith("info move"))
    infos, _, owners = line.partition(" ownership ")
    assert [float(owner) for owner in owners.split()] == [-1] + [0] * 8
    assert infos.count(" scoreLead 0.5 ") + infos.count(" scoreLead -0.5 ") == infos.count("info move")
    told = talk(["kata-analyze b 1000", "name"], session=make_session(ToyArea(3), evaluator=ForeseeingFirst))
    assert "scoreLead" in told and "ownership" not in told
    told = talk(["lz-analyze b 1000 ownership true", "name"], session=make_session(evaluator=ForeseeingFirst))
    assert "scoreLead" not in told and "ownership" not in told


@pytest.mark.plain_only
def test_gtp_tells_nothing_where_nothing_is_foretold() -> None:
    told = talk(["kata-analyze b 1000 ownership true", "name"])
    assert "info move" in told and "scoreLead" not in told and "ownership" not in told
