"""Frames of something that moves, side by side in one picture, with Pillow."""

from __future__ import annotations

import io
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
