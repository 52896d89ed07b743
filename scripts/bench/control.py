"""`keima bench control`: what it costs to learn to move robots, and how fast their search is, network included."""

from __future__ import annotations

import io
import resource
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

import games
from games.robots.gymnasium_game import GymnasiumGame
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.network.agent_file import load_agent
from rl.network.evaluator import NetworkEvaluator
from rl.network.kinds import make_network
from rl.network.vector import VectorConfig
from rl.replay.mixture import Mixture
from rl.search.evaluation import Evaluator
from rl.search.proposals import GaussianProposer
from rl.search.simulator import SIMULATED, SimulatorSearch
from rl.train.config import EvaluationConfig, LimitsConfig, ResourcesConfig
from rl.train.episodes import Actor, Played, play_episodes, policy_actor, search_actor
from rl.train.loop import train
from scripts.bench.report import Figure, Report, TimedOptions, interleaved, rates, require_positive
from scripts.presets import preset

_SEARCH_GOAL = 150_000.0
_SEARCHED = "planar_reach"
_CPU_GOALS = {
    "pendulum": 20.0,
    "planar_reach": 60.0,
    "cart_pole_swing_up": 120.0,
    "quadrotor_2d_hover": 600.0,
    "diff_drive_park": 600.0,
    "arm_reach": 300.0,
    "arm_push": 3600.0,
}
GOALS: dict[str, dict[str, float]] = {
    "return": {"pendulum": -150.0, "cart_pole_swing_up": 210.0},
    "success": {
        "planar_reach": 0.95,
        "quadrotor_2d_hover": 0.9,
        "diff_drive_park": 0.9,
        "arm_reach": 0.99,
        "arm_push": 0.5,
    },
}
"""What the policy alone is asked for: the mean return, or the share of episodes that end in success."""
POLICY = "policy alone"
"""Who moves where there is no search."""
_NO_EVALUATION = EvaluationConfig(seconds=0.0)


@dataclass(frozen=True)
class ControlBench(TimedOptions):
    """Robot tasks: CPU seconds of whole training runs and the scores they reach; searched simulations a second."""

    tasks: tuple[str, ...] = ("pendulum", "planar_reach")
    """What is learnt, each by `keima train` as its preset has it. None: only the search is measured."""
    runs: int = 1
    """Training runs of each, with the seeds from --seed on."""
    games: int | None = None
    """Episodes of each run. None: as many as the preset asks for."""
    episodes: int = 100
    """Whole episodes that a score is taken of, the same ones each time."""
    simulations: int = 16
    """Simulations a step where a search moves the robot."""
    trees: int = 512
    """Trees searched together where simulations are counted."""
    keep: Path | None = None
    """A folder for the run directories, TASK-SEED each, with the agents. None: nothing is kept."""


def measure(command: ControlBench) -> Report:
    """The search alone, then whole runs."""
    numbers = {name: getattr(command, name) for name in ("runs", "episodes", "simulations", "trees", "repeats")}
    require_positive(numbers)
    tasks = [make_task(name) for name in command.tasks]
    _refuse_old_runs(tasks, command)
    figures = _searched(command)
    for game in tasks:
        figures += _learnt(game, command)
    notes = (
        "CPU seconds are those of all processes of a run. Starting is what a run of one episode costs, most of it a "
        "second Python with torch, and is taken off the others; kernels had been compiled before",
        "each run has one worker and no evaluation before its end, which is not counted",
        "pendulum is judged by Gymnasium's own environment, reset with the seeds 0, 1, 2 ...",
    )
    settings = {"tasks": ", ".join(command.tasks) or "none", "games": command.games or "preset", **numbers}
    return Report("control", command.seed, settings, tuple(figures), notes)


def make_task(name: str) -> SimulatedGame:
    """The game of a robot's task. Raises UserError on any other, and UnknownGame where there is none."""
    game = games.make(name)
    if not isinstance(game, SimulatedGame):
        raise UserError(f"bench: {name} is no task for a robot: {', '.join(games.simulated_names())}")
    return game


def _run_dir(command: ControlBench, game: SimulatedGame, seed: int) -> Path | None:
    return None if command.keep is None else command.keep / f"{game.name}-{seed}"


def _refuse_old_runs(tasks: list[SimulatedGame], command: ControlBench) -> None:
    """What a run has done already, it would not be charged for."""
    for game in tasks:
        for seed in range(command.seed, command.seed + command.runs):
            run_dir = _run_dir(command, game, seed)
            if run_dir is not None and run_dir.exists():
                raise UserError(f"bench control: there is a run in {run_dir} already: --keep another folder")


