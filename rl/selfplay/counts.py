"""What self-play counts while it goes on."""

from __future__ import annotations

from rl.search.driver import Waves

_OWN = ("moves", "evaluations", "places", "network_seconds", "search_seconds")
_OF_TREES = {
    "simulations": "num_simulations",
    "cache_hits": "num_cache_hits",
    "depth_sum": "num_levels",
    "known_leaves": "num_known_leaves",
}


class Counts:
    """Counts since they were last taken."""

    def __init__(self) -> None:
        self._own = dict.fromkeys(_OWN, 0.0)

    def add(self, name: str, count: float) -> None:
        self._own[name] += count

    def take(self, waves: Waves) -> dict[str, float]:
        """What happened since the last call: moves, simulations, evaluations, cache_hits, known_leaves (terminal or
        proven), depth_sum (of all leaves), places (those of every wave), network_seconds, search_seconds."""
        counts, self._own = self._own, dict.fromkeys(_OWN, 0.0)
        for name, field in _OF_TREES.items():
            counts[name] = float(waves.controls[field].sum())
            waves.controls[field] = 0
        return counts
