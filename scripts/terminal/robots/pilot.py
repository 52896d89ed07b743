"""Who moves a robot: an agent's policy, a search with it, or, where nothing has been learnt, a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from games.base import FloatArray, StateArray
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.search.evaluation import Evaluation, Evaluator
from rl.search.proposals import GaussianProposer, mode_of
from rl.search.simulator import SIMULATED, SimulatorSearch
from scripts.agents import load_evaluator

MOST_SIMULATIONS = 1024
"""Of a search before each step."""
_MOST_OPTIONS = 4


class Option(NamedTuple):
    """An action that a search has looked at."""

    action: tuple[float, ...]
    """[D]"""
    visits: int
    value: float


class Decision(NamedTuple):
    """What is done in the next step."""

    actions: FloatArray
    """[R, D] float32: of the one who is searched, and of the others as whoever decides would play them."""
    value: float | None
    """The return that is expected from here, discounted; None where nobody estimates it."""
    visits: int = 0
    """States that a search has looked at; 0 without one."""
    options: tuple[Option, ...] = ()
    """What it looked at most, the best first."""


class Pilot(Protocol):
    """Decides what is done."""

    @property
    def description(self) -> str:
        """Who it is, for people."""
        ...

    searches: bool
    """Whether it can search at all."""
    simulations: int
    """States that it looks at before each step; 0: none, it acts at once. May be set."""

    def decide(self, states: StateArray, stop: Callable[[], bool]) -> Decision | None:
        """What to do in the one state of `states` [1]. None where `stop` told it to end before it was done: asked again
        about the same state it goes on."""
        ...


class NobodyYet:
    """Holds the place of an agent that is being loaded."""

    description = "the agent gets ready; a task's first time takes longer …"
    searches, simulations = False, 0

    def decide(self, states: StateArray, stop: Callable[[], bool]) -> Decision | None:
        return None


class ScriptPilot:
    """The game's own script, or, where it has none, nothing at all."""

    searches, simulations = False, 0

    def __init__(self, game: SimulatedGame) -> None:
        self._game = game
        who = "the scripted controller" if game.has_script else "nobody"
        self.description = f"{who} (no agent ships for {game.name} yet)"

    def decide(self, states: StateArray, stop: Callable[[], bool]) -> Decision | None:
        game = self._game
        actions = np.zeros((game.rows_per_state, game.action_size), np.float32)
        if game.has_script:
            actions[0] = game.scripted_actions(states)[0]
        if game.rows_per_state > 1:
            actions[1:] = game.reference_answers(states)[0]
        return Decision(actions, None)


class NetworkPilot:
    """An agent: its policy's likeliest action, or what a search with it finds best."""

    searches = True

    def __init__(self, game: SimulatedGame, evaluator: Evaluator, name: str, simulations: int = 0) -> None:
        self._game, self._evaluator, self._name = game, evaluator, name
        self.simulations = simulations
        self._proposer = GaussianProposer(game.num_slots, game.action_size)
        self._search: SimulatorSearch | None = None
        self._searched: tuple[bytes, int] | None = None
        """The state that is searched, and with how many simulations, while that is not done."""

    @property
    def description(self) -> str:
        how = f"search, {self.simulations} simulations" if self.simulations else "policy alone"
        return f"{self._name}, {how}"

    def decide(self, states: StateArray, stop: Callable[[], bool]) -> Decision | None:
        evaluation = self._evaluate(states)
        actions, value = mode_of(evaluation.prior_logits), float(evaluation.values[0])
        if not self.simulations:
            return Decision(actions, value)
        if self._search is None:
            self._search = SimulatorSearch(
                self._game, self._game, self._proposer, SIMULATED, 1, max(self.simulations, MOST_SIMULATIONS)
            )
        asked, stopped = (states.tobytes(), self.simulations), False

        def stopping() -> bool:
            nonlocal stopped
            stopped = stopped or stop()
            return stopped

        if asked == self._searched:
            result = self._search.continue_run(self._evaluator, self.simulations, stop=stopping)
        else:
            result = self._search.run(self._evaluator, states, self.simulations, stop=stopping)
        self._searched = asked if stopped else None
        if stopped:
            return None
        actions[0] = result.best_actions[0]
        visits = result.visit_counts[0]
        liked = np.argsort(-visits, kind="stable")[:_MOST_OPTIONS]
        options = [
            Option(tuple(result.actions[0, slot].tolist()), int(visits[slot]), float(result.values[0, slot]))
            for slot in liked
            if visits[slot] > 0
        ]
        return Decision(actions, float(result.root_values[0]), 1 + int(visits.sum()), tuple(options))

    def _evaluate(self, states: StateArray) -> Evaluation:
        """What the network says of each observation row of one state."""
        rows = self._game.rows_per_state
        planes = self._evaluator.buffer()[:rows]
        self._game.observe_batch(states, planes[None])
        return self._evaluator.collect(self._evaluator.submit(rows))


def make_pilot(game: SimulatedGame, agent: Path | None, simulations: int = 0) -> Pilot:
    """Who moves the robot of `game`: the agent in a file, or, with None, its script. Raises UserError as
    `load_evaluator` does, and where a script is asked to search."""
    if agent is None:
        if simulations:
            raise UserError(f"no agent ships for {game.name} yet, and without one there is none to search with")
        return ScriptPilot(game)
    evaluator = load_evaluator(game, agent, game.rows_per_state, backend="torch")
    return NetworkPilot(game, evaluator, agent.stem, simulations)
