"""Games on disk: append-only chunk files, each written by one process, that survive `kill -9` and tell of damage.

A chunk is named after its writer, `<writer>-<sequence>.games`; a writer that starts again opens a new one. A game
counts once its bytes have been handed to the system: no death of the process loses it then. `fsync` follows within
seconds, for a machine that loses power. The bytes are told in `rl.replay.chunk_format`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from games.base import Game
from rl.errors import UserError
from rl.replay.chunk_format import SUFFIX, chunk_paths, pack_game, pack_header, pack_trailer, read_chunk
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord


class GameMark(NamedTuple):
    """Where a game stands on disk."""

    chunk: str
    """The chunk's file name."""
    offset: int
    """The byte at which the game's frame begins."""


class ChunkWriter:
    """Appends games to chunks of its own. One thread at a time.

    No file is made before the first game. Raises UserError for a writer name that cannot be part of a file name.
    """

    def __init__(
        self, directory: Path, game: Game, writer_name: str, *, chunk_bytes: int = 1 << 24, fsync_seconds: float = 3.0
    ) -> None:
        """Chunks are sealed beyond `chunk_bytes`; an append fsyncs when the last fsync is `fsync_seconds` ago."""
        self._header = pack_header(writer_name, game)
        self._directory, self._writer_name = Path(directory), writer_name
        self._chunk_bytes, self._fsync_seconds = chunk_bytes, fsync_seconds
        self._file: _AppendedFile | None = None

    def append(self, record: GameRecord) -> GameMark:
        """Write a game. When this returns, the game survives the death of the process.

        Raises UserError naming the file when the disk is full or fails: the game is then not on disk, the chunk is
        as it was before, and the next append tries again. Raises ValueError for a record that contradicts itself.
        """
        frame = pack_game(record)
        if self._file is not None and self._file.end >= self._chunk_bytes:
            self.close()
        if self._file is None:
            self._file = self._open()
        mark = GameMark(self._file.path.name, self._file.end)
        self._file.append(frame)
        return mark

    def close(self) -> None:
        """Seal the chunk that is open, if any. Raises UserError naming the file when that cannot be written."""
        if self._file is not None:
            self._file.append(pack_trailer(self._file.digest.digest()), fsync=True)
            self._file.close()
            self._file = None

    def _open(self) -> _AppendedFile:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            file = _AppendedFile(*self._create(), self._fsync_seconds)
        except OSError as error:
            raise UserError(f"{self._directory}: cannot start a file of games: {error.strerror}") from error
        try:
            file.append(self._header, fsync=True)
            fsync_directory(self._directory)
        except BaseException:
            file.close()
            file.path.unlink()
            raise
        return file

    def _create(self) -> tuple[Path, int]:
        pattern = re.compile(re.escape(self._writer_name) + r"-(\d+)" + re.escape(SUFFIX))
        used = [int(match[1]) for name in os.listdir(self._directory) if (match := pattern.fullmatch(name))]
        sequence = max(used, default=-1) + 1
        while True:
            path = self._directory / f"{self._writer_name}-{sequence:06d}{SUFFIX}"
            try:
                return path, os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                sequence += 1


class _AppendedFile:
    """A file that grows by whole pieces or not at all. Holds a lock, so that `recover` leaves it alone."""

    def __init__(self, path: Path, descriptor: int, fsync_seconds: float) -> None:
        self.path, self._descriptor = path, descriptor
        self.end = 0
        self.digest = hashlib.sha256()
        self._fsync_seconds = fsync_seconds
        self._last_fsync = time.monotonic()
        self._torn = False
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def append(self, data: bytes, *, fsync: bool = False) -> None:
        """Raises UserError naming the file where not all of `data` can be written; the file is then as before."""
        try:
            if self._torn:
                self._cut_back()
            self._torn = True
            _write_all(self._descriptor, data, self.end)
            if fsync or time.monotonic() >= self._last_fsync + self._fsync_seconds:
                os.fsync(self._descriptor)
                self._last_fsync = time.monotonic()
        except OSError as error:
            with contextlib.suppress(OSError):  # tried again by the next append; a reader cuts such a tail
                self._cut_back()
            raise UserError(f"{self.path}: cannot write: {error.strerror}") from error
        self._torn = False
        self.end += len(data)
        self.digest.update(data)

    def _cut_back(self) -> None:
        os.ftruncate(self._descriptor, self.end)
        self._torn = False

    def close(self) -> None:
        os.close(self._descriptor)


def print_line(line: str) -> None:
    """To standard error: how warnings are said where the caller has no better place."""
    print(line, file=sys.stderr)


def scan(directory: Path, mixture: Mixture, say: Callable[[str], None] = print_line) -> Iterator[GameRecord]:
    """Every game of every chunk in `directory`, each number once (the first met wins), chunk after chunk by name.

    Nothing is changed on disk, so chunks may be growing meanwhile. `say` is given one line for each chunk whose end
    an interrupted write left. Raises UserError naming the file for a damaged chunk or one of another game.
    """
    seen: set[int] = set()
    for path in chunk_paths(directory):
        chunk = read_chunk(path, mixture.canvas)
        if chunk.num_torn_bytes:
            say(f"{path}: {chunk.num_torn_bytes} bytes of an interrupted write at the end left out")
        for frame in chunk.frames:
            if frame.game_number not in seen:
                seen.add(frame.game_number)
                yield chunk.record(mixture.game(frame.game_number), frame)


def recover(directory: Path, game: Game, say: Callable[[str], None] = print_line) -> None:
    """Cut what interrupted writes left at the ends of chunks whose writers died, and seal those chunks.

    Chunks whose writers still live (they hold a lock) are left alone. Raises as `scan` does.
    """
    for path in chunk_paths(directory):
        with _locked(path) as descriptor:
            if descriptor is None:
                continue
            chunk = read_chunk(path, game)
            if chunk.sealed:
                continue
            if chunk.num_torn_bytes:
                say(f"{path}: {chunk.num_torn_bytes} bytes of an interrupted write at the end cut")
            _seal(path, descriptor, chunk.data[: chunk.end])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """A descriptor of `path`, locked; None while somebody else holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{path}: cannot open: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def _seal(path: Path, descriptor: int, sound: bytes) -> None:
    try:
        os.ftruncate(descriptor, len(sound))
        if sound:  # without a header, a writer may be just about to write it
            _write_all(descriptor, pack_trailer(hashlib.sha256(sound).digest()), len(sound))
        os.fsync(descriptor)
    except OSError as error:
        raise UserError(f"{path}: cannot write: {error.strerror}") from error


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    """A full disk may take a part of the bytes first, and fail only then."""
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)


def fsync_directory(directory: Path) -> None:
    """Make the names of new files last. Raises UserError naming the directory."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UserError(f"{directory}: cannot write: {error.strerror}") from error
