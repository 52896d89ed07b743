"""A robot, spoken to in lines: commands in, what came of them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from games.simulated import SimulatedGame
from rl.protocols.moves import BadRequest
from scripts.terminal.console import Console
from scripts.terminal.robots.episode import Episode
from scripts.terminal.robots.film import film_of, kind_of
from scripts.terminal.robots.goals import goal_text, turn, typed
from scripts.terminal.robots.pilot import MOST_SIMULATIONS, Pilot

_HELP = """\
run [N]          go on to the end of the episode, or N steps; after its end, another episode
step [N]         one step, or N
reset            begin another episode
{goal}simulations N    search so many states before each step; 0 is the policy alone
state            the state in numbers
video FILE       write the episode so far as an animated picture (.gif, .png)
help             this list
quit             end"""
_MOST_STEPS = 100_000


def summary(episode: Episode) -> str:
    """How an episode stands, in one line."""
    game, setting = episode.game, episode.game.goal_setting
    steps = f"step {episode.num_steps}" + ("" if episode.is_free else f" of {game.max_num_moves}")
    parts = [f"{steps}: return {episode.returns:.2f}"]
    if game.tells_success:
        parts.append("achieved" if episode.success else "not achieved")
    if setting is not None:
        parts.append(f"{episode.distance:.3f} m from the goal")
        turned = turn(setting, episode.achieved, episode.goal)
        if turned is not None:
            parts.append(f"turned {turned:.0f}° from it")
    if episode.terminated:
        parts.append("it has ended")
    return ", ".join(parts)


class RobotDialogue:
    """Plays episodes as it is told."""

    def __init__(self, game: SimulatedGame, pilot: Pilot, console: Console, seed: int) -> None:
        self._game, self._pilot, self._console = game, pilot, console
        self._generator = np.random.default_rng(seed)
        self._commands: dict[str, Callable[[str], None]] = {
            "run": self._run,
            "step": self._step,
            "reset": self._reset,
            "goal": self._goal,
            "simulations": self._simulations,
            "state": self._state,
            "video": self._video,
            "help": self._help,
            "quit": self._quit,
        }
        self._done = False
        console.say(
            f"{game.name}: episodes of {game.max_num_moves} steps, {game.steps_per_second:g} a second; "
            f"{pilot.description} moves it."
        )
        if game.takes_person:
            console.say("Both sides move by themselves here: a person plays on the full screen.")
        if console.style.interactive:
            console.say(f"Commands: {', '.join(self._commands)}.")
        self._reset("")

    def run(self) -> None:
        """Until `quit`, or the end of the input."""
        while not self._done:
            line = self._console.ask("> ")
            if line is None:
                return
            word, _, rest = line.strip().partition(" ")
            if not word:
                continue
            try:
                if word.lower() not in self._commands:
                    raise BadRequest(f"there is no {word!r}: the commands are {', '.join(self._commands)}")
                self._commands[word.lower()](rest.strip())
            except (BadRequest, RuntimeError) as error:
                said = str(error)
                self._console.say(f"{said[:1].upper()}{said[1:]}.")

    # --- the commands -----------------------------------------------------------------------------------------------

    def _run(self, text: str) -> None:
        steps = _count(text, "run 20", _MOST_STEPS) if text else None
        if self._episode.over:
            self._begin()
        if steps is None and self._episode.is_free:  # the goal is a person's: as long again
            steps = self._game.max_num_moves
        self._advance(steps)

    def _step(self, text: str) -> None:
        steps = _count(text, "step 5", _MOST_STEPS) if text else 1
        if self._episode.over:
            raise BadRequest("the episode is over: run or reset begins another")
        self._advance(steps)

    def _advance(self, steps: int | None) -> None:
        """So many steps, at most to the end."""
        made = 0
        while not self._episode.over and made != steps:
            decision = self._pilot.decide(self._episode.states, lambda: False)
            assert decision is not None
            self._episode.step(decision)
            made += 1
        self._tell()

    def _reset(self, text: str) -> None:
        self._begin()
        self._tell()

    def _begin(self) -> None:
        self._episode = Episode(self._game, int(self._generator.integers(2**63)))

    def _tell(self) -> None:
        value = self._episode.last.value if self._episode.last is not None else None
        told = f"; expected from here {value:.2f}" if value is not None else ""
        self._console.say(f"{summary(self._episode)}{told}.")

    def _goal(self, text: str) -> None:
        setting = self._game.goal_setting
        if setting is None:
            raise BadRequest(f"{self._game.name} has no goal that can be set")
        if text:
            self._episode.set_goal(typed(setting, text))
        self._console.say(f"The goal is {goal_text(setting, self._episode.goal.tolist())}.")

    def _simulations(self, text: str) -> None:
        if not self._pilot.searches:
            raise BadRequest("no agent moves it: there is none to search with")
        self._pilot.simulations = 0 if text == "0" else _count(text, "simulations 32", MOST_SIMULATIONS)
        self._console.say(f"{self._pilot.description}.")

    def _state(self, text: str) -> None:
        self._console.say(self._game.to_text(self._episode.states[0]))

    def _video(self, text: str) -> None:
        if not text:
            raise BadRequest("video takes the name of a file: video episode.gif")
        kind = kind_of(Path(text))
        try:
            with open(text, "xb") as file:
                file.write(film_of(self._game, self._episode.film, kind))
        except FileExistsError:
            raise BadRequest(f"there is a file {text} already: it stays as it is") from None
        except OSError as error:
            raise BadRequest(f"{text}: {error.strerror}") from None
        self._console.say(f"The film is in {text}.")

    def _help(self, text: str) -> None:
        setting = self._game.goal_setting
        names = "" if setting is None else f"goal {' '.join(number.name.upper() for number in setting.numbers)}"
        self._console.show(_HELP.format(goal=f"{names:<16} set the goal, in m and rad\n" if names else ""))

    def _quit(self, text: str) -> None:
        self._done = True


def _count(text: str, example: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise BadRequest(f"write it as: {example}, at most {most}")
    return int(text)
