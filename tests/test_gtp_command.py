"""`keima gtp` as a command: pipes, the warning about an untrained game, bad arguments."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import agents, gtp
from scripts.cli import main

ROOT = Path(__file__).resolve().parent.parent
GTP = [sys.executable, "-m", "scripts.cli", "gtp", "tic_tac_toe", "--memory", "8"]


@pytest.mark.compiled_only
def test_a_conversation_through_pipes(small_agent: Path) -> None:
    lines = "1 name\n2 genmove b\r\n\n# nothing\n3 kata-analyze w 10\n4 fly\n5 showboard"
    done = subprocess.run(
        [*GTP, "--agent", str(small_agent), "--simulations", "20"],
        input=lines,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0 and re.fullmatch(r"keima: small\S+ on tic_tac_toe: evaluated by .+\n", done.stderr)
    replies = done.stdout.split("\n\n")
    assert replies[0] == "=1 Keima" and replies[1].startswith("=2 ") and replies[2].startswith("=3\ninfo move ")
    assert replies[3] == "?4 unknown command" and replies[4].startswith("=5\n3 ") and replies[5:] == [""]


def test_an_untrained_game_is_played_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever games an agent ships for."""
    monkeypatch.setattr(agents, "shipped_agent", lambda game: None)
    monkeypatch.setattr(gtp, "_input_lines", lambda: iter([b"genmove b"]))
    assert main(["gtp", "tic_tac_toe", "--memory", "8", "--simulations", "20"]) == 0
    told = capsys.readouterr()
    assert re.fullmatch(r"= [a-c][1-3]", told.out.strip())
    assert told.err == "keima: no agent ships for tic_tac_toe: it is played by a search that knows only the rules\n"


@pytest.mark.compiled_only
def test_the_command_is_quiet_when_its_reader_goes_away(small_agent: Path) -> None:
    command = [*GTP, "--agent", str(small_agent), "--simulations", "20"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write("genmove b\n")
    process.stdin.flush()
    assert re.fullmatch(r"= [a-c][1-3]", process.stdout.readline().strip())
    process.stdout.close()
    process.stdin.write("genmove w\n")  # the input stays open: the engine must not wait
    process.stdin.flush()
    assert process.wait(60) == 141
    assert re.fullmatch(r"keima: small\S+ on tic_tac_toe: evaluated by .+\n", process.stderr.read())
    process.stdin.close()
    process.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["chess_on_mars"], "chess_on_mars"),
        (["tic_tac_toe", "--agent", "/nowhere/a.safetensors"], "/nowhere/a.safetensors"),
        (["tic_tac_toe", "--simulations", "0"], "--simulations 0"),
        (["tic_tac_toe", "--seconds", "-1"], "--seconds -1"),
        (["tic_tac_toe", "--seconds", "inf"], "--seconds inf"),
        (["tic_tac_toe", "--resign", "1.5"], "--resign 1.5"),
        (["tic_tac_toe", "--lag", "nan"], "--lag nan"),
        (["tic_tac_toe", "--memory", "0"], "--memory 0"),
        (["tic_tac_toe", "--threads", "0"], "--threads 0"),
        (["tic_tac_toe", "--leaves-per-tree", "0"], "--leaves-per-tree 0"),
        (["tic_tac_toe", "--sgf-dir", "/nowhere"], "--sgf-dir /nowhere"),
        (["tic_tac_toe", "--search.root", "gumbel"], "--search.root"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_two(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gtp", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("keima: ") and told.err.count("\n") == 1 and complaint in told.err
