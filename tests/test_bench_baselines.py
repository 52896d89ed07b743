"""`keima bench baselines`: SAC is judged as Gymnasium would judge it, and what is counted is what it says."""

from __future__ import annotations

from collections.abc import Callable, Generator
from multiprocessing import active_children
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from bench_reports import bench_json, check

from rl.errors import UserError
from scripts.bench import baselines
from scripts.bench.baselines import sac
from scripts.bench.baselines.sac import SETTINGS, Checked, learnt_by_sac, make_model, policy_of
from scripts.bench.control import Run, judge, make_task
from scripts.cli import main

pytestmark = pytest.mark.plain_only  # SAC is not compiled, and the tasks that it learns are tested both ways


@pytest.mark.parametrize("name", SETTINGS)
def test_sac_learns_the_task_that_it_is_judged_by(name: str) -> None:
    """Its environment has the game's actions and length, and its policy moves the game's states."""
    game, model = make_task(name), make_model(SETTINGS[name], 0)
    assert model.action_space.shape == (game.action_size,)
    assert gymnasium.spec(SETTINGS[name].environment).max_episode_steps == game.max_num_moves
    assert (type(model.replay_buffer).__name__ == "HerReplayBuffer") == (game.goal_size > 0)
    actions = policy_of(model, game)(game.new_states(np.arange(3, dtype=np.uint64)))
    assert actions.shape == (3, game.action_size) and actions.dtype == np.float32 and (np.abs(actions) <= 1).all()


def test_scores_are_what_stable_baselines_earns_in_gymnasiums_environment() -> None:
    model, env = make_model(SETTINGS["pendulum"], 1), gymnasium.make("Pendulum-v1")
    played = judge(game := make_task("pendulum"), policy_of(model, game), 2)
    for seed in range(2):
        seen, ended, total = env.reset(seed=seed)[0], False, 0.0
        while not ended:
            action, _ = model.predict(seen, deterministic=True)
            seen, reward, _, ended, _ = env.step(action)
            total += float(reward)
        assert played.returns[seed] == pytest.approx(total, rel=1e-3)


def test_a_policy_is_shown_what_it_was_taught_with() -> None:
    """Observations of goal tasks, brought to the scale that training had."""
    game, model = make_task("planar_reach"), make_model(SETTINGS["planar_reach"], 2)
    model.learn(120)  # the running averages have something to go by
    normalizer = model.get_vec_normalize_env()
    assert normalizer is not None
    states = game.new_states(np.arange(1, dtype=np.uint64))
    env = gymnasium.make("keima/PlanarReach-v0")
    env.reset(seed=0)
    env.unwrapped.set_state(states["row"][0])  # type: ignore[attr-defined]
    seen, *_ = env.step(still := np.zeros(2, np.float32))
    game.step_batch(states, still[None])
    expected, _ = model.predict(normalizer.normalize_obs(seen), deterministic=True)
    np.testing.assert_allclose(policy_of(model, game)(states)[0], expected, atol=1e-5)
    assert not np.allclose(expected, model.predict(seen, deterministic=True)[0], atol=1e-3)


def test_sac_learns_in_a_process_of_its_own_for_as_long_as_it_is_asked() -> None:
    learning = learnt_by_sac("pendulum", 3, 60, 2)
    first, second = next(learning), next(learning)
    assert (first.steps, second.steps) == (60, 120) and 0 < first.cpu_seconds < second.cpu_seconds
    assert set(first.scores) == {"return"} and first.scores["return"] < 0
    assert active_children()
    learning.close()
    assert not active_children()


