"""Fields of a line of the analysis protocol: read by what they have to hold, refused in one line that names them."""

from __future__ import annotations

import json
import math
from typing import Any


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


def integer(fields: dict[str, Any], name: str, default: int) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise QueryError(f"'{name}' must be an integer, not {shown(value)}", name)
    return value


def integers(fields: dict[str, Any], name: str) -> list[int]:
    values = fields[name]
    if not isinstance(values, list) or any(not isinstance(value, int) or isinstance(value, bool) for value in values):
        raise QueryError(f"'{name}' must be a list of integers, not {shown(values)}", name)
    return values


def number(fields: dict[str, Any], name: str) -> float:
    value = fields[name]
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < math.inf:
        raise QueryError(f"'{name}' must be a number, not {shown(value)}", name)
    return float(value)


def boolean(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise QueryError(f"'{name}' must be true or false, not {shown(value)}", name)
    return value


def shown(value: Any) -> str:
    """A value from a line as JSON, short enough for a message."""
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
