"""AirHockey: impacts, edges, goals, that both ends play the same game, and MuJoCo's opinion of the free motion."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from arm_energy import kinetic_energy
from mujoco_twins import arm, load, run, servos
from pettingzoo.test import parallel_api_test, parallel_seed_test

import games.robots
from games.robots import air_hockey_table as table
from games.robots.air_hockey import AirHockey, scripted_player, still_player
from games.robots.air_hockey_parallel import parallel_env
from games.robots.air_hockey_table import Disc, arm_mass, bounced, confined, servo_for, struck, tip_of_motion
from games.robots.arm import Motion, reach_angles

MASS = arm_mass()
STILL = np.zeros((1, 2, 2), np.float32)


def arm_at(x: float, y: float, velocity_1: float = 0.0, velocity_2: float = 0.0) -> Motion:
    """An arm whose mallet is at a place in its own frame."""
    return Motion(*reach_angles(*table.LINKS, x, y, 1.0), velocity_1, velocity_2)


def state_with(puck: tuple[float, float, float, float], mallet: tuple[float, float] = (0.2, 0.0)) -> np.ndarray:
    """[1, S] both mallets at a place in their own frames, at rest."""
    states = AirHockey().new_states(np.zeros(1, np.uint64))
    states[0, table.ARM_0 : table.ARM_0 + 4] = states[0, table.ARM_1 : table.ARM_1 + 4] = arm_at(*mallet)
    states[0, table.PUCK_X : table.PUCK_X + 4] = puck
    return states


def turned(states: np.ndarray) -> np.ndarray:
    """The same game seen from the other end."""
    other = states.copy()
    other[:, table.ARM_0 : table.ARM_0 + 4] = states[:, table.ARM_1 : table.ARM_1 + 4]
    other[:, table.ARM_1 : table.ARM_1 + 4] = states[:, table.ARM_0 : table.ARM_0 + 4]
    other[:, table.PUCK_X : table.SCORE + 1] *= -1
    return other


# --- impacts and edges ----------------------------------------------------------------------------------------------


def puck_energy(puck: Disc, mass: float) -> float:
    return 0.5 * mass * (puck.speed_x**2 + puck.speed_y**2)


@pytest.mark.parametrize("restitution", [1.0, 0.9, 0.0])
@pytest.mark.parametrize("direction", [0.0, 1.0, 2.5, -2.0])
def test_an_impact_keeps_to_newton(restitution: float, direction: float) -> None:
    """Energy where nothing is lost, the restitution along the line of centres, nothing across it, and what the puck
    gains in momentum the arm's joints lose."""
    mass = 0.05
    motion = arm_at(0.5, 0.1, 1.0, -2.0)
    tip = tip_of_motion(motion)
    normal = np.array([math.cos(direction), math.sin(direction)])
    place = np.array([tip.x, tip.y]) + 0.085 * normal
    velocity = np.array([tip.speed_x, tip.speed_y]) - 1.5 * normal + 0.4 * np.array([-normal[1], normal[0]])
    before = Disc(*place, *velocity)
    after_motion, after = struck(MASS, motion, tip, before, mass, restitution)
    after_tip = tip_of_motion(after_motion)
    parting = np.subtract(after[2:], (after_tip.speed_x, after_tip.speed_y)) @ normal
    assert parting == pytest.approx(restitution * 1.5)
    gained = mass * np.subtract(after[2:], before[2:])
    assert np.cross(np.append(gained, 0), np.append(normal, 0))[2] == pytest.approx(0, abs=1e-12)
    coupling = MASS.beta * math.cos(motion.angle_2)
    inertia = np.array([[MASS.alpha + 2 * coupling, MASS.delta + coupling], [MASS.delta + coupling, MASS.elbow]])
    jacobian = np.array([[-tip.y, -tip.link_y], [tip.x, tip.link_x]])
    lost = inertia @ np.subtract(motion[2:], after_motion[2:])
    np.testing.assert_allclose(jacobian.T @ gained, lost, atol=1e-12)
    energies = [
        kinetic_energy(MASS, moving) + puck_energy(puck, mass)
        for moving, puck in ((motion, before), (after_motion, after))
    ]
    if restitution == 1.0:
        assert energies[1] == pytest.approx(energies[0])
    else:
        assert energies[1] < energies[0]
    distance = math.hypot(after.x - tip.x, after.y - tip.y)
    assert distance == pytest.approx(table.PUCK + table.MALLET)


