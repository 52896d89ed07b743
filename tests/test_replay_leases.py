"""Leases: no game number is handed out twice."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path

import pytest

from rl.errors import UserError
from rl.replay.leases import Leases

pytestmark = pytest.mark.plain_only  # nothing here is compiled


def test_blocks_follow_each_other_whoever_asks(tmp_path: Path) -> None:
    path = tmp_path / "replay" / "leases.jsonl"
    assert Leases(path).take("a", 5) == range(0, 5)
    assert Leases(path).take("b", 1) == range(5, 6)
    assert Leases(path).take("a", 10) == range(6, 16)
    assert Leases(path).take("a", 2, first_free=100) == range(100, 102)
    assert Leases(path).take("a", 2, first_free=3) == range(102, 104)
    with pytest.raises(ValueError):
        Leases(path).take("a", 0)


def test_a_line_cut_anywhere_was_never_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "leases.jsonl"
    Leases(path).take("a", 5)
    sound = path.read_bytes()
    Leases(path).take("b", 7)
    data = path.read_bytes()
    for end in range(len(sound), len(data)):
        path.write_bytes(data[:end])
        assert Leases(path).take("c", 3) == range(5, 8)
        assert Leases(path).take("c", 3) == range(8, 11)
    path.write_bytes(data)
    assert Leases(path).take("c", 3) == range(12, 15)


def test_a_flipped_bit_is_told_as_damage_and_nothing_is_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "leases.jsonl"
    for writer in ("a", "b"):
        Leases(path).take(writer, 5)
    data = path.read_bytes()
    for position in range(len(data) - 1):
        damaged = data[:position] + bytes([data[position] ^ (1 << position % 7)]) + data[position + 1 :]
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"leases.jsonl: damaged: line \d"):
            Leases(path).take("c", 3)
        assert path.read_bytes() == damaged


def test_threads_never_get_the_same_number(tmp_path: Path) -> None:
    taken: list[int] = []

    def take(writer: str) -> None:
        leases = Leases(tmp_path / "leases.jsonl")
        for count in range(1, 11):
            taken.extend(leases.take(writer, count))

    threads = [threading.Thread(target=take, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(4 * 55))


def test_a_full_disk_hands_nothing_out(tmp_path: Path) -> None:
    path = tmp_path / "leases.jsonl"
    Leases(path).take("a", 5)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(UserError, match=r"leases.jsonl: cannot lease game numbers: File too large"):
            Leases(path).take("a", 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert Leases(path).take("a", 5) == range(5, 10)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=os.path.join("file", "leases.jsonl")):
        Leases(tmp_path / "file" / "leases.jsonl").take("a", 1)
