"""Looking at a game again: what the agent makes of each position, and which moves cost most."""

from __future__ import annotations

from typing import NamedTuple

from rl.protocols.gtp.search import winrate
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.child import Failure
from scripts.terminal.app.mind import Mind, Report
from scripts.terminal.app.session import situation_of
from scripts.terminal.thinking import Budget, Thought

INACCURACY, BLUNDER = 0.1, 0.25
"""Shares of won games that a move costs, from which it is marked `?` and `??`."""


class Mistake(NamedTuple):
    """A move that cost something."""

    ply: int
    """Number of the move, the first being 1."""
    player: int
    action: int
    loss: float
    """Share of won games."""
    better: int
    """What the agent would have played."""

    @property
    def mark(self) -> str:
        return "??" if self.loss >= BLUNDER else "?"


class Review:
    """A game to step through, while the mind looks at its positions one after the other."""

    def __init__(self, played: PlayedGame, mind: Mind, simulations: int, agent: int = 0) -> None:
        """`played` is left as it is."""
        self._mind, self._budget, self._agent = mind, Budget(simulations), agent
        self.positions = _positions(played)
        """The game after 0, 1, ... moves."""
        self.at = len(self.positions) - 1
        """Which of them is looked at."""
        self.thoughts: dict[int, Thought] = {}
        self.report: Report | None = None
        """The latest, of whichever position."""
        self.failure = ""
        self._asked: int | None = None
        self._number = 0
        self._ask_next()

    @property
    def played(self) -> PlayedGame:
        """The game up to the position looked at."""
        return self.positions[self.at]

    @property
    def thought(self) -> Thought | None:
        """What is thought of the position looked at."""
        return self.thoughts.get(self.at)

    @property
    def num_open(self) -> int:
        """Positions that have not been looked at."""
        return sum(not played.terminated for played in self.positions) - len(self.thoughts)

    def go(self, to: int) -> None:
        """Look at the position after so many moves, or the nearest there is."""
        self.at = min(max(to, 0), len(self.positions) - 1)

    def estimates(self) -> dict[int, float]:
        """By number of moves: the share of games that player 0 is expected to win from there."""
        found = {}
        for at, played in enumerate(self.positions):
            if played.terminated:
                found[at] = winrate(played.game, played.returns)
            elif at in self.thoughts:
                share = winrate(played.game, self.thoughts[at].value)
                found[at] = share if played.to_play == 0 else 1.0 - share
        return found

    def mistakes(self) -> list[Mistake]:
        """Moves that cost at least `INACCURACY`, the worst first, as far as positions have been looked at."""
        estimates, found = self.estimates(), []
        for at in range(len(self.positions) - 1):
            if at not in self.thoughts or at + 1 not in estimates:
                continue
            ply, before = self.positions[at + 1].plies[-1], self.positions[at]
            change = estimates[at] - estimates[at + 1]
            loss = change if before.to_play == 0 else -change
            better = self.thoughts[at].best_action
            if loss >= INACCURACY and better != ply.action:
                found.append(Mistake(at + 1, ply.player, ply.action, loss, better))
        return sorted(found, key=lambda mistake: -mistake.loss)

    def tick(self) -> bool:
        """Take up what the mind has said; whether anything changed."""
        changed = False
        for news in self._mind.news():
            changed = True
            if isinstance(news, Failure):
                self.failure = news.text
            elif isinstance(news, Report) and news.number == self._number:
                self.report = news
                if news.done and self._asked is not None:
                    self.thoughts[self._asked] = news.thought
                    self._ask_next()
        return changed

    def _ask_next(self) -> None:
        """About the position looked at, else the next one that nobody has looked at."""
        order = [self.at, *range(self.at + 1, len(self.positions)), *range(self.at)]
        self._asked = next((at for at in order if self._is_open(at)), None)
        if self._asked is None:
            self._mind.rest()
            return
        self._number = self._mind.ask(situation_of(self.positions[self._asked]), self._budget, self._agent)

    def _is_open(self, at: int) -> bool:
        return at not in self.thoughts and not self.positions[at].terminated


def _positions(played: PlayedGame) -> list[PlayedGame]:
    found = [played.copy()]
    while found[-1].plies:
        before = found[-1].copy()
        before.undo()
        found.append(before)
    return found[::-1]
