"""A mind for tests of the app: it answers when it is told to, with made-up thoughts."""

from __future__ import annotations

import numpy as np

from games.base import FloatArray, Game
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.child import Ready
from scripts.terminal.app.mind import News, Report
from scripts.terminal.app.session import Seat, Session
from scripts.terminal.thinking import Budget, Situation, Strength, Thought


def thought_of(game: Game, situation: Situation, value: float = 0.5) -> Thought:
    """Likes the legal actions in their order, the first the most."""
    mask = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(situation.state, situation.history, mask)
    actions = mask.nonzero()[0]
    visits = np.maximum(0, 60 - 20 * np.arange(len(actions)))
    values = np.where(visits > 0, value - 0.1 * np.arange(len(actions)), np.nan).astype(np.float32)
    priors = (1.0 / (1.0 + np.arange(len(actions)))).astype(np.float32)
    best = int(actions[0])
    return Thought(value, int(visits.sum()), actions, visits, values, priors / priors.sum(), best, (best,), 0)


class ToldMind:
    """Remembers what it is asked; `answer` makes it say something of the latest question."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.asked: list[tuple[Situation, Budget, int]] = []
        self.resting = True
        self.closed = False
        self._news: list[News] = [Ready()]

    def ask(self, situation: Situation, budget: Budget, agent: int = 0) -> int:
        self.asked.append((situation, budget, agent))
        self.resting = False
        return len(self.asked)

    def rest(self) -> None:
        self.resting = True

    def news(self) -> list[News]:
        found, self._news = self._news, []
        return found

    def close(self) -> None:
        self.closed = True

    def say(self, news: News) -> None:
        self._news.append(news)

    def answer(
        self, value: float = 0.5, *, done: bool = True, number: int | None = None, ownership: FloatArray | None = None
    ) -> Thought:
        """Say what is thought of the latest question."""
        thought = thought_of(self.game, self.asked[-1][0], value)
        self.say(Report(number or len(self.asked), thought, 1234.0, done, ownership))
        return thought


def session_of(game: Game, *, person: int | None = 0, level: int = 10, seed: int = 0) -> tuple[Session, ToldMind]:
    """A session at which a person plays, or, with None, two agents."""
    mind = ToldMind(game)
    seats = [Seat(Strength(level), 0), Seat(Strength(level), 0)]
    if person is not None:
        seats[person] = Seat(Strength(level))
    session = Session(game, mind, (seats[0], seats[1]), np.random.default_rng(seed))
    session.tick()
    return session, mind


def play_all(played: PlayedGame, moves: str) -> None:
    """Moves in the game's notation, separated by spaces."""
    for move in moves.split():
        played.play(played.to_play, played.game.text_to_action(move))
