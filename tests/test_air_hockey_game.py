"""AirHockey as a game of two who act at once: what a state holds, who answers, and what is learnt from whom."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_air_hockey import turned
from test_train_simulated import CONFIG

import games
from games.base import FloatArray, StateArray
from games.robots import air_hockey_table as table
from games.robots.air_hockey import AirHockey, scripted_player
from games.robots.air_hockey_game import AirHockeyGame
from games.robots.arm import reach_angles
from games.simulated import SimulatedGame
from rl.errors import UserError
from rl.learning.checkpoint import latest_valid
from rl.network.agent_file import load_agent, save_agent
from rl.network.evaluator import NetworkEvaluator
from rl.network.kinds import make_network
from rl.network.vector import VectorConfig
from rl.replay.episodes import EpisodeWindow, EpisodeWindowConfig, lambda_returns
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord
from rl.search.evaluation import Evaluation
from rl.search.proposals import GaussianProposer
from rl.search.random import random_bits, uniform
from rl.search.simulator import SIMULATED, SimulatorSearch, ask
from rl.selfplay.episodes import Episodes, EpisodesConfig
from rl.train.config import EvaluationConfig, LimitsConfig
from rl.train.episodes import episode_keys, play_episodes, play_pairing, policy_actor, policy_others
from rl.train.loop import train
from rl.train.metrics import read_metrics
from rl.train.worker import UseNetwork, WorkerSetup, _Table
from scripts.bench.hockey import HockeyBench, by_script, measure

SURE, WIDE = -20.0, 0.0  # logarithms of deviations


class Judge:
    """A hand-made network: its policy is surely `mean` of what is seen, its value `value` of it."""

    def __init__(
        self,
        batch_size: int,
        mean: Callable[[FloatArray], FloatArray],
        value: Callable[[FloatArray], FloatArray] = lambda seen: np.zeros(len(seen), np.float32),
        deviations: tuple[float, float] = (SURE, SURE),
        network_id: int = 0,
    ) -> None:
        """`deviations` are those of even and of odd rows: of player 0 and of player 1."""
        self.batch_size, self.network_id = batch_size, network_id
        self._mean, self._value, self._deviations = mean, value, deviations
        self._seen = np.zeros((batch_size, 16, 1, 1), np.float32)
        self._answers: list[Evaluation] = []

    def buffer(self) -> FloatArray:
        return self._seen

    def submit(self, num_rows: int) -> int:
        seen = self._seen[:num_rows, :, 0, 0].copy()
        outputs = np.zeros((num_rows, 4), np.float32)
        outputs[:, :2] = self._mean(seen)
        outputs[::2, 2:], outputs[1::2, 2:] = self._deviations
        self._answers.append(Evaluation(outputs, self._value(seen).astype(np.float32)))
        return len(self._answers) - 1

    def collect(self, ticket: int) -> Evaluation:
        return self._answers[ticket]


def newest(seen: FloatArray) -> FloatArray:
    return seen[:, :2] + 0.3


def past(seen: FloatArray) -> FloatArray:
    return seen[:, 1:3] - 0.5


def short(steps: int = 6) -> AirHockeyGame:
    game = AirHockeyGame()
    game.max_num_moves = steps
    return game


def answer_of(game: SimulatedGame, states: StateArray, mean: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """[n, 2] what player 1 surely does."""
    game.observe_batch(states, seen := np.zeros((len(states), 2, 16, 1, 1), np.float32))
    return np.tanh(mean(seen[:, 1, :, 0, 0]))


# --- the game -------------------------------------------------------------------------------------------------------


def test_a_step_is_the_task_s_of_both() -> None:
    """Held for two control periods; the rewards are player 0's, and nothing comes after a goal."""
    game, task = AirHockeyGame(), AirHockey()
    states = game.new_states(np.arange(20, dtype=np.uint64))
    rows, generator, earned = states["row"].copy(), np.random.default_rng(1), np.zeros(20)
    for step in range(80):
        both = generator.uniform(-1, 1, (20, 2, 2)).astype(np.float32)
        game.answer_batch(states, both[:, 1:])
        rewards, terminated = game.step_batch(states, both[:, 0])
        for _ in range(2):
            gained, _ = task.step_both(rows, both)
            earned += gained
        np.testing.assert_array_equal(states["row"], rows)
        np.testing.assert_array_equal(terminated, task.scores(rows) != 0)
        earned -= rewards
        assert not earned.any() and (states["num_moves"] == step + 1).all() and not states["answer"].any()
    assert set(task.scores(rows)) == {-1.0, 0.0, 1.0}
    assert (game.max_num_moves, game.steps_per_second, game.discount) == (250, 12.5, 0.99**2)
    assert games.make("air_hockey:periods=1").max_num_moves == 500
    with pytest.raises(games.UnknownGame, match="periods=3 does not divide"):
        games.make("air_hockey:periods=3")


