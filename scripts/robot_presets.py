"""How each robot task is trained when nothing else is said: one row a task."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from games.simulated import SimulatedGame
from rl.learning.learner import LearnerConfig
from rl.network.vector import VectorConfig
from rl.replay.episodes import EpisodeWindowConfig
from rl.search.simulator import SIMULATED
from rl.selfplay.episodes import EpisodesConfig
from rl.train.config import EvaluationConfig, LimitsConfig, ScheduleConfig, TrainConfig

LEARNER = LearnerConfig(
    batch_size=128,
    optimizer="adamw",  # on Pendulum Muon learnt no faster
    learning_rate=2e-3,
    warmup_steps=100,
    weight_decay=1e-4,
    ema_decay=0.98,  # short: values are learnt from the averaged network's own, one step further on
    partition_loss_weight=1e-4,
    precision="float32",
)
"""What the learners of all robots begin with; a row changes it by `replace`."""


class RobotPreset(NamedTuple):
    """What is particular to a task."""

    moves: int = 300_000
    """Steps that are played, about. The run ends with the learner's last step: a number of episodes would not do, since
    they may end early."""
    minutes: float | None = None
    """How long is played and learnt, where it is not steps that are counted."""
    samples_per_target: float = 8.0
    """Samples learnt from for each of these steps. A step that is played costs little beside one of the learner's:
    PlanarReach learns more from twice the steps, half as often from each."""
    selfplay: EpisodesConfig = EpisodesConfig()
    window: EpisodeWindowConfig = EpisodeWindowConfig()
    network: VectorConfig = VectorConfig()
    learner: LearnerConfig = LEARNER


# What followed in the episode taught all of these as much in half the steps; Pendulum, where little lies far ahead, no
# more. A robot that has come home stays: goals that it achieves already are no news.
_GOALS = EpisodeWindowConfig(followed_share=1.0, moved_share=0.8)

# A learner that looks ahead needs no more of the search than what to do next: eight simulations see each slot once.
# With a c_scale of 0.1 policies stayed so wide that Quadrotor2DHover learnt to hover and forgot it.
_SHARP = EpisodesConfig(simulations=8, search=replace(SIMULATED, c_scale=0.3))
_QUICK = replace(LEARNER, ema_decay=0.95)
_FAST = replace(LEARNER, learning_rate=4e-3)
_ANEW = EpisodeWindowConfig(fresh_value_share=1.0)

# MuJoCo's tasks, a step of which costs as much as dozens of evaluations: goals are exchanged by what searches have seen
# already. With 10 simulations they see all slots, the best one twice.
_ARM = RobotPreset(
    samples_per_target=16.0,
    selfplay=EpisodesConfig(simulations=10, search=replace(SIMULATED, least_range=0.2)),
    window=EpisodeWindowConfig(fresh_share=1.0, fresh_value_share=1.0, simulated_share=0.0),
    network=VectorConfig(normalised=True),
    learner=replace(LEARNER, batch_size=256, learning_rate=1e-3),
)
_BOX = _ARM._replace(
    network=replace(_ARM.network, layers=3),
    window=replace(_ARM.window, moved_share=0.8),  # a box that nothing has touched teaches nothing
    learner=replace(_ARM.learner, recall_reference="proposals"),  # what the agent that ships was trained with
)

PRESETS: dict[str, RobotPreset] = {
    "planar_reach": RobotPreset(moves=64_000, selfplay=_SHARP, window=_GOALS, learner=_FAST),
    "pendulum": RobotPreset(
        moves=20_000,
        samples_per_target=16.0,
        selfplay=_SHARP,
        window=_ANEW,
        network=VectorConfig(width=128, optimistic=True),
        learner=replace(LEARNER, ema_decay=0.9),
    ),
    "cart_pole_swing_up": RobotPreset(
        moves=225_000,
        selfplay=_SHARP,
        window=replace(_ANEW, followed_share=1.0),
        network=VectorConfig(width=128, symlog=False, optimistic=True),  # balanced is worth 50, hanging 0
        learner=_QUICK,
    ),
    "quadrotor_2d_hover": RobotPreset(moves=120_000, selfplay=_SHARP, window=_GOALS, learner=_QUICK),
    "diff_drive_park": RobotPreset(
        moves=280_000,
        samples_per_target=5.0,
        selfplay=_SHARP,
        window=_GOALS,
        learner=replace(_QUICK, learning_rate=4e-3),
    ),
    "arm_reach": _ARM._replace(moves=20_000),
    "arm_push": _BOX._replace(moves=220_000),
    # A learner that looks ahead needs no more of the search than what to do next; more simulations, and policies taken
    # from them, were slower to beat the scripted player. One run of each.
    "air_hockey": RobotPreset(
        minutes=30.0,
        samples_per_target=5.0,
        selfplay=EpisodesConfig(games_per_worker=128, simulations=8),
        window=EpisodeWindowConfig(max_positions=400_000),
        network=VectorConfig(width=128),
        learner=replace(LEARNER, batch_size=256),
    ),
}
"""By the name of the task, without its options."""


def robot_preset(game: SimulatedGame) -> TrainConfig:
    """The settings for a robot task: those of its row, or the usual ones."""
    usual = RobotPreset(window=_GOALS if game.goal_size else EpisodeWindowConfig())
    row = PRESETS.get(game.name.partition(":")[0], usual)
    return TrainConfig(
        samples_per_target=row.samples_per_target,
        first_targets=2000,
        network=row.network,
        selfplay=row.selfplay,
        window=row.window,
        learner=row.learner,
        evaluation=EvaluationConfig(seconds=30.0, simulations=16, games=50, last_games=200, rollouts=()),
        schedule=ScheduleConfig(publish_seconds=1.0),
        limits=_limits(row),
    )


def _limits(row: RobotPreset) -> LimitsConfig:
    if row.minutes is not None:
        return LimitsConfig(minutes=row.minutes)
    return LimitsConfig(steps=round(row.moves * row.samples_per_target / row.learner.batch_size))
