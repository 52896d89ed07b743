"""The Go agent that ships: one network for the boards from 5x5 to 9x9."""

from __future__ import annotations

import pytest

import games
from rl.agents import shipped_agent
from rl.arena.match import play_match
from rl.arena.players import make_player

NUM_GAMES, SIMULATIONS = 2, 6


@pytest.mark.plain_only
@pytest.mark.parametrize("size", [5, 6, 7, 8, 9])
def test_one_agent_plays_every_board(size: int) -> None:
    """It wins every game against random play, one as either colour."""
    game = games.make(f"go{size}")
    path = shipped_agent(games.make("go9"))
    assert path is not None and path.stem == "go"
    agent = make_player(str(path), game, num_simulations=SIMULATIONS)
    result = play_match(game, agent, make_player("random", game), NUM_GAMES, seed=size)
    assert result.tally.wins == NUM_GAMES
