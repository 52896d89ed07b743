"""Every board game as a PettingZoo environment: `games.pettingzoo.env("connect_four")`.

Needs PettingZoo, which nothing else here does: `pip install 'keima[pettingzoo]'`.

| | |
| --- | --- |
| agents | `player_0` moves first, `player_1`; a game for one player has `player_0` alone |
| observation | `{"observation": planes, "action_mask": legal}`, as the agent sees it who is asked |
| planes | float32 [planes, rows, columns], what `Game.observe` writes for that agent, whoever is to move |
| mask | int8 [actions], 1 = legal; all 0 for an agent who is not to move, and at the end |
| action | `Discrete`, the actions of the game: `Game.action_to_text` tells their notation |
| reward | in a zero-sum game 1 for the winner, -1 for the loser, 0 for a draw and before the end |
| illegal action | ends the game, reward -1 for who played it (PettingZoo's TerminateIllegalWrapper) |
| seed | taken and of no effect: board games draw no random numbers |
| render | "ansi": the board as text |
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

import games
from games.base import Game

try:
    from pettingzoo import AECEnv
    from pettingzoo.utils import wrappers
except ImportError as error:
    raise ImportError("games.pettingzoo needs PettingZoo: pip install keima[pettingzoo]") from error

Observation = dict[str, npt.NDArray[Any]]


def env(game: str | Game, render_mode: str | None = None) -> AECEnv:
    """The environment of a game, by name or as it is, in PettingZoo's usual wrappers.

    Raises games.UnknownGame when there is no such game, ValueError on a render mode that there is not.
    """
    wrapped = wrappers.TerminateIllegalWrapper(raw_env(game, render_mode), illegal_reward=-1)
    return wrappers.OrderEnforcingWrapper(wrappers.AssertOutOfBoundsWrapper(wrapped))


class raw_env(AECEnv):  # type: ignore[misc]  # PettingZoo's name for what `env` wraps; it has no types
    """The environment without wrappers: an illegal action is a ValueError."""

    def __init__(self, game: str | Game, render_mode: str | None = None) -> None:
        super().__init__()
        self.game = games.make(game) if isinstance(game, str) else game
        self.metadata = {"render_modes": ["ansi"], "name": self.game.name, "is_parallelizable": False}
        if render_mode not in (None, "ansi"):
            raise ValueError(f"render_mode {render_mode!r}: there is only 'ansi'")
        self.render_mode = render_mode
        self.possible_agents = [f"player_{player}" for player in range(self.game.num_players)]
        self.action_spaces = {agent: spaces.Discrete(self.game.num_actions) for agent in self.possible_agents}
        self.observation_spaces = {agent: self._observation_space() for agent in self.possible_agents}
        self._state = self.game.new_state()
        self._history = np.zeros(0, np.uint64)
        self.agents: list[str] = []

    def _observation_space(self) -> spaces.Dict:
        mask = spaces.Box(0, 1, (self.game.num_actions,), np.int8)
        return spaces.Dict(
            {"observation": spaces.Box(-np.inf, np.inf, self.game.observation_shape, np.float32), "action_mask": mask}
        )

    def observation_space(self, agent: str) -> spaces.Dict:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        self.game.reset(self._state)
        self._history = np.zeros(0, np.uint64)
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self.agent_selection = self._to_play()

    def observe(self, agent: str) -> Observation:
        view = self._state.copy()
        view["to_play"] = self.possible_agents.index(agent)
        planes = np.zeros(self.game.observation_shape, np.float32)
        with np.errstate(over="ignore"):
            self.game.observe(view, planes)
        return {"observation": planes, "action_mask": self._mask(agent)}

    def step(self, action: int | None) -> None:
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        if action is None or not self._mask(agent)[action]:
            raise ValueError(f"action {action} is not legal")
        self._cumulative_rewards[agent] = 0.0
        with np.errstate(over="ignore"):  # hashes wrap around on purpose
            position = np.uint64(self.game.history_hash(self._state))
            reward, terminated = self.game.step(self._state, int(action), self._history)
        if self.game.uses_history:
            self._history = np.append(self._history, position)
        opposed = self.game.zero_sum and self.game.num_players == 2
        self.rewards = {one: float(reward if one == agent else -reward if opposed else 0) for one in self.agents}
        self._accumulate_rewards()
        self.terminations = dict.fromkeys(self.agents, bool(terminated))
        self.agent_selection = self._to_play()

    def render(self) -> str | None:
        if self.render_mode is None:
            gymnasium.logger.warn("render() without a render_mode: ask for env(game, render_mode='ansi')")
            return None
        return self.game.to_text(self._state)

    def close(self) -> None:
        """There is nothing to close."""

    def _to_play(self) -> str:
        return self.possible_agents[int(self._state["to_play"])]

    def _mask(self, agent: str) -> npt.NDArray[np.int8]:
        """[num_actions] int8: 1 where `agent` may play now."""
        mask = np.zeros(self.game.num_actions, np.bool_)
        if agent == self.agent_selection and not self.terminations.get(agent, True):
            with np.errstate(over="ignore"):
                self.game.legal_actions(self._state, self._history, mask)
        return mask.astype(np.int8)
