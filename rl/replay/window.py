"""The newest games, in memory, to sample training batches from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from games.base import BoolArray, FloatArray, Game, IndexArray
from rl.errors import UserError
from rl.replay.holdout import is_held_out
from rl.replay.records import GameRecord, step_dtype, target_dtype
from rl.replay.rows import RowQueue
from rl.replay.sampling import count_copies, fill_batch, fill_final, fill_lambda_returns, fill_returns, fill_scores

_GAME_DTYPE = np.dtype([(name, np.int64) for name in ("game", "number", "step", "target", "num_positions", "num_rows")])
"""A game held: how many were added before it, its number, the `RowQueue.end` of steps and of targets before it, how
many positions it has to learn from, and how many rows of `_POSITION_DTYPE` they make."""
_SHORT_TRACE_DECAY = 0.8
"""lambda of `Batch.short_returns`: a horizon of 1 / (1 - lambda), five plies (KataGo has horizons from 6 to 50)."""
_POSITION_DTYPE = np.dtype([("game", np.int64), ("ply", np.int32)])
"""A position that can be sampled, once for each of its `count_copies`: "game" as above."""


@dataclass(frozen=True)
class WindowConfig:
    """How many of the newest positions the learner samples from (KataGo, Wu 2019, arXiv:1902.10565, appendix C)."""

    min_positions: int = 20_000
    """c: the window is never asked to be smaller, in positions with a policy target (KataGo: 250,000)."""
    growth_exponent: float = 0.75
    """alpha: how the window grows with all positions ever played (KataGo: 0.75; 1 would be proportionally)."""
    growth_scale: float = 0.4
    """beta: the share of new positions that the window grows by when it has just begun to grow (KataGo: 0.4)."""
    trace_decay: float = 0.95
    """lambda: what the value of a position is learnt from. 1: how its game ended; 0: the search's value of it; between
    them the values of all searches from there to the end have a say, the nearer the more (TD(lambda))."""
    surprise_share: float = 0.0
    """Share of the draws that follow how much a search surprised the network, the others taking all positions alike
    (policy-surprise weighting; KataGo: 0.5)."""
    settled_weight: float = 1.0
    """How often a position is drawn of whose outcome its search is sure, where one that may go either way is drawn
    once; between them it goes by the square of the search's value."""
    holdout_fraction: float = 0.02
    """The share of games that are never trained on, to measure the loss with."""

    def __post_init__(self) -> None:
        if not 0 <= self.trace_decay <= 1:
            raise UserError("trace_decay is from 0 to 1")
        if not 0 <= self.surprise_share <= 1:
            raise UserError("surprise_share is from 0 to 1")
        if not 1 <= self.settled_weight <= 100:
            raise UserError("settled_weight is from 1 to 100")

    def num_positions(self, total: int) -> int:
        """The size of the window after `total` positions: c * (1 + beta * ((total / c)**alpha - 1) / alpha)."""
        if total <= self.min_positions:
            return self.min_positions
        grown = ((total / self.min_positions) ** self.growth_exponent - 1) / self.growth_exponent
        return int(self.min_positions * (1 + self.growth_scale * grown))


