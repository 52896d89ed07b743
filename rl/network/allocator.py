"""What the C library does with memory that torch gives back."""

from __future__ import annotations

import ctypes
import functools

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_KEPT_BYTES = 1 << 29
_LARGEST_PIECE = 1 << 25  # as much as glibc allows


@functools.cache
def keep_freed_memory() -> bool:
    """Let the process keep memory that was freed, half a GiB of it, for what is allocated next; returns whether it can.

    A batch's features are allocated anew in each layer. glibc hands such pieces back to the system as soon as they are
    free, and gets the next ones page by page: a quarter of a batch's time, and a tenth of a learner's step. Other C
    libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_PIECE) and mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
