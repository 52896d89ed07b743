"""Players: what they choose, that batches do not change it, and how they are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import games
from games.base import Game, StateArray
from rl.arena.players import (
    AgentPlayer,
    Player,
    PlayerSpec,
    RandomPlayer,
    RolloutPlayer,
    UniformPlayer,
    make_player,
    parse_spec,
    shipped_agent,
)
from rl.errors import UserError
from rl.network.agent_file import save_agent
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import Network, NetworkConfig, NetworkShape
from rl.search.evaluation import UniformEvaluator
from tests.toy_area import ToyArea

TINY = NetworkConfig(blocks=1, channels=8)


def positions(game: Game, lines: list[list[int]]) -> StateArray:
    states = np.zeros(len(lines), game.state_dtype)
    for state, moves in zip(states, lines, strict=True):
        game.reset(state)
        for action in moves:
            game.step(state, action, np.zeros(0, np.uint64))
    return states


def choose(player: Player, states: StateArray, first_key: int = 0) -> list[int]:
    keys = np.arange(first_key, first_key + len(states), dtype=np.uint64)
    actions: list[int] = player.choose(states, [np.zeros(0, np.uint64)] * len(states), keys).tolist()
    return actions


LINES = [[], [3], [3, 3], [3, 3, 3, 3, 3, 3], [0, 0, 0, 0, 0, 0, 6], [1, 2, 3, 4, 5], [2, 2, 4], [0, 6, 1]]


def test_random_player_draws_every_legal_action_alike() -> None:
    game = games.make("connect_four")
    states = np.repeat(positions(game, [[3, 3, 3, 3, 3, 3]]), 6000)
    counts = np.bincount(choose(RandomPlayer(game), states), minlength=7)
    assert counts[3] == 0, "the column is full"
    deviations = (np.delete(counts, 3) - 1000) / np.sqrt(6000 * 1 / 6 * 5 / 6)
    assert np.abs(deviations).max() < 4.5


def test_batches_do_not_change_what_is_chosen() -> None:
    game = games.make("connect_four")
    states = positions(game, LINES * 5)
    for player in (RandomPlayer(game), RolloutPlayer(game, 10), UniformPlayer(game, 12)):
        together = choose(player, states)
        alone = [choose(player, states[row : row + 1], row)[0] for row in range(len(states))]
        assert together == alone, player.name


def test_an_agent_searches_more_positions_than_it_has_trees() -> None:
    game = games.make("connect_four")
    states = positions(game, LINES)
    few = AgentPlayer(game, UniformEvaluator(game, 3), 12)
    assert choose(few, states) == choose(UniformPlayer(game, 12), states)


class Favourites(UniformEvaluator):
    """Prefers the columns in the order 3, 6, 0, ..."""

    def collect(self, ticket: int):  # type: ignore[no-untyped-def]
        evaluation = super().collect(ticket)
        logits = np.tile(np.array([5, 1, 2, 7, 4, 3, 6], np.float32), (len(evaluation.values), 1))
        return evaluation._replace(prior_logits=logits)


def test_one_simulation_is_the_bare_policy() -> None:
    game = games.make("connect_four")
    states = positions(game, [[], [3, 3, 3, 3, 3, 3], [3, 3, 3, 3, 3, 3, 6, 6, 6, 6, 6, 6]])
    assert choose(AgentPlayer(game, Favourites(game, 4), 1), states) == [3, 6, 0]


def test_searching_players_win_at_once() -> None:
    game = games.make("connect_four")
    states = positions(game, [[0, 6, 0, 6, 0, 5], [0, 6, 1, 6, 2, 5], [5, 0, 6, 0, 5, 0, 6]])
    for player in (RolloutPlayer(game, 100), UniformPlayer(game, 100), AgentPlayer(game, Favourites(game, 4), 100)):
        assert choose(player, states) == [0, 3, 0], player.name


def test_players_return_early_when_told_to_stop() -> None:
    game = games.make("connect_four")
    states = positions(game, LINES * 40)
    histories, keys = [np.zeros(0, np.uint64)] * len(states), np.arange(len(states), dtype=np.uint64)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    for player in (RolloutPlayer(game, 50), UniformPlayer(game, 50)):
        asked = 0
        assert len(player.choose(states, histories, keys, stop)) == len(states)
        assert 2 <= asked <= 4, f"{player.name} went on searching"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("random", PlayerSpec("random", None)),
        ("rollouts", PlayerSpec("rollouts", None)),
        ("rollouts:1000", PlayerSpec("rollouts", 1000)),
        ("uniform:16", PlayerSpec("uniform", 16)),
        ("shipped:1", PlayerSpec("shipped", 1)),
        ("runs/a b/agent.safetensors", PlayerSpec("runs/a b/agent.safetensors", None)),
        ("runs/12:30/x.safetensors:100", PlayerSpec("runs/12:30/x.safetensors", 100)),
        ("runs/12:30/x.safetensors", PlayerSpec("runs/12:30/x.safetensors", None)),
    ],
)
def test_specs(text: str, expected: PlayerSpec) -> None:
    assert parse_spec(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "minimax", "Random", "random:3", ":9", "agent.pt", "x.safetensors:many"),
        *("rollouts:", "rollouts:0", "rollouts:-5", "rollouts:1e3", "rollouts:²", "rollouts:10:10"),
    ],
)
def test_bad_specs_are_one_line(text: str) -> None:
    with pytest.raises(UserError) as error:
        parse_spec(text)
    assert "\n" not in str(error.value) and repr(text) in str(error.value)


def test_players_are_made_by_name() -> None:
    game = games.make("tic_tac_toe")
    assert make_player("random", game).name == "random"
    assert make_player("rollouts:30", game).name == "rollouts:30"
    assert make_player("uniform", game, num_simulations=7).name == "uniform:7"


def test_agents_are_read_from_files(tmp_path: Path) -> None:
    game = games.make("connect_four")
    network = Network(NetworkShape.of(game), TINY).eval()
    path = tmp_path / "agent.safetensors"
    save_agent(path, network, game, {})
    player = make_player(f"{path}:5", game)
    assert player.name == f"{path}:5"
    states = positions(game, LINES)
    same = AgentPlayer(game, NetworkEvaluator(game, network, 64), 5)
    assert choose(player, states) == choose(same, states)
    with pytest.raises(UserError, match="connect_four"):
        make_player(str(path), games.make("tic_tac_toe"))
    with pytest.raises(UserError, match=r"missing\.safetensors"):
        make_player(str(tmp_path / "missing.safetensors"), game)


def test_a_game_without_a_shipped_agent_says_how_to_get_one() -> None:
    with pytest.raises(UserError, match="keima train toy3"):
        shipped_agent(ToyArea())
