"""`keima bench hockey`: an air-hockey agent against the script, its search against its policy, and a run's Elo.

Shares are of decided games: most of those that nobody wins say how long a game lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from games.base import BoolArray, FloatArray, StateArray
from games.robots.air_hockey import AirHockey, scripted_player
from games.robots.air_hockey_game import AirHockeyGame
from rl.arena.elo import Pairing, ladder, wilson_interval
from rl.errors import UserError
from rl.network.evaluator import NetworkEvaluator
from rl.train.episodes import (
    Actor,
    Others,
    Stepper,
    episode_keys,
    play_episodes,
    play_pairing,
    policy_actor,
    policy_others,
    search_actor,
)
from scripts.agents import find_agent, load_evaluator
from scripts.bench.report import Figure, Options, Report, require_positive
from scripts.presets import preset

_SCRIPT_GOAL, _SEARCH_GOAL = 0.9, 0.65


@dataclass(frozen=True)
class HockeyBench(Options):
    """AirHockey: an agent's games against the scripted player, with its search against its own policy alone, and the
    Elo of a run's networks."""

    agent: Path | None = None
    """The agent's file. None: the one that ships."""
    run_dir: Path | None = None
    """A training run, some of whose networks are rated by games of each against each. None: no Elo."""
    networks: int = 5
    """How many of them, evenly spaced over its steps, the newest among them."""
    games: int = 400
    """Games of each match, all from other starts."""
    simulations: int = 32
    """Simulations a step of the agent's search."""


def measure(command: HockeyBench) -> Report:
    """Each match with the share of decided games that were won, then the ladder."""
    numbers = {name: getattr(command, name) for name in ("games", "simulations", "networks")}
    require_positive(numbers)
    if command.networks < 2:
        raise UserError(f"--networks {command.networks}: must be at least 2, to be rated against each other")
    game, figures, notes = AirHockeyGame(), [], []
    path = find_agent(game, command.agent)
    if path is None and command.run_dir is None:
        raise UserError("bench hockey: no agent ships: give --agent or --run-dir")
    matches = [] if path is None else _matches(game, load_evaluator(game, path, 256), command)
    for pairing, goal in matches:
        name, decided = f"{pairing.first} against {pairing.second}", pairing.wins + pairing.losses
        share = pairing.wins / max(decided, 1)
        low, high = wilson_interval(share, decided)
        figures.append(Figure(name, "share of decided", (low, share, high), goal=goal))
        notes.append(f"{name}: {pairing.wins} won, {pairing.losses} lost, {pairing.draws} not decided")
    if command.run_dir is not None:
        figures += _ladder(game, _networks(command.run_dir, command.networks), command)
    notes += [
        "min and max are the ends of 95 % intervals; Elo is above the oldest network, nobody searching",
        "the agent decides 12.5 times a second, the scripted player 25 times",
    ]
    settings = {"agent": path.name if path else "none", "run": str(command.run_dir or "none"), **numbers}
    return Report("hockey", command.seed, settings, tuple(figures), tuple(notes))


def by_script(game: AirHockeyGame) -> Stepper:
    """A step against the scripted player, who is asked at each of the task's control periods, as its environment asks
    it, and not only when the agent decides."""
    task = AirHockey(scripted_player)

    def step(states: StateArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        rows, rewards = np.ascontiguousarray(states["row"]), np.zeros(len(states), np.float32)
        for _ in range(game.periods):
            more, terminated = task.step(rows, actions)
            rewards += more
        states["row"] = rows
        states["num_moves"] += 1
        return rewards, terminated

    return step


def _matches(
    game: AirHockeyGame, evaluator: NetworkEvaluator, command: HockeyBench
) -> list[tuple[Pairing, float | None]]:
    """(result, goal) of each match of the agent."""
    keys, name = episode_keys(command.games, command.seed), f"{command.simulations} simulations"
    policy = policy_actor(game, evaluator)
    searching = search_actor(game, evaluator, preset(game, "quick").selfplay.search, command.simulations, command.games)

    def scripted(called: str, actor: Actor) -> Pairing:
        signs = np.sign(play_episodes(game, actor, keys, by_script(game)).returns)
        return Pairing(called, "the script", *(int((signs == sign).sum()) for sign in (1, 0, -1)))

    own: Others = policy_others(game, evaluator)
    return [
        (scripted("policy alone", policy), _SCRIPT_GOAL),
        (scripted(name, searching), _SCRIPT_GOAL),
        (play_pairing(game, (name, searching), ("policy alone", own), keys), _SEARCH_GOAL),
    ]


def _networks(run_dir: Path, count: int) -> list[Path]:
    """`count` networks that a run has kept, evenly spaced over its steps, oldest first. Raises UserError where there
    are not two."""
    kept = {int(path.stem.partition("-")[2]): path for path in (run_dir / "networks").glob("step-*.safetensors")}
    if len(kept) < 2:
        raise UserError(f"{run_dir} has kept {len(kept)} networks: a ladder needs two")
    wanted = [max(kept) * (index + 1) / count for index in range(count)]
    return [kept[step] for step in sorted({min(kept, key=lambda step: abs(step - near)) for near in wanted})]


def _ladder(game: AirHockeyGame, paths: Sequence[Path], command: HockeyBench) -> list[Figure]:
    """Elo of the networks in files, each policy alone having played each, above the first."""
    evaluators = {path.stem: load_evaluator(game, path, 256) for path in paths}
    pairings = [
        play_pairing(
            game,
            (first, policy_actor(game, evaluators[first])),
            (second, policy_others(game, evaluators[second])),
            episode_keys(command.games, command.seed + index),
        )
        for index, (first, second) in enumerate(combinations(evaluators, 2))
    ]
    ratings = ladder(pairings, anchor=paths[0].stem)
    rated = [(name, ratings[name]) for name in evaluators]
    rises = [later.elo - earlier.elo for (_, earlier), (_, later) in pairwise(rated)]
    return [
        *(Figure(name, "Elo", (rating.low, rating.elo, rating.high)) for name, rating in rated),
        Figure("each network above the one before", "Elo", (min(rises),), goal=0.0),
    ]
