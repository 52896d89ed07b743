"""Scenes as PNG, with Pillow."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from rl.pictures.scene import Colour, Disc, Label, Point, Polygon, Scene, Stroke

PAPER = "#ffffff"
_FINER = 3
"""Pixels are computed so many times finer, each way, and averaged: Pillow's lines have no smooth edges."""
_COLOURS = 128
_ANCHORS = {"start": "lm", "middle": "mm", "end": "rm"}


def png(scene: Scene, cell_pixels: int = 28, paper: Colour = PAPER) -> bytes:
    """The bytes of a PNG file of a few kilobytes, `cell_pixels` to a cell."""
    size = max(1, round(scene.width * cell_pixels)), max(1, round(scene.height * cell_pixels))
    sheet = Image.new("RGB", (size[0] * _FINER, size[1] * _FINER), paper)
    pen = _Pen(ImageDraw.Draw(sheet), float(cell_pixels * _FINER))
    for shape in scene.shapes:
        pen.draw(shape)
    small = sheet.resize(size, Image.Resampling.BOX).quantize(_COLOURS, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "png")
    return file.getvalue()


def image_size(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels of a PNG file (ISO/IEC 15948, 11.2.2) or a GIF file (version 89a, 18)."""
    if data.startswith(b"GIF8"):
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


class _Pen:
    """Draws shapes on a sheet whose cells have so many pixels."""

    def __init__(self, draw: ImageDraw.ImageDraw, scale: float) -> None:
        self._draw = draw
        self._scale = scale

    def draw(self, shape: Polygon | Disc | Stroke | Label) -> None:
        if isinstance(shape, Polygon):
            self._draw.polygon([self._at(point) for point in shape.points], fill=shape.fill)
        elif isinstance(shape, Disc):
            x, y = self._at(shape.centre)
            radius, width = shape.radius * self._scale, round(shape.width * self._scale)
            box = (x - radius, y - radius, x + radius, y + radius)
            self._draw.ellipse(box, shape.fill, shape.ink if width else None, width)
        elif isinstance(shape, Stroke):
            width = max(1, round(shape.width * self._scale))
            self._draw.line([self._at(point) for point in shape.points], shape.ink, width, joint="curve")
        else:
            font = _font(max(1, round(shape.size * self._scale)))
            self._draw.text(self._at(shape.place), shape.text, shape.ink, font, _ANCHORS[shape.anchor])

    def _at(self, point: Point) -> Point:
        return point[0] * self._scale, point[1] * self._scale


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
