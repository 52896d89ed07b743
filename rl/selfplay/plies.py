"""The kernels of self-play: what happens in one game between two answers of the network.

All compiled code of self-play is in this file: a kernel cached on disk notices edits of its own file only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game
from games.compiled import inlined, njit
from rl.search.descents import wants_more
from rl.search.kernels import Settings
from rl.search.random import below, random_bits, uniform
from rl.search.roots import best_slot, root_policy, root_value
from rl.search.tree import ROOT, Control
from rl.search.waves import begin, win_at_once

_Records = npt.NDArray[np.void]
_OPENING, _LENGTH, _SEARCH, _BUDGET = 1, 2, 3, 4  # what a game's random numbers are drawn for
_OPENING_TRIES = 64


def place_dtype(game: Game) -> np.dtype[np.void]:
    """A place at the table: one of the B games in progress."""
    return np.dtype(
        [
            ("state", game.state_dtype),
            ("game_number", np.int64),
            ("key", np.uint64),  # of the game's random numbers
            ("num_steps", np.int32),
            ("active", np.int8),  # 1 while a game is in progress
            ("full", np.int8),  # 1 when the search under way makes a training target
        ],
        align=True,
    )


@inlined
def draw_key(place: Any, purpose: int) -> np.uint64:
    """The key of this ply's random numbers for one purpose."""
    return random_bits(place["key"], np.uint64(int(place["num_steps"]) * 8 + purpose))


@inlined
def record_step(place: Any, steps: _Records, action: int, is_target: bool, value: float, network_id: int) -> None:
    """Note a move about to be played; its reward follows once it is known."""
    step = steps[place["num_steps"]]
    step["action"] = action
    step["to_play"] = place["state"]["to_play"]
    step["is_target"] = is_target
    step["num_targets"] = 0
    step["root_value"] = value
    step["reward"] = 0.0
    step["network_id"] = network_id


@inlined
def play_action(game: Game, place: Any, control: Control, steps: _Records, action: int) -> bool:
    """Play the move that was just noted; returns whether the game ended."""
    length = int(control["history_length"])
    history = control["history"]
    if game.uses_history:
        position = game.history_hash(place["state"])
        reward, terminated = game.step(place["state"], action, history[:length])
        history[length] = position
        control["history_length"] = length + 1
    else:
        reward, terminated = game.step(place["state"], action, history[:0])
    steps[place["num_steps"]]["reward"] = reward
    place["num_steps"] += 1
    return bool(terminated)


@inlined
def count_legal(game: Game, place: Any, control: Control, mask: BoolArray) -> int:
    """Write the legal actions of the position into `mask` [num_actions] and count them."""
    length = int(control["history_length"]) if game.uses_history else 0
    game.legal_actions(place["state"], control["history"][:length], mask)
    count = 0
    for action in range(game.num_actions):
        count += mask[action]
    return count


@inlined
def nth_legal(mask: BoolArray, index: int) -> int:
    """The action of the index-th True in `mask`."""
    for action in range(mask.size):
        if mask[action]:
            if index == 0:
                return action
            index -= 1
    return -1


@inlined
def keep(mask: BoolArray, wanted: BoolArray, count: int) -> int:
    """Leave in `mask`, which holds `count`, only what is wanted, unless nothing is; returns how many are left."""
    num_wanted = 0
    for action in range(mask.size):
        num_wanted += mask[action] and wanted[action]
    if num_wanted == 0:
        return count
    for action in range(mask.size):
        mask[action] = mask[action] and wanted[action]
    return num_wanted


@njit
def open_game(
    game: Game, place: Any, control: Control, steps: _Records, max_plies: int, on_board: BoolArray, mask: BoolArray
) -> None:
    """Set up a game after a random opening that does not end it: 0 to `max_plies` uniformly random legal plies.

    Only actions `on_board` [num_actions] are drawn where one is legal: after a random pass in Go the next player may
    end the game at once. The number of plies is `max_plies` times the square of a uniform number. An opening that ends
    the game is drawn again; after some tries the game starts from the first position.
    """
    for attempt in range(_OPENING_TRIES + 1):
        game.reset(place["state"])
        place["num_steps"] = 0
        control["history_length"] = 0
        share = uniform(random_bits(place["key"], np.uint64(_LENGTH)), np.uint64(attempt))
        plies = int(share * share * (max_plies + 1)) if attempt < _OPENING_TRIES else 0
        terminated = False
        while place["num_steps"] < plies and not terminated:
            bits = random_bits(draw_key(place, _OPENING), np.uint64(attempt))
            count = keep(mask, on_board, count_legal(game, place, control, mask))
            action = nth_legal(mask, below(bits, count))
            record_step(place, steps, action, False, 0.0, 0)
            terminated = play_action(game, place, control, steps, action)
        if not terminated:
            return


@njit
def start_search(
    game: Game,
    tree: _Records,
    control: Control,
    place: Any,
    steps: _Records,
    simulations: int,
    fast_simulations: int,
    full_search_fraction: float,
    mask: BoolArray,
) -> bool:
    """Begin the search of the next move; moves without a choice are played at once. Returns whether the game ended."""
    while count_legal(game, place, control, mask) == 1:
        action = nth_legal(mask, 0)
        record_step(place, steps, action, False, 0.0, 0)
        if play_action(game, place, control, steps, action):
            return True
    full = uniform(draw_key(place, _BUDGET), np.uint64(0)) < full_search_fraction
    place["full"] = 1 if full else 0
    budget = simulations if full else fast_simulations
    # Noise only where it teaches: a fast search that explored would blur the outcomes that values are learnt from.
    begin(game, tree, control, place["state"], budget, draw_key(place, _SEARCH), full)
    return False


@njit
def advance(
    game: Game,
    trees: _Records,
    controls: _Records,
    settings: Settings,
    places: _Records,
    steps: _Records,
    policies: FloatArray,
    slot_actions: npt.NDArray[Any],
    simulations: int,
    fast_simulations: int,
    full_search_fraction: float,
    first: int,
    last: int,
    network_id: int,
    finished: npt.NDArray[np.int64],
) -> tuple[int, int]:
    """Play the chosen move wherever a search is complete, and begin the next one.

    Returns (moves played, games ended); the places of ended games are written to `finished`. `steps` [B, T] and, for
    full searches, `policies` and `slot_actions` [B, T, A] take the record.
    """
    mask = np.empty(game.num_actions, np.bool_)
    num_moves, num_finished = 0, 0
    for b in range(first, last):
        place, tree, control = places[b], trees[b], controls[b]
        if place["active"] == 0 or control["pending"] > 0 or wants_more(tree, control):
            continue
        win_at_once(game, tree, control)
        slot = best_slot(tree, control, settings)
        action = int(tree[ROOT]["slot_actions"][slot])
        ply = int(place["num_steps"])
        record_step(place, steps[b], action, place["full"] == 1, root_value(tree), network_id)
        if place["full"] == 1:
            root_policy(tree, control, settings, policies[b, ply])
            num_slots = int(tree[ROOT]["num_slots"])
            steps[b, ply]["num_targets"] = num_slots
            for index in range(num_slots):
                slot_actions[b, ply, index] = tree[ROOT]["slot_actions"][index]
        num_moves += 1
        ended = play_action(game, place, control, steps[b], action)
        if not ended:
            ended = start_search(
                game, tree, control, place, steps[b], simulations, fast_simulations, full_search_fraction, mask
            )
        if ended:
            place["active"] = 0
            finished[num_finished] = b
            num_finished += 1
    return num_moves, num_finished
