"""States of robots as pictures and in windows; pygame is imported when the first is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from games.robots.episodes import StateRow
from games.robots.task import Task

if TYPE_CHECKING:
    from games.robots.drawing import Screen


def picture(task: Task, state: StateRow) -> npt.NDArray[np.uint8]:
    """[height, width, 3] uint8: a state as the task draws it."""
    from games.robots.drawing import Canvas

    canvas = Canvas(task.view)
    task.draw(canvas, state)
    return canvas.pixels()


class Window:
    """The window of one environment, opened when there is something to show."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._screen: Screen | None = None

    def show(self, state: StateRow) -> None:
        """Bring it up to date, no sooner than the control rate lets it."""
        if self._screen is None:
            from games.robots.drawing import Screen

            self._screen = Screen(self._task.name, self._task.control_rate)
        self._screen.show(picture(self._task, state))

    def close(self) -> None:
        """Close it, if there is one."""
        if self._screen is not None:
            self._screen.close()
            self._screen = None
