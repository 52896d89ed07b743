"""One episode of a simulated game, as it is played, watched and filmed."""

from __future__ import annotations

from collections import deque

import numpy as np

from games.base import FloatArray, State
from games.simulated import SimulatedGame
from scripts.terminal.robots.goals import distance
from scripts.terminal.robots.pilot import Decision

_LONGEST_FILM = 3000
"""States that are remembered, the latest ones: an episode whose goal a person moves has no end."""


class Episode:
    """The state as it stands, and how it came to be."""

    def __init__(self, game: SimulatedGame, key: int) -> None:
        """What is drawn at its beginning is a function of `key`."""
        self.game = game
        self.states = game.new_states(np.array([key], np.uint64))
        self.returns = 0.0
        """The sum of its rewards, not discounted."""
        self.num_steps = 0
        self.terminated = False
        self.is_free = False
        """A person has set the goal: it is not cut."""
        self.last: Decision | None = None
        """What was decided last."""
        self.values: deque[float] = deque(maxlen=_LONGEST_FILM)
        """What was expected at each step."""
        self.film: deque[State] = deque([self.states[0].copy()], maxlen=_LONGEST_FILM)

    @property
    def over(self) -> bool:
        return self.terminated or (self.num_steps >= self.game.max_num_moves and not self.is_free)

    @property
    def success(self) -> bool:
        """Whether the task is achieved as it stands."""
        return bool(self.game.successes(self.states)[0])

    def step(self, decision: Decision, answers: FloatArray | None = None) -> None:
        """One control period. `answers` [R - 1, D] are what the others do, by default what was decided for them."""
        game = self.game
        if game.rows_per_state > 1:
            game.answer_batch(self.states, decision.actions[None, 1:] if answers is None else answers[None])
        rewards, terminated = game.step_batch(self.states, decision.actions[:1])
        self.returns += float(rewards[0])
        self.terminated = bool(terminated[0])
        self.num_steps += 1
        self.last = decision
        if decision.value is not None:
            self.values.append(decision.value)
        self.film.append(self.states[0].copy())

    # --- the goal, where people set it ------------------------------------------------------------------------------

    @property
    def goal(self) -> FloatArray:
        """[G] the goal that is desired."""
        return self.game.desired_goals(self.states)[0]  # type: ignore[no-any-return]

    @property
    def achieved(self) -> FloatArray:
        """[G] the goal that is achieved."""
        return self.game.achieved_goals(self.states)[0]  # type: ignore[no-any-return]

    def set_goal(self, goal: FloatArray) -> None:
        """A person wants another goal [G]: from now on there is no hurry."""
        self.game.set_goals(self.states, goal[None])
        self.film[-1] = self.states[0].copy()
        self.is_free = True

    @property
    def distance(self) -> float | None:
        """How far away the goal is, in m; None where there is none."""
        setting = self.game.goal_setting
        return None if setting is None else distance(setting, self.achieved, self.goal)
