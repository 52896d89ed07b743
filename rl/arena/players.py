"""Who plays a match: each player chooses moves for many games at once, so that a network sees large batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from games.base import FloatArray, Game, HashArray, IndexArray, StateArray
from rl import agents
from rl.errors import UserError
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import Evaluator, UniformEvaluator
from rl.search.rollouts import RolloutSearch, choose_random, flatten_histories
from rl.search.symmetries import AveragedEvaluator
from rl.search.tree import node_dtype

if TYPE_CHECKING:
    from rl.network.choice import Backend

Stop = Callable[[], bool]

PLAYER_HELP = (
    "random, rollouts:N (Monte Carlo tree search with N random play-outs a move), uniform:N (the search without a "
    "network), shipped:N (the agent that comes with the game), or FILE.safetensors:N, a trained agent; N are the "
    "simulations a move, 1 being the bare network, and :N may be left out; in matches also gtp:COMMAND, an outside "
    "engine such as 'gtp:gnugo --mode gtp --level 10'"
)
_ROWS = 256
"""Positions searched together by one player."""
_TREE_BYTES = 1 << 29
_CACHE_ENTRIES = 1 << 16
_ROLLOUT_ROWS = 16
"""Positions between two questions whether to stop."""


class Player(Protocol):
    """Chooses actions. What it draws at random depends on the keys alone, never on which positions share a call."""

    name: str
    """As people read it in a result."""

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        """[b] int64: an action for each of `states` [b], none of them ended.

        `histories` [b]: the hashes before each position, empty unless the game uses them. `keys` [b] uint64: a random
        stream of each position. Once `stop` says so it may return early, with actions that mean nothing.
        """
        ...


def root_values(player: Player) -> FloatArray | None:
    """[b] what the search of `player` said of the positions it was last asked about, for their players to move; None
    where it does not tell."""
    values: FloatArray | None = getattr(player, "root_values", None)
    return values


class RandomPlayer:
    """Plays any legal action, all equally likely."""

    name = "random"

    def __init__(self, game: Game) -> None:
        self._game = game

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        actions = np.zeros(len(states), np.int64)
        choose_random(self._game, states, *flatten_histories(self._game, len(states), histories), keys, actions)
        return actions


class RolloutPlayer:
    """The reference that learns nothing: Monte Carlo tree search with random play-outs, see `rl.search.rollouts`."""

    def __init__(self, game: Game, num_simulations: int) -> None:
        self.name = f"rollouts:{num_simulations}"
        self._num_simulations = num_simulations
        self._search = RolloutSearch(game, num_simulations)

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        actions = np.zeros(len(states), np.int64)
        for start in range(0, len(states), _ROLLOUT_ROWS):
            if stop is not None and stop():
                break
            rows = slice(start, start + _ROLLOUT_ROWS)
            found = self._search.run_many(states[rows], self._num_simulations, keys[rows], histories[rows])
            actions[rows] = found.best_actions
        return actions


class AgentPlayer:
    """A network behind the search; with one simulation, the network's favourite action. Draws nothing at random."""

    def __init__(
        self,
        game: Game,
        evaluator: Evaluator,
        num_simulations: int,
        config: SearchConfig | None = None,
        *,
        name: str = "agent",
    ) -> None:
        """`config` is the default search when None. The evaluator's weights may be exchanged between matches."""
        self.name = name
        self.root_values: FloatArray | None = None
        self._evaluator, self._num_simulations = evaluator, num_simulations
        affordable = _TREE_BYTES // (node_dtype(game).itemsize * (num_simulations + 1))
        self._num_trees = max(1, min(_ROWS, evaluator.batch_size, affordable))
        self._search = Search(
            game, config or SearchConfig(), self._num_trees, num_simulations, cache_entries=_CACHE_ENTRIES
        )

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        actions = np.zeros(len(states), np.int64)
        self.root_values = np.zeros(len(states), np.float32)
        for start in range(0, len(states), self._num_trees):
            if stop is not None and stop():
                break
            rows = slice(start, start + self._num_trees)
            found = self._search.run(
                self._evaluator, states[rows], self._num_simulations, histories=histories[rows], stop=stop
            )
            actions[rows] = found.best_actions
            self.root_values[rows] = found.root_values
        return actions


class UniformPlayer(AgentPlayer):
    """The search with a constant evaluator: what is left of an agent without its network."""

    def __init__(self, game: Game, num_simulations: int, config: SearchConfig | None = None) -> None:
        evaluator = UniformEvaluator(game, _ROWS)
        super().__init__(game, evaluator, num_simulations, config, name=f"uniform:{num_simulations}")


@dataclass(frozen=True)
class PlayerSpec:
    """What a person wrote for a player, taken apart."""

    kind: str
    """random, rollouts, uniform, shipped or a path."""
    num_simulations: int | None
    """None when the spec leaves it out."""


def parse_spec(text: str) -> PlayerSpec:
    """`NAME` or `NAME:SIMULATIONS` taken apart. Raises UserError when the number is none or not positive."""
    kind, colon, number = ("", "", "") if text.endswith(".safetensors") else text.rpartition(":")
    if not colon:
        kind = text
    if colon and not (number.isascii() and number.isdigit() and int(number) > 0):
        raise UserError(f"player {text!r}: {number!r} is no positive number of simulations")
    if kind == "random" and colon:
        raise UserError(f"player {text!r}: the random player takes no number of simulations")
    if kind not in ("random", "rollouts", "uniform", "shipped") and not kind.endswith(".safetensors"):
        raise UserError(f"unknown player {text!r}: {PLAYER_HELP}")
    return PlayerSpec(kind, int(number) if colon else None)


def shipped_agent(game: Game) -> Path:
    """Where the agent that comes with `game` lies. Raises UserError when none does."""
    path = agents.shipped_agent(game)
    if path is None:
        raise UserError(f"no agent is shipped for {game.name}: train one with `keima train {game.name}`")
    return path


def make_player(
    text: str,
    game: Game,
    *,
    num_simulations: int = 100,
    config: SearchConfig | None = None,
    num_threads: int = 1,
    average_symmetries: bool = False,
    backend: Backend = "torch",
) -> Player:
    """The player that `text` names for `game`, see `PLAYER_HELP`; `num_simulations` where it leaves them out.

    With `average_symmetries`, an agent's network is asked about each position in all symmetries of the game. `backend`
    evaluates it on a CPU.
    Raises UserError, in one line, on an unknown player, a missing or damaged agent file, or another game's agent.
    """
    spec = parse_spec(text)
    simulations = spec.num_simulations or num_simulations
    if spec.kind == "random":
        return RandomPlayer(game)
    if spec.kind == "rollouts":
        return RolloutPlayer(game, simulations)
    if spec.kind == "uniform":
        return UniformPlayer(game, simulations, config)
    from rl.network.agent_file import load_agent  # torch takes a second to import, and the players above need none
    from rl.network.evaluator import NetworkEvaluator

    path = shipped_agent(game) if spec.kind == "shipped" else Path(spec.kind)
    evaluator: Evaluator = NetworkEvaluator(
        game, load_agent(path, game), _ROWS, num_threads=num_threads, backend=backend
    )
    if average_symmetries:
        evaluator = AveragedEvaluator(game, evaluator)
    return AgentPlayer(game, evaluator, simulations, config, name=f"{spec.kind}:{simulations}")
