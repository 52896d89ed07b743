"""Something that moves, as a GIF that plays by itself and over again, with Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

_COLOURS = 64
_LAST_SECONDS = 1.0
"""The last frame stands so long, so that the end is seen."""


def gif(frames: Sequence[npt.NDArray[np.uint8]], frame_seconds: float, width: int = 320) -> bytes:
    """The bytes of a GIF file: `frames` [height, width, 3], all of one size and at least one, made `width` pixels wide
    and shown `frame_seconds` each, in steps of a hundredth of a second, as the format has them."""
    height = round(frames[0].shape[0] * width / frames[0].shape[1])
    small = [Image.fromarray(frame).resize((width, height), Image.Resampling.BOX) for frame in frames]
    # One palette for all: neighbouring frames then differ where something moved, and only that is written.
    palette = _side_by_side([small[0], small[len(small) // 2], small[-1]]).quantize(_COLOURS)
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small)
    durations = [10 * max(1, round(100.0 * frame_seconds))] * len(others) + [round(1000.0 * _LAST_SECONDS)]
    file = io.BytesIO()
    first.save(file, "gif", save_all=True, append_images=others, duration=durations, loop=0)
    return file.getvalue()


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    width, height = pictures[0].size
    sheet = Image.new("RGB", (width * len(pictures), height))
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index * width, 0))
    return sheet
