"""How the agent thinks about a position: a search with its network, or with random rollouts where it has none."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from games.base import FloatArray, Game, HashArray, IndexArray, State
from rl.protocols.scores import foretell
from rl.search.driver import Search, SearchConfig, SearchResult
from rl.search.evaluation import Evaluator, score_reader
from rl.search.rollouts import RolloutSearch
from rl.search.tree import PROVEN_DRAW, node_dtype

LEAVES_PER_TREE = 8
"""Positions of the one tree that the network is given at a time."""

_MEMORY = 1 << 28
_MOST_SIMULATIONS = 200_000
_CACHE_ENTRIES = 1 << 15
_LONGEST_RUN = 0.5
"""Seconds of rollouts in one go while nobody waits for them."""
ROLLOUTS_PER_SIMULATION = 20
"""A rollout tells less than a network, and costs less."""


class Situation(NamedTuple):
    """Where a game stands."""

    state: State
    history: HashArray
    """[k] uint64 hashes of the positions before it where the game `uses_history`, else empty."""
    moves: tuple[int, ...]
    """All actions from the start."""
    start: bytes = b""
    """Differs between games that began at different positions; empty for the game's own first one."""


@dataclass(frozen=True)
class Budget:
    """How long to think."""

    simulations: int
    """Positions to look at."""
    seconds: float | None = None
    """Instead of a number of simulations, a time; infinite while somebody else is to move."""
    reuse: bool = True
    """Whether what was thought about earlier positions may be kept. Weak levels must not profit from it."""


class Thought(NamedTuple):
    """What the agent thinks of a position. Arrays are over its legal actions [A]; values are for the player to move."""

    value: float
    """From -1, lost, to 1, won."""
    visits: int
    """Positions looked at."""
    actions: IndexArray
    visit_counts: IndexArray
    values: FloatArray
    """NaN where an action was not looked at."""
    priors: FloatArray
    """What it would play without search; summing to 1."""
    best_action: int
    line: tuple[int, ...]
    """The game it expects, `best_action` first."""
    plies_to_end: int
    """Plies to the end that it has proven, positive to a win and negative to a loss; 0 where nothing is proven."""


class Watcher(Protocol):
    """Looks on while something thinks."""

    def is_due(self) -> bool:
        """Whether to be told now. Asked many times a second."""
        ...

    def told(self, thought: Thought) -> bool:
        """What is thought so far; whether to go on."""
        ...


class Thinker(Protocol):
    """Something that thinks."""

    def think(self, situation: Situation, budget: Budget, watcher: Watcher | None = None) -> Thought:
        """Think about a position that has not ended. A watcher may end it early."""
        ...

    def ownership(self, situation: Situation) -> FloatArray | None:
        """[H*W] whose each cell is expected to be, from 1, player 0's, to -1, player 1's; None where it cannot tell."""
        ...


