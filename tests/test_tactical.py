"""The player of one-ply tactics, against a slow twin in plain words."""

from __future__ import annotations

import numpy as np
import pytest
from playing import after, legal

import games
from games.base import Game, State
from games.check.sample import Sample, start
from rl.arena.tactical import TacticalPlayer

NOTHING = np.zeros(0, np.uint64)


def candidates(game: Game, state: State) -> set[int]:
    """What it may play, from one move and one reply, in Python."""
    mover, safe = int(state["to_play"]), set()
    actions = {int(action) for action in legal(game, state).nonzero()[0]}
    outcomes = {}
    for action in actions:
        following = state.copy()
        outcomes[action] = (*game.step(following, action, NOTHING), following)
    winning = [action for action in sorted(actions) if outcomes[action][0] > 0]
    if winning:
        return {winning[0]}
    for action, (reward, ended, following) in outcomes.items():
        if ended:
            if reward == 0:
                safe.add(action)
            continue
        replies = legal(game, following).nonzero()[0] if int(following["to_play"]) != mover else []
        if not any(game.step(following.copy(), int(reply), NOTHING)[0] > 0 for reply in replies):
            safe.add(action)
    return safe or actions


@pytest.mark.plain_only
@pytest.mark.parametrize("name", ["tic_tac_toe", "connect_four4x4", "othello4", "breakthrough"])
def test_it_plays_what_the_slow_twin_allows_and_all_of_it(name: str) -> None:
    game = games.make(name)
    player, positions = TacticalPlayer(game), Sample(game, 60, seed=3).positions[:5]
    for position in [start(game), *positions]:
        states = np.array([position.state] * 24, game.state_dtype)
        keys = np.random.default_rng(1).integers(2**64, size=24, dtype=np.uint64)
        chosen = set(player.choose(states, [NOTHING] * 24, keys).tolist())
        allowed = candidates(game, position.state)
        assert chosen <= allowed
        assert len(allowed) > 3 or chosen == allowed


def test_it_wins_and_blocks() -> None:
    game = games.make("connect_four")
    player = TacticalPlayer(game)
    keys = np.arange(20, dtype=np.uint64)
    for moves, answer in (("1 2 1 2 1 2", "1"), ("1 2 1 3 1", "1"), ("4 1 5 1 6 1", "3")):
        states = np.array([after(game, moves)] * 20, game.state_dtype)
        assert {game.action_to_text(action) for action in player.choose(states, [NOTHING] * 20, keys)} == {answer}


@pytest.mark.plain_only
def test_history_rules_are_kept() -> None:
    game = games.make("go2")
    state = after(game, "A1")
    states = np.array([state], game.state_dtype)
    past = [np.array([game.history_hash(game.new_state())], np.uint64)]
    for key in range(10):
        action = TacticalPlayer(game).choose(states, past, np.array([key], np.uint64))[0]
        mask = np.zeros(game.num_actions, np.bool_)
        game.legal_actions(state, past[0], mask)
        assert mask[action]
