"""What a person sees of a run: in a terminal, under a pipe, in a narrow window, and when nobody looks any more."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from rl.train.display import Display, Snapshot, duration, picture, plain_line

pytestmark = pytest.mark.plain_only  # nothing here is compiled

FULL = Snapshot(
    seconds=754,
    progress=0.31,
    phase="learning",
    eta_seconds=1680,
    games=12345,
    positions=456789,
    steps=3000,
    games_per_second=15.23,
    positions_per_second=512.4,
    samples_per_second=1900,
    loss=1.234,
    policy_loss=0.9,
    value_loss=0.334,
    elo=812,
    elo_margin=35,
    truth_policy=0.781,
    truth_search=0.903,
    window_size=123456,
    sample_age=4321,
    network_share=0.62,
    search_share=0.2,
    learning_share=0.18,
    sicknesses=("NaN skips",),
)
EXPECTED = [
    "12:34",
    "31%",
    "28:00",
    "12,345",
    "15.2/s",
    "456,789",
    "512/s",
    "3,000",
    "1.234",
    "812",
    "35",
    "78.1%",
    "90.3%",
    "62%",
    "NaN skips",
]


def test_plain_line_has_everything_in_ascii() -> None:
    line = plain_line(FULL)
    assert line.isascii() and "\n" not in line
    for text in EXPECTED:
        assert text in line


def test_unknown_numbers_are_not_shown() -> None:
    line = plain_line(Snapshot(seconds=0, progress=0))
    for word in ("None", "nan", "loss", "elo", "truth", "window", "left", "ill"):
        assert word not in line


@pytest.mark.parametrize("width", [1, 12, 24, 50, 75, 76, 100, 200])
def test_picture_fits_any_window(width: int) -> None:
    """No line is wider than the window, and nothing is lost once a word fits."""
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(picture(FULL, width))
    shown = capture.get()
    assert max(cell_len(line) for line in shown.splitlines()) <= width
    if width >= 24:
        for text in EXPECTED:
            assert text in shown


def test_bar_grows_with_progress() -> None:
    def filled(progress: float) -> int:
        console = Console(width=50, file=io.StringIO(), force_terminal=True, color_system=None)
        with console.capture() as capture:
            console.print(picture(Snapshot(seconds=0, progress=progress), 50))
        return capture.get().count("━")

    assert [filled(progress) for progress in (0.0, 0.5, 1.0, 1.7)] == [0, 25, 50, 50]


def test_plain_lines_come_at_intervals_and_the_last_one_always() -> None:
    now = [100.0]
    file = io.StringIO()
    with Display(file, interval=10, clock=lambda: now[0]) as display:
        assert not display.is_live
        for second in range(25):
            now[0] = 100.0 + second
            display.update(Snapshot(seconds=second, progress=0, steps=second))
            if second == 4:
                display.say("a line [bold]as it is[/bold] :smile: ü")
    steps = re.findall(r"step (\d+)", file.getvalue())
    assert steps == ["0", "10", "20", "24"]
    assert file.getvalue().splitlines()[1] == "a line [bold]as it is[/bold] :smile: ü"
    assert "\x1b" not in file.getvalue()


def test_ascii_output_takes_any_line() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with Display(file) as display:
        display.say("Zürich")
        display.update(FULL)
    file.seek(0)
    assert file.read().startswith("Z?rich\n12:34")


def test_closed_output_is_tolerated() -> None:
    file = io.StringIO()
    with Display(file) as display:
        display.say("one")
        file.close()
        display.say("two")
        display.update(FULL)


_SCRIPT = """
import sys, time
from rl.train.display import Display, Snapshot
from tests.test_display import FULL
with Display(interval=0.0) as display:
    display.say("first [line]")
    for step in range(200):
        display.update(FULL)
        if step == 100:
            display.say("middle line")
    print("printed by somebody else")
    display.say("last line")
print("the end", file=sys.stderr)
"""


def _environment(**changes: str) -> dict[str, str]:
    environment = {**os.environ, "PYTHONUTF8": "1", "TERM": "xterm-256color", **changes}
    return {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}


def _run_in_terminal(**changes: str) -> str:
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT],
        stdout=inside,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        env=_environment(**changes),
    )
    os.close(inside)
    received = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        received += part
    os.close(terminal)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors.decode().strip() == "the end"
    return received.decode()


def test_terminal_has_a_live_picture_and_lines_that_stay() -> None:
    received = _run_in_terminal()
    assert received.count("\x1b[1A") > 100  # the picture is drawn over itself
    for line in ("first [line]", "middle line", "printed by somebody else", "last line"):
        assert received.count(line) == 1
    for text in EXPECTED:
        assert text in received
    assert received.rfind("\x1b[?25h") > received.rfind("\x1b[?25l")  # the cursor is shown


def test_dumb_terminal_has_plain_lines() -> None:
    received = _run_in_terminal(TERM="dumb")
    assert "\x1b" not in received and received.count(plain_line(FULL)) == 200


def test_reader_of_the_pipe_that_goes_away_ends_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        env=_environment(),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"first [line]\n"
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=20)
    assert errors.decode().strip() == "the end" and process.returncode == 0


def test_terminal_that_goes_away_ends_nothing() -> None:
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT],
        stdout=inside,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        env=_environment(),
        start_new_session=True,
    )
    os.close(inside)
    os.read(terminal, 100)
    os.close(terminal)
    _, errors = process.communicate(timeout=20)
    assert errors.decode().strip() == "the end" and process.returncode == 0


def test_durations() -> None:
    assert [duration(seconds) for seconds in (-1, 0, 59.6, 754, 3723, 3600 * 51)] == [
        "0:00",
        "0:00",
        "1:00",
        "12:34",
        "1:02:03",
        "2 d 3 h",
    ]
