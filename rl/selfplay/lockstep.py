"""Self-play: many games in lock-step, each move a search, all searches sharing the network's batches.

Playout-cap randomisation (Wu 2019, arXiv 1902.10565, section 3.1): a fraction of the moves is searched fully and
becomes training targets, the others are searched briefly to get the game over with. Games start from random openings
of varied length, so that the network meets positions that good play would never reach.

All randomness of a game comes from (run seed, game number): it plays the same in whichever worker and batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from games.base import FloatArray, Game
from rl.errors import UserError
from rl.replay.records import GameRecord, make_record, step_dtype
from rl.search.cache import salt_of
from rl.search.driver import SearchConfig, Waves
from rl.search.evaluation import Evaluator
from rl.search.random import random_bits
from rl.selfplay.counts import Counts
from rl.selfplay.plies import Budgets, open_game, place_dtype, play_on, start_search


@dataclass(frozen=True)
class SelfplayConfig:
    """How games are played for learning."""

    games_per_worker: int = 256
    """Games in lock-step in one process; the rows of a network batch."""
    simulations: int = 20
    """Network evaluations of a full search, whose move becomes a training target."""
    first_simulations: int | None = None
    """Network evaluations of a full search when a run begins; from there they grow linearly to `simulations` at its end
    (progressive simulation; Wu et al. 2023, arXiv 2310.11305). None: `simulations` all the time."""
    fast_simulations: int = 8
    """Network evaluations of a fast search, which only moves the game on."""
    full_search_fraction: float = 1.0
    """Share of the moves that are searched fully (KataGo: 0.25). A Gumbel search teaches with so few simulations that
    every move may as well be a target: docs/training.md has the figures."""
    max_opening_plies: int = 16
    """Games open with 0 to this many random plies, short openings more often than long ones."""
    opening_policy_share: float = 0.0
    """Share of the opening's plies that are drawn from the network's policy; in the others all legal moves are equally
    likely. With more of them openings stay nearer to what good players meet."""
    detour_share: float = 0.0
    """Share of the full searches after which another move is played, drawn as in an opening: so a game comes to more
    positions that good play would not reach. What is lost by it is not put down to the moves before: their values are
    learnt from the searches up to that one (the trace is cut, as in Watkins's Q(lambda); Sutton and Barto 2018, section
    12.10)."""
    decided_value: float | None = None
    """Once the search's value has been this near to a win or a loss three times in a row, nine moves in ten are
    searched fast and are no targets, to get the game over with (KataGo: from 0.9 on; None: never)."""
    cache_entries: int = 1 << 18
    """Positions whose evaluation each worker remembers; emptied by every new network."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """The search."""

    def __post_init__(self) -> None:
        if min(self.games_per_worker, self.simulations, self.fast_simulations) < 1:
            raise UserError("games_per_worker, simulations and fast_simulations are at least 1")
        if self.first_simulations is not None and not 1 <= self.first_simulations <= self.simulations:
            raise UserError("first_simulations is at least 1 and at most simulations")
        if not 0 < self.full_search_fraction <= 1:
            raise UserError("full_search_fraction is above 0 and at most 1")
        if not 0 <= self.opening_policy_share <= 1:
            raise UserError("opening_policy_share is from 0 to 1")
        if not 0 <= self.detour_share < 1:
            raise UserError("detour_share is at least 0 and below 1")
        if self.decided_value is not None and not 0 < self.decided_value <= 1:
            raise UserError("decided_value is above 0 and at most 1")
        if min(self.max_opening_plies, self.cache_entries) < 0:
            raise UserError("max_opening_plies and cache_entries are at least 0")


class Selfplay:
    """B games in lock-step in one process. No global state; not thread-safe."""

    def __init__(self, game: Game, config: SelfplayConfig, seed: int) -> None:
        self.game, self.config = game, config
        self._seed = np.uint64(seed)
        num_games = config.games_per_worker
        most = max(config.simulations, config.fast_simulations)
        self.waves = Waves(game, config.search.settings(), num_games, most, cache_entries=config.cache_entries)
        self._places = np.zeros(num_games, place_dtype(game))
        self._steps = np.zeros((num_games, game.max_num_moves), step_dtype(game))
        self._policies = np.zeros((num_games, game.max_num_moves, game.num_slots), np.float32)
        self._slot_actions = np.zeros((num_games, game.max_num_moves, game.num_slots), game.action_dtype)
        self._finished = np.zeros(num_games, np.int64)
        self._budgets = Budgets(
            config.simulations,
            config.fast_simulations,
            config.full_search_fraction,
            config.max_opening_plies,
            config.opening_policy_share,
            config.decided_value if config.decided_value is not None else np.inf,
            config.detour_share,
        )
        self._mask = np.zeros(game.num_actions, np.bool_)
        self._on_board = np.ones(game.num_actions, np.bool_)
        if game.num_policy_planes > 0:
            self._on_board = game.action_cells()[:, 0] >= 0
        self.set_progress(0.0)
        self._network_id = -1
        self._counts = Counts()

    def set_progress(self, fraction: float) -> None:
        """Say how much of the run is done, 0 to 1: searches that begin from now on are as large as that asks for."""
        last = self.config.simulations
        first = self.config.first_simulations or last
        self._budgets = self._budgets._replace(simulations=round(first + fraction * (last - first)))

    def set_past(self, evaluator: Evaluator | None) -> None:
        """Say which past network plays others who act at the same time: on a board there are none."""

    @property
    def num_active(self) -> int:
        """Games in progress."""
        return int(self._places["active"].sum())

    def wave(self, evaluator: Evaluator, next_number: Callable[[], int | None]) -> list[GameRecord]:
        """Play on until each group of games has asked the network once; returns the games that ended.

        A free place asks `next_number()` for the number of its next game; None leaves it idle. The evaluator's weights
        may change between waves: what is in flight then is still answered by the old ones.
        """
        if evaluator.network_id != self._network_id:
            self._network_id = evaluator.network_id
            self.waves.forget()
        records: list[GameRecord] = []
        for group, (first, last) in enumerate(self.waves.groups(evaluator)):
            started = time.perf_counter()
            self._counts.add("evaluations", self.waves.absorb(group))
            waited = time.perf_counter()
            self._counts.add("network_seconds", waited - started)
            rows = self._fill(first, last, group, evaluator.buffer(), evaluator.network_id, next_number, records)
            searched = time.perf_counter()
            self._counts.add("search_seconds", searched - waited)
            self.waves.submit(group, rows, evaluator)
            self._counts.add("network_seconds", time.perf_counter() - searched)
        self._counts.add("places", self.config.games_per_worker)
        return records

    def _fill(
        self,
        first: int,
        last: int,
        group: int,
        observations: FloatArray,
        network_id: int,
        next_number: Callable[[], int | None],
        records: list[GameRecord],
    ) -> int:
        """Advance games first..last-1 until each waits for the network; returns the rows to evaluate.

        A small game may need the network no more, once the cache holds all its positions: then a wave ends after as
        many moves as a game has.
        """
        rows = 0
        for _ in range(self.game.max_num_moves):
            rows, num_moves, num_finished, num_free = play_on(
                self.game,
                self.waves.trees,
                self.waves.controls,
                self.waves.settings,
                self.waves.cache,
                salt_of(network_id),
                self._places,
                self._steps,
                self._policies,
                self._slot_actions,
                self._budgets,
                self._on_board,
                first,
                last,
                network_id,
                self._finished,
                rows,
                self.waves.descents,
                self.waves.leaves[group],
                observations,
            )
            self._counts.add("moves", num_moves)
            records += [self._record(int(b)) for b in self._finished[:num_finished]]
            seated = self._seat(first, last, next_number, records) if num_free > 0 else 0
            if num_finished == 0 and seated == 0:
                break
        return rows

    def _seat(self, first: int, last: int, next_number: Callable[[], int | None], records: list[GameRecord]) -> int:
        """Start new games in the free places; returns how many.

        A game whose opening leaves only forced moves has ended by then: it is recorded and its place stays free.
        """
        seated = 0
        for b in first + np.flatnonzero(self._places["active"][first:last] == 0):
            number = next_number()
            if number is None:
                break
            place, control, steps = self._places[b], self.waves.controls[b], self._steps[b]
            place["game_number"] = number
            place["key"] = random_bits(self._seed, np.uint64(number))
            open_game(self.game, place, control, self._budgets.max_opening_plies, 0)
            tree = self.waves.trees[b]
            if start_search(self.game, tree, control, place, steps, self._budgets, self._on_board, self._mask):
                records.append(self._record(int(b)))
            else:
                place["active"] = 1
            seated += 1
        return seated

    def _record(self, b: int) -> GameRecord:
        """The record of the game that has just ended in place b."""
        steps = self._steps[b, : int(self._places[b]["num_steps"])].copy()
        policies = []
        for ply in np.flatnonzero(steps["is_target"]):
            used = int(steps[ply]["num_targets"])
            policies.append((self._slot_actions[b, ply, :used], self._policies[b, ply, :used]))
        return make_record(self.game, int(self._places[b]["game_number"]), steps, policies)

    def abandon(self) -> list[int]:
        """Drop the games in progress; returns their numbers."""
        numbers = self._places["game_number"][self._places["active"] == 1].tolist()
        self._places["active"] = 0
        self.waves.drop()
        return [int(number) for number in numbers]

    def take_counts(self) -> dict[str, float]:
        """What happened since the last call, by the names of `Counts.take`."""
        return self._counts.take(self.waves)
