"""What one line of the analysis protocol asks for: parsing and checking, no search.

A line is one JSON object: a query (positions to analyse) or, when it has `action`, an order to the engine. The field
names are those of KataGo's analysis engine; where its fields mean nothing to a game they are named in a warning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from rl.protocols.analysis.boards import Board, Boards
from rl.protocols.analysis.fields import QueryError, boolean, integer, integers, shown
from rl.protocols.analysis.start import START_FIELDS, Warnings, find_board, first_state
from rl.protocols.moves import BadRequest, Position, replay

_QUERY_FIELDS = frozenset(
    (
        *("id", "moves", "maxVisits", "analyzeTurns", "includePolicy", "includeOwnership", "priority", "priorities"),
        *START_FIELDS,
    )
)
_MAX_NESTING = 16
OWNERSHIP_NOTE = "this agent predicts no score: ownership and scoreLead count the end of the principal variation"
_ORDER_FIELDS = {
    "query_version": frozenset(("id", "action")),
    "query_models": frozenset(("id", "action")),
    "clear_cache": frozenset(("id", "action")),
    "terminate": frozenset(("id", "action", "terminateId", "turnNumbers")),
    "terminate_all": frozenset(("id", "action", "turnNumbers")),
}


@dataclass(frozen=True)
class Query:
    """Positions to analyse, with how."""

    query_id: str
    board: Board
    positions: dict[int, Position]
    """By turn number; 0 is the start."""
    priorities: dict[int, int]
    """By turn number; higher ones are served first."""
    max_visits: int
    include_policy: bool
    include_ownership: bool
    """False where the game is not scored."""


@dataclass(frozen=True)
class Order:
    """Something other than analysis: one of KataGo's actions."""

    action: str
    fields: Mapping[str, Any]
    """The object as it came, to be echoed."""
    terminate_id: str | None = None
    """`terminate`: the query to end; None for `terminate_all`."""
    turns: frozenset[int] | None = None
    """Only these turns of it; None: all."""


def parse_line(boards: Boards, line: str) -> tuple[Query | Order, list[dict[str, Any]]]:
    """What a line asks for, and the warnings to send with it. Raises QueryError."""
    fields = _parse_object(line)
    query_id = fields.get("id")
    if "id" not in fields:
        raise QueryError("a query needs an 'id'", "id")
    if not isinstance(query_id, str):
        raise QueryError(f"'id' must be a string, not {shown(query_id)}", "id")
    warnings: Warnings = []
    try:
        if "action" in fields:
            asked: Query | Order = _parse_order(fields)
            known = _ORDER_FIELDS[fields["action"]]
        else:
            asked = _parse_query(boards, fields, warnings)
            known = _QUERY_FIELDS
    except QueryError as error:
        error.query_id = query_id
        raise
    warnings += [(name, f"unknown field {name!r} is ignored") for name in fields if name not in known]
    warnings.sort(key=lambda warning: list(fields).index(warning[0]))
    return asked, [{"warning": message, "field": name, "id": query_id} for name, message in warnings]


def _parse_object(line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"not a line of JSON: {str(error)[:200]}") from None
    if not isinstance(fields, dict):
        raise QueryError("a line must be a JSON object")
    if _is_deeper(fields, _MAX_NESTING):
        raise QueryError(f"nested more than {_MAX_NESTING} deep")
    return fields


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested more than `levels` deep. Then echoing them could exhaust the stack."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(part, levels - 1) for part in parts if isinstance(part, (dict, list)))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _parse_order(fields: dict[str, Any]) -> Order:
    action = fields["action"]
    if not isinstance(action, str) or action not in _ORDER_FIELDS:
        raise QueryError(f"unknown action {shown(action)}: the actions are {', '.join(_ORDER_FIELDS)}", "action")
    terminate_id = fields.get("terminateId")
    if action == "terminate" and not isinstance(terminate_id, str):
        raise QueryError("'terminateId' must be the id of a query, a string", "terminateId")
    turns = frozenset(integers(fields, "turnNumbers")) if "turnNumbers" in fields else None
    return Order(action, fields, terminate_id if action == "terminate" else None, turns)


def _parse_query(boards: Boards, fields: dict[str, Any], warnings: Warnings) -> Query:
    board = find_board(boards, fields, warnings)
    positions = _replay(board, fields, warnings)
    last_turn, limits = len(positions) - 1, board.limits
    max_visits = integer(fields, "maxVisits", limits.default_visits)
    if not 1 <= max_visits <= limits.max_visits:
        raise QueryError(f"'maxVisits' must be from 1 to {limits.max_visits}, not {shown(max_visits)}", "maxVisits")
    include_policy, include_ownership = boolean(fields, "includePolicy"), boolean(fields, "includeOwnership")
    if include_ownership and not board.game.is_scored:
        warnings.append(("includeOwnership", f"'includeOwnership' is ignored: {board.game.name} is not scored"))
    elif include_ownership and not boards.foretell_scores:
        warnings.append(("includeOwnership", OWNERSHIP_NOTE))
    turns = integers(fields, "analyzeTurns") if "analyzeTurns" in fields else [last_turn]
    if not turns:
        raise QueryError("'analyzeTurns' is empty: nothing to analyse", "analyzeTurns")
    for turn in turns:
        if not 0 <= turn <= last_turn:
            raise QueryError(f"'analyzeTurns': turn {shown(turn)} is not in 0 to {last_turn}", "analyzeTurns")
    priorities = dict(zip(turns, _parse_priorities(fields, len(turns)), strict=True))
    chosen = {turn: positions[turn] for turn in turns}
    owned = include_ownership and board.game.is_scored
    return Query(fields["id"], board, chosen, priorities, max_visits, include_policy, owned)


def _replay(board: Board, fields: dict[str, Any], warnings: Warnings) -> list[Position]:
    if "moves" not in fields:
        raise QueryError("a query needs 'moves', a list (empty at the start of the game)", "moves")
    start = first_state(board.game, fields, warnings)
    try:
        return replay(board.game, fields["moves"], start)
    except BadRequest as error:
        raise QueryError(str(error), "moves") from None


def _parse_priorities(fields: dict[str, Any], num_turns: int) -> list[int]:
    if "priorities" not in fields:
        return [integer(fields, "priority", 0)] * num_turns
    priorities = integers(fields, "priorities")
    if len(priorities) != num_turns:
        raise QueryError(
            f"'priorities' must be as many as 'analyzeTurns', {num_turns}, not {len(priorities)}", "priorities"
        )
    return priorities
