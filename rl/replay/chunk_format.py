"""The bytes of a chunk of games: how they are put together, and how a chunk is read and verified.

    header   128 bytes: magic, version, writer, game, CRC32
    game     length u32, CRC32 u32, game number u64, payload (`rl.replay.records.encode`); any number of these
    trailer  40 bytes: magic, SHA-256 of all before; of a sealed chunk

What an interrupted write left at the end of an unsealed chunk is no part of it. Anything else that does not add up is
damage, and a UserError that names the file.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from games.base import Game
from rl.errors import UserError
from rl.replay.records import GameRecord, decode, encode, payload_marker

SUFFIX = ".games"

_VERSION = 1
_MAGIC = b"KEIMAGAM"
_END = b"KEIMAEND"
_HEADER = struct.Struct("<8sI48s64s")  # magic, version, writer, game; then the CRC32 of these
_FRAME = struct.Struct("<IIQ")  # length of the payload, CRC32 of everything else of the frame, game number
_TRAILER = struct.Struct("<8s32s")  # magic, SHA-256 of the file before
_HEADER_SIZE = _HEADER.size + 4


class Frame(NamedTuple):
    """Where one game stands in a chunk."""

    offset: int
    end: int
    game_number: int


class Chunk(NamedTuple):
    """A chunk that was read and found sound, but for what an interrupted write left at its end."""

    path: Path
    data: bytes
    """The whole file."""
    frames: list[Frame]
    end: int
    """Bytes that are sound; what follows is the trailer or an interrupted write."""
    sealed: bool

    @property
    def num_torn_bytes(self) -> int:
        """Bytes of an interrupted write at the end."""
        return 0 if self.sealed else len(self.data) - self.end

    def record(self, game: Game, frame: Frame) -> GameRecord:
        """One game. Raises UserError naming the file when its numbers contradict each other."""
        try:
            return decode(game, self.data[frame.offset + _FRAME.size : frame.end])
        except ValueError as error:
            raise _damage(self.path, f"the game at byte {frame.offset} cannot be read: {error}") from error


def pack_header(writer_name: str, game: Game) -> bytes:
    """What a chunk begins with. Raises UserError for names that do not fit."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,48}", writer_name):
        raise UserError(f"{writer_name!r} cannot name a writer of games: 1 to 48 letters, digits, '_', '-' and '.'")
    if len(game.name.encode()) > 64:
        raise UserError(f"the name of the game {game.name!r} is longer than 64 bytes")
    header = _HEADER.pack(_MAGIC, _VERSION, writer_name.encode(), game.name.encode())
    return header + struct.pack("<I", zlib.crc32(header))


def pack_game(record: GameRecord) -> bytes:
    """The frame of one game. Raises ValueError for a record that contradicts itself."""
    payload = encode(record)
    return _FRAME.pack(len(payload), _checksum(payload, record.game_number), record.game_number) + payload


def pack_trailer(digest: bytes) -> bytes:
    """What seals a chunk, from the SHA-256 of all before."""
    return _TRAILER.pack(_END, digest)


def chunk_paths(directory: Path) -> list[Path]:
    """The chunks of a directory, by name."""
    return sorted(Path(directory).glob(f"*{SUFFIX}"))


def read_chunk(path: Path, game: Game) -> Chunk:
    """Read a chunk and verify all its checksums. Raises UserError naming the file: damaged, or of another game."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror}") from error
    if len(data) < _HEADER_SIZE:
        return Chunk(path, data, [], 0, False)
    _check_header(path, data, game)
    trailer = _trailer(data)
    limit = len(data) if trailer is None else len(data) - _TRAILER.size
    if trailer is not None and hashlib.sha256(data[:limit]).digest() != trailer:
        raise _damage(path, "it is sealed and its SHA-256 differs")
    frames = []
    offset = _HEADER_SIZE
    while (frame := _frame_at(data, offset, limit)) is not None:
        frames.append(frame)
        offset = frame.end
    if offset < limit:
        if trailer is not None:
            raise _damage(path, f"no game at byte {offset}")
        if (later := _next_frame(data, offset + 1, limit, game)) is not None:
            raise _damage(path, f"no game at byte {offset}, but one at byte {later.offset}")
    return Chunk(path, data, frames, offset, trailer is not None)


def _check_header(path: Path, data: bytes, game: Game) -> None:
    magic, version, _, name = _HEADER.unpack_from(data)
    (checksum,) = struct.unpack_from("<I", data, _HEADER.size)
    if checksum != zlib.crc32(data[: _HEADER.size]):
        raise _damage(path, "its header's checksum differs")
    if magic != _MAGIC:
        raise UserError(f"{path}: no file of games")
    if version != _VERSION:
        raise UserError(f"{path}: version {version} of the file format, this program reads {_VERSION}")
    if (name := name.rstrip(b"\0").decode()) != game.name:
        raise UserError(f"{path}: holds games of {name}, not of {game.name}")


def _trailer(data: bytes) -> bytes | None:
    """The SHA-256 that a sealed chunk ends with, None for one that is not sealed."""
    if len(data) < _HEADER_SIZE + _TRAILER.size:
        return None
    magic, digest = _TRAILER.unpack_from(data, len(data) - _TRAILER.size)
    return bytes(digest) if magic == _END else None


def _frame_at(data: bytes, offset: int, limit: int) -> Frame | None:
    """The frame at `offset`, None where there is no sound one."""
    start = offset + _FRAME.size
    if start > limit:
        return None
    length, checksum, game_number = _FRAME.unpack_from(data, offset)
    if start + length > limit or checksum != _checksum(data[start : start + length], game_number):
        return None
    return Frame(offset, start + length, game_number)


def _next_frame(data: bytes, offset: int, limit: int, game: Game) -> Frame | None:
    """The first sound frame at or behind `offset`, None when there is none: an interrupted write leaves none."""
    marker = payload_marker(game)
    place = data.find(marker, offset + _FRAME.size, limit)
    while place >= 0:
        if (frame := _frame_at(data, place - _FRAME.size, limit)) is not None:
            return frame
        place = data.find(marker, place + 1, limit)
    return None


def _checksum(payload: bytes, game_number: int) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<IQ", len(payload), game_number)))


def _damage(path: Path, what: str) -> UserError:
    return UserError(f"{path}: damaged: {what}; move the file away to go on without its games")
