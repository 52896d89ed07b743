"""Boards as the app draws them: without colours, to the letter; and where their cells are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from app_mind import play_all, session_of
from hypothesis import given
from hypothesis import strategies as st
from small_games import SMALL_GAMES

import games
from games.base import Game
from games.look import Look, star_points
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.drawing import Canvas, Heat, Picture, draw
from scripts.terminal.app.layout import Layout, Size, fitting_layout
from scripts.terminal.app.palette import Depth, blend, paint
from scripts.terminal.app.view import Choice, actions_at, legal_list, picture_of

pytestmark = pytest.mark.compiled_only  # no kernel runs here, and plain rules are slow: once is enough

SMALL = Size(2, 1)


def look_of(game: Game) -> Look:
    look = game.look()
    assert look is not None
    return look


def drawn(name: str, moves: str, *, depth: Depth = "none", cell: Size = SMALL, cursor: int | None = None) -> list[str]:
    game = games.make(name)
    played = PlayedGame(game)
    play_all(played, moves)
    picture = picture_of(played, look_of(game), legal_list(played), Choice(cursor))
    return draw(picture, Layout(look_of(game), cell), depth).text().split("\n")


def test_stones_stand_on_lines_with_stars_coordinates_and_the_last_move() -> None:
    assert drawn("go9", "E5 C3 G7", cursor=0) == [
        "9<┌>┬─┬─┬─┬─┬─┬─┬─┐",
        "8 ├─┼─┼─┼─┼─┼─┼─┼─┤",
        "7 ├─┼─╋─┼─┼─┼[●]┼─┤",
        "6 ├─┼─┼─┼─┼─┼─┼─┼─┤",
        "5 ├─┼─┼─┼─●─┼─┼─┼─┤",
        "4 ├─┼─┼─┼─┼─┼─┼─┼─┤",
        "3 ├─┼─○─┼─┼─┼─╋─┼─┤",
        "2 ├─┼─┼─┼─┼─┼─┼─┼─┤",
        "1 └─┴─┴─┴─┴─┴─┴─┴─┘",
        "  A B C D E F G H J",
    ]


def test_what_may_not_be_played_on_lines_is_crossed_out() -> None:
    assert drawn("go3", "A2 C3 B1") == ["3 ┌─┬─○", "2 ●─┼─┤", "1 ✕[●]┘", "  A B C"]


def test_hex_is_slanted_and_named_on_all_sides() -> None:
    assert drawn("hex3", "b2 a3") == [
        "  a b c",
        "1 · · ·  1",
        " 2 · ● ·  2",
        "  3[○]· ·  3",
        "     a b c",
    ]


def test_discs_fall_and_the_cursor_is_where_they_would_land() -> None:
    assert drawn("connect_four5x4", "3 3", cursor=2) == [
        " · · · · ·",
        " · ·<·>· ·",
        " · ·[○]· ·",
        " · · ● · ·",
        " 1 2 3 4 5",
    ]


def test_only_legal_cells_have_a_dot_where_not_all_are() -> None:
    assert drawn("othello4", "")[1:5] == ["1 · · · ·", "2 · ○ ● ·", "3 · ● ○ ·", "4 · · · ·"]
    coloured = drawn("othello4", "", depth="full")
    assert coloured[1:5] == ["1   ·", "2 · ● ●", "3   ● ● ·", "4     ·"]


def test_pawns_show_where_the_one_under_the_cursor_may_go() -> None:
    lines = drawn("breakthrough", "a7a6", depth="full", cursor=6 * 8 + 3)
    assert lines[2] == "6[♟]"
    assert lines[5] == "3     · · ·"
    assert lines[6].startswith("2 ♟ ♟ ♟<♟>♟")


def test_large_boards_have_drawn_pieces_in_colour_and_letters_without() -> None:
    assert drawn("tic_tac_toe", "b2 a1", depth="full", cell=Size(6, 3))[3:6] == [
        "         ▚ ▞",
        "2   •     █     •",
        "         ▞ ▚",
    ]
    assert drawn("tic_tac_toe", "b2 a1", cell=Size(6, 3))[4] == "2   •     X     •"


@pytest.mark.parametrize("name", [*SMALL_GAMES, "go19", "hex19", "gomoku19"])
def test_every_board_fits_beside_a_panel_on_80_by_24(name: str) -> None:
    layout = fitting_layout(look_of(games.make(name)), Size(80 - 30, 24 - 3))
    assert layout.size.height <= 21 and layout.size.width <= 62


@pytest.mark.parametrize("name", SMALL_GAMES)
@pytest.mark.parametrize("cell", [Size(2, 1), Size(4, 2), Size(6, 3)])
def test_cells_are_found_where_they_are_drawn(name: str, cell: Size) -> None:
    look = look_of(games.make(name))
    layout = Layout(look, cell)
    num_cells = len(look.rows) * len(look.columns)
    for number in range(num_cells):
        x, y = layout.corner(number)
        corners = [(x, y), (x + cell.width - 1, y + cell.height - 1), layout.centre(number)]
        assert {layout.cell_at(*corner) for corner in corners} == {number}
    width, height = layout.size
    found = [layout.cell_at(x, y) for y in range(-1, height + 1) for x in range(-1, width + 1)]
    assert all(found.count(number) == cell.width * cell.height for number in range(num_cells))


@pytest.mark.parametrize("name", SMALL_GAMES)
@given(numbers=st.lists(st.integers(0, 10**6), max_size=12), depth=st.sampled_from(["full", "sixteen", "none"]))
def test_every_position_can_be_drawn_at_every_size(name: str, numbers: list[int], depth: Depth) -> None:
    game = games.make(name)
    look, played = look_of(game), PlayedGame(game)
    for number in numbers:
        legal = legal_list(played)
        if legal:
            played.play(played.to_play, legal[number % len(legal)])
    contents = game.contents(played.state)
    for cell in (Size(2, 1), Size(4, 2), Size(6, 3)):
        layout = Layout(look, cell)
        owners = np.linspace(-1, 1, contents.size, dtype=np.float32)
        heat = {0: Heat(1.0, "99"), 1: Heat(0.0, "1")}
        canvas = draw(Picture(contents, (0,), 1, 2, frozenset({3}), True, heat, owners), layout, depth)
        lines = [canvas.segments(y) for y in range(layout.size.height)]
        assert all(sum(len(segment.text) for segment in line) == layout.size.width for line in lines)
        styles = [segment.style for line in lines for segment in line if segment.style is not None]
        coloured = any(style.color or style.bgcolor for style in styles)
        assert coloured == (depth != "none")
        if depth == "sixteen":
            assert all(colour.number is None or colour.number < 16 for style in styles for colour in _colours(style))


def _colours(style):  # type: ignore[no-untyped-def]
    return [colour for colour in (style.color, style.bgcolor) if colour is not None]


@pytest.mark.parametrize("name", SMALL_GAMES)
def test_every_legal_action_can_be_picked_on_the_board(name: str) -> None:
    """By its cells alone, but for those that belong to none."""
    session, _ = session_of(games.make(name))
    look, legal = look_of(session.game), legal_list(session.played)
    for action in legal:
        cells = look.moves[action]
        if len(cells) == 1:
            assert actions_at(look, legal, cells[0], None) == [action]
        elif len(cells) == 2:
            assert action in actions_at(look, legal, cells[0], None)
            assert actions_at(look, legal, cells[1], cells[0]) == [action]


def test_pieces_of_other_shapes_need_no_other_drawing() -> None:
    """A new game's pieces are data alone: here a third kind, which belongs to nobody."""
    look = look_of(games.make("tic_tac_toe"))
    wall = replace(look.pieces[1], name="wall", glyph="#", bare="#", player=-1, arts=())
    canvas = draw(
        Picture(np.array([3, 0, 0, 0, 1, 0, 0, 0, 2], np.int8)),
        Layout(replace(look, pieces=(*look.pieces, wall)), SMALL),
        "none",
    )
    assert canvas.text().split("\n")[0] == "3 # · ·"


def test_star_points_are_where_boards_have_them() -> None:
    assert star_points(5) == ()
    assert star_points(9) == (2 * 9 + 2, 2 * 9 + 6, 4 * 9 + 4, 6 * 9 + 2, 6 * 9 + 6)
    assert len(star_points(13)) == 5 and len(star_points(19)) == 9 and 3 * 19 + 3 in star_points(19)


def test_runs_of_one_style_are_one_segment_and_text_outside_is_cut() -> None:
    canvas = Canvas(Size(4, 1))
    canvas.write(2, 0, "abc", paint("full", bold=True))
    canvas.write(0, 3, "below", paint("full"))
    assert [segment.text for segment in canvas.segments(0)] == ["  ", "ab"]


def test_colours_are_mixed_by_their_share() -> None:
    black, white = games.look.BLACK._replace(rgb="#000000"), games.look.WHITE._replace(rgb="#ffffff")
    assert blend(black, white, 0.2) == ("#333333", "black")
    assert blend(black, white, 0.8) == ("#cccccc", "bright_white")
