"""`keima rules`: a game's rules as JSON, one request a line in, one answer a line out.

    {"moves": ["4", "4"]}
    {"to_play": 0, "legal": ["1", ...], "terminated": false, "returns": null, "observation_shape": [2, 6, 7]}

`to_play` is the player to move, 0 or 1, null at the end; `legal` is then empty, and `returns` what players 0 and 1
got. With `"trace": true`, `num_legal` lists the number of legal moves before each ply. An `"id"` comes back as it was
given. A bad request is answered by `{"error": ...}`, which names the ply of a bad move, counted from 1.
"""

from __future__ import annotations

import json
from typing import Any

from games.base import Game
from rl.protocols.moves import BadRequest, replay

_FIELDS = ("id", "moves", "trace")


def answer(game: Game, line: bytes) -> dict[str, Any]:
    """The answer to one line of input, whatever it holds."""
    answered: dict[str, Any] = {}
    try:
        request = parse(line)
        if "id" in request:
            answered["id"] = request["id"]
        if unknown := [field for field in request if field not in _FIELDS]:
            answered["warning"] = f"unknown fields: {', '.join(unknown)}"
        return answered | _describe(game, request)
    except BadRequest as error:
        return answered | {"error": str(error)}


def parse(line: bytes) -> dict[str, Any]:
    """The JSON object on `line`. Raises BadRequest when there is none."""
    try:
        request = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not JSON: {error}") from None
    if not isinstance(request, dict):
        raise BadRequest("not a JSON object")
    return request


def _describe(game: Game, request: dict[str, Any]) -> dict[str, Any]:
    trace = request.get("trace", False)
    if not isinstance(trace, bool):
        raise BadRequest('"trace" must be true or false')
    if "moves" not in request:
        raise BadRequest('"moves" is missing')
    positions = replay(game, request["moves"])
    last = positions[-1]
    described: dict[str, Any] = {
        "to_play": None if last.terminated else int(last.state["to_play"]),
        "legal": [game.action_to_text(int(action)) for action in last.legal.nonzero()[0]],
        "terminated": last.terminated,
        "returns": last.returns,
        "observation_shape": game.observation_shape,
    }
    if trace:
        described["num_legal"] = [int(position.legal.sum()) for position in positions[:-1]]
    return described
