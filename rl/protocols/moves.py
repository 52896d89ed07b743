"""Moves as text: what the protocols share. Replays a list of moves and names the ply of a bad one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from games.base import BoolArray, Game, HashArray, State

COLOURS = ("B", "W")
"""How protocols call players 0 and 1."""


class BadRequest(ValueError):
    """A request that cannot be answered; the message, one line, becomes the answer's "error"."""


class Position(NamedTuple):
    """One position of a game, and what led to it."""

    state: State
    history: HashArray
    """[K] uint64: `history_hash` of the positions before this one, oldest first; empty unless the game uses it."""
    legal: BoolArray
    """[num_actions] True = legal; all False once the game has ended."""
    terminated: bool
    returns: tuple[float, ...] | None
    """[num_players] what each player got, at the end; None before."""


def replay(game: Game, moves: object, start: State | None = None) -> list[Position]:
    """The positions of a game, the start first: one more than there are moves.

    `start` is a position that was set up; by default the game's own first one. `moves` is a list whose entries are a
    move's text ("4") or KataGo's pair of player and move (["B", "4"]).
    Raises BadRequest that names the ply of the first bad move, counted from 1.
    """
    if not isinstance(moves, list):
        raise BadRequest('"moves" must be a list of moves')
    state = game.new_state() if start is None else start.copy()
    history = np.zeros(0, np.uint64)
    returns = np.zeros(game.num_players)
    positions = [Position(state.copy(), history, _legal_actions(game, state, history), False, None)]
    for ply, move in enumerate(moves, start=1):
        before = positions[-1]
        try:
            if before.terminated:
                raise BadRequest("the game is over")
            action = _action(game, before, move)
        except ValueError as error:
            raise BadRequest(f"ply {ply}: {error}") from None
        player = int(state["to_play"])
        if game.uses_history:
            history = np.append(history, np.uint64(game.history_hash(state)))
        reward, terminated = game.step(state, action, before.history)
        returns[player] += reward
        if game.zero_sum and game.num_players == 2:
            returns[1 - player] -= reward
        legal = np.zeros(game.num_actions, np.bool_) if terminated else _legal_actions(game, state, history)
        ended = tuple(float(part) for part in returns) if terminated else None
        positions.append(Position(state.copy(), history, legal, bool(terminated), ended))
    return positions


def _legal_actions(game: Game, state: State, history: HashArray) -> BoolArray:
    legal = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(state, history, legal)
    return legal


def _action(game: Game, before: Position, move: object) -> int:
    """The action that `move` names in the position `before` it."""
    if isinstance(move, list) and len(move) == 2:
        player, move = move
        colour = COLOURS[int(before.state["to_play"])]
        if not isinstance(player, str) or player.upper() not in COLOURS:
            raise BadRequest(f"{player!r} is no player: players are {' and '.join(COLOURS)}")
        if player.upper() != colour:
            raise BadRequest(f"{player.upper()} is not to move, {colour} is")
    if not isinstance(move, str):
        raise BadRequest(f"{move!r} is no move: moves are strings")
    action = game.text_to_action(move)
    if not before.legal[action]:
        raise BadRequest(f"{move} is not legal here")
    return action
