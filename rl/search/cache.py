"""The evaluation cache: what the network said of a position, by the position's hash.

Raw logits are stored; masks are applied when a node is expanded, since a repetition rule may forbid an action in one
game and allow it in another. The key also holds the network's id (`salt`), so new weights never read old answers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from games.base import FloatArray, Game
from games.compiled import inlined

Cache = npt.NDArray[np.void]
"""[M] a direct-mapped table, M a power of two; the newest entry of a place wins. One entry makes no cache."""


def allocate_cache(game: Game, num_entries: int) -> Cache:
    """An empty cache of at least `num_entries` entries; 0 makes the one-entry table that `probe` treats as no cache."""
    size = 1 << max(0, num_entries - 1).bit_length()
    entry = [("key", np.uint64), ("value", np.float32), ("prior_logits", np.float32, (game.num_actions,))]
    return np.zeros(size, np.dtype(entry, align=True))


def salt_of(network_id: int) -> np.uint64:
    """The part of a key that names the network."""
    return np.uint64((network_id * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)


@inlined
def place_of(cache: Cache, key: np.uint64) -> int:
    """Where `key` is stored if it is."""
    return int(np.int64(key & np.uint64(cache.size - 1)))


@inlined
def probe(cache: Cache, key: np.uint64) -> int:
    """The place of `key`, or -1 when it is not stored."""
    place = place_of(cache, key)
    return place if cache.size > 1 and cache[place]["key"] == key else -1


@inlined
def store(cache: Cache, key: np.uint64, prior_logits: FloatArray, value: float) -> None:
    """Remember an evaluation; `prior_logits` [num_actions]."""
    if cache.size > 1:
        entry = cache[place_of(cache, key)]
        entry["key"] = key
        entry["value"] = value
        stored = entry["prior_logits"]
        for action in range(prior_logits.size):
            stored[action] = prior_logits[action]
