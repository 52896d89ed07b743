"""How the agent thinks in `keima play`, and how strong its levels are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

import games
from games.base import Game, State
from rl.search.evaluation import UniformEvaluator
from scripts.terminal.thinking import (
    LEVELS,
    Budget,
    Level,
    NetworkThinker,
    RolloutThinker,
    Situation,
    Thinker,
    Thought,
    choose,
)

CONNECT_FOUR = games.make("connect_four")
TIC_TAC_TOE = games.make("tic_tac_toe")
EMPTY = np.zeros(0, np.uint64)


def situation(game: Game, moves: str) -> Situation:
    """Where a game stands after moves in its notation."""
    state, actions = game.new_state(), [game.text_to_action(move) for move in moves.split()]
    for action in actions:
        game.step(state, action, EMPTY)
    return Situation(state, EMPTY, tuple(actions))


def thinkers(game: Game) -> Iterator[Thinker]:
    yield NetworkThinker(game, UniformEvaluator(game, 8))
    yield RolloutThinker(game, 0)


def test_thinkers_find_a_win_and_say_so() -> None:
    for thinker in thinkers(TIC_TAC_TOE):
        thought = thinker.think(situation(TIC_TAC_TOE, "a1 a2 b1 b2"), Budget(40))
        assert TIC_TAC_TOE.action_to_text(thought.best_action) == "c1"
        assert thought.value == 1.0 and thought.line == (thought.best_action,)
        lost = thinker.think(situation(TIC_TAC_TOE, "a1 a2 b1 b3 b2"), Budget(300))  # c1 and c3 threaten
        assert lost.value == -1.0


def test_a_proven_win_tells_its_length() -> None:
    thinker = NetworkThinker(CONNECT_FOUR, UniformEvaluator(CONNECT_FOUR, 8))
    thought = thinker.think(situation(CONNECT_FOUR, "4 4 3 3"), Budget(400))  # 5 or 2 makes an open three
    assert thought.plies_to_end == 3 and thought.value == 1.0


def test_the_tree_of_the_moves_played_is_kept() -> None:
    thinker = NetworkThinker(CONNECT_FOUR, UniformEvaluator(CONNECT_FOUR, 8))
    first = thinker.think(situation(CONNECT_FOUR, ""), Budget(100))
    move = CONNECT_FOUR.action_to_text(first.best_action)
    kept = thinker.think(situation(CONNECT_FOUR, move), Budget(1))
    assert 5 < kept.visits < 100
    assert thinker.think(situation(CONNECT_FOUR, move), Budget(1, reuse=False)).visits == 1
    assert thinker.think(situation(CONNECT_FOUR, "1"), Budget(20)).visits == 20  # another game: nothing to keep


@pytest.mark.compiled_only
def test_thinking_by_the_clock_ends_in_time() -> None:
    for thinker in thinkers(CONNECT_FOUR):
        begun = time.monotonic()
        thought = thinker.think(situation(CONNECT_FOUR, "4"), Budget(1, seconds=0.2))
        assert thought.visits > 1
        assert time.monotonic() - begun < 5


def make_thought(visits: list[int], priors: list[float]) -> Thought:
    count = len(visits)
    best = int(np.argmax(visits))
    values = np.zeros(count, np.float32)
    return Thought(
        0.0, 1 + sum(visits), np.arange(count), np.array(visits), values, np.array(priors, np.float32), best, (best,), 0
    )


def test_choices_follow_visits_temperature_and_slips() -> None:
    generator = np.random.default_rng(1)
    thought = make_thought([30, 10, 0], [0.1, 0.2, 0.7])

    def shares(level: Level) -> list[float]:
        chosen = [choose(TIC_TAC_TOE, thought, level, generator) for _ in range(4000)]
        return [chosen.count(action) / 4000 for action in range(3)]

    assert shares(Level(1, 0.0, 0.0)) == [1, 0, 0]
    assert shares(Level(1, 0.0, 0.6)) == pytest.approx([0.6, 0.2, 0.2], abs=0.04)
    assert shares(Level(1, 1.0, 0.0)) == pytest.approx([30.1 / 41, 10.2 / 41, 0.7 / 41], abs=0.04)
    bare = make_thought([0, 0], [0.8, 0.2])
    drawn = [choose(TIC_TAC_TOE, bare, Level(1, 1.0, 0.0), generator) for _ in range(4000)]
    assert sum(drawn) / 4000 == pytest.approx(0.2, abs=0.04)


def test_a_pass_is_no_slip_and_nobody_who_learns_passes_in_a_lost_game() -> None:
    generator, game = np.random.default_rng(2), games.make("go2")
    passing = game.text_to_action("pass")
    lost = make_thought([1, 0, 0, 0, 50], [0.2] * 5)._replace(value=-0.9)
    slips = [choose(game, lost, Level(1, 1.0, 1.0), generator) for _ in range(200)]
    assert set(slips) == {0, 1, 2, 3}
    assert all(choose(game, lost, Level(1, 0.5, 0.0), generator) != passing for _ in range(200))
    assert choose(game, lost, LEVELS[-1], generator) == passing
    assert choose(game, lost._replace(value=0.9), Level(1, 0.1, 0.0), generator) == passing
    alone = make_thought([5], [1.0])._replace(actions=np.array([passing]), best_action=passing)
    assert choose(game, alone, Level(1, 1.0, 1.0), generator) == passing


def test_levels_rise() -> None:
    for lower, higher in pairwise(LEVELS):
        assert lower.simulations < higher.simulations
        assert lower.slips >= higher.slips and lower.temperature >= higher.temperature
    assert LEVELS[-1].slips == LEVELS[-1].temperature == 0


def beginner(game: Game, state: State, generator: np.random.Generator) -> int:
    """Wins where one move does it, else blocks, else plays anywhere."""
    mask = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(state, EMPTY, mask)
    legal = mask.nonzero()[0]
    for player in (int(state["to_play"]), 1 - int(state["to_play"])):
        for action in legal:
            tried = state.copy()
            tried["to_play"] = player
            if game.step(tried, int(action), EMPTY)[0] > 0:
                return int(action)
    return int(generator.choice(legal))


def score(game: Game, thinker: Thinker, level: Level, num_games: int) -> float:
    """The share of points that a level takes from the beginner."""
    generator, total = np.random.default_rng(0), 0.0
    for number in range(num_games):
        state, moves, agent = game.new_state(), tuple[int, ...](), number % 2
        while True:
            player = int(state["to_play"])
            if player == agent:
                thought = thinker.think(Situation(state.copy(), EMPTY, moves), level.budget)
                action = choose(game, thought, level, generator)
            else:
                action = beginner(game, state, generator)
            reward, terminated = game.step(state, action, EMPTY)
            moves = (*moves, action)
            if terminated:
                total += 0.5 if reward == 0 else float(player == agent)
                break
    return total / num_games


@pytest.mark.compiled_only
def test_a_beginner_can_beat_level_one_but_not_full_strength() -> None:
    thinker = RolloutThinker(CONNECT_FOUR, 0)
    assert score(CONNECT_FOUR, thinker, LEVELS[0], 60) < 0.5
    assert score(CONNECT_FOUR, thinker, LEVELS[-2], 10) >= 0.9
