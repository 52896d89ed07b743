"""Whole small runs of a simulated game: what they leave behind, and that they go on where they stopped."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image
from tiny_runs import TINY

import games
from games.robots.rendering import NoPictures
from games.simulated import SimulatedGame
from rl.network.agent_file import load_agent
from rl.network.evaluator import NetworkEvaluator
from rl.network.vector import VectorConfig
from rl.replay.chunks import scan
from rl.replay.episodes import EpisodeWindowConfig
from rl.replay.mixture import Mixture
from rl.search.simulator import SIMULATED
from rl.selfplay.episodes import EpisodesConfig
from rl.train.config import EvaluationConfig, LimitsConfig
from rl.train.episodes import FILM_NAME, measure_episodes
from rl.train.loop import train
from rl.train.metrics import read_metrics
from rl.train.run_directory import film_path
from scripts.cli import main

CONFIG = replace(
    TINY,
    network=VectorConfig(layers=1, width=8, value_bins=9),
    selfplay=EpisodesConfig(games_per_worker=4, simulations=3),
    window=EpisodeWindowConfig(max_positions=100),
    games_per_generation=8,
    evaluation=EvaluationConfig(seconds=0.5, simulations=3, games=4, last_games=6, rollouts=(), cpu_share=1e9),
    limits=LimitsConfig(games=16),
)


def short(name: str = "planar_reach") -> SimulatedGame:
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    game.max_num_moves = 8
    return game


@pytest.mark.plain_only
def test_a_run_of_episodes_trains_measures_and_goes_on(tmp_path: Path) -> None:
    game, run_dir, output = short(), tmp_path / "run", io.StringIO()
    mixture = Mixture.of(game)
    assert train(mixture, CONFIG, run_dir, output) == 0
    numbers = [record.game_number for record in scan(run_dir / "replay", mixture)]
    assert len(numbers) == len(set(numbers)) == 16
    lines = read_metrics(run_dir / "metrics.jsonl")
    told = set().union(*lines)
    assert {
        *("selfplay/return", "selfplay/success", "episodes/policy_return", "episodes/search_success", "loss/policy"),
        *("policy/deviation", "games/sample", "search/policy_surprise"),
    } <= told
    assert not {"selfplay/draws", "value/accuracy", "elo/agent", "policy/log_partition"} & told
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run_dir / "tensorboard"))
    accumulator.Reload()
    layout = accumulator.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    assert b"Successes" in layout and b"Elo" not in layout
    shown = accumulator.Images(FILM_NAME)
    measured = [line[FILM_NAME]["step"] for line in lines if FILM_NAME in line]
    assert measured and [event.step for event in shown] == [line["steps"] for line in lines if FILM_NAME in line]
    for event, step in zip(shown, measured, strict=True):
        with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
            assert picture.format == "GIF" and picture.n_frames > 1
            assert (event.width, event.height) == picture.size
        assert film_path(run_dir, step).read_bytes() == event.encoded_image_string
    assert main(["report", str(run_dir)]) == 0
    page = (run_dir / "report.html").read_text("utf-8")
    newest = [line["episodes/search_success"] for line in lines if "episodes/search_success" in line][-1]
    told = f"{newest:.0%} successes"
    assert page.count('src="data:image/gif;base64,') == min(4, len(measured)) and told in page
    agent = run_dir / "agents" / "planar_reach.safetensors"
    assert_measured_without_pictures(game, NetworkEvaluator(game, load_agent(agent, game), 8))
    before = load_agent(agent, game).state_dict()
    assert train(mixture, replace(CONFIG, limits=LimitsConfig(games=24)), run_dir, output) == 0
    assert "resuming" in output.getvalue() and "success" in output.getvalue()
    numbers = [record.game_number for record in scan(run_dir / "replay", mixture)]
    assert len(numbers) == len(set(numbers)) >= 24
    assert read_metrics(run_dir / "metrics.jsonl")[-1]["steps"] > lines[-1]["steps"]
    assert any(bool((tensor != before[name]).any()) for name, tensor in load_agent(agent, game).state_dict().items())


def assert_measured_without_pictures(game: SimulatedGame, evaluator: NetworkEvaluator) -> None:
    """Where nothing can be drawn, episodes are measured all the same."""
    with patch.object(game, "picture", side_effect=NoPictures("neither EGL nor OSMesa draws here")):
        found = measure_episodes(game, evaluator, SIMULATED, 3, 2, lambda: None)
    assert found.film is None and "EGL" in found.remark
    assert {"episodes/search_return", "episodes/search_success"} <= found.scalars.keys()


@pytest.mark.long
@pytest.mark.parametrize("name", ["planar_reach", "air_hockey"])
def test_a_deterministic_run_of_episodes_is_the_same_twice(name: str, tmp_path: Path) -> None:
    """With one worker and with two; and where a past network plays some of the others."""
    config = replace(CONFIG, deterministic=True, evaluation=EvaluationConfig(seconds=0.0))
    config = replace(config, selfplay=replace(CONFIG.selfplay, past_share=0.5))
    agents = []
    for workers in (1, 2):
        run_dir = tmp_path / str(workers)
        resources = replace(config.resources, workers=workers)
        assert train(Mixture.of(short(name)), replace(config, resources=resources), run_dir, io.StringIO()) == 0
        agents.append(load_agent(run_dir / "agents" / f"{name}.safetensors", short(name)).state_dict())
    assert all(bool((tensor == agents[1][name]).all()) for name, tensor in agents[0].items())
