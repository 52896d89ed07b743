"""What a person can ask for at the board, by key or by word."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from games.base import Game
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import parse_move
from rl.protocols.sgf import MOST_BYTES, read_sgf
from scripts.terminal.app.levels import level_text
from scripts.terminal.app.pictures import picture, written
from scripts.terminal.app.review import Review
from scripts.terminal.app.screens import HelpScreen, LevelScreen
from scripts.terminal.app.view import HEAT_KINDS
from scripts.terminal.thinking import LEVELS, Budget, Strength

if TYPE_CHECKING:
    from scripts.terminal.app.table import Table

REVIEW_SIMULATIONS = 400
"""Positions that a review looks at for each move."""
_MOST_VISITS = 200_000
_MOST_SECONDS = 3600.0


def open_record(game: Game, path: Path) -> Callable[[Table], None]:
    """Read a record of `game`; what is returned shows its review at a table. Raises BadRequest and OSError."""
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    played = read_sgf(data, lambda size: _of_size(game, size))
    return lambda table: _show_review(table, Review(played, table.session, REVIEW_SIMULATIONS))


def _of_size(game: Game, size: int) -> Game:
    _, height, width = game.observation_shape
    if (height, width) != (size, size):
        raise BadRequest(f"the record is of a board of {size}x{size}, {game.name} is played on {width}x{height}")
    return game


def _show_review(table: Table, review: Review) -> None:
    table.review = review
    table.redraw()


# --- the commands: each returns what to say ---------------------------------------------------------------------------


def _move(table: Table, text: str) -> str | None:
    if table.review is not None:
        raise BadRequest("this is a review: Enter plays on from here, Esc leaves")
    table.play(parse_move(table.session.game, text.replace(" ", "").replace("-", "")))
    return None


def _undo(table: Table, text: str) -> str:
    _at_the_game(table)
    table.session.undo()
    table.forget_choice()
    return "Taken back."


def _redo(table: Table, text: str) -> str:
    _at_the_game(table)
    table.session.redo()
    return "Played again."


def _swap(table: Table, text: str) -> str:
    _at_the_game(table)
    table.session.swap()
    table.forget_choice()
    people = [table.session.name_of(player) for player in (0, 1) if table.session.seats[player].is_person]
    return f"You are {people[0]} now." if people else "The agents have changed sides."


def _resign(table: Table, text: str) -> str:
    _at_the_game(table)
    table.session.resign()
    return f"{table.session.result()}. F4 reviews the game, F2 begins another."


def _new(table: Table, text: str) -> str:
    table.review = None
    table.session.begin()
    table.forget_choice()
    return "A new game."


def _hint(table: Table, text: str) -> str:
    table.shows_hints = not table.shows_hints
    if table.shows_hints and not table.session.ponders:
        table.session.set_pondering(True)
    if table.shows_hints and table.heat == "off":
        table.heat = "visits"
    elif not table.shows_hints:
        table.heat = "off"
    return "Hints: the more the agent likes a move, the warmer its cell." if table.shows_hints else "No hints."


def _heat(table: Table, text: str) -> str:
    kinds = [kind for kind in HEAT_KINDS if kind != "ownership" or table.session.game.is_scored]
    if not text:
        table.next_heat()
    else:
        wanted = next((kind for kind in kinds if kind == text), None)
        if wanted is None:
            raise BadRequest(f"heat is one of {', '.join(kinds)}")
        table.heat = wanted
    meaning = {
        "off": "Heat off.",
        "policy": "Heat: what the agent would play without thinking, in per cent.",
        "visits": "Heat: where the agent's thoughts go, in per cent.",
        "winrate": "Heat: how often each move would win, in per cent.",
        "ownership": "Heat: whose each cell will be.",
    }
    return meaning[table.heat]


def _legal(table: Table, text: str) -> str:
    table.shows_legal = not table.shows_legal
    return "Legal moves are shown." if table.shows_legal else "Legal moves are not shown."


def _ponder(table: Table, text: str) -> str:
    _at_the_game(table)
    table.session.set_pondering(not table.session.ponders)
    return "The agent thinks while you do." if table.session.ponders else "The agent rests while you think."


def _pause(table: Table, text: str) -> str:
    _at_the_game(table)
    table.session.set_paused(not table.session.paused)
    return "Paused: space goes on." if table.session.paused else "The game goes on."


def _level(table: Table, text: str) -> str | None:
    if not text:
        table.app.push_screen(
            LevelScreen(table.session.game, _strength(table).level), lambda chosen: _chosen(table, chosen)
        )
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= len(LEVELS)):
        raise BadRequest(f"levels are 1 to {len(LEVELS)}")
    return _set(table, int(text))


def _chosen(table: Table, level: int | None) -> None:
    if level is not None:
        table.say(_set(table, level))


def _set(table: Table, level: int) -> str:
    table.session.set_strength(Strength(level))
    return f"The agent plays at {level_text(table.session.game, level)}."


def _time(table: Table, text: str) -> str:
    seconds = _number(text, "time 5, in seconds", _MOST_SECONDS)
    table.session.set_strength(Strength(_strength(table).level, Budget(1, seconds, _reuses(table))))
    return f"The agent thinks {seconds:g} s about each move."


def _visits(table: Table, text: str) -> str:
    visits = int(_number(text, "visits 800", _MOST_VISITS))
    table.session.set_strength(Strength(_strength(table).level, Budget(max(1, visits), reuse=_reuses(table))))
    return f"The agent looks at {visits} positions for each move."


def _number(text: str, example: str, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= most:
        raise BadRequest(f"write it as: {example}")
    return number


def _strength(table: Table) -> Strength:
    return next((seat for seat in table.session.seats if not seat.is_person), table.session.seats[0]).strength


def _reuses(table: Table) -> bool:
    return _strength(table).settings.budget.reuse


def _review(table: Table, text: str) -> str | None:
    if table.review is not None:
        return _leave(table, text)
    if not table.session.played.plies:
        raise BadRequest("there is no move to look at yet")
    _show_review(table, Review(table.session.played, table.session, REVIEW_SIMULATIONS))
    return None


def _leave(table: Table, text: str) -> str | None:
    if table.review is None:
        raise BadRequest("this is no review")
    table.review = None
    table.session.resume()
    return "Back at the game."


def _continue(table: Table, text: str) -> str:
    if table.review is None:
        raise BadRequest("this is no review")
    if table.review.played.terminated:
        raise BadRequest("the game is over here: step back first")
    played, table.review = table.review.played.copy(), None
    table.session.begin(played)
    return "The game goes on from here."


def _save(table: Table, text: str) -> str | None:
    if not text:
        table.typed = "save "
        return None
    return written(text, table.session.record(), "The game")


def _load(table: Table, text: str) -> str | None:
    if not text:
        table.typed = "load "
        return None
    try:
        open_record(table.session.game, Path(text))(table)
    except OSError as error:
        return f"{text}: {error.strerror}."
    return None


def _help(table: Table, text: str) -> None:
    table.app.push_screen(HelpScreen(table.session.game))


def _quit(table: Table, text: str) -> None:
    table.app.exit(0)


def _at_the_game(table: Table) -> None:
    if table.review is not None:
        raise BadRequest("this is a review: Esc leaves it")


COMMANDS: Mapping[str, Callable[[Table, str], str | None]] = {
    "move": _move,
    "undo": _undo,
    "redo": _redo,
    "hint": _hint,
    "heat": _heat,
    "legal": _legal,
    "swap": _swap,
    "resign": _resign,
    "new": _new,
    "level": _level,
    "time": _time,
    "visits": _visits,
    "ponder": _ponder,
    "pause": _pause,
    "review": _review,
    "leave": _leave,
    "continue": _continue,
    "save": _save,
    "load": _load,
    "picture": picture,
    "help": _help,
    "quit": _quit,
}
"""By the word that is typed. A move that is also a word (Hex's `swap`) can be typed as `move swap`."""
