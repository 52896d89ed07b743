"""The folder of one run: what lies where, whose it is, and that nobody else is writing to it.

config.json         the game and the configuration, written once; a run of another one is refused
replay/             the games, in chunks (`rl.replay`)
checkpoints/        (`rl.learning.checkpoint`)
networks/           the newest networks, as the self-play workers read them, and older ones for the ladder
films/              an episode of each network that was measured, as a GIF, where the run moves robots
agents/             the exported agent: the best by the ladder so far
metrics.jsonl       the record of the run; TensorBoard's event files lie beside it
stacks.txt          stack dumps, where something stalled
lock                held while a run is going on, by its worker processes too
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rl.errors import UserError
from rl.files import naming_disk_errors, replace_file
from rl.replay.mixture import Mixture
from rl.train.config import TrainConfig

_FORMAT = 1
_MAY_CHANGE = ("limits", "resources", "evaluation", "schedule")
"""Sections of the configuration that a resumed run may be given anew: they change how long and how fast, not what."""


def film_path(root: Path, step: int) -> Path:
    """Where the film of the network after `step` learner steps lies in the run directory `root`."""
    return root / "films" / f"step-{step:08d}.gif"


class RunDirectory:
    """An opened and locked run directory."""

    def __init__(
        self,
        root: Path,
        mixture: Mixture,
        config: TrainConfig,
        *,
        start_digest: str | None = None,
        lock_seconds: float = 5.0,
    ) -> None:
        """Make the directory or take up the run in it. `start_digest` tells the weights that training starts from,
        where these are an agent's.

        Raises UserError when it holds a run of another game or configuration, something else than a run, or a run
        that is still going on; nothing is written then. After a `kill -9` the workers of the old run end a moment
        later than its main process: the lock is theirs too, and waited for.
        """
        self.root = root
        self._mixture = mixture
        self._start_digest = start_digest
        self.replay = root / "replay"
        self.checkpoints = root / "checkpoints"
        self.networks = root / "networks"
        self.agents = root / "agents"
        self.stacks = root / "stacks.txt"
        self.best_agent = self.agents / f"{mixture.canvas.name}.safetensors"
        with naming_disk_errors(root):
            root.mkdir(parents=True, exist_ok=True)
        self._check_content(config)
        with naming_disk_errors(root):
            self.lock = _take_lock(root / "lock", lock_seconds)
            self._check_content(config)  # another run may have begun between the first look and the lock
            replace_file(root / "config.json", (json.dumps(self._described(config), indent=2) + "\n").encode())
            for path in (self.replay, self.checkpoints, self.networks, self.agents):
                path.mkdir(exist_ok=True)

    def close(self) -> None:
        """Give the lock back."""
        os.close(self.lock)

    def network(self, step: int) -> Path:
        """Where the network after `step` learner steps is written."""
        return self.networks / f"step-{step:08d}.safetensors"

    def write_film(self, step: int, data: bytes) -> None:
        """Keep a GIF file of an episode of the network after `step` learner steps. Raises UserError where it cannot."""
        path = film_path(self.root, step)
        with naming_disk_errors(path):
            path.parent.mkdir(exist_ok=True)
            replace_file(path, data)

    def _described(self, config: TrainConfig) -> dict[str, Any]:
        others = dict(zip((game.name for game in self._mixture.games[1:]), self._mixture.shares[1:], strict=True))
        described = {
            "format": _FORMAT,
            "game": self._mixture.canvas.name,
            "also": others,
            "start": self._start_digest,
            **asdict(config),
        }
        return dict(json.loads(json.dumps(described)))  # as it will be read back: tuples are lists

    def _check_content(self, config: TrainConfig) -> None:
        path = self.root / "config.json"
        try:
            text = path.read_text()
        except FileNotFoundError:
            if strangers := sorted({entry.name for entry in self.root.iterdir()} - {"lock", "config.json.tmp"}):
                raise UserError(f"{self.root} holds no run but {strangers[0]!r}: give another --run-dir") from None
            return
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        try:
            held = json.loads(text)
            assert isinstance(held, dict)
        except (ValueError, AssertionError):
            raise UserError(f"{path} is damaged: give another --run-dir") from None
        held.setdefault("also", {})  # runs from before several games were played together
        held.setdefault("start", None)  # and from before training could start from an agent
        for name, asked in self._described(config).items():
            if name not in _MAY_CHANGE and (difference := _difference(name, held.get(name), asked)):
                raise UserError(f"{self.root} holds another run: its {difference}; give another --run-dir")


def _difference(name: str, held: Any, asked: Any) -> str:
    """Where two configurations differ first, in words; empty where they are the same."""
    if isinstance(held, Mapping) and isinstance(asked, Mapping):
        keys = [*asked, *(key for key in held if key not in asked)]
        parts = (_difference(f"{name}.{key}", held.get(key), asked.get(key)) for key in keys)
        return next((part for part in parts if part), "")
    return "" if held == asked else f"{name} is {held}, not {asked}"


def _take_lock(path: Path, seconds: float) -> int:
    """An exclusive lock on the file `path`, as its descriptor; the holder's pid is written into it for people."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
                os.close(descriptor)
                raise UserError(f"{path.parent}: a run is going on in it (process {holder or 'unknown'})") from None
            time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def kept_networks(run_dir: Path) -> list[Path]:
    """The networks that a run has kept, the oldest first. Raises UserError where there are none."""
    networks = sorted((run_dir / "networks").glob("step-*.safetensors"))
    if not networks:
        raise UserError(f"{run_dir} holds no networks of a run")
    return networks