def test_discs_that_part_or_do_not_touch_are_left_alone() -> None:
    motion = arm_at(0.5, 0.0)
    tip = tip_of_motion(motion)
    apart = Disc(0.5 + 0.0901, 0.0, -1.0, 0.0)
    assert struck(MASS, motion, tip, apart, 0.05, 0.9) == (motion, apart)
    parting = Disc(0.5 + 0.08, 0.0, 1.0, 0.3)
    left, moved = struck(MASS, motion, tip, parting, 0.05, 0.9)
    assert left == motion and moved[2:] == (1.0, 0.3) and moved.x == pytest.approx(0.59)


def test_sides_and_ends_reflect() -> None:
    side, end = table.WIDTH - table.PUCK, table.LENGTH - table.PUCK
    for sign in (1.0, -1.0):
        puck, score = bounced(Disc(0.1, sign * (side + 0.02), 1.0, sign * 2.0), 0.9)
        assert score == 0 and puck.speed_x == 1.0 and puck.speed_y == pytest.approx(-sign * 1.8)
        assert puck.y == pytest.approx(sign * (side - 0.018))
        puck, score = bounced(Disc(sign * (end + 0.01), 0.3, sign * 2.0, 0.5), 0.9)
        assert score == 0 and puck.speed_x == pytest.approx(-sign * 1.8) and puck.speed_y == 0.5
    inside = Disc(0.0, 0.0, 5.0, 5.0)
    assert bounced(inside, 0.9) == (inside, 0.0)


def test_a_mallet_keeps_to_its_half() -> None:
    edges = [(0.1, 0.0), (0.82, 0.0), (0.4, 0.37), (0.4, -0.37), (0.82, 0.36)]
    for x, y in edges:
        motion, tip = confined(MASS, arm_at(x, y, 1.0, 1.0))
        assert table.NEAREST - 0.004 <= tip.x <= table.FARTHEST + 0.004 and abs(tip.y) <= table.ASIDE + 0.004
        assert kinetic_energy(MASS, motion) <= kinetic_energy(MASS, arm_at(x, y, 1.0, 1.0))
    within = arm_at(0.4, 0.2, 3.0, 1.0)
    assert confined(MASS, within) == (within, tip_of_motion(within))


@pytest.mark.parametrize("push", [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (1.0, -1.0), (-1.0, 1.0)])
def test_a_mallet_pushed_at_an_edge_stays_there(push: tuple[float, float]) -> None:
    task, states = AirHockey(), state_with((0.0, 0.0, 0.0, 0.0), (0.4, 0.1))
    for _ in range(60):
        task.step_both(states, np.array([[push, push]], np.float32))
        seen = task.observe_both(states)[0]
        assert (seen[:, 4] <= -table.MALLET + 0.01).all() and (seen[:, 4] >= -table.LENGTH + table.MALLET - 0.01).all()
        assert (np.abs(seen[:, 5]) <= table.ASIDE + 0.01).all()
    assert np.abs(seen[:, 6:8]).max() < 0.1


# --- goals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "speed_y", "goal"), [(0.0, 0.0, True), (0.11, 0.0, True), (0.13, 0.0, False), (0.3, 0.0, False)]
)
@pytest.mark.parametrize("end", [1.0, -1.0])
def test_the_puck_has_to_pass_between_the_posts(y: float, speed_y: float, goal: bool, end: float) -> None:
    task, states = AirHockey(), state_with((end * 0.55, y, end * 3.0, speed_y), (0.2, -0.3 * end))
    if end < 0:
        states[0, table.ARM_0 : table.ARM_0 + 4] = arm_at(0.2, -0.3)
        states[0, table.PUCK_Y] = y
    for _ in range(3):
        _, terminated = task.step_both(states, STILL)
    assert terminated[0] == goal == (states[0, table.SCORE] != 0)
    assert task.scores(states)[0] == (end if goal else 0)


def test_a_goal_counts_once_and_ends_the_game() -> None:
    task, states = AirHockey(), state_with((0.6, 0.0, 4.0, 0.0), (0.2, -0.3))
    rewards, terminated = task.step_both(states, STILL)
    assert rewards[0] == 1 and terminated[0] and task.successes(states)[0]
    after = states.copy()
    rewards, terminated = task.step_both(states, STILL + 1)
    assert rewards[0] == 0 and terminated[0]
    np.testing.assert_array_equal(states, after)


def test_drag_slows_the_puck() -> None:
    task, states = AirHockey(), state_with((0.0, -0.2, 0.0, 0.3), (0.2, 0.0))
    for _ in range(table.RATE):
        task.step_both(states, STILL)
    kept = math.exp(-0.1)
    assert states[0, table.PUCK_SPEED_Y] == pytest.approx(0.3 * kept)
    assert states[0, table.PUCK_Y] == pytest.approx(-0.2 + 0.3 * (1 - kept) / 0.1)


