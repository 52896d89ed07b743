"""The record of one game: a structured row a step, and the policy targets of all its steps in one flat array.

The game is what is kept, not its positions: observations are rebuilt when sampling (`rl.replay.sampling`), so
encodings can change later and symmetries cost nothing. All numbers are little-endian, on disk and in memory.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import FloatArray, Game, StateArray

WEIGHT_SUM = 65535
"""The weights of one step's policy target sum to this."""

_VERSION = 1
_HEADER = struct.Struct("<BxxxIQII")  # version, layout, game number, number of steps, number of targets
_MARKER_SIZE = 8


class GameRecord(NamedTuple):
    """One finished game."""

    game_number: int
    """Unique in a run; the seed of the game's random numbers."""
    steps: StateArray
    """[T] of `step_dtype(game)`: one row a move, in the order they were played."""
    targets: StateArray
    """[sum of steps["num_targets"]] of `target_dtype(game)`: the policy targets, step after step."""


def step_dtype(game: Game) -> np.dtype[np.void]:
    """The dtype of one step. `root_value` is for the player to move, `reward` for the player who moved: both `to_play`.

    | field | meaning |
    | --- | --- |
    | `action` | what was played |
    | `to_play` | who played it |
    | `is_target` | it was fully searched: the network is trained on this position |
    | `is_detour` | another move was played than the search had chosen: what followed says nothing of the position |
    | `num_targets` | how many rows of `GameRecord.targets` are this step's |
    | `root_value` | what the search teaches of the position before the move, for the player to move |
    | `surprise` | KL(policy target, the network's policy before the search) in nats; 0 where it is no target |
    | `reward` | what `Game.step` returned for the move, for the player who moved |
    | `network_id` | the network that was asked |
    | others | `game.step_fields`: the state before the move where it is stored, how a simulated episode went on |
    """
    fields: list[tuple[Any, ...]] = [
        ("action", game.action_dtype),
        ("to_play", np.int8),
        ("is_target", np.bool_),
        ("is_detour", np.bool_),
        ("num_targets", np.uint16),
        ("root_value", np.float32),
        ("surprise", np.float32),
        ("reward", np.float32),
        ("network_id", np.uint32),
    ]
    return np.dtype([*fields, *game.step_fields])


def target_dtype(game: Game) -> np.dtype[np.void]:
    """The dtype of one policy target: an `action` and its `weight` > 0; a step's weights sum to `WEIGHT_SUM`."""
    return np.dtype([("action", game.action_dtype), ("weight", np.uint16)])


def quantize_policy(policy: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint16]:
    """Weights [..., A] uint16 that sum to `WEIGHT_SUM` over the last axis, from probabilities [..., A] that sum to 1.

    What rounding down leaves goes to the largest remainders, so no weight is off by more than one unit.
    """
    shares = np.asarray(policy, np.float64)
    shares = shares / shares.sum(-1, keepdims=True) * WEIGHT_SUM
    weights = np.floor(shares)
    left = WEIGHT_SUM - weights.sum(-1, keepdims=True)
    rank = np.argsort(np.argsort(weights - shares, axis=-1, kind="stable"), axis=-1, kind="stable")
    rounded: npt.NDArray[np.uint16] = (weights + (rank < left)).astype(np.uint16)
    return rounded


def make_record(game: Game, game_number: int, steps: StateArray, policies: list[tuple[Any, FloatArray]]) -> GameRecord:
    """A record from `steps` and, for each step with a target in order, its (actions [A], probabilities [A]).

    Fills in `num_targets`: zero where `is_target` is false. Actions whose weight rounds to nothing are left out.
    """
    width = max((len(actions) for actions, _ in policies), default=0)
    actions = np.zeros((len(policies), width), game.action_dtype)
    probabilities = np.zeros((len(policies), width))
    for row, (some, shares) in enumerate(policies):
        actions[row, : len(some)], probabilities[row, : len(some)] = some, shares
    weights = quantize_policy(probabilities)
    kept = weights > 0
    targets = np.zeros(np.count_nonzero(kept), target_dtype(game))
    targets["action"], targets["weight"] = actions[kept], weights[kept]
    steps["num_targets"] = 0
    steps["num_targets"][steps["is_target"]] = np.count_nonzero(kept, axis=1)
    return GameRecord(game_number, steps, targets)


