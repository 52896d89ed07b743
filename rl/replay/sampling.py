"""The kernels that turn recorded games back into training positions.

All compiled code of the replay is in this file: a kernel cached on disk notices edits of its own file only.
"""

from __future__ import annotations

import math

import numpy as np

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State, StateArray
from games.compiled import inlined, njit
from rl.replay.records import WEIGHT_SUM
from rl.search.random import random_bits, uniform

_COPIES_KEY = 0x636F70696573  # "copies"


@njit
def fill_returns(steps: StateArray, discount: float, returns: FloatArray) -> None:
    """What each position of one game came to, for its player to move: write `returns` [T] float32, from `steps` [T].

    returns[t] = reward[t] + discount * (returns[t + 1], negated where `to_play` differs), and root_value[t] where the
    move was a detour.
    """
    later = 0.0
    for index in range(len(steps)):
        ply = len(steps) - 1 - index
        if index > 0 and steps[ply + 1]["to_play"] != steps[ply]["to_play"]:
            later = -later
        later = steps[ply]["reward"] + discount * later
        if steps[ply]["is_detour"]:
            later = float(steps[ply]["root_value"])
        returns[ply] = later


@njit
def fill_lambda_returns(steps: StateArray, discount: float, trace_decay: float, returns: FloatArray) -> None:
    """TD(lambda) returns of one game (Sutton and Barto 2018, section 12.1), for each position's player to move.

    Written to `returns` [T] float32, from `steps` [T]. Of the searches, those that make targets have a say:
    returns[t] = (1 - trace_decay) * root_value[t] + trace_decay * (reward[t] + discount * returns[t + 1]), where the
    position is a target, and what is in the last brackets elsewhere; returns[t + 1] negated as in `fill_returns`.
    After a detour the trace is cut: returns[t] = root_value[t] (Watkins's Q(lambda), section 12.10).
    """
    later = 0.0
    for index in range(len(steps)):
        ply = len(steps) - 1 - index
        step = steps[ply]
        if index > 0 and steps[ply + 1]["to_play"] != step["to_play"]:
            later = -later
        later = step["reward"] + discount * later
        if step["is_detour"]:
            later = float(step["root_value"])
        elif step["is_target"]:
            later = step["root_value"] + trace_decay * (later - step["root_value"])
        returns[ply] = later


@njit
def count_copies(
    game_number: int, steps: StateArray, surprise_share: float, settled_weight: float, copies: IndexArray
) -> None:
    """How often each position of one game may be drawn: write `copies` [T] int64.

    Policy-surprise weighting (KataGo, "Other methods implemented in KataGo"): of a game's weight, `surprise_share` goes
    to its targets in proportion to their surprise and the rest to all alike. That is multiplied by
    1 + (settled_weight - 1) * root_value**2. A weight's fraction becomes a copy or none at random, by the game's number
    and the ply; positions without a target have none.
    """
    num_targets, total = 0, 0.0
    for step in steps:
        num_targets += step["is_target"]
        total += step["surprise"] if step["is_target"] else 0.0
    key = random_bits(np.uint64(_COPIES_KEY), np.uint64(game_number))
    for ply in range(len(steps)):
        copies[ply] = 0
        if steps[ply]["is_target"]:
            relative = steps[ply]["surprise"] * num_targets / total if total > 0.0 else 1.0
            settled = 1.0 + (settled_weight - 1.0) * steps[ply]["root_value"] ** 2
            weight = (1.0 + surprise_share * (relative - 1.0)) * settled
            copies[ply] = np.int64(math.floor(weight + uniform(key, np.uint64(ply))))


@njit
def fill_final(game: Game, steps: StateArray, states: StateArray, final: State) -> None:
    """How one game that is scored was counted: write `owners` and `score` of its last position into `final`.

    `states` is an array of the game's states; of it, the type is used.
    """
    state = np.zeros(1, states.dtype)
    history = np.zeros(game.max_num_moves + 1, np.uint64)
    _restore(game, state, history, steps, states, 0, len(steps))
    game.ownership(state[0], final["owners"])
    final["score"] = game.score(state[0])


