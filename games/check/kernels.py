"""Do a game's methods do the same compiled as they do in plain Python?"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba.core.errors import NumbaError

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, StateArray
from games.check.sample import Broken, Sample, require
from games.compiled import njit

_PLIES = 300
_CLOSE = 1e-6
"""Compiled code rounds in float64 where NumPy's scalars may round in float32."""


class Trace(NamedTuple):
    """All that a game's methods said during one game of at most P moves."""

    states: StateArray
    """[P] after each move."""
    masks: BoolArray
    """[P, num_actions] before each move."""
    rewards: FloatArray
    """[P]"""
    ended: BoolArray
    """[P]"""
    observations: FloatArray
    """[P, C, H, W] after each move."""
    hashes: HashArray
    """[P] after each move."""
    history: HashArray
    """[P] history_hash before each move."""


class Count(NamedTuple):
    """What a scored game's methods said of P positions."""

    owners: npt.NDArray[np.int8]
    """[P, H*W]"""
    scores: npt.NDArray[np.float64]
    """[P]"""


def _play(game: Game, numbers: IndexArray, trace: Trace, scratch: StateArray) -> int:
    """Play the game whose ply p takes the legal action that `numbers[p]` picks; returns its length. `scratch` [1]."""
    state = scratch[0]
    game.reset(state)
    for ply in range(numbers.size):
        history = trace.history[:ply] if game.uses_history else trace.history[:0]
        mask = trace.masks[ply]
        game.legal_actions(state, history, mask)
        nth = numbers[ply] % mask.sum()
        action = 0
        for candidate in range(game.num_actions):
            if mask[candidate]:
                if nth == 0:
                    action = candidate
                nth -= 1
        position = game.history_hash(state)
        reward, terminated = game.step(state, action, history)
        trace.history[ply] = position
        trace.states[ply] = state
        trace.rewards[ply] = reward
        trace.ended[ply] = terminated
        game.observe(state, trace.observations[ply])
        trace.hashes[ply] = game.hash(state)
        if terminated:
            return ply + 1
    return int(numbers.size)


def _count(game: Game, states: StateArray, count: Count) -> None:
    for row in range(states.size):
        game.ownership(states[row], count.owners[row])
        count.scores[row] = game.score(states[row])


def _ask(game: Game, states: StateArray, history: HashArray, masks: BoolArray) -> None:
    """Write into `masks` [P, num_actions] what `is_legal` says of `states` [P], positions of one game in a row."""
    for row in range(states.size):
        for action in range(game.num_actions):
            masks[row, action] = game.is_legal(states[row], action, history[:row] if game.uses_history else history[:0])


_play_compiled, _count_compiled, _ask_compiled = njit(_play), njit(_count), njit(_ask)


def compiled(game: Game, sample: Sample) -> str:
    """The same random games, compiled and as plain Python: the same states, masks, rewards, observations and hashes."""
    num_games = num_plies = 0
    while num_plies < min(_PLIES, sample.num_plies):
        numbers = sample.numbers(num_games)
        fast, slow = _trace(game, numbers.size), _trace(game, numbers.size)
        scratch = np.zeros(1, game.state_dtype)
        try:
            length = _play_compiled(game, numbers, fast, scratch)
        except NumbaError as error:
            raise Broken(f"does not compile: {_shortened(error)}") from None
        plain_length = _play(game, numbers, slow, scratch)
        _compare(game, fast, slow, min(length, plain_length))
        require(length == plain_length, f"a game is over after {length} moves compiled, {plain_length} as plain Python")
        if game.is_scored:
            _compare_counts(game, slow.states[:length])
        if game.answers_single_actions:
            _compare_single_actions(game, slow, length)
        num_games, num_plies = num_games + 1, num_plies + length
    return f"{num_games} games, {num_plies} moves: the same as plain Python"


def _trace(game: Game, size: int) -> Trace:
    return Trace(
        states=np.zeros(size, game.state_dtype),
        masks=np.zeros((size, game.num_actions), np.bool_),
        rewards=np.zeros(size, np.float32),
        ended=np.zeros(size, np.bool_),
        observations=np.zeros((size, *game.observation_shape), np.float32),
        hashes=np.zeros(size, np.uint64),
        history=np.zeros(size, np.uint64),
    )


def _compare(game: Game, fast: Trace, slow: Trace, length: int) -> None:
    """Find the first ply, and there the first method, in which both say different things."""
    parts = {
        "legal_actions": (fast.masks, slow.masks),
        "history_hash": (fast.history, slow.history),
        **{f"the field {name}": (fast.states[name], slow.states[name]) for name in game.state_dtype.names or ()},
        "the reward": (fast.rewards, slow.rewards),
        "terminated": (fast.ended, slow.ended),
        "observe": (fast.observations, slow.observations),
        "hash": (fast.hashes, slow.hashes),
    }
    for ply in range(length):
        for name, (one, other) in parts.items():
            _require_same(f"{name} at move {ply + 1}", one[ply], other[ply])


def _compare_counts(game: Game, states: StateArray) -> None:
    cells = game.observation_shape[1] * game.observation_shape[2]
    fast, slow = (Count(np.zeros((len(states), cells), np.int8), np.zeros(len(states))) for _ in range(2))
    try:
        _count_compiled(game, states, fast)
    except NumbaError as error:
        raise Broken(f"ownership or score does not compile: {_shortened(error)}") from None
    _count(game, states, slow)
    _require_same("ownership", fast.owners, slow.owners)
    _require_same("score", fast.scores, slow.scores)


def _compare_single_actions(game: Game, trace: Trace, length: int) -> None:
    """`is_legal` is compared with `legal_actions`, which was compared before."""
    states = np.array([game.new_state(), *trace.states[: length - 1]], game.state_dtype)
    told = np.zeros((length, game.num_actions), np.bool_)
    try:
        _ask_compiled(game, states, trace.history, told)
    except NumbaError as error:
        raise Broken(f"is_legal does not compile: {_shortened(error)}") from None
    _require_same("is_legal", told, trace.masks[:length])


def _require_same(what: str, fast: npt.ArrayLike, slow: npt.ArrayLike) -> None:
    one, other = np.asarray(fast), np.asarray(slow)
    if one.dtype.kind == "f":
        different = ~np.isclose(one, other, rtol=_CLOSE, atol=_CLOSE, equal_nan=True)
    else:
        different = one != other
    if different.any():
        index = tuple(np.argwhere(different)[0])
        raise Broken(
            f"{what} is {one[index]} compiled and {other[index]} as plain Python: cast small integers on reading, "
            'int(state["x"]), and wrap the constants and shifts of uint64 in np.uint64'
        )


def _shortened(error: NumbaError) -> str:
    """What numba cannot compile, and where: the innermost part of its message, which comes first."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    for reason, place in pairwise(lines):
        if match := re.fullmatch(r'File "(?:.*/)?(.+)", line ([0-9]+):', place):
            return f"{reason[:300]} ({match[1]} line {match[2]})"
    return lines[0][:300]