def test_checks_are_not_counted_and_learning_ends_with_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of learning takes a second here, judging a thousand; the other end is closed after step 17."""
    clock, sent = [50.0], []

    class Model:
        num_timesteps = 0

        def learn(self, _: int, after_step: Callable[..., bool]) -> None:
            going = True
            while going:
                clock[0] += 1.0
                self.num_timesteps += 1
                going = after_step({}, {})

    class Pipe:
        def send(self, checked: Checked) -> None:
            sent.append(checked)

        def recv(self) -> None:
            pass

        def poll(self) -> bool:
            return model.num_timesteps == 17

    def judged(*_: Any) -> Any:
        clock[0] += 1000.0
        return SimpleNamespace(returns=np.array([-2.0, -4.0]), successes=np.array([True, False]))

    model = Model()
    monkeypatch.setattr(sac, "time", SimpleNamespace(process_time=lambda: clock[0]))
    monkeypatch.setattr(sac, "signal", SimpleNamespace(signal=lambda *_: None, SIGINT=0, SIG_IGN=0))
    monkeypatch.setattr(sac, "make_model", lambda *_: model)
    monkeypatch.setattr(sac, "policy_of", lambda *_: None)
    monkeypatch.setattr(sac, "judge", judged)
    sac._serve(Pipe(), "planar_reach", 0, 5, 2)  # type: ignore[arg-type]
    assert sent == [Checked(steps, float(steps), {"return": -3.0, "success": 0.5}) for steps in (5, 10, 15)]
    assert model.num_timesteps == 17


@pytest.fixture
def curves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """SAC gains a tenth of success at each check of 10 CPU seconds, one more with each seed, and Keima takes 12 CPU
    seconds, of which 2 to start; which runs were closed."""
    closed = []

    def learnt(task: str, seed: int, check_steps: int, episodes: int) -> Generator[Checked, None, None]:
        try:
            for turn in range(1, 99):
                success = min(1.0, 0.1 * (turn + seed))
                yield Checked(turn * check_steps, 10.0 * turn, {"return": -50 + turn, "success": success})
        finally:
            closed.append((task, seed))

    def learn(game: Any, seed: int, num_games: Any, episodes: int, simulations: int) -> Run:
        scores = {("policy alone", "return"): -20.0, ("policy alone", "success"): 0.97}
        return Run(12.0, scores | {("4 simulations", "return"): -19.0, ("4 simulations", "success"): 0.98})

    monkeypatch.setattr(baselines, "learnt_by_sac", learnt)
    monkeypatch.setattr(baselines, "learn", learn)
    monkeypatch.setattr(baselines, "start_seconds", lambda game: 2.0)
    return closed


def test_both_are_told_and_divided(curves: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--check-steps", "100", "--simulations", "4", "--runs", "2", "--seed", "2"]
    report = bench_json(capsys, "baselines", "--tasks", "planar_reach", *sizes)
    figures = {(figure["name"], figure["unit"]): figure for figure in report["figures"]}
    check(report, "baselines")
    sac_, ours = "planar_reach, SAC+HER", "planar_reach, Keima"
    assert figures[sac_, "CPU seconds"]["values"] == [80.0, 70.0]  # 0.95 of success is reached with 1.0
    assert figures[sac_, "steps"]["values"] == [800.0, 700.0]
    assert figures[sac_, "success"]["met"] and figures[sac_, "success"]["goal"] == 0.95
    assert figures[ours, "CPU seconds"]["values"] == [10.0, 10.0]
    assert figures[f"{ours}, policy alone", "success"]["values"] == [0.97, 0.97]
    assert figures[f"{ours}, 4 simulations", "success"]["values"] == [0.98, 0.98]
    ratio = figures[f"{ours} over SAC+HER", "ratio"]
    assert ratio["values"] == pytest.approx([10 / 80, 10 / 70]) and ratio["met"] and ratio["goal"] == 1 / 3
    assert curves == [("planar_reach", 2), ("planar_reach", 3)]
    assert "seed 2: success 0.3 at 10 s; 0.4 at 20 s" in report["notes"][0]


def test_without_a_goal_sac_learns_until_its_time_is_up(
    curves: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--tasks", "quadruped_walk", "--alone", "--cpu-seconds", "225"]
    report = bench_json(capsys, "baselines", *asked)
    assert [figure["unit"] for figure in report["figures"]] == ["CPU seconds", "steps", "return", "success"]
    assert report["figures"][0]["values"] == [230.0] and not any("goal" in figure for figure in report["figures"])
    assert report["notes"][0].count(" at ") == 12 and report["notes"][0].endswith("-28 at 220 s; -27 at 230 s")
    report = bench_json(capsys, "baselines", *asked, "--goal", "-44")
    assert report["figures"][0]["values"] == [60.0] and report["figures"][2]["goal"] == -44


def test_who_misses_the_score_is_told_and_held_to_no_ratio(
    curves: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    report = bench_json(
        capsys, "baselines", "--tasks", "planar_reach", "--goal", "0.98", "--cpu-seconds", "75", "--runs", "2"
    )
    assert report["notes"][2] == "planar_reach, SAC+HER: success 0.98 was missed with seed 0, 1"
    assert report["notes"][3] == "planar_reach, Keima: success 0.98 was missed with seed 0, 1"
    ratio = report["figures"][-1]
    assert ratio["name"] == "planar_reach, Keima over SAC+HER" and ratio["values"] == [10 / 80, 10 / 80]
    assert "goal" not in ratio


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["bench", "baselines", "--tasks", "hex5"]) == 2
    assert "hex5 is no task for a robot" in capsys.readouterr().err
    assert main(["bench", "baselines", "--tasks", "planar_reach:dense"]) == 2
    assert "SAC has no settings for planar_reach:dense" in capsys.readouterr().err
    assert main(["bench", "baselines", "--cpu-seconds", "0"]) == 2
    assert "--cpu-seconds 0.0: must be positive" in capsys.readouterr().err
    monkeypatch.setattr(sac, "find_spec", lambda name: None)
    assert main(["bench", "baselines"]) == 2
    told = capsys.readouterr().err
    assert told == "keima: bench baselines needs stable-baselines3: pip install 'keima[baselines]'\n"


def test_a_process_that_fails_is_told_of() -> None:
    with pytest.raises(UserError, match="SAC on nothing failed, for the reason above"):
        next(learnt_by_sac("nothing", 0, 10, 1))
