"""Scenes as SVG."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from rl.pictures.scene import Disc, Label, Point, Polygon, Scene, Shape, Stroke


def svg(scene: Scene, *, cell_pixels: float = 36.0) -> str:
    """An `<svg>` element, whose units are cells."""
    width, height = scene.width * cell_pixels, scene.height * cell_pixels
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_number(scene.width)} {_number(scene.height)}"'
    return f'{head} width="{width:.0f}" height="{height:.0f}">{elements(scene.shapes)}</svg>'


def elements(shapes: Iterable[Shape]) -> str:
    """The shapes alone, to be put into an `<svg>` or `<g>`."""
    return "".join(map(_element, shapes))


def _element(shape: Shape) -> str:
    if isinstance(shape, Polygon):
        return f'<polygon points="{_points(shape.points)}" fill="{shape.fill}"/>'
    if isinstance(shape, Disc):
        x, y = shape.centre
        inside = shape.radius - shape.width / 2.0  # SVG draws outlines on both sides
        ink = f' stroke="{shape.ink}" stroke-width="{_number(shape.width)}"' if shape.ink else ""
        place = f'cx="{_number(x)}" cy="{_number(y)}" r="{_number(inside)}"'
        return f'<circle {place} fill="{shape.fill or "none"}"{ink}/>'
    if isinstance(shape, Stroke):
        look = f'fill="none" stroke="{shape.ink}" stroke-width="{_number(shape.width)}" stroke-linejoin="round"'
        return f'<polyline points="{_points(shape.points)}" {look}/>'
    return _text(shape)


def _text(label: Label) -> str:
    x, y = label.place
    place = f'x="{_number(x)}" y="{_number(y)}" text-anchor="{label.anchor}" dominant-baseline="central"'
    return f'<text {place} font-size="{_number(label.size)}" fill="{label.ink}">{escape(label.text)}</text>'


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
