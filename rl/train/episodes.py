"""Measuring a network in episodes of a simulated game: what its policy earns alone, and with a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray, SimulatedGame, State, StateArray
from rl.pictures.film import gif
from rl.search.evaluation import Evaluator
from rl.search.proposals import GaussianProposer, mode_of
from rl.search.random import random_bits
from rl.search.simulator import SIMULATED, SimulatorSearch

_KEY = np.uint64(0x6A756467)  # "judg"
_MOST_FRAMES = 60
FILM_NAME = "episodes/film"
"""An episode as a GIF in TensorBoard; in the record of the run, of which step's network a film is kept."""

Actor = Callable[[StateArray], FloatArray]
"""Actions [n, D] for states [n]."""

Stepper = Callable[[StateArray, FloatArray], tuple[FloatArray, BoolArray]]
"""As `SimulatedGame.step_batch`."""


class Played(NamedTuple):
    """n whole episodes."""

    returns: npt.NDArray[np.float64]
    """[n] sums of rewards, not discounted."""
    successes: BoolArray
    """[n] whether the last step of each was a success."""
    film: list[State]
    """All states of the first one, its start included."""


class Measured(NamedTuple):
    """What was found of a network."""

    scalars: dict[str, float]
    """By metric name."""
    film: bytes | None
    """A GIF file of the first episode with a search; None where nothing can be drawn."""
    remark: str
    """Why there is no film; empty where there is one."""


def episode_keys(count: int, seed: int = 0) -> HashArray:
    """[count] uint64: what episodes that measure are drawn from, the same ones for the same `seed`."""
    with np.errstate(over="ignore"):  # where kernels run as plain Python
        key = random_bits(_KEY, np.uint64(seed))
        return np.array([random_bits(key, np.uint64(index)) for index in range(count)], np.uint64)


def play_episodes(game: SimulatedGame, actor: Actor, keys: HashArray, step: Stepper | None = None) -> Played:
    """One episode for each of `keys` [n], all in lock-step, each to its end or until it is cut. `step` takes the place
    of the game's `step_batch`."""
    step = game.step_batch if step is None else step
    states = game.new_states(keys)
    returns, successes = np.zeros(len(keys)), np.zeros(len(keys), np.bool_)
    running, film = np.ones(len(keys), np.bool_), [states[0].copy()]
    for _ in range(game.max_num_moves):
        going = np.flatnonzero(running)
        if len(going) == 0:
            break
        moved = states[going]
        rewards, terminated = step(moved, actor(moved))
        states[going] = moved
        returns[going] += rewards
        successes[going] = game.successes(moved)
        if running[0]:
            film.append(states[0].copy())
        running[going] = ~terminated
    return Played(returns, successes, film)


def policy_actor(game: SimulatedGame, evaluator: Evaluator) -> Actor:
    """The network's policy alone, without chance."""

    def act(states: StateArray) -> FloatArray:
        actions = np.empty((len(states), game.action_size), np.float32)
        for first in range(0, len(states), evaluator.batch_size):
            part = states[first : first + evaluator.batch_size]
            seen = np.empty((len(part), game.rows_per_state, *game.observation_shape), np.float32)
            game.observe_batch(part, seen)
            evaluator.buffer()[: len(part)] = seen[:, 0]
            outputs = evaluator.collect(evaluator.submit(len(part))).prior_logits
            actions[first : first + len(part)] = mode_of(outputs)
        return actions

    return act


def search_actor(game: SimulatedGame, evaluator: Evaluator, simulations: int, num_trees: int) -> Actor:
    """A search of so many simulations a step, without noise, for up to `num_trees` states."""
    proposer = GaussianProposer(game.num_slots, game.action_size)
    search = SimulatorSearch(game, game, proposer, SIMULATED, num_trees, simulations)

    def act(states: StateArray) -> FloatArray:
        actions: FloatArray = search.run(evaluator, states, simulations).best_actions
        return actions

    return act


def measure_episodes(
    game: SimulatedGame, evaluator: Evaluator, simulations: int, count: int, beat: Callable[[], object]
) -> Measured:
    """The same `count` episodes each time. `beat` is called at every step."""

    def beating(actor: Actor) -> Actor:
        def act(states: StateArray) -> FloatArray:
            beat()
            return actor(states)

        return act

    scalars: dict[str, float] = {}
    actors = {"policy": policy_actor(game, evaluator), "search": search_actor(game, evaluator, simulations, count)}
    for name, actor in actors.items():
        played = play_episodes(game, beating(actor), episode_keys(count))
        scalars[f"episodes/{name}_return"] = float(played.returns.mean())
        if game.tells_success:
            scalars[f"episodes/{name}_success"] = float(played.successes.mean())
    try:
        return Measured(scalars, film(game, played.film), "")
    except RuntimeError as error:  # nothing can be drawn on this machine, which is no reason to measure nothing
        return Measured(scalars, None, str(error))


def film(game: SimulatedGame, states: Sequence[State]) -> bytes:
    """An episode as a GIF file, at the speed at which it goes in the world; of long ones, some of the frames. Raises
    RuntimeError where the game's pictures cannot be drawn."""
    shown = np.linspace(0, len(states) - 1, min(_MOST_FRAMES, len(states))).round().astype(int)
    seconds = (len(states) - 1) / game.steps_per_second
    return gif([game.picture(states[index]) for index in shown], seconds / max(1, len(shown) - 1))
