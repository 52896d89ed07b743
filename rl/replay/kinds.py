"""Which window holds a run's games: positions of boards, or steps of episodes. The only place where it is asked."""

from __future__ import annotations

from games.simulated import SimulatedGame
from rl.replay.episodes import EpisodeWindow, EpisodeWindowConfig
from rl.replay.mixed_window import MixedWindow
from rl.replay.mixture import Mixture
from rl.replay.window import WindowConfig

AnyWindow = MixedWindow | EpisodeWindow
AnyWindowConfig = WindowConfig | EpisodeWindowConfig


def make_window(mixture: Mixture, config: AnyWindowConfig) -> AnyWindow:
    """An empty window for the games of a run. Raises TypeError for a configuration of the other kind."""
    game = mixture.canvas
    if isinstance(game, SimulatedGame) and isinstance(config, EpisodeWindowConfig):
        return EpisodeWindow(game, config)
    if isinstance(game, SimulatedGame) or isinstance(config, EpisodeWindowConfig):
        raise TypeError(f"games of {game.name} are not held with a {type(config).__name__}")
    return MixedWindow(mixture, config)