def check(record: GameRecord) -> None:
    """Raise ValueError, in one line, for a record that contradicts itself."""
    steps, targets = record.steps, record.targets
    counts = steps["num_targets"].astype(np.int64)
    if len(steps) == 0:
        raise ValueError("a game without steps")
    if counts.sum() != len(targets):
        raise ValueError(f"the steps tell of {counts.sum()} policy targets, there are {len(targets)}")
    if not np.isin(steps["to_play"], (0, 1)).all():
        raise ValueError("to_play is neither 0 nor 1")
    ends = np.cumsum(counts)
    sums = np.concatenate([[0], np.cumsum(targets["weight"], dtype=np.int64)])
    if (sums[ends] - sums[ends - counts])[steps["is_target"]].tolist() != [WEIGHT_SUM] * int(steps["is_target"].sum()):
        raise ValueError(f"the weights of a policy target do not sum to {WEIGHT_SUM}")


def encode(record: GameRecord) -> bytes:
    """The bytes of a record, without pickle. Raises ValueError for one that contradicts itself."""
    check(record)
    layout = _layout(record.steps.dtype, record.targets.dtype)
    header = _HEADER.pack(_VERSION, layout, record.game_number, len(record.steps), len(record.targets))
    return header + record.steps.tobytes() + record.targets.tobytes()


def decode(game: Game, data: bytes) -> GameRecord:
    """The record that `encode` wrote. Raises ValueError, in one line, where `data` is no sound record of this game."""
    if len(data) < _HEADER.size:
        raise ValueError(f"{len(data)} bytes are too few for a game")
    version, layout, game_number, num_steps, num_targets = _HEADER.unpack_from(data)
    steps, targets = step_dtype(game), target_dtype(game)
    if version != _VERSION:
        raise ValueError(f"record version {version}, this program reads {_VERSION}")
    if layout != _layout(steps, targets):
        raise ValueError(f"its rows are not laid out as this program lays out {game.name}")
    if len(data) != _HEADER.size + num_steps * steps.itemsize + num_targets * targets.itemsize:
        raise ValueError(f"{len(data)} bytes for {num_steps} steps and {num_targets} policy targets")
    middle = _HEADER.size + num_steps * steps.itemsize
    record = GameRecord(
        game_number,
        np.frombuffer(data, steps, num_steps, _HEADER.size).copy(),
        np.frombuffer(data, targets, num_targets, middle).copy(),
    )
    check(record)
    _check_bounds(game, record)
    return record


def number_of(data: bytes) -> int:
    """The game number that `encode` wrote, which tells what was played. Raises ValueError where there is none."""
    if len(data) < _HEADER.size:
        raise ValueError(f"{len(data)} bytes are too few for a game")
    return int(_HEADER.unpack_from(data)[2])


def payload_marker(game: Game) -> bytes:
    """The bytes that every encoded record of this game begins with."""
    return _HEADER.pack(_VERSION, _layout(step_dtype(game), target_dtype(game)), 0, 0, 0)[:_MARKER_SIZE]


def _check_bounds(game: Game, record: GameRecord) -> None:
    """Compiled code does not look where it indexes: nothing may lie outside the arrays of this game."""
    if len(record.steps) > game.max_num_moves:
        raise ValueError(f"{len(record.steps)} moves, a game has at most {game.max_num_moves}")
    if game.action_dtype.shape == () and game.action_dtype.kind in "iu":
        for rows in (record.steps, record.targets):
            if ((rows["action"] < 0) | (rows["action"] >= game.num_actions)).any():
                raise ValueError(f"an action outside 0 to {game.num_actions - 1}")


def _layout(steps: np.dtype[np.void], targets: np.dtype[np.void]) -> int:
    """A checksum of both dtypes: a record of another layout must not be read as numbers of this one."""
    return zlib.crc32(repr((np.lib.format.dtype_to_descr(steps), np.lib.format.dtype_to_descr(targets))).encode())
