"""Flat shapes in a plane, measured in cells of a board; x to the right, y down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Colour = str
"""`#rrggbb`"""
Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


class Polygon(NamedTuple):
    """A filled outline."""

    points: tuple[Point, ...]
    fill: Colour

    def moved(self, dx: float, dy: float) -> Polygon:
        return self._replace(points=_moved(self.points, dx, dy))


class Disc(NamedTuple):
    """A circle, filled or as a ring."""

    centre: Point
    radius: float
    fill: Colour | None = None
    ink: Colour | None = None
    """Of its outline."""
    width: float = 0.0
    """Of its outline, which lies within the radius."""

    def moved(self, dx: float, dy: float) -> Disc:
        return self._replace(centre=_moved((self.centre,), dx, dy)[0])


class Stroke(NamedTuple):
    """A line through points."""

    points: tuple[Point, ...]
    ink: Colour
    width: float

    def moved(self, dx: float, dy: float) -> Stroke:
        return self._replace(points=_moved(self.points, dx, dy))


class Label(NamedTuple):
    """A line of text, its middle at the height of `place`."""

    place: Point
    text: str
    size: float
    """Height of its letters' line."""
    ink: Colour
    anchor: Anchor = "middle"

    def moved(self, dx: float, dy: float) -> Label:
        return self._replace(place=_moved((self.place,), dx, dy)[0])


Shape = Polygon | Disc | Stroke | Label


class Scene(NamedTuple):
    """What is drawn, later shapes over earlier ones, on a sheet from (0, 0) to (width, height)."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def beside(scenes: Sequence[Scene], gap: float) -> Scene:
    """Scenes in a row, their upper edges aligned."""
    shapes: list[Shape] = []
    x = 0.0
    for scene in scenes:
        shapes += (shape.moved(x, 0.0) for shape in scene.shapes)
        x += scene.width + gap
    return Scene(max(0.0, x - gap), max((scene.height for scene in scenes), default=0.0), tuple(shapes))


def below(scenes: Sequence[Scene], gap: float) -> Scene:
    """Scenes one under the other, their left edges aligned."""
    shapes: list[Shape] = []
    y = 0.0
    for scene in scenes:
        shapes += (shape.moved(0.0, y) for shape in scene.shapes)
        y += scene.height + gap
    return Scene(max((scene.width for scene in scenes), default=0.0), max(0.0, y - gap), tuple(shapes))


def titled(scene: Scene, lines: Sequence[str], size: float, ink: Colour) -> Scene:
    """A scene with lines of text above it."""
    height = 1.4 * size * len(lines)
    labels = [Label((0.0, 1.4 * size * (row + 0.5)), line, size, ink, "start") for row, line in enumerate(lines)]
    moved = [shape.moved(0.0, height) for shape in scene.shapes]
    return Scene(scene.width, scene.height + height, (*labels, *moved))


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two: `share` of the second, 0 to 1."""
    pairs = zip(channels(first), channels(second), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * share):02x}" for one, other in pairs)


def readable_on(ground: Colour) -> Colour:
    """Black or white, whichever is read more easily on `ground`."""
    red, green, blue = channels(ground)
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140.0 else "#ffffff"


def channels(colour: Colour) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _moved(points: Sequence[Point], dx: float, dy: float) -> tuple[Point, ...]:
    return tuple((x + dx, y + dy) for x, y in points)
