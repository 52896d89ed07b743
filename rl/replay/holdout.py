"""Which games are never trained on."""

from __future__ import annotations

import numpy as np

from rl.search.random import random_bits

_KEY = np.uint64(0x686F6C646F7574)  # "holdout"


def is_held_out(game_number: int, fraction: float) -> bool:
    """Whether a game is held out where a `fraction` of them are: a function of its number alone."""
    with np.errstate(over="ignore"):  # where kernels run as plain Python
        return int(random_bits(_KEY, np.uint64(game_number))) / 2.0**64 < fraction
