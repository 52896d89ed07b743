"""Does a game keep the promises of `games.base`? Each check tries one of them over random play and says what to mend.

The rules run as plain Python, where a mistake is an error with a line number; compiled code does not look where it
writes, so it is tried last, and only when nothing else was found. What a check needs of the game's past it is given:
the real history, wherever the game reads one.

    for finding in check_game(games.make("go9")):
        print(finding.check, finding.status, finding.text)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numba
import numpy as np

from games.base import Game
from games.check.declarations import declarations
from games.check.kernels import compiled
from games.check.looks import looks
from games.check.rules import ends, history, looking, masks, records, reset, rewards, score, set_up
from games.check.sample import Broken, Sample, Unplayable, blame
from games.check.views import boards, hashes, moves, observations, symmetries

Check = Callable[[Game, Sample], str]
"""Returns what was seen, in a few words; raises Broken, or whatever the game itself raises."""

CHECKS: dict[str, Check] = {
    "declarations": declarations,
    "reset": reset,
    "masks": masks,
    "looking": looking,
    "ends": ends,
    "rewards": rewards,
    "records": records,
    "history": history,
    "score": score,
    "set-up": set_up,
    "observations": observations,
    "hashes": hashes,
    "symmetries": symmetries,
    "moves as text": moves,
    "boards as text": boards,
    "looks": looks,
    "compiled": compiled,
}
"""By name, in the order in which they are told."""


class Finding(NamedTuple):
    """What one check found."""

    check: str
    status: Literal["passed", "failed", "not run"]
    text: str
    """What was seen; where it failed, what to mend in a sentence; where it was not run, why."""


def check_game(game: Game, sample: Sample | None = None) -> Iterator[Finding]:
    """What every check finds, as it finds it, over the random games of `sample`."""
    played = sample or Sample(game)
    failed = False
    unplayable = ""
    for name, check in CHECKS.items():
        if failed and check is compiled:
            yield Finding(name, "not run", "compiled code does not look where it writes: mend the others first")
            continue
        try:
            finding = run_check(name, game, played)
        except Unplayable as error:
            finding = Finding(name, "not run", unplayable) if unplayable else Finding(name, "failed", str(error))
            unplayable = "no game can be played"
        failed = failed or finding.status == "failed"
        yield finding


def run_check(name: str, game: Game, sample: Sample) -> Finding:
    """What one check finds. Raises Unplayable when no random game could be played for it."""
    check = CHECKS[name]
    if check is compiled and numba.config.DISABLE_JIT:
        return Finding(name, "not run", "NUMBA_DISABLE_JIT is set: nothing is compiled")
    if check is score and not game.is_scored:
        return Finding(name, "not run", "the game is not scored")
    try:
        with np.errstate(over="ignore"):  # hashes wrap around on purpose
            return Finding(name, "passed", check(game, sample))
    except Unplayable:
        raise
    except Broken as error:
        return Finding(name, "failed", str(error))
    except Exception as error:  # whatever the game's own methods raise
        return Finding(name, "failed", blame(error))
