"""Many copies of a robot task as one Gymnasium vector environment, stepped by one call of its kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from games.base import BoolArray, FloatArray
from games.robots.environment import Observation
from games.robots.episodes import begin, observed, spaces_of, success_info
from games.robots.showing import picture_modes, rendered
from games.robots.task import RowArray, Task


class TaskVectorEnv(VectorEnv[Any, FloatArray, npt.NDArray[Any]]):
    """`num_envs` copies of `task_class(**options)`.

    Autoreset mode NEXT_STEP, as Gymnasium's own: the step after an episode's end begins the next one, its action being
    ignored and its reward 0. The copies are, number for number, those of a `SyncVectorEnv` of single environments.
    """

    task_class: ClassVar[type[Task]]
    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["rgb_array"],
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        modes = picture_modes(cls.task_class)
        cls.metadata = {**TaskVectorEnv.metadata, "render_modes": modes, "render_fps": cls.task_class.control_rate}

    def __init__(
        self, num_envs: int = 1, render_mode: str | None = None, max_episode_steps: int | None = None, **options: Any
    ) -> None:
        """`max_episode_steps` is the task's own unless given; -1 means no limit. Raises ValueError on a render mode
        that there is not."""
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode {render_mode!r}: there is only {', '.join(self.metadata['render_modes'])}")
        self.task = self.task_class(**options)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.max_episode_steps = self.task.max_episode_steps if max_episode_steps is None else max_episode_steps
        self.single_observation_space, self.single_action_space = spaces_of(self.task)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._states = np.zeros((num_envs, self.task.state_size))
        self._num_steps = np.zeros(num_envs, np.int64)
        self._ended = np.zeros(num_envs, np.bool_)
        self._options: Mapping[str, Any] | None = None
        self._generators = [seeding.np_random()[0] for _ in range(num_envs)]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin everywhere. Copy i is seeded with `seed` + i, or with `seed[i]`. `options` as of a single environment;
        they hold for the episodes that follow by themselves as well. Raises ValueError on a wrong number of seeds."""
        if seed is not None:
            seeds = (
                [seed + index for index in range(self.num_envs)] if isinstance(seed, int | np.integer) else list(seed)
            )
            if len(seeds) != self.num_envs:
                raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
            for index, own in enumerate(seeds):
                if own is not None:
                    self._generators[index] = seeding.np_random(own)[0]
        self._options = options
        infos: dict[str, Any] = {}
        everywhere = np.ones(self.num_envs, np.bool_)
        self._begin(everywhere, infos)
        self._tell_success(infos)
        return observed(self.task, self._states), infos

    def step(
        self, actions: FloatArray
    ) -> tuple[Observation, npt.NDArray[np.float64], BoolArray, BoolArray, dict[str, Any]]:
        """Move every copy one control period on. Raises ValueError on actions of the wrong shape, or not finite."""
        taken = np.asarray(actions, np.float32)
        if taken.shape != self.action_space.shape or not np.isfinite(taken).all():
            raise ValueError(f"actions of {self.task.name} are finite numbers {self.action_space.shape}")
        begins = self._ended
        rewards, terminations = self.task.step(self._states, taken)
        earned: npt.NDArray[np.float64] = np.where(begins, 0.0, rewards).astype(np.float64)
        terminations &= ~begins
        self._num_steps += 1
        infos: dict[str, Any] = {}
        if begins.any():
            self._begin(begins, infos)
        truncations = self._num_steps == self.max_episode_steps
        self._ended = terminations | truncations
        self._tell_success(infos)
        return observed(self.task, self._states), earned, terminations, truncations, infos

    def get_state(self) -> RowArray:
        """[num_envs, state_size] float64; the steps that episodes have lasted are not part of it."""
        return self._states.copy()

    def set_state(self, states: RowArray) -> None:
        """Go on from rows of `get_state`. Raises ValueError on any other shape."""
        if np.shape(states) != self._states.shape:
            raise ValueError(f"the states of {self.num_envs} {self.task.name} are rows {self._states.shape}")
        self._states[:] = states

    def render(self) -> tuple[npt.NDArray[Any], ...] | None:
        """A picture of each copy, as a single environment gives it, or None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(rendered(self.task, state, self.render_mode) for state in self._states)

    def _begin(self, where: BoolArray, infos: dict[str, Any]) -> None:
        """Begin episodes in the copies `where` [num_envs], and tell their parameters in `infos`."""
        chosen = np.flatnonzero(where)
        keys = np.array([self._generators[index].integers(2**64, dtype=np.uint64) for index in chosen], np.uint64)
        states = self._states[chosen]
        parameters = begin(self.task, states, keys, self._options)
        self._states[chosen] = states
        self._num_steps[chosen] = 0
        self._ended = self._ended & ~where
        told: dict[str, Any] = {}
        for name, values in parameters.items():
            told[name] = np.zeros(self.num_envs)
            told[name][chosen] = values
            told[f"_{name}"] = where.copy()
        infos["parameters"], infos["_parameters"] = told, where.copy()

    def _tell_success(self, infos: dict[str, Any]) -> None:
        for name, successes in success_info(self.task, self._states).items():
            infos[name], infos[f"_{name}"] = successes, np.ones(self.num_envs, np.bool_)
