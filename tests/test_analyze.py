"""`keima analyze` as a command: pipes and bad arguments."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.cli import main

ROOT = Path(__file__).resolve().parent.parent
EVALUATED = r"keima: small\S+ on tic_tac_toe: evaluated by .+\n"


def keima(*arguments: str, lines: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.cli", *arguments],
        input=lines,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
        check=False,
    )


@pytest.mark.compiled_only
def test_the_command_drains_its_queries_at_the_end_of_the_input(small_agent: Path) -> None:
    queries = [{"id": str(number), "moves": ["a1", "b2"], "maxVisits": 10 + number % 3} for number in range(30)]
    lines = "\n".join([*map(json.dumps, queries), "bad", json.dumps({"id": "end", "action": "query_models"})])
    done = keima("analyze", "tic_tac_toe", "--agent", str(small_agent), lines=lines)
    assert done.returncode == 0 and re.fullmatch(EVALUATED, done.stderr)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    visits = {answer["id"]: answer["rootInfo"]["visits"] for answer in answers if "rootInfo" in answer}
    assert visits == {str(number): 10 + number % 3 for number in range(30)}
    assert sum("error" in answer for answer in answers) == 1
    assert next(answer for answer in answers if answer.get("id") == "end")["models"][0]["name"] == "small"


@pytest.mark.compiled_only
def test_the_command_is_quiet_when_its_reader_goes_away(small_agent: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.cli", "analyze", "tic_tac_toe", "--agent", str(small_agent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write('{"id": "1", "moves": [], "maxVisits": 1}\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == "1"
    process.stdout.close()
    process.stdin.write('{"id": "2", "moves": [], "maxVisits": 1}\n')  # the input stays open: the engine must not wait
    process.stdin.flush()
    assert process.wait(60) == 141
    assert re.fullmatch(EVALUATED, process.stderr.read())
    process.stdin.close()
    process.stderr.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", "chess_on_mars"),
        ("analyze", "tic_tac_toe", "--agent", "/nowhere/agent.safetensors"),
        ("analyze", "tic_tac_toe", "--visits", "0"),
        ("analyze", "tic_tac_toe", "--batch-size", "-3"),
        ("analyze", "tic_tac_toe", "--threads", "0"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_two(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("keima: ") and captured.err.count("\n") == 1


def test_an_agent_of_another_game_is_refused(small_agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "connect_four", "--agent", str(small_agent)]) == 2
    assert "tic_tac_toe" in capsys.readouterr().err
