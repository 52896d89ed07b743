"""Measuring a network in episodes of a simulated game: what its policy earns alone, and with a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray, State, StateArray
from games.simulated import SimulatedGame
from rl.arena.elo import Pairing
from rl.pictures.film import animation
from rl.search.driver import SearchConfig
from rl.search.evaluation import Evaluator
from rl.search.proposals import GaussianProposer, mode_of
from rl.search.random import random_bits
from rl.search.simulator import SimulatorSearch, ask

_KEY = np.uint64(0x6A756467)  # "judg"
_MOST_FRAMES, _FILM_WIDTH, _FILM_COLOURS = 60, 320, 64
FILM_NAME = "episodes/film"
"""An episode as a GIF in TensorBoard; in the record of the run, of which step's network a film is kept."""

Actor = Callable[[StateArray], FloatArray]
"""Actions [n, D] for states [n]."""

Others = Callable[[StateArray], FloatArray]
"""What the others do at the same time, [n, R - 1, D] for states [n]."""

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
        key = np.uint64(random_bits(_KEY, np.uint64(seed)))  # compiled, it gives an int
        return np.array([random_bits(key, np.uint64(index)) for index in range(count)], np.uint64)


def play_episodes(
    game: SimulatedGame, actor: Actor, keys: HashArray, step: Stepper | None = None, others: Others | None = None
) -> Played:
    """One episode for each of `keys` [n], all in lock-step, each to its end or until it is cut. `step` takes the place
    of the game's `step_batch`; `others` that of its `reference_answers`, where others act at the same time."""
    step = game.step_batch if step is None else step
    others = game.reference_answers if others is None else others
    states = game.new_states(keys)
    returns, successes = np.zeros(len(keys)), np.zeros(len(keys), np.bool_)
    running, film = np.ones(len(keys), np.bool_), [states[0].copy()]
    for _ in range(game.max_num_moves):
        going = np.flatnonzero(running)
        if len(going) == 0:
            break
        moved = states[going]
        actions = actor(moved)
        if game.rows_per_state > 1:
            game.answer_batch(moved, others(moved))
        rewards, terminated = step(moved, actions)
        states[going] = moved
        returns[going] += rewards
        successes[going] = game.successes(moved)
        if running[0]:
            film.append(states[0].copy())
        running[going] = ~terminated
    return Played(returns, successes, film)


def policy_actor(game: SimulatedGame, evaluator: Evaluator, row: int = 0) -> Actor:
    """The network's policy alone, without chance, of whoever sees row `row` of the observations: 0, the one whom a
    search would move, or one of the others."""

    def act(states: StateArray) -> FloatArray:
        return mode_of(ask(game, evaluator, states)[:, row])

    return act


def policy_others(game: SimulatedGame, evaluator: Evaluator) -> Others:
    """All others played by the network's policy alone, without chance."""

    def act(states: StateArray) -> FloatArray:
        outputs = ask(game, evaluator, states)[:, 1:]
        return mode_of(outputs.reshape(-1, outputs.shape[-1])).reshape(len(states), -1, game.action_size)

    return act


def random_actor(game: SimulatedGame, seed: int) -> Actor:
    """All actions equally likely."""
    generator = np.random.default_rng(seed)
    return lambda states: generator.uniform(-1, 1, (len(states), game.action_size)).astype(np.float32)


def search_actor(
    game: SimulatedGame, evaluator: Evaluator, config: SearchConfig, simulations: int, num_trees: int
) -> Actor:
    """A search of so many simulations a step, without noise, for up to `num_trees` states."""
    proposer = GaussianProposer(game.num_slots, game.action_size)
    search = SimulatorSearch(game, game, proposer, config, num_trees, simulations)

    def act(states: StateArray) -> FloatArray:
        actions: FloatArray = search.run(evaluator, states, simulations).best_actions
        return actions

    return act


def play_pairing(game: SimulatedGame, first: tuple[str, Actor], second: tuple[str, Others], keys: HashArray) -> Pairing:
    """An episode for each of `keys` between two, told by name, who act at the same time: won by the first where its
    rewards sum to more than 0, by the second where to less."""
    signs = np.sign(play_episodes(game, first[1], keys, others=second[1]).returns)
    return Pairing(first[0], second[0], *(int((signs == sign).sum()) for sign in (1, 0, -1)))


def measure_episodes(
    game: SimulatedGame,
    evaluator: Evaluator,
    search: SearchConfig,
    simulations: int,
    count: int,
    beat: Callable[[], object],
) -> Measured:
    """The same `count` episodes each time. `beat` is called at every step."""

    def beating(actor: Actor) -> Actor:
        def act(states: StateArray) -> FloatArray:
            beat()
            return actor(states)

        return act

    scalars: dict[str, float] = {}
    actors = {
        "policy": policy_actor(game, evaluator),
        "search": search_actor(game, evaluator, search, simulations, count),
    }
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
    rate = game.steps_per_second * max(1, len(shown) - 1) / max(1, len(states) - 1)
    return animation([game.picture(states[index], _FILM_WIDTH) for index in shown], rate, "gif", _FILM_COLOURS)
