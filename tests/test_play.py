"""`keima play` as a command: pipes, bad arguments, Ctrl-C, and a real terminal (tmux)."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.cli import main

ROOT = Path(__file__).resolve().parent.parent


def test_a_whole_game_under_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("scripts.agents.shipped_agent", lambda name: None)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"] * 3)))
    assert main(["play", "tic_tac_toe", "--level", "3", "--seed", "3"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("No agent ships for tic_tac_toe yet")
    assert "The game is over: " in captured.out and captured.err == ""
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"] * 3)))
    assert main(["play", "tic_tac_toe", "--level", "3", "--seed", "3"]) == 0
    assert capsys.readouterr().out == captured.out  # the seed repeats it


@pytest.mark.compiled_only
@pytest.mark.parametrize("first", ["me", "agent", "random"])
def test_an_agent_from_a_file_plays(
    first: str, small_agent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hint\na1\nc3\n"))
    assert main(["play", "tic_tac_toe", "--agent", str(small_agent), "--simulations", "12", "--first", first]) == 0
    captured = capsys.readouterr()
    assert "The agent plays" in captured.out and "No agent" not in captured.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["checkers"],
        ["tic_tac_toe", "--agent", "/nowhere/agent.safetensors"],
        ["tic_tac_toe", "--level", "0"],
        ["tic_tac_toe", "--level", "11"],
        ["tic_tac_toe", "--simulations", "-1"],
        ["tic_tac_toe", "--seconds", "0"],
        ["tic_tac_toe", "--seconds", "nan"],
        ["tic_tac_toe", "--seconds", "1", "--simulations", "1"],
        ["tic_tac_toe", "--first", "you"],
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("keima: ") and captured.err.count("\n") == 1


def test_an_agent_of_another_game_is_refused_before_the_first_board(
    small_agent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["play", "connect_four", "--agent", str(small_agent)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "tic_tac_toe" in captured.err


@pytest.mark.compiled_only
def test_ctrl_c_under_a_pipe_says_goodbye() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.cli", "play", "tic_tac_toe"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    while "a b c" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert out.strip() == "Goodbye."


class Tmux:
    """A real terminal: a tmux server of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def call(self, *arguments: str) -> str:
        command = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def start(self, columns: int, *arguments: str, environment: str = "") -> None:
        keima = f"LC_ALL=C.UTF-8 {environment} {sys.executable} -m scripts.cli {' '.join(arguments)}"
        shell = f"trap : INT; cd {ROOT}; {keima}; echo exit code $?; cat"  # Ctrl-C reaches the shell too
        self.call("-u", "new-session", "-d", "-x", str(columns), "-y", "40", shell)

    def keys(self, *keys: str) -> None:
        self.call("send-keys", *keys)

    def wait(self, text: str, *, escapes: bool = False) -> str:
        """The screen, once it shows a text."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            screen = self.call("capture-pane", "-p", *(["-e"] if escapes else []))
            if text in screen:
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{text!r} is not on the screen:\n{screen}")


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux, for a real terminal, is not installed: on Debian, apt-get install tmux")
    terminal = Tmux(tmp_path / "tmux")
    yield terminal
    terminal.call("kill-server")


@pytest.mark.compiled_only
def test_a_real_terminal_shows_colours_prompts_and_goodbye(tmux: Tmux) -> None:
    tmux.start(70, "play", "tic_tac_toe", "--plain")
    tmux.wait("Your move:")
    tmux.keys("b2", "Enter")
    screen = tmux.wait("The agent plays", escapes=True)
    assert "\N{BLACK CIRCLE}" in screen and "\N{WHITE CIRCLE}" in screen and "\x1b[1m\x1b[31m" in screen
    tmux.keys("resign", "Enter")
    tmux.wait("Another game?")
    tmux.keys("y", "Enter")
    tmux.keys("C-c")
    assert "Traceback" not in tmux.wait("exit code 130")
    tmux.wait("Goodbye.")


@pytest.mark.compiled_only
@pytest.mark.parametrize("environment", ["NO_COLOR=1", "TERM=dumb"])
def test_a_narrow_terminal_without_colours_is_readable(tmux: Tmux, environment: str) -> None:
    tmux.start(24, "play", "tic_tac_toe", "--plain", environment=environment)
    tmux.wait("Your move:")
    tmux.keys("b2", "Enter")
    screen = tmux.wait("agent plays", escapes=True)
    assert "\x1b[3" not in screen and "X" in screen and "\N{BLACK CIRCLE}" not in screen
    tmux.keys("C-d")
    tmux.wait("exit code 0")
