"""`keima bench robots`: how fast robot tasks are stepped on one core, and what random and scripted actions earn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import games
import games.robots
from games.base import FloatArray, HashArray
from games.robots.simulation import SimulatedTask
from games.robots.task import RowArray, Task
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.search.random import random_bits
from rl.train.episodes import Actor, policy_actor, search_actor
from scripts.agents import load_evaluator
from scripts.bench.report import Figure, Report, TimedOptions, interleaved, rates, require_positive
from scripts.presets import preset

_STEPS_GOAL, _SIMULATED_GOAL = 1e6, 5e3  # steps/s, of physics written here and of MuJoCo's
_SIMULATED_SHARE = 50  # MuJoCo's physics is stepped so many times less
_STRETCH = 40


@dataclass(frozen=True)
class RobotsBench(TimedOptions):
    """Robot tasks: steps a second on one core, and the scores of random and of scripted actions."""

    tasks: tuple[str, ...] = games.robots.names()
    """What is moved, as `keima bench robots --help` lists it."""
    rows: int = 64
    """States stepped together."""
    steps: int = 1_000_000
    """Steps of one measurement; a fiftieth of them where MuJoCo steps."""
    episodes: int = 100
    """Whole episodes that a score is taken of."""
    agents: tuple[Path, ...] = ()
    """Agents that were learnt, each for the task it is named after (runs/planar_reach/agents/planar_reach.safetensors):
    their scores with the policy alone and with a search."""
    simulations: int = 16
    """Simulations a step where a search moves what was learnt."""


def measure(command: RobotsBench) -> Report:
    """Each task's kernels under random actions held ready, then whole episodes."""
    numbers = {name: getattr(command, name) for name in ("rows", "steps", "episodes", "simulations", "repeats")}
    require_positive(numbers)
    tasks = {name: _make(name) for name in command.tasks}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        laps = interleaved({name: partial(_step, task, command) for name, task in tasks.items()}, command.repeats)
    figures: list[Figure] = []
    for name, task in tasks.items():
        goal = _SIMULATED_GOAL if isinstance(task, SimulatedTask) else _STEPS_GOAL
        figures += rates(name, "steps", laps[name], goal)
        if isinstance(task, SimulatedTask):
            count = sum(str(warning.message).startswith(f"{name}: MuJoCo") for warning in caught)
            figures.append(Figure(name, "warnings", (float(count),), goal=0.0, at_most=True))
        for player, actions in (("random", _random_actions(task, command.seed)), ("scripted", task.scripted_actions)):
            figures += _scores(f"{name}, {player}", task, actions, command)
        for agent in command.agents:
            if agent.stem == name:
                for how, actions in _learned_actions(name, agent, command).items():
                    figures += _scores(f"{name}, {how}", task, actions, command)
    notes = (
        "rewards are those of the sparse task where there are two; success is that of an episode's last step",
        "warnings are MuJoCo's, in all the steps that were measured",
        f"the least, median and largest return are those of {command.episodes} episodes",
    )
    return Report("robots", command.seed, {"tasks": ", ".join(tasks), **numbers}, tuple(figures), notes)


def _make(name: str) -> Task:
    try:
        return games.robots.make(name)
    except games.robots.UnknownTask as error:
        raise UserError(str(error)) from None


def _keys(count: int, seed: int) -> HashArray:
    """[count] a key for each episode."""
    return np.array([random_bits(np.uint64(seed), np.uint64(index)) for index in range(count)], np.uint64)


def _step(task: Task, command: RobotsBench, turn: int) -> float:
    """Step until about so many steps are made, in episodes cut to _STRETCH; returns how many, without those of
    episodes that have ended."""
    generator = np.random.default_rng(command.seed + turn)
    actions = generator.uniform(-1, 1, (8, command.rows, task.action_size)).astype(np.float32)
    starts = task.new_states(_keys(command.rows, command.seed + turn))
    states, num_steps, num_ended = starts.copy(), 0, 0
    asked = command.steps // _SIMULATED_SHARE if isinstance(task, SimulatedTask) else command.steps
    for call in range(max(1, asked // command.rows)):
        if call % _STRETCH == 0:
            states[:], num_ended = starts, 0
        _, terminated = task.step(states, actions[call % 8])
        num_steps += command.rows - num_ended
        num_ended = max(num_ended, int(np.count_nonzero(terminated)))
    return num_steps


def _random_actions(task: Task, seed: int) -> Callable[[RowArray], FloatArray]:
    generator = np.random.default_rng(seed)
    return lambda states: generator.uniform(-1, 1, (len(states), task.action_size)).astype(np.float32)


def _learned_actions(name: str, agent: Path, command: RobotsBench) -> dict[str, Callable[[RowArray], FloatArray]]:
    """What an agent's file makes of a task: its policy without a search, and searching as its runs do."""
    game, count = games.make(name), command.episodes
    assert isinstance(game, SimulatedGame)
    evaluator = load_evaluator(game, agent, count)

    def of_rows(act: Actor, rows: RowArray) -> FloatArray:
        states = np.zeros(len(rows), game.state_dtype)
        states["row"] = rows
        return act(states)

    search = search_actor(game, evaluator, preset(game, "quick").selfplay.search, command.simulations, count)
    return {
        "learned": partial(of_rows, policy_actor(game, evaluator)),
        f"learned, {command.simulations} simulations": partial(of_rows, search),
    }


def _scores(
    name: str, task: Task, actions: Callable[[RowArray], FloatArray], command: RobotsBench
) -> tuple[Figure, Figure]:
    """(returns, share of successes) of whole episodes."""
    states = task.new_states(_keys(command.episodes, command.seed))
    returns = np.zeros(command.episodes)
    running, succeeded = np.ones(command.episodes, np.bool_), np.zeros(command.episodes, np.bool_)
    for _ in range(task.max_episode_steps):
        rewards, terminated = task.step(states, actions(states))
        returns += np.where(running, rewards, 0.0)
        succeeded = np.where(running, task.successes(states), succeeded)
        running &= ~terminated
    return (
        Figure(name, "return", tuple(returns.tolist())),
        Figure(name, "success", (float(succeeded.mean()),)),
    )
