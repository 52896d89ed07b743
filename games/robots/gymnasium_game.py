"""Gymnasium environments as games that are searched and learnt; Pendulum-v1 is the shown case.

Any environment will do whose observations and actions are `Box` vectors and whose state can be saved and restored: a
class here says how, in two methods.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from games.base import BoolArray, FloatArray, HashArray, State, StateArray
from games.simulated import SimulatedGame

_SEED_BITS = np.uint64(2**31 - 1)


class GymnasiumGame(SimulatedGame):
    """A Gymnasium environment as a `SimulatedGame`: actions from -1 to 1 stand for its whole range.

    A state is what `save` gives, what was observed on entering it, and the count of steps. Raises ValueError where the
    environment has other spaces than `Box` vectors or no time limit.
    """

    state_size: int
    """S: how many numbers `save` gives."""

    def __init__(self, name: str, environment_id: str) -> None:
        self.name, self._environment_id = name, environment_id
        seen, acted = self._env.observation_space, self._env.action_space
        most_steps = gymnasium.spec(environment_id).max_episode_steps
        if not all(isinstance(space, spaces.Box) and len(space.shape) == 1 for space in (seen, acted)):
            raise ValueError(f"{environment_id}: observations and actions have to be Box vectors")
        assert isinstance(seen, spaces.Box) and isinstance(acted, spaces.Box)
        if most_steps is None:
            raise ValueError(f"{environment_id} has no max_episode_steps")
        self.max_num_moves = most_steps
        self.action_size = int(acted.shape[0])
        self.action_dtype = np.dtype((np.float32, acted.shape))
        self.num_actions = self.num_extra_actions = 2 * self.action_size
        self.observation_shape = (int(seen.shape[0]), 1, 1)
        self.state_dtype = np.dtype(
            [
                ("saved", np.float64, (self.state_size,)),
                ("seen", np.float32, seen.shape),
                ("to_play", np.int8),
                ("num_moves", np.int32),
            ]
        )
        bounded = np.isfinite(seen.low) & np.isfinite(seen.high)
        self._middle = np.where(bounded, 0.5 * (seen.low + seen.high), 0.0).astype(np.float32)
        self._half = np.where(bounded, 0.5 * (seen.high - seen.low), 1.0).astype(np.float32)
        self._action_middle = (0.5 * (acted.low + acted.high)).astype(np.float32)
        self._action_half = (0.5 * (acted.high - acted.low)).astype(np.float32)

    @abstractmethod
    def save(self, env: gymnasium.Env[Any, Any]) -> npt.ArrayLike:
        """[S] numbers that hold all there is to the unwrapped environment's state."""

    @abstractmethod
    def restore(self, env: gymnasium.Env[Any, Any], saved: npt.NDArray[np.float64]) -> None:
        """Have the unwrapped environment go on from what `save` gave."""

    # --- the same for every environment, one row after the other ----------------------------------------------------

    @cached_property
    def _env(self) -> gymnasium.Env[Any, Any]:
        return gymnasium.make(self._environment_id, render_mode="rgb_array").unwrapped

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_env"}  # each process makes its own

    def reset_batch(self, states: StateArray, keys: HashArray) -> None:
        states["to_play"], states["num_moves"] = 0, 0
        for row, key in enumerate(keys):
            states["seen"][row] = self._env.reset(seed=int(key & _SEED_BITS))[0]
            states["saved"][row] = self.save(self._env)

    def step_batch(self, states: StateArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        return self.step_environment(states, actions)

    def step_environment(self, states: StateArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        """What `step_batch` does, each row by the environment's own `step`: slow, and what scores are judged by."""
        rewards, terminated = np.zeros(len(states), np.float32), np.zeros(len(states), np.bool_)
        for row, action in enumerate(self.actions_of(actions)):
            self.restore(self._env, states["saved"][row])
            states["seen"][row], rewards[row], terminated[row], _, _ = self._env.step(action)
            states["saved"][row] = self.save(self._env)
        states["num_moves"] += 1
        return rewards, terminated

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        observations[:, 0, :, 0, 0] = (states["seen"] - self._middle) / self._half

    def actions_of(self, actions: FloatArray) -> FloatArray:
        """[n, D] the environment's own actions, for `actions` [n, D] from -1 to 1."""
        own: FloatArray = self._action_middle + self._action_half * np.clip(actions, np.float32(-1), np.float32(1))
        return own

    def picture(self, state: State, width: int = 480) -> npt.NDArray[np.uint8]:
        self.restore(self._env, state["saved"])
        return np.asarray(self._env.render(), np.uint8)

    @property
    def steps_per_second(self) -> float:
        return float(self._env.metadata.get("render_fps", 25.0))

    def to_text(self, state: State) -> str:
        return f"step {int(state['num_moves'])}: {' '.join(f'{number:.4g}' for number in state['seen'])}"


class Pendulum(GymnasiumGame):
    """Gymnasium's Pendulum-v1: a rod is swung up and held. `saved` is its angle (rad, 0 upright) and its speed (rad/s).

    Its equations stand here once more for many rows at a time, which takes a thirtieth of the time; the tests hold
    them to the environment's own steps.
    """

    state_size = 2
    discount = 0.97
    value_range = (-400.0, 0.0)

    def __init__(self) -> None:
        super().__init__("pendulum", "Pendulum-v1")

    def save(self, env: gymnasium.Env[Any, Any]) -> npt.ArrayLike:
        saved: npt.NDArray[np.float64] = env.state  # type: ignore[attr-defined]
        return saved

    def restore(self, env: gymnasium.Env[Any, Any], saved: npt.NDArray[np.float64]) -> None:
        env.state = saved.copy()  # type: ignore[attr-defined]
        env.last_u = None  # type: ignore[attr-defined]  # of the picture

    def step_batch(self, states: StateArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        torque = self.actions_of(actions)[:, 0]
        angle, speed = states["saved"][:, 0], states["saved"][:, 1]
        wrapped = (angle + np.pi) % (2.0 * np.pi) - np.pi
        costs = wrapped**2 + 0.1 * speed**2 + 0.001 * torque**2
        speed = np.clip(speed + (15.0 * np.sin(angle) + 3.0 * torque) * 0.05, -8.0, 8.0)
        angle = angle + speed * 0.05
        states["saved"][:, 0], states["saved"][:, 1] = angle, speed
        states["seen"][:, 0], states["seen"][:, 1], states["seen"][:, 2] = np.cos(angle), np.sin(angle), speed
        states["num_moves"] += 1
        return (-costs).astype(np.float32), np.zeros(len(states), np.bool_)

    def scripted_actions(self, states: StateArray) -> FloatArray:
        """Pump energy until there is as much as upright at rest (Astrom and Furuta 2000, "Swinging up a pendulum by
        energy control"); near there, a spring with damping."""
        angle, speed = states["saved"][:, 0], states["saved"][:, 1]
        wrapped = (angle + np.pi) % (2.0 * np.pi) - np.pi
        missing = 15.0 - (0.5 * speed**2 + 15.0 * np.cos(angle))
        pumping = np.where(speed >= 0.0, 1.0, -1.0) * missing
        holding = -(10.0 * wrapped + 2.5 * speed)
        near = (np.abs(wrapped) < 0.5) & (np.abs(speed) < 3.0)
        actions: FloatArray = np.clip(np.where(near, holding, pumping), -1.0, 1.0).astype(np.float32)
        return actions[:, None]
