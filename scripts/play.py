"""`keima play GAME`: play against an agent in the terminal, full screen or line by line."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

import games
from games.base import Game
from games.simulated import SimulatedGame
from rl.errors import UserError
from scripts.agents import find_agent
from scripts.arguments import PlayedName
from scripts.ports import free_port
from scripts.terminal.console import Console
from scripts.terminal.dialogue import Dialogue
from scripts.terminal.preparation import Preparation, load, make_thinker, make_thinkers
from scripts.terminal.robots.pilot import MOST_SIMULATIONS
from scripts.terminal.thinking import LEVELS, Budget, Strength

if TYPE_CHECKING:
    from rl.network.choice import Backend

_DEFAULT_LEVEL = 5
_PACE = 1.0


@dataclass(frozen=True)
class Command:
    """Play against an agent in the terminal, or watch a robot that it moves: full screen where there is one, where `?`
    helps; else line by line, where `help` tells the commands."""

    game: PlayedName
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game. Where none ships, a search with random rollouts
    plays."""
    level: int | None = None
    """Strength, 1 (a beginner can win) to 10 (full). By default 5, or 10 when --simulations or --seconds is given."""
    simulations: int | None = None
    """Positions the agent looks at for each move, whatever the level says; for a robot, before each step (0: it acts
    at once, which is the default)."""
    seconds: float | None = None
    """Seconds the agent thinks about each move, whatever the level says."""
    first: Literal["me", "agent", "random"] = "me"
    """Who moves first."""
    seed: int | None = None
    """Makes the agent's choices repeatable."""
    plain: bool = False
    """Line by line, as without a terminal."""
    watch: bool = False
    """Full screen: watch two agents play each other. A robot that nobody plays against is watched anyway."""
    opponent: Path | None = None
    """The other agent's file when two agents play; by default the same agent."""
    opponent_level: int | None = None
    """The other agent's level; by default the same."""
    review: Path | None = None
    """Full screen: begin with a review of the game in this SGF record."""
    serve: int | None = None
    """Serve the full-screen app to browsers on this machine, at this port or, where it is taken, the next free one
    (pip install 'keima[serve]')."""
    video: Path | None = None
    """Robots: no screen, but an episode as an animated picture in this new file (.gif, .png)."""
    window: bool = False
    """Robots: in a window of the desktop instead of the terminal."""


_FOR_BOARDS = ("level", "seconds", "first", "opponent", "opponent_level", "review")
_FOR_ROBOTS = ("video", "window")


def run(command: Command) -> int:
    game = games.make(command.game)
    simulated = isinstance(game, SimulatedGame)
    for name in _FOR_BOARDS if simulated else _FOR_ROBOTS:
        if getattr(command, name) != getattr(Command(""), name):
            what = "a task for a robot" if simulated else "a board game"
            raise UserError(f"--{name.replace('_', '-')}: {game.name} is {what}, and has none")
    if isinstance(game, SimulatedGame):
        return _run_robot(command, game)
    return _run_board(command, game)


def _run_robot(command: Command, game: SimulatedGame) -> int:
    from scripts.terminal.robots.start import Wishes, show_film, show_lines, show_screen, show_window

    simulations = command.simulations or 0
    if not 0 <= simulations <= MOST_SIMULATIONS:
        raise UserError(f"--simulations {simulations}: for a robot 0 to {MOST_SIMULATIONS}")
    if sum((command.video is not None, command.window, command.serve is not None, command.plain)) > 1:
        raise UserError("--video, --window, --serve and --plain exclude each other")
    if command.watch and not game.takes_person:
        raise UserError(f"--watch: nobody plays against {game.name}, it is watched anyway")
    seed = int(np.random.default_rng(command.seed).integers(2**62))
    wishes = Wishes(
        game=game,
        agent=find_agent(game, command.agent),
        is_asked=command.agent is not None,
        simulations=simulations,
        seed=seed,
        with_person=game.takes_person and not command.watch,
    )
    if command.serve is not None:
        return _serve(command.serve)
    if command.video is not None:
        return show_film(wishes, command.video)
    if command.window:
        return show_window(wishes)
    if command.plain or not _is_full_screen():
        return show_lines(wishes)
    return show_screen(wishes)


def _run_board(command: Command, game: Game) -> int:
    strength = _strength(command)
    if game.num_players != 2:
        raise UserError(f"{game.name} is for {game.num_players} player: there is nobody to play against")
    if command.serve is not None:
        return _serve(command.serve)
    if command.plain or not _is_full_screen():
        if command.watch or command.review is not None:
            raise UserError("--watch and --review are for the full screen: they need a terminal, and no --plain")
        return _run_lines(command, game, strength)
    return _run_app(command, game, strength)


