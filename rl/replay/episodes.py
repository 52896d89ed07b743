"""The newest episodes of a simulated game, in memory, to sample training batches from; with hindsight.

Hindsight relabelling (Andrychowicz et al. 2017, "Hindsight experience replay", strategy "future"): a state is looked at
as if the goal had been one that the episode went on to achieve. What to do about that goal is not known from the
episode, which wanted another one; so such rows carry their states, and the learner looks ahead from there. How far the
episode came all the same is a lower bound of what they are worth, and goes with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from games.base import BoolArray, FloatArray, IndexArray, StateArray
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.replay.episode_batch import EpisodeBatch, Followed, Successors
from rl.replay.holdout import is_held_out
from rl.replay.records import WEIGHT_SUM, GameRecord
from rl.replay.rows import RowQueue

_TRIES = 8
"""Draws of a state from which an episode went on to achieve something else."""
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
    fresh_value_share: float = 0.0
    """Of these samples, the share whose value is found anew with the policy, in the place of what followed in the
    episode: rewards that an older policy earned say little of a newer one (the mixed value target of Wang et al. 2024,
    EfficientZero V2, arXiv 2403.00564, section 4.3). Relabelled ones always are."""
    simulated_share: float = 1.0
    """Where records hold the successors that searches saw: the share of looks ahead that step the simulator for actions
    of the newest policy, all the same. The others take what was seen then, and step nothing."""
    followed_share: float = 0.0
    """Of the samples found anew by stepping the simulator, the share for which the action that was played is one of
    those that are tried, and worth no less than what followed in the episode: the rewards of some further steps, up to
    where the goal was achieved if it was exchanged, and then what the newest network holds of the state there. As steps
    have no chance, that is a lower bound, and what is worth going for is known many steps away at once (the lower
    bounds of He et al. 2016, arXiv 1611.01606). Not where others act at the same time: they may answer otherwise."""
    moved_share: float = 0.0
    """The least share of the exchanged goals that the sampled state has not achieved already, as far as episodes allow
    (filtered hindsight; Manela and Biess 2019, arXiv 1905.05498). Where nothing the goal is about has moved, any other
    sample says nothing but to keep still."""
    holdout_fraction: float = 0.02
    """The share of episodes that are never trained on, to measure the loss with."""

    def __post_init__(self) -> None:
        if self.max_positions < 1:
            raise UserError("max_positions is at least 1")
        shares = "hindsight_share", "fresh_share", "fresh_value_share", "simulated_share", "followed_share"
        for name in ("trace_decay", *shares, "moved_share", "holdout_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is from 0 to 1")


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
        successors = [("successors", game.successor_dtype, (game.num_slots,))] if game.stores_successors else []
        self._dtype = np.dtype(
            [
                *successors,
                ("state", game.state_dtype),
                ("achieved", np.float32, (game.goal_size,)),
                ("action", game.action_dtype),
                ("reward", np.float32),
                ("actions", game.action_dtype, (game.num_slots,)),
                ("policy", np.float32, (game.num_slots,)),
                ("return", np.float32),
                ("number", np.int64),
                ("left", np.int64),  # steps that follow in the episode
                ("moved", np.int64),  # steps until one achieves another goal than the state does; more than left: none
                ("searched", np.bool_),  # whether `actions` and `policy` are there
            ]
        )
        self._powers = np.power(game.discount, np.arange(game.max_num_moves + 1)).astype(np.float32)
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
        fresh = random.random(batch_size) < self._config.fresh_share
        revalued = fresh & (random.random(batch_size) < self._config.fresh_value_share)
        relabelled = np.zeros(batch_size, np.bool_)
        if self._game.goal_size:
            relabelled = random.random(batch_size) < self._config.hindsight_share
            fresh, revalued = fresh | relabelled, revalued | relabelled
        places, ahead = self._later_steps(held, places, relabelled, random)
        rows = held[places]
        fresh |= ~rows["searched"]
        if self._game.goal_size:
            states = rows["state"][relabelled]
            self._game.set_goals(states, held["achieved"][(places + ahead)[relabelled]])
            rows["state"][relabelled] = states
        observations = np.empty((batch_size, self._game.rows_per_state, *self._game.observation_shape), np.float32)
        self._game.observe_batch(rows["state"], observations)
        recalled = np.zeros(batch_size, np.bool_)
        if self._game.stores_successors:
            recalled = fresh & (random.random(batch_size) >= self._config.simulated_share)
            fresh &= ~recalled
        followed = np.zeros(batch_size, np.bool_)
        if self._game.rows_per_state == 1:
            followed = fresh & (ahead > 0) & (random.random(batch_size) < self._config.followed_share)
        return EpisodeBatch(
            np.ascontiguousarray(observations[:, 0]),
            rows["state"].copy(),
            rows["actions"].copy(),
            rows["policy"].copy(),
            rows["return"].copy(),
            fresh,
            revalued,
            relabelled,
            self.newest_game - rows["number"],
            self._successors(rows, np.flatnonzero(recalled)),
            self._followed(held, places, ahead, rows, np.flatnonzero(followed)),
        )

    def _later_steps(
        self, held: StateArray, places: IndexArray, relabelled: BoolArray, random: np.random.Generator
    ) -> tuple[IndexArray, IndexArray]:
        """(places [n], ahead [n]): for each of `places` [n] a step as late or later in its episode, so many places
        ahead, whose goal is taken where `relabelled` [n]. Some of these are moved to other places, which have a later
        step that achieves what they do not."""
        moving = relabelled & (random.random(len(places)) < self._config.moved_share)
        for _ in range(_TRIES):
            lacking = moving & (held["moved"][places] > held["left"][places])
            places = np.where(lacking, random.integers(len(held), size=len(places)), places)
        left, moved = held["left"][places], held["moved"][places]
        first = np.where(moving & (moved <= left), moved, 0)
        return places, random.integers(first, left + 1)

    def _followed(
        self, held: StateArray, places: IndexArray, ahead: IndexArray, rows: StateArray, chosen: IndexArray
    ) -> Followed:
        """What came of the `chosen` [m] among the sampled `rows` [n], which stem from `places` [n], in the steps before
        the one that is so many places `ahead` [n]: there was no state after the last step of an episode."""
        game, first, lengths = self._game, places[chosen], ahead[chosen]
        states, ends = held["state"][first + lengths], np.cumsum(lengths)
        taken = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
        on_the_way = np.repeat(first, lengths) + taken
        if game.goal_size:
            goals = game.desired_goals(rows["state"][chosen])
            game.set_goals(states, goals)
            rewards, _ = game.goal_rewards(held["achieved"][on_the_way], np.repeat(goals, lengths, axis=0))
        else:
            rewards = held["reward"][on_the_way]
        sums = np.zeros(len(chosen), np.float32)
        np.add.at(sums, np.repeat(np.arange(len(chosen)), lengths), rewards * self._powers[taken])
        return Followed(chosen, held["action"][first], states, sums, self._powers[lengths])

    def _successors(self, rows: StateArray, chosen: IndexArray) -> Successors:
        """What is known to come of the `chosen` [m] among the sampled `rows` [n]."""
        game, count = self._game, len(chosen)
        if count == 0:
            nothing = np.zeros((0, game.num_slots), np.float32)
            seen = np.zeros((0, game.num_slots, *game.observation_shape), np.float32)
            return Successors(chosen, nothing > 0, nothing[..., None], nothing, seen, nothing, nothing > 0)
        found, shape = rows["successors"][chosen].reshape(-1), (count, game.num_slots)
        goals = np.repeat(game.desired_goals(rows["state"][chosen]), game.num_slots, axis=0)
        observations = np.ascontiguousarray(found["seen"])
        game.show_goals(observations, found["achieved"], goals)
        rewards, terminated = game.goal_rewards(found["achieved"], goals)
        return Successors(
            chosen,
            found["known"].reshape(shape),
            found["action"].reshape(*shape, -1),
            found["log_proposal"].reshape(shape),
            observations.reshape(*shape, *game.observation_shape),
            rewards.reshape(shape),
            terminated.reshape(shape),
        )

    def _rows_of(self, record: GameRecord) -> StateArray:
        """The steps of an episode as they are held."""
        steps, targets = record.steps, record.targets
        rows = np.zeros(len(steps), self._dtype)
        rows["state"], rows["number"] = steps["state"], record.game_number
        rows["action"], rows["reward"] = steps["action"], steps["reward"]
        rows["left"], rows["searched"] = np.arange(len(steps))[::-1], True
        rows["return"] = lambda_returns(steps, self._game.discount, self._config.trace_decay)
        if self._game.goal_size:
            rows["achieved"], rows["moved"] = steps["achieved"], self._steps_until_moved(steps)
        if self._game.stores_successors:
            rows["successors"] = steps["successors"]
        used = np.arange(self._game.num_slots) < steps["num_targets"][:, None]
        rows["actions"][used], rows["policy"][used] = targets["action"], targets["weight"] / np.float32(WEIGHT_SUM)
        return rows

    def _steps_until_moved(self, steps: StateArray) -> IndexArray:
        """[T] for each step of an episode, after how many further ones a goal was achieved that its state does not
        achieve; T where none was. A goal is achieved where the reward is as good as for the very same."""
        game, length = self._game, len(steps)
        goals = np.ascontiguousarray(steps["achieved"])
        best, _ = game.goal_rewards(goals, goals)
        before = np.repeat(game.achieved_goals(steps["state"]), length, axis=0)
        rewards, _ = game.goal_rewards(before, np.tile(goals, (length, 1)))
        other = np.triu(rewards.reshape(length, length) < best)
        found: IndexArray = np.where(other.any(1), other.argmax(1) - np.arange(length), length)
        return found

    def _exchanged(self, rows: StateArray, record: GameRecord) -> StateArray:
        """The same steps as the other player made them, whom no search advised: what he wins the first one loses."""
        other = rows.copy()
        states = other["state"].copy()
        self._game.exchange_batch(states, record.steps["action"])
        other["state"], other["return"], other["searched"] = states, -rows["return"], False
        return other
