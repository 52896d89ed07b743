"""`keima bench baselines`: what it costs to learn to move robots, beside Stable-Baselines3's SAC on the same cores.

What is compared, and what is not, is told in docs/benchmarks.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from typing import NamedTuple

from games.base import SimulatedGame
from rl.errors import UserError
from scripts.bench.baselines.sac import SETTINGS, Checked, learnt_by_sac, require_stable_baselines
from scripts.bench.control import GOALS, Run, learn, make_task, start_seconds
from scripts.bench.report import Figure, Options, Report, require_positive

_RATIO_GOALS = {"pendulum": 1 / 4, "planar_reach": 1 / 3}
_POINTS = 12
"""Of a learning curve, as the notes tell it."""


@dataclass(frozen=True)
class BaselinesBench(Options):
    """Robot tasks learnt by Stable-Baselines3's SAC (with hindsight where there are goals) until it reaches the score
    that is asked of Keima, and by Keima, in turns. Needs pip install 'keima[baselines]'."""

    tasks: tuple[str, ...] = ("pendulum", "planar_reach")
    """What is learnt."""
    runs: int = 1
    """Training runs of each by each, with the seeds from --seed on."""
    cpu_seconds: float = 300.0
    """SAC is stopped after so many, at its next check."""
    check_steps: int = 500
    """SAC's steps from one check of its score to the next; checks are not counted."""
    goal: float | None = None
    """The score that SAC is stopped at. None: what `keima bench control` asks for; without any it learns on."""
    episodes: int = 100
    """Whole episodes that a score is taken of, the same ones each time and for both."""
    simulations: int = 16
    """Simulations a step where Keima's search moves the robot."""
    alone: bool = False
    """Have SAC learn alone."""


class _Task(NamedTuple):
    game: SimulatedGame
    learner: str
    """What SAC is called here."""
    what: str
    """What counts: "return", or "success"."""
    goal: float | None


def measure(command: BaselinesBench) -> Report:
    """A run of each in turns, task by task."""
    numbers = {name: getattr(command, name) for name in ("runs", "episodes", "simulations")}
    slow = {"cpu-seconds": command.cpu_seconds, "check-steps": command.check_steps}
    require_positive({**numbers, **slow})
    require_stable_baselines()
    tasks = [_task(name, command.goal) for name in command.tasks]
    figures: list[Figure] = []
    notes: list[str] = []
    for task in tasks:
        found, told = _compare(task, command)
        figures += found
        notes += told
    notes += [
        "CPU seconds are those of all processes and threads, without start-up, compiling and the judging of scores",
        "SAC stops at the first check that reaches its goal; Keima's runs are whole, and their score is the last one's",
    ]
    settings = {
        "tasks": ", ".join(command.tasks),
        **numbers,
        **slow,
        "stable-baselines3": metadata.version("stable-baselines3"),
    }
    return Report("baselines", command.seed, settings, tuple(figures), tuple(notes))


def _task(name: str, goal: float | None) -> _Task:
    game = make_task(name)
    if name not in SETTINGS:
        raise UserError(f"bench baselines: SAC has no settings for {name}: it has some for {', '.join(SETTINGS)}")
    what = "success" if game.tells_success and name not in GOALS["return"] else "return"
    return _Task(game, "SAC+HER" if game.goal_size else "SAC", what, GOALS[what].get(name) if goal is None else goal)


def _compare(task: _Task, command: BaselinesBench) -> tuple[list[Figure], list[str]]:
    name = task.game.name
    start = 0.0 if command.alone else start_seconds(task.game)
    curves: list[list[Checked]] = []
    runs: list[Run] = []
    for seed in range(command.seed, command.seed + command.runs):
        curves.append(_curve(task, seed, command))
        if not command.alone:
            print(f"bench baselines: {name}, Keima, seed {seed}", file=sys.stderr)
            runs.append(learn(task.game, seed, None, command.episodes, command.simulations))
    ends = [curve[-1] for curve in curves]
    theirs = tuple(end.cpu_seconds for end in ends)
    scores = tuple(end.scores[task.what] for end in ends)
    figures = [
        Figure(f"{name}, {task.learner}", "CPU seconds", theirs, "cpu"),
        Figure(f"{name}, {task.learner}", "steps", tuple(float(end.steps) for end in ends)),
        Figure(f"{name}, {task.learner}", task.what, scores, goal=task.goal),
    ]
    notes = [_told(task, command.seed + index, curve) for index, curve in enumerate(curves)]
    if runs:
        ours = tuple(run.cpu_seconds - start for run in runs)
        figures.append(Figure(f"{name}, Keima", "CPU seconds", ours, "cpu"))
        for who, what in runs[0].scores:
            if what == task.what:
                values = tuple(run.scores[who, what] for run in runs)
                figures.append(Figure(f"{name}, Keima, {who}", what, values, goal=task.goal))
        ratios = tuple(own / their for own, their in zip(ours, theirs, strict=True))
        goal = _RATIO_GOALS.get(name)
        figures.append(Figure(f"{name}, Keima over {task.learner}", "ratio", ratios, "cpu", goal, at_most=True))
    return figures, notes


def _curve(task: _Task, seed: int, command: BaselinesBench) -> list[Checked]:
    """SAC's checks, until one reaches the goal or the time is up."""
    checks = []
    with closing(learnt_by_sac(task.game.name, seed, command.check_steps, command.episodes)) as learning:
        for checked in learning:
            checks.append(checked)
            told = f"{checked.steps} steps, {checked.cpu_seconds:.0f} s, {task.what} {checked.scores[task.what]:.3g}"
            print(f"bench baselines: {task.game.name}, {task.learner}, seed {seed}: {told}", file=sys.stderr)
            reached = task.goal is not None and checked.scores[task.what] >= task.goal
            if reached or checked.cpu_seconds >= command.cpu_seconds:
                break
    return checks


def _told(task: _Task, seed: int, curve: Sequence[Checked]) -> str:
    """A curve in one line, thinned out."""
    step = -(-len(curve) // _POINTS)
    points = [*curve[step - 1 : -1 : step], curve[-1]]
    told = "; ".join(f"{point.scores[task.what]:.3g} at {point.cpu_seconds:.0f} s" for point in points)
    return f"{task.game.name}, {task.learner}, seed {seed}: {task.what} {told}"
