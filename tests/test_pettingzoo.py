"""Every game as a PettingZoo environment: PettingZoo's own tests, the game's own rules, PettingZoo's own games."""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import api_test, seed_test
from scored_game import Patches
from search_games import TwiceNim

import games
import games.pettingzoo
from games.base import Game
from games.check.sample import Sample, legal, observed

GAMES: list[Game] = [*map(games.make, games.names()), Patches(2, superko=True), TwiceNim()]
QUICK = [game for game in GAMES if game.max_num_moves <= 100]
"""Those whose whole games take no time as plain Python."""


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)
@pytest.mark.filterwarnings("ignore::UserWarning")  # it dislikes dictionaries, empty boards and render_mode None
def test_pettingzoos_own_tests_pass(game: Game) -> None:
    num_cycles = max(5, min(60, 4000 // game.max_num_moves))
    api_test(games.pettingzoo.env(game), num_cycles)
    seed_test(lambda: games.pettingzoo.env(game), num_cycles)


@pytest.mark.parametrize("game", QUICK, ids=lambda game: game.name)
def test_an_environment_plays_the_games_rules(game: Game) -> None:
    env = games.pettingzoo.env(game)
    for plies in Sample(game, 60).games[:8]:
        env.reset(seed=3)
        totals = dict.fromkeys(env.possible_agents, 0.0)
        for ply in plies:
            mover = f"player_{int(ply.before.state['to_play'])}"
            assert env.agent_selection == mover
            seen, _, terminated, truncated, _ = env.last()
            assert not terminated and not truncated
            assert seen["action_mask"].tolist() == legal(game, ply.before).tolist()
            assert np.array_equal(seen["observation"], observed(game, ply.before.state))
            env.step(ply.action)
            for agent, reward in env.rewards.items():
                totals[agent] += reward
            assert env.rewards[mover] == ply.reward
        assert all(env.terminations.values()) and sum(totals.values()) == 0
        for _ in range(len(env.agents)):  # whoever did not move last hears of the end as well
            _, reward, terminated, _, _ = env.last()
            assert terminated and reward == totals[env.agent_selection]
            env.step(None)
        assert env.agents == []


def test_who_is_not_to_move_sees_the_board_his_way_and_has_no_action() -> None:
    env = games.pettingzoo.env("tic_tac_toe")
    env.reset()
    env.step(4)
    first, second = env.observe("player_0"), env.observe("player_1")
    assert first["observation"][0, 1, 1] == 1 == second["observation"][1, 1, 1]
    assert not first["action_mask"].any() and second["action_mask"].sum() == 8


def test_an_illegal_action_loses() -> None:
    env = games.pettingzoo.env("tic_tac_toe")
    env.reset()
    env.step(4)
    env.step(4)
    assert all(env.terminations.values()) and env.rewards == {"player_0": 0, "player_1": -1}
    raw = games.pettingzoo.raw_env("tic_tac_toe")
    raw.reset()
    raw.step(4)
    with pytest.raises(ValueError, match="action 4 is not legal"):
        raw.step(4)


def test_boards_are_rendered_as_text() -> None:
    env = games.pettingzoo.env("tic_tac_toe", render_mode="ansi")
    env.reset()
    env.step(0)
    assert env.render().splitlines() == ["3 X . .", "2 . . .", "1 . . .", "  a b c"]
    with pytest.raises(ValueError, match="ansi"):
        games.pettingzoo.env("tic_tac_toe", render_mode="human")
    with pytest.raises(games.UnknownGame):
        games.pettingzoo.env("chess_on_mars")


def test_the_games_need_no_pettingzoo() -> None:
    code = (
        "import sys; sys.modules['pettingzoo'] = None; import games, games.check; games.make('tic_tac_toe')\n"
        "try: import games.pettingzoo\nexcept ImportError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "games.pettingzoo needs PettingZoo: pip install keima[pettingzoo]\n", result.stderr


# --- against PettingZoo's own games ---------------------------------------------------------------------------------


@pytest.fixture
def classic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports one of PettingZoo's classic games. They import pygame, but draw with it only when they are rendered."""
    try:
        import pygame  # noqa: F401
    except ImportError:
        monkeypatch.setitem(sys.modules, "pygame", types.ModuleType("pygame"))
    before = set(sys.modules)
    yield lambda folder: __import__(f"pettingzoo.classic.{folder}.{folder}", fromlist=["env"]).env()
    for name in set(sys.modules) - before:
        if name.startswith("pettingzoo.classic"):
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(("name", "folder"), [("connect_four", "connect_four"), ("tic_tac_toe", "tictactoe")])
def test_rules_agree_with_pettingzoos_own(name: str, folder: str, classic: Any) -> None:
    game = games.make(name)
    theirs, ours = classic(folder), games.pettingzoo.env(game)

    def translated(action: int) -> int:
        """Their tic-tac-toe numbers its cells column by column from the top left; ours row by row."""
        return action % 3 * 3 + action // 3 if name == "tic_tac_toe" else action

    for plies in Sample(game, 1200).games:
        theirs.reset()
        ours.reset()
        for ply in plies:
            their_mask, our_mask = theirs.last()[0]["action_mask"], ours.last()[0]["action_mask"]
            assert [their_mask[translated(action)] for action in range(game.num_actions)] == our_mask.tolist()
            theirs.step(translated(ply.action))
            ours.step(ply.action)
            their_rewards = [theirs.rewards[agent] for agent in theirs.possible_agents]
            assert their_rewards == [ours.rewards[agent] for agent in ours.possible_agents]
            assert all(theirs.terminations.values()) == all(ours.terminations.values()) == ply.terminated
