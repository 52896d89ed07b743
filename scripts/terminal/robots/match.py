"""Episodes one after the other: how many succeeded, and, where two play against each other, who leads."""

from __future__ import annotations

from scripts.terminal.robots.episode import Episode

POINTS = 5
"""Who has so many first has won against a person, or the person has."""


class Match:
    """Counts episodes."""

    def __init__(self, with_person: bool) -> None:
        """`with_person`: somebody plays in the others' place, and the match comes to an end."""
        self.with_person = with_person
        self.reset()

    def reset(self) -> None:
        """Count from the beginning."""
        self.number = 0
        """Of the episode that is played, from 1."""
        self.num_done = self.num_successes = 0
        """Whole episodes, and how many of them succeeded; without those that a person ended, or set the goal of."""
        self.points = (0, 0)
        """Of the one who is searched, and of the others."""

    @property
    def over(self) -> bool:
        return self.with_person and max(self.points) >= POINTS

    def note(self, episode: Episode) -> None:
        """An episode is over."""
        self.num_done += 1
        self.num_successes += episode.success
        first, second = self.points
        self.points = first + (episode.returns > 0.0), second + (episode.returns < 0.0)
