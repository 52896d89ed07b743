"""Clocks as GTP's `time_settings` and `time_left` set them, and how long to think on a move.

Absolute time, and Canadian byo-yomi: after the main time, a number of moves ("stones") is to be played in each period.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_LEAST_SECONDS = 0.01
"""A move's time even where none is left: something has to be answered."""
_FEWEST_MOVES = 8
"""So many own moves are thought to lie ahead even near the end."""


@dataclass(frozen=True)
class Clock:
    """One player's clock. Times are in seconds."""

    main: float
    """What is left of the main time."""
    period: float = 0.0
    """Length of a byo-yomi period; 0 where there is none."""
    stones: int = 0
    """Moves to play in each period; 0 with a `period` means no limit at all."""
    period_left: float = 0.0
    """What is left of the running period, once `main` is used up."""
    stones_left: int = 0
    """Moves to play in it."""

    @classmethod
    def start(cls, main: float, period: float, stones: int) -> Clock:
        """The clock of `time_settings`."""
        return cls(main, period, stones, period, stones)

    @property
    def limited(self) -> bool:
        return not (self.period > 0 and self.stones == 0)

    def told(self, seconds: float, stones: int) -> Clock:
        """After `time_left`: that much main time where `stones` is 0, else that much of a period."""
        if stones == 0:
            return replace(self, main=seconds, period_left=self.period, stones_left=self.stones)
        return replace(self, main=0.0, period_left=seconds, stones_left=stones)

    def after(self, seconds: float) -> Clock:
        """After a move that took `seconds`."""
        if seconds < self.main:
            return replace(self, main=self.main - seconds)
        left = max(0.0, self.period_left - (seconds - self.main))
        if self.stones_left <= 1:
            return replace(self, main=0.0, period_left=self.period, stones_left=self.stones)
        return replace(self, main=0.0, period_left=left, stones_left=self.stones_left - 1)

    def allotment(self, moves_ahead: int, lag: float) -> float | None:
        """Seconds to think on the next move; None where time has no limit.

        The main time is shared among the own moves thought to lie ahead, a period among its stones. `lag` seconds are
        kept back for what passes between the players' clocks and this one.
        """
        if not self.limited:
            return None
        a_stone = self.period_left / self.stones_left if self.stones_left else 0.0
        share = self.main / max(1, moves_ahead) + a_stone
        available = self.main + a_stone
        if self.main <= 0.0 and self.stones_left:
            available = self.period_left
        kept = max(available - lag, 0.3 * available)
        return max(_LEAST_SECONDS, min(share, kept, max(share - lag, 0.3 * share)))


def expected_moves(num_legal: int, most_left: int) -> int:
    """How many own moves are thought to lie ahead: a third of the legal ones, within what the game allows."""
    return max(1, min(max(_FEWEST_MOVES, num_legal // 3), most_left))
