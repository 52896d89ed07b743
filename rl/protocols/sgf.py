"""Game records in the Smart Game Format, FF[4]: the main line of one game, its set-up stones, komi and result.

Comments tell the search's win rate before each move that was searched. Which games can be saved, and how their moves
are written, the game says itself (`Game.sgf_number`, `Game.sgf_letters`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sgfmill import sgf_grammar

from games.base import Game
from rl.protocols.gtp.search import winrate
from rl.protocols.moves import COLOURS, BadRequest
from rl.protocols.played_game import (
    PlayedGame,
    Ply,
    SearchNote,
    has_komi,
    parse_move,
    replayed,
    result_text,
    takes_stones,
)

MOST_BYTES = 1 << 20
"""No record of one game is longer."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DEFAULT_SIZES = {1: 19, 2: 8, 4: 15, 11: 11}
"""Board sizes of records that tell none, by the number of their game (SGF's rules for 1 and 11)."""

Properties = Mapping[str, list[bytes]]


@dataclass(frozen=True)
class SgfInfo:
    """What a record tells besides the moves."""

    black: str = ""
    """Name of player 0."""
    white: str = ""
    """Name of player 1."""
    result: str | None = None
    """As SGF writes it, `W+R` say; None: from the game itself, unknown while it goes on."""
    comment: str = ""
    """Of the whole game."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Other properties of the root, `EV` or `DT` say."""


def check_sgf(game: Game) -> int:
    """The number of `game` in SGF. Raises BadRequest where it has none."""
    if game.sgf_number is None:
        raise BadRequest(f"SGF has no records of {game.name}")
    return game.sgf_number


def actions_to_sgf(
    game: Game, actions: Sequence[int], values: Sequence[float | None] = (), info: SgfInfo | None = None
) -> str:
    """The record of a game from its actions and, where they are known, the search's values before each of them, for
    the player to move. Raises BadRequest for an illegal action, or a game that SGF does not know."""
    notes = [None if value is None else SearchNote(value, 0) for value in values]
    return write_sgf(replayed(game, actions, notes), info)


def write_sgf(played: PlayedGame, info: SgfInfo | None = None) -> str:
    """The record of a game, its lines without empty ones among them. Raises BadRequest where SGF does not know it."""
    game, info = played.game, info or SgfInfo()
    _, height, width = game.observation_shape
    root = {
        "FF": "4",
        "GM": str(check_sgf(game)),
        "CA": "UTF-8",
        "AP": "Keima",
        "SZ": str(width) if width == height else f"{width}:{height}",
        "RE": info.result or (result_text(played) if played.terminated else "?"),
        "PB": info.black,
        "PW": info.white,
        "C": info.comment,
        **info.more,
    }
    if played.komi is not None:
        root["KM"] = f"{played.komi:g}"
    properties = {key: [_escaped(value)] for key, value in root.items() if value}
    if played.set_up_stones:
        properties |= _set_up_properties(played)
    tree = sgf_grammar.Coarse_game_tree()
    tree.sequence = [properties, *(_move_properties(game, ply) for ply in played.plies if not ply.inserted)]
    text: bytes = sgf_grammar.serialise_game_tree(tree)
    return text.decode()


def read_sgf(data: bytes, make_game: Callable[[int], Game], last_move: int | None = None) -> PlayedGame:
    """The main line of a record, the first `last_move` moves of it, on a game of its board's size from `make_game`.

    Raises BadRequest, in one line, where `data` is no record of such a game or one of its moves is illegal.
    """
    nodes = _main_line(data)
    root = nodes[0]
    number = _number(root, "GM", 1)
    game = make_game(_size(root, number))
    if number != check_sgf(game):
        raise BadRequest(f"the record is of game {number} (GM), not of {game.name}")
    played = PlayedGame(game)
    if "KM" in root and has_komi(game):
        played.set_komi(_komi(root))
    _set_up(played, root)
    num_moves = 0
    for node in nodes:
        if node is not root and any(name in node for name in ("AB", "AW", "AE")):
            raise BadRequest(f"the record changes stones after move {num_moves}: only the first node may")
        for colour in COLOURS:
            for raw in node.get(colour, []):
                if num_moves == last_move:
                    return played
                num_moves += 1
                try:
                    played.play(COLOURS.index(colour), _action(game, _text(raw)))
                except BadRequest as error:
                    raise BadRequest(f"move {num_moves} of the record: {error}") from None
    return played


# --- writing ----------------------------------------------------------------------------------------------------------


def _escaped(text: str) -> bytes:
    lines = [line.rstrip() for line in text.splitlines()]
    escaped: bytes = sgf_grammar.escape_text("\n".join(line for line in lines if line).encode())
    return escaped


