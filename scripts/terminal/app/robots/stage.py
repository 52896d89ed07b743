"""Where robots move: physics, agent and pictures, in real time, in a process of their own.

Nothing waits for the app. A step is made when it is due, a picture when there is time for one and the last one has been
seen; a search is interrupted by whatever a person wants, and goes on after it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

import games
from games.simulated import SimulatedGame
from rl.protocols.moves import BadRequest
from scripts.terminal.app.child import ready
from scripts.terminal.app.pictures import written
from scripts.terminal.app.robots.messages import (
    Begin,
    News,
    Order,
    Pause,
    Point,
    Reading,
    Room,
    Said,
    SaveFilm,
    Scene,
    Seen,
    SetGoal,
    Speed,
    Steer,
    Step,
    Think,
)
from scripts.terminal.app.robots.scenery import Scenery
from scripts.terminal.robots.episode import Episode
from scripts.terminal.robots.film import film_of, kind_of
from scripts.terminal.robots.goals import goal_text, placed, stepped, turn, typed
from scripts.terminal.robots.match import Match
from scripts.terminal.robots.pilot import NobodyYet, Pilot, make_pilot

_REST = 1.2
"""Seconds between two episodes."""
_FRAME = 1 / 30
"""Least seconds between two pictures."""
_LATE = 0.1
"""Seconds after which a picture is due although steps are late."""
_HOPELESS = 0.25
"""Steps that are later than so many seconds are not made up for."""
_CLOCKED = 1.0
"""Seconds over which the pace is measured."""
_REACH = 0.08
"""m that a key moves what a person plays with."""


class Stage:
    """Episodes of one game, one after the other."""

    def __init__(
        self,
        game: SimulatedGame,
        pilot: Pilot,
        seed: int,
        send: Callable[[News], None],
        *,
        with_person: bool = False,
        called: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`send` reaches the app; `called` tells whether it has given an order that was not heard yet."""
        self.game, self.pilot = game, pilot
        self._send, self._called, self._clock = send, called, clock
        self._generator = np.random.default_rng(seed)
        self.match = Match(with_person)
        self._scenery = Scenery(game)
        self._factor, self._paused, self._single = 1.0, False, False
        self._room: Room | None = None
        self._seen, self._changed, self._drawn = True, True, -math.inf
        self._thinking = self._speed = 0.0
        self._past: deque[tuple[float, float]] = deque()
        """(now, seconds of the world) of the latest steps."""
        self._begin()

    def _begin(self) -> None:
        self.episode = Episode(self.game, int(self._generator.integers(2**63)))
        self.match.number += 1
        self._target = self.game.person_places(self.episode.states)[0] if self.match.with_person else None
        self._due = self._clock()
        self._thinking = 0.0
        self._changed = True

    def take_over(self, pilot: Pilot) -> None:
        """Somebody else decides from now on."""
        self.pilot, self._changed = pilot, True
        self._restart_clock()

    # --- time -------------------------------------------------------------------------------------------------------

    def wait(self) -> float | None:
        """Seconds until something is due; None: nothing is until the app gives an order."""
        due = min(self._step_due, self._scene_due)
        return None if due == math.inf else max(0.0, due - self._clock())

    def act(self) -> None:
        """Do what is due: a step, or a scene for the app."""
        now = self._clock()
        if self._scene_due <= now and (self._step_due > now or now - self._drawn > _LATE):
            self._show()
        elif self._step_due <= now:
            self._step()

    @property
    def _step_due(self) -> float:
        if self.match.over:
            return math.inf
        if self._single:
            return -math.inf
        return math.inf if self._paused else self._due

    @property
    def _scene_due(self) -> float:
        if self._room is None or not (self._seen and self._changed):
            return math.inf
        return self._drawn + _FRAME

    # --- steps ------------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        if self.episode.over:
            self._single = False
            self._begin()
            return
        begun = self._clock()
        decision = self.pilot.decide(self.episode.states, self._called)
        self._thinking += self._clock() - begun
        if decision is None:
            return
        answers = None
        if self._target is not None:
            answers = self.game.person_answers(self.episode.states, self._target[None])[0]
        self.episode.step(decision, answers)
        self._speed = decision.visits / self._thinking if decision.visits and self._thinking > 0 else 0.0
        self._thinking, self._single, self._changed = 0.0, False, True
        self._finish_step()

    def _finish_step(self) -> None:
        now, period = self._clock(), 1.0 / (self.game.steps_per_second * self._factor)
        self._due = self._due + period if self._due + _HOPELESS > now else now
        self._past.append((now, 1.0 / self.game.steps_per_second))
        while now - self._past[0][0] > _CLOCKED:
            self._past.popleft()
        if self.episode.over:
            self._due = now + _REST
            self._past.clear()
            self.match.note(self.episode)

    @property
    def _pace(self) -> float:
        """Seconds of the world in a second, as reached; 0 while unknown."""
        if len(self._past) < 2:
            return 0.0
        took = self._past[-1][0] - self._past[0][0]
        return sum(seconds for _, seconds in list(self._past)[1:]) / took if took > 0 else 0.0

    # --- orders -----------------------------------------------------------------------------------------------------

    def hear(self, order: Order) -> None:
        """Do what the app wants."""
        try:
            self._obey(order)
        except (BadRequest, RuntimeError) as error:
            self._send(Said(f"{error}"))
        self._changed = self._changed or not isinstance(order, Seen)

    def _obey(self, order: Order) -> None:
        match order:
            case Seen():
                self._seen = True
            case Room():
                self._room = order
            case Pause(paused):
                self._paused = paused
                self._restart_clock()
            case Step():
                self._paused = self._single = True
            case Speed(factor):
                self._factor = factor
                self._restart_clock()
            case Think(simulations):
                self._think(simulations)
            case Begin():
                if self.match.over:
                    self.match.reset()
                self._begin()
            case SetGoal(text):
                if self.game.goal_setting is None:
                    raise BadRequest(f"{self.game.name} has no goal that can be set")
                self.episode.set_goal(typed(self.game.goal_setting, text))
            case Steer(way, times):
                self._steer(way, times)
            case Point(x, y):
                self._point(x, y)
            case SaveFilm(path):
                film = film_of(self.game, list(self.episode.film), kind_of(Path(path)))
                self._send(Said(written(path, film, f"A film of {len(self.episode.film)} steps")))
                self._restart_clock()

    def _think(self, simulations: int) -> None:
        if not self.pilot.searches:
            raise BadRequest("no agent moves it: there is none to search with")
        self.pilot.simulations = simulations

    def _restart_clock(self) -> None:
        self._due = self._clock()
        self._past.clear()

    def _steer(self, way: int, times: int) -> None:
        setting = self.game.goal_setting
        if self._target is not None and way < 2:
            self._target[way] += _REACH * times
            self._keep_target()
        elif setting is not None and way < len(setting.steps):
            self.episode.set_goal(stepped(setting, self.episode.goal, way, times))

    def _point(self, x: float, y: float) -> None:
        area, setting = self.game.picture_area, self.game.goal_setting
        if area is None:
            return
        left, bottom, right, top = area
        place = left + x * (right - left), top - y * (top - bottom)
        if self._target is not None:
            self._target[:] = place
            self._keep_target()
        elif setting is not None:
            self.episode.set_goal(placed(setting, self.episode.goal, place))

    def _keep_target(self) -> None:
        assert self._target is not None
        left, bottom, right, top = self.game.person_area
        np.clip(self._target, (left, bottom), (right, top), out=self._target)

    # --- scenes -----------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        assert self._room is not None
        self._changed = self._seen = False
        self._drawn = self._clock()
        cells, note = self._scenery.draw(self.episode.states[0], self._room, self._target)
        self._send(Scene(cells, note, self._reading()))

    def _reading(self) -> Reading:
        game, episode, match = self.game, self.episode, self.match
        setting, last = game.goal_setting, episode.last
        return Reading(
            pilot=self.pilot.description,
            simulations=self.pilot.simulations,
            number=match.number,
            step=episode.num_steps,
            most_steps=None if episode.is_free else game.max_num_moves,
            returns=episode.returns,
            success=episode.success if game.tells_success else None,
            num_done=match.num_done,
            num_successes=match.num_successes,
            score=match.points if game.rows_per_state > 1 else None,
            values=tuple(episode.values),
            visits=last.visits if last is not None else 0,
            speed=self._speed,
            options=last.options if last is not None else (),
            action=tuple(last.actions[0].tolist()) if last is not None else (),
            distance=episode.distance,
            turn=None if setting is None else turn(setting, episode.achieved, episode.goal),
            goal="" if setting is None else goal_text(setting, episode.goal.tolist()),
            factor=self._factor,
            pace=self._pace,
            paused=self._paused,
            over=episode.over,
            match_over=match.over,
        )


def serve_stage(
    connection: Connection, name: str, agent: Path | None, simulations: int, seed: int, with_person: bool
) -> None:
    """Play episodes of the game called `name` until the app is gone."""
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    stage = Stage(game, NobodyYet(), seed, connection.send, with_person=with_person, called=connection.poll)
    stage.hear(connection.recv())  # how much room there is
    stage.act()  # a picture, while the agent is loaded
    stage.take_over(make_pilot(game, agent, simulations))
    ready(connection)
    while True:
        if connection.poll(stage.wait()):
            stage.hear(connection.recv())
        else:
            stage.act()
