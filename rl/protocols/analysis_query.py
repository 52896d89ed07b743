"""What one line of the analysis protocol asks for: parsing and checking, no search.

A line is one JSON object: a query (positions to analyse) or, when it has `action`, an order to the engine. The field
names are those of KataGo's analysis engine; where its fields mean nothing to a game they are named in a warning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from games.base import Game
from rl.protocols.moves import COLOURS, BadRequest, Position, replay

_QUERY_FIELDS = frozenset(
    ("id", "moves", "initialPlayer", "maxVisits", "analyzeTurns", "includePolicy", "priority", "priorities")
)
_MAX_NESTING = 16
_ORDER_FIELDS = {
    "query_version": frozenset(("id", "action")),
    "query_models": frozenset(("id", "action")),
    "clear_cache": frozenset(("id", "action")),
    "terminate": frozenset(("id", "action", "terminateId", "turnNumbers")),
    "terminate_all": frozenset(("id", "action", "turnNumbers")),
}


class QueryError(Exception):
    """A line that cannot be served: a message, and the field and the query's id where they are known."""

    def __init__(self, message: str, field: str | None = None, query_id: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.query_id = query_id

    def answer(self) -> dict[str, Any]:
        """The object to send back."""
        known = {"field": self.field, "id": self.query_id}
        return {"error": str(self), **{name: value for name, value in known.items() if value is not None}}


@dataclass(frozen=True)
class Query:
    """Positions to analyse, with how."""

    query_id: str
    positions: dict[int, Position]
    """By turn number; 0 is the start."""
    priorities: dict[int, int]
    """By turn number; higher ones are served first."""
    max_visits: int
    include_policy: bool


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


class Limits(NamedTuple):
    """What a query gets when it does not say, and the most it may ask for."""

    default_visits: int
    max_visits: int


def parse_line(game: Game, line: str, limits: Limits) -> tuple[Query | Order, list[dict[str, Any]]]:
    """What a line asks for, and the warnings to send with it. Raises QueryError."""
    fields = _parse_object(line)
    query_id = fields.get("id")
    if "id" not in fields:
        raise QueryError("a query needs an 'id'", "id")
    if not isinstance(query_id, str):
        raise QueryError(f"'id' must be a string, not {_shown(query_id)}", "id")
    try:
        if "action" in fields:
            asked: Query | Order = _parse_order(fields)
            known = _ORDER_FIELDS[fields["action"]]
        else:
            asked = _parse_query(game, fields, limits)
            known = _QUERY_FIELDS
    except QueryError as error:
        error.query_id = query_id
        raise
    unknown = [name for name in fields if name not in known]
    return asked, [{"warning": f"unknown field {name!r} is ignored", "field": name, "id": query_id} for name in unknown]


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
        raise QueryError(f"unknown action {_shown(action)}: the actions are {', '.join(_ORDER_FIELDS)}", "action")
    terminate_id = fields.get("terminateId")
    if action == "terminate" and not isinstance(terminate_id, str):
        raise QueryError("'terminateId' must be the id of a query, a string", "terminateId")
    turns = frozenset(_integers(fields, "turnNumbers")) if "turnNumbers" in fields else None
    return Order(action, fields, terminate_id if action == "terminate" else None, turns)


def _parse_query(game: Game, fields: dict[str, Any], limits: Limits) -> Query:
    positions = _replay(game, fields)
    last_turn = len(positions) - 1
    max_visits = _integer(fields, "maxVisits", limits.default_visits)
    if not 1 <= max_visits <= limits.max_visits:
        raise QueryError(f"'maxVisits' must be from 1 to {limits.max_visits}, not {_shown(max_visits)}", "maxVisits")
    include_policy = fields.get("includePolicy", False)
    if not isinstance(include_policy, bool):
        raise QueryError(f"'includePolicy' must be true or false, not {_shown(include_policy)}", "includePolicy")
    turns = _integers(fields, "analyzeTurns") if "analyzeTurns" in fields else [last_turn]
    if not turns:
        raise QueryError("'analyzeTurns' is empty: nothing to analyse", "analyzeTurns")
    for turn in turns:
        if not 0 <= turn <= last_turn:
            raise QueryError(f"'analyzeTurns': turn {_shown(turn)} is not in 0 to {last_turn}", "analyzeTurns")
    priorities = _parse_priorities(fields, len(turns))
    chosen = {turn: positions[turn] for turn in turns}
    return Query(fields["id"], chosen, dict(zip(turns, priorities, strict=True)), max_visits, include_policy)


def _replay(game: Game, fields: dict[str, Any]) -> list[Position]:
    if "moves" not in fields:
        raise QueryError("a query needs 'moves', a list (empty at the start of the game)", "moves")
    try:
        positions = replay(game, fields["moves"])
    except BadRequest as error:
        raise QueryError(str(error), "moves") from None
    colour = COLOURS[int(positions[0].state["to_play"])]
    if str(fields.get("initialPlayer", colour)).upper() != colour:
        shown = _shown(fields["initialPlayer"])
        raise QueryError(f"'initialPlayer': {colour} moves first, not {shown}", "initialPlayer")
    return positions


def _parse_priorities(fields: dict[str, Any], num_turns: int) -> list[int]:
    if "priorities" not in fields:
        return [_integer(fields, "priority", 0)] * num_turns
    priorities = _integers(fields, "priorities")
    if len(priorities) != num_turns:
        raise QueryError(
            f"'priorities' must be as many as 'analyzeTurns', {num_turns}, not {len(priorities)}", "priorities"
        )
    return priorities


def _integer(fields: dict[str, Any], name: str, default: int) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise QueryError(f"'{name}' must be an integer, not {_shown(value)}", name)
    return value


def _integers(fields: dict[str, Any], name: str) -> list[int]:
    values = fields[name]
    if not isinstance(values, list) or any(not isinstance(value, int) or isinstance(value, bool) for value in values):
        raise QueryError(f"'{name}' must be a list of integers, not {_shown(values)}", name)
    return values


def _shown(value: Any) -> str:
    """A value from a line as JSON, short enough for a message."""
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
