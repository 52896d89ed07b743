"""Does the look of a board fit the game that it draws?"""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from games.base import Game, State
from games.check.sample import Ply, Sample, moves_text, require
from games.look import ANSI_NAMES, Colour, Look, Piece


def looks(game: Game, sample: Sample) -> str:
    """Every cell has a piece to draw, and the cells of a move are those that its text names and that it changes."""
    look = game.look()
    if look is None:
        return "none: the text of to_text is drawn"
    _, height, width = game.observation_shape
    require(
        len(look.rows) == height and len(look.columns) == width,
        f"the look names {len(look.rows)} rows and {len(look.columns)} columns of a board of {height} x {width}",
    )
    _check_pieces(look)
    _check_moves(game, look)
    for plies in sample.games:
        for number, ply in enumerate(plies, start=1):
            contents = _contents(game, look, ply.after.state)
            cells = look.moves[ply.action]
            require(
                not cells or not np.array_equal(contents, _contents(game, look, ply.before.state)),
                f"after {moves_text(game, plies[:number])} contents is what it was: the move has cells, so it is seen",
            )
            if look.falls and cells:
                _check_fall(game, ply, cells[0] % width, width)
    return f"{len(look.pieces) - 1} pieces"


def _check_pieces(look: Look) -> None:
    require(len(look.pieces) >= 2, "the look has no pieces: the empty cell is the first, then come the players'")
    for player in (0, 1):
        require(any(piece.player == player for piece in look.pieces), f"no piece of the look is player {player}'s")
    bare = [piece.bare for piece in look.pieces]
    require(len(set(bare)) == len(bare), "two pieces are alike where there are no colours: give each a bare of its own")
    second = () if look.second_ground is None else (look.second_ground,)
    for colour in (look.ground, look.ink, *second, *(piece.colour for piece in look.pieces)):
        _check_colour(colour)
    for piece in look.pieces:
        _check_drawings(piece)


def _check_colour(colour: Colour) -> None:
    known = re.fullmatch("#[0-9a-f]{6}", colour.rgb) is not None and colour.ansi in ANSI_NAMES
    require(known, f"colour {tuple(colour)}: write ('#rrggbb', one of {', '.join(ANSI_NAMES)})")


def _check_drawings(piece: Piece) -> None:
    require(len(piece.glyph) == len(piece.bare) == 1, f"{piece.name}: glyph and bare are one character each")
    for art in piece.arts:
        same = len(art) > 0 and len({len(line) for line in art}) == 1
        require(same, f"{piece.name}: the lines of a drawing are of equal length")
    text = "".join([piece.glyph, piece.bare, *(line for art in piece.arts for line in art)])
    wide = [letter for letter in text if unicodedata.east_asian_width(letter) in "WF" or not letter.isprintable()]
    require(not wide, f"{piece.name}: {wide[:1]} is not one column wide")


def _check_moves(game: Game, look: Look) -> None:
    """The coordinates beside the board are those of the notation."""
    require(len(look.moves) == game.num_actions, f"the look has {len(look.moves)} moves, not {game.num_actions}")
    num_cells = len(look.rows) * len(look.columns)
    for action, cells in enumerate(look.moves):
        require(all(0 <= cell < num_cells for cell in cells), f"the look puts action {action} on cells {cells}")
        places = [divmod(cell, len(look.columns)) for cell in cells]
        named = "".join(look.columns[column] + look.rows[row] for row, column in places)
        text = game.action_to_text(action)
        require(named in ("", text), f"the look names the cells of {text} {named!r}: mend its moves, columns or rows")


def _contents(game: Game, look: Look, state: State) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    contents = np.asarray(game.contents(state))
    require(
        contents.shape == (len(look.rows) * len(look.columns),) and contents.dtype.kind in "iu",
        f"contents is {contents.dtype} {contents.shape}: the number of a piece for each cell",
    )
    known = contents.min() >= 0 and contents.max() < len(look.pieces)
    require(bool(known), f"contents has the number {contents.max()}: the look has {len(look.pieces)} pieces")
    return contents


def _check_fall(game: Game, ply: Ply, column: int, width: int) -> None:
    before, after = game.contents(ply.before.state), game.contents(ply.after.state)
    lowest = np.flatnonzero(before[column::width] == 0)[-1:]
    changed = np.flatnonzero(before != after)
    require(
        lowest.size == 1 and changed.tolist() == [int(lowest[0]) * width + column],
        f"pieces fall, but {game.action_to_text(ply.action)} changes other than its column's lowest empty cell",
    )
