"""Frames of something that moves: side by side in one picture, or one after the other. Made by Pillow."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

_FRAMES_A_ROW = 6
_GAP = 4


def film_strip(frames: Sequence[npt.NDArray[np.uint8]], width: int = 180) -> bytes:
    """The bytes of a PNG file: `frames` [height, width, 3], of one size, made `width` pixels wide, in rows."""
    height = round(frames[0].shape[0] * width / frames[0].shape[1])
    columns = min(_FRAMES_A_ROW, len(frames))
    rows = -(-len(frames) // columns)
    sheet = Image.new("RGB", (columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP), "white")
    for index, frame in enumerate(frames):
        small = Image.fromarray(frame).resize((width, height), Image.Resampling.BOX)
        sheet.paste(small, ((index % columns) * (width + _GAP), (index // columns) * (height + _GAP)))
    file = io.BytesIO()
    sheet.save(file, "png")
    return file.getvalue()


ANIMATIONS = {".gif": "gif", ".png": "png", ".apng": "png"}
"""The kinds of animated pictures, by how their files end."""


def animation(frames: Sequence[npt.NDArray[np.uint8]], frames_per_second: float, kind: str) -> bytes:
    """The bytes of an animated picture of `frames` [height, width, 3], of one size: a `kind` of ANIMATIONS. It is shown
    again and again, its last frame for a second.

    A GIF counts hundredths of a second, so that its frames last as long as that allows on average; it has one palette
    of 256 colours for all of them.
    """
    images = [Image.fromarray(frame) for frame in frames]
    unit = 10 if kind == "gif" else 1  # ms
    ends = [round(1000 * (index + 1) / (frames_per_second * unit)) for index in range(len(images))]
    durations = [unit * (end - begin) for begin, end in itertools.pairwise([0, *ends])]
    durations[-1] += 1000
    if kind == "gif":
        palette = _palette(images)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    file = io.BytesIO()
    images[0].save(file, kind, save_all=True, append_images=images[1:], duration=durations, loop=0)
    return file.getvalue()


def _palette(images: Sequence[Image.Image]) -> Image.Image:
    """The colours of some of the pictures, from the first to the last."""
    some = images[:: max(1, len(images) // 8)]
    width, height = images[0].size
    sheet = Image.new("RGB", (width, height * len(some)))
    for row, image in enumerate(some):
        sheet.paste(image, (0, height * row))
    return sheet.quantize(256)
