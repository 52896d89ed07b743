"""A game's board as a person sees it: what `to_text` says, coloured, with the last move in brackets.

Nothing here knows a game. By the contract X is player 0 and O player 1; a line that holds other letters, or numbers
between its cells, labels the columns and is drawn dimmed.
"""

from __future__ import annotations

import re

from games.base import Game, State
from scripts.terminal.console import Style

_MARKS = "XO"
_DISCS = "\N{BLACK CIRCLE}\N{WHITE CIRCLE}"
_COLOURS = ("1;31", "1;33")  # bold red and bold yellow read well on light and on dark backgrounds
_DIM = "2"
_BOLD = "1"


def mark(player: int, style: Style) -> str:
    """The mark of a player as it stands on the board."""
    return style.paint((_DISCS if style.discs else _MARKS)[player], _COLOURS[player])


def draw(game: Game, state: State, style: Style, before: State | None = None) -> str:
    """The board of `state`; the move that led to it from `before` stands in brackets."""
    lines = game.to_text(state).split("\n")
    placed: set[tuple[int, int]] = set()
    if before is not None:
        placed = _placed(game.to_text(before).split("\n"), lines, int(before["to_play"]))
    columns = [{column for row, column in placed if row == index} for index in range(len(lines))]
    return "\n".join(_draw_line(line, columns[index], style) for index, line in enumerate(lines))


def _placed(old: list[str], new: list[str], player: int) -> set[tuple[int, int]]:
    """(line, column) of the marks that a move put on free cells; if there are none, of those it put anywhere."""
    on_free: set[tuple[int, int]] = set()
    on_other: set[tuple[int, int]] = set()
    for row, (old_line, new_line) in enumerate(zip(old, new, strict=False)):
        if _labels_columns(new_line):
            continue
        for column, (was, now) in enumerate(zip(old_line, new_line, strict=False)):
            if now == _MARKS[player] and was != now:
                (on_other if was in _MARKS else on_free).add((row, column))
    return on_free or on_other


def _labels_columns(line: str) -> bool:
    words = line.split()
    numbered = any(word.isdigit() for word in words[1:-1])
    return numbered or any(re.fullmatch(r"[A-NP-WYZa-z]", word) for word in words)


def _draw_line(line: str, placed: set[int], style: Style) -> str:
    if _labels_columns(line):
        return " " + style.paint(line, _DIM)
    drawn = []
    for index, character in enumerate(f" {line} "):  # a margin, so that the outermost cells can have brackets too
        place = index - 1
        if character == " " and place - 1 in placed:
            drawn.append(style.paint("]", _BOLD))
        elif character == " " and place + 1 in placed:
            drawn.append(style.paint("[", _BOLD))
        elif character in _MARKS and _stands_alone(line, place):
            drawn.append(mark(_MARKS.index(character), style))
        elif character.isdigit() or character == ".":
            drawn.append(style.paint(character, _DIM))
        else:
            drawn.append(character)
    return "".join(drawn).rstrip()


def _stands_alone(line: str, place: int) -> bool:
    """Whether the character is no part of a word."""
    around = line[max(place - 1, 0) : place] + line[place + 1 : place + 2]
    return not any(neighbour.isalpha() and neighbour not in _MARKS for neighbour in around)
