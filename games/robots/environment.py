"""Any robot task as a Gymnasium environment; a task's module derives its own from these and describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from games.base import FloatArray
from games.robots.episodes import StateRow, begin, checked_actions, checked_row, observed, spaces_of, success_info
from games.robots.showing import Window, picture_modes, rendered
from games.robots.task import GoalTask, RowArray, Task

Observation = FloatArray | dict[str, FloatArray]


class TaskEnv(gymnasium.Env[Any, Any]):
    """One robot task: `task_class(**options)`.

    `render_mode` is None, "rgb_array" (`render` returns a picture, uint8 [height, width, 3]), of tasks in three
    dimensions also "depth_array" (float32 [height, width], in m), or "human" (a window that follows every reset and
    step at the control rate). Raises ValueError on any other.
    """

    task_class: ClassVar[type[Task]]
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["human", "rgb_array"]}  # type: ignore[misc]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "task_class" in vars(cls):
            modes = ["human", *picture_modes(cls.task_class)]
            cls.metadata = {**TaskEnv.metadata, "render_modes": modes, "render_fps": cls.task_class.control_rate}

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode {render_mode!r}: the modes are {', '.join(self.metadata['render_modes'])}")
        self.task = self.task_class(**options)
        self.render_mode = render_mode
        self.observation_space, self.action_space = spaces_of(self.task)
        self._states: RowArray = np.zeros((1, self.task.state_size))
        self._window = Window(self.task)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode. `options` may hold "goal" (where there is one) and "randomize": True, or the ranges of
        parameters by name. Raises ValueError on anything else."""
        super().reset(seed=seed)
        keys = self.np_random.integers(2**64, size=1, dtype=np.uint64)
        parameters = begin(self.task, self._states, keys, options)
        info = {name: bool(values[0]) for name, values in success_info(self.task, self._states).items()}
        self._show()
        return self._observation(), {**info, "parameters": {name: float(row[0]) for name, row in parameters.items()}}

    def step(self, action: FloatArray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move one control period on. Raises ValueError on an action of the wrong shape, or not finite."""
        rewards, terminated = self.task.step(self._states, checked_actions(self.task, action)[None])
        info = {name: bool(values[0]) for name, values in success_info(self.task, self._states).items()}
        self._show()
        return self._observation(), float(rewards[0]), bool(terminated[0]), False, info

    def get_state(self) -> StateRow:
        """[state_size] float64: all that `step` depends on; the steps that a TimeLimit wrapper counts are not in it."""
        row: StateRow = self._states[0].copy()
        return row

    def set_state(self, state: StateRow) -> None:
        """Go on from what `get_state` returned, here or in another process. Raises ValueError on any other shape."""
        self._states[0] = checked_row(self.task, state)

    def render(self) -> npt.NDArray[Any] | None:
        """The picture of the state in modes "rgb_array" and "depth_array", else None."""
        if self.render_mode is None:
            gymnasium.logger.warn('render() without a render_mode: ask for one, as in render_mode="rgb_array"')
        if self.render_mode in (None, "human"):
            return None
        return rendered(self.task, self._states[0], self.render_mode)

    def close(self) -> None:
        """Close the window, if there is one."""
        self._window.close()

    def _observation(self) -> Observation:
        batch = observed(self.task, self._states)
        return {name: values[0] for name, values in batch.items()} if isinstance(batch, dict) else batch[0]

    def _show(self) -> None:
        if self.render_mode == "human":
            self._window.show(self._states[0])


class GoalEnv(TaskEnv):
    """A goal task: observations are dictionaries, and rewards can be worked out for other goals, as hindsight
    relabelling and Gymnasium-Robotics' GoalEnv want it."""

    task: GoalTask
    task_class: ClassVar[type[GoalTask]]
    observation_space: spaces.Dict

    def compute_reward(self, achieved_goal: FloatArray, desired_goal: FloatArray, info: Any) -> Any:
        """What `step` returns for an `achieved_goal` [..., G] where `desired_goal` [..., G] is wanted: float32 [...],
        a float for single goals. `info` has no say."""
        return self._for_goals(self.task.rewards, achieved_goal, desired_goal)

    def compute_terminated(self, achieved_goal: FloatArray, desired_goal: FloatArray, info: Any) -> Any:
        """Whether the step that achieved it ended the task: bool [...]. Reaching the goal does not."""
        return self._for_goals(lambda achieved, desired: self.task.terminations(achieved), achieved_goal, desired_goal)

    def compute_truncated(self, achieved_goal: FloatArray, desired_goal: FloatArray, info: Any) -> Any:
        """False [...]: time limits are the TimeLimit wrapper's."""
        return self._for_goals(lambda achieved, desired: np.zeros(len(achieved), np.bool_), achieved_goal, desired_goal)

    def _for_goals(self, compute: Any, achieved_goal: FloatArray, desired_goal: FloatArray) -> Any:
        """`compute` of goals in rows, for goals of any leading shape."""
        achieved, desired = np.broadcast_arrays(np.float32(achieved_goal), np.float32(desired_goal))
        shape, size = achieved.shape[:-1], self.task.goal_size
        found = compute(
            np.ascontiguousarray(achieved).reshape(-1, size), np.ascontiguousarray(desired).reshape(-1, size)
        )
        return found.reshape(shape) if shape else found[0].item()
