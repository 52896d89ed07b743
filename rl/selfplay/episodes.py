"""Self-play of simulated games: many episodes in lock-step, each move a search, all searches sharing the network's
batches. The same as `rl.selfplay.lockstep`, in batched NumPy for what no kernel knows.

All randomness of an episode comes from (run seed, game number): it plays the same in whichever worker and batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from games.base import BoolArray, FloatArray, HashArray, IndexArray, StateArray
from games.compiled import njit
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.replay.records import GameRecord, make_record, step_dtype
from rl.search.driver import SearchConfig
from rl.search.evaluation import Evaluator
from rl.search.proposals import GaussianProposer
from rl.search.random import random_bits, uniform
from rl.search.simulator import SIMULATED, SimulatorWaves, begin_trees, find_complete, read_roots
from rl.search.tree import NO_CHILD, ROOT
from rl.selfplay.counts import Counts

_PAST = 0x70617374  # "past": apart from the counts of steps, which number an episode's other random bits


@dataclass(frozen=True)
class EpisodesConfig:
    """How episodes are played for learning."""

    games_per_worker: int = 64
    """Episodes in lock-step in one process; the rows of a network batch."""
    simulations: int = 16
    """Network evaluations of a search."""
    past_share: float = 0.2
    """Where others act at the same time: the share of episodes in which a past network of the run plays them, at every
    step and in the search, instead of the newest. Who has learnt to beat itself still has to beat what it was."""
    search: SearchConfig = field(default_factory=lambda: SIMULATED)
    """The search."""
    staggered: bool = True
    """Whether a run's first `games_per_worker` episodes are cut early, each a little later than the one before. Then
    episodes end one after the other instead of all at once, and learning begins with the first steps instead of the
    first whole episodes (Bharthulwar et al. 2025, arXiv 2511.21011, for PPO)."""

    def __post_init__(self) -> None:
        if min(self.games_per_worker, self.simulations) < 1:
            raise UserError("games_per_worker and simulations are at least 1")
        if not 0 <= self.past_share <= 1:
            raise UserError("past_share is from 0 to 1")


class Episodes:
    """B episodes in lock-step in one process. No global state; not thread-safe."""

    def __init__(self, game: SimulatedGame, config: EpisodesConfig, seed: int) -> None:
        self.game, self.config = game, config
        self._seed = seed
        num_games, steps = config.games_per_worker, game.max_num_moves
        proposer = self._proposer = GaussianProposer(game.num_slots, game.action_size)
        self.waves = SimulatorWaves(game, config.search.settings(), num_games, config.simulations, game, proposer)
        self._states = np.zeros(num_games, game.state_dtype)
        self._numbers, self._keys = np.zeros(num_games, np.int64), np.zeros(num_games, np.uint64)
        self._active, self._cut = np.zeros(num_games, np.bool_), np.zeros(num_games, np.bool_)
        self._limits = np.zeros(num_games, np.int64)
        self._steps = np.zeros((num_games, steps), step_dtype(game))
        self._policies = np.zeros((num_games, steps, game.num_slots), np.float32)
        self._slot_actions = np.zeros((num_games, steps, game.num_slots), game.action_dtype)
        self._places = np.zeros(num_games, np.int64)
        self._counts = Counts()

    def set_progress(self, fraction: float) -> None:
        """Say how much of the run is done, 0 to 1; searches are as large all the time."""

    def set_past(self, evaluator: Evaluator | None) -> None:
        """Say which network plays the others in episodes with a past one, from the next batch on. None: as long as
        there is no past, the newest does."""
        self.waves.past = evaluator

    @property
    def num_active(self) -> int:
        """Episodes in progress."""
        return int(self._active.sum())

    def wave(self, evaluator: Evaluator, next_number: Callable[[], int | None]) -> list[GameRecord]:
        """Play on until each group of episodes has asked the network once; returns the episodes that ended.

        A free place asks `next_number()` for the number of its next episode; None leaves it idle. The evaluator's
        weights may change between waves.
        """
        records: list[GameRecord] = []
        for group, (first, last) in enumerate(self.waves.groups(evaluator)):
            started = time.perf_counter()
            self._counts.add("evaluations", self.waves.absorb(group))
            waited = time.perf_counter()
            self._advance(first, last, evaluator.network_id, records)
            self._seat(first, last, next_number)
            rows = self.waves.collect(first, last, group, 0, evaluator.buffer(), evaluator.network_id)
            searched = time.perf_counter()
            self.waves.submit(group, rows, evaluator)
            self._counts.add("search_seconds", searched - waited)
            self._counts.add("network_seconds", waited - started + time.perf_counter() - searched)
        self._counts.add("places", self.config.games_per_worker)
        return records

    def abandon(self) -> list[int]:
        """Drop the episodes in progress; returns their numbers."""
        numbers = self._numbers[self._active].tolist()
        self._active[:] = False
        self.waves.drop()
        return [int(number) for number in numbers]

    def take_counts(self) -> dict[str, float]:
        """What happened since the last call, by the names of `Counts.take`."""
        return self._counts.take(self.waves)

    def _advance(self, first: int, last: int, network_id: int, records: list[GameRecord]) -> None:
        """Play the chosen move wherever a search is complete, and begin the next one."""
        waves = self.waves
        complete = self._places[: find_complete(waves.trees, waves.controls, first, last, self._places)]
        if len(complete) == 0:
            return
        cut = self._cut[complete]
        records += [self._cut_off(int(b)) for b in complete[cut]]
        places = complete[~cut]
        if len(places) == 0:
            return
        # As searched: with what others do at the same time, if there are others.
        self._states[places] = states = waves.trees["state"][places, ROOT]
        plies = self._note_searches(places, network_id)
        rewards, terminated = self.game.step_batch(states, self._steps["action"][places, plies])
        self._states[places] = states
        self._note_results(places, plies, rewards, terminated)
        records += [self._finish(int(b)) for b in places[terminated]]
        going = places[~terminated]
        self._cut[going] = self._states["num_moves"][going] >= self._limits[going]
        self._search(going)

    def _note_searches(self, places: IndexArray, network_id: int) -> IndexArray:
        """Write what the complete searches found into the steps that are about to be made; returns their plies [n]."""
        game, waves, count = self.game, self.waves, len(places)
        slots, policies = np.empty(count, np.int64), np.empty((count, game.num_slots), np.float32)
        values, surprises = np.empty(count, np.float32), np.empty(count, np.float32)
        read_roots(game, waves.trees, waves.controls, waves.settings, places, slots, policies, values, surprises)
        plies = self._states["num_moves"][places].astype(np.int64)
        steps, roots = self._steps, waves.trees["slot_actions"][places, ROOT]
        self._policies[places, plies], self._slot_actions[places, plies] = policies, roots
        steps["action"][places, plies] = roots[np.arange(count), slots]
        steps["to_play"][places, plies] = self._states["to_play"][places]
        steps["is_target"][places, plies] = True
        steps["root_value"][places, plies], steps["surprise"][places, plies] = values, surprises
        steps["network_id"][places, plies] = network_id
        steps["state"][places, plies] = self._states[places]
        if game.stores_successors:
            steps["successors"][places, plies] = self._successors(places)
        self._counts.add("moves", count)
        return plies

    def _successors(self, places: IndexArray) -> StateArray:
        """[n, A] of the game's `successor_dtype`: what the searches of `places` [n] saw one step on."""
        game, trees = self.game, self.waves.trees
        found = np.zeros((len(places), game.num_slots), game.successor_dtype)
        children = trees["children"][places, ROOT]
        found["action"], found["known"] = trees["slot_actions"][places, ROOT], children != NO_CHILD
        found["log_proposal"] = self._proposer.log_proposals(self.waves.root_outputs[places], found["action"])
        rows, slots = np.nonzero(found["known"])
        states = trees["state"][places[rows], children[rows, slots]]
        seen = np.empty((len(states), game.rows_per_state, *game.observation_shape), np.float32)
        game.observe_batch(states, seen)
        found["seen"][rows, slots], found["achieved"][rows, slots] = seen[:, 0], game.achieved_goals(states)
        return found

    def _note_results(self, places: IndexArray, plies: IndexArray, rewards: FloatArray, terminated: BoolArray) -> None:
        """Write what the steps brought, after which the states stand."""
        steps, states = self._steps, self._states[places]
        steps["reward"][places, plies], steps["terminated"][places, plies] = rewards, terminated
        steps["success"][places, plies] = self.game.successes(states)
        steps["cut_value"][places, plies] = 0.0
        if self.game.goal_size:
            steps["achieved"][places, plies] = self.game.achieved_goals(states)

    def _search(self, places: IndexArray) -> None:
        """Begin to search the states of `places`; of an episode that is cut, the network's value is enough."""
        budgets = np.where(self._cut[places], 1, self.config.simulations)
        keys = np.empty(len(places), np.uint64)
        draw_keys(self._keys[places], self._states["num_moves"][places].astype(np.uint64), keys)
        waves, states = self.waves, self._states[places]
        begin_trees(self.game, waves.trees, waves.controls, places, states, budgets, keys, True)

    def _seat(self, first: int, last: int, next_number: Callable[[], int | None]) -> None:
        """Begin new episodes in the free places."""
        seated = []
        for b in first + np.flatnonzero(~self._active[first:last]):
            number = next_number()
            if number is None:
                break
            self._numbers[b] = number
            seated.append(b)
        if not seated:
            return
        places = np.array(seated, np.int64)
        keys = np.empty(len(places), np.uint64)
        draw_keys(np.full(len(places), self._seed, np.uint64), self._numbers[places].astype(np.uint64), keys)
        self._keys[places] = keys
        draw_past(keys, self.config.past_share, past := np.empty(len(places), np.bool_))
        self.waves.plays_past[places] = past
        self._states[places] = self.game.new_states(keys)
        self._active[places], self._cut[places] = True, False
        self._limits[places] = self._limits_of(self._numbers[places])
        self._search(places)

    def _limits_of(self, numbers: IndexArray) -> IndexArray:
        """[n] int64: after how many steps the episodes of these `numbers` [n] are cut."""
        most, count = self.game.max_num_moves, self.config.games_per_worker
        if not self.config.staggered:
            return np.full(len(numbers), most)
        return np.minimum(most, -(-most * (numbers + 1) // count))

    def _cut_off(self, b: int) -> GameRecord:
        """The record of an episode that was cut, now that the network has valued what would have come."""
        self._steps["cut_value"][b, self._limits[b] - 1] = self.waves.trees["raw_value"][b, ROOT]
        return self._finish(b)

    def _finish(self, b: int) -> GameRecord:
        """The record of the episode that has just ended in place b, which is free now."""
        self._active[b] = False
        self.waves.controls["budget"][b] = 0
        length = int(self._states["num_moves"][b])
        policies = list(zip(self._slot_actions[b, :length], self._policies[b, :length], strict=True))
        return make_record(self.game, int(self._numbers[b]), self._steps[b, :length].copy(), policies)


@njit
def draw_past(keys: HashArray, share: float, drawn: BoolArray) -> None:
    """Write which of the episodes with these `keys` [n] are among the `share` that is played against the past."""
    for row in range(len(keys)):
        drawn[row] = uniform(keys[row], np.uint64(_PAST)) < share


@njit
def draw_keys(keys: HashArray, counters: HashArray, drawn: HashArray) -> None:
    """Write the random bits of `counters` [n] under `keys` [n] into `drawn` [n]."""
    for row in range(len(keys)):
        drawn[row] = random_bits(keys[row], counters[row])
