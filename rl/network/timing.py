"""How long alternatives take, where other programs may run beside: what is chosen by measuring is timed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

_Name = TypeVar("_Name")


def shortest_turns(
    turns: Mapping[_Name, Callable[[], object]],
    clock: Callable[[], float],
    fewest: int,
    most: int,
    seconds: float = math.inf,
) -> dict[_Name, float]:
    """The shortest turn of each by `clock`, which gives seconds; the first turn of each prepares it and does not count.

    They take turns, `fewest` times and then as often as `seconds` allow, at `most` so many times. Shortest turns are
    compared since other programs only ever make one longer.
    """
    for take in turns.values():
        take()
    shortest = dict.fromkeys(turns, math.inf)
    begun = clock()
    for turn in range(most):
        if turn >= fewest and clock() - begun > seconds:
            break
        for name, take in turns.items():
            before = clock()
            take()
            shortest[name] = min(shortest[name], clock() - before)
    return shortest
