"""`keima watch`: TensorBoard for this machine alone, with its charts and its page of words, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny_runs import TINY

import games
from rl.train.charts import CATEGORIES
from scripts import watch
from scripts.bench.made_up_run import make_run
from scripts.cli import main
from scripts.ports import HOST, free_port

pytestmark = pytest.mark.plain_only  # the page and its server are tested, not the games of the run that is shown


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is ill since its middle."""
    path = tmp_path_factory.mktemp("runs") / "sick"
    make_run(path, games.make("tic_tac_toe"), TINY, num_lines=60, num_games=1, ill={"policy/log_partition": 99.0})
    return path


def test_page_says_what_curves_should_look_like_and_what_is_wrong(run_dir: Path) -> None:
    texts = watch.page({"sick": run_dir})
    assert {f"charts/{category}" for category in CATEGORIES} | {"charts/sicknesses", "assessment/sick"} == texts.keys()
    assert "logits adrift" in texts["assessment/sick"] and "to now" in texts["assessment/sick"]
    assert "policy collapse" not in texts["assessment/sick"] and "policy collapse" in texts["charts/sicknesses"]


def test_the_page_is_of_the_games_that_are_watched(run_dir: Path, tmp_path: Path) -> None:
    assert "**Truth**" not in watch.page({"sick": run_dir})["charts/Strength"]
    make_run(tmp_path / "fours", games.make("connect_four"), TINY, num_lines=2, num_games=0)
    assert "**Truth**" in watch.page({"sick": run_dir, "fours": tmp_path / "fours"})["charts/Strength"]


def test_well_run_is_called_well(tmp_path: Path) -> None:
    make_run(tmp_path / "well", games.make("tic_tac_toe"), TINY, num_lines=60, num_games=0)
    assert "No sign" in watch.page({"well": tmp_path / "well"})["assessment/well"]


def test_what_is_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([str(tmp_path)], [str(tmp_path / "nowhere")], []):
        assert main(["watch", *arguments]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("port", ["0", "70000"])
def test_port_that_is_none_is_one_line(run_dir: Path, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(run_dir), "--port", port]) == 2
    assert "--port" in capsys.readouterr().err


def test_next_port_is_taken_where_one_is_in_use() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        assert free_port(port, "--port") > port


def test_runs_are_named_after_their_folders(tmp_path: Path, run_dir: Path) -> None:
    twin = tmp_path / "sick"
    twin.symlink_to(run_dir)
    assert list(watch._named((run_dir,))) == ["sick"]
    other = tmp_path / "more" / "sick"
    make_run(other, games.make("tic_tac_toe"), TINY, num_lines=1, num_games=0)
    names = list(watch._named((run_dir, other)))
    assert len(set(names)) == 2 and all(name.endswith("sick") and "/" not in name for name in names)


def answer(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as response:
        return json.loads(response.read())


def wait_for(address: str, path: str, tag: str, run: str) -> None:
    """TensorBoard still reads its folder when it already answers."""
    deadline = time.monotonic() + 60.0
    while tag not in answer(address + path).get(run, {}):
        assert time.monotonic() < deadline, tag
        time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tensorboard_is_started_and_ended(run_dir: Path, tmp_path: Path, number: signal.Signals) -> None:
    """From its first line to Ctrl-C: layout, texts, pictures are there, no other machine is let in, nothing stays."""
    before = sorted(path.relative_to(run_dir) for path in run_dir.rglob("*"))
    with socket.socket() as other:
        other.bind((HOST, 0))
        port = other.getsockname()[1]
    command = [sys.executable, "-m", "scripts.cli", "watch", str(run_dir), "--port", str(port)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#custom_scalars", process.stdout.readline())
        assert found is not None
        address = f"http://127.0.0.1:{found[1]}"
        children = psutil.Process(process.pid).children(recursive=True)
        listening = [link.laddr.ip for child in children for link in child.net_connections() if link.status == "LISTEN"]
        assert listening and set(listening) <= {"127.0.0.1", "::1"}
        if number == signal.SIGINT:
            wait_for(address, "/data/plugin/text/tags", "assessment/sick/text_summary", "guide")
            wait_for(address, "/data/plugin/text/tags", "charts/Learning/text_summary", "guide")
            wait_for(address, "/data/plugin/images/tags", "positions/1", "sick")
            assert set(answer(f"{address}/data/runs")) == {"sick", "guide"}
            layout = answer(f"{address}/data/plugin/custom_scalars/layout")
            assert [category["title"] for category in layout["category"]] == list(CATEGORIES)
    finally:
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == (0 if number == signal.SIGINT else 128 + number), errors
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == [] and list(tmp_path.iterdir()) == []
    assert sorted(path.relative_to(run_dir) for path in run_dir.rglob("*")) == before


def test_tensorboard_that_cannot_start_is_one_line(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    folders = set(Path(tempfile.gettempdir()).glob("keima-watch-*"))
    assert main(["watch", str(run_dir)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert set(Path(tempfile.gettempdir()).glob("keima-watch-*")) <= folders
