"""Memory that torch frees stays with the process."""

from __future__ import annotations

import resource

import pytest
import torch

from rl.network.allocator import keep_freed_memory

PIECES, PIECE_BYTES = 8, 1 << 23


def allocate() -> None:
    """As a batch does with its features: many pieces at once, all freed at the end."""
    pieces = [torch.ones(PIECE_BYTES // 4) for _ in range(PIECES)]
    assert all(float(piece[-1]) == 1.0 for piece in pieces)


def num_pages() -> int:
    """Pages that the system has given this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def test_freed_memory_is_used_again() -> None:
    if not keep_freed_memory():
        pytest.skip("this system's C library has no mallopt: run it on Linux with glibc")
    for _ in range(3):  # until the heap has found its size
        allocate()
    before = num_pages()
    for _ in range(5):
        allocate()
    of_one_round = PIECES * PIECE_BYTES // resource.getpagesize()
    assert num_pages() - before < of_one_round // 2
