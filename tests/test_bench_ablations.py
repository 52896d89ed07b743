"""`keima bench ablations`: the right runs are made, finished ones are kept, and each is measured."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import games
from rl.network.agent_file import save_agent
from rl.network.model import Network, NetworkConfig, NetworkShape
from rl.train.config import TrainConfig
from scripts import train
from scripts.bench.ablations import TECHNIQUES, AblationsBench, training_command
from scripts.cli import _parse, main


def parsed(arguments: list[str]) -> TrainConfig:
    command, *rest = arguments
    assert command == "train"
    config: TrainConfig = _parse(train, "keima train", rest).config()
    return config


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_technique_changes_what_it_says_and_nothing_else(name: str) -> None:
    game = games.make("go5")
    bench = AblationsBench(evaluations=12_345)
    run_dir, arguments = training_command(bench, game, name, 2)
    config = parsed(arguments)
    default = parsed(training_command(bench, game, "default", 2)[1])
    assert config.limits.evaluations == 12_345 and config.seed == 2 and config.limits.minutes is None
    assert (config == default) == (name == "default")
    assert run_dir.name == f"{name}-2"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Training writes a small untrained agent; the arguments that it was asked with."""
    asked: list[list[str]] = []
    others = subprocess.run

    def run(command: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        if "train" not in command:
            return others(command, **options)
        arguments = command[command.index("train") :]
        asked.append(arguments)
        game, run_dir = games.make(arguments[1]), Path(arguments[arguments.index("--run-dir") + 1])
        (run_dir / "agents").mkdir(parents=True, exist_ok=True)
        network = Network(NetworkShape.of(game), NetworkConfig(blocks=1, channels=8))
        save_agent(run_dir / "agents" / f"{game.name}.safetensors", network, game, {})
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


@pytest.mark.compiled_only
def test_a_value_for_each_seed_by_truth_or_by_matches(
    tmp_path: Path, trained: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--seeds", "3", "4", "--evaluations", "50", "--games", "4", "--simulations", "2", "--out", str(tmp_path)]
    for game, labels in (
        ("tic_tac_toe", ["no_ema: against the default"]),
        (
            "connect_four",
            [f"{name}: {what}" for name in ("default", "no_ema") for what in ("value", "bare policy", "2 simulations")],
        ),
    ):
        assert main(["bench", "ablations", game, "--techniques", "no_ema", *sizes, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert [figure["name"] for figure in report["figures"]] == labels
        for figure in report["figures"]:
            # An untrained network's values are near 0, so wrong by about 1; all else is a share, or points a game.
            most = 1.2 if figure["unit"] == "mean error" else 1
            assert len(figure["values"]) == 2 and 0 <= figure["min"] <= figure["max"] <= most, figure
        assert len(report["notes"]) == 2
    assert report["settings"]["positions"] == len(games.make("connect_four").truth_positions())
    solved = tmp_path / "solved.txt"
    solved.write_text("1234567 WWLLLLL\n. LLLWLLL\n")
    assert main(["bench", "ablations", "--techniques", "no_ema", *sizes, "--solved", str(solved), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["positions"] == 2
    assert [arguments[1] for arguments in trained] == ["tic_tac_toe"] * 4 + ["connect_four"] * 8
    assert sum("--learner.ema-decay" in arguments for arguments in trained) == 6


def test_mistakes_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["bench", "ablations", "--techniques", "magic"]) == 2
    assert "no technique 'magic'" in capsys.readouterr().err
    assert main(["bench", "ablations", "--solved", __file__]) == 2
    error = capsys.readouterr().err
    assert "no solved positions in" in error and error.count("\n") == 1
    monkeypatch.setattr(subprocess, "run", lambda command, **options: subprocess.CompletedProcess(command, 130))
    assert main(["bench", "ablations", "--out", str(tmp_path)]) == 2
    assert "default-0 ended with code 130: the same command goes on from there" in capsys.readouterr().err
