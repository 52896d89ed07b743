"""Where robots move: time, orders, interrupted searches, scenes; without a screen, and with a clock of the tests'."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from robot_stage import MadeUpPilot, ToldLink, watched

import games
from games.base import State
from games.simulated import SimulatedGame
from scripts.terminal.app.child import Child, Failure, Ready
from scripts.terminal.app.layout import Size
from scripts.terminal.app.robots.messages import (
    Begin,
    Pause,
    Point,
    Room,
    SaveFilm,
    Scene,
    Seen,
    SetGoal,
    Speed,
    Steer,
    Step,
    Think,
)
from scripts.terminal.app.robots.stage import serve_stage
from scripts.terminal.robots.pilot import ScriptPilot

Heard = TypeVar("Heard", Scene, Ready, Failure)


def simulated(name: str) -> SimulatedGame:
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    return game


REACH = simulated("planar_reach")


def test_steps_come_at_the_control_rate() -> None:
    link = watched(REACH)
    assert link.watch(1.0).reading.step in (25, 26)
    reading = link.watch(0.5).reading
    assert reading.step in (37, 38, 39) and reading.pace == pytest.approx(1.0, abs=0.05) and not reading.over


@pytest.mark.parametrize(("factor", "least", "most"), [(0.5, 12, 14), (4.0, 98, 102)])
def test_faster_and_slower(factor: float, least: int, most: int) -> None:
    link = watched(simulated("cart_pole_swing_up"))
    link.send(Speed(factor))
    reading = link.watch(1.0).reading
    assert least <= reading.step <= most and reading.factor == factor


def test_episodes_follow_each_other_and_successes_are_counted() -> None:
    link = watched(REACH)
    first = link.watch(2.2).reading
    assert first.over and first.step == 50 and first.success and first.num_successes == 1
    second = link.watch(1.5).reading
    assert second.number == 2 and 0 < second.step < 50 and second.num_successes == 1
    link.send(Begin())
    assert link.watch(0.1).reading.number == 3


def test_a_pause_stops_everything_and_single_steps_are_made_in_it() -> None:
    link = watched(REACH)
    link.watch(0.2)
    link.send(Pause(True))
    before = link.watch(0.1).reading
    after = link.watch(1.0) if link.stage.wait() is not None else None
    assert before.paused and after is None, "nothing is due"
    link.send(Step())
    assert link.watch(0.1).reading.step == before.step + 1
    link.pass_time(1.0)
    assert link.stage.episode.num_steps == before.step + 1
    link.send(Pause(False))
    assert link.watch(0.2).reading.step in range(before.step + 4, before.step + 8), "none is made up for"


def test_a_step_alone_pauses() -> None:
    link = watched(REACH)
    link.send(Step())
    link.pass_time(1.0)
    assert link.stage.episode.num_steps == 1


def test_no_scene_is_sent_before_the_last_one_was_seen() -> None:
    link = watched(REACH)
    link.pass_time(1.0)
    scenes = [news for news in link.news() if isinstance(news, Scene)]
    assert len(scenes) == 1 and link.stage.episode.num_steps >= 25
    link.send(Seen())
    link.pass_time(0.05)
    assert any(isinstance(news, Scene) and news.reading.step >= 25 for news in link.news())


def test_steps_that_are_far_too_late_are_not_made_up_for() -> None:
    link = watched(REACH)
    link.watch(0.2)
    link.now += 10.0
    before = link.stage.episode.num_steps
    link.pass_time(0.2)
    assert link.stage.episode.num_steps - before < 8


# --- the goal ---------------------------------------------------------------------------------------------------------


def test_keys_the_mouse_and_words_move_the_goal_and_lift_the_time_limit() -> None:
    link = watched(REACH)
    link.send(Pause(True))
    link.send(SetGoal("0.1, 0.2"))
    assert link.stage.episode.goal == pytest.approx([0.1, 0.2])
    link.send(Steer(0, 2))
    link.send(Steer(1, -1))
    assert link.stage.episode.goal == pytest.approx([0.18, 0.16])
    link.send(Point(0.25, 0.5))  # of a picture from -0.6 to 0.6
    assert link.stage.episode.goal == pytest.approx([-0.3, 0.0], abs=1e-6)
    link.send(Steer(2, 1))
    assert link.stage.episode.goal == pytest.approx([-0.3, 0.0], abs=1e-6), "there is no third way"
    link.send(Pause(False))
    reading = link.watch(4.0).reading
    assert reading.step > 90 and reading.most_steps is None and reading.success and reading.distance < 0.05
    assert reading.goal == "x -0.30 y 0.00"


def test_goals_stay_within_bounds_and_angles_go_round() -> None:
    link = watched(simulated("diff_drive_park"))
    link.send(SetGoal("9 -9 3.1"))
    assert link.stage.episode.goal == pytest.approx([1.0, -1.0, 3.1])
    link.send(Steer(2, 1))
    turned = float(link.stage.episode.goal[2])
    assert turned == pytest.approx(3.1 + np.pi / 12 - 2 * np.pi, abs=1e-5)
    assert "heading -167°" in link.watch(0.1).reading.goal


@pytest.mark.parametrize("text", ["", "0.1", "0.1 x", "nan 0.1", "0.1 0.2 0.3"])
def test_a_goal_that_is_none_is_told_in_a_line(text: str) -> None:
    link = watched(REACH)
    goal = link.stage.episode.goal
    link.send(SetGoal(text))
    assert link.told() == "a goal is 2 numbers, x y: goal 0 0" and (link.stage.episode.goal == goal).all()


def test_a_task_without_a_goal_has_none_to_set() -> None:
    link = watched(simulated("cart_pole_swing_up"))
    link.send(Steer(0, 1))
    link.send(Point(0.5, 0.5))
    assert not link.stage.episode.is_free
    link.send(SetGoal("0 0"))
    assert "no goal" in link.told()


# --- searches ---------------------------------------------------------------------------------------------------------


def test_a_search_is_interrupted_by_orders_and_goes_on_after_them() -> None:
    link = watched(REACH)
    link.send(Think(32))
    link.interrupted = True
    for _ in range(2):  # a scene, then what would be a step
        link.stage.act()
    pilot = link.stage.pilot
    assert isinstance(pilot, MadeUpPilot) and pilot.asked == 1 and link.stage.episode.num_steps == 0
    link.interrupted = False
    reading = link.watch(0.2).reading
    assert reading.step > 3 and reading.visits == 32 and len(reading.options) == 2 and reading.simulations == 32
    assert reading.values[0] == -20.0 and len(reading.values) == reading.step


def test_a_script_cannot_search() -> None:
    link = ToldLink(REACH, ScriptPilot(REACH))
    link.send(Think(32))
    assert "none to search with" in link.told()


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_take_the_room_that_there_is() -> None:
    link = watched(REACH)
    cells = link.watch(0.1).cells
    assert cells is not None and cells.size == Size(42, 21)
    link.send(Room(Size(20, 40), "none"))
    cells = link.watch(0.1).cells
    assert cells is not None and cells.size == Size(20, 10)


def test_where_nothing_can_be_drawn_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    game, tried = simulated("planar_reach"), []

    def refuse(state: State, width: int = 480) -> npt.NDArray[np.uint8]:
        tried.append(width)
        raise RuntimeError("no pictures: nothing draws here")

    monkeypatch.setattr(game, "picture", refuse)
    scene = watched(game).watch(0.5)
    assert scene.cells is None and "nothing draws here" in scene.note and scene.reading.step > 10 and len(tried) == 1


def test_a_film_of_the_episode_is_written_once(tmp_path: Path) -> None:
    link, path = watched(REACH), tmp_path / "film.gif"
    link.watch(0.2)
    link.send(SaveFilm(str(path)))
    assert f"is in {path}" in link.told() and path.read_bytes().startswith(b"GIF89a")
    link.send(SaveFilm(str(path)))
    assert "already" in link.told()
    link.send(SaveFilm(str(tmp_path / "film.mp4")))
    assert ".gif" in link.told()


# --- in a process of its own ------------------------------------------------------------------------------------------


class Listener:
    """Hears a stage in another process."""

    def __init__(self, agent: Path | None) -> None:
        work = partial(serve_stage, name="planar_reach", agent=agent, simulations=0, seed=1, with_person=False)
        self.child = Child(work)
        self._heard: list[object] = []

    def wait(self, kind: type[Heard]) -> Heard:
        """The next that is of a kind."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            self._heard += self.child.news()
            while self._heard:
                news = self._heard.pop(0)
                if isinstance(news, kind):
                    return news
            time.sleep(0.01)
        raise AssertionError(f"no {kind.__name__} was heard")


