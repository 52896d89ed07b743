"""`keima watch RUN`: TensorBoard on runs, for this machine alone, with charts in order and a page of words."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from rl.errors import UserError
from rl.train.charts import CHARTS, Chart, charts_of, guides, layout
from rl.train.display import duration
from rl.train.health import RULES, Finding, examined
from rl.train.metrics import EVENTS_NAME, FILE_NAME, read_metrics
from scripts.ports import HOST, free_port
from scripts.runs import played_in

if TYPE_CHECKING:
    from rl.train.events import EventFile

_GUIDE = "guide"
_START_SECONDS = 90.0
_REFRESH_SECONDS = 30.0
_END_SECONDS = 10.0


@dataclass(frozen=True)
class Command:
    """Start TensorBoard on one run or more and print its address. Only this machine can reach it. Ctrl-C ends it.

    Charts are in order under `Custom scalars`; `Text` says in words what each curve should look like, what to do when
    it does not, and what is wrong with the runs; `Images` has games, and positions with what network and search say."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run directories; several are drawn over each other. Runs that are going on are followed."""
    port: int = 6006
    """Where TensorBoard listens; the next free port where this one is taken."""


def run(command: Command) -> int:
    runs = _named(command.runs)
    port = free_port(command.port, "--port")
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="keima-watch-") as folder:
            for name, path in runs.items():
                (Path(folder) / name).symlink_to((path / EVENTS_NAME).resolve())
            _watch(Path(folder), runs, port)
    except KeyboardInterrupt:  # how it is meant to end
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def page(runs: Mapping[str, Path]) -> dict[str, str]:
    """The text page in Markdown, by tag: the charts of each category in words, and the health of each run."""
    health = {f"assessment/{name}": _health(path) for name, path in runs.items()}  # TensorBoard sorts by the alphabet
    signs = [f"| **{rule.name}** | {rule.sign} | {rule.minutes:g} | {rule.advice} |" for rule in RULES]
    head = ["| sickness | sign | for minutes | what to do |", "|---|---|---|---|"]
    return {**health, **guides(_charts(runs)), "charts/sicknesses": "\n".join([*head, *signs])}


def _charts(runs: Mapping[str, Path]) -> list[Chart]:
    """Those that any of the runs has curves for, in their order."""
    shown = {chart for path in runs.values() for chart in charts_of(played_in(path).canvas)}
    return [chart for chart in CHARTS if chart in shown]


def _health(run_dir: Path) -> str:
    watch = examined(read_metrics(run_dir / FILE_NAME))
    if not watch.findings:
        return "No sign of the usual sicknesses."
    head = ["| sickness | when | sign | what to do |", "|---|---|---|---|"]
    return "\n".join([*head, *(_row(finding) for finding in reversed(watch.findings))])


def _row(finding: Finding) -> str:
    until = "now" if finding.until is None else duration(finding.until)
    rule = finding.rule
    when = f"{duration(finding.since)} to {until}"
    return f"| **{rule.name}** | {when} | {rule.sign} ({finding.value:.3g}) | {rule.advice} |"


def _watch(folder: Path, runs: Mapping[str, Path], port: int) -> None:
    """Show what is in `folder`, and keep the text page in it up to date, until TensorBoard ends."""
    from rl.train.events import EventFile  # here, for it takes a while to import

    events = EventFile(folder / _GUIDE)
    try:
        events.add_layout(layout(_charts(runs)))
        shown = _refresh(events, {}, runs, 0)
        with _tensorboard(folder, port) as server:
            _wait_until_answered(server, port)
            _tell(f"http://{HOST}:{port}")
            number = 0
            while server.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    server.wait(_REFRESH_SECONDS)
                number += 1
                shown = _refresh(events, shown, runs, number)
    finally:
        events.close()
    raise UserError(f"TensorBoard has ended with code {server.returncode}")


def _tell(address: str) -> None:
    print(f"charts:    {address}/#custom_scalars")
    print(f"in words:  {address}/#text")
    print(f"boards:    {address}/#images")
    print("Ctrl-C ends it", flush=True)


def _refresh(events: EventFile, shown: Mapping[str, str], runs: Mapping[str, Path], number: int) -> dict[str, str]:
    """Write what has changed on the text page; returns what it now says."""
    texts = page(runs)
    events.add_page(number, {tag: text for tag, text in texts.items() if shown.get(tag) != text})
    return texts


@contextmanager
def _tensorboard(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """TensorBoard as a process of its own, ended with the context."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", HOST, "--port", str(port)]
    command += ["--reload_interval", "5", "--samples_per_plugin", "images=200,text=10"]
    with (folder / "log").open("wb") as log:
        environment = os.environ | {"TMPDIR": str(folder)}  # it leaves a folder there
        server = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
    try:
        yield server
    finally:
        server.terminate()
        try:
            server.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_answered(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as attempt:
            if attempt.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise UserError(f"TensorBoard does not answer on port {port}")


def _named(paths: tuple[Path, ...]) -> dict[str, Path]:
    """The runs by what they are called on the page: their folder's name, or the whole path where two are alike."""
    if not paths:
        raise UserError("watch needs a run directory")
    for path in paths:
        if not (path / FILE_NAME).is_file():
            raise UserError(f"{path} holds no run: there is no {path / FILE_NAME}")
    resolved = [path.resolve() for path in paths]
    names = [path.name for path in resolved]
    alike = len(set(names)) < len(names) or _GUIDE in names or "log" in names
    return {"_".join(path.parts[1:]) if alike else path.name: path for path in resolved}
