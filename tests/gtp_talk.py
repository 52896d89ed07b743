"""Conversations with a GTP engine whose evaluator likes low actions, for tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np

import games
from games.base import FloatArray, Game
from rl.protocols.gtp.engine import GtpEngine
from rl.protocols.gtp.search import GameSearch
from rl.protocols.gtp.session import GtpConfig, Session
from rl.search.driver import SearchConfig
from rl.search.evaluation import Evaluation, UniformEvaluator
from scripts.variants import remake as remake_by_name
from tests.toy_area import ToyArea, remake

TIC_TAC_TOE = games.make("tic_tac_toe")
QUICK = GtpConfig(simulations=8)


class FirstFree(UniformEvaluator):
    """Likes low actions, and values every position alike."""

    def __init__(self, game: Game, batch_size: int, value: float = 0.0) -> None:
        super().__init__(game, batch_size)
        self.num_actions, self.value = game.num_actions, value

    def collect(self, ticket: int) -> Evaluation:
        logits: FloatArray = np.tile(-3.0 * np.arange(self.num_actions, dtype=np.float32), (ticket, 1))
        return Evaluation(logits, np.full(ticket, self.value, np.float32))


class Ponderous(FirstFree):
    """Takes its time, so that a search is not through with its memory before anybody looks."""

    def collect(self, ticket: int) -> Evaluation:
        time.sleep(0.002)
        return super().collect(ticket)


def make_session(
    game: Game | None = None,
    config: GtpConfig = QUICK,
    value: float = 0.0,
    evaluator: Callable[[Game, int, float], FirstFree] = FirstFree,
) -> Session:
    def make_search(game: Game) -> GameSearch:
        return GameSearch(game, evaluator(game, 4, value), SearchConfig(root="puct"), leaves_per_tree=4, memory=1)

    chosen = game or ToyArea()
    return Session(chosen, remake if chosen.name.startswith("toy") else remake_by_name, make_search, config)


def talk(
    lines: Iterable[str | bytes], game: Game | None = None, config: GtpConfig = QUICK, session: Session | None = None
) -> str:
    """Everything that the engine writes to these lines."""
    written: list[str] = []
    complaints: list[str] = []
    engine = GtpEngine(session or make_session(game, config), "1.2.3", complaints.append)
    engine.serve((line if isinstance(line, bytes) else line.encode() for line in lines), written.append)
    assert complaints == []
    return "".join(written)


def reply(*lines: str, game: Game | None = None, config: GtpConfig = QUICK, session: Session | None = None) -> str:
    """The reply to the last of these lines."""
    return talk(lines, game, config, session).split("\n\n")[-2]


class Script:
    """Lines that are given out one by one, each when its turn has come."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.turns = [threading.Event() for _ in lines]

    def __iter__(self) -> Iterator[bytes]:
        for line, turn in zip(self.lines, self.turns, strict=True):
            assert turn.wait(60)
            yield line.encode()
