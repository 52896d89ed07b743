"""Games on disk: what was acknowledged stays, through kills, cuts, flipped bits and full disks; damage is told."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded_games import random_game

import games
from rl.errors import UserError
from rl.replay import chunks
from rl.replay.chunk_format import pack_game, pack_header, read_chunk
from rl.replay.chunks import ChunkWriter, recover, scan
from rl.replay.mixture import Mixture
from rl.replay.records import encode

pytestmark = pytest.mark.plain_only  # files are tested, not the games in them

TESTS = Path(__file__).resolve().parent
GAME = games.make("tic_tac_toe")
RECORDS = [random_game(GAME, number) for number in range(12)]


def numbers_in(directory: Path) -> list[int]:
    """The games that a scan finds, each compared with what was written."""
    found = list(scan(directory, Mixture.of(GAME), say=lambda line: None))
    for record in found:
        assert encode(record) == encode(RECORDS[record.game_number])
    return [record.game_number for record in found]


def write(directory: Path, numbers: range, *, seal: bool, name: str = "w0", chunk_bytes: int = 1 << 24) -> Path:
    """A chunk of some games; the path of the last one."""
    writer = ChunkWriter(directory, GAME, name, chunk_bytes=chunk_bytes)
    for number in numbers:
        mark = writer.append(RECORDS[number])
    if seal:
        writer.close()
    return directory / mark.chunk


def test_games_are_found_again_and_marks_tell_where(tmp_path: Path) -> None:
    writer = ChunkWriter(tmp_path / "replay", GAME, "w0")
    assert not (tmp_path / "replay").exists()
    marks = [writer.append(record) for record in RECORDS[:3]]
    assert numbers_in(tmp_path / "replay") == [0, 1, 2]  # before close: an append is enough
    writer.close()
    chunk = read_chunk(tmp_path / "replay" / "w0-000000.games", GAME)
    assert [(chunk.path.name, frame.offset) for frame in chunk.frames] == marks
    assert chunk.sealed
    assert numbers_in(tmp_path / "replay") == [0, 1, 2]


def test_scanning_nothing_finds_nothing(tmp_path: Path) -> None:
    assert numbers_in(tmp_path / "missing") == []
    ChunkWriter(tmp_path, GAME, "w0").close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_chunk_is_sealed_and_a_restarted_writer_opens_a_new_one(tmp_path: Path) -> None:
    write(tmp_path, range(4), seal=False, chunk_bytes=300)
    paths = sorted(tmp_path.iterdir())
    assert len(paths) > 1
    assert [read_chunk(path, GAME).sealed for path in paths] == [True] * (len(paths) - 1) + [False]
    before = paths[-1].read_bytes()
    assert write(tmp_path, range(4, 5), seal=True).name == f"w0-{len(paths):06d}.games"
    assert paths[-1].read_bytes() == before
    assert numbers_in(tmp_path) == [0, 1, 2, 3, 4]


def test_a_game_written_twice_counts_once_and_the_first_wins(tmp_path: Path) -> None:
    write(tmp_path, range(0, 3), seal=True, name="a")
    writer = ChunkWriter(tmp_path, GAME, "b")
    writer.append(RECORDS[5]._replace(game_number=1))
    writer.append(RECORDS[3])
    writer.close()
    assert numbers_in(tmp_path) == [0, 1, 2, 3]


def test_killed_writers_lose_no_acknowledged_game_and_double_none(tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "killed_writer.py"), str(tmp_path), "40"]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    told = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > 26  # the writers that were let begin all began


def test_a_cut_anywhere_in_the_last_game_loses_that_game_only(tmp_path: Path) -> None:
    path = write(tmp_path, range(3), seal=False)
    data = path.read_bytes()
    path.unlink()  # another file of that name is not locked by the writer, which lives on
    last = len(pack_game(RECORDS[2]))
    for end in range(len(data) - last, len(data)):
        path.write_bytes(data[:end])
        lines: list[str] = []
        assert [record.game_number for record in scan(tmp_path, Mixture.of(GAME), lines.append)] == [0, 1]
        torn = end - (len(data) - last)
        assert lines == ([f"{path}: {torn} bytes of an interrupted write at the end left out"] if torn else [])
        assert path.read_bytes() == data[:end]  # a scan changes nothing
        recover(tmp_path, GAME, say=lambda line: None)
        assert read_chunk(path, GAME).sealed
        assert numbers_in(tmp_path) == [0, 1]


def test_a_cut_in_the_header_leaves_an_empty_chunk(tmp_path: Path) -> None:
    header = pack_header("w0", GAME)
    path = tmp_path / "w0-000000.games"
    for end in range(len(header) + 1):
        path.write_bytes(header[:end])
        assert numbers_in(tmp_path) == []
        recover(tmp_path, GAME, say=lambda line: None)
        assert numbers_in(tmp_path) == []


def test_a_flipped_bit_in_a_sealed_chunk_is_told_as_damage(tmp_path: Path) -> None:
    path = write(tmp_path, range(2), seal=True)
    data = path.read_bytes()
    trailer = len(data) - 40
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ (1 << position % 8)]) + data[position + 1 :])
        if trailer <= position < trailer + 8:  # the mark that it is sealed: no game is touched, and it is told
            lines: list[str] = []
            assert len(list(scan(tmp_path, Mixture.of(GAME), lines.append))) == 2
            assert len(lines) == 1 and str(path) in lines[0]
            continue
        with pytest.raises(UserError, match="damaged") as error:
            numbers_in(tmp_path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_flipped_bit_in_an_unsealed_chunk_is_cut_at_its_end_and_told_as_damage_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path, range(3), seal=False)
    data = path.read_bytes()
    last = len(data) - len(pack_game(RECORDS[2]))
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ (1 << position % 8)]) + data[position + 1 :])
        if position >= last:
            assert numbers_in(tmp_path) == [0, 1]
        else:
            with pytest.raises(UserError, match="damaged") as error:
                numbers_in(tmp_path)
            assert str(path) in str(error.value)


def test_sound_checksums_over_an_unsound_record_are_damage(tmp_path: Path) -> None:
    record = random_game(GAME, 1)
    record.steps["action"][0] = 100
    writer = ChunkWriter(tmp_path, GAME, "w0")
    writer.append(record)
    writer.close()
    with pytest.raises(UserError, match=r"w0-000000.games: damaged: the game at byte 128 .*outside 0 to 8"):
        numbers_in(tmp_path)


def test_chunks_of_another_game_another_version_or_no_chunks_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, range(1), seal=True)
    with pytest.raises(UserError, match="holds games of tic_tac_toe, not of connect_four"):
        list(scan(tmp_path, Mixture.of(games.make("connect_four"))))
    path.write_bytes(b"not a chunk at all" * 20)
    with pytest.raises(UserError, match=r"w0-000000.games: damaged: its header"):
        numbers_in(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=r"w0-000000.games: cannot read"):
        numbers_in(tmp_path)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 49, "ü"])
def test_a_writer_name_must_fit_a_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a writer"):
        ChunkWriter(tmp_path, GAME, name)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/replay: cannot start a file of games: Not a directory"):
        ChunkWriter(tmp_path / "file" / "replay", GAME, "w0").append(RECORDS[0])


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    """Lets a test lower RLIMIT_FSIZE, which the kernel enforces as it enforces a full disk: after a part is written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_the_chunk_stays_sound(tmp_path: Path, file_size_limit: None) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = ChunkWriter(tmp_path, GAME, "w0", fsync_seconds=0)
    path = tmp_path / writer.append(RECORDS[0]).chunk
    sound = path.read_bytes()
    for room in (0, 1, 20, len(pack_game(RECORDS[1])) - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(sound) + room, most))
        with pytest.raises(UserError, match=r"w0-000000.games: cannot write: File too large"):
            writer.append(RECORDS[1])
        assert path.read_bytes() == sound
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(sound) + 10, most))
    with pytest.raises(UserError, match="cannot write"):
        writer.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert writer.append(RECORDS[1]).offset == len(sound)
    writer.close()
    assert read_chunk(path, GAME).sealed
    assert numbers_in(tmp_path) == [0, 1]