# --- both ends ------------------------------------------------------------------------------------------------------


def test_both_ends_play_the_same_game() -> None:
    task = AirHockey()
    states = task.new_states(np.arange(20, dtype=np.uint64))
    other = turned(states)
    np.testing.assert_array_equal(task.observe_both(states), task.observe_both(other)[:, ::-1])
    generator = np.random.default_rng(5)
    for _ in range(80):
        actions = generator.uniform(-1, 1, (20, 2, 2)).astype(np.float32)
        rewards, terminated = task.step_both(states, actions)
        others, ended = task.step_both(other, np.ascontiguousarray(actions[:, ::-1]))
        np.testing.assert_array_equal(rewards, -others)
        np.testing.assert_array_equal(terminated, ended)
        np.testing.assert_allclose(turned(states), other, atol=1e-12)
    assert terminated.any()


def test_an_observation_tells_places_from_the_own_end() -> None:
    states = state_with((0.1, 0.2, 0.3, -0.4), (0.3, 0.05))
    left, right = AirHockey().observe_both(states)[0]
    np.testing.assert_allclose(left[:4], [0.1, 0.2, 0.3, -0.4], rtol=1e-6)
    np.testing.assert_allclose(right[:4], [-0.1, -0.2, -0.3, 0.4], rtol=1e-6)
    own = [0.3 - table.BASE, 0.05, 0, 0]
    for seen in (left, right):
        np.testing.assert_allclose(seen[4:], [*own, -own[0], -own[1], 0, 0], atol=1e-6)


def test_the_mallet_goes_where_it_is_told() -> None:
    task, states = AirHockey(), state_with((0.0, 0.3, 0.0, 0.0), (0.3, 0.0))
    for _ in range(8):
        task.step_both(states, np.array([[[0.4, 0.0], [0.0, 0.4]]], np.float32))
    left, right = task.observe_both(states)[0]
    np.testing.assert_allclose(left[6:8], [0.8, 0.0], atol=0.2)
    np.testing.assert_allclose(right[6:8], [0.0, 0.8], atol=0.2)


# --- MuJoCo ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_mujoco_moves_the_same_table_the_same_way(seed: int) -> None:
    """1 s in which no mallet reaches an edge or the puck, and the puck no side."""
    task, states = AirHockey(), state_with((0.0, -0.1, 0.03, 0.2), (0.35, 0.0))
    mass, drag = states[0, [table.PUCK_MASS, table.DRAG]]
    place = {"left": f'pos="{-table.BASE} 0 0"', "right": f'pos="{table.BASE} 0 0" euler="0 0 {math.pi}"'}
    arms = "".join(
        arm(name, table.LINKS, table.LINK_MASSES, table.ROTORS, table.MALLET_MASS, where)
        for name, where in place.items()
    )
    puck = f"""
    <body>
      <joint type="slide" axis="1 0 0" damping="{drag * mass}"/>
      <joint type="slide" axis="0 1 0" damping="{drag * mass}"/>
      <inertial pos="0 0 0" mass="{mass}" diaginertia="1e-4 1e-4 1e-4"/>
    </body>"""
    model, data = load(arms + puck, "".join(servos(name, table.GAINS) for name in place))
    angles = [table.ARM_0, table.ARM_0 + 1, table.ARM_1, table.ARM_1 + 1, table.PUCK_X, table.PUCK_Y]
    velocities = [index + 2 for index in angles]
    data.qpos[:], data.qvel[:] = states[0, angles], states[0, velocities]
    generator = np.random.default_rng(seed)
    for _ in range(table.RATE):
        actions = generator.uniform(-0.25, 0.25, (1, 2, 2)).astype(np.float32)
        controls = []
        for first, action in zip((table.ARM_0, table.ARM_1), actions[0] * table.MALLET_SPEED, strict=True):
            controls += servo_for(Motion(*states[0, first : first + 4]), *map(float, action))[2:]
        task.step_both(states, actions)
        run(model, data, np.array(controls), 1 / table.RATE)
        for seen in task.observe_both(states)[0]:
            assert table.NEAREST < seen[4] + table.BASE < table.FARTHEST and abs(seen[5]) < table.ASIDE
            assert math.hypot(seen[4] - seen[0], seen[5] - seen[1]) > table.PUCK + table.MALLET
        np.testing.assert_allclose(states[0, angles], data.qpos, atol=3e-4)
        np.testing.assert_allclose(states[0, velocities], data.qvel, atol=3e-3)


# --- players --------------------------------------------------------------------------------------------------------


