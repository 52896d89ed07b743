"""Where the game of a query begins: on which board, by which rules, with which stones and komi, who to move.

The fields are KataGo's. Those that mean nothing to a game are ignored with a warning; those that it cannot satisfy are
errors.
"""

from __future__ import annotations

import json
from typing import Any

from games.base import Game, State
from rl.protocols.analysis.boards import Board, Boards
from rl.protocols.analysis.fields import QueryError, integer, number, shown
from rl.protocols.gtp.kata_rules import parse_rules
from rl.protocols.moves import COLOURS, BadRequest

Warnings = list[tuple[str, str]]
"""(field, message) of each."""

START_FIELDS = ("boardXSize", "boardYSize", "rules", "komi", "initialStones", "initialPlayer")


def find_board(boards: Boards, fields: dict[str, Any], warnings: Warnings) -> Board:
    """The board that a query's size and rules name. Raises QueryError; adds to `warnings`."""
    size = _size(fields)
    try:
        board = boards.find(size, {})
    except ValueError as error:
        raise QueryError(str(error), "boardXSize") from None
    if "rules" not in fields:
        return board
    if not _has_komi(board.game):
        warnings.append(("rules", f"'rules' is ignored: {board.game.name} has its own"))
        return board
    rules = fields["rules"]
    try:
        return boards.find(size, parse_rules(rules if isinstance(rules, str) else json.dumps(rules)))
    except (BadRequest, ValueError) as error:
        warnings.append(("rules", f"'rules' is ignored, {board.game.name} is analysed by its own: {error}"))
        return board


def first_state(game: Game, fields: dict[str, Any], warnings: Warnings) -> State:
    """The position that a query's moves begin at. Raises QueryError; adds to `warnings`."""
    state = game.new_state()
    stones = _stones(game, fields.get("initialStones", []))
    player = _first_player(game, fields, stones, int(state["to_play"]))
    if stones or player != int(state["to_play"]):
        try:
            game.set_up(state, stones, player)
        except ValueError as error:
            if stones:
                raise QueryError(f"'initialStones': {error}", "initialStones") from None
            told = shown(fields.get("initialPlayer", COLOURS[player]))
            raise QueryError(
                f"'initialPlayer': {COLOURS[0]} moves first, not {told}: {error}", "initialPlayer"
            ) from None
    if "komi" in fields and not _has_komi(game):
        warnings.append(("komi", f"'komi' is ignored: {game.name} has none"))
    elif "komi" in fields:
        _set_komi(game, state, number(fields, "komi"))
    return state


def _has_komi(game: Game) -> bool:
    return "komi" in (game.state_dtype.names or ())


def _set_komi(game: Game, state: State, komi: float) -> None:
    """As KataGo, whole and half points as far as 150 either way."""
    if not (abs(komi) <= 150 and 2 * komi == int(2 * komi)):
        raise QueryError(f"'komi' must be whole or half points from -150 to 150, not {komi:g}", "komi")
    state["komi"] = komi
    if float(state["komi"]) != komi:
        raise QueryError(f"{game.name} cannot be played with a komi of {komi:g}", "komi")


def _size(fields: dict[str, Any]) -> tuple[int, int] | None:
    """(width, height), None where a query tells neither."""
    told = [name for name in ("boardXSize", "boardYSize") if name in fields]
    if not told:
        return None
    if len(told) == 1:
        missing = "boardYSize" if told == ["boardXSize"] else "boardXSize"
        raise QueryError(f"'{told[0]}' without '{missing}': a board has both", missing)
    size = integer(fields, "boardXSize", 0), integer(fields, "boardYSize", 0)
    for name, cells in zip(told, size, strict=True):
        if not 1 <= cells <= 1000:
            raise QueryError(f"'{name}' is {shown(cells)}: there is no such board", name)
    return size


def _stones(game: Game, value: Any) -> list[tuple[int, int]]:
    """(player, action) of each of a query's initial stones."""
    if not isinstance(value, list):
        raise QueryError(f"'initialStones' must be a list of pairs, not {shown(value)}", "initialStones")
    stones = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise QueryError(f'\'initialStones\' has {shown(pair)}: stones are pairs as ["B", "D4"]', "initialStones")
        try:
            stones.append((_player(pair[0]), game.text_to_action(pair[1])))
        except ValueError as error:
            raise QueryError(f"'initialStones': {error}", "initialStones") from None
    return stones


def _first_player(game: Game, fields: dict[str, Any], stones: list[tuple[int, int]], usual: int) -> int:
    """Who moves first: as the query says, else as its first move does, else White after handicap stones."""
    if "initialPlayer" in fields:
        try:
            return _player(fields["initialPlayer"])
        except ValueError as error:
            raise QueryError(f"'initialPlayer': {error}", "initialPlayer") from None
    if type(game).set_up is Game.set_up:
        return usual
    moves = fields.get("moves")
    first = moves[0] if isinstance(moves, list) and moves else None
    if isinstance(first, list) and len(first) == 2 and str(first[0]).upper() in COLOURS:
        return _player(first[0])
    return 1 if len(stones) >= 2 and all(player == 0 for player, _ in stones) else usual


def _player(colour: Any) -> int:
    if not isinstance(colour, str) or colour.upper() not in COLOURS:
        raise ValueError(f"{shown(colour)} is no player: players are {' and '.join(COLOURS)}")
    return COLOURS.index(colour.upper())
