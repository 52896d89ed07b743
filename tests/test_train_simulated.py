"""Whole small runs of a simulated game: what they leave behind, and that they go on where they stopped."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_runs import TINY

import games
from games.base import SimulatedGame
from rl.network.agent_file import load_agent
from rl.network.vector import VectorConfig
from rl.replay.chunks import scan
from rl.replay.episodes import EpisodeWindowConfig
from rl.replay.mixture import Mixture
from rl.selfplay.episodes import EpisodesConfig
from rl.train.config import EvaluationConfig, LimitsConfig
from rl.train.loop import train
from rl.train.metrics import read_metrics

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
    assert "episodes/picture" in accumulator.Tags()["images"]
    agent = run_dir / "agents" / "planar_reach.safetensors"
    before = load_agent(agent, game).state_dict()
    assert train(mixture, replace(CONFIG, limits=LimitsConfig(games=24)), run_dir, output) == 0
    assert "resuming" in output.getvalue() and "success" in output.getvalue()
    numbers = [record.game_number for record in scan(run_dir / "replay", mixture)]
    assert len(numbers) == len(set(numbers)) >= 24
    assert read_metrics(run_dir / "metrics.jsonl")[-1]["steps"] > lines[-1]["steps"]
    assert any(bool((tensor != before[name]).any()) for name, tensor in load_agent(agent, game).state_dict().items())


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