@pytest.mark.compiled_only
def test_the_stage_plays_in_a_process_of_its_own() -> None:
    listener = Listener(None)
    try:
        listener.child.send(Room(Size(40, 20), "full"))
        assert "gets ready" in listener.wait(Scene).reading.pilot, "there is a picture before there is an agent"
        listener.wait(Ready)
        listener.child.send(SetGoal("0.3 0.1"))
        for _ in range(3):
            listener.child.send(Seen())
            scene = listener.wait(Scene)
            assert scene.cells is not None
        assert scene.reading.goal == "x 0.30 y 0.10"
    finally:
        listener.child.close()


@pytest.mark.compiled_only
def test_what_goes_wrong_there_is_told() -> None:
    listener = Listener(Path("/nowhere/agent.safetensors"))
    try:
        listener.child.send(Room(Size(40, 20), "full"))
        assert "\n" not in listener.wait(Failure).text
    finally:
        listener.child.close()


# --- a person plays ---------------------------------------------------------------------------------------------------

HOCKEY = simulated("air_hockey")


def test_a_persons_mallet_goes_where_it_is_wanted_and_stays_in_its_half() -> None:
    assert HOCKEY.takes_person and not REACH.takes_person
    states = HOCKEY.new_states(np.arange(20, dtype=np.uint64))
    targets = np.array([(0.2 + 0.02 * row, 0.25 - 0.025 * row) for row in range(20)], np.float32)
    started = HOCKEY.person_places(states)
    assert (started[:, 0] > 0).all(), "on the right of the picture"
    for _ in range(10):
        HOCKEY.answer_batch(states, HOCKEY.person_answers(states, targets))
        HOCKEY.step_batch(states, np.zeros((20, 2), np.float32))
    away = np.linalg.norm(HOCKEY.person_places(states) - targets, axis=1)
    assert np.median(away) < 0.02, "but for those that the puck is in the way of"
    for _ in range(10):
        HOCKEY.answer_batch(states, HOCKEY.person_answers(states, np.full((20, 2), -5.0, np.float32)))
        HOCKEY.step_batch(states, np.zeros((20, 2), np.float32))
    assert (HOCKEY.person_places(states)[:, 0] > 0).all()


