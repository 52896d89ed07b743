"""Short episodes of robots' tasks, and a small network to play them with."""

from __future__ import annotations

import numpy as np

import games
from games.simulated import SimulatedGame
from rl.network.evaluator import NetworkEvaluator
from rl.network.kinds import make_network
from rl.network.vector import VectorConfig, VectorNetwork
from rl.replay.episode_batch import Followed
from rl.replay.records import GameRecord
from rl.selfplay.episodes import Episodes, EpisodesConfig

SMALL = VectorConfig(layers=1, width=8, value_bins=9)


def short(name: str = "planar_reach", steps: int = 6) -> SimulatedGame:
    """A game whose episodes are cut after a few steps."""
    game = games.make(name)
    assert isinstance(game, SimulatedGame)
    game.max_num_moves = steps
    return game


def network_of(game: SimulatedGame, seed: int = 0) -> VectorNetwork:
    """A network that has learnt nothing."""
    network = make_network(game, SMALL, seed)
    assert isinstance(network, VectorNetwork)
    return network.eval()


def play(
    game: SimulatedGame, numbers: list[int], places: int, seed: int = 3, staggered: bool = False
) -> dict[int, GameRecord]:
    """The episodes of these numbers, by number; batches are padded, so that a row's last bits are its own."""
    episodes = Episodes(game, EpisodesConfig(games_per_worker=places, simulations=5, staggered=staggered), seed)
    evaluator = NetworkEvaluator(game, network_of(game), 8, network_id=4, fixed_batch=True, precision="float32")
    left, records = list(numbers), []
    while left or episodes.num_active:
        records += episodes.wave(evaluator, lambda: left.pop(0) if left else None)
    counts = episodes.take_counts()
    assert counts["moves"] == sum(len(record.steps) for record in records) and counts["evaluations"] > 0
    return {record.game_number: record for record in records}


def nothing_followed(game: SimulatedGame) -> Followed:
    """Of no state is known what came of it."""
    none = np.zeros(0, np.float32)
    return Followed(np.zeros(0, np.int64), none.reshape(0, game.action_size), game.new_states([]), none, none)