class NetworkThinker:
    """PUCT with a network, several leaves at a time, keeping the subtree of the moves played."""

    def __init__(self, game: Game, evaluator: Evaluator) -> None:
        """Compiles the search, so that no clock runs while that is done."""
        self._game, self._evaluator = game, evaluator
        room = min(_MOST_SIMULATIONS, _MEMORY // node_dtype(game).itemsize)
        self._search = Search(
            game, SearchConfig(root="puct"), 1, room, leaves_per_tree=LEAVES_PER_TREE, cache_entries=_CACHE_ENTRIES
        )
        self._moves: tuple[int, ...] | None = None
        self._start = b""
        start = Situation(game.new_state(), np.zeros(0, np.uint64), ())
        thought = self.think(start, Budget(2 * LEAVES_PER_TREE))
        self._follow((thought.best_action,))

    def think(self, situation: Situation, budget: Budget, watcher: Watcher | None = None) -> Thought:
        deadline = math.inf if budget.seconds is None else time.monotonic() + budget.seconds
        asked = budget.simulations if budget.seconds is None else _MOST_SIMULATIONS
        simulations = min(asked, self._search.max_simulations)
        if not (budget.reuse and situation.start == self._start and self._follow(situation.moves)):
            states = np.array([situation.state], situation.state.dtype)
            # The root and its first leaf come before the clock: without them there is nothing to play.
            self._search.run(self._evaluator, states, min(2, simulations), histories=[situation.history])
        self._moves, self._start = situation.moves, situation.start
        interrupted = False

        def stop() -> bool:
            nonlocal interrupted
            interrupted = watcher is not None and watcher.is_due()
            return interrupted or time.monotonic() >= deadline

        while True:
            interrupted = False
            result = self._search.continue_run(self._evaluator, simulations, stop=stop)
            thought = self._thought(result)
            if not interrupted or watcher is None or not watcher.told(thought):
                return thought

    def ownership(self, situation: Situation) -> FloatArray | None:
        reader = score_reader(self._evaluator)
        if reader is None:
            return None
        foretold = foretell(reader, self._game, situation.state, situation.history, [])
        sign = 1.0 if int(situation.state["to_play"]) == 0 else -1.0
        return np.array(foretold.ownership, np.float32) * np.float32(sign)

    def _follow(self, moves: tuple[int, ...]) -> bool:
        """Make the position after `moves` the root, keeping its subtree; False when the tree does not hold it."""
        if self._moves is None or moves[: len(self._moves)] != self._moves:
            return False
        try:
            for action in moves[len(self._moves) :]:
                self._search.advance(action)
        except ValueError:
            self._moves = None
            return False
        self._moves = moves
        return True

    def _thought(self, result: SearchResult) -> Thought:
        best_action = int(result.best_actions[0])
        return read_thought(result, 0, tuple(self._search.principal_variation(0, best_action)))


def read_thought(result: SearchResult, row: int, line: tuple[int, ...]) -> Thought:
    """What one of several searches found; `line` is the game it expects, the best action first."""
    num_slots = int(result.num_slots[row])
    visit_counts, proof = result.visit_counts[row, :num_slots].astype(np.int64), int(result.proofs[row])
    return Thought(
        value=float(result.root_values[row]),
        visits=1 + int(visit_counts.sum()),
        actions=result.actions[row, :num_slots].astype(np.int64),
        visit_counts=visit_counts,
        values=result.values[row, :num_slots],
        priors=result.priors[row, :num_slots],
        best_action=int(result.best_actions[row]),
        line=line,
        plies_to_end=0 if proof == PROVEN_DRAW else proof,
    )


class RolloutThinker:
    """Monte Carlo tree search with random rollouts: what plays a game that nobody has trained an agent for."""

    def __init__(self, game: Game, seed: int) -> None:
        """Compiles the search, so that no clock runs while that is done."""
        self._search = RolloutSearch(game, _MOST_SIMULATIONS)
        self._seed = seed
        self.think(Situation(game.new_state(), np.zeros(0, np.uint64), ()), Budget(1))

    def think(self, situation: Situation, budget: Budget, watcher: Watcher | None = None) -> Thought:
        asked = self._search.max_simulations
        if budget.seconds is None:
            asked = min(asked, ROLLOUTS_PER_SIMULATION * budget.simulations)
            if watcher is None:
                return self._run(situation, asked)
        # A kernel does not look at the clock: twice as many rollouts each time, while the next time would still fit.
        deadline = math.inf if budget.seconds is None else time.monotonic() + budget.seconds
        simulations = min(1000, asked)
        while True:
            begun = time.monotonic()
            thought = self._run(situation, simulations)
            now = time.monotonic()
            if now + 2 * (now - begun) > deadline or simulations >= asked:
                return thought
            if deadline == math.inf and now - begun > _LONGEST_RUN and budget.seconds is not None:
                return thought  # nobody waits for it, and the next run could not be interrupted for longer still
            if watcher is not None and watcher.is_due() and not watcher.told(thought):
                return thought
            simulations = min(2 * simulations, asked)

    def ownership(self, situation: Situation) -> FloatArray | None:
        return None

    def _run(self, situation: Situation, simulations: int) -> Thought:
        self._seed += 1
        simulations = min(simulations, self._search.max_simulations)
        result = self._search.run(situation.state, simulations, self._seed, situation.history)
        num_slots = result.num_slots
        visit_counts, values = result.visit_counts[:num_slots], result.values[:num_slots]
        best = values[result.actions[:num_slots] == result.best_action][0]
        return Thought(
            value=float(best),
            visits=int(visit_counts.sum()),
            actions=result.actions[:num_slots],
            visit_counts=visit_counts,
            values=values.astype(np.float32),
            priors=np.full(num_slots, 1.0 / num_slots, np.float32),
            best_action=result.best_action,
            line=(result.best_action,),
            plies_to_end=0,
        )


@dataclass(frozen=True)
class Level:
    """How strongly the agent plays."""

    simulations: int
    """Positions it looks at."""
    temperature: float
    """Actions are drawn with weights visits**(1/temperature); 0: the best one."""
    slips: float
    """Share of its moves that are random."""

    @property
    def budget(self) -> Budget:
        """How long it thinks."""
        return Budget(self.simulations, reuse=self.temperature == 0.0)


LEVELS = (
    Level(1, 2.0, 0.75),
    Level(2, 1.5, 0.5),
    Level(4, 1.2, 0.32),
    Level(8, 1.0, 0.18),
    Level(16, 0.8, 0.10),
    Level(32, 0.6, 0.05),
    Level(64, 0.4, 0.02),
    Level(128, 0.25, 0.0),
    Level(400, 0.0, 0.0),
    Level(1600, 0.0, 0.0),
)
"""Level 1, which a beginner can beat, to level 10, full strength."""


class Strength(NamedTuple):
    """How the agent plays: a level, and a budget that overrules the level's own."""

    level: int
    """1 to 10."""
    budget: Budget | None = None

    @property
    def settings(self) -> Level:
        """The level's numbers."""
        return LEVELS[self.level - 1]

    @property
    def thinking(self) -> Budget:
        """How long it thinks about a move."""
        return self.budget or self.settings.budget


def choose(game: Game, thought: Thought, level: Level, generator: np.random.Generator) -> int:
    """The action that an agent of this level plays. The prior counts as one visit, for levels that hardly search.

    Moves off the board (a pass) are no slips, and no level but the full ones makes one where it expects to lose: a
    network that was trained for an hour passes as soon as it is behind, which is no game for a beginner.
    """
    on_board = game.action_cells()[thought.actions, 0] >= 0
    if not on_board.any():
        on_board[:] = True
    if generator.random() < level.slips:
        return int(generator.choice(thought.actions[on_board]))
    if level.temperature == 0.0:
        return thought.best_action
    logits = np.log(thought.visit_counts + thought.priors.astype(np.float64) + 1e-9) / level.temperature
    if thought.value <= 0.0:
        logits[~on_board] = -np.inf
    weights = np.exp(logits - logits.max())
    return int(generator.choice(thought.actions, p=weights / weights.sum()))


def ranked(thought: Thought) -> Sequence[int]:
    """Indices of the actions that were looked at, the one to play first."""
    looked_at = [index for index in range(len(thought.actions)) if thought.visit_counts[index] > 0]
    best = thought.best_action
    return sorted(looked_at, key=lambda index: (thought.actions[index] != best, -thought.visit_counts[index]))
