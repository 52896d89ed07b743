"""The newest episodes of a simulated game, in memory, to sample training batches from; with hindsight.

Hindsight relabelling (Andrychowicz et al. 2017, "Hindsight experience replay", strategy "future"): a state is looked at
as if the goal had been one that the episode went on to achieve. What to do about that goal is not known from the
episode, which wanted another one; so such rows carry their states, and the learner looks ahead from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from games.base import BoolArray, FloatArray, IndexArray, SimulatedGame, StateArray
from rl.errors import UserError
from rl.replay.holdout import is_held_out
from rl.replay.records import WEIGHT_SUM, GameRecord
from rl.replay.rows import RowQueue

_EPISODE_DTYPE = np.dtype([("length", np.int64), ("held_out", np.bool_)])


@dataclass(frozen=True)
class EpisodeWindowConfig:
    """What the learner samples from."""

    max_positions: int = 200_000
    """The window holds the newest so many steps; a step of two players that both learn from counts twice."""
    trace_decay: float = 0.95
    """lambda: what the value of a state is learnt from. 1: the rewards that followed; 0: the search's value of it;
    between them the values of all searches from there to the end have a say, the nearer the more (TD(lambda))."""
    hindsight_share: float = 0.8
    """Of games with goals, the share of samples whose goal is one that was achieved later in the episode
    (Andrychowicz et al. 2017: 0.8)."""
    fresh_share: float = 1.0
    """The share of samples whose policy is found anew, by looking one step ahead with the newest network, instead of
    the one that the search found when the episode was played (reanalysis; Schrittwieser et al. 2021, arXiv
    2104.06294). Relabelled ones always are."""
    holdout_fraction: float = 0.02
    """The share of episodes that are never trained on, to measure the loss with."""

    def __post_init__(self) -> None:
        if self.max_positions < 1:
            raise UserError("max_positions is at least 1")
        for name in ("trace_decay", "hindsight_share", "fresh_share", "holdout_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is from 0 to 1")


class EpisodeBatch(NamedTuple):
    """n training states. K is the number of slots, D the size of an action."""

    observations: FloatArray
    """[n, O, 1, 1] float32."""
    states: StateArray
    """[n] of the game's state_dtype: what is observed."""
    actions: FloatArray
    """[n, K, D] float32: the actions that were searched."""
    policy: FloatArray
    """[n, K] float32: the search's weights of them; sums to 1. 0 beyond the actions in use."""
    returns: FloatArray
    """[n] float32: TD(lambda) returns."""
    fresh: BoolArray
    """[n] whether actions and policy are to be found anew."""
    relabelled: BoolArray
    """[n] whether the goal is another than the episode's, so that these and the return are of the old one; `fresh`."""
    ages: IndexArray
    """[n] int64: by how many game numbers the newest episode in the window is ahead of the sampled one."""


def lambda_returns(steps: StateArray, discount: float, trace_decay: float) -> FloatArray:
    """[T] float32: TD(lambda) returns (Sutton and Barto 2018, section 12.1) of the states before `steps` [T].

    returns[t] = (1 - trace_decay) * root_value[t] + trace_decay * (reward[t] + discount * returns[t + 1]). After the
    last step of an episode that was cut stands its `cut_value`, after a true end 0.
    """
    returns = np.zeros(len(steps), np.float32)
    later = float(steps["cut_value"][-1])
    rewards, values = steps["reward"].tolist(), steps["root_value"].tolist()
    for ply in reversed(range(len(steps))):
        later = values[ply] + trace_decay * (rewards[ply] + discount * later - values[ply])
        returns[ply] = later
    return returns


