"""Random games as records, for the tests of the replay: plain Python over the contract, no kernel of the replay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from games.base import Game, HashArray, State
from rl.replay.records import GameRecord, make_record, step_dtype
from rl.replay.window import Batch, Window, WindowConfig

NO_HOLDOUT = WindowConfig(holdout_fraction=0.0, trace_decay=0.0)


def replayed(game: Game, actions: Sequence[int], *, first_player: int = 0) -> tuple[State, HashArray]:
    """The state after `actions` and the history before it."""
    state, history = game.new_state(), np.zeros(0, np.uint64)
    state["to_play"] = first_player
    for action in actions:
        past = history
        if game.uses_history:
            history = np.append(history, np.uint64(game.history_hash(state)))
        game.step(state, int(action), past)
    return state, history


def random_game(game: Game, game_number: int, target_share: float = 0.7) -> GameRecord:
    """A game of random moves and random policies, a function of its number; root_value tells (number, ply)."""
    rng = np.random.default_rng(game_number)
    state, history = game.new_state(), np.zeros(0, np.uint64)
    mask = np.zeros(game.num_actions, np.bool_)
    steps, policies, terminated = [], [], False
    while not terminated:
        game.legal_actions(state, history, mask)
        legal = np.flatnonzero(mask)
        step = np.zeros(1, step_dtype(game))
        step["action"], step["to_play"] = rng.choice(legal), state["to_play"]
        step["is_target"], step["root_value"] = rng.random() < target_share, game_number + len(steps) / 256
        if game.stores_states:
            step["state"] = state
        if step["is_target"][0]:
            policies.append((legal, rng.dirichlet(np.full(len(legal), 0.5)).astype(np.float32)))
        past = history
        if game.uses_history:
            history = np.append(history, np.uint64(game.history_hash(state)))
        step["reward"], terminated = game.step(state, int(step["action"][0]), past)
        steps.append(step)
    return make_record(game, game_number, np.concatenate(steps), policies)


def played(game: Game, actions: Sequence[int], game_number: int = 0) -> GameRecord:
    """A game of given moves, every position a target whose policy is the move played."""
    steps, policies = np.zeros(len(actions), step_dtype(game)), []
    state = game.new_state()
    for step, action in zip(steps, actions, strict=True):
        step["action"], step["to_play"], step["is_target"] = action, state["to_play"], True
        step["reward"], _ = game.step(state, action, np.zeros(0, np.uint64))
        policies.append((np.array([action]), np.ones(1, np.float32)))
    return make_record(game, game_number, steps, policies)


def window_of(game: Game, numbers: range, config: WindowConfig = NO_HOLDOUT) -> Window:
    window = Window(game, config)
    window.add_all(random_game(game, number) for number in numbers)
    return window


def origins(batch: Batch) -> list[tuple[int, int]]:
    """(game number, ply) of each row, which `random_game` hides in root_value."""
    return [(int(value), round(value % 1 * 256)) for value in batch.lambda_returns.astype(float)]
