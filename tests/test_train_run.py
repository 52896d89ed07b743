"""Whole small runs: what they leave behind, that they go on where they stopped, and what they refuse."""

from __future__ import annotations

import io
import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tiny_runs import GAME, MIXTURE, TINY, family, limited, none_left, numbers_on_disk, start, wait_until, workers

from rl.errors import UserError
from rl.learning import checkpoint
from rl.network.agent_file import load_agent, read_card
from rl.replay.chunks import scan
from rl.replay.mixed_window import MixedWindow
from rl.replay.window import Batch
from rl.train.config import EvaluationConfig, LimitsConfig
from rl.train.loop import train
from rl.train.metrics import read_metrics
from scripts.cli import main


def latest(run_dir: Path, name: str) -> Any:
    """The newest value of a metric."""
    return next(line[name] for line in reversed(read_metrics(run_dir / "metrics.jsonl")) if name in line)


def event_tags(run_dir: Path, kind: str) -> list[str]:
    """What TensorBoard finds of a kind."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run_dir / "tensorboard"))
    accumulator.Reload()
    tags: list[str] = accumulator.Tags()[kind]
    return tags


@pytest.mark.compiled_only
def test_a_run_trains_evaluates_exports_and_goes_on(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    config = replace(
        TINY,
        evaluation=EvaluationConfig(seconds=0.5, simulations=4, games=4, last_games=6, rollouts=(4,), cpu_share=1e9),
    )
    output = io.StringIO()
    assert train(MIXTURE, config, run_dir, output) == 0
    assert output.getvalue().count("networks are evaluated by") == 1
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]

    numbers = numbers_on_disk(run_dir)
    assert len(numbers) == len(set(numbers)) == 60
    lines = read_metrics(run_dir / "metrics.jsonl")
    last = lines[-1]
    targets = sum(int(record.steps["is_target"].sum()) for record in scan(run_dir / "replay", MIXTURE))
    assert last["games"] == 60
    assert last["positions"] == sum(len(record.steps) for record in scan(run_dir / "replay", MIXTURE))
    assert 0 < last["steps"] * TINY.learner.batch_size <= TINY.samples_per_target * targets
    assert 0.0 <= latest(run_dir, "score/random") <= 1.0
    told = set().union(*lines)
    assert {
        "elo/agent",
        "loss/policy",
        "policy/kl_to_search",
        "search/root_value_spread",
        "time/network",
        "games/sample",
        "search/policy_surprise",
        "value/of_winners",
        "health/sicknesses",
    } <= told
    shown = latest(run_dir, "positions/evaluated")["views"]
    assert len(shown) == 6 and all(sum(view["policy"].values()) > 0.9 for view in shown)
    assert {"positions/1", "positions/6", "games/picture"} <= set(event_tags(run_dir, "images"))
    assert "value/of_losers" in event_tags(run_dir, "histograms")
    assert list((run_dir / "tensorboard").glob("events*"))

    agent = run_dir / "agents" / "tic_tac_toe.safetensors"
    load_agent(agent, GAME)
    card = read_card(agent)
    assert card["game"] == "tic_tac_toe"
    assert "elo" in card
    network = read_card(run_dir / "networks" / f"step-{int(card['step']):08d}.safetensors")
    assert card == {**network, "elo": card["elo"]}, "what the exported network cost, not the newest"
    assert {"games", "evaluations", "minutes"} <= set(network)

    before = agent.read_bytes()
    assert train(MIXTURE, config, run_dir, output) == 0
    assert "complete" in output.getvalue()
    assert agent.read_bytes() == before
    assert train(MIXTURE, replace(config, limits=LimitsConfig(games=70)), run_dir, output) == 0
    assert len(numbers_on_disk(run_dir)) == len(set(numbers_on_disk(run_dir))) >= 70
    assert read_metrics(run_dir / "metrics.jsonl")[-1]["games"] == len(numbers_on_disk(run_dir))


@pytest.mark.plain_only  # other runs here are compiled
def test_steps_limit_a_run(tmp_path: Path) -> None:
    assert train(MIXTURE, limited(steps=7), tmp_path / "run", io.StringIO()) == 0
    saved = checkpoint.latest_valid(tmp_path / "run" / "checkpoints", print)
    assert saved is not None
    assert saved.step == saved.state["learner"]["steps"] == 7


@pytest.mark.compiled_only
def test_evaluations_limit_a_run_and_are_counted_over_its_sessions(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    for limit in (400, 900):
        assert train(MIXTURE, limited(evaluations=limit), run_dir, io.StringIO()) == 0
        saved = checkpoint.latest_valid(run_dir / "checkpoints", print)
        assert saved is not None
        counts = [line["evaluations"] for line in read_metrics(run_dir / "metrics.jsonl")]
        assert counts == sorted(counts) and counts[-1] == saved.state["evaluations"]
        assert limit <= counts[-1] < limit + 500, "the first report that reaches the limit ends the run"
    card = read_card(run_dir / "agents" / "tic_tac_toe.safetensors")
    lines = read_metrics(run_dir / "metrics.jsonl")
    before = max(line["evaluations"] for line in lines if line["steps"] < int(card["step"]))
    assert 400 <= before <= int(card["evaluations"]) <= counts[-1], "what both sessions had asked when it was published"


@pytest.mark.plain_only  # other runs here are compiled
def test_batches_that_are_not_finite_are_skipped_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = MixedWindow.sample
    calls = 0

    def sometimes_broken(window: MixedWindow, batch_size: int, key: int) -> Batch:
        nonlocal calls
        calls += 1
        batch = sample(window, batch_size, key)
        return batch._replace(lambda_returns=np.full_like(batch.lambda_returns, np.nan)) if 3 <= calls < 7 else batch

    monkeypatch.setattr(MixedWindow, "sample", sometimes_broken)
    assert train(MIXTURE, limited(steps=10), tmp_path / "run", io.StringIO()) == 0
    last = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]
    assert last["learner/skipped_steps"] == 4
    assert last["learner/rollbacks"] == 1
    network = load_agent(tmp_path / "run" / "agents" / "tic_tac_toe.safetensors", GAME)
    assert all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


@pytest.mark.compiled_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_saves_and_leaves_nobody_behind(tmp_path: Path, number: signal.Signals) -> None:
    run_dir = tmp_path / "run"
    process = start(run_dir, "--steps", "100000", workers=2)
    wait_until(lambda: len(workers(process)) == 2 and len(list((run_dir / "checkpoints").glob("step_*"))) > 1, process)
    children = family(process)
    process.send_signal(number)
    begun = time.monotonic()
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + number, output
    assert time.monotonic() - begun < 10.0
    assert none_left(children)
    assert "Traceback" not in output
    # All that was played is counted, in the metrics and in the checkpoint alike.
    saved = checkpoint.latest_valid(run_dir / "checkpoints", print)
    assert saved is not None
    numbers = numbers_on_disk(run_dir)
    assert len(numbers) == len(set(numbers)) > 0
    output = io.StringIO()
    assert train(MIXTURE, replace(TINY, limits=LimitsConfig(games=1)), run_dir, output) == 0
    assert f"step {saved.step}, {len(numbers)} games" in output.getvalue()


@pytest.mark.compiled_only
def test_a_signal_during_the_start_ends_it(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = start(run_dir, "--steps", "100000")
    wait_until(lambda: (run_dir / "config.json").exists(), process)
    children = family(process)
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - begun < 10.0
    assert process.returncode == 128 + signal.SIGTERM, output
    assert none_left(children)


@pytest.mark.compiled_only
def test_a_signal_during_the_last_evaluation_ends_it_and_it_is_made_up_for(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    changed = {"evaluation__seconds": 600.0, "evaluation__simulations": 400, "evaluation__last_games": 2000}
    process = start(run_dir, "--games", "40", **changed)
    wait_until(lambda: bool(list((run_dir / "networks").glob("*"))) and len(numbers_on_disk(run_dir)) >= 40, process)
    time.sleep(2.0)
    children = family(process)
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - begun < 10.0
    assert process.returncode == 128 + signal.SIGTERM, output
    assert none_left(children)
    saved = checkpoint.latest_valid(run_dir / "checkpoints", print)
    assert saved is not None
    assert saved.state["complete"] is False
    output_again = io.StringIO()
    evaluation = EvaluationConfig(seconds=600.0, simulations=2, last_games=2, rollouts=(2,))
    assert train(MIXTURE, replace(limited(games=40), evaluation=evaluation), run_dir, output_again) == 0
    assert 0.0 <= latest(run_dir, "score/random") <= 1.0


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "notes.txt").write_text("mine")
    wrong = {
        "holds no run": ["tic_tac_toe", "--run-dir", str(tmp_path / "stranger")],
        "unknown game 'chess'": ["chess", "--run-dir", str(tmp_path / "new")],
        "--minutes -3.0: must be positive": ["tic_tac_toe", "--minutes", "-3", "--run-dir", str(tmp_path / "new")],
        "blocks is 0": ["tic_tac_toe", "--network.blocks", "0", "--run-dir", str(tmp_path / "new")],
    }
    for complaint, arguments in wrong.items():
        assert main(["train", *arguments]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()
    assert [entry.name for entry in (tmp_path / "stranger").iterdir()] == ["notes.txt"]


@pytest.mark.compiled_only  # three runs, whose paths others take in both modes
def test_a_run_starts_from_an_agent_and_its_card_counts_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert train(MIXTURE, limited(games=40), first, io.StringIO()) == 0
    agent = first / "agents" / "tic_tac_toe.safetensors"
    earlier = read_card(agent)

    output = io.StringIO()
    assert train(MIXTURE, limited(games=30), second, output, start=agent) == 0
    assert f"starting from the weights of {agent}" in output.getvalue()
    card = read_card(second / "agents" / "tic_tac_toe.safetensors")
    steps = int(latest(second, "steps"))
    assert int(card["step"]) == int(earlier["step"]) + steps and int(card["games"]) == 70
    assert int(card["evaluations"]) > int(earlier["evaluations"])

    again = io.StringIO()
    assert train(MIXTURE, limited(games=35), second, again, start=agent) == 0
    assert "resuming" in again.getvalue() and "starting from" not in again.getvalue()
    with pytest.raises(UserError, match="its start is"):
        train(MIXTURE, limited(games=40), second, io.StringIO())

    other = ["train", "tic_tac_toe", "--start-from", str(agent), "--run-dir", str(tmp_path / "third")]
    assert main([*other, "--network.blocks", "7"]) == 2
    assert "--network asks for another network than" in capsys.readouterr().err
    assert main([*other[:2], "--start-from", str(tmp_path / "none"), *other[-2:]]) == 2
    assert "there is no agent at" in capsys.readouterr().err
    assert not (tmp_path / "third").exists()


@pytest.mark.plain_only  # other runs here are compiled
def test_a_run_of_another_configuration_or_with_a_damaged_chunk_is_refused(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    assert train(MIXTURE, limited(games=5), run_dir, io.StringIO()) == 0
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file() and path.name != "lock"}
    with pytest.raises(UserError, match="seed is 3, not 4"):
        train(MIXTURE, replace(limited(games=9), seed=4), run_dir, io.StringIO())
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file() and path.name != "lock"} == before
    chunk = next((run_dir / "replay").glob("*.games"))
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(UserError, match=chunk.name):
        train(MIXTURE, limited(games=9), run_dir, io.StringIO())
    assert json.loads((run_dir / "config.json").read_text())["game"] == "tic_tac_toe"
