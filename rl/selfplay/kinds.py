"""Which self-play plays a game: kernels for boards, batches for simulators. The only place where it is asked."""

from __future__ import annotations

from games.base import Game
from games.simulated import SimulatedGame
from rl.selfplay.episodes import Episodes, EpisodesConfig
from rl.selfplay.lockstep import Selfplay, SelfplayConfig

AnySelfplay = Selfplay | Episodes
AnySelfplayConfig = SelfplayConfig | EpisodesConfig


def make_selfplay(game: Game, config: AnySelfplayConfig, seed: int) -> AnySelfplay:
    """What plays many games of `game` at once. Raises TypeError for a configuration of the other kind."""
    if isinstance(game, SimulatedGame) and isinstance(config, EpisodesConfig):
        return Episodes(game, config, seed)
    if isinstance(game, SimulatedGame) or isinstance(config, EpisodesConfig):
        raise TypeError(f"{game.name} is not played with a {type(config).__name__}")
    return Selfplay(game, config, seed)