def test_a_disk_full_at_the_start_leaves_no_file(tmp_path: Path, file_size_limit: None) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = ChunkWriter(tmp_path, GAME, "w0")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))
    with pytest.raises(UserError, match="cannot write"):
        writer.append(RECORDS[0])
    assert list(tmp_path.iterdir()) == []
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    writer.append(RECORDS[0])
    assert numbers_in(tmp_path) == [0]


def test_a_disk_that_fails_twice_is_mended_by_the_next_append(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ChunkWriter(tmp_path, GAME, "w0")
    writer.append(RECORDS[0])
    pwrite = os.pwrite

    def write_a_part(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) < 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, data[:-20], offset)

    def fail(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(chunks.os, "pwrite", write_a_part)
        patch.setattr(chunks.os, "ftruncate", fail)
        with pytest.raises(UserError, match="No space left on device"):
            writer.append(RECORDS[1])
    assert numbers_in(tmp_path) == [0]  # the torn part is still there, and is left out
    writer.append(RECORDS[2])
    assert numbers_in(tmp_path) == [0, 2]


def test_fsync_follows_within_seconds_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, synced = [100.0], []
    monkeypatch.setattr(chunks.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(chunks.os, "fsync", lambda descriptor: synced.append(now[0]))
    writer = ChunkWriter(tmp_path, GAME, "w0", fsync_seconds=3.0)
    writer.append(RECORDS[0])
    synced.clear()  # of the new file's header and its directory
    for number, moment in enumerate([101.0, 102.9, 103.0, 104.0, 107.0], start=1):
        now[0] = moment
        writer.append(RECORDS[number])
    assert synced == [103.0, 107.0]
    writer.close()
    assert synced == [103.0, 107.0, 107.0]


def test_recover_seals_the_chunks_of_dead_writers_and_leaves_the_living_alone(tmp_path: Path) -> None:
    living = ChunkWriter(tmp_path, GAME, "living")
    living.append(RECORDS[0])
    dead = tmp_path / "dead-000000.games"
    dead.write_bytes(pack_header("dead", GAME) + pack_game(RECORDS[1]) + pack_game(RECORDS[2])[:-1])
    lines: list[str] = []
    recover(tmp_path, GAME, lines.append)
    assert len(lines) == 1 and f"{dead}: {len(pack_game(RECORDS[2])) - 1} bytes" in lines[0]
    assert read_chunk(dead, GAME).sealed
    assert not read_chunk(tmp_path / "living-000000.games", GAME).sealed
    living.append(RECORDS[3])
    living.close()
    assert sorted(numbers_in(tmp_path)) == [0, 1, 3]
    recover(tmp_path, GAME, lines.append)
    assert len(lines) == 1


def test_recover_names_a_chunk_it_cannot_write(tmp_path: Path, file_size_limit: None) -> None:
    path = tmp_path / "dead-000000.games"
    path.write_bytes(pack_header("dead", GAME) + pack_game(RECORDS[1]))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, most))
    with pytest.raises(UserError, match=r"dead-000000.games: cannot write: File too large"):
        recover(tmp_path, GAME)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # before pytest writes its own output
    assert numbers_in(tmp_path) == [1]
