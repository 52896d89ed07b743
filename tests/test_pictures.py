"""Boards as pictures: what is drawn stands where the game says, in PNG and in SVG."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from small_games import SMALL_GAMES
from tensorboard.util import img_mime_type_detector
from toy_area import ToyArea

import games
from rl.arena.truth import states_of
from rl.pictures.board import HEAT, BoardPicture
from rl.pictures.film import animation
from rl.pictures.raster import image_size, png
from rl.pictures.scene import Disc, Label, Point, Polygon, Scene, Stroke, below, beside, channels, mixed, titled
from rl.pictures.svg import elements, svg
from rl.protocols.played_game import PlayedGame
from rl.search.evaluation import UniformEvaluator
from rl.train.positions import SampleGame, chosen_positions, game_picture, position_pictures, view_positions

PIXELS = 24


def played_at_random(name: str, num_moves: int, seed: int) -> PlayedGame:
    played, draw = PlayedGame(games.make(name)), np.random.default_rng(seed)
    while len(played.plies) < num_moves and not played.terminated:
        played.play(played.to_play, int(draw.choice(np.flatnonzero(played.legal_actions()))))
    return played


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def colour_at(image: Image.Image, point: Point) -> tuple[int, ...]:
    found = image.getpixel((round(point[0] * PIXELS), round(point[1] * PIXELS)))
    assert isinstance(found, tuple)
    return found


def alike(one: tuple[int, ...], colour: str) -> bool:
    """The palette has few colours, so one may be a little off."""
    return max(abs(a - b) for a, b in zip(one, channels(colour), strict=True)) <= 12


@pytest.mark.parametrize("name", SMALL_GAMES)
def test_pieces_stand_where_the_game_has_them(name: str) -> None:
    played = played_at_random(name, 12, seed=1)
    board = BoardPicture(played.game)
    image = opened(png(board.position(played.state), PIXELS))
    assert image.size == tuple(round(PIXELS * length) for length in board.size)
    assert board.look is not None
    empty = board.look.pieces[0]
    for cell, content in enumerate(played.game.contents(played.state).tolist()):
        x, y = board.centre(cell)
        piece = board.look.pieces[content]
        if content:
            place = {"◯": (x + 0.285, y), "✕": (x, y)}.get(piece.glyph, (x, y + 0.1))
            assert alike(colour_at(image, place), piece.colour.rgb), (name, cell)
        elif empty.arts:
            assert alike(colour_at(image, (x, y)), empty.colour.rgb), (name, cell)


@pytest.mark.parametrize("name", SMALL_GAMES)
def test_moves_lead_to_the_cells_that_change(name: str) -> None:
    """The cell of a heat map is the one on which the piece then stands, discs that fall included."""
    for seed in range(5):
        played = played_at_random(name, 30, seed)
        board = BoardPicture(played.game)
        states = [played.game.new_state(), *(ply.state for ply in played.plies)]
        for before, ply in zip(states, played.plies, strict=False):
            contents = board.contents(before)
            if cells := board.cells(ply.action, contents):
                after = board.contents(ply.state)
                assert contents[cells[-1]] != after[cells[-1]] or name in ("go5", "hex5"), (name, seed)
                assert board.look is not None
                if name != "go5":  # a stone that takes its own life is gone
                    assert board.look.pieces[after[cells[-1]]].player == ply.player


def test_heat_is_where_the_weight_is() -> None:
    game = games.make("connect_four")
    board = BoardPicture(game)
    state = game.new_state()
    image = opened(png(board.heat_map(state, {3: 1.0, 0: 0.25}), PIXELS))
    beneath = (0.0, 0.3)  # of the number

    def colour(column: int) -> tuple[int, ...]:
        x, y = board.centre(5 * 7 + column)
        return colour_at(image, (x + beneath[0], y + beneath[1]))

    assert board.look is not None
    empty = board.look.pieces[0].colour.rgb
    assert alike(colour(3), HEAT)
    assert alike(colour(0), mixed(empty, HEAT, 0.15 + 0.85 * 0.5))
    assert alike(colour(5), empty)


def test_game_without_a_look_is_drawn_as_its_text() -> None:
    game = ToyArea()
    board = BoardPicture(game)
    state = game.new_state()
    scene = board.heat_map(state, {0: 1.0}, best=[1])
    letters = [shape.text for shape in scene.shapes if isinstance(shape, Label)]
    assert "".join(letters) == "".join(game.to_text(state).split())
    assert image_size(png(scene, PIXELS)) == tuple(round(PIXELS * length) for length in board.size)


SCENE = Scene(
    3.0,
    2.0,
    (
        Polygon(((0.0, 0.0), (3.0, 0.0), (3.0, 2.0)), "#00ff00"),
        Disc((1.0, 1.0), 0.5, "#ff0000", "#0000ff", 0.1),
        Stroke(((0.0, 2.0), (3.0, 2.0)), "#123456", 0.05),
        Label((1.5, 1.0), "<a & b>", 0.5, "#000000", "start"),
    ),
)


def test_svg_has_every_shape_and_escapes_text() -> None:
    root = ElementTree.fromstring(svg(SCENE))
    assert root.attrib["viewBox"] == "0 0 3 2"
    assert [child.tag.split("}")[1] for child in root] == ["polygon", "circle", "polyline", "text"]
    assert root[3].text == "<a & b>" and root[1].attrib["r"] == "0.45"
    assert elements(SCENE.shapes) in svg(SCENE)


def test_png_and_its_size() -> None:
    data = png(SCENE, 10)
    assert image_size(data) == opened(data).size == (30, 20)
    assert opened(data).getpixel((25, 3)) == (0, 255, 0)


def test_gif_plays_its_frames_at_their_speed() -> None:
    frames = [np.full((20, 30, 3), 255, np.uint8) for _ in range(4)]
    for index, frame in enumerate(frames):
        frame[5:15, 6 * index : 6 * index + 6] = (214, 92, 60)
    data = animation(frames, 20.0, "gif", 64)
    assert img_mime_type_detector.from_bytes(data) == "image/gif", "TensorBoard takes it for a picture that moves"
    with Image.open(io.BytesIO(data)) as picture:
        assert image_size(data) == picture.size == (30, 20)
        assert picture.n_frames == 4 and picture.info["loop"] == 0
        durations = []
        for index in range(4):
            picture.seek(index)
            durations.append(picture.info["duration"])
            red, _, blue = picture.convert("RGB").getpixel((6 * index + 3, 10))
            assert red > 180 and blue < 90
        assert durations == [50, 50, 50, 1050]
    with Image.open(io.BytesIO(animation(frames[:1], 20.0, "gif"))) as picture:
        assert picture.n_frames == 1


def test_scenes_are_put_together_without_overlap() -> None:
    row = beside([SCENE, SCENE], 0.5)
    assert (row.width, row.height) == (6.5, 2.0) and row.shapes[5] == SCENE.shapes[1].moved(3.5, 0.0)
    column = below([SCENE, row], 1.0)
    assert (column.width, column.height) == (6.5, 5.0)
    headed = titled(SCENE, ["one", "two"], 0.5, "#000000")
    assert headed.height == pytest.approx(3.4) and headed.shapes[2] == SCENE.shapes[0].moved(0.0, 1.4)
    assert beside([], 1.0) == Scene(0.0, 0.0, ()) == below([], 1.0)


# --- the positions that a run is shown by ---------------------------------------------------------------------------


def test_solved_positions_are_shown_where_there_are_any() -> None:
    positions = chosen_positions(games.make("connect_four"))
    lengths = [len(position.moves) for position in positions]
    assert len(positions) == 6 and lengths == sorted(lengths) and lengths[0] < lengths[-1]
    openings, again = ([position.moves for position in chosen_positions(games.make("hex5"))] for _ in range(2))
    assert len(set(openings)) == 6 and openings[0] == () and openings == again


@pytest.mark.parametrize("name", ["tic_tac_toe", "connect_four"])
def test_views_say_what_network_search_and_truth_do(name: str) -> None:
    game = games.make(name)
    positions = chosen_positions(game)
    views = view_positions(game, positions, UniformEvaluator(game, 8), 32)
    states, _ = states_of(game, positions)
    for view, position, state in zip(views, positions, states, strict=True):
        mask = np.zeros(game.num_actions, np.bool_)
        game.legal_actions(state, np.zeros(0, np.uint64), mask)
        assert view.policy.keys() == set(np.flatnonzero(mask).tolist())
        assert sum(view.policy.values()) == pytest.approx(1.0) and len({*view.policy.values()}) == 1
        assert sum(view.search.values()) == pytest.approx(1.0, abs=0.05)
        if not np.isnan(position.action_values).all():
            assert view.truth == np.nanmax(position.action_values)
            assert all(position.action_values[action] == view.truth for action in view.best) and view.best
        record = view.to_json(game)
        assert [game.text_to_action(text) for text in record["moves"]] == list(view.moves)
        assert {game.text_to_action(text) for text in record["search"]} == view.search.keys()
    pictures = position_pictures(game, views)
    assert list(pictures) == [f"positions/{number}" for number in range(1, len(views) + 1)]
    assert all(image_size(data)[0] > 200 and len(data) < 20_000 for data in pictures.values())


@pytest.mark.parametrize("name", SMALL_GAMES)
def test_game_is_drawn(name: str) -> None:
    played = played_at_random(name, 40, seed=2)
    data = game_picture(SampleGame(played.game, 7, played.actions))
    width, height = image_size(data)
    assert 300 < width < 1400 and 100 < height < 900 and len(data) < 60_000