def winners(first: Any, second: Any, count: int) -> tuple[int, int]:
    task = AirHockey()
    states = task.new_states(np.arange(count, dtype=np.uint64))
    for _ in range(task.max_episode_steps):
        seen = task.observe_both(states)
        task.step_both(states, np.stack([first(seen[:, 0]), second(seen[:, 1])], axis=1))
    scores = task.scores(states)
    return int((scores > 0).sum()), int((scores < 0).sum())


@pytest.mark.compiled_only
def test_the_scripted_player_beats_who_stands_still_and_who_moves_at_random() -> None:
    generator = np.random.default_rng(1)

    def random_player(seen: np.ndarray) -> np.ndarray:
        return generator.uniform(-1, 1, (len(seen), 2)).astype(np.float32)

    for opponent in (still_player, random_player):
        won, lost = winners(scripted_player, opponent, 100)
        assert won > 5 * lost and won >= 60
        lost, won = winners(opponent, scripted_player, 100)
        assert won > 5 * lost and won >= 60


def test_opponents() -> None:
    seen_by_opponent = []

    def opponent(seen: np.ndarray) -> np.ndarray:
        seen_by_opponent.append(seen.copy())
        return np.full((len(seen), 2), 0.5, np.float32)

    env = gymnasium.make("keima/AirHockey-v0", opponent=opponent).unwrapped
    env.reset(seed=3)
    both = env.task.observe_both(env.get_state()[None])
    twin = env.get_state()[None]
    env.step(np.array([0.2, -0.3], np.float32))
    np.testing.assert_array_equal(seen_by_opponent[0], both[:, 1])
    env.task.step_both(twin, np.array([[[0.2, -0.3], [0.5, 0.5]]], np.float32))
    np.testing.assert_array_equal(env.get_state(), twin[0])
    with pytest.raises(ValueError, match="unknown opponent 'champion': scripted, still"):
        games.robots.make("air_hockey", opponent="champion")


# --- two agents -----------------------------------------------------------------------------------------------------


def test_pettingzoos_own_tests_pass() -> None:
    parallel_api_test(parallel_env(), 30)
    parallel_seed_test(parallel_env, 30)


def test_the_parallel_game_is_that_of_the_task() -> None:
    env = parallel_env(render_mode="rgb_array")
    alone = gymnasium.make("keima/AirHockey-v0", opponent="scripted").unwrapped
    seen, infos = env.reset(seed=8, options={"randomize": True})
    mine, info = alone.reset(seed=8, options={"randomize": True})
    assert infos["player_0"] == infos["player_1"] == info
    np.testing.assert_array_equal(env.get_state(), alone.get_state())
    first, generator = env.render(), np.random.default_rng(2)
    for _ in range(25):
        action = generator.uniform(-1, 1, 2).astype(np.float32)
        actions = {"player_0": action, "player_1": scripted_player(seen["player_1"][None])[0]}
        seen, rewards, terminated, truncated, infos = env.step(actions)
        mine, reward, ended, _, info = alone.step(action)
        np.testing.assert_array_equal(seen["player_0"], mine)
        assert rewards == {"player_0": reward, "player_1": -reward} and infos["player_0"] == info
        assert terminated == dict.fromkeys(env.possible_agents, ended) and not any(truncated.values())
        if ended:
            break
    np.testing.assert_array_equal(env.state(), alone.get_state())
    assert (env.render() != first).any()
    env.set_state(alone.get_state())
    with pytest.raises(ValueError, match="a row of 16"):
        env.set_state(np.zeros(2))
    with pytest.raises(ValueError, match="finite numbers"):
        env.step({"player_0": np.zeros(3), "player_1": np.zeros(2)})
    with pytest.raises(ValueError, match="the modes are"):
        parallel_env(render_mode="ansi")
    env.close()


def test_the_parallel_game_is_truncated_after_its_time() -> None:
    env = parallel_env()
    env.reset(seed=1)
    states = state_with((0.0, 0.3, 0.0, 0.0))
    env.set_state(states[0])
    still = dict.fromkeys(env.possible_agents, np.zeros(2, np.float32))
    for step in range(500):
        _, _, terminated, truncated, _ = env.step(still)
        assert list(truncated.values()) == [step == 499] * 2 and not any(terminated.values())
    assert env.agents == []


def test_robots_need_no_pettingzoo() -> None:
    code = (
        "import sys; sys.modules['pettingzoo'] = None; import games.robots; games.robots.make('air_hockey')\n"
        "try: import games.robots.air_hockey_parallel\nexcept ImportError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = "games.robots.air_hockey_parallel needs PettingZoo: pip install keima[pettingzoo]\n"
    assert result.stdout == expected, result.stderr
