"""TensorBoard event files, written in the caller's thread: nothing is left running, and errors come where they happen.

`torch.utils.tensorboard` writes from a thread of its own, which prints a traceback when the disk is full. What is
written here is a few kilobytes every few seconds.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]
from torch.utils.tensorboard import summary

from rl.pictures.raster import image_size

_FORMAT = "brain.Event:2"
_BINS = 30  # of a histogram; TensorBoard draws at most as many


class EventFile:
    """One new event file in `directory`. Every method raises OSError when the file cannot be written."""

    def __init__(self, directory: Path, *, purge_step: int | None = None) -> None:
        """With `purge_step`, TensorBoard forgets what earlier files hold of that step and later ones."""
        directory.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 10**9}.{socket.gethostname()}.{os.getpid()}.{time.time_ns()}"
        self._file = open(directory / name, "xb", buffering=0)  # noqa: SIM115  # closed by close()
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version=_FORMAT))
        if purge_step is not None:
            self._write(Event(wall_time=time.time(), step=purge_step, session_log=SessionLog(status=SessionLog.START)))

    def add(
        self,
        step: int,
        scalars: Mapping[str, float],
        histograms: Mapping[str, npt.NDArray[Any]],
        texts: Mapping[str, str],
        images: Mapping[str, bytes],
    ) -> None:
        """Write everything of one step by tag. Texts keep their line breaks and are drawn with a fixed width; images
        are PNG files, or GIF files, which TensorBoard plays."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        for tag, sample in histograms.items():
            finite = np.asarray(sample, np.float64)[np.isfinite(sample)]
            if finite.size:
                values += summary.histogram(tag, finite, bins=_BINS).value  # type: ignore[no-untyped-call]
        for tag, text in texts.items():
            indented = "".join(f"    {row}\n" for row in text.splitlines())  # a code block in Markdown
            values += summary.text(tag, indented).value  # type: ignore[no-untyped-call]
        for tag, data in images.items():
            width, height = image_size(data)
            image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=data)
            values.append(Summary.Value(tag=tag, image=image))
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def add_page(self, step: int, texts: Mapping[str, str]) -> None:
        """Write texts in Markdown, by tag."""
        for tag, text in texts.items():
            content = summary.text(tag, text)  # type: ignore[no-untyped-call]
            self._write(Event(wall_time=time.time(), step=step, summary=content))

    def add_layout(self, layout: Mapping[str, Mapping[str, list[Any]]]) -> None:
        """Write the charts of the page `Custom scalars`: {category: {chart: ["Multiline" or
        "Margin", [tags]]}}; of the latter the middle, the low and the high one."""
        content = summary.custom_scalars(layout)  # type: ignore[no-untyped-call]
        self._write(Event(wall_time=time.time(), step=0, summary=content))

    def close(self) -> None:
        self._file.close()

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
