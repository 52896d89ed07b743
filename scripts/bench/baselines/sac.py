"""Stable-Baselines3's SAC (Haarnoja et al. 2018, arXiv 1812.05905) learning a robot's task, in a process of its own.

Tasks with goals are learnt with hindsight (HER; Andrychowicz et al. 2017), as Stable-Baselines3 has it.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing import connection, get_context
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium
import numpy as np

from games.base import FloatArray, StateArray
from games.robots.episodes import observed
from games.robots.game import RobotGame
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.train.episodes import Actor
from scripts.bench.control import judge, make_task

if TYPE_CHECKING:
    from stable_baselines3 import SAC

_FOREVER = 10**9
"""Steps; whoever asked ends it."""


@dataclass(frozen=True)
class Settings:
    """How SAC learns a task: what is not named is Stable-Baselines3's default (networks of 256 and 256 units, batches
    of 256, one learner step for each step of the environment, a learning rate of 3e-4, a discount of 0.99)."""

    environment: str
    """As `gymnasium.make` takes it."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of `stable_baselines3.SAC`."""
    normalized: bool = False
    """Whether observations and rewards are brought to a deviation of 1 by running averages (`VecNormalize`)."""


_FETCH_REACH = {"learning_rate": 1e-3, "gamma": 0.95, "learning_starts": 1000, "policy_kwargs": {"net_arch": [64, 64]}}
_FETCH_PICK_AND_PLACE = {"gamma": 0.95, "learning_starts": 1000}
_MUJOCO = {"learning_starts": 10_000}

# Values of RL Baselines3 Zoo (Raffin 2020, github.com/DLR-RM/rl-baselines3-zoo, hyperparams/sac.yml, and her.yml of
# 2020): Pendulum's own; for goals in reach those of FetchReach-v1, for boxes those of FetchPickAndPlace-v1; for a robot
# that walks and a cart those of its MuJoCo environments.
SETTINGS = {
    "pendulum": Settings("Pendulum-v1", {"learning_rate": 1e-3}),
    "planar_reach": Settings("keima/PlanarReach-v0", _FETCH_REACH, normalized=True),
    "cart_pole_swing_up": Settings("keima/CartPoleSwingUp-v0", _MUJOCO),
    "quadrotor_2d_hover": Settings("keima/Quadrotor2DHover-v0", _FETCH_REACH, normalized=True),
    "diff_drive_park": Settings("keima/DiffDrivePark-v0", _FETCH_REACH, normalized=True),
    "arm_reach": Settings("keima/ArmReach-v0", _FETCH_REACH, normalized=True),
    "arm_push": Settings("keima/ArmPush-v0", _FETCH_PICK_AND_PLACE),
    "arm_pick_place": Settings("keima/ArmPickPlace-v0", _FETCH_PICK_AND_PLACE),
    "quadruped_walk": Settings("keima/QuadrupedWalk-v0", _MUJOCO),
}


class Checked(NamedTuple):
    """How SAC stands after a number of steps."""

    steps: int
    """Steps of the environment, one at a time."""
    cpu_seconds: float
    """What they and learning from them cost, in one thread: no start, no checks."""
    scores: dict[str, float]
    """"return", and "success" where the task tells it: of the policy without chance, in the episodes of `judge`."""


def require_stable_baselines() -> None:
    """Raise UserError where Stable-Baselines3 is not installed."""
    if find_spec("stable_baselines3") is None:
        raise UserError("bench baselines needs stable-baselines3: pip install 'keima[baselines]'")


def learnt_by_sac(task: str, seed: int, check_steps: int, episodes: int) -> Generator[Checked, None, None]:
    """How SAC stands after each `check_steps` steps, judged by so many episodes. It learns on only while it is asked
    for more; `close` ends it. Raises UserError when its process fails, having told why on standard error."""
    context = get_context("spawn")
    pipe, far_end = context.Pipe()
    process = context.Process(target=_serve, args=(far_end, task, seed, check_steps, episodes), daemon=True)
    process.start()
    far_end.close()
    try:
        while True:
            pipe.send(None)
            yield pipe.recv()
    except (EOFError, OSError):
        process.join()
        raise UserError(f"bench baselines: SAC on {task} failed, for the reason above") from None
    finally:
        process.kill()  # it has nothing to tidy
        process.join()


def _serve(pipe: connection.Connection, task: str, seed: int, check_steps: int, episodes: int) -> None:
    """The process: learns until the next check whenever it is asked to."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which ends this one
    torch.set_num_threads(1)
    game, model = make_task(task), make_model(SETTINGS[task], seed)
    actor = policy_of(model, game)
    pipe.recv()
    begun, spent = time.process_time(), 0.0

    def after_step(*_: Any) -> bool:
        nonlocal spent
        if model.num_timesteps % check_steps == 0:
            now = time.process_time()
            played = judge(game, actor, episodes)
            scores = {"return": float(played.returns.mean())}
            if game.tells_success:
                scores["success"] = float(played.successes.mean())
            pipe.send(Checked(model.num_timesteps, now - begun - spent, scores))
            pipe.recv()
            spent += time.process_time() - now
        return not pipe.poll()  # between checks nothing is sent: there is something where the other end is closed

    model.learn(_FOREVER, after_step)


def make_model(settings: Settings, seed: int) -> SAC:
    """SAC before it has learnt anything, with the environment that it learns in."""
    from stable_baselines3 import SAC, HerReplayBuffer
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize

    options = dict(settings.options)
    env: VecEnv = make_vec_env(settings.environment, seed=seed)
    policy = "MlpPolicy"
    if isinstance(env.observation_space, gymnasium.spaces.Dict):
        hindsight = {"n_sampled_goal": 4, "goal_selection_strategy": "future"}
        options |= {"replay_buffer_class": HerReplayBuffer, "replay_buffer_kwargs": hindsight}
        policy = "MultiInputPolicy"
    if settings.normalized:
        env = VecNormalize(env, gamma=options["gamma"])
    return SAC(policy, env, seed=seed, device="cpu", **options)


def policy_of(model: SAC, game: SimulatedGame) -> Actor:
    """What SAC does without chance, as an actor of `game`, which its environment is of."""
    task = game.task if isinstance(game, RobotGame) else None
    normalizer, space = model.get_vec_normalize_env(), model.action_space
    assert isinstance(space, gymnasium.spaces.Box)
    middle, half = 0.5 * (space.low + space.high), 0.5 * (space.high - space.low)

    def act(states: StateArray) -> FloatArray:
        seen: Any = states["seen"] if task is None else observed(task, np.ascontiguousarray(states["row"]))
        actions, _ = model.predict(normalizer.normalize_obs(seen) if normalizer else seen, deterministic=True)
        return np.asarray((actions - middle) / half, np.float32)

    return act
