"""Everything a training run can be told, as nested frozen dataclasses. A field's docstring is its help."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rl.errors import UserError
from rl.learning.learner import LearnerConfig
from rl.network.kinds import AnyConfig
from rl.network.model import NetworkConfig
from rl.replay.kinds import AnyWindowConfig
from rl.replay.window import WindowConfig
from rl.selfplay.kinds import AnySelfplayConfig
from rl.selfplay.lockstep import SelfplayConfig


@dataclass(frozen=True)
class LimitsConfig:
    """When the run ends: at whichever limit comes first. The learning rate anneals towards it."""

    minutes: float | None = None
    """Minutes of training, all sessions of the run together; the last evaluation comes after them."""
    games: int | None = None
    """Games played."""
    steps: int | None = None
    """Learner steps."""
    evaluations: int | None = None
    """Positions that self-play asked the network about: what runs are compared at."""


@dataclass(frozen=True)
class ResourcesConfig:
    """What the run may use. Changes how fast it goes, and nothing else in the deterministic mode."""

    workers: int | None = None
    """Self-play processes, one core each. None: by the number of cores."""
    learner_threads: int | None = None
    """Threads of the learner, which share the rows of each batch. None: by the number of cores (one in the
    deterministic mode, where it is part of the result, for robots' small networks, and on a GPU)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the networks run. auto: CUDA where there is one."""


@dataclass(frozen=True)
class EvaluationConfig:
    """How the run is measured while it goes on, in a process beside it."""

    seconds: float = 150.0
    """The least time from the start of one evaluation to the next; 0 switches evaluation off."""
    cpu_share: float = 0.05
    """Evaluations are put further apart where they would take more than this share of the cores."""
    simulations: int = 100
    """Simulations a move of the agent, in matches and on solved positions."""
    games: int = 20
    """Games against each opponent, at each evaluation; where there is no opponent, episodes."""
    last_games: int = 60
    """The same at the evaluation that ends the run."""
    rollouts: tuple[int, ...] = (100, 1000)
    """Fixed opponents besides random play: tree searches with this many random rollouts a move."""
    positions: int = 200
    """Solved positions asked at each evaluation; the one that ends the run asks all."""


@dataclass(frozen=True)
class ScheduleConfig:
    """How often things are done besides playing and learning."""

    publish_seconds: float = 10.0
    """The self-play workers get the newest network so often."""
    checkpoint_seconds: float = 60.0
    """A checkpoint is written so often."""
    metrics_seconds: float = 5.0
    """Metrics are written so often."""
    sample_game_seconds: float = 60.0
    """A game is shown as text in TensorBoard so often, and histograms of self-play are."""
    stall_seconds: float = 60.0
    """A process without progress for so long has its stacks dumped; a self-play worker is then started again."""


@dataclass(frozen=True)
class TrainConfig:
    """A training run."""

    seed: int = 0
    """All random numbers of the run derive from it."""
    deterministic: bool = False
    """Play by generations, so that the same seed gives the same weights byte for byte, however often the run is
    interrupted and whatever the number of workers. Slower: play and learning take turns."""
    samples_per_target: float = 2.0
    """Samples the learner trains on for each position that self-play searched in full; held from the first step on."""
    first_targets: int = 1500
    """Learning starts with so many positions in the window."""
    games_per_generation: int = 512
    """Deterministic mode: games played with each network."""
    network: AnyConfig = field(default_factory=NetworkConfig)
    selfplay: AnySelfplayConfig = field(default_factory=SelfplayConfig)
    window: AnyWindowConfig = field(default_factory=WindowConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    resources: ResourcesConfig = field(default_factory=ResourcesConfig)

    def check(self) -> None:
        """Raise UserError, in one line, where a number makes no sense."""
        positive = {
            "--minutes": self.limits.minutes,
            "--games": self.limits.games,
            "--steps": self.limits.steps,
            "--evaluations": self.limits.evaluations,
            "--workers": self.resources.workers,
            "--learner-threads": self.resources.learner_threads,
            "--samples-per-target": self.samples_per_target,
            "--first-targets": self.first_targets,
            "--games-per-generation": self.games_per_generation,
            "--evaluation.simulations": self.evaluation.simulations,
            "--evaluation.games": self.evaluation.games,
            "--evaluation.last-games": self.evaluation.last_games,
            "--evaluation.positions": self.evaluation.positions,
            "--evaluation.cpu-share": self.evaluation.cpu_share,
            "--schedule.stall-seconds": self.schedule.stall_seconds,
        }
        for option, value in positive.items():
            if value is not None and not value > 0:
                raise UserError(f"{option} {value}: must be positive")
        if self.seed < 0:
            raise UserError(f"--seed {self.seed}: must not be negative")
        if any(budget < 1 for budget in self.evaluation.rollouts):
            raise UserError(f"--evaluation.rollouts {' '.join(map(str, self.evaluation.rollouts))}: must be positive")
        if self.limits == LimitsConfig():
            raise UserError("a run needs an end: give --minutes, --games or --steps")
        if self.deterministic and self.limits.games is None and self.limits.steps is None:
            raise UserError("--deterministic needs --games or --steps: minutes are not the same twice")
