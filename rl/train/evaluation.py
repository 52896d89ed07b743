"""Measuring a network while the run goes on: against solved positions, and in matches against others.

The work is done in a process of its own, so that playing and learning go on meanwhile and it can be dropped at any
moment. Nothing depends on its answer but the metrics and which agent is exported: the newest network always plays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from games.base import Game
from games.simulated import SimulatedGame
from rl.arena.elo import Pairing
from rl.arena.match import play_match
from rl.arena.players import AgentPlayer, Player, make_player
from rl.arena.truth import accuracy, spread, value_error
from rl.network.agent_file import load_agent
from rl.network.evaluator import NetworkEvaluator
from rl.search.driver import SearchConfig
from rl.train.episodes import (
    FILM_NAME,
    Others,
    episode_keys,
    measure_episodes,
    play_pairing,
    policy_actor,
    policy_others,
    random_actor,
)
from rl.train.ladder import ANCHOR
from rl.train.positions import (
    PositionView,
    SampleGame,
    chosen_positions,
    game_picture,
    position_pictures,
    view_positions,
)
from rl.train.processes import Child, Failed

_TREES = 64
"""Positions and games that are searched together."""
_BEAT_SECONDS = 1.0


class Opponent(NamedTuple):
    """Somebody to play against."""

    name: str
    """On the ladder."""
    spec: str
    """As `rl.arena.players.make_player` takes it."""
    games: int


class EvaluationRequest(NamedTuple):
    """What is to be measured."""

    step: int
    """Learner steps of the network."""
    name: str
    """The network's on the ladder."""
    network: Path
    opponents: tuple[Opponent, ...]
    references: tuple[tuple[Opponent, Opponent], ...]
    """Games between fixed players, which tie the ladder together; the first one's number of games counts."""
    search: SearchConfig
    """How episodes are searched."""
    simulations: int
    positions: int
    """The most solved positions to ask."""
    seed: int
    num_threads: int
    sample: SampleGame | None = None
    """A game of self-play to draw."""


class EvaluationResult(NamedTuple):
    """What came out."""

    request: EvaluationRequest
    scalars: dict[str, float]
    """By metric name."""
    pairings: tuple[Pairing, ...]
    cpu_seconds: float
    """What it cost."""
    views: tuple[PositionView, ...]
    """What is thought of the positions that the run is shown by."""
    images: dict[str, bytes]
    """PNG files of these and of the sample game, by metric name; a GIF file of an episode."""
    remark: str = ""
    """What a person should know of it."""


class Beat(NamedTuple):
    """A sign of life."""


def evaluate(game: Game, request: EvaluationRequest, device: str, beat: Callable[[], None]) -> EvaluationResult:
    """Do what is asked. `beat` is called again and again, as a sign of life."""

    def poll() -> bool:
        beat()
        return False

    begun = time.process_time()
    if isinstance(game, SimulatedGame):
        return _evaluate_episodes(game, request, device, begun, poll)
    evaluator = _evaluator(game, request.network, request.step, device, request.num_threads)
    agent = AgentPlayer(game, evaluator, request.simulations, name=request.name)
    scalars: dict[str, float] = {}
    if positions := spread(game.truth_positions(), request.positions):
        policy = AgentPlayer(game, evaluator, 1)
        scalars["truth/policy_accuracy"] = accuracy(game, positions, policy, stop=poll).share
        scalars["truth/search_accuracy"] = accuracy(game, positions, agent, stop=poll).share
        scalars["truth/value_error"] = value_error(game, positions, evaluator)
    pairings = []
    for opponent in request.opponents if game.num_players == 2 else ():
        player = _player(game, opponent, request, device)
        pairings.append(_play(game, (agent, request.name), (player, opponent.name), opponent.games, request.seed, poll))
    for first, second in request.references if game.num_players == 2 else ():
        players = [(make_player(reference.spec, game), reference.name) for reference in (first, second)]
        pairings.append(_play(game, players[0], players[1], first.games, request.seed, poll))
    views = view_positions(game, chosen_positions(game), evaluator, request.simulations, poll)
    images = position_pictures(game, views)
    if request.sample is not None:
        images["games/picture"] = game_picture(request.sample)
    return EvaluationResult(request, scalars, tuple(pairings), time.process_time() - begun, views, images)


