"""An array that grows at one end and is dropped from at the other, at a cost that is constant per row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class RowQueue:
    """Rows of one dtype, oldest first, always contiguous in memory."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._buffer: npt.NDArray[Any] = np.zeros(1024, dtype)
        self._first = self._last = 0
        self.end = 0
        """How many rows were ever appended: the index of the next one, which dropping does not change."""

    def __len__(self) -> int:
        return self._last - self._first

    @property
    def rows(self) -> npt.NDArray[Any]:
        """A view of all rows held; use it before the next `append`, which may move them."""
        return self._buffer[self._first : self._last]

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows behind all others."""
        if self._last + len(rows) > len(self._buffer):
            held = self.rows
            needed = len(held) + len(rows)
            # Moving to the front is worth it only if it frees at least half: else it would be done again soon.
            moved = self._buffer if 2 * needed <= len(self._buffer) else np.zeros(2 * needed, self._buffer.dtype)
            moved[: len(held)] = held
            self._buffer, self._first, self._last = moved, 0, len(held)
        self._buffer[self._last : self._last + len(rows)] = rows
        self._last += len(rows)
        self.end += len(rows)

    def drop(self, count: int) -> None:
        """Forget the `count` oldest rows."""
        self._first += count