def test_exchanged_players_play_the_same_game() -> None:
    game = AirHockeyGame()
    states = game.new_states(np.arange(20, dtype=np.uint64))
    generator, num_goals = np.random.default_rng(2), 0
    for _ in range(60):
        first, second = generator.uniform(-1, 1, (2, 20, 2)).astype(np.float32)
        game.answer_batch(states, second[:, None])
        other = states.copy()
        game.exchange_batch(other, first)
        np.testing.assert_array_equal(other["row"], turned(states["row"]))
        np.testing.assert_array_equal(other["answer"], first)
        seen, mirrored = np.zeros((2, 20, 2, 16, 1, 1), np.float32)
        game.observe_batch(states, seen)
        game.observe_batch(other, mirrored)
        np.testing.assert_array_equal(seen, mirrored[:, ::-1])
        rewards, _ = game.step_batch(states, first)
        others, _ = game.step_batch(other, second)
        np.testing.assert_array_equal(rewards, -others)
        np.testing.assert_allclose(other["row"], turned(states["row"]), atol=1e-12)
        num_goals += np.count_nonzero(rewards)
    assert num_goals > 3


def test_the_reference_is_the_scripted_player_on_the_right() -> None:
    """So an episode against it is one of the environment, whose steps are half as long."""
    game, task = AirHockeyGame(), AirHockey()
    states = game.new_states(np.arange(9, dtype=np.uint64))
    expected = scripted_player(task.observe_both(states["row"])[:, 1].copy())
    np.testing.assert_array_equal(game.reference_answers(states), expected[:, None])
    game.max_num_moves = 80
    still = play_episodes(game, lambda states: np.zeros((len(states), 2), np.float32), episode_keys(20))
    assert still.returns.sum() < -4 and (still.successes == (still.returns > 0)).all()


# --- who answers ----------------------------------------------------------------------------------------------------


def play(
    game: SimulatedGame, numbers: list[int], share: float, seed: int = 3, places: int = 8
) -> tuple[dict[int, GameRecord], Episodes]:
    """The episodes of these numbers, and the trees as they were in the middle of it."""
    config = EpisodesConfig(games_per_worker=places, simulations=5, past_share=share, staggered=False)
    episodes = Episodes(game, config, seed)
    episodes.set_past(Judge(6, past))
    judge, left, records = Judge(2 * places, newest, network_id=1), list(numbers), []
    while left or episodes.num_active:
        records += episodes.wave(judge, lambda: left.pop(0) if left else None)
        check_trees(game, episodes)
    return {record.game_number: record for record in records}, episodes


def check_trees(game: SimulatedGame, episodes: Episodes) -> None:
    """In every node the other one does what its network surely does, the past one where the episode is against it."""
    waves = episodes.waves
    for tree, control, by_past in zip(waves.trees, waves.controls, waves.plays_past, strict=True):
        nodes = tree[: control["num_nodes"]]
        known = nodes[nodes["node_visits"] > 0]
        expected = answer_of(game, known["state"], past if by_past else newest)
        np.testing.assert_allclose(known["state"]["answer"], expected, atol=1e-5)


@pytest.mark.plain_only
def test_a_past_network_plays_its_share_of_episodes() -> None:
    game, seed = short(steps=3), 3
    records, _ = play(game, list(range(40)), 0.2, seed)
    by_past = set()
    for number, record in records.items():
        states = record.steps["state"]
        wanted = [answer_of(game, states, mean) for mean in (newest, past)]
        near = [np.allclose(states["answer"], answers, atol=1e-5) for answers in wanted]
        assert near in ([True, False], [False, True]), "the same one at every step"
        by_past |= {number} if near[1] else set()
        for before, after in zip(record.steps[:-1], states[1:], strict=True):
            moved = before["state"].copy().reshape(1)
            game.step_batch(moved, before["action"][None])
            np.testing.assert_array_equal(moved["row"][0], after["row"], "what was searched is what is done")
    keys = {number: np.uint64(random_bits(np.uint64(seed), np.uint64(number))) for number in records}
    assert by_past == {number for number, key in keys.items() if uniform(key, np.uint64(0x70617374)) < 0.2}
    assert 2 <= len(by_past) <= 16
    again, _ = play(game, [5, 11], 0.2, seed, places=1)
    for number, record in again.items():
        assert record.steps.tobytes() == records[number].steps.tobytes(), "whatever it is played beside"
    none, episodes = play(game, list(range(8)), 0.0)
    assert len(none) == 8 and not episodes.waves.plays_past.any()
    assert play(game, [0, 1], 1.0)[1].waves.plays_past.any()


