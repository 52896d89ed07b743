"""`keima bench lookahead`: which agents of a run are measured, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench_reports import bench_json, check

import games
from games.simulated import SimulatedGame
from rl.arena.elo import wilson_interval
from rl.errors import UserError
from rl.network.agent_file import save_agent
from rl.network.kinds import make_network
from rl.network.vector import VectorConfig
from scripts.bench import lookahead
from scripts.bench.lookahead import mean_interval, staged
from scripts.cli import main


def short(name: str) -> SimulatedGame:
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    game.max_num_moves = 4
    return game


def keep_networks(run_dir: Path, game: SimulatedGame, learnt_from: list[int]) -> None:
    """As a run keeps them: one that has learnt from each of these numbers of games."""
    (run_dir / "networks").mkdir(parents=True, exist_ok=True)
    for index, count in enumerate(learnt_from):
        network = make_network(game, VectorConfig(layers=1, width=8, value_bins=9), index)
        path = run_dir / "networks" / f"step-{index:08d}.safetensors"
        save_agent(path, network, game, {"games": str(count)})


def test_agents_are_those_nearest_to_equal_shares_of_the_run(tmp_path: Path) -> None:
    keep_networks(tmp_path, short("planar_reach"), [10, 35, 60, 100])
    assert [(share, path.stem[-1]) for share, path in staged(tmp_path, 3).items()] == [
        (0.35, "1"),
        (0.6, "2"),
        (1, "3"),
    ]
    assert list(staged(tmp_path, 1)) == [1.0]
    assert list(staged(tmp_path, 20)) == [0.1, 0.35, 0.6, 1.0]
    with pytest.raises(UserError, match="holds no networks of a run"):
        staged(tmp_path / "nothing", 3)


def test_an_interval_of_a_mean() -> None:
    low, mean, high = mean_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    assert mean == 2.5 and high - mean == pytest.approx(mean - low)
    assert high - mean == pytest.approx(1.96 * (5 / 3) ** 0.5 / 2, rel=1e-4)
    generator = np.random.default_rng(0)
    held = [low <= 0.0 <= high for low, _, high in (mean_interval(generator.normal(size=100)) for _ in range(2000))]
    assert 0.93 < np.mean(held) < 0.96


@pytest.mark.plain_only
def test_each_search_is_told_beside_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def trained(game: SimulatedGame, run_dir: Path, seed: int, num_games: int | None, evaluation: Any) -> float:
        asked.append((game.name, run_dir, seed, num_games, evaluation.seconds > 0))
        keep_networks(run_dir, game, [4, 8])
        return 1.0

    monkeypatch.setattr(lookahead, "make_task", short)
    monkeypatch.setattr(lookahead, "train_whole", trained)
    sizes = ["--simulations", "2", "3", "--episodes", "6", "--games", "8", "--stages", "2", "--seed", "5"]
    report = bench_json(capsys, "lookahead", "--tasks", "planar_reach", "pendulum", *sizes, "--out", str(tmp_path))
    check(report, "lookahead")
    figures = {(figure["name"], figure["unit"]): figure["values"] for figure in report["figures"]}
    whos = ("policy alone", "2 simulations", "3 simulations")
    told = {
        f"{task}, {share} learnt, {who}"
        for task in ("planar_reach", "pendulum")
        for share in ("50%", "100%")
        for who in whos
    }
    assert {name for name, _ in figures} == told
    assert asked == [(task, tmp_path / f"{task}-5", 5, 8, True) for task in ("planar_reach", "pendulum")]
    for name in told:
        low, mean, high = figures[name, "return"]
        assert low <= mean <= high and ((name, "success") in figures) == name.startswith("planar_reach")
        alone = f"{', '.join(name.split(', ')[:2])}, policy alone"
        for what in ("return", "success"):
            if (name, f"{what} gained") in figures:
                gained = figures[name, what][1] - figures[alone, what][1]
                assert figures[name, f"{what} gained"][1] == pytest.approx(gained, abs=1e-6)
    low, share, high = figures["planar_reach, 100% learnt, policy alone", "success"]
    assert (low, high) == wilson_interval(share, 6)


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "lookahead", "--simulations", "0"]) == 2
    assert "--simulations 0: must be positive" in capsys.readouterr().err
    assert main(["bench", "lookahead", "--tasks", "hex5"]) == 2
    assert "hex5 is no task for a robot" in capsys.readouterr().err
