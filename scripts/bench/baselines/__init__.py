"""`keima bench baselines`: what it costs to learn to move robots, beside Stable-Baselines3's SAC on the same cores.

What is compared, and what is not, is told in docs/benchmarks.md.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from typing import NamedTuple

from games.simulated import SimulatedGame
from rl.errors import UserError
from scripts.bench.baselines.sac import SETTINGS, Checked, learnt_by_sac, require_stable_baselines
from scripts.bench.control import GOALS, POLICY, Run, learn, make_task, start_seconds
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
    """What counts: "return", or where there are goals "success"."""
    goal: float | None

    def score_of(self, run: Run) -> float:
        """What counts of a run of Keima's: its policy's score."""
        return run.scores[POLICY, self.what]


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
    what = "success" if game.goal_size else "return"
    return _Task(game, "SAC+HER" if game.goal_size else "SAC", what, GOALS[what].get(name) if goal is None else goal)


def _compare(task: _Task, command: BaselinesBench) -> tuple[list[Figure], list[str]]:
    name = task.game.name
    start = 0.0 if command.alone else start_seconds(task.game)
    curves: list[list[Checked]] = []
    runs: list[Run] = []
    for seed in range(command.seed, command.seed + command.runs):
        curves.append(_curve(task, seed, command))
        if not command.alone:
            run = learn(task.game, seed, None, command.episodes, command.simulations)
            told = f"{run.cpu_seconds - start:.0f} s, {task.what} {task.score_of(run):.3g}"
            print(f"bench baselines: {name}, Keima, seed {seed}: {told}", file=sys.stderr)
            runs.append(run)
    return _figures(task, curves, runs, start), _notes(task, command.seed, curves, runs)


def _figures(task: _Task, curves: Sequence[Sequence[Checked]], runs: Sequence[Run], start: float) -> list[Figure]:
    """What either cost and reached, then Keima's CPU seconds over SAC's of the same seed: held to a goal only where
    Keima reached the score."""
    name, ends = task.game.name, [curve[-1] for curve in curves]
    goals = {task.what: task.goal}
    theirs = tuple(end.cpu_seconds for end in ends)
    figures = [
        Figure(f"{name}, {task.learner}", "CPU seconds", theirs, "cpu"),
        Figure(f"{name}, {task.learner}", "steps", tuple(float(end.steps) for end in ends)),
    ]
    for what in ends[0].scores:
        scores = tuple(end.scores[what] for end in ends)
        figures.append(Figure(f"{name}, {task.learner}", what, scores, goal=goals.get(what)))
    if not runs:
        return figures
    ours = tuple(run.cpu_seconds - start for run in runs)
    figures.append(Figure(f"{name}, Keima", "CPU seconds", ours, "cpu"))
    for who, what in runs[0].scores:
        scores = tuple(run.scores[who, what] for run in runs)
        figures.append(Figure(f"{name}, Keima, {who}", what, scores, goal=goals.get(what)))
    ratios = tuple(own / their for own, their in zip(ours, theirs, strict=True))
    reached = task.goal is None or statistics.median(map(task.score_of, runs)) >= task.goal
    goal = _RATIO_GOALS.get(name) if reached else None
    return [*figures, Figure(f"{name}, Keima over {task.learner}", "ratio", ratios, "cpu", goal, at_most=True)]


def _notes(task: _Task, seed: int, curves: Sequence[Sequence[Checked]], runs: Sequence[Run]) -> list[str]:
    """SAC's curves, and who did not reach the score."""
    notes = [_told(task, seed + index, curve) for index, curve in enumerate(curves)]
    if task.goal is None:
        return notes
    scores = {
        task.learner: [curve[-1].scores[task.what] for curve in curves],
        "Keima": [task.score_of(run) for run in runs],
    }
    for learner, reached in scores.items():
        missed = [str(seed + index) for index, score in enumerate(reached) if score < task.goal]
        if missed:
            notes.append(
                f"{task.game.name}, {learner}: {task.what} {task.goal:g} was missed with seed {', '.join(missed)}"
            )
    return notes


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
