"""States of robots as pictures and in windows; pygame is imported when the first is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from games.robots.episodes import StateRow
from games.robots.task import SpatialTask, Task

if TYPE_CHECKING:
    from games.robots.drawing import Screen


def picture_modes(task_class: type[Task]) -> list[str]:
    """The render modes in which `render` returns a picture of such a task."""
    return ["rgb_array", "depth_array"] if issubclass(task_class, SpatialTask) else ["rgb_array"]


def rendered(task: Task, state: StateRow, mode: str) -> npt.NDArray[Any]:
    """What `render` returns of a state in one of `picture_modes`: uint8 [height, width, 3], or for "depth_array"
    float32 [height, width] in m."""
    if mode == "depth_array":
        assert isinstance(task, SpatialTask)
        return task.depths(state)
    return picture(task, state)


def picture(task: Task, state: StateRow, width: int = 480) -> npt.NDArray[np.uint8]:
    """[height, width, 3] uint8: a state as the task draws it."""
    from games.robots.drawing import Canvas

    canvas = Canvas(task.view, width)
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
