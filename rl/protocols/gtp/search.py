"""How the GTP engine thinks: one tree, several leaves at a time, kept along the moves that are played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, State
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import PlayedGame
from rl.protocols.scores import Foretold, foretell
from rl.search.driver import Search, SearchConfig, SearchResult
from rl.search.evaluation import Evaluator, score_reader
from rl.search.tree import node_dtype

_MOST_SIMULATIONS = 1_000_000
_CACHE_ENTRIES = 1 << 15

Stop = Callable[[], bool]


class RawEvaluation(NamedTuple):
    """What the network alone says."""

    value: float
    """For the player to move, from -1 to 1."""
    priors: FloatArray
    """[num_actions] summing to 1 over the legal ones; NaN where illegal."""


class GameSearch:
    """Thinks about the positions of one game at a time."""

    def __init__(
        self, game: Game, evaluator: Evaluator, config: SearchConfig, *, leaves_per_tree: int = 8, memory: int = 512
    ) -> None:
        """`memory` in MiB bounds the tree. Everything is compiled here, so that no clock runs while that is done."""
        self.game, self.evaluator = game, evaluator
        self.max_simulations = max(2, min(_MOST_SIMULATIONS, memory * 2**20 // node_dtype(game).itemsize))
        self._search = Search(
            game,
            config,
            1,
            self.max_simulations,
            leaves_per_tree=min(leaves_per_tree, evaluator.batch_size),
            cache_entries=_CACHE_ENTRIES,
        )
        self._start_key: bytes | None = None
        self._actions: tuple[int, ...] = ()
        self._thought_about: tuple[State, HashArray] | None = None
        played = PlayedGame(game)
        found = self.think(played, min(self.max_simulations, 4 * leaves_per_tree))
        played.play(played.to_play, int(found.best_actions[0]))
        if not played.terminated:
            self.think(played, 2)

    def think(self, played: PlayedGame, simulations: int, stop: Stop | None = None) -> SearchResult:
        """Search a position that has not ended until its root has so many evaluations, those kept from before
        included, or `stop` says so. A fresh root gets two in any case: without them there is nothing to play."""
        simulations = min(simulations, self.max_simulations)
        self._thought_about = played.state, played.history
        if not self._follow(played):
            states = np.array([played.state], self.game.state_dtype)
            first = self._search.run(self.evaluator, states, min(2, simulations), histories=[played.history])
            self._start_key, self._actions = played.start_key, played.actions
            if simulations <= 2:
                return first
        return self._search.continue_run(self.evaluator, simulations, stop=stop)

    def line(self, action: int) -> list[int]:
        """The moves expected after `action` in the position last thought about, `action` first."""
        return self._search.principal_variation(0, action)

    def foretell(self, actions: Sequence[int]) -> Foretold | None:
        """How the position last thought about will be counted, now and after each of `actions`; None where the agent
        has not learnt to tell."""
        reader = score_reader(self.evaluator)
        if reader is None or self._thought_about is None:
            return None
        return foretell(reader, self.game, *self._thought_about, actions)

    def evaluate(self, played: PlayedGame, symmetry: int) -> RawEvaluation:
        """The network's own opinion, the board shown to it through one of the game's symmetries."""
        symmetries = self.game.symmetries()
        if not 0 <= symmetry < len(symmetries):
            raise BadRequest(f"{self.game.name} has the symmetries 0 to {len(symmetries) - 1}")
        relabelling = symmetries[symmetry]
        shape = self.game.observation_shape
        observation = np.zeros(shape, np.float32)
        self.game.observe(played.state, observation)
        planes = observation.reshape(shape[0], -1)[:, relabelling.cells]
        self.evaluator.buffer()[0] = planes.reshape(shape)
        answer = self.evaluator.collect(self.evaluator.submit(1))
        logits = answer.prior_logits[0][relabelling.actions].astype(np.float64)
        return RawEvaluation(float(answer.values[0]), _softmax(logits, played.legal_actions()))

    def _follow(self, played: PlayedGame) -> bool:
        """Make the position of `played` the root, keeping its subtree; False when the tree does not hold it."""
        actions = played.actions
        if self._start_key != played.start_key or actions[: len(self._actions)] != self._actions:
            return False
        try:
            for action in actions[len(self._actions) :]:
                self._search.advance(action)
                self._actions = (*self._actions, action)
        except ValueError:
            self._start_key = None
            return False
        return True


class Choice(NamedTuple):
    """What the search says of a position's moves, the best first."""

    best_action: int
    value: float
    """For the player to move, in the game's `value_bounds`."""
    visits: int
    """Evaluations of the root."""
    slots: list[int]
    """Slots of the result in the order of preference, the visited ones first."""


def read_choice(result: SearchResult) -> Choice:
    """The moves of a search's first root in their order."""
    slots = range(int(result.num_slots[0]))
    best = int(result.best_actions[0])

    def rank(slot: int) -> tuple[bool, int, float]:
        visits = int(result.visit_counts[0, slot])
        return bool(result.actions[0, slot] == best), visits, float(result.priors[0, slot])

    visits = 1 + int(result.visit_counts[0, : len(slots)].sum())
    return Choice(best, float(result.root_values[0]), visits, sorted(slots, key=rank, reverse=True))


def winrate(game: Game, value: float) -> float:
    """A value as a share of won games, a draw counting half."""
    assert game.value_bounds is not None
    low, high = game.value_bounds
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _softmax(logits: npt.NDArray[np.float64], legal: BoolArray) -> FloatArray:
    weights = np.where(legal, np.exp(logits - logits[legal].max(initial=-np.inf)), np.nan)
    priors: FloatArray = (weights / np.nansum(weights)).astype(np.float32)
    return priors
