"""`keima bench control`: what it costs to learn to move robots, and how fast their search is, network included."""

from __future__ import annotations

import io
import resource
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import games
from games.base import SimulatedGame
from games.robots.gymnasium_game import GymnasiumGame
from rl.errors import UserError
from rl.network.agent_file import load_agent
from rl.network.evaluator import NetworkEvaluator
from rl.network.kinds import make_network
from rl.network.vector import VectorConfig
from rl.replay.mixture import Mixture
from rl.search.proposals import GaussianProposer
from rl.search.simulator import SIMULATED, SimulatorSearch
from rl.train.config import LimitsConfig, ResourcesConfig
from rl.train.episodes import play_episodes, policy_actor, search_actor
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
}
_RETURN_GOALS = {"pendulum": -150.0, "cart_pole_swing_up": 210.0}
_SUCCESS_GOALS = {"planar_reach": 0.95, "quadrotor_2d_hover": 0.9, "diff_drive_park": 0.9}


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
    tasks = [_make(name) for name in command.tasks]
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


def _make(name: str) -> SimulatedGame:
    game = games.make(name)
    if not isinstance(game, SimulatedGame):
        raise UserError(f"bench control: {name} is no task for a robot: {', '.join(games.simulated_names())}")
    return game


def _run_dir(folder: str | Path, game: SimulatedGame, seed: int) -> Path:
    return Path(folder, f"{game.name}-{seed}")


def _refuse_old_runs(tasks: list[SimulatedGame], command: ControlBench) -> None:
    """What a run has done already, it would not be charged for."""
    if command.keep is None:
        return
    for game in tasks:
        for seed in range(command.seed, command.seed + command.runs):
            if (run_dir := _run_dir(command.keep, game, seed)).exists():
                raise UserError(f"bench control: there is a run in {run_dir} already: --keep another folder")


def _searched(command: ControlBench) -> list[Figure]:
    """Simulations of fresh trees with a network of the usual size, which need not have learnt anything."""
    game, simulations = _make(_SEARCHED), 32
    evaluator = NetworkEvaluator(game, make_network(game, VectorConfig(), command.seed), command.trees)
    proposer = GaussianProposer(game.num_slots, game.action_size)
    search = SimulatorSearch(game, game, proposer, SIMULATED, command.trees, simulations)
    states = game.new_states(np.arange(command.trees, dtype=np.uint64) + np.uint64(command.seed))

    def work(turn: int) -> float:
        search.run(evaluator, states, simulations)
        return float(command.trees * simulations)

    laps = interleaved({f"search of {_SEARCHED}, network included": work}, command.repeats)
    return [figure for name, measured in laps.items() for figure in rates(name, "simulations", measured, _SEARCH_GOAL)]


def _learnt(game: SimulatedGame, command: ControlBench) -> list[Figure]:
    """CPU seconds of whole runs, and the scores of their agents by the policy alone and with a search."""
    seconds, scores = [], []
    with tempfile.TemporaryDirectory() as folder:
        _train(game, Path(folder, "compiling"), command.seed, 1)
        starting = _train(game, Path(folder, "starting"), command.seed, 1)
        for seed in range(command.seed, command.seed + command.runs):
            run_dir = _run_dir(command.keep or folder, game, seed)
            seconds.append(_train(game, run_dir, seed, command.games) - starting)
            scores.append(_scores(game, run_dir / "agents" / f"{game.name}.safetensors", command))
    figures = [
        Figure(f"{game.name}, starting", "CPU seconds", (starting,), "cpu"),
        Figure(game.name, "CPU seconds", tuple(seconds), "cpu", _CPU_GOALS.get(game.name), at_most=True),
    ]
    goals = {"return": _RETURN_GOALS.get(game.name), "success": _SUCCESS_GOALS.get(game.name)}
    for how, what in scores[0]:
        values = tuple(score[how, what] for score in scores)
        figures.append(Figure(f"{game.name}, {how}", what, values, goal=goals[what]))
    return figures


def _train(game: SimulatedGame, run_dir: Path, seed: int, num_games: int | None) -> float:
    """A run as the preset has it; returns its CPU seconds."""
    config = preset(game, "quick")
    config = replace(
        config,
        seed=seed,
        limits=config.limits if num_games is None else LimitsConfig(games=num_games),
        evaluation=replace(config.evaluation, seconds=0.0),
        resources=ResourcesConfig(workers=1, learner_threads=1, device="cpu"),
    )
    before = _cpu_seconds()
    train(Mixture.of(game), config, run_dir, io.StringIO())
    return _cpu_seconds() - before


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _scores(game: SimulatedGame, agent: Path, command: ControlBench) -> dict[tuple[str, str], float]:
    evaluator = NetworkEvaluator(game, load_agent(agent, game), command.episodes)
    keys = np.arange(command.episodes, dtype=np.uint64)
    step = game.step_environment if isinstance(game, GymnasiumGame) else game.step_batch
    actors = {
        "policy alone": policy_actor(game, evaluator),
        f"{command.simulations} simulations": search_actor(
            game, evaluator, preset(game, "quick").selfplay.search, command.simulations, command.episodes
        ),
    }
    found = {}
    for how, actor in actors.items():
        played = play_episodes(game, actor, keys, step)
        found[how, "return"] = float(played.returns.mean())
        if game.tells_success:
            found[how, "success"] = float(played.successes.mean())
    return found
