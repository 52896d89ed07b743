"""Keima's own self-play, as training plays it but for the number of simulations."""

from __future__ import annotations

from itertools import count
from typing import cast

import torch

import games
from rl.errors import UserError
from rl.network.agent_file import load_agent
from rl.network.device import Precision
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import NetworkConfig
from rl.selfplay.lockstep import Selfplay, SelfplayConfig
from scripts.agents import find_agent
from scripts.bench.cuda import decided_network
from scripts.bench.peers.contenders import Stretch, Work, rounds


class KeimaPlayer:
    """Random openings, evaluation cache or none, random weights or those of the agent that ships."""

    def __init__(self, work: Work, *, cached: bool, shipped: bool) -> None:
        torch.set_num_threads(1)
        game = games.make("connect_four")
        config = SelfplayConfig(
            games_per_worker=work.lockstep,
            simulations=work.simulations,
            fast_simulations=work.simulations,
            full_search_fraction=1.0,
            cache_entries=SelfplayConfig().cache_entries if cached else 0,
        )
        if shipped:
            path = find_agent(game, None)
            if path is None:
                raise UserError("bench peers: no agent ships for connect_four")
            network = load_agent(path, game)
        else:
            network = decided_network(game, NetworkConfig(blocks=work.blocks, channels=work.channels))
        self._selfplay = Selfplay(game, config, work.seed)
        self._evaluator = NetworkEvaluator(game, network, work.lockstep, precision=cast(Precision, work.precision))
        self._next_number = count().__next__

    def play(self, seconds: float) -> Stretch:
        """One wave at least."""
        stretch = Stretch()
        for _ in rounds(seconds):
            for record in self._selfplay.wave(self._evaluator, self._next_number):
                stretch.games.append(record.steps["action"].tolist())
        counts = self._selfplay.take_counts()
        stretch.moves = int(counts["moves"])
        stretch.simulations = int(counts["simulations"])
        stretch.evaluations = int(counts["evaluations"])
        return stretch
