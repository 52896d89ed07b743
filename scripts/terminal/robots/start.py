"""The ways in which `keima play` shows a robot: on the full screen, in lines, in a window, as a film in a file."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.protocols.moves import BadRequest
from scripts.terminal.console import Console
from scripts.terminal.robots.dialogue import RobotDialogue, summary
from scripts.terminal.robots.episode import Episode
from scripts.terminal.robots.film import film_of, kind_of
from scripts.terminal.robots.pilot import Pilot, make_pilot


class Wishes(NamedTuple):
    """What is to be shown."""

    game: SimulatedGame
    agent: Path | None
    """Its file; None: there is none, and the script moves the robot."""
    is_asked: bool
    """A person has named that file."""
    simulations: int
    """Before each step; 0: the policy alone."""
    seed: int
    with_person: bool
    """Somebody plays in the others' place, where the screen lets them."""

    def pilot(self) -> Pilot:
        """Who moves the robot. Raises UserError as `make_pilot`."""
        return make_pilot(self.game, self.agent, self.simulations)

    def episode(self) -> Episode:
        """The first episode."""
        return Episode(self.game, int(np.random.default_rng(self.seed).integers(2**63)))


def show_screen(wishes: Wishes) -> int:
    """Full screen; returns the exit code."""
    # Imported here: the other ways start without them.
    from scripts.terminal.app.app import KeimaApp
    from scripts.terminal.app.child import Child
    from scripts.terminal.app.palette import depth_of_terminal
    from scripts.terminal.app.robots.cockpit import Cockpit
    from scripts.terminal.app.robots.stage import serve_stage

    if wishes.is_asked or (wishes.agent is None and wishes.simulations):
        wishes.pilot()  # where it cannot be, that is told before the screen opens
    work = partial(
        serve_stage,
        name=wishes.game.name,
        agent=wishes.agent,
        simulations=wishes.simulations,
        seed=wishes.seed,
        with_person=wishes.with_person,
    )
    child = Child(work)
    try:
        cockpit = Cockpit(wishes.game, child, depth_of_terminal(), with_person=wishes.with_person)
        return KeimaApp(cockpit).run() or 0
    finally:
        child.close()


def show_lines(wishes: Wishes) -> int:
    """Line by line; returns the exit code."""
    console = Console(sys.stdin, sys.stdout)
    try:
        RobotDialogue(wishes.game, wishes.pilot(), console, wishes.seed).run()
    except KeyboardInterrupt:
        console.show("\nGoodbye." if console.style.interactive else "Goodbye.")
        return 130
    return 0


def show_film(wishes: Wishes, path: Path) -> int:
    """One episode, as fast as it goes, into a new file; returns the exit code."""
    try:
        kind = kind_of(path)
    except BadRequest as error:
        raise UserError(str(error)) from None
    pilot, episode = wishes.pilot(), wishes.episode()
    file = path.open("xb")  # before all the work
    try:
        with file:
            while not episode.over:
                _step(pilot, episode)
            file.write(film_of(wishes.game, episode.film, kind))
    except BaseException as error:
        path.unlink()
        if isinstance(error, RuntimeError):
            raise UserError(str(error)) from None
        raise
    print(f"{summary(episode)}; {pilot.description}. The film is in {path}.")
    return 0


def show_window(wishes: Wishes) -> int:
    """In a window of the desktop, one episode after the other, until it is closed; returns the exit code."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UserError("--window: there is no desktop here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    from games.robots.drawing import NoWindow, Screen

    pilot, game = wishes.pilot(), wishes.game
    generator = np.random.default_rng(wishes.seed)
    screen = Screen(game.name, round(game.steps_per_second))
    print(f"{pilot.description}. Close the window or press Ctrl-C to end.", flush=True)
    try:
        while not screen.is_closed:
            episode = Episode(game, int(generator.integers(2**63)))
            screen.show(game.picture(episode.states[0]))
            while not (episode.over or screen.is_closed):
                _step(pilot, episode)
                screen.show(game.picture(episode.states[0]))
            print(summary(episode), flush=True)
    except (NoWindow, RuntimeError) as error:
        raise UserError(f"--window: {error}") from None
    except KeyboardInterrupt:
        print("Goodbye.")
        return 130
    finally:
        screen.close()
    return 0


def _step(pilot: Pilot, episode: Episode) -> None:
    decision = pilot.decide(episode.states, lambda: False)
    assert decision is not None
    episode.step(decision)