class EpisodeWindow:
    """Holds whole episodes, the newest at the end. One thread at a time. The same interface as `MixedWindow`."""

    def __init__(self, game: SimulatedGame, config: EpisodeWindowConfig) -> None:
        self._game, self._config = game, config
        self._dtype = np.dtype(
            [
                ("state", game.state_dtype),
                ("achieved", np.float32, (game.goal_size,)),
                ("actions", game.action_dtype, (game.num_slots,)),
                ("policy", np.float32, (game.num_slots,)),
                ("return", np.float32),
                ("number", np.int64),
                ("left", np.int64),  # steps that follow in the episode
                ("searched", np.bool_),  # whether `actions` and `policy` are there
            ]
        )
        self._steps, self._holdout = RowQueue(self._dtype), RowQueue(self._dtype)
        self._episodes = RowQueue(_EPISODE_DTYPE)
        self.total_positions = 0
        """Steps of all episodes ever added."""
        self.newest_game = -1
        """The highest game number ever added."""

    @property
    def num_games(self) -> int:
        """Episodes held, those held out included."""
        return len(self._episodes)

    @property
    def num_positions(self) -> int:
        """Steps to train on."""
        return len(self._steps)

    @property
    def num_holdout_positions(self) -> int:
        """Steps held out."""
        return len(self._holdout)

    def add_all(self, records: Iterable[GameRecord]) -> None:
        """Add episodes in the order of their numbers."""
        for record in sorted(records, key=lambda record: record.game_number):
            self.add(record)

    def add(self, record: GameRecord) -> None:
        """Add an episode behind all others, and drop the oldest ones that have no more room."""
        held_out = is_held_out(record.game_number, self._config.holdout_fraction)
        rows = self._rows_of(record)
        if self._game.exchanges:
            rows = np.concatenate((rows, self._exchanged(rows, record)))
        (self._holdout if held_out else self._steps).append(rows)
        self._episodes.append(np.array([(len(rows), held_out)], _EPISODE_DTYPE))
        self.total_positions += len(record.steps)
        self.newest_game = max(self.newest_game, record.game_number)
        while len(self._steps) + len(self._holdout) > self._config.max_positions and len(self._episodes) > 1:
            oldest = self._episodes.rows[0]
            (self._holdout if oldest["held_out"] else self._steps).drop(int(oldest["length"]))
            self._episodes.drop(1)

    def sample(self, batch_size: int, key: int) -> EpisodeBatch:
        """Draw steps uniformly, with replacement, from all steps to train on.

        A function of `key` (below 2**64) and of the episodes held. Raises ValueError when there are none.
        """
        return self._sample(self._steps, batch_size, key)

    def sample_holdout(self, batch_size: int, key: int) -> EpisodeBatch:
        """As `sample`, from the episodes that are never trained on."""
        return self._sample(self._holdout, batch_size, key)

    def _sample(self, queue: RowQueue, batch_size: int, key: int) -> EpisodeBatch:
        if len(queue) == 0:
            raise ValueError("there are no steps to sample")
        random, held = np.random.Generator(np.random.Philox(key)), queue.rows
        places = random.integers(len(held), size=batch_size)
        rows = held[places]
        fresh = (random.random(batch_size) < self._config.fresh_share) | ~rows["searched"]
        relabelled = np.zeros(batch_size, np.bool_)
        if self._game.goal_size:
            relabelled = random.random(batch_size) < self._config.hindsight_share
            fresh |= relabelled
            ahead = random.integers(rows["left"] + 1)
            states = rows["state"][relabelled]
            self._game.set_goals(states, held["achieved"][(places + ahead)[relabelled]])
            rows["state"][relabelled] = states
        observations = np.empty((batch_size, self._game.rows_per_state, *self._game.observation_shape), np.float32)
        self._game.observe_batch(rows["state"], observations)
        return EpisodeBatch(
            np.ascontiguousarray(observations[:, 0]),
            rows["state"].copy(),
            rows["actions"].copy(),
            rows["policy"].copy(),
            rows["return"].copy(),
            fresh,
            relabelled,
            self.newest_game - rows["number"],
        )

    def _rows_of(self, record: GameRecord) -> StateArray:
        """The steps of an episode as they are held."""
        steps, targets = record.steps, record.targets
        rows = np.zeros(len(steps), self._dtype)
        rows["state"], rows["number"] = steps["state"], record.game_number
        rows["left"], rows["searched"] = np.arange(len(steps))[::-1], True
        rows["return"] = lambda_returns(steps, self._game.discount, self._config.trace_decay)
        if self._game.goal_size:
            rows["achieved"] = steps["achieved"]
        used = np.arange(self._game.num_slots) < steps["num_targets"][:, None]
        rows["actions"][used], rows["policy"][used] = targets["action"], targets["weight"] / np.float32(WEIGHT_SUM)
        return rows

    def _exchanged(self, rows: StateArray, record: GameRecord) -> StateArray:
        """The same steps as the other player made them, whom no search advised: what he wins the first one loses."""
        other = rows.copy()
        states = other["state"].copy()
        self._game.exchange_batch(states, record.steps["action"])
        other["state"], other["return"], other["searched"] = states, -rows["return"], False
        return other
