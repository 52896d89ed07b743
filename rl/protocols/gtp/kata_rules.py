"""Rules as KataGo's GTP commands write them, and as the options of a game's name.

    {"ko": "SIMPLE", "suicide": false}   <->   go9:ko=simple,suicide=no

Only area scoring is known. A game that lacks an option refuses it.
"""

from __future__ import annotations

import json
from typing import Any

from games.base import Game
from rl.protocols.gtp.lines import shown
from rl.protocols.moves import BadRequest

_FIXED: dict[str, Any] = {"scoring": "AREA", "tax": "NONE", "hasButton": False, "friendlyPassOk": False}
"""What no option changes."""
_IGNORED = ("whiteHandicapBonus",)
"""Points for handicap stones: the komi says them all."""
_KO = ("POSITIONAL", "SIMPLE", "SITUATIONAL")
_NAMED = {
    "tromp-taylor": ("POSITIONAL", True),
    "chinese": ("SIMPLE", False),
    "chinese-ogs": ("POSITIONAL", False),
    "chinese-kgs": ("POSITIONAL", False),
    "aga": ("SITUATIONAL", False),
    "bga": ("SITUATIONAL", False),
    "new-zealand": ("SITUATIONAL", True),
}


def parse_rules(text: str) -> dict[str, str]:
    """The options that a name or a JSON object of rules stands for. Raises BadRequest on rules that nobody plays."""
    if text.lower() in _NAMED:
        ko, suicide = _NAMED[text.lower()]
        return _options({"ko": ko, "suicide": suicide})
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise BadRequest(f"unknown rules {shown(text)}: known are {', '.join(_NAMED)} and JSON objects")
    for key, value in fields.items():
        if key in _FIXED and value != _FIXED[key]:
            raise BadRequest(f"{key} is always {json.dumps(_FIXED[key])}")
    return _options({key: value for key, value in fields.items() if key not in _FIXED and key not in _IGNORED})


def rules_text(game: Game) -> str:
    """The rules of a game as KataGo tells them."""
    options = dict(option.partition("=")[::2] for option in game.name.partition(":")[2].split(","))
    told = {"ko": options.get("ko", "positional").upper(), "suicide": options.get("suicide", "yes") == "yes"}
    return json.dumps({**told, **_FIXED, "whiteHandicapBonus": "0"}, sort_keys=True, separators=(",", ":"))


def _options(rules: dict[str, Any]) -> dict[str, str]:
    options = {}
    for key, value in rules.items():
        if key == "ko" and value in _KO:
            options[key] = value.lower()
        elif key == "suicide" and isinstance(value, bool):
            options[key] = "yes" if value else "no"
        else:
            raise BadRequest(f"rules know no {shown(key)} of {shown(json.dumps(value))}")
    return options
