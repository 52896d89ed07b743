"""Symmetry averaging against positions turned by playing turned moves, and against the network asked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from recorded_games import random_game, replayed
from small_batches import SMALL_NETWORK

import games
from games.base import BoolArray, Game, State
from rl.arena.players import make_player
from rl.network.agent_file import save_agent
from rl.network.evaluator import NetworkEvaluator
from rl.network.model import Network, NetworkShape
from rl.search.evaluation import Evaluation, UniformEvaluator
from rl.search.symmetries import AveragedEvaluator


def network_of(game: Game) -> Network:
    """Random weights whose answers differ between symmetries."""
    torch.manual_seed(3)
    network = Network(NetworkShape.of(game), SMALL_NETWORK).eval()
    torch.nn.init.normal_(network.policy_planes.weight)
    torch.nn.init.normal_(network.outcomes.weight)
    return network


def ask(evaluator: AveragedEvaluator | NetworkEvaluator, observations: np.ndarray) -> Evaluation:  # type: ignore[type-arg]
    evaluator.buffer()[: len(observations)] = observations
    return evaluator.collect(evaluator.submit(len(observations)))


@pytest.mark.parametrize("name", ["connect_four", "othello4", "go3", "hex3", "breakthrough"])
def test_the_answer_is_the_mean_over_turned_games(name: str) -> None:
    """Each symmetry's own answer is asked about the position that turned moves lead to, with whoever begins there."""
    game = games.make(name)
    inner = NetworkEvaluator(game, network_of(game), 8, fixed_batch=True)
    averaged = AveragedEvaluator(game, inner)
    moves = random_game(game, 1).steps["action"][:5]
    observation = np.zeros((1, *game.observation_shape), np.float32)
    logits, values = [], []
    for symmetry in game.symmetries():
        state, _ = replayed(game, symmetry.actions[moves], first_player=int(symmetry.swaps_players))
        game.observe(state, observation[0])
        answer = ask(inner, observation)
        logits.append(answer.prior_logits[0, symmetry.actions].copy())
        values.append(answer.values[0])
    assert len(logits) == 1 or np.abs(logits[0] - logits[1]).max() > 0.01
    state, _ = replayed(game, moves)
    game.observe(state, observation[0])
    found = ask(averaged, observation)
    np.testing.assert_allclose(found.prior_logits[0], np.mean(logits, axis=0), atol=0.02)
    np.testing.assert_allclose(found.values[0], np.mean(values), atol=0.02)


def test_rows_of_a_batch_do_not_mix() -> None:
    game = games.make("go3")
    averaged = AveragedEvaluator(game, NetworkEvaluator(game, network_of(game), 40, fixed_batch=True))
    assert averaged.batch_size == 5
    observations = np.random.default_rng(0).integers(0, 2, (5, *game.observation_shape)).astype(np.float32)
    together = ask(averaged, observations)
    for row in range(5):
        alone = ask(averaged, observations[row : row + 1])
        np.testing.assert_allclose(together.prior_logits[row], alone.prior_logits[0], atol=1e-5)
        np.testing.assert_allclose(together.values[row], alone.values[0], atol=1e-5)


def test_a_batch_too_small_for_all_symmetries_is_refused() -> None:
    game = games.make("go3")
    with pytest.raises(ValueError, match="8 symmetries, but batches of 7"):
        AveragedEvaluator(game, UniformEvaluator(game, 7))


def wins_at_once(game: Game, state: State, legal: BoolArray) -> bool:
    return any(game.step(state.copy(), int(action), np.zeros(0, np.uint64))[0] > 0 for action in np.flatnonzero(legal))


@pytest.mark.plain_only
def test_a_player_that_averages_plays_the_mean(tmp_path: Path) -> None:
    """One that does not, plays otherwise."""
    game = games.make("connect_four")
    played = [random_game(game, number).steps["action"] for number in range(60)]
    lines = [moves[:20] for moves in played if len(moves) > 20]  # high enough for a small network to see the stones
    states = np.array([replayed(game, line)[0] for line in lines])
    none, keys = [np.zeros(0, np.uint64)] * len(lines), np.zeros(len(lines), np.uint64)
    observations = np.zeros((len(lines), *game.observation_shape), np.float32)
    legal = np.zeros((len(lines), game.num_actions), np.bool_)
    for state, observation, mask in zip(states, observations, legal, strict=True):
        game.observe(state, observation)
        game.legal_actions(state, none[0], mask)
    averaged = AveragedEvaluator(game, NetworkEvaluator(game, network_of(game), 128))
    logits = np.where(legal, ask(averaged, observations).prior_logits, -np.inf)
    path = tmp_path / "a.safetensors"
    save_agent(path, network_of(game), game, {})
    players = [make_player(str(path), game, num_simulations=1, average_symmetries=both) for both in (False, True)]
    plain, averaging = (player.choose(states, none, keys) for player in players)
    wins = np.array([wins_at_once(game, state, mask) for state, mask in zip(states, legal, strict=True)])  # are seen
    # In 8-bit integers logits may be equal, or apart by a rounding: which of these is played says nothing.
    short_of_best = [logits.max(1) - logits[np.arange(len(lines)), chosen] for chosen in (plain, averaging)]
    assert short_of_best[1][~wins].max() < 1e-3 and (~wins).sum() > 10
    assert short_of_best[0][~wins].max() > 1e-2
