"""`keima train GAME`: train an agent by self-play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import tyro

import games
from games.base import Game
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.learning.learner import LearnerConfig
from rl.network.agent_file import load_agent
from rl.network.kinds import AnyConfig
from rl.network.model import NetworkConfig
from rl.replay.kinds import AnyWindowConfig
from rl.replay.mixture import Mixture
from rl.replay.window import WindowConfig
from rl.selfplay.kinds import AnySelfplayConfig
from rl.selfplay.lockstep import SelfplayConfig
from rl.train.config import EvaluationConfig, LimitsConfig, ResourcesConfig, ScheduleConfig, TrainConfig
from rl.train.loop import train
from scripts.arguments import AnyGameName, GameName
from scripts.presets import BUDGETS, Budget, preset


@dataclass(frozen=True)
class Command:
    """Train an agent by self-play. A run directory that holds a run is taken up where it stopped.

    The defaults follow from the size of GAME and from --preset; `keima train GAME --help` shows them."""

    game: AnyGameName = "connect_four"
    preset: Budget = "quick"
    """What the defaults are made for: quick, an agent to play against as soon as can be; laptop, the strongest that a
    machine without a GPU trains in an hour or more; gpu, larger networks and batches for a machine with one."""
    also: tuple[GameName, ...] = ()
    """Smaller boards of the same game that are played and learnt beside it, so that one agent plays all of them:
    keima train go9 --also go5 go6 go7 go8"""
    also_share: float = 0.4
    """Share of the games that are played on the boards of --also."""
    run_dir: Path | None = None
    """Where the run is kept. None: runs/GAME."""
    start_from: Path | None = None
    """An agent's file whose network a new run begins with, in the place of random weights; its size is that network's.
    So a run goes on where only its agent was kept, or another one begins where it ended."""
    limits: Annotated[LimitsConfig, tyro.conf.arg(name="")] = field(default_factory=LimitsConfig)
    resources: Annotated[ResourcesConfig, tyro.conf.arg(name="")] = field(default_factory=ResourcesConfig)
    seed: int = TrainConfig.seed
    """All random numbers of the run derive from it."""
    deterministic: bool = TrainConfig.deterministic
    """Play by generations, so that the same seed gives the same weights byte for byte, however often the run is
    interrupted and whatever the number of workers. Slower: play and learning take turns."""
    samples_per_target: float = TrainConfig.samples_per_target
    """Samples the learner trains on for each position that self-play searched in full."""
    first_targets: int = TrainConfig.first_targets
    """Learning starts with so many positions in the window."""
    games_per_generation: int = TrainConfig.games_per_generation
    """Deterministic mode: games played with each network."""
    # What these hold follows from the kind of game: the preset's kind is asked for.
    network: tyro.conf.AvoidSubcommands[AnyConfig] = field(default_factory=NetworkConfig)
    selfplay: tyro.conf.AvoidSubcommands[AnySelfplayConfig] = field(default_factory=SelfplayConfig)
    window: tyro.conf.AvoidSubcommands[AnyWindowConfig] = field(default_factory=WindowConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)

    def config(self) -> TrainConfig:
        """What `rl.train` takes: the same without the game and the place."""
        return TrainConfig(**{name: getattr(self, name) for name in TrainConfig.__dataclass_fields__})


def defaults(arguments: Sequence[str]) -> Command:
    """The defaults that `arguments` are read with: those of the game named first among them, and of their --preset."""
    budget = _budget(arguments)
    for argument in arguments:
        try:
            config = preset(games.make(argument), budget)
        except ValueError:
            continue
        return Command(argument, budget, **_sections(config))
    return Command(preset=budget, **_sections(preset(games.make(Command.game), budget)))


def run(command: Command) -> int:
    game = games.make(command.game)
    config = command.config()
    if config.limits == LimitsConfig() and not config.deterministic:
        config = replace(config, limits=preset(game, command.preset).limits)
    if command.start_from is not None:
        config = replace(config, network=_network_to_start_from(command, game))
    run_dir = command.run_dir or Path("runs") / game.name
    others = [games.make(name) for name in command.also]
    code = train(Mixture.mostly(game, others, command.also_share), config, run_dir, start=command.start_from)
    agent = run_dir / "agents" / f"{game.name}.safetensors"
    print(f"watch it:  keima watch {run_dir}")
    if agent.exists() and not isinstance(game, SimulatedGame):
        print(f"play it:   keima play {game.name} --agent {agent}")
    if code:
        print("the same command goes on from here")
    return code


def _network_to_start_from(command: Command, game: Game) -> AnyConfig:
    """The size of the network in the file of --start-from. Raises UserError where another one is asked for."""
    assert command.start_from is not None
    found = load_agent(command.start_from, game).config
    if command.network not in (found, preset(game, command.preset).network):
        raise UserError(f"--network asks for another network than {command.start_from} has: leave it out")
    return found


def _budget(arguments: Sequence[str]) -> Budget:
    """The value of --preset, before the other arguments are read."""
    words = [word for argument in arguments for word in argument.split("=", 1)]
    named = {name for option, name in pairwise(words) if option == "--preset"}
    return next((budget for budget in BUDGETS if budget in named), "quick")


def _sections(config: TrainConfig) -> dict[str, Any]:
    """The fields of a command that a configuration gives; no limits, which would add to those that are asked for."""
    values = {name: getattr(config, name) for name in TrainConfig.__dataclass_fields__}
    return {**values, "limits": LimitsConfig()}
