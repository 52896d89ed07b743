"""What robots are watched with: who moves them, goals as people set them, films, pictures of characters, and lines."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import games
from games.goals import GoalNumber, GoalSetting
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.network.agent_file import save_agent
from rl.network.kinds import make_network
from rl.network.vector import VectorConfig
from rl.pictures.film import animation
from rl.train.episodes import policy_actor
from scripts.agents import load_evaluator
from scripts.cli import main
from scripts.terminal.app.layout import Size
from scripts.terminal.app.robots.cells import NO_COLOUR, cells_of, fitting, marked
from scripts.terminal.robots.episode import Episode
from scripts.terminal.robots.goals import distance, turn
from scripts.terminal.robots.pilot import NetworkPilot, make_pilot


def simulated(name: str) -> SimulatedGame:
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    return game


REACH = simulated("planar_reach")


@pytest.fixture(scope="module")
def reach_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained agent for planar_reach."""
    return _untrained("planar_reach", tmp_path_factory)


@pytest.fixture(scope="module")
def hockey_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained agent for air_hockey."""
    return _untrained("air_hockey", tmp_path_factory)


def _untrained(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    game, path = simulated(name), tmp_path_factory.mktemp("agent") / f"{name}.safetensors"
    save_agent(path, make_network(game, VectorConfig(layers=1, width=16, value_bins=8), 0), game, {})
    return path


# --- who moves them ---------------------------------------------------------------------------------------------------


def test_the_policy_alone_does_what_evaluations_do(reach_agent: Path) -> None:
    pilot, states = make_pilot(REACH, reach_agent), REACH.new_states(np.array([3], np.uint64))
    decision = pilot.decide(states, lambda: False)
    assert decision is not None and decision.actions.shape == (1, 2)
    expected = policy_actor(REACH, load_evaluator(REACH, reach_agent, 1, backend="torch"))(states)
    np.testing.assert_array_equal(decision.actions, expected)
    assert decision.value is not None and -20 <= decision.value <= 0 and decision.visits == 0
    assert pilot.description == "planar_reach, policy alone"


def test_a_search_that_is_interrupted_goes_on_with_its_tree(reach_agent: Path) -> None:
    pilot, states = make_pilot(REACH, reach_agent, 24), REACH.new_states(np.array([3], np.uint64))
    answers = iter([False, False, False, True])
    assert pilot.decide(states, lambda: next(answers)) is None
    assert isinstance(pilot, NetworkPilot) and pilot._search is not None
    begun = int(pilot._search.trees["visit_counts"][0, 0].sum())
    assert 0 < begun < 24
    interrupted = pilot.decide(states, lambda: False)
    whole = make_pilot(REACH, reach_agent, 24).decide(states, lambda: False)
    assert interrupted is not None and whole is not None
    assert interrupted.visits == whole.visits == 24
    np.testing.assert_array_equal(interrupted.actions, whole.actions)
    assert sum(option.visits for option in whole.options) <= 23
    assert whole.options[0].visits == max(option.visits for option in whole.options)


def test_another_goal_is_searched_afresh(reach_agent: Path) -> None:
    pilot = make_pilot(REACH, reach_agent, 24)
    states = REACH.new_states(np.array([3], np.uint64))
    answers = iter([False, False, True])
    assert pilot.decide(states, lambda: next(answers)) is None
    REACH.set_goals(states, np.array([[0.3, 0.0]], np.float32))
    found = pilot.decide(states, lambda: False)
    expected = make_pilot(REACH, reach_agent, 24).decide(states, lambda: False)
    assert found is not None and expected is not None
    np.testing.assert_array_equal(found.actions, expected.actions)


def test_a_network_plays_both_sides_and_a_script_too(hockey_agent: Path) -> None:
    game = simulated("air_hockey")
    states = game.new_states(np.array([5], np.uint64))
    for pilot in (make_pilot(game, hockey_agent), make_pilot(game, None)):
        decision = pilot.decide(states, lambda: False)
        assert decision is not None and decision.actions.shape == (2, 2) and (decision.actions[1] != 0).any()
    np.testing.assert_array_equal(decision.actions[1:], game.reference_answers(states)[0])


def test_an_episode_adds_up_what_the_game_rewards() -> None:
    pilot, episode = make_pilot(REACH, None), Episode(REACH, 7)
    states, returns = REACH.new_states(np.array([7], np.uint64)), 0.0
    while not episode.over:
        decision = pilot.decide(episode.states, lambda: False)
        assert decision is not None
        episode.step(decision)
        rewards, _ = REACH.step_batch(states, decision.actions)
        returns += float(rewards[0])
    assert episode.num_steps == 50 and episode.returns == returns and episode.success and len(episode.film) == 51


# --- goals ------------------------------------------------------------------------------------------------------------

SETTING = GoalSetting(
    (GoalNumber("x", "m", -1, 1), GoalNumber("y", "m", -1, 1), GoalNumber("heading", "rad", -np.pi, np.pi)),
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
)


def test_distances_are_of_metres_and_turns_of_angles() -> None:
    achieved, desired = np.array([0.0, 0.0, 3.0], np.float32), np.array([0.3, -0.4, -3.0], np.float32)
    assert distance(SETTING, achieved, desired) == pytest.approx(0.5)
    assert turn(SETTING, achieved, desired) == pytest.approx(np.degrees(2 * np.pi - 6.0), abs=1e-3)
    assert REACH.goal_setting is not None and turn(REACH.goal_setting, achieved[:2], desired[:2]) is None


# --- films ------------------------------------------------------------------------------------------------------------


def frames() -> list[np.ndarray]:
    made = np.full((5, 20, 30, 3), 240, np.uint8)
    for index, frame in enumerate(made):
        frame[5:10, 4 * index : 4 * index + 4] = (200, 40, 40)
    return list(made)


@pytest.mark.parametrize(("kind", "rate", "unit"), [("gif", 25.0, 10), ("gif", 30.0, 10), ("png", 30.0, 1)])
def test_films_last_as_long_as_what_they_show(kind: str, rate: float, unit: int) -> None:
    film = Image.open(io.BytesIO(animation(frames(), rate, kind)))
    assert film.n_frames == 5 and film.size == (30, 20)
    durations = []
    for index in range(5):
        film.seek(index)
        durations.append(film.info["duration"])
        pixel = film.convert("RGB").getpixel((4 * index + 1, 7))
        assert isinstance(pixel, tuple) and pixel[0] > 150 and pixel[1] < 90, "the square is where it was"
    assert sum(durations) - 1000 == pytest.approx(5000 / rate, abs=unit)


# --- characters -------------------------------------------------------------------------------------------------------


def painted() -> np.ndarray:
    """White, its left half black in the upper third, a thin red line below."""
    picture = np.full((60, 80, 3), 255, np.uint8)
    picture[:20, :40] = 0
    picture[40:44] = (255, 0, 0)
    return picture


def test_pictures_fit_with_cells_twice_as_high_as_wide() -> None:
    assert fitting(Size(480, 480), Size(48, 21)) == Size(42, 21)
    assert fitting(Size(480, 120), Size(48, 21)) == Size(48, 6)
    assert fitting(Size(480, 480), Size(1, 1)) == Size(1, 1)


def test_quarters_have_the_colours_of_the_picture() -> None:
    cells = cells_of(painted(), Size(8, 3), "full")
    assert cells.lines[0] == " " * 8 and cells.grounds[0].tolist() == [0] * 4 + [0xFFFFFF] * 4
    assert (cells.inks[cells.grounds == 0xFFFFFF] >= 0).all()
    assert "▀" in cells.lines[2] and cells.inks[2, 0] >> 16 == 0xFF and cells.inks[2, 0] & 0xFF < 0x60, (
        "the line is red"
    )
    odd = cells_of(painted(), Size(5, 3), "full")
    assert odd.lines[0][2] in "▌▘" and odd.lines[0][0] == " "


def test_sixteen_colours_tell_apart_what_differs() -> None:
    picture = np.full((20, 60, 3), 250, np.uint8)
    for place, colour in enumerate([(70, 92, 122), (214, 92, 60), (96, 168, 104), (150, 110, 70)]):
        picture[:, 12 * place : 12 * place + 12] = colour
    codes = cells_of(picture, Size(5, 1), "sixteen").grounds[0].tolist()
    assert all(0 <= code < 16 for code in codes) and len(set(codes)) == 5 and codes[4] == 15


def test_braille_has_dots_where_it_is_dark_and_no_colours() -> None:
    cells = cells_of(painted(), Size(8, 3), "none")
    assert cells.lines[0][:3] == "⣿⣿⣿" and cells.lines[0][5:] == "   " and (cells.inks == NO_COLOUR).all()
    assert all("⠀" < letter <= "⣿" for letter in cells.lines[2]), "the thin line is there"


def test_a_mark_is_set_within_the_picture_alone() -> None:
    cells = cells_of(painted(), Size(8, 3), "full")
    assert marked(cells, (0.99, 0.5), "+", 5).lines[1] == " " * 7 + "+"
    assert marked(cells, (1.0, 0.5), "+", 5) is cells and marked(cells, (-0.01, 0.5), "+", 5) is cells


def test_a_picture_is_made_of_characters_quickly() -> None:
    picture, begun = REACH.picture(REACH.new_states(np.zeros(1, np.uint64))[0]), time.process_time()
    for _ in range(10):
        cells_of(picture, Size(48, 21), "full")
    assert (time.process_time() - begun) / 10 < 0.025


# --- lines ------------------------------------------------------------------------------------------------------------


def lines(
    arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    monkeypatch.setattr("scripts.agents.shipped_agent", lambda game: None)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["play", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


def test_a_robot_in_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = "run\nstep\nreset\nstep 3\ngoal 0.3 0.1\nrun\nstate\nquit\nrun\n"
    said = lines(["planar_reach", "--seed", "1"], text, monkeypatch, capsys)
    whole = " ".join(said)
    assert "the scripted controller (no agent ships for planar_reach yet) moves it" in whole
    runs = [line for line in said if line.startswith("step ")]
    assert runs[0].startswith("step 0 of 50: return 0.00, not achieved") and runs[1].startswith("step 50 of 50")
    assert "achieved" in runs[1] and "0.000 m from the goal" in runs[1]
    assert "The episode is over: run or reset begins another." in said
    assert runs[3].startswith("step 3 of 50") and "The goal is x 0.30 y 0.10." in said
    assert runs[4].startswith("step 53: ") and "achieved" in runs[4] and len(runs) == 6, "the last is the state"
    assert lines(["planar_reach", "--seed", "1"], text, monkeypatch, capsys) == said, "the seed repeats it"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("jump", "There is no 'jump': the commands are"),
        ("run x", "Write it as: run 20"),
        ("step 0", "Write it as: step 5"),
        ("goal 1", "A goal is 2 numbers, x y"),
        ("simulations 8", "No agent moves it"),
        ("video", "video episode.gif"),
        ("video x.mp4", ".gif"),
        ("video /nowhere/x.gif", "/nowhere/x.gif: No such file"),
    ],
)
def test_lines_that_cannot_be_obeyed(
    command: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told in " ".join(lines(["planar_reach"], f"{command}\nhelp\n", monkeypatch, capsys))


def test_an_agent_moves_it_in_lines(
    reach_agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "film.png"
    text = f"step\nsimulations 4\nstep 2\nsimulations 0\nvideo {path}\nvideo {path}\n"
    whole = " ".join(lines(["planar_reach", "--agent", str(reach_agent)], text, monkeypatch, capsys))
    assert "planar_reach, policy alone moves it" in whole and "expected from here -" in whole
    assert "planar_reach, search, 4 simulations." in whole and path.read_bytes().startswith(b"\x89PNG")
    assert "There is a file" in whole


def test_hockey_in_lines_is_played_by_both_sides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = " ".join(lines(["air_hockey", "--seed", "2"], "run\n", monkeypatch, capsys))
    assert "Both sides move by themselves" in whole and "return" in whole


def test_a_script_that_should_search_is_refused() -> None:
    with pytest.raises(UserError, match="none to search with"):
        make_pilot(REACH, None, 8)