def _is_full_screen() -> bool:
    """Whether there is a terminal that can show boards; textual-serve is one, and says so in a variable."""
    if os.environ.get("TEXTUAL_DRIVER"):
        return True
    terminals = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return terminals and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _run_app(command: Command, game: Game, strength: Strength) -> int:
    # Imported here: the line mode starts without them.
    from scripts.terminal.app.app import KeimaApp
    from scripts.terminal.app.commands import open_record
    from scripts.terminal.app.mind import ProcessMind
    from scripts.terminal.app.palette import depth_of_terminal
    from scripts.terminal.app.session import Seat, Session
    from scripts.terminal.app.table import Table

    generator = np.random.default_rng(command.seed)
    seed = int(generator.integers(2**62))
    try:
        opening = None if command.review is None else open_record(game, command.review)
    except ValueError as error:
        raise UserError(f"{command.review}: {error}") from None
    mind = ProcessMind(partial(make_thinkers, command.game, _agents(command, game), seed))
    try:
        agent = Seat(strength, 0)
        other = Seat(_opponent_strength(command, strength), 1 if command.opponent is not None else 0)
        seats = (Seat(strength), agent) if _human(command, generator) == 0 else (agent, Seat(strength))
        session = Session(game, mind, (agent, other) if command.watch else seats, generator, pace=_PACE * command.watch)
        table = Table(session, depth_of_terminal())
        return KeimaApp(table, None if opening is None else partial(opening, table)).run() or 0
    finally:
        mind.close()


def _agents(command: Command, game: Game) -> list[Path | None]:
    """The agents' files. Those asked for are loaded now: that one is no agent of this game is told before all else."""
    paths = [find_agent(game, command.agent)]
    if command.opponent is not None:
        paths.append(find_agent(game, command.opponent))
    for asked in (command.agent, command.opponent):
        if asked is not None:
            load(game, asked)
    return paths


def _run_lines(command: Command, game: Game, strength: Strength) -> int:
    path = find_agent(game, command.agent)
    generator = np.random.default_rng(command.seed)
    seed = int(generator.integers(2**62))
    backend: Backend = "measured" if command.seed is None else "torch"  # games are to be repeatable
    # A file asked for is loaded now: that it is no agent of this game is told before anything else.
    evaluator = load(game, command.agent, backend) if command.agent is not None else None
    preparation = Preparation(lambda: make_thinker(game, path, seed, evaluator, backend))
    console = Console(sys.stdin, sys.stdout)
    if path is None:
        console.say(f"No agent ships for {game.name} yet: a search with random rollouts plays.")
    try:
        dialogue = Dialogue(game, console, preparation.thinker, strength, lambda: _human(command, generator), generator)
        if not console.style.interactive:
            preparation.thinker()  # a pipe reads nothing meanwhile
        dialogue.play()
        code = 0
    except KeyboardInterrupt:
        console.passing("")
        console.show("\nGoodbye." if console.style.interactive else "Goodbye.")
        code = 130
    if preparation.running():
        # Python would abort the imports and compilations of that thread in the midst of foreign code, at times loudly.
        sys.stdout.flush()
        os._exit(code)
    return code


def _serve(port: int) -> int:
    """Serve this command, without --serve, to browsers; ends with Ctrl-C."""
    try:
        from textual_serve.server import Server
    except ImportError:
        raise UserError("--serve needs textual-serve: pip install 'keima[serve]'") from None
    import shlex

    arguments = without_serve(sys.argv[1:])
    command = shlex.join([sys.executable, "-m", "scripts.cli", *arguments])
    Server(command, host="localhost", port=free_port(port, "--serve"), title="keima").serve()
    return 0


def without_serve(arguments: list[str]) -> list[str]:
    """The arguments of the command that is served."""
    kept = [argument for argument in arguments if not argument.startswith("--serve=")]
    if "--serve" in kept:
        at = kept.index("--serve")
        kept = kept[:at] + kept[at + 2 :]
    return kept


def _strength(command: Command) -> Strength:
    for name, level in (("level", command.level), ("opponent-level", command.opponent_level)):
        if level is not None and not 1 <= level <= len(LEVELS):
            raise UserError(f"--{name} {level}: levels are 1 to {len(LEVELS)}")
    if command.simulations is not None and command.simulations < 1:
        raise UserError(f"--simulations {command.simulations}: must be at least 1")
    if command.seconds is not None and not (math.isfinite(command.seconds) and command.seconds > 0):
        raise UserError(f"--seconds {command.seconds}: must be more than 0")
    if command.simulations is not None and command.seconds is not None:
        raise UserError("--simulations and --seconds exclude each other")
    if command.simulations is None and command.seconds is None:
        return Strength(command.level or _DEFAULT_LEVEL)
    level = command.level or len(LEVELS)
    reuse = LEVELS[level - 1].budget.reuse
    return Strength(level, Budget(command.simulations or 1, command.seconds, reuse))


def _opponent_strength(command: Command, strength: Strength) -> Strength:
    return strength if command.opponent_level is None else strength._replace(level=command.opponent_level)


def _human(command: Command, generator: np.random.Generator) -> int:
    """The player that the person is."""
    if command.first == "random":
        return int(generator.integers(2))
    return 0 if command.first == "me" else 1
