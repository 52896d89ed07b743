"""Something that moves, as an animated picture that plays by itself and over again, with Pillow."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

ANIMATIONS = {".gif": "gif", ".png": "png", ".apng": "png"}
"""The kinds of animated pictures, by how their files end."""
_LAST_MILLISECONDS = 1000
"""The last frame stands so much longer, so that the end is seen."""


def animation(
    frames: Sequence[npt.NDArray[np.uint8]], frames_per_second: float, kind: str, colours: int = 256
) -> bytes:
    """The bytes of an animated picture of `frames` [height, width, 3], of one size and at least one: a `kind` of
    ANIMATIONS.

    A GIF counts hundredths of a second, so that its frames last as long as that allows on average; it has one palette
    of `colours` for all of them, so that neighbouring frames differ where something moved, and only that is written.
    """
    images = [Image.fromarray(frame) for frame in frames]
    unit = 10 if kind == "gif" else 1  # ms
    ends = [round(1000 * (index + 1) / (frames_per_second * unit)) for index in range(len(images))]
    durations = [unit * (end - begin) for begin, end in itertools.pairwise([0, *ends])]
    durations[-1] += _LAST_MILLISECONDS
    if kind == "gif":
        palette = _palette(images, colours)
        images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    file = io.BytesIO()
    images[0].save(file, kind, save_all=True, append_images=images[1:], duration=durations, loop=0)
    return file.getvalue()


def _palette(images: Sequence[Image.Image], colours: int) -> Image.Image:
    """The colours of some of the pictures, from the first to the last."""
    some = images[:: max(1, len(images) // 8)]
    width, height = images[0].size
    sheet = Image.new("RGB", (width, height * len(some)))
    for row, image in enumerate(some):
        sheet.paste(image, (0, height * row))
    return sheet.quantize(colours)
