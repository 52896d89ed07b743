"""The kernels of self-play: what happens in one game between two answers of the network.

All compiled code of self-play is in this file: a kernel cached on disk notices edits of its own file only.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game
from games.compiled import inlined, njit, prefetch_head, uncounted
from rl.search.cache import Cache
from rl.search.descents import AHEAD, Descents, Leaves, wants_more
from rl.search.kernels import Settings
from rl.search.random import below, gumbel, random_bits, uniform
from rl.search.roots import best_slot, policy_surprise, root_policy, taught_value
from rl.search.tree import ROOT, Control, Tree
from rl.search.waves import begin, collect, win_at_once


class Budgets(NamedTuple):
    """What `SelfplayConfig` says of the plies, as kernels take it."""

    simulations: int
    fast_simulations: int
    full_search_fraction: float
    max_opening_plies: int
    opening_policy_share: float
    decided_value: float
    detour_share: float


_Records = npt.NDArray[np.void]
_OPENING, _LENGTH, _SEARCH, _BUDGET, _KIND, _DETOUR = 1, 2, 3, 4, 5, 6  # what a game's random numbers are drawn for
_OPENING_TRIES = 64
_DECIDED_SEARCHES = 3
"""So many searches in a row must see the same winner before a game counts as decided (KataGo: 3)."""
_DECIDED_SHARE = 0.1
"""Of the searches that would be full, how many are where the game is decided (KataGo: 0.1)."""


def place_dtype(game: Game) -> np.dtype[np.void]:
    """A place at the table: one of the B games in progress."""
    return np.dtype(
        [
            ("state", game.state_dtype),
            ("game_number", np.int64),
            ("key", np.uint64),  # of the game's random numbers
            ("num_steps", np.int32),
            ("opening_plies", np.int32),  # how many plies open the game
            ("attempt", np.int32),  # openings drawn before this one: they ended the game
            ("decided", np.int32),  # searches in a row that were sure: above 0 that player 0 wins, below that player 1
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
    step["is_detour"] = False
    step["num_targets"] = 0
    step["root_value"] = value
    step["surprise"] = 0.0
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
def open_game(game: Game, place: Any, control: Control, max_plies: int, attempt: int) -> None:
    """Set up a game and draw how many plies open it: `max_plies` times the square of a uniform number, or after many
    attempts none."""
    game.reset(place["state"])
    place["num_steps"] = 0
    place["attempt"] = attempt
    place["decided"] = 0
    control["history_length"] = 0
    share = uniform(random_bits(place["key"], np.uint64(_LENGTH)), np.uint64(attempt))
    place["opening_plies"] = int(share * share * (max_plies + 1)) if attempt < _OPENING_TRIES else 0


@inlined
def note_decided(place: Any, value: float, decided_value: float) -> None:
    """Count the searches in a row that were sure of the same winner; `value`, the newest's, is for the one to move."""
    leader = 1 if (value > 0.0) == (place["state"]["to_play"] == 0) else -1
    so_far = int(place["decided"])
    if abs(value) < decided_value:
        place["decided"] = 0
    else:
        place["decided"] = so_far + leader if so_far * leader > 0 else leader


@inlined
def is_decided(place: Any) -> bool:
    """Whether what is left of the game is a matter of form."""
    return bool(abs(int(place["decided"])) >= _DECIDED_SEARCHES)


@inlined
def in_opening(place: Any) -> bool:
    """Whether the next ply still opens the game."""
    return bool(place["num_steps"] < place["opening_plies"])


@njit
def start_search(
    game: Game,
    tree: Tree,
    control: Control,
    place: Any,
    steps: _Records,
    budgets: Budgets,
    on_board: BoolArray,
    mask: BoolArray,
) -> bool:
    """Begin the search of the next move; moves that need none are played at once. Returns whether the game ended.

    None is needed where there is no choice, and in an opening where the move is drawn from the legal ones. Only actions
    `on_board` [num_actions] are drawn where one is legal: after a random pass in Go the next player may end the game at
    once. An opening that ends the game is drawn again.
    """
    while True:
        count = count_legal(game, place, control, mask)
        bits = draw_key(place, _OPENING)
        opening, attempt = in_opening(place), np.uint64(place["attempt"])
        if opening and count > 1:
            if uniform(draw_key(place, _KIND), attempt) < budgets.opening_policy_share:
                begin(game, tree, control, place["state"], 1, bits, False)
                return False
            count = keep(mask, on_board, count)
        elif count > 1:
            break
        action = nth_legal(mask, below(random_bits(bits, attempt), count))
        record_step(place, steps, action, False, 0.0, 0)
        if play_action(game, place, control, steps, action):
            if not opening:
                return True
            open_game(game, place, control, budgets.max_opening_plies, int(attempt) + 1)
    fraction = budgets.full_search_fraction * (_DECIDED_SHARE if is_decided(place) else 1.0)
    full = uniform(draw_key(place, _BUDGET), np.uint64(0)) < fraction
    place["full"] = 1 if full else 0
    budget = budgets.simulations if full else budgets.fast_simulations
    # Noise only where it teaches: a fast search that explored would blur the outcomes that values are learnt from.
    begin(game, tree, control, place["state"], budget, draw_key(place, _SEARCH), full)
    return False


