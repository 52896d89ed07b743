"""Do the attributes of a game fit together?"""

from __future__ import annotations

from typing import Any

import numpy as np

from games.base import Game
from games.check.sample import Sample, require

_ATTRIBUTES: dict[str, type] = {
    "name": str,
    "state_dtype": np.dtype,
    "num_players": int,
    "num_actions": int,
    "num_slots": int,
    "max_num_moves": int,
    "observation_shape": tuple,
    "num_policy_planes": int,
    "num_extra_actions": int,
}


def declarations(game: Game, sample: Sample) -> str:
    """Every attribute of the contract is there, they agree with each other, and every action has its own logit."""
    for name, kind in _ATTRIBUTES.items():
        value = getattr(game, name, None)
        is_kind = isinstance(value, kind) and not isinstance(value, bool)
        require(is_kind, f"{name} has to be set in __init__, as {kind.__name__}: it is {value!r}")
    require(bool(game.name) and not set(game.name) & set(" \t\n/\\"), f"name {game.name!r}: one word, no slashes")
    _check_numbers(game)
    _check_state(game)
    _check_actions(game)
    planes, height, width = game.observation_shape
    return (
        f"{game.num_actions} actions, {planes} planes of {height} x {width}, {game.state_dtype.itemsize} bytes a state"
    )


def _check_numbers(game: Game) -> None:
    require(game.num_players in (1, 2), f"num_players is {game.num_players}: games have one or two players")
    require(
        1 <= game.num_slots <= game.num_actions,
        f"num_slots is {game.num_slots} and num_actions {game.num_actions}: num_slots, the most legal actions in any "
        "position, is from 1 to num_actions",
    )
    require(game.max_num_moves >= 1, f"max_num_moves is {game.max_num_moves}: it is at least 1")
    shape = game.observation_shape
    require(
        len(shape) == 3 and all(isinstance(size, int) and size >= 1 for size in shape),
        f"observation_shape is {shape}: it is (planes, rows, columns), each at least 1",
    )
    require(0 < game.discount <= 1, f"discount is {game.discount}: it is above 0 and at most 1")
    bounds = game.value_bounds
    require(bounds is None or bounds[0] < bounds[1], f"value_bounds is {bounds}: None, or the lower bound first")


def _check_state(game: Game) -> None:
    fields: Any = game.state_dtype.fields or {}
    for name in ("to_play", "num_moves"):
        whole = name in fields and fields[name][0].kind in "iu"
        require(whole, f"state_dtype needs the field {name}, an integer such as np.int16")
    require(not game.state_dtype.hasobject, "state_dtype holds Python objects: only numbers of fixed size compile")
    most = int(np.iinfo(fields["num_moves"][0]).max)
    require(
        most >= game.max_num_moves,
        f"the state's num_moves holds at most {most}, max_num_moves is {game.max_num_moves}: take a larger integer",
    )


def _check_actions(game: Game) -> None:
    dtype = game.action_dtype
    require(
        dtype.shape == () and dtype.kind in "iu" and int(np.iinfo(dtype).max) >= game.num_actions - 1,
        f"action_dtype {dtype} does not hold the actions 0 to {game.num_actions - 1}: take a larger integer",
    )
    cells = np.asarray(game.action_cells())
    require(
        cells.shape == (game.num_actions, 3) and cells.dtype.kind in "iu",
        f"action_cells is {cells.dtype} {cells.shape}: (plane, row, column) of each of {game.num_actions} actions",
    )
    _, height, width = game.observation_shape
    for action, (plane, row, column) in enumerate(cells.tolist()):
        extra = plane == -1 and 0 <= row < game.num_extra_actions and column == 0
        cell = 0 <= plane < game.num_policy_planes and 0 <= row < height and 0 <= column < width
        require(
            extra or cell,
            f"action_cells puts action {action} at {(plane, row, column)}: outside {game.num_policy_planes} planes of "
            f"{height} x {width} and {game.num_extra_actions} extra actions",
        )
