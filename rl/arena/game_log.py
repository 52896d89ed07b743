"""The games of a ladder on disk, one JSON object a line: what is written stays, and a ladder goes on from it.

The first line holds the settings that all games share; then come lines of players, each before its first game, and of
games. A line that a crash cut short is cut off when the file is opened next.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rl.arena.entrants import Entrant
from rl.errors import UserError
from rl.files import naming_disk_errors

_FORMAT = 1
_SYNC_SECONDS = 1.0
"""What a crash of the machine may cost. A killed process loses nothing that was added."""


@dataclass(frozen=True)
class LoggedGame:
    """One finished game of a pair."""

    first: str
    """The pair's names, in the order of the alphabet."""
    second: str
    number: int
    """Its place among the pair's games, from 0: the first player begins the even ones, and 2 k and 2 k + 1 share their
    opening."""
    score: float
    """The first player's: 1 win, 0.5 draw, 0 loss."""
    seed: int
    """Of all the pair's games."""
    opening: str
    """Moves in the game's notation, a space between them."""
    moves: str
    """Those after the opening."""
    length: int
    """Moves in all."""
    result: str = ""
    """As `rl.arena.match.MatchGame` has it."""
    remark: str = ""
    """How it ended, where there is something to say."""
    forfeit: bool = False
    """Whether the loser lost by what it did off the board."""

    def __post_init__(self) -> None:
        if not self.first < self.second:
            raise ValueError("the players of a pair stand in the order of the alphabet")
        if self.number < 0 or self.score not in (0.0, 0.5, 1.0):
            raise ValueError("numbers are 0 and more, scores 0, 0.5 and 1")


class LogContents:
    """What a file of games holds."""

    def __init__(self, path: Path, data: bytes) -> None:
        """From the whole lines of the file's `data`. Raises UserError where it is damaged or no such file."""
        self.settings: dict[str, Any] | None = None
        """What all games have in common; None in an empty file."""
        self.entrants: dict[str, Entrant] = {}
        """Everyone whose games are there, by name."""
        self.games: list[LoggedGame] = []
        self.size = data.rfind(b"\n") + 1
        """Bytes of its whole lines."""
        self._places: set[tuple[str, str, int]] = set()
        lines = data[: self.size].splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                self._read(json.loads(line))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                reason = "is no file of a ladder's games" if number == 1 else f"is damaged in line {number}"
                raise UserError(f"{path} {reason}") from error
        if not lines and not b'{"ladder"'.startswith(data[:9]):
            raise UserError(f"{path} is no file of a ladder's games")

    def add(self, game: LoggedGame) -> None:
        """Count a game in. Raises ValueError where it cannot be one."""
        place = (game.first, game.second, game.number)
        if game.first not in self.entrants or game.second not in self.entrants or place in self._places:
            raise ValueError("a game that is there already, or of players who have not entered")
        self._places.add(place)
        self.games.append(game)

    def _read(self, entry: Mapping[str, Any]) -> None:
        """Take up the next line."""
        if self.settings is None:
            self.settings = dict(entry["ladder"])
        elif "player" in entry:
            entrant = Entrant(**entry["player"])
            self.entrants[entrant.name] = entrant
        else:
            self.add(LoggedGame(**entry["game"]))


def read_log(path: Path) -> LogContents:
    """What a file of games holds, which may be written meanwhile. Raises UserError where that cannot be read."""
    with naming_disk_errors(path):
        return LogContents(path, path.read_bytes())


class GameLog:
    """An opened file of games; nobody else can open it meanwhile."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Open the file, or begin it with `settings`, which are what all its games have in common.

        Raises UserError, having changed nothing, where the file has other settings, is damaged, is no file of games, or
        is open elsewhere.
        """
        self._path = path
        self._settings = {"format": _FORMAT, **json.loads(json.dumps(settings))}  # as it will be read back
        with naming_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115  # closed by close()
        try:
            self._lock()
            self._take_up()
        except BaseException:
            self._file.close()
            raise
        self._synced = time.monotonic()

    @property
    def games(self) -> Sequence[LoggedGame]:
        """All games, the oldest first."""
        return self._contents.games

    @property
    def entrants(self) -> Mapping[str, Entrant]:
        """Everyone who has entered, by name."""
        return self._contents.entrants

    def enter(self, entrants: Iterable[Entrant]) -> None:
        """Put players on the ladder that are not there. Raises UserError where one's name is another network's."""
        new = []
        for entrant in entrants:
            known = self.entrants.get(entrant.name)
            if known is None:
                new.append(entrant)
            elif known.weights != entrant.weights:
                raise UserError(
                    f"{self._path} has games of another network named {entrant.name!r}: "
                    "give that file another name, or another --out"
                )
        self._append([{"player": asdict(entrant)} for entrant in new])
        self._contents.entrants.update({entrant.name: entrant for entrant in new})

    def add(self, games: Sequence[LoggedGame]) -> None:
        """Append games. They are safe from this process's death at once, and from the machine's within a second of
        playing. Raises UserError, with no game half written, where the disk is full."""
        for game in games:
            self._contents.add(game)
        self._append([{"game": asdict(game)} for game in games])
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self._sync()

    def close(self) -> None:
        """Make all durable and let others open the file."""
        if not self._file.closed:
            self._sync()
            self._file.close()

    def __enter__(self) -> GameLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{self._path}: another ladder is being played into it") from None

    def _take_up(self) -> None:
        self._file.seek(0)
        data = self._file.readall() or b""
        self._contents = LogContents(self._path, data)
        held = self._contents.settings
        for name, value in self._settings.items() if held is not None else ():
            if held is not None and held.get(name) != value:
                difference = f"its {name} is {held.get(name)}, not {value}"
                raise UserError(f"{self._path} holds another ladder: {difference}; give another --out")
        if len(data) > self._contents.size:
            os.truncate(self._path, self._contents.size)

    def _append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """All of the lines, or none of them; the settings before the first."""
        if self._contents.settings is None and entries:
            entries = [{"ladder": self._settings}, *entries]
            self._contents.settings = self._settings
        data = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            os.truncate(self._path, self._contents.size)
            raise UserError(f"cannot write {self._path}: {error.strerror or error}") from error
        self._contents.size += len(data)

    def _sync(self) -> None:
        with naming_disk_errors(self._path):
            os.fsync(self._file.fileno())
        self._synced = time.monotonic()