# --- what is learnt -------------------------------------------------------------------------------------------------


@pytest.mark.plain_only
def test_both_players_are_learnt_from() -> None:
    game = short()
    records, _ = play(game, list(range(6)), 0.5)
    window = EpisodeWindow(game, EpisodeWindowConfig(fresh_share=0.0, holdout_fraction=0.0))
    window.add_all(records.values())
    assert window.total_positions == 36 and window.num_positions == 72
    batch = window.sample(300, 5)
    assert 0.35 < batch.fresh.mean() < 0.65 and not batch.relabelled.any()
    returns = {number: lambda_returns(record.steps, game.discount, 0.95) for number, record in records.items()}
    for row in range(300):
        record = records[window.newest_game - int(batch.ages[row])]
        state = batch.states[row]
        ply = int(state["num_moves"])
        step, value = record.steps[ply], returns[record.game_number][ply]
        if batch.fresh[row]:
            np.testing.assert_array_equal(state["row"], turned(step["state"]["row"][None])[0])
            np.testing.assert_array_equal(state["answer"], step["action"])
            assert batch.returns[row] == -value
        else:
            assert state == step["state"] and batch.returns[row] == value


# --- a search that sees something -----------------------------------------------------------------------------------


def open_goal(game: AirHockeyGame, count: int) -> StateArray:
    """The puck lies before the own mallet, the other one stands in its corner."""
    states = game.new_states(np.arange(count, dtype=np.uint64))
    rows = states["row"]
    for first, place in ((table.ARM_0, (0.43, 0.0)), (table.ARM_1, (0.12, 0.34))):
        rows[:, first : first + 2] = reach_angles(*table.LINKS, *place, 1.0)
        rows[:, first + 2 : first + 4] = 0.0
    rows[:, table.PUCK_X : table.PUCK_X + 4] = [-0.3, 0.0, 0.0, 0.0]
    return states


@pytest.mark.plain_only
def test_a_search_that_sees_an_open_goal_shoots() -> None:
    """Its policy is to do anything; that a puck on its way into the goal is good is all that its network knows."""
    game, count = AirHockeyGame(), 8

    def still(seen: FloatArray) -> FloatArray:
        return np.zeros((len(seen), 2), np.float32)

    def on_target(seen: FloatArray) -> FloatArray:
        x, y = table.LENGTH * seen[:, 0], table.WIDTH * seen[:, 1]
        crossing = y + (table.LENGTH - x) * seen[:, 3] / np.maximum(seen[:, 2], 0.01)
        return np.where(seen[:, 2] > 0.2, np.exp(-((crossing / 0.1) ** 2)), 0.0).astype(np.float32)

    judge = Judge(2 * count, still, on_target, (WIDE, SURE))
    search = SimulatorSearch(game, game, GaussianProposer(game.num_slots, 2), SIMULATED, count, 64)
    scores = {}
    for name, simulations in (("policy", 1), ("search", 64)):
        states, earned = open_goal(game, count), np.zeros(count)
        for step in range(20):
            running = AirHockey().scores(states["row"]) == 0
            actions = np.zeros((count, 2), np.float32)
            if step < 2:
                actions = search.run(judge, states, simulations).best_actions
            rewards, _ = game.step_batch(states, actions)
            earned += np.where(running, rewards, 0)
        scores[name] = earned.sum()
    assert scores["policy"] < 3 and scores["search"] > 5, scores


def test_either_end_is_played_by_the_policy_of_its_row() -> None:
    game = AirHockeyGame()
    states = game.new_states(np.arange(5, dtype=np.uint64))
    judge = Judge(4, newest)
    mirrored = states.copy()
    game.exchange_batch(mirrored, np.zeros((5, 2), np.float32))
    for row in (0, 1):
        np.testing.assert_array_equal(
            policy_actor(game, judge, row)(states), policy_actor(game, judge, 1 - row)(mirrored)
        )
    np.testing.assert_array_equal(policy_others(game, judge)(states)[:, 0], policy_actor(game, judge, 1)(states))
    names, keys = ("a", policy_actor(game, judge)), episode_keys(30)
    pairing = play_pairing(game, names, ("b", policy_others(game, judge)), keys)
    assert sum(pairing[2:]) == 30


