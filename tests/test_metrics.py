"""The record of a run and its event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_batches import make_batch

import games
from rl.errors import UserError
from rl.learning.learner import Learner, LearnerConfig
from rl.network.model import NetworkConfig
from rl.pictures.raster import png
from rl.pictures.scene import Scene
from rl.replay.window import Batch
from rl.train.metrics import EVENTS_NAME, FILE_NAME, NAMES, Averages, Counters, Metrics, read_metrics

pytestmark = pytest.mark.plain_only  # nothing here is compiled


def counters(step: int) -> Counters:
    return Counters(steps=step, games=10 * step, positions=100 * step, evaluations=900 * step, seconds=1.5 * step)


def events(run_dir: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(
        str(run_dir / EVENTS_NAME), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0}
    )
    accumulator.Reload()
    return accumulator


def scalar_events(run_dir: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(run_dir).Scalars(tag)]


def test_numbers_are_in_the_file_and_in_tensorboard(tmp_path: Path) -> None:
    sample = np.array([-0.5, 0.25, 0.5, np.nan])
    board = "X . O\n. X .\nO . X"
    with Metrics(tmp_path) as metrics:
        metrics.write(counters(1), {"loss/total": 1.25, "elo/agent": 100})
        metrics.write(
            counters(2),
            {"loss/total": float("nan")},
            histograms={"search/root_value": sample, "search/depth": np.array([])},
            texts={"games/sample": board},
        )
    first, second = read_metrics(tmp_path / FILE_NAME)
    assert first == {
        "steps": 1,
        "games": 10,
        "positions": 100,
        "evaluations": 900,
        "seconds": 1.5,
        "time": first["time"],
        "loss/total": 1.25,
        "elo/agent": 100.0,
    }
    assert second["loss/total"] is None and second["games/sample"] == board and second["search/depth"] == {"count": 0}
    assert second["search/root_value"]["count"] == 3 and second["search/root_value"]["p50"] == 0.25
    assert second["search/root_value"]["mean"] == pytest.approx(0.25 / 3)
    assert scalar_events(tmp_path, "loss/total")[0] == (1, 1.25)
    assert scalar_events(tmp_path, "elo/agent") == [(1, 100.0)]
    accumulator = events(tmp_path)
    (histogram,) = accumulator.Histograms("search/root_value")
    assert histogram.step == 2 and histogram.histogram_value.num == 3 and histogram.histogram_value.max == 0.5
    (text,) = accumulator.Tensors("games/sample/text_summary")
    assert text.tensor_proto.string_val[0].decode() == "".join(f"    {row}\n" for row in board.splitlines())


def test_records_are_in_the_file_alone_and_images_in_tensorboard_alone(tmp_path: Path) -> None:
    record, image = {"views": [{"policy": {"4": 0.5}}]}, png(Scene(3.0, 2.0, ()), 10)
    with Metrics(tmp_path) as metrics:
        metrics.write(counters(1), records={"positions/evaluated": record}, images={"positions/1": image})
    (line,) = read_metrics(tmp_path / FILE_NAME)
    assert line["positions/evaluated"] == record and "positions/1" not in line
    (drawn,) = events(tmp_path).Images("positions/1")
    assert (drawn.step, drawn.width, drawn.height, drawn.encoded_image_string) == (1, 30, 20, image)


def test_file_is_strict_json(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(
            counters(1), {"loss/total": float("inf")}, histograms={"search/depth": np.array([np.inf, np.nan])}
        )

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    for line in (tmp_path / FILE_NAME).read_text().splitlines():
        json.loads(line, parse_constant=refuse)


def test_unknown_name_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        for arguments in (
            {"scalars": {"loss/oops": 1.0}},
            {"texts": {"oops": ""}},
            {"histograms": {"oops/x": np.ones(1)}},
            {"records": {"oops/x": 1}},
            {"images": {"oops/x": b""}},
        ):
            with pytest.raises(KeyError, match="oops"):
                metrics.write(counters(1), **arguments)  # type: ignore[arg-type]
    assert (tmp_path / FILE_NAME).read_bytes() == b""


def test_every_name_has_a_group_and_a_meaning() -> None:
    for name, meaning in NAMES.items():
        assert re.fullmatch(r"[a-z]+/[a-z_]*\*?", name) and meaning, name


@pytest.mark.parametrize("name", ["tic_tac_toe", "go3"])
def test_everything_the_learner_measures_can_be_written(tmp_path: Path, name: str) -> None:
    game = games.make(name)
    network = NetworkConfig(blocks=1, channels=8, score_heads=game.is_scored)
    learner = Learner(game, network, LearnerConfig(), 0)

    def batch(seed: int) -> Batch:
        made = make_batch(game, seed)
        owners = np.zeros((len(made.ages), *game.observation_shape[1:]), np.float32)
        return made._replace(ownership=owners, leads=owners[:, 0, 0]) if game.is_scored else made

    averages = Averages()
    with Metrics(tmp_path) as metrics:
        for step in range(3):
            averages.add(learner.train_step(batch(step)))
        metrics.write(counters(3), averages.take() | learner.evaluate(batch(9)))
    (line,) = read_metrics(tmp_path / FILE_NAME)
    assert {
        "loss/total",
        "policy/entropy",
        "policy/kl_to_search",
        "holdout/loss/total",
        "learner/learning_rate",
    } <= line.keys()
    assert game.is_scored == ({"loss/ownership", "holdout/loss/lead"} <= line.keys())


# --- resuming -------------------------------------------------------------------------------------------------------


def test_resuming_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        for step in (10, 20):
            metrics.write(counters(step), {"loss/total": step})
        mark = metrics.mark()
        for step in (30, 40):
            metrics.write(counters(step), {"loss/total": step})
    with Metrics(tmp_path, resume_mark=mark, resume_steps=20) as metrics:
        assert metrics.mark() == mark
        metrics.write(counters(25), {"loss/total": 25})
        metrics.write(counters(35), {"loss/total": 35})
    lines = read_metrics(tmp_path / FILE_NAME)
    assert [line["steps"] for line in lines] == [10, 20, 25, 35]
    for name in Counters._fields:
        values = [line[name] for line in lines]
        assert values == sorted(values)
    assert scalar_events(tmp_path, "loss/total") == [(10, 10.0), (20, 20.0), (25, 25.0), (35, 35.0)]


@pytest.mark.parametrize("torn", [b'{"steps": 3, "lo', b"", b"\0\0\0"])
def test_torn_last_line_is_left_out_and_cut_off(tmp_path: Path, torn: bytes) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(counters(1))
        metrics.write(counters(2))
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes() + torn)
    assert [line["steps"] for line in read_metrics(path)] == [1, 2]
    with Metrics(tmp_path, resume_mark=10**9, resume_steps=2) as metrics:
        metrics.write(counters(3))
    assert [line["steps"] for line in read_metrics(path)] == [1, 2, 3]


def test_mark_beyond_a_shorter_file_or_within_a_line(tmp_path: Path) -> None:
    """A file that somebody has edited: whole lines are kept."""
    with Metrics(tmp_path) as metrics:
        metrics.write(counters(1))
        mark = metrics.mark()
        metrics.write(counters(2))
    with Metrics(tmp_path, resume_mark=mark + 3, resume_steps=1) as metrics:
        assert metrics.mark() == mark
    assert [line["steps"] for line in read_metrics(tmp_path / FILE_NAME)] == [1]


def test_missing_file_has_no_lines_and_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    assert read_metrics(path) == []
    path.write_text('{"steps": 1}\nnonsense\n{"steps": 3}\n')
    with pytest.raises(UserError, match=rf"{path.name} is damaged in line 2"):
        read_metrics(path)


_WRITER = """
import sys
from pathlib import Path
from rl.train.metrics import Metrics
from tests.test_metrics import counters
metrics = Metrics(Path(sys.argv[1]))
step = 0
while True:
    step += 1
    metrics.write(counters(step), {"loss/total": step})
    print(step, flush=True)