def _evaluate_episodes(
    game: SimulatedGame, request: EvaluationRequest, device: str, begun: float, poll: Callable[[], bool]
) -> EvaluationResult:
    """The same of a simulated game: episodes, as many as games are asked for. Where others act at the same time, they
    are played by the game's own reference in these, and by the opponents, none of whom searches, in matches."""
    # One thread: so small a network is evaluated no sooner by two, which wait for each other.
    evaluator = _evaluator(game, request.network, request.step, device, 1)
    count = request.opponents[0].games
    found = measure_episodes(game, evaluator, request.search, request.simulations, count, poll)
    images = {} if found.film is None else {FILM_NAME: found.film}
    agent, pairings = policy_actor(game, evaluator), []
    playing = [opponent for opponent in request.opponents if not opponent.spec.startswith("rollouts")]
    for opponent in playing if game.rows_per_state > 1 else ():
        others = _others(game, opponent, request, device)
        keys = episode_keys(opponent.games, request.seed)
        pairings.append(play_pairing(game, (request.name, agent), (opponent.name, others), keys))
        poll()
    return EvaluationResult(
        request, found.scalars, tuple(pairings), time.process_time() - begun, (), images, found.remark
    )


def _others(game: SimulatedGame, opponent: Opponent, request: EvaluationRequest, device: str) -> Others:
    """An opponent of those who act at the same time: another network of the run, or chance."""
    if opponent.spec == ANCHOR:
        actor = random_actor(game, request.seed)
        return lambda states: np.stack([actor(states) for _ in range(game.rows_per_state - 1)], axis=1)
    return policy_others(game, _evaluator(game, Path(opponent.spec), 0, device, 1))


def serve(pipe: connection.Connection, game: Game, device: str) -> None:
    """The main function of the evaluation process: answer requests until the pipe is closed."""
    last_beat = 0.0

    def beat() -> None:
        nonlocal last_beat
        if time.monotonic() - last_beat > _BEAT_SECONDS:
            last_beat = time.monotonic()
            pipe.send(Beat())

    while True:
        request = pipe.recv()
        torch.set_num_threads(request.num_threads)
        pipe.send(evaluate(game, request, device, beat))


class Evaluations:
    """The evaluation process as the main process sees it: at most one evaluation at a time."""

    def __init__(
        self, game: Game, device: str, stacks: Path, stall_seconds: float, loud: Callable[[str], None]
    ) -> None:
        self._game = game
        self._device = device
        self._stacks = stacks
        self._stall_seconds = stall_seconds
        self._loud = loud
        self._child: Child | None = None
        self.busy = False

    def start(self, request: EvaluationRequest) -> None:
        """Begin one. Not while one goes on."""
        assert not self.busy
        if self._child is None:
            self._child = Child("keima-evaluation", serve, (self._game, self._device), self._stacks)
        self._child.last_heard = time.monotonic()
        self._child.send(request)
        self.busy = True

    def poll(self) -> EvaluationResult | None:
        """The result, once there is one. An evaluation whose process fails or stalls is given up, loudly."""
        if self._child is None:
            return None
        ended = self._child.ended
        for message in self._child.messages():
            if isinstance(message, EvaluationResult):
                self.busy = False
                return message
            if isinstance(message, Failed):
                self._loud(f"an evaluation failed: {message.text}")
        if ended:
            self._loud(f"the evaluation process ({self._child.pid}) has ended: this evaluation is left out")
            self.kill()
        elif self.busy and time.monotonic() - self._child.last_heard > self._stall_seconds:
            self._loud(f"STALLED: the evaluation was silent for {self._stall_seconds:.0f} s; stacks in {self._stacks}")
            self._child.dump_stacks()
            self.kill()
        return None

    def kill(self) -> None:
        """End the process, and with it any evaluation that goes on."""
        if self._child is not None:
            self._child.kill()
        self._child = None
        self.busy = False


def _evaluator(game: Game, path: Path, network_id: int, device: str, num_threads: int) -> NetworkEvaluator:
    network = load_agent(path, game)
    return NetworkEvaluator(game, network, _TREES, device=device, network_id=network_id, num_threads=num_threads)


def _player(game: Game, opponent: Opponent, request: EvaluationRequest, device: str) -> Player:
    """An opponent: another network of the run, told by its file, or a fixed player."""
    path = Path(opponent.spec)
    if path.suffix != ".safetensors":
        return make_player(opponent.spec, game)
    evaluator = _evaluator(game, path, 0, device, request.num_threads)
    return AgentPlayer(game, evaluator, request.simulations, name=opponent.name)


def _play(
    game: Game,
    first: tuple[Player, str],
    second: tuple[Player, str],
    num_games: int,
    seed: int,
    poll: Callable[[], bool],
) -> Pairing:
    result = play_match(game, first[0], second[0], num_games, seed, stop=poll)
    return Pairing(first[1], second[1], *result.tally)
