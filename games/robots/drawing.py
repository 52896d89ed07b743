"""Pictures of robots: a canvas in metres, and a window that shows what was painted. Drawn by pygame."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

with contextlib.redirect_stdout(io.StringIO()):  # pygame greets whoever imports it
    import pygame

Point = tuple[float, float] | Sequence[float] | npt.NDArray[Any]

COLOURS = {
    "paper": (250, 250, 247),
    "faint": (221, 221, 214),
    "body": (70, 92, 122),
    "joint": (38, 48, 64),
    "accent": (214, 92, 60),
    "goal": (96, 168, 104),
    "rival": (150, 110, 70),
}
_SMALL = 240  # pixels: no wider pictures are small
_FINER = 2  # painted so many times larger, then made smaller, for smooth edges


class Canvas:
    """Paints in metres, x to the right and y upwards. Colours are the names of COLOURS; what is painted later lies on
    top."""

    def __init__(self, view: tuple[float, float, float, float], width: int = 480) -> None:
        """`view` is (left, bottom, right, top) in metres, `width` that of the picture in pixels."""
        left, bottom, right, top = view
        self._scale = width * _FINER / (right - left)
        self._left, self._top = left, top
        height = round(width * (top - bottom) / (right - left))
        self._size = (width, height)
        self.is_small = width <= _SMALL
        """Whether a picture need not be made as well as it could be."""
        self._surface = pygame.Surface((width * _FINER, height * _FINER))
        self._surface.fill(COLOURS["paper"])

    def disc(self, centre: Point, radius: float, colour: str) -> None:
        pygame.draw.circle(self._surface, COLOURS[colour], self._pixel(centre), radius * self._scale)

    def ring(self, centre: Point, radius: float, colour: str) -> None:
        pygame.draw.circle(self._surface, COLOURS[colour], self._pixel(centre), radius * self._scale, 2 * _FINER)

    def line(self, start: Point, end: Point, width: float, colour: str) -> None:
        """A bar `width` metres thick with round ends."""
        along = np.subtract(end, start).astype(float)
        length = float(np.hypot(*along))
        if length > 0.0:
            side = np.array([-along[1], along[0]]) * (0.5 * width / length)
            self.polygon([start + side, end + side, end - side, start - side], colour)
        for point in (start, end):
            self.disc(point, 0.5 * width, colour)

    def polygon(self, corners: Sequence[Point], colour: str) -> None:
        pygame.draw.polygon(self._surface, COLOURS[colour], [self._pixel(corner) for corner in corners])

    def image(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Cover everything with a picture [height, width, 3], stretched to fit; one of the canvas's size stays as it
        is."""
        made = pygame.surfarray.make_surface(pixels.swapaxes(0, 1))
        self._surface.blit(pygame.transform.scale(made, self._surface.get_size()), (0, 0))

    def pixels(self) -> npt.NDArray[np.uint8]:
        """[height, width, 3] uint8."""
        smooth = pygame.transform.smoothscale(self._surface, self._size)
        return np.ascontiguousarray(pygame.surfarray.array3d(smooth).swapaxes(0, 1))

    def _pixel(self, point: Point) -> tuple[float, float]:
        return (float(point[0]) - self._left) * self._scale, (self._top - float(point[1])) * self._scale


class NoWindow(RuntimeError):
    """There is no desktop to open a window on. One line, for people."""


class Screen:
    """A window on the desktop."""

    def __init__(self, title: str, rate: int) -> None:
        """`rate` is how many pictures a second are shown."""
        # SDL would paint even flat pictures by OpenGL, and then neither it nor MuJoCo could in one thread.
        os.putenv("SDL_FRAMEBUFFER_ACCELERATION", "0")
        pygame.display.init()
        pygame.display.set_caption(title)
        self._rate = rate
        self._clock = pygame.time.Clock()
        self._window: pygame.Surface | None = None

    def show(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Show a picture [height, width, 3], no sooner than the rate lets it. Raises NoWindow where it cannot."""
        if self._window is None:
            try:
                self._window = pygame.display.set_mode((pixels.shape[1], pixels.shape[0]))
            except pygame.error as error:
                raise NoWindow(f"no window can be opened here: {error}") from None
        pygame.event.pump()  # else the desktop takes the window for dead
        self._window.blit(pygame.surfarray.make_surface(pixels.swapaxes(0, 1)), (0, 0))
        pygame.display.flip()
        self._clock.tick(self._rate)

    @property
    def is_closed(self) -> bool:
        """Whether a person has closed it."""
        return self._window is not None and bool(pygame.event.peek(pygame.QUIT))

    def close(self) -> None:
        pygame.display.quit()
