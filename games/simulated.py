"""The contract of games that are simulated: robots, and whatever steps many states by one call.

The perspective of rewards and values is that of `games.base`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, State, StateArray
from games.goals import GoalSetting


class SimulatedGame(Game):
    """A game that is simulated: many states are stepped by one call, and actions are numbers from -1 to 1.

    No method of it is compiled into the search, which calls the batch methods below (`rl.search.simulator`). A state
    holds all there is, so states are copied and searched at will. After `max_num_moves` steps an episode is cut, which
    is no end: what would have come after it still counts. Policies are `2 * action_size` numbers, so that is
    `num_actions`; observations are vectors, of shape (O, 1, 1), about as large as 1.

    Axes: n states, R = rows_per_state, O numbers of an observation, D = action_size, G = goal_size.
    """

    num_players = 1
    num_slots = 8
    """A: how many sampled actions a node has."""
    num_policy_planes = 0
    value_bounds = None
    zero_sum = False
    stores_states = True
    stores_successors = False
    """Whether records hold what the searched actions led to as well, stepping being too dear to do it again."""
    action_size: int
    """D: numbers of an action."""
    value_range: tuple[float, float]
    """What returns are expected to lie in: values are learnt within it."""
    goal_setting: GoalSetting | None = None
    """How people set the goal; None where there is none, or it means nothing to them."""
    picture_area: tuple[float, float, float, float] | None = None
    """What `picture` shows, in metres: (left, bottom, right, top). Its places are then those of goals, whose first two
    numbers are to the right and up. None where it is seen in perspective, or not in metres."""
    person_area: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Where in the picture a person can want to be, as `picture_area`; for games that take one."""

    def reset_batch(self, states: StateArray, keys: HashArray) -> None:
        """Write a starting state into each of `states` [n]; what is drawn is a function of `keys` [n] uint64."""
        raise TypeError(f"{type(self).__name__} has no reset_batch")

    def step_batch(self, states: StateArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Play `actions` [n, D] in place in `states` [n]: (rewards [n] float32, terminated [n]), True at true ends."""
        raise TypeError(f"{type(self).__name__} has no step_batch")

    def observe_batch(self, states: StateArray, observations: FloatArray) -> None:
        """Write what the network sees of `states` [n] into `observations` [n, R, O, 1, 1], the one to move first."""
        raise TypeError(f"{type(self).__name__} has no observe_batch")

    def answer_batch(self, states: StateArray, answers: FloatArray) -> None:
        """Note in `states` [n] what the others do in the next step: `answers` [n, R - 1, D]; only where R > 1."""
        raise TypeError(f"{type(self).__name__} has no answer_batch")

    def reference_answers(self, states: StateArray) -> FloatArray:
        """[n, R - 1, D] what simple players, always the same ones, do in the others' place in `states` [n]: whoever
        learns is measured against them. Only where R > 1."""
        raise TypeError(f"{type(self).__name__} has no reference_answers")

    def exchange_batch(self, states: StateArray, actions: FloatArray) -> None:
        """Exchange the two players of `states` [n] in place, each then where the other was, who are about to do
        `actions` [n, D] and what was noted as the answer. Optional, where R = 2, one player's reward is what the other
        pays, and the rules are the same for both: what either of them did is then learnt from."""
        raise TypeError(f"{type(self).__name__} has no exchange_batch")

    def successes(self, states: StateArray) -> BoolArray:
        """[n] whether the task is achieved in each of `states` [n]; False where that is not defined."""
        return np.zeros(len(states), np.bool_)

    @property
    def step_fields(self) -> tuple[tuple[Any, ...], ...]:
        """`state` before the step; whether it `terminated` the episode; whether it brought `success`; `cut_value`, the
        value of what followed where the episode was cut, else 0; the goal that was `achieved` by it; and, where that is
        stored, the `successors` of the state by the searched actions."""
        fields = (*super().step_fields, ("terminated", np.bool_), ("success", np.bool_), ("cut_value", np.float32))
        if self.goal_size:
            fields = (*fields, ("achieved", np.float32, (self.goal_size,)))
        return (*fields, ("successors", self.successor_dtype, (self.num_slots,))) if self.stores_successors else fields

    @property
    def successor_dtype(self) -> np.dtype[np.void]:
        """One successor: whether it is `known`, that is, whether a search stepped there; the `action` that leads to it;
        the logarithm of the density that it was proposed with; what is `seen` and the goal that is `achieved` there."""
        return np.dtype(
            [
                ("known", np.bool_),
                ("action", np.float32, (self.action_size,)),
                ("log_proposal", np.float32),
                ("seen", np.float32, self.observation_shape),
                ("achieved", np.float32, (self.goal_size,)),
            ]
        )

    @property
    def exchanges(self) -> bool:
        return type(self).exchange_batch is not SimulatedGame.exchange_batch

    @property
    def tells_success(self) -> bool:
        """Whether the task can be achieved, and `successes` tells it."""
        return type(self).successes is not SimulatedGame.successes

    # --- hindsight: where goal_size > 0 -----------------------------------------------------------------------------

    def achieved_goals(self, states: StateArray) -> FloatArray:
        """[n, G] float32: the goal that each of `states` [n] has achieved."""
        return np.zeros((len(states), 0), np.float32)

    def desired_goals(self, states: StateArray) -> FloatArray:
        """[n, G] float32: the goal that each of `states` [n] desires."""
        return np.zeros((len(states), 0), np.float32)

    def set_goals(self, states: StateArray, goals: FloatArray) -> None:
        """Have `states` [n] desire `goals` [n, G] float32."""
        raise TypeError(f"{type(self).__name__} has no set_goals")

    def show_goals(self, observations: FloatArray, achieved: FloatArray, goals: FloatArray) -> None:
        """Have `observations` [n, O, 1, 1], of states that achieve `achieved` [n, G], be what is seen where `goals`
        [n, G] are desired: what `observe_batch` writes after `set_goals`."""
        raise TypeError(f"{type(self).__name__} has no show_goals")

    def goal_rewards(self, achieved: FloatArray, desired: FloatArray) -> tuple[FloatArray, BoolArray]:
        """(rewards [n] float32, terminated [n]) of steps that achieved `achieved` [n, G] where `desired` [n, G] was
        wanted: what `step_batch` would have returned."""
        raise TypeError(f"{type(self).__name__} has no goal_rewards")

    # --- for people -------------------------------------------------------------------------------------------------

    def person_places(self, states: StateArray) -> FloatArray:
        """[n, 2] float32: where in the picture, in metres, what a person moves is in `states` [n]. Optional, where
        R > 1: a person may then play in the others' place."""
        raise TypeError(f"{type(self).__name__} has nothing that a person moves")

    def person_answers(self, states: StateArray, targets: FloatArray) -> FloatArray:
        """[n, R - 1, D] what a person does in the others' place who wants to be at `targets` [n, 2], in metres in the
        picture, and is in a hurry. Goes with `person_places`."""
        raise TypeError(f"{type(self).__name__} has nothing that a person moves")

    @property
    def takes_person(self) -> bool:
        """Whether the game has `person_places` and `person_answers`."""
        return type(self).person_places is not SimulatedGame.person_places

    def picture(self, state: State, width: int = 480) -> npt.NDArray[np.uint8]:
        """[height, width, 3] uint8: one state as a picture, about `width` pixels wide: small ones are drawn sooner.

        Raises RuntimeError, in one line for people, where nothing can be drawn.
        """
        raise TypeError(f"{type(self).__name__} has no picture")

    def scripted_actions(self, states: StateArray) -> FloatArray:
        """[n, D] float32: what a simple controller does in `states` [n]. Optional: what plays where nothing has been
        learnt. `has_script` tells who has it."""
        raise TypeError(f"{type(self).__name__} has no script")

    @property
    def has_script(self) -> bool:
        """Whether the game has `scripted_actions`."""
        return type(self).scripted_actions is not SimulatedGame.scripted_actions

    @property
    def steps_per_second(self) -> float:
        """How fast it goes in the world, for pictures that move."""
        return 25.0

    def new_states(self, keys: HashArray) -> StateArray:
        """[n] fresh states, one for each of `keys` [n]."""
        states = np.zeros(len(keys), self.state_dtype)
        self.reset_batch(states, keys)
        return states