def test_keys_and_the_mouse_move_what_a_person_wants_within_its_area() -> None:
    link = watched(HOCKEY, with_person=True)
    link.send(Pause(True))
    target = link.stage._target
    assert target is not None
    before = target.copy()
    link.send(Steer(0, -1))
    link.send(Steer(1, 2))
    assert target == pytest.approx(before + np.array([-0.08, 0.16]))
    link.send(Point(0.9, 0.5))  # of a picture from -0.95 to 0.95 and -0.55 to 0.55
    assert target == pytest.approx([0.7, 0.0], abs=1e-6), "as far to the right as the mallet goes"
    link.send(Point(0.0, 0.0))
    assert target == pytest.approx([0.05, 0.35])
    cells = link.watch(0.1).cells
    assert cells is not None and "✛" in "".join(cells.lines)


def test_points_are_counted_until_a_match_is_over() -> None:
    link = watched(HOCKEY, with_person=True)
    link.stage.match.points = (4, 2)
    link.stage.episode.returns = 1.0
    link.stage.episode.terminated = True
    link.stage._finish_step()
    reading = link.watch(0.2).reading
    assert reading.score == (5, 2) and reading.match_over
    link.pass_time(5.0)
    assert link.stage.match.number == 1, "nothing begins by itself"
    link.send(Begin())
    reading = link.watch(0.2).reading
    assert reading.score == (0, 0) and not reading.match_over and reading.number == 1


def test_without_a_person_both_sides_play_by_themselves() -> None:
    link = watched(HOCKEY)
    reading = link.watch(3.0).reading
    assert reading.score is not None and not reading.match_over and reading.success is not None
    assert link.stage._target is None