class Batch(NamedTuple):
    """n training positions."""

    observations: FloatArray
    """[n, C, H, W] float32, as the player to move sees them."""
    legal: BoolArray
    """[n, num_actions] bool, True = legal."""
    policy: FloatArray
    """[n, num_actions] float32, the search's policy; sums to 1, 0 where illegal."""
    outcome: FloatArray
    """[n, 3] float32: win, draw, loss for the player to move, as the game went on, or as the search of the next detour
    expected it to; sums to 1."""
    lambda_returns: FloatArray
    """[n] float32: the TD(lambda) return for the player to move: how the game ended, mixed with the search's values on
    the way there."""
    replies: FloatArray
    """[n, num_actions] float32: the search's policy at the next ply, for its own player to move; all 0 where the game
    ended, the move was a detour, or the next position has no target."""
    short_returns: FloatArray
    """[n] float32: as `lambda_returns`, but of the next few plies."""
    ages: IndexArray
    """[n] int64: by how many game numbers the newest game in the window is ahead of the sampled one."""
    mask: FloatArray | None = None
    """[n, 1, H, W] float32: 1 on the board, 0 beside it; None where every board fills the canvas."""
    ownership: FloatArray | None = None
    """[n, H, W] float32: whose each cell was when the game was counted: 1 the player's to move, -1 the opponent's, 0
    neither's or beside the board. This and `leads`: None where games are not scored."""
    leads: FloatArray | None = None
    """[n] float32: by how many points the player to move led then, komi counted."""

    @classmethod
    def blank(cls, canvas: Game, batch_size: int, *, masked: bool) -> Batch:
        """All zero, for boards up to that of `canvas`."""
        _, height, width = canvas.observation_shape
        return cls(
            np.zeros((batch_size, *canvas.observation_shape), np.float32),
            np.zeros((batch_size, canvas.num_actions), np.bool_),
            np.zeros((batch_size, canvas.num_actions), np.float32),
            np.zeros((batch_size, 3), np.float32),
            np.zeros(batch_size, np.float32),
            np.zeros((batch_size, canvas.num_actions), np.float32),
            np.zeros(batch_size, np.float32),
            np.zeros(batch_size, np.int64),
            np.zeros((batch_size, 1, height, width), np.float32) if masked else None,
            np.zeros((batch_size, height, width), np.float32) if canvas.is_scored else None,
            np.zeros(batch_size, np.float32) if canvas.is_scored else None,
        )

    def rows(self, first: int, last: int) -> Batch:
        """A part of the positions, as views."""
        return Batch(*(None if array is None else array[first:last] for array in self))  # type: ignore[arg-type]