def _searched(command: ControlBench) -> list[Figure]:
    """Simulations of fresh trees with a network of the usual size, which need not have learnt anything."""
    game, simulations = make_task(_SEARCHED), 32
    evaluator = NetworkEvaluator(game, make_network(game, VectorConfig(), command.seed), command.trees)
    proposer = GaussianProposer(game.num_slots, game.action_size)
    search = SimulatorSearch(game, game, proposer, SIMULATED, command.trees, simulations)
    states = game.new_states(np.arange(command.trees, dtype=np.uint64) + np.uint64(command.seed))

    def work(turn: int) -> float:
        search.run(evaluator, states, simulations)
        return float(command.trees * simulations)

    laps = interleaved({f"search of {_SEARCHED}, network included": work}, command.repeats)
    return [figure for name, measured in laps.items() for figure in rates(name, "simulations", measured, _SEARCH_GOAL)]


class Run(NamedTuple):
    """A whole training run, from nothing to its agent."""

    cpu_seconds: float
    """What it cost, its start included."""
    scores: dict[tuple[str, str], float]
    """By (who moves, "return" or "success"): POLICY, or "16 simulations"."""


def _learnt(game: SimulatedGame, command: ControlBench) -> list[Figure]:
    """CPU seconds of whole runs, and the scores of their agents by the policy alone and with a search."""
    start = start_seconds(game)
    runs = []
    for seed in range(command.seed, command.seed + command.runs):
        run_dir = _run_dir(command, game, seed)
        runs.append(learn(game, seed, command.games, command.episodes, command.simulations, run_dir))
    seconds = tuple(run.cpu_seconds - start for run in runs)
    figures = [
        Figure(f"{game.name}, starting", "CPU seconds", (start,), "cpu"),
        Figure(game.name, "CPU seconds", seconds, "cpu", _CPU_GOALS.get(game.name), at_most=True),
    ]
    for who, what in runs[0].scores:
        scores = tuple(run.scores[who, what] for run in runs)
        figures.append(Figure(f"{game.name}, {who}", what, scores, goal=GOALS[what].get(game.name)))
    return figures


def start_seconds(game: SimulatedGame) -> float:
    """CPU seconds of a run of one episode, once its kernels have been compiled."""
    with tempfile.TemporaryDirectory() as folder:
        train_whole(game, Path(folder, "compiling"), 0, 1)
        return train_whole(game, Path(folder, "starting"), 0, 1)


def learn(
    game: SimulatedGame,
    seed: int,
    num_games: int | None,
    episodes: int,
    simulations: int,
    run_dir: Path | None = None,
) -> Run:
    """A run as the preset has it, but for `num_games` where it is given; its agent is judged by `episodes` with the
    policy alone and with a search of so many simulations, which is not counted. It is kept in `run_dir` where that is
    given."""
    with tempfile.TemporaryDirectory() as folder:
        kept = run_dir or Path(folder)
        seconds = train_whole(game, kept, seed, num_games)
        agent = load_agent(kept / "agents" / f"{game.name}.safetensors", game)
    evaluator = NetworkEvaluator(game, agent, episodes)
    actors = {
        POLICY: policy_actor(game, evaluator),
        f"{simulations} simulations": searcher(game, evaluator, simulations, episodes),
    }
    scores = {}
    for who, actor in actors.items():
        played = judge(game, actor, episodes)
        scores[who, "return"] = float(played.returns.mean())
        if game.tells_success:
            scores[who, "success"] = float(played.successes.mean())
    return Run(seconds, scores)


def searcher(game: SimulatedGame, evaluator: Evaluator, simulations: int, episodes: int) -> Actor:
    """A search of so many simulations a step, as the preset searches, of up to `episodes` states."""
    return search_actor(game, evaluator, preset(game, "quick").selfplay.search, simulations, episodes)


def train_whole(
    game: SimulatedGame,
    run_dir: Path,
    seed: int,
    num_games: int | None,
    evaluation: EvaluationConfig = _NO_EVALUATION,
) -> float:
    """A run as the preset has it, but for `num_games` where it is given, in one worker and one thread beside it; what
    is in `run_dir` is taken up. Returns its CPU seconds. Raises UserError where a signal has stopped it."""
    config = preset(game, "quick")
    config = replace(
        config,
        seed=seed,
        limits=config.limits if num_games is None else LimitsConfig(games=num_games),
        evaluation=evaluation,
        resources=ResourcesConfig(workers=1, learner_threads=1, device="cpu"),
    )
    before = _cpu_seconds()
    if train(Mixture.of(game), config, run_dir, io.StringIO()):
        raise UserError(f"bench: the run of {game.name} was stopped")
    return _cpu_seconds() - before


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def judge(game: SimulatedGame, actor: Actor, episodes: int) -> Played:
    """So many whole episodes, the same ones each time; those of an environment of Gymnasium's by its own steps, with
    the seeds 0, 1, 2 ..."""
    keys = np.arange(episodes, dtype=np.uint64)
    step = game.step_environment if isinstance(game, GymnasiumGame) else game.step_batch
    return play_episodes(game, actor, keys, step)
