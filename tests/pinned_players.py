"""Players for the processes of `keima bench peers`: one that tells where it may run, one that cannot start."""

from __future__ import annotations

import os
import threading

from scripts.bench.peers.contenders import Stretch, Work


class Surveyor:
    """Writes the cores that its threads may use where the columns of games stand."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def play(self, seconds: float) -> Stretch:
        cores: list[list[int]] = []
        thread = threading.Thread(target=lambda: cores.append(sorted(os.sched_getaffinity(0))))
        thread.start()
        thread.join()
        cores.append(sorted(os.sched_getaffinity(0)))
        return Stretch(self.work.lockstep, self.work.simulations, round(1000 * seconds), cores)


class Broken:
    def __init__(self, work: Work) -> None:
        raise RuntimeError("it does not fit its libraries")