def _set_up_properties(played: PlayedGame) -> dict[str, list[bytes]]:
    properties: dict[str, list[bytes]] = {}
    for player, action in played.set_up_stones:
        properties.setdefault(f"A{COLOURS[player]}", []).append(_escaped(_move_text(played.game, action)))
    first = played.plies[0].player if played.plies else played.to_play
    properties["PL"] = [COLOURS[first].encode()]
    if len(properties.get("AB", [])) >= 2 and "AW" not in properties:
        properties["HA"] = [str(len(properties["AB"])).encode()]
    return properties


def _move_properties(game: Game, ply: Ply) -> dict[str, list[bytes]]:
    properties = {COLOURS[ply.player]: [_escaped(_move_text(game, ply.action))]}
    if ply.note is not None:
        visits = f" ({ply.note.visits} visits)" if ply.note.visits else ""
        share = 100.0 * winrate(game, ply.note.value)
        properties["C"] = [_escaped(f"{COLOURS[ply.player]} {share:.1f} %{visits}")]
    return properties


def _move_text(game: Game, action: int) -> str:
    text = game.action_to_text(action)
    if text == "pass":
        return ""
    if not game.sgf_letters:
        return text
    plane, row, column = game.action_cells()[action].tolist()
    return text if plane != 0 else _LETTERS[column] + _LETTERS[row]


# --- reading ----------------------------------------------------------------------------------------------------------


def _main_line(data: bytes) -> list[Properties]:
    if len(data) > MOST_BYTES:
        raise BadRequest(f"the record is longer than {MOST_BYTES} bytes")
    try:
        tree = sgf_grammar.parse_sgf_game(data)
    except ValueError as error:
        raise BadRequest(f"no SGF: {error}") from None
    nodes: Iterator[Properties] = sgf_grammar.main_sequence_iter(tree)
    return list(nodes)


def _text(raw: bytes) -> str:
    text: bytes = sgf_grammar.simpletext_value(raw)
    return text.decode(errors="replace").strip()


def _first(node: Properties, name: str, default: str) -> str:
    return _text(node[name][0]) if name in node else default


def _number(node: Properties, name: str, default: int) -> int:
    text = _first(node, name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise BadRequest(f"{name} of the record is no number")
    return int(text)


def _size(root: Properties, number: int) -> int:
    size = _first(root, "SZ", str(_DEFAULT_SIZES.get(number, 19)))
    width, colon, height = size.partition(":")
    if colon and width != height:
        raise BadRequest("the record is of a board that is not square")
    return _number({"SZ": [width.encode()]}, "SZ", 0)


def _komi(root: Properties) -> float:
    text = _first(root, "KM", "0") or "0"
    if not re.fullmatch(r"[-+]?[0-9]{1,6}(\.[0-9]{0,6})?", text):
        raise BadRequest("KM of the record is no number")
    return float(text)


def _set_up(played: PlayedGame, root: Properties) -> None:
    game = played.game
    if "AE" in root:
        raise BadRequest("the record's first node empties points")
    stones = [
        (player, _action(game, point))
        for player, colour in enumerate(COLOURS)
        for raw in root.get(f"A{colour}", [])
        for point in _points(_text(raw))
    ]
    player = _first(root, "PL", "W" if stones and "AW" not in root else "B")[:1].upper()
    if player not in COLOURS:
        raise BadRequest("PL of the record is no colour")
    if stones and not takes_stones(game):
        raise BadRequest(f"{game.name} takes no set-up stones")
    if stones:
        played.set_up(stones, COLOURS.index(player))


def _points(text: str) -> list[str]:
    """The points of an entry; `aa:cc` is a rectangle."""
    corners = re.fullmatch(r"([a-zA-Z])([a-zA-Z]):([a-zA-Z])([a-zA-Z])", text)
    if corners is None:
        return [text]
    left, top, right, bottom = (_LETTERS.index(letter) for letter in corners.groups())
    return [_LETTERS[column] + _LETTERS[row] for column in range(left, right + 1) for row in range(top, bottom + 1)]


def _action(game: Game, text: str) -> int:
    """The action that a move's or stone's text names, in SGF's way or the game's own."""
    _, height, width = game.observation_shape
    if text == "" or (text == "tt" and game.sgf_letters and max(height, width) <= 19):
        return parse_move(game, "pass")
    if game.sgf_letters and re.fullmatch(r"[a-zA-Z]{2}", text):
        cell = (0, _LETTERS.index(text[1]), _LETTERS.index(text[0]))
        for action, place in enumerate(game.action_cells().tolist()):
            if tuple(place) == cell:
                return action
        raise BadRequest(f"{text} is no point of the board")
    return parse_move(game, text)
