"""The command `keima`: what every subcommand shares. What each one does is tested with its module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import games
from rl.errors import UserError
from scripts import cli, train
from scripts.presets import preset

pytestmark = pytest.mark.plain_only  # nothing here is compiled

COMMAND = (sys.executable, "-m", "scripts.cli")
ROOT = Path(__file__).resolve().parent.parent


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], input=text, capture_output=True, text=True, cwd=ROOT)


def one_line(captured: Any) -> str:
    """The single line on standard error, with nothing on standard output."""
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("keima: ")
    return str(line)


@pytest.mark.parametrize("name", cli._COMMANDS)
def test_every_command_tells_its_arguments(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert f"usage: keima {name}" in capsys.readouterr().out


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli._COMMANDS)
    assert cli.main([]) == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("keima ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["dance"], "'dance'"),
        (["rules"], "GAME"),
        (["rules", "chess"], "unknown game 'chess'"),
        (["rules", "connect_four2x2"], "at least 4"),
        (["rules", "connect_four999999999x4"], "at most 62"),
        (["rules", f"connect_four{'9' * 5000}x4"], ""),
        (["rules", "tic_tac_toe", "--colour"], "--colour"),
        (["rules", "tic_tac_toe", "more"], "more"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    assert told in one_line(capsys.readouterr())


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (UserError("no agent\nhere"), 2, "keima: no agent here\n"),
        (FileNotFoundError(2, "No such file or directory", "/a/b"), 2, "keima: /a/b: No such file or directory\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_a_command_raises(
    raised: BaseException, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(command: object) -> int:
        raise raised

    monkeypatch.setitem(sys.modules, "scripts.rules", SimpleNamespace(Command=SimpleNamespace, run=fail))
    monkeypatch.setattr(cli, "_parse", lambda *arguments: None)
    assert cli.main(["rules", "tic_tac_toe"]) == code
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("raised", [ValueError("a bug"), OSError("no file in it")])
def test_bugs_keep_their_traceback(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: object) -> int:
        raise raised

    monkeypatch.setitem(sys.modules, "scripts.rules", SimpleNamespace(Command=SimpleNamespace, run=fail))
    monkeypatch.setattr(cli, "_parse", lambda *arguments: None)
    with pytest.raises(type(raised)):
        cli.main(["rules", "tic_tac_toe"])


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [*COMMAND, "rules", "tic_tac_toe"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdout and process.stderr and process.stdin
        process.stdout.close()
        process.stdin.write(b'{"moves": []}\n' * 10)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_rules_start_without_torch() -> None:
    code = (
        "import sys; from scripts.cli import main; code = main(['rules', 'connect_four']);"
        "print('torch' in sys.modules, 'tensorboard' in sys.modules, code)"
    )
    result = subprocess.run([sys.executable, "-c", code], input="", capture_output=True, text=True, cwd=ROOT)
    assert result.stdout == "False False 0\n", result.stderr


def test_exit_code_of_the_process() -> None:
    result = run("rules", "chess")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("keima: unknown game 'chess'") and result.stderr.count("\n") == 1


def test_the_defaults_of_training_follow_the_game_and_the_preset() -> None:
    quick, laptop = (train.defaults(["connect_four", *options]) for options in ([], ["--preset=laptop"]))
    assert (quick.preset, quick.selfplay.simulations) == ("quick", 20)
    assert (laptop.preset, laptop.selfplay.simulations, laptop.samples_per_target) == ("laptop", 96, 6.0)
    assert train.defaults(["--preset", "laptop", "connect_four"]) == laptop
    assert train.defaults(["tic_tac_toe"]).network.blocks == 2
    gpu = train.defaults(["connect_four", "--preset=gpu"])
    assert gpu.network.channels > laptop.network.channels and gpu.learner.batch_size > laptop.learner.batch_size
    minutes = [preset(games.make(name), "laptop").limits.minutes for name in ("go9", "othello", "hex9", "gomoku9")]
    assert minutes == [240.0, 120.0, 90.0, 45.0]
    gomoku = train.defaults(["gomoku9", "--preset=laptop"])
    assert (gomoku.selfplay.simulations, gomoku.samples_per_target) == (24, 4.0)
    scored, unscored = (train.defaults([name, "--preset=laptop"]).network.score_heads for name in ("go9", "hex9"))
    assert scored and not unscored
