"""The Go agent that ships: one network for the boards from 5x5 to 9x9."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import games
from games.base import Game, State
from rl.agents import shipped_agent
from rl.network.agent_file import load_agent
from rl.network.model import Network

NUM_GAMES = 6


def likeliest(network: Network, game: Game, state: State, legal: np.ndarray) -> int:  # type: ignore[type-arg]
    planes = np.zeros((1, *game.observation_shape), np.float32)
    game.observe(state, planes[0])
    with torch.inference_mode():
        logits = network(torch.from_numpy(planes)).policy_logits[0].numpy()
    return int(np.where(legal, logits, -np.inf).argmax())


@pytest.mark.parametrize("size", [5, 6, 7, 8, 9])
def test_one_agent_plays_every_board(size: int) -> None:
    """Its bare policy against random play, as either colour."""
    game = games.make(f"go{size}")
    path = shipped_agent(games.make("go9"))
    assert path is not None
    network, generator = load_agent(path, game), np.random.default_rng(size)
    won = 0
    for number in range(NUM_GAMES):
        state, history, ended = game.new_state(), np.zeros(0, np.uint64), False
        legal = np.zeros(game.num_actions, np.bool_)
        while not ended:
            player = int(state["to_play"])
            game.legal_actions(state, history, legal)
            if player == number % 2:
                action = likeliest(network, game, state, legal)
            else:
                action = int(generator.choice(np.flatnonzero(legal)))
            past, history = history, np.append(history, np.uint64(game.history_hash(state)))
            reward, ended = game.step(state, action, past)
        winner = player if reward > 0 else 1 - player
        won += winner == number % 2
    assert won == NUM_GAMES
