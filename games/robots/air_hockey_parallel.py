"""AirHockey of two agents at once, as a PettingZoo environment: `games.robots.air_hockey_parallel.parallel_env()`.

Needs PettingZoo, as `games.pettingzoo` does: `pip install 'keima[pettingzoo]'`.

| | |
| --- | --- |
| agents | `player_0` on the left, `player_1` on the right |
| observation, action | as `AirHockeyEnv` tells, each agent's from its own end |
| reward | 1 for a goal, -1 for a goal against, else 0 |
| end | both terminate with the first goal, and are truncated after 500 steps |
| infos | for each agent `is_success` and `success`, whether it has scored; after a reset `parameters` |
| options of reset | `randomize`, as of every robot; others are ignored, as PettingZoo's tests want it |
| render | "rgb_array" or "human" |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.utils import seeding

from games.base import FloatArray
from games.robots.air_hockey import AirHockey, AirHockeyEnv
from games.robots.episodes import StateRow, begin, checked_actions, checked_row, spaces_of
from games.robots.showing import Window, picture

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError("games.robots.air_hockey_parallel needs PettingZoo: pip install keima[pettingzoo]") from error


class parallel_env(ParallelEnv):  # type: ignore[misc]  # PettingZoo's name for it; it has no types
    """The game of `player_0` and `player_1`. Raises ValueError on a render mode that there is not."""

    metadata = {**AirHockeyEnv.metadata, "name": "air_hockey_v0"}  # noqa: RUF012  # as ParallelEnv has it

    def __init__(self, render_mode: str | None = None) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode {render_mode!r}: the modes are human and rgb_array")
        self.task = AirHockey("still")
        self.render_mode = render_mode
        self.possible_agents = ["player_0", "player_1"]
        self.agents: list[str] = []
        self.observation_spaces, self.action_spaces = {}, {}
        for agent in self.possible_agents:
            self.observation_spaces[agent], self.action_spaces[agent] = spaces_of(self.task)
        self._states = np.zeros((1, self.task.state_size))
        self._num_steps = 0
        self._generator = seeding.np_random()[0]
        self._window = Window(self.task)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Box:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, FloatArray], dict[str, dict[str, Any]]]:
        if seed is not None:
            self._generator = seeding.np_random(seed)[0]
        keys = self._generator.integers(2**64, size=1, dtype=np.uint64)
        known = {"randomize": options["randomize"]} if options and "randomize" in options else None
        parameters = begin(self.task, self._states, keys, known)
        self.agents, self._num_steps = self.possible_agents[:], 0
        told = {name: float(values[0]) for name, values in parameters.items()}
        self._show()
        return self._observations(), {
            agent: {**info, "parameters": dict(told)} for agent, info in self._infos().items()
        }

    def step(
        self, actions: Mapping[str, FloatArray]
    ) -> tuple[dict[str, FloatArray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Raises ValueError on actions of the wrong shape, or not finite."""
        both = np.stack([checked_actions(self.task, actions[agent]) for agent in self.agents])
        rewards, terminated = self.task.step_both(self._states, both[None])
        self._num_steps += 1
        truncated = self._num_steps >= self.task.max_episode_steps
        found = (
            self._observations(),
            {"player_0": float(rewards[0]), "player_1": -float(rewards[0])},
            dict.fromkeys(self.agents, bool(terminated[0])),
            dict.fromkeys(self.agents, truncated),
            self._infos(),
        )
        if terminated[0] or truncated:
            self.agents = []
        self._show()
        return found

    def get_state(self) -> StateRow:
        """[state_size] float64: all that `step` depends on, but for the steps that the game has lasted."""
        row: StateRow = self._states[0].copy()
        return row

    def set_state(self, state: StateRow) -> None:
        """Go on from what `get_state` returned. Raises ValueError on any other shape."""
        self._states[0] = checked_row(self.task, state)

    def state(self) -> npt.NDArray[np.float64]:
        """PettingZoo's name for what `get_state` gives."""
        return self.get_state()

    def render(self) -> npt.NDArray[np.uint8] | None:
        return picture(self.task, self._states[0]) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self._window.close()

    def _observations(self) -> dict[str, FloatArray]:
        return dict(zip(self.possible_agents, self.task.observe_both(self._states)[0].copy(), strict=True))

    def _infos(self) -> dict[str, dict[str, Any]]:
        score = self.task.scores(self._states)[0]
        won = {"player_0": bool(score > 0), "player_1": bool(score < 0)}
        return {agent: {"is_success": won[agent], "success": won[agent]} for agent in self.possible_agents}

    def _show(self) -> None:
        if self.render_mode == "human":
            self._window.show(self._states[0])