# --- a run ----------------------------------------------------------------------------------------------------------


@pytest.mark.plain_only
def test_a_run_rates_its_networks_and_keeps_some_of_the_past(tmp_path: Path) -> None:
    game, output, mixture = short(steps=8), io.StringIO(), Mixture.of(short(steps=8))
    measured = EvaluationConfig(simulations=2, games=3, last_games=4, rollouts=(), cpu_share=1e9)
    config = replace(CONFIG, deterministic=True)
    kept = []
    for num_games, seconds in ((24, 0.2), (32, 0.0)):
        evaluation, limits = replace(measured, seconds=seconds), LimitsConfig(games=num_games)
        assert train(mixture, replace(config, evaluation=evaluation, limits=limits), tmp_path, output) == 0
        saved = latest_valid(tmp_path / "checkpoints", print)
        assert saved is not None
        kept.append(saved.state["past"])
    assert len(kept[0]) == 2 and kept[1][:2] == kept[0] and len(kept[1]) == 3, "one a generation, but for the first"
    paths = [tmp_path / "networks" / f"step-{step:08d}.safetensors" for step in kept[1]]
    told = set().union(*read_metrics(tmp_path / "metrics.jsonl"))
    assert {"elo/agent", "score/random", "score/earlier", "episodes/policy_success", "selfplay/return"} <= told
    setup = WorkerSetup(mixture, config.selfplay, 0, tmp_path, "worker", "cpu", True)
    worker = _Table(setup, 0)
    worker.use(UseNetwork(paths[2], 7, 0.5, paths[0]))
    states = game.new_states(np.arange(3, dtype=np.uint64))
    assert isinstance(worker.selfplay, Episodes) and worker.selfplay.waves.past is not None
    found = ask(game, worker.selfplay.waves.past, states)
    expected = [ask(game, NetworkEvaluator(game, load_agent(path, game), 8), states) for path in paths]
    np.testing.assert_allclose(found, expected[0], atol=1e-2)
    assert np.abs(found - expected[2]).max() > 1e-2


# --- the benchmark --------------------------------------------------------------------------------------------------


def test_the_script_is_asked_at_every_control_period() -> None:
    """As in `keima/AirHockey-v0`, whose steps are half as long."""
    game, task = AirHockeyGame(), AirHockey("scripted")
    states, step = game.new_states(np.arange(15, dtype=np.uint64)), by_script(game)
    rows, generator, goals = states["row"].copy(), np.random.default_rng(4), np.zeros(15)
    for _ in range(80):
        actions = generator.uniform(-1, 1, (15, 2)).astype(np.float32)
        goals += step(states, actions)[0]
        for _ in range(2):
            goals -= task.step(rows, actions)[0]
        np.testing.assert_array_equal(states["row"], rows)
    assert not goals.any() and (task.scores(rows) != 0).any()


@pytest.mark.plain_only
def test_the_benchmark_measures_an_agent_and_a_run(tmp_path: Path) -> None:
    game = AirHockeyGame()
    for step in (3, 20, 100):
        network = make_network(game, VectorConfig(layers=1, width=8), step)
        (tmp_path / "networks").mkdir(exist_ok=True)
        save_agent(tmp_path / "networks" / f"step-{step:08d}.safetensors", network, game, {})
    agent = tmp_path / "networks" / "step-00000100.safetensors"
    report = measure(HockeyBench(agent=agent, run_dir=tmp_path, games=2, simulations=2, networks=2))
    told = {(figure.name, figure.unit): figure for figure in report.figures}
    assert [unit for _, unit in told] == ["share of decided"] * 3 + ["Elo"] * 3
    for figure in report.figures[:3]:
        assert 0.0 <= figure.values[0] <= figure.values[1] <= figure.values[2] <= 1.0
    # Half-way is 50, to which 20 is nearer than 100.
    assert told["step-00000020", "Elo"].values == (0.0, 0.0, 0.0) and ("step-00000100", "Elo") in told
    with pytest.raises(UserError, match="kept 0 networks"):
        measure(HockeyBench(agent=agent, run_dir=tmp_path / "other", games=1, simulations=1))
