"""Which game numbers belong to whom: blocks of numbers, each handed out once, whatever dies meanwhile.

A game's random numbers follow from the run's seed and its number, so two writers must never play the same one. Each
lease is a line of JSON, on disk before anybody hears of it. The file is locked while one is made: writers in several
processes, or on several machines with a shared file system, may each have a `Leases` of their own.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from pathlib import Path

from rl.errors import UserError


class Leases:
    """Hands out blocks of game numbers from `path`, which is made when missing."""

    def __init__(self, path: Path) -> None:
        self._path = Path(path)

    def take(self, writer_name: str, count: int, *, first_free: int = 0) -> range:
        """The next `count` numbers, at or above `first_free`, now and for ever `writer_name`'s.

        Raises UserError naming the file when it is damaged or cannot be written: then nothing is handed out.
        """
        if count < 1:
            raise ValueError(f"{count} game numbers asked for")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                return self._take_locked(descriptor, writer_name, count, first_free)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UserError(f"{self._path}: cannot lease game numbers: {error.strerror}") from error

    def _take_locked(self, descriptor: int, writer_name: str, count: int, first_free: int) -> range:
        data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        whole = data[: data.rfind(b"\n") + 1]  # a line without its end was never handed out
        first = max(first_free, self._next_number(whole))
        line = _line({"first": first, "count": count, "writer": writer_name})
        os.ftruncate(descriptor, len(whole))
        written = 0
        while written < len(line):
            written += os.pwrite(descriptor, line[written:], len(whole) + written)
        os.fsync(descriptor)
        return range(first, first + count)

    def _next_number(self, data: bytes) -> int:
        """The number after the last one handed out; verifies every line."""
        end = 0
        for number, text in enumerate(data.splitlines(keepends=True), start=1):
            try:
                lease = json.loads(text)
                rewritten = _line({key: lease[key] for key in ("first", "count", "writer")})
                sound = rewritten == text and lease["first"] >= end
            except (ValueError, KeyError, TypeError):
                sound = False
            if not sound:
                raise UserError(f"{self._path}: damaged: line {number} is no lease of game numbers")
            end = lease["first"] + lease["count"]
        return end


def _line(lease: dict[str, int | str]) -> bytes:
    return (json.dumps({**lease, "crc32": zlib.crc32(json.dumps(lease).encode())}) + "\n").encode()