@njit
def fill_batch(
    game: Game,
    key: np.uint64,
    newest_game: int,
    positions: StateArray,
    games: StateArray,
    steps: StateArray,
    targets: StateArray,
    returns: FloatArray,
    lambda_returns: FloatArray,
    short_returns: FloatArray,
    states: StateArray,
    cells: IndexArray,
    actions: IndexArray,
    observations: FloatArray,
    legal: BoolArray,
    policy: FloatArray,
    outcome: FloatArray,
    sampled_returns: FloatArray,
    replies: FloatArray,
    sampled_short_returns: FloatArray,
    ages: IndexArray,
) -> None:
    """Draw n positions uniformly, with replacement, and rebuild each under a random symmetry.

    `positions` [P], `games` [G], `steps`, `returns`, `lambda_returns` and `short_returns` [M], `targets` [K] and
    `states` [M] (of games that store states, else empty) are the rows of a `Window`; `cells` [S, H*W] and `actions`
    [S, num_actions] its S symmetries. Written: `observations` [n, C, H, W], `legal`, `policy` and `replies`
    [n, num_actions], `outcome` [n, 3], `sampled_returns`, `sampled_short_returns` and `ages` [n]. Where these are of a
    larger board, `actions` name its actions, and what is not of this board stays as it was. The draw is a function of
    `key`, row and P alone.
    """
    state = np.zeros(1, states.dtype)
    planes = np.zeros(game.observation_shape, np.float32)
    mask = np.zeros(game.num_actions, np.bool_)
    history = np.zeros(game.max_num_moves + 1, np.uint64)
    for row in range(len(observations)):
        position = positions[_drawn(key, 2 * row, len(positions))]
        side = _drawn(key, 2 * row + 1, len(cells))
        index = position["game"] - games[0]["game"]
        played = games[index]
        ply = position["ply"]
        first_step = played["step"] - games[0]["step"]
        first_target = played["target"] - games[0]["target"]
        for before in range(ply):
            first_target += steps[first_step + before]["num_targets"]
        step = steps[first_step + ply]

        num_past = _restore(game, state, history, steps, states, first_step, ply)
        game.observe(state[0], planes)
        game.legal_actions(state[0], history[:num_past], mask)
        _write_planes(planes, cells[side], observations[row])
        for action in range(len(mask)):
            legal[row, actions[side, action]] = mask[action]
        next_target = first_target + step["num_targets"]
        _write_policy(targets[first_target:next_target], actions[side], policy[row])
        end = games[index + 1]["step"] - games[0]["step"] if index + 1 < len(games) else len(steps)
        if first_step + ply + 1 < end and not step["is_detour"]:
            following = next_target + steps[first_step + ply + 1]["num_targets"]
            _write_policy(targets[next_target:following], actions[side], replies[row])
        _write_outcome(returns[first_step + ply], outcome[row])
        sampled_returns[row] = lambda_returns[first_step + ply]
        sampled_short_returns[row] = short_returns[first_step + ply]
        ages[row] = newest_game - played["number"]


@njit
def fill_scores(
    key: np.uint64,
    positions: StateArray,
    games: StateArray,
    steps: StateArray,
    finals: StateArray,
    cells: IndexArray,
    width: int,
    ownership: FloatArray,
    scores: FloatArray,
) -> None:
    """How the games of the positions that `fill_batch` draws with this `key` were counted, for the player to move.

    `finals` [G] are what `fill_final` wrote, `width` is the board's. Written: `ownership` [n, H, W], where these are of
    a larger board its upper left corner, and `scores` [n].
    """
    for row in range(len(ownership)):
        position = positions[_drawn(key, 2 * row, len(positions))]
        side = _drawn(key, 2 * row + 1, len(cells))
        index = position["game"] - games[0]["game"]
        step = steps[games[index]["step"] - games[0]["step"] + position["ply"]]
        sign = 1.0 if step["to_play"] == 0 else -1.0
        scores[row] = sign * finals[index]["score"]
        for cell in range(cells.shape[1]):
            ownership[row, cell // width, cell % width] = sign * finals[index]["owners"][cells[side, cell]]


@inlined
def _drawn(key: np.uint64, counter: int, num: int) -> np.int64:
    """A number from 0 to num - 1."""
    return np.int64(random_bits(key, np.uint64(counter)) % np.uint64(num))


@inlined
def _restore(
    game: Game, state: StateArray, history: HashArray, steps: StateArray, states: StateArray, first_step: int, ply: int
) -> int:
    """Write the position before step `ply` into `state` [1] and what led to it into `history`; returns its length."""
    if game.stores_states:
        state[0] = states[first_step + ply]
        return 0
    num_past = 0
    game.reset(state[0])
    for before in range(ply):
        past = history[:num_past]
        if game.uses_history:
            history[num_past] = game.history_hash(state[0])
            num_past += 1
        game.step(state[0], int(steps[first_step + before]["action"]), past)
    return num_past


@inlined
def _write_planes(planes: FloatArray, cells: IndexArray, observation: FloatArray) -> None:
    """Show in each cell of a board the cell of `planes` [C, H, W] that `cells` [H*W] names; the board lies in the upper
    left corner of `observation`, which is as large or larger."""
    width = planes.shape[2]
    for plane in range(planes.shape[0]):
        for cell in range(len(cells)):
            source = cells[cell]
            observation[plane, cell // width, cell % width] = planes[plane, source // width, source % width]


@inlined
def _write_policy(targets: StateArray, actions: IndexArray, policy: FloatArray) -> None:
    """Write one step's targets into `policy` [num_actions], each action as `actions` [num_actions] names it."""
    for target in targets:
        policy[actions[target["action"]]] = target["weight"] / float(WEIGHT_SUM)


@inlined
def _write_outcome(value: float, outcome: FloatArray) -> None:
    """Split a return into win, draw and loss for the player to move: their expectation is the value, and one is 0."""
    value = min(max(value, -1.0), 1.0)
    outcome[0] = max(value, 0.0)
    outcome[1] = 1.0 - abs(value)
    outcome[2] = max(-value, 0.0)
