"""Pictures as characters: quarter blocks in two colours a cell, or without colours dots of braille.

Both are made of a small picture whose pixels are the quarters, or the dots. A pixel is not the mean of what it covers:
thin things on a large ground would fade. What differs from the ground counts for more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from scripts.terminal.app.layout import Size
from scripts.terminal.app.palette import Depth

Pixels = npt.NDArray[np.float32]
"""[height, width, 3] from 0 to 255."""

NO_COLOUR = -1
_QUARTERS = " ▘▝▀▖▌▞▛"
"""By which quarters are inked: 1 the upper left, 2 the upper right, 4 the lower left; never the lower right."""
_BRAILLE = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""[4, 2] the bits of a braille character."""
_FINER = 3
"""Pixels are made of so many times as many each way."""
_FAINT = 0.03
"""How much the ground counts beside what differs from it."""
_FLAT = 5.0
"""Colours of a cell that differ by less are one colour."""
_DARK, _STEP = 115.0, 12.0
"""Dots of braille are set where the picture is darker than the first, or darker than beside it by the second."""
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_LEVELS = 8.0
"""Colours are rounded to multiples of this: neighbours are then alike, and less is sent to the terminal."""
_VIVID = 3.0
"""Of sixteen colours the nearest is taken after the picture's have been made so many times as vivid."""
_SIXTEEN = np.array(
    [
        *[(0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205)],
        *[(229, 229, 229), (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255)],
        *[(0, 255, 255), (255, 255, 255)],
    ],
    np.float32,
)
"""[16, 3] as xterm has them."""


class Cells(NamedTuple):
    """A picture of characters. Colours [lines, columns] int32: 0xRRGGBB, or one of the terminal's sixteen by its
    number, or NO_COLOUR."""

    lines: tuple[str, ...]
    inks: npt.NDArray[np.int32]
    grounds: npt.NDArray[np.int32]

    @property
    def size(self) -> Size:
        return Size(self.inks.shape[1], self.inks.shape[0])


def fitting(picture_size: Size, room: Size) -> Size:
    """The most columns and lines of a picture of some pixels that there is room for; a cell is twice as high as it is
    wide."""
    scale = min(room.width / picture_size.width, 2 * room.height / picture_size.height)
    width, height = round(picture_size.width * scale), round(picture_size.height * scale / 2)
    return Size(max(1, min(width, room.width)), max(1, min(height, room.height)))


def cells_of(picture: npt.NDArray[np.uint8], size: Size, depth: Depth) -> Cells:
    """`picture` [height, width, 3] in so many columns and lines."""
    if depth == "none":
        return _braille(_small(picture, 2 * size.width, 4 * size.height))
    return _quarters(_small(picture, 2 * size.width, 2 * size.height), depth)


def _small(picture: npt.NDArray[np.uint8], width: int, height: int) -> Pixels:
    """[height, width, 3]"""
    finer = Image.fromarray(picture).resize((width * _FINER, height * _FINER), Image.Resampling.BOX)
    parts = np.asarray(finer, np.float32).reshape(height, _FINER, width, _FINER, 3)
    parts = parts.transpose(0, 2, 1, 3, 4).reshape(height, width, _FINER * _FINER, 3)
    ground = np.median(picture[::4, ::4].reshape(-1, 3), axis=0).astype(np.float32)
    weights = _FAINT + np.abs(parts - ground).max(axis=-1, keepdims=True) / 255.0
    found: Pixels = (parts * weights).sum(axis=2) / weights.sum(axis=2)
    return found


def _braille(pixels: Pixels) -> Cells:
    light = pixels @ _LUMINANCE
    around = np.pad(light, 1, mode="edge")
    beside = np.maximum.reduce([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
    dots = (light < _DARK) | (beside - light > _STEP)
    height, width = dots.shape[0] // 4, dots.shape[1] // 2
    codes = (dots.reshape(height, 4, width, 2) * _DOTS[None, :, None, :]).sum(axis=(1, 3))
    lines = tuple("".join(chr(_BRAILLE + code) if code else " " for code in line) for line in codes.tolist())
    none = np.full((height, width), NO_COLOUR, np.int32)
    return Cells(lines, none, none)


def _quarters(pixels: Pixels, depth: Depth) -> Cells:
    """For each cell the division of its quarters into two colours that is nearest to them."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    quarters = pixels.reshape(height, 2, width, 2, 3).transpose(0, 2, 1, 3, 4).reshape(height, width, 4, 3)
    flat = quarters.mean(axis=2)
    best, inks, grounds = np.zeros((height, width), np.int64), flat, flat
    least = ((quarters - flat[:, :, None]) ** 2).sum(axis=(2, 3))
    least = np.where(least < 4 * _FLAT**2, 0.0, least)
    for inked in range(1, len(_QUARTERS)):
        chosen = np.array([bool(inked >> place & 1) for place in range(4)])
        ink, ground = quarters[:, :, chosen].mean(axis=2), quarters[:, :, ~chosen].mean(axis=2)
        meant = np.where(chosen[:, None], ink[:, :, None], ground[:, :, None])
        error = ((quarters - meant) ** 2).sum(axis=(2, 3))
        better = error < least
        best, least = np.where(better, inked, best), np.where(better, error, least)
        inks, grounds = np.where(better[..., None], ink, inks), np.where(better[..., None], ground, grounds)
    codes = _codes(inks, depth), _codes(grounds, depth)
    best = np.where(codes[0] == codes[1], 0, best)
    lines = tuple("".join(_QUARTERS[inked] for inked in line) for line in best.tolist())
    return Cells(lines, np.where(best == 0, codes[1], codes[0]), codes[1])


def _codes(colours: Pixels, depth: Depth) -> npt.NDArray[np.int32]:
    """[lines, columns] of `colours` [lines, columns, 3]."""
    if depth == "sixteen":
        light = colours @ _LUMINANCE
        vivid = np.clip(light[..., None] + _VIVID * (colours - light[..., None]), 0.0, 255.0)
        nearest: npt.NDArray[np.int32] = (
            ((vivid[:, :, None] - _SIXTEEN) ** 2).sum(axis=-1).argmin(axis=-1).astype(np.int32)
        )
        return nearest
    rounded = np.minimum(np.round(colours / _LEVELS) * _LEVELS, 255.0).astype(np.int32)
    found: npt.NDArray[np.int32] = rounded @ np.array([1 << 16, 1 << 8, 1], np.int32)
    return found


def marked(cells: Cells, share: tuple[float, float], mark: str, ink: int) -> Cells:
    """With a character at a place, told as shares of the picture's width and height from its upper left corner."""
    column, line = (math.floor(part * number) for part, number in zip(share, cells.size, strict=True))
    if not (0 <= column < cells.size.width and 0 <= line < cells.size.height):
        return cells
    text = cells.lines[line]
    lines = (*cells.lines[:line], text[:column] + mark + text[column + 1 :], *cells.lines[line + 1 :])
    inks = cells.inks.copy()
    inks[line, column] = ink
    return cells._replace(lines=lines, inks=inks)