"""


def test_kill_9_loses_nothing_that_was_written(tmp_path: Path) -> None:
    tests = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=tests.parent,
        env=os.environ | {"PYTHONPATH": str(tests)},
    )
    assert process.stdout is not None
    for _ in range(100):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    told = 100 + process.stdout.read().count(b"\n")
    process.stdout.close()
    process.wait()
    steps = [line["steps"] for line in read_metrics(tmp_path / FILE_NAME)]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) >= told
    drawn = scalar_events(tmp_path, "loss/total")
    assert [step for step, _ in drawn][:told] == list(range(1, told + 1))


# --- full disks -----------------------------------------------------------------------------------------------------


class _FullDisk:
    """A file that takes 5 more bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._room = 5

    def write(self, data: bytes) -> int:
        if self._room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written: int = self._file.write(data[: self._room])
        self._room = 0
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_full_disk_is_one_line_and_tears_nothing(tmp_path: Path) -> None:
    with Metrics(tmp_path) as metrics:
        metrics.write(counters(1))
        before = (tmp_path / FILE_NAME).read_bytes()
        file = metrics._file
        metrics._file = _FullDisk(file)  # type: ignore[assignment]
        with pytest.raises(UserError, match=rf"cannot write .*{FILE_NAME}: No space left on device"):
            metrics.write(counters(2))
        assert (tmp_path / FILE_NAME).read_bytes() == before
        metrics._file = file  # there is room again
        metrics.write(counters(3))
    assert [line["steps"] for line in read_metrics(tmp_path / FILE_NAME)] == [1, 3]


def test_event_files_that_cannot_be_written_are_given_up_with_one_line(tmp_path: Path) -> None:
    lines: list[str] = []
    with Metrics(tmp_path, report=lines.append) as metrics:
        assert metrics._events is not None
        metrics._events._records._writer = _FullDisk(metrics._events._file)
        metrics._events._records._writer._room = 0
        for step in range(3):
            metrics.write(counters(step), {"loss/total": 1.0})
    assert len(lines) == 1 and "No space left on device" in lines[0]
    assert len(read_metrics(tmp_path / FILE_NAME)) == 3


def test_event_directory_that_is_a_file_is_given_up_with_one_line(tmp_path: Path) -> None:
    (tmp_path / EVENTS_NAME).write_text("")
    lines: list[str] = []
    with Metrics(tmp_path, report=lines.append) as metrics:
        metrics.write(counters(1))
    assert len(lines) == 1 and len(read_metrics(tmp_path / FILE_NAME)) == 1


def test_run_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        Metrics(tmp_path / "file" / "run")


def test_really_full_disk(small_disk: Path) -> None:
    step = 0
    lines: list[str] = []
    with Metrics(small_disk, report=lines.append) as metrics, pytest.raises(UserError, match=FILE_NAME):
        while step < 10_000:
            step += 1
            metrics.write(counters(step), {"loss/total": step})
    assert [line["steps"] for line in read_metrics(small_disk / FILE_NAME)] == list(range(1, step))


def test_averages_are_means_of_what_is_finite() -> None:
    averages = Averages()
    averages.add({"loss/total": 1.0, "elo/a": 5.0})
    averages.add({"loss/total": 2.0, "loss/value": float("nan")})
    averages.add({"loss/total": float("inf")})
    assert averages.take() == {"loss/total": 1.5, "elo/a": 5.0}
    assert averages.take() == {}
