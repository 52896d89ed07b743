"""`keima bench lookahead`: what a search adds to the policy that it asks, by its length and by how much is learnt.

The run lies in a folder of its own, where it stays: the same command takes up what was interrupted and measures what is
finished.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from games.simulated import SimulatedGame
from rl.arena.elo import NORMAL_95, wilson_interval
from rl.network.agent_file import load_agent, read_card
from rl.network.evaluator import NetworkEvaluator
from rl.train.config import EvaluationConfig
from rl.train.episodes import Actor, Played, policy_actor
from rl.train.run_directory import kept_networks
from scripts.bench.control import POLICY, judge, make_task, searcher, train_whole
from scripts.bench.report import Figure, Options, Report, require_positive

# A run keeps the networks that it has measured: it is asked to measure often, and little.
_KEEPING = EvaluationConfig(seconds=2.0, cpu_share=1.0, simulations=2, games=1, last_games=1, rollouts=())


@dataclass(frozen=True)
class LookaheadBench(Options):
    """Robot tasks: a search of several lengths against the bare policy, in the same episodes, at stages of a training
    run, with 95 % intervals."""

    tasks: tuple[str, ...] = ("planar_reach", "pendulum")
    """What is learnt, each by `keima train` as its preset has it."""
    stages: int = 3
    """Agents of each run that are measured, evenly spaced over its episodes."""
    simulations: tuple[int, ...] = (8, 32, 128)
    """Simulations a step of the searches."""
    games: int | None = None
    """Episodes of each run. None: as many as the preset asks for."""
    episodes: int = 200
    """Whole episodes that a score is taken of, the same ones each time."""
    out: Path = Path("runs/lookahead")
    """Where the runs lie."""


def measure(command: LookaheadBench) -> Report:
    """Train what is missing, then move the robot by each agent in each way."""
    numbers = {"stages": command.stages, "episodes": command.episodes}
    require_positive({**numbers, "simulations": min(command.simulations, default=1), "games": command.games or 1})
    figures: list[Figure] = []
    for game in [make_task(name) for name in command.tasks]:
        run_dir = command.out / f"{game.name}-{command.seed}"
        print(f"bench lookahead: {game.name} learns in {run_dir}", file=sys.stderr)
        train_whole(game, run_dir, command.seed, command.games, _KEEPING)
        for share, agent in staged(run_dir, command.stages).items():
            print(f"bench lookahead: {game.name}, {share:.0%} learnt", file=sys.stderr)
            figures += _compared(f"{game.name}, {share:.0%} learnt", game, agent, command)
    notes = (
        "min and max are the ends of 95 % intervals: Wilson's of shares, of means by their standard errors",
        "gained: what is more than the policy's alone, in the mean over the same episodes; the interval is of these "
        "differences",
    )
    settings = {
        "tasks": ", ".join(command.tasks),
        "simulations": " ".join(map(str, command.simulations)),
        "games": command.games or "preset",
        **numbers,
    }
    return Report("lookahead", command.seed, settings, tuple(figures), notes)


def staged(run_dir: Path, stages: int) -> Mapping[float, Path]:
    """Of the networks that a run has kept, those nearest to equal shares of its episodes, by the share that they have
    learnt from; the last is the run's last. Fewer where it has kept fewer."""
    games = {path: int(read_card(path)["games"]) for path in kept_networks(run_dir)}
    whole = max(games.values())
    found = {}
    for stage in range(1, stages + 1):
        path = min(games, key=lambda path: abs(games[path] - whole * stage / stages))
        found[games[path] / whole] = path
    return found


def _compared(name: str, game: SimulatedGame, agent: Path, command: LookaheadBench) -> list[Figure]:
    """The policy's scores, each search's, and what each search has more."""
    evaluator = NetworkEvaluator(game, load_agent(agent, game), command.episodes)
    actors: dict[str, Actor] = {POLICY: policy_actor(game, evaluator)}
    for count in command.simulations:
        actors[f"{count} simulations"] = searcher(game, evaluator, count, command.episodes)
    figures = []
    alone: Played | None = None
    for who, actor in actors.items():
        played = judge(game, actor, command.episodes)
        figures.append(Figure(f"{name}, {who}", "return", mean_interval(played.returns)))
        if game.tells_success:
            figures.append(Figure(f"{name}, {who}", "success", _share_interval(played)))
        if alone is None:
            alone = played
            continue
        figures.append(Figure(f"{name}, {who}", "return gained", mean_interval(played.returns - alone.returns)))
        if game.tells_success:
            gained = played.successes.astype(np.float64) - alone.successes
            figures.append(Figure(f"{name}, {who}", "success gained", mean_interval(gained)))
    return figures


def mean_interval(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """(lower end, mean, upper end) of the 95 % interval of the mean of `values` [n], by its standard error."""
    mean = float(values.mean())
    spread = NORMAL_95 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return mean - spread, mean, mean + spread


def _share_interval(played: Played) -> tuple[float, float, float]:
    share = float(played.successes.mean())
    low, high = wilson_interval(share, len(played.successes))
    return low, share, high