@inlined
def drawn_slot(tree: Tree, control: Control, place: Any, on_board: BoolArray, by_policy: bool) -> int:
    """A slot of the root, of those `on_board` where there are any: drawn from the network's policy, or evenly.

    The largest of logarithms of priors plus Gumbel variates is such a draw.
    """
    root, key = tree[ROOT], random_bits(draw_key(place, _OPENING), np.uint64(place["attempt"]))
    best, best_score, best_on_board = -1, -math.inf, False
    for slot in range(root["num_slots"]):
        wanted = on_board[root["slot_actions"][slot]]
        score = (control["root_logits"][slot] if by_policy else 0.0) + gumbel(key, np.uint64(slot))
        if best < 0 or (wanted and not best_on_board) or (wanted == best_on_board and score > best_score):
            best, best_score, best_on_board = slot, score, wanted
    return best


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
    budgets: Budgets,
    on_board: BoolArray,
    first: int,
    last: int,
    network_id: int,
    finished: npt.NDArray[np.int64],
) -> tuple[int, int, int]:
    """Play the chosen move wherever a search is complete, and begin the next one.

    Returns (moves played, games ended, places without a game); the places of ended games are written to `finished`.
    `steps` [B, T] and, for full searches, `policies` and `slot_actions` [B, T, A] take the record.
    """
    trees, steps = uncounted(trees), uncounted(steps)
    policies, slot_actions = uncounted(policies), uncounted(slot_actions)
    mask = np.empty(game.num_actions, np.bool_)
    num_moves, num_finished, num_free = 0, 0, 0
    for b in range(first, last):
        if b + AHEAD < last:
            prefetch_head(controls, b + AHEAD)
            prefetch_head(trees[b + AHEAD], ROOT)
        place, tree, control = places[b], trees[b], controls[b]
        if place["active"] == 0:
            num_free += 1
            continue
        if control["pending"] > 0 or wants_more(tree, control):
            continue
        opening = in_opening(place)
        full = place["full"] == 1 and not opening
        taught = taught_value(game, tree, control, settings)
        if opening:
            slot = drawn_slot(tree, control, place, on_board, True)
        else:
            win_at_once(game, tree, control)
            slot = best_slot(game, tree, control, settings)
            note_decided(place, taught, budgets.decided_value)
            num_moves += 1
        searched = slot
        if full and uniform(draw_key(place, _DETOUR), np.uint64(0)) < budgets.detour_share:
            by_policy = uniform(draw_key(place, _KIND), np.uint64(0)) < budgets.opening_policy_share
            slot = drawn_slot(tree, control, place, on_board, by_policy)
        action = int(tree[ROOT]["slot_actions"][slot])
        ply = int(place["num_steps"])
        record_step(place, steps[b], action, full, taught, network_id)
        if full:
            root_policy(game, tree, control, settings, policies[b, ply])
            steps[b, ply]["surprise"] = policy_surprise(tree, control, policies[b, ply])
            steps[b, ply]["is_detour"] = slot != searched
            num_slots = int(tree[ROOT]["num_slots"])
            steps[b, ply]["num_targets"] = num_slots
            for index in range(num_slots):
                slot_actions[b, ply, index] = tree[ROOT]["slot_actions"][index]
        ended = play_action(game, place, control, steps[b], action)
        if ended and opening:
            open_game(game, place, control, budgets.max_opening_plies, int(place["attempt"]) + 1)
            ended = False
        if not ended:
            ended = start_search(game, tree, control, place, steps[b], budgets, on_board, mask)
        if ended:
            place["active"] = 0
            finished[num_finished] = b
            num_finished += 1
    return num_moves, num_finished, num_free + num_finished


@njit
def play_on(
    game: Game,
    trees: _Records,
    controls: _Records,
    settings: Settings,
    cache: Cache,
    salt: np.uint64,
    places: _Records,
    steps: _Records,
    policies: FloatArray,
    slot_actions: npt.NDArray[Any],
    budgets: Budgets,
    on_board: BoolArray,
    first: int,
    last: int,
    network_id: int,
    finished: npt.NDArray[np.int64],
    num_rows: int,
    descents: Descents,
    leaves: Leaves,
    observations: FloatArray,
) -> tuple[int, int, int, int]:
    """Search and play in places first..last-1 until each waits for the network, or some games have ended.

    Returns (rows that wait, moves played, games ended, places without a game). Arguments as of `advance` and
    `rl.search.waves.collect`, whose turns these are. A small game may need the network no more, once the cache holds
    all its positions: this ends after as many moves as a game has.
    """
    total_moves, num_finished, num_free = 0, 0, 0
    for _ in range(game.max_num_moves):
        num_moves, num_finished, num_free = advance(
            game,
            trees,
            controls,
            settings,
            places,
            steps,
            policies,
            slot_actions,
            budgets,
            on_board,
            first,
            last,
            network_id,
            finished,
        )
        total_moves += num_moves
        if num_finished > 0:
            break
        num_rows = collect(
            game,
            trees,
            controls,
            settings,
            cache,
            salt,
            first,
            last,
            1,
            num_rows,
            descents,
            leaves,
            observations,
        )
        if num_moves == 0:
            break
    return num_rows, total_moves, num_finished, num_free
