"""`keima play` as a command: pipes, bad arguments, Ctrl-C, and a real terminal (tmux)."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image
from tmux_terminal import Tmux

from scripts.cli import main
from scripts.play import without_serve
from scripts.ports import HOST, free_port

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
        ["tic_tac_toe", "--video", "film.gif"],
        ["tic_tac_toe", "--window"],
        ["planar_reach", "--level", "3"],
        ["planar_reach", "--review", "game.sgf"],
        ["planar_reach", "--watch"],
        ["planar_reach", "--simulations", "-1"],
        ["planar_reach", "--simulations", "5000"],
        ["planar_reach", "--video", "film.mp4"],
        ["planar_reach", "--video", "/nowhere/film.gif"],
        ["planar_reach", "--video", "film.gif", "--window"],
        ["planar_reach", "--agent", "/nowhere/agent.safetensors"],
        ["planar_reach:fast"],
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


# --- the full screen --------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_a_whole_game_is_played_on_the_full_screen(tmux: Tmux) -> None:
    """The free cells in turn, until somebody has won; then its review, and out again."""
    tmux.start(80, "play", "tic_tac_toe", "--level", "2", "--seed", "4", rows=24)
    screen = tmux.wait("? helps.")

    def moves(screen: str) -> list[str]:
        return re.findall(r"\d\.([a-c][1-3])", screen)

    def over(screen: str) -> bool:
        return " won" in screen or "A draw" in screen

    while not over(screen):
        played = moves(screen)
        cell = next(cell for cell in ("a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3") if cell not in played)
        tmux.keys(cell, "Enter")
        wanted = len(played) + 2
        screen = tmux.wait_until(lambda screen, n=wanted: over(screen) or len(moves(screen)) == n, "no answer")
    assert "[" in screen and "]" in screen, "the last move is marked"
    tmux.keys("F4")
    tmux.wait("Move ")
    tmux.keys("Home")
    tmux.wait("the first position")
    tmux.keys("C-q")
    assert "Traceback" not in tmux.wait("exit code 0")


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    ("environment", "colours", "none"),
    [
        ("COLORTERM=truecolor", "\x1b[38;2;", ""),
        ("COLORTERM= TERM=xterm-16color", "\x1b[91m", "\x1b[38;"),
        ("NO_COLOR=1", "\x1b[1m", "\x1b[38;"),
    ],
)
def test_the_terminals_colours_are_used(tmux: Tmux, environment: str, colours: str, none: str) -> None:
    tmux.start(80, "play", "connect_four", rows=24, environment=environment)
    tmux.wait("? helps.")
    tmux.keys("4", "Enter")
    screen = tmux.wait("]", escapes=True)
    assert colours in screen and (not none or none not in screen)
    tmux.keys("C-q")
    tmux.wait("exit code 0")


@pytest.mark.compiled_only
def test_ctrl_c_ends_the_app_at_once_even_while_the_agent_gets_ready(tmux: Tmux) -> None:
    tmux.start(80, "play", "tic_tac_toe", rows=24)
    tmux.wait("? helps.")
    tmux.keys("C-c")
    assert "Traceback" not in tmux.wait("exit code")


@pytest.mark.parametrize("arguments", [["--watch"], ["--review", "game.sgf"]])
def test_what_needs_the_full_screen_says_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "tic_tac_toe", *arguments]) == 2
    assert "full screen" in capsys.readouterr().err


def test_serving_without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    assert main(["play", "tic_tac_toe", "--serve", "8000"]) == 2
    assert "keima[serve]" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "70000"])
def test_serving_at_no_port_is_one_line(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("textual_serve", reason="no textual-serve here: pip install 'keima[serve]'")
    assert main(["play", "tic_tac_toe", "--serve", port]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.compiled_only
def test_a_browser_is_served_a_game(tmp_path: Path) -> None:
    """What a browser's terminal would be sent, by the protocol of textual-serve: a move is played and answered."""
    pytest.importorskip("textual_serve", reason="no textual-serve here: pip install 'keima[serve]'")
    import aiohttp

    async def seen(port: int) -> None:
        async with aiohttp.ClientSession() as client:
            connection = await connected(client, port)
            await shown(connection, b"? helps.")
            await connection.send_json(["stdin", "b2\r"])
            await shown(connection, b"1.b2 2.")

    async def connected(client: aiohttp.ClientSession, port: int) -> aiohttp.ClientWebSocketResponse:
        while True:
            try:
                return await client.ws_connect(f"http://{HOST}:{port}/ws?width=80&height=24")
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)

    async def shown(connection: aiohttp.ClientWebSocketResponse, text: bytes) -> None:
        sent = b""
        while text not in re.sub(rb"\x1b\[[0-9;]*m", b"", sent):
            sent += await connection.receive_bytes()

    port = free_port(8300, "--serve")
    command = [sys.executable, "-m", "scripts.cli", "play", "tic_tac_toe", "--seed", "4", "--serve", str(port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        asyncio.run(asyncio.wait_for(seen(port), 90))
        # The page is closed, which ends its game. Of a server that is ended in the midst of that asyncio complains.
        assert not psutil.wait_procs(psutil.Process(server.pid).children(), timeout=60)[1]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_what_is_served_is_the_same_command_without_serve() -> None:
    assert without_serve(["play", "go9", "--serve", "80", "--level", "3"]) == ["play", "go9", "--level", "3"]
    assert without_serve(["play", "--serve=80", "go9"]) == ["play", "go9"]


@pytest.mark.parametrize(("content", "told"), [(None, "nowhere.sgf"), ("no record", "no SGF"), ("(;GM[1]SZ[9])", "GM")])
def test_a_record_that_cannot_be_reviewed_is_told_before_the_screen_opens(
    content: str | None,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")  # as if served: a terminal is there
    path = tmp_path / "nowhere.sgf"
    if content is not None:
        path.write_text(content)
    assert main(["play", "hex9", "--review", str(path)]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


# --- robots -----------------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_a_robot_is_watched_and_its_goal_moved_in_a_real_terminal(tmux: Tmux) -> None:
    tmux.start(80, "play", "planar_reach", "--seed", "1", rows=24, environment="COLORTERM=truecolor")
    tmux.wait("? helps.")
    screen = tmux.wait_until(lambda screen: re.search(r"step [1-9]\d* of 50", screen) is not None, "it does not move")
    before = goal_of(screen)
    tmux.keys("Right", "Right", "Up")
    screen = tmux.wait_until(
        lambda screen: goal_of(screen) != before and "of 50" not in screen, "the goal is not moved"
    )
    tmux.keys("Space")
    tmux.wait("paused")
    tmux.keys("goal 0.2 -0.3", "Enter")
    tmux.wait("goal x 0.20 y -0.30")
    tmux.keys("Space")
    screen = tmux.wait("\N{CHECK MARK} achieved", escapes=True)
    assert "\x1b[38;2;" in screen or "\x1b[48;2;" in screen
    tmux.call("resize-window", "-x", "60", "-y", "20")
    tmux.keys("?")
    tmux.wait("Esc closes")
    tmux.keys("Escape")
    tmux.keys("C-q")
    assert "Traceback" not in tmux.wait("exit code 0")


def goal_of(screen: str) -> str:
    found = re.search(r"goal (x \S+ y \S+)", screen)
    return found[1] if found else ""


@pytest.mark.compiled_only
@pytest.mark.parametrize(
    ("environment", "shown", "never"),
    [
        ("COLORTERM= TERM=xterm-16color", "\x1b[107m", "\x1b[48;"),
        ("NO_COLOR=1", "\N{BRAILLE PATTERN DOTS-12345678}", "\x1b[48;"),
    ],
)
def test_robots_on_poor_terminals(tmux: Tmux, environment: str, shown: str, never: str) -> None:
    tmux.start(80, "play", "planar_reach", rows=24, environment=environment)
    tmux.wait("step ")
    screen = tmux.wait(shown, escapes=True)
    assert never not in screen
    tmux.keys("C-c")
    assert "Traceback" not in tmux.wait("exit code 0")


@pytest.mark.compiled_only
def test_air_hockey_is_played_by_a_person(tmux: Tmux) -> None:
    tmux.start(100, "play", "air_hockey", "--seed", "3", rows=30, environment="NO_COLOR=1")
    tmux.wait("0 you")
    tmux.wait_until(lambda screen: re.search(r"step [1-9]", screen) is not None, "it does not move")
    tmux.keys("Space")
    before = cross_of(tmux.wait("paused"))
    tmux.keys("Left", "Left")
    tmux.wait_until(lambda screen: 0 <= cross_of(screen) < before, "the cross is not moved to the left")
    tmux.keys("C-q")
    assert "Traceback" not in tmux.wait("exit code 0")


def cross_of(screen: str) -> int:
    """The column of what the mallet goes to; -1 where there is none."""
    return max(line.find("\N{OPEN CENTRE CROSS}") for line in screen.split("\n"))


@pytest.mark.compiled_only
def test_a_robot_is_asked_for_in_lines_under_a_pipe() -> None:
    command = [sys.executable, "-m", "scripts.cli", "play", "cart_pole_swing_up", "--seed", "2"]
    done = subprocess.run(command, input="run 10\nquit\n", capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stderr) == (0, "") and "step 10 of 250" in done.stdout


def test_an_episode_becomes_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "film.gif"
    assert main(["play", "planar_reach", "--seed", "1", "--video", str(path)]) == 0
    said = capsys.readouterr().out
    assert "step 50 of 50" in said and str(path) in said and said.count("\n") == 1
    with Image.open(path) as film:
        assert film.n_frames > 20 and film.size == (480, 480)
    before = path.read_bytes()
    assert main(["play", "planar_reach", "--video", str(path)]) == 2
    assert str(path) in capsys.readouterr().err and path.read_bytes() == before


def test_a_film_that_cannot_be_drawn_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("nothing draws here")

    monkeypatch.setattr("games.robots.game.picture", refuse)
    path = tmp_path / "film.gif"
    assert main(["play", "planar_reach", "--video", str(path)]) == 2
    assert "nothing draws here" in capsys.readouterr().err and not path.exists()


def test_a_window_needs_a_desktop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert main(["play", "planar_reach", "--window"]) == 2
    error = capsys.readouterr().err
    assert "no desktop" in error and error.count("\n") == 1