class Window:
    """Holds whole games, the newest at the end; drops the oldest as `WindowConfig` says. One thread at a time.

    What is sampled depends on the order of the games: games added by one `add_all` are put in the order of their
    numbers, so it is the same whatever order they arrived in.
    """

    def __init__(self, game: Game, config: WindowConfig, *, canvas_actions: IndexArray | None = None) -> None:
        """`canvas_actions` [num_actions] is given where `sample_into` fills batches of a larger board: its actions that
        stand for those of this game."""
        if game.action_dtype.shape != () or game.action_dtype.kind not in "iu":
            raise TypeError(f"{game.name}: planes can be rebuilt only for games whose actions are integers")
        self._game, self._config = game, config
        self._games = RowQueue(_GAME_DTYPE)
        self._steps = RowQueue(step_dtype(game))
        self._returns = RowQueue(np.float32)
        self._lambda_returns = RowQueue(np.float32)
        self._short_returns = RowQueue(np.float32)
        self._targets = RowQueue(target_dtype(game))
        self._states = RowQueue(game.state_dtype)
        num_cells = game.observation_shape[1] * game.observation_shape[2]
        self._finals = RowQueue([("owners", np.int8, (num_cells,)), ("score", np.float32)])  # a row a game
        self._positions, self._holdout = RowQueue(_POSITION_DTYPE), RowQueue(_POSITION_DTYPE)
        self._num_held = {False: 0, True: 0}
        symmetries = game.symmetries()
        self._cells = np.array([symmetry.cells for symmetry in symmetries], np.int64)
        self._actions = np.array([symmetry.actions for symmetry in symmetries], np.int64)
        if canvas_actions is not None:
            self._actions = canvas_actions[self._actions]
        self.total_positions = 0
        """Positions with a policy target of all games ever added."""
        self.newest_game = -1
        """The highest game number ever added."""

    @property
    def num_games(self) -> int:
        """Games held, those held out included."""
        return len(self._games)

    @property
    def num_positions(self) -> int:
        """Positions to train on."""
        return self._num_held[False]

    @property
    def num_holdout_positions(self) -> int:
        """Positions held out."""
        return self._num_held[True]

    def add_all(self, records: Iterable[GameRecord]) -> None:
        """Add games in the order of their numbers."""
        for record in sorted(records, key=lambda record: record.game_number):
            self.add(record)

    def add(self, record: GameRecord) -> None:
        """Add a game behind all others, and drop the oldest ones that the window no longer needs."""
        returns = np.zeros(len(record.steps), np.float32)
        fill_returns(record.steps, self._game.discount, returns)
        lambda_returns, short_returns = np.zeros_like(returns), np.zeros_like(returns)
        fill_lambda_returns(record.steps, self._game.discount, self._config.trace_decay, lambda_returns)
        fill_lambda_returns(record.steps, self._game.discount, _SHORT_TRACE_DECAY, short_returns)
        copies = np.zeros(len(record.steps), np.int64)
        num_positions, held_out = int(record.steps["is_target"].sum()), self.is_held_out(record.game_number)
        # What is held out is measured alike.
        share, settled = (0.0, 1.0) if held_out else (self._config.surprise_share, self._config.settled_weight)
        count_copies(record.game_number, record.steps, share, settled, copies)
        plies = np.repeat(np.arange(len(copies)), copies)
        positions = np.zeros(len(plies), _POSITION_DTYPE)
        positions["game"], positions["ply"] = self._games.end, plies
        before = (self._games.end, record.game_number, self._steps.end, self._targets.end)
        self._games.append(np.array([(*before, num_positions, len(plies))], _GAME_DTYPE))
        self._steps.append(record.steps)
        self._returns.append(returns)
        self._lambda_returns.append(lambda_returns)
        self._short_returns.append(short_returns)
        self._targets.append(record.targets)
        if self._game.is_scored:
            final = np.zeros(1, self._finals.rows.dtype)
            fill_final(self._game, record.steps, self._states.rows, final[0])
            self._finals.append(final)
        if self._game.stores_states:
            self._states.append(record.steps["state"])
        self._queue_of(held_out).append(positions)
        self._num_held[held_out] += num_positions
        self.total_positions += num_positions
        self.newest_game = max(self.newest_game, record.game_number)
        self._drop_old()

    def is_held_out(self, game_number: int) -> bool:
        """Whether a game is never trained on: a function of its number alone."""
        return is_held_out(game_number, self._config.holdout_fraction)

    def sample(self, batch_size: int, key: int) -> Batch:
        """Draw positions with replacement from all positions to train on, each as often as `WindowConfig` says.

        A function of `key` (below 2**64) and of the games held. Raises ValueError when there are none.
        """
        return self._sample(batch_size, key, held_out=False)

    def sample_holdout(self, batch_size: int, key: int) -> Batch:
        """As `sample`, from the games that are never trained on."""
        return self._sample(batch_size, key, held_out=True)

    def _sample(self, batch_size: int, key: int, *, held_out: bool) -> Batch:
        batch = Batch.blank(self._game, batch_size, masked=False)
        self.sample_into(batch, key, self.newest_game, held_out=held_out)
        return batch

    def sample_into(self, batch: Batch, key: int, newest_game: int, *, held_out: bool) -> None:
        """As `sample` or `sample_holdout`, into a blank batch of this game's board, or of a larger one.

        Ages are counted from `newest_game`; the mask is left alone.
        """
        positions = self._queue_of(held_out)
        if len(positions) == 0:
            raise ValueError("there are no positions to sample")
        fill_batch(
            self._game,
            np.uint64(key),
            newest_game,
            positions.rows,
            self._games.rows,
            self._steps.rows,
            self._targets.rows,
            self._returns.rows,
            self._lambda_returns.rows,
            self._short_returns.rows,
            self._states.rows,
            self._cells,
            self._actions,
            *batch[:8],
        )
        if batch.ownership is not None and batch.leads is not None:
            fill_scores(
                np.uint64(key),
                positions.rows,
                self._games.rows,
                self._steps.rows,
                self._finals.rows,
                self._cells,
                self._game.observation_shape[2],
                batch.ownership,
                batch.leads,
            )

    def _queue_of(self, held_out: bool) -> RowQueue:
        return self._holdout if held_out else self._positions

    def _drop_old(self) -> None:
        """Drop the oldest games as long as the others alone fill the window."""
        size = self._config.num_positions(self.total_positions)
        while len(self._games) > 1:
            oldest, following = self._games.rows[:2]
            num_positions = int(oldest["num_positions"])
            if self.num_positions + self.num_holdout_positions - num_positions < size:
                return
            num_steps = int(following["step"] - oldest["step"])
            self._steps.drop(num_steps)
            self._returns.drop(num_steps)
            self._lambda_returns.drop(num_steps)
            self._short_returns.drop(num_steps)
            if self._game.stores_states:
                self._states.drop(num_steps)
            self._targets.drop(int(following["target"] - oldest["target"]))
            held_out = self.is_held_out(int(oldest["number"]))
            self._queue_of(held_out).drop(int(oldest["num_rows"]))
            self._num_held[held_out] -= num_positions
            if self._game.is_scored:
                self._finals.drop(1)
            self._games.drop(1)
