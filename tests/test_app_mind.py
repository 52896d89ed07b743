"""The agent in a process of its own: it answers, is interrupted, says why it cannot, and ends with the app."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import games
from rl.errors import UserError
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.child import Failure, Ready
from scripts.terminal.app.mind import News, ProcessMind, Report
from scripts.terminal.app.session import OPEN_ENDED, situation_of
from scripts.terminal.preparation import make_thinkers
from scripts.terminal.thinking import Budget, NetworkThinker, RolloutThinker, Situation, Thinker, Thought, Watcher

GAME = games.make("tic_tac_toe")


class Counting:
    """Thinks of nothing, one visit after the other, for as long as it may."""

    def think(self, situation: Situation, budget: Budget, watcher: Watcher | None = None) -> Thought:
        assert watcher is not None
        visits = 0
        while True:
            visits += 1
            thought = self._thought(visits, len(situation.moves))
            if visits >= budget.simulations and budget.seconds is None:
                return thought
            if watcher.is_due() and not watcher.told(thought):
                return thought
            time.sleep(0.001)

    def ownership(self, situation: Situation) -> None:
        return None

    def _thought(self, visits: int, action: int) -> Thought:
        one = np.zeros(1, np.float32)
        return Thought(0.0, visits, np.array([action]), np.array([visits]), one, one, action, (action,), 0)


def make_counting() -> Sequence[Thinker]:
    return [Counting(), Counting()]


def make_none() -> Sequence[Thinker]:
    raise UserError("there is no agent at nowhere")


def make_broken() -> Sequence[Thinker]:
    return [None]  # type: ignore[list-item]


@pytest.fixture
def counting() -> Iterator[ProcessMind]:
    mind = ProcessMind(make_counting)
    yield mind
    mind.close()


def wait_for(mind: ProcessMind, kind: type[News], number: int = 0, *, done: bool = False) -> list[News]:
    """All news until one of a kind has come."""
    found: list[News] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found += mind.news()
        for news in found:
            if isinstance(news, kind) and (
                not isinstance(news, Report) or (news.number == number and (news.done or not done))
            ):
                return found
        time.sleep(0.01)
    raise AssertionError(f"no {kind.__name__} among {found}")


def played(*actions: int) -> Situation:
    game = PlayedGame(GAME)
    for action in actions:
        game.play(game.to_play, action)
    return situation_of(game)


def test_a_question_is_answered_and_the_next_one_interrupts_it(counting: ProcessMind) -> None:
    wait_for(counting, Ready)
    first = counting.ask(played(), OPEN_ENDED)
    wait_for(counting, Report, first)
    second = counting.ask(played(4), Budget(3), agent=1)
    reports = [news for news in wait_for(counting, Report, second, done=True) if isinstance(news, Report)]
    assert reports[-1].thought.visits == 3 and reports[-1].thought.best_action == 1 and reports[-1].done
    assert all(report.number in (first, second) for report in reports)


def test_thoughts_come_several_times_a_second_until_it_rests(counting: ProcessMind) -> None:
    number = counting.ask(played(), OPEN_ENDED)
    seen = wait_for(counting, Report, number)
    while sum(isinstance(news, Report) for news in seen) < 4:
        seen += counting.news()
        time.sleep(0.01)
    reports = [news for news in seen if isinstance(news, Report)]
    visits = [report.thought.visits for report in reports]
    assert visits == sorted(set(visits)) and reports[-1].speed > 0 and not reports[-1].done
    counting.rest()
    wait_for(counting, Report, number, done=True)


@pytest.mark.parametrize(("make", "told"), [(make_none, "there is no agent at nowhere"), (make_broken, "NoneType")])
def test_what_goes_wrong_there_is_told_in_a_line(make: object, told: str) -> None:
    mind = ProcessMind(make)  # type: ignore[arg-type]
    try:
        mind.ask(played(), Budget(1))
        failures = [news for news in wait_for(mind, Failure) if isinstance(news, Failure)]
        assert told in failures[0].text and "\n" not in failures[0].text
        mind.ask(played(), Budget(1))  # nobody hears it, and nothing is raised
        mind.rest()
    finally:
        mind.close()


def test_a_process_that_is_killed_is_told_too(counting: ProcessMind) -> None:
    wait_for(counting, Ready)
    counting._process.kill()
    wait_for(counting, Failure)
    assert counting.news() == []


def test_closing_ends_the_process(counting: ProcessMind) -> None:
    counting.close()
    assert not counting._process.is_alive()


@pytest.mark.compiled_only
def test_agents_from_files_and_rollouts_can_be_watched_and_stopped(small_agent: Path) -> None:
    class Impatient:
        """Is told three times, and then has enough."""

        def __init__(self) -> None:
            self.thoughts: list[Thought] = []

        def is_due(self) -> bool:
            return True

        def told(self, thought: Thought) -> bool:
            self.thoughts.append(thought)
            return len(self.thoughts) < 3

    network, rollouts, same = make_thinkers("tic_tac_toe", [small_agent, None, small_agent], 0)
    assert isinstance(network, NetworkThinker) and isinstance(rollouts, RolloutThinker) and same is network
    for thinker in (network, rollouts):
        watcher = Impatient()
        thought = thinker.think(played(), OPEN_ENDED, watcher)
        assert len(watcher.thoughts) == 3 and thought.visits == watcher.thoughts[-1].visits
        assert thinker.ownership(played()) is None


def test_partials_reach_the_other_process() -> None:
    """What `keima play` starts can be sent to a fresh interpreter, which multiprocessing does by pickle."""
    maker = pickle.loads(pickle.dumps(partial(make_thinkers, "tic_tac_toe", [None], 3)))
    assert maker.func is make_thinkers and maker.args == ("tic_tac_toe", [None], 3)
