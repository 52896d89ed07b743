"""The seven-joint arm and its box: geometry and what is seen against MuJoCo's own opinion, pushes, grasps, walls."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import games.robots
from games.robots.arm_box import BOX, BoxTask, euler_angles
from games.robots.arm_pick_place import ArmPickPlace
from games.robots.arm_push import ArmPush
from games.robots.arm_reach import ArmReach
from games.robots.arm_task import (
    GOAL_RANGE,
    LEASH,
    OPENING,
    STEP,
    TOLERANCE,
    WORKSPACE,
    ArmTask,
    arm_of,
    home_angles,
    tips,
)
from games.robots.chain import NUM_JOINTS, bring_tip, place, velocity_of_tip

ARMS = ("arm_reach", "arm_push", "arm_pick_place")


def arm(name: str) -> ArmTask:
    task = games.robots.make(name)
    assert isinstance(task, ArmTask)
    return task


def data_of(task: ArmTask, state: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(task.model)
    data.qpos[:], data.qvel[:] = state[task.layout.qpos], state[task.layout.qvel]
    mujoco.mj_forward(task.model, data)
    return data


def random_states(task: ArmTask, count: int, seed: int) -> np.ndarray:
    """Arms in any posture with any motion; boxes anywhere, turned and turning."""
    states = task.new_states(np.arange(count, dtype=np.uint64))
    generator = np.random.default_rng(seed)
    low, high = task.model.jnt_range[:NUM_JOINTS].T
    states[:, :NUM_JOINTS] = generator.uniform(low, high, (count, NUM_JOINTS))
    states[:, task.layout.qvel] = generator.uniform(-1, 1, (count, task.model.nv))
    if task.model.nu > NUM_JOINTS:
        states[:, NUM_JOINTS : NUM_JOINTS + 2] = generator.uniform(0, OPENING, (count, 2))
    if isinstance(task, BoxTask):
        first = task.layout.qpos.stop - 7
        states[:, first : first + 3] = generator.uniform(-0.5, 0.5, (count, 3))
        quaternions = generator.normal(size=(count, 4))
        states[:, first + 3 : first + 7] = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    return states


def velocity(task: ArmTask, data: mujoco.MjData, kind: int, index: int) -> np.ndarray:
    """[6] m/s, then rad/s, along the world's axes."""
    found = np.empty(6)
    mujoco.mj_objectVelocity(task.model, data, kind, index, found, 0)
    return np.concatenate([found[3:], found[:3]])


# --- geometry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARMS)
def test_the_tip_is_where_mujoco_has_it(name: str) -> None:
    task = arm(name)
    states = random_states(task, 8, seed=1)
    joints, frame = np.empty((NUM_JOINTS + 1, 6)), np.empty((3, 3))
    site = task.model.site("tip").id
    for state, tip in zip(states, tips(task.chain, states), strict=True):
        data = data_of(task, state)
        place(task.chain, state, joints, frame)
        np.testing.assert_allclose(joints[:NUM_JOINTS, :3], data.xanchor[:NUM_JOINTS], atol=1e-12)
        np.testing.assert_allclose(joints[:NUM_JOINTS, 3:], data.xaxis[:NUM_JOINTS], atol=1e-12)
        np.testing.assert_allclose(joints[NUM_JOINTS, :3], data.site_xpos[site], atol=1e-12)
        np.testing.assert_allclose(frame, data.body("hand").xmat.reshape(3, 3), atol=1e-12)
        np.testing.assert_array_equal(tip, joints[NUM_JOINTS, :3].astype(np.float32))
        expected = velocity(task, data, mujoco.mjtObj.mjOBJ_SITE.value, site)[:3]
        np.testing.assert_allclose(velocity_of_tip(joints, data.qvel[:NUM_JOINTS]), expected, atol=1e-12)


@settings(max_examples=30)
@given(st.tuples(*(st.floats(low, high) for low, high in zip(*WORKSPACE, strict=True))))
def test_joint_angles_bring_the_tip_where_it_is_wanted(target: tuple[float, float, float]) -> None:
    """In steps as small as those of actions, from home to anywhere in the workspace, the hand pointing down."""
    model = ArmReach.load()
    chain, angles = arm_of(model), home_angles(model, ArmReach.home).copy()
    start, end = np.array(ArmReach.home), np.array(target)
    for share in np.linspace(0, 1, 12)[1:]:
        bring_tip(chain, angles, start + share * (end - start))
    for _ in range(3):
        bring_tip(chain, angles, end)
    joints, frame = np.empty((NUM_JOINTS + 1, 6)), np.empty((3, 3))
    place(chain, angles, joints, frame)
    np.testing.assert_allclose(joints[NUM_JOINTS, :3], end, atol=2e-3)
    np.testing.assert_allclose(frame, np.diag([-1.0, 1.0, -1.0]), atol=2e-2)
    assert (angles >= chain.low).all() and (angles <= chain.high).all()


@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda values: np.linalg.norm(values) > 0.1))
def test_angles_of_a_box_turn_it_as_its_quaternion_does(values: tuple[float, float, float, float]) -> None:
    quaternion = np.array(values) / np.linalg.norm(values)
    expected, turns = np.empty(9), []
    mujoco.mju_quat2Mat(expected, quaternion)
    for axis, angle in enumerate(euler_angles(*quaternion)):
        turn, about = np.empty(4), np.eye(3)[axis]
        mujoco.mju_axisAngle2Quat(turn, about, angle)
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, turn)
        turns.append(matrix.reshape(3, 3))
    np.testing.assert_allclose(turns[2] @ turns[1] @ turns[0], expected.reshape(3, 3), atol=1e-6)


# --- what is seen ----------------------------------------------------------------------------------------------------


def test_what_is_seen_of_the_arm_is_what_mujoco_says() -> None:
    task = arm("arm_reach")
    states = random_states(task, 6, seed=2)
    site = task.model.site("tip").id
    for state, seen in zip(states, task.observations(states), strict=True):
        data = data_of(task, state)
        moved = velocity(task, data, mujoco.mjtObj.mjOBJ_SITE.value, site)[:3]
        expected = [*data.site_xpos[site], 0, 0, *moved, 0, 0]
        np.testing.assert_allclose(seen, np.clip(expected, task.observation_low, task.observation_high), atol=1e-6)
    np.testing.assert_array_equal(task.achieved_goals(states), task.observations(states)[:, :3])


@pytest.mark.parametrize("name", ["arm_push", "arm_pick_place"])
def test_what_is_seen_of_the_box_is_what_mujoco_says(name: str) -> None:
    """In the order of Fetch's tasks: the tip, the box, from one to the other, fingers, angles, velocities."""
    task = arm(name)
    states = random_states(task, 6, seed=3)
    site, box = task.model.site("tip").id, task.model.body("box").id
    for state, seen in zip(states, task.observations(states), strict=True):
        data = data_of(task, state)
        tip, there = data.site_xpos[site], data.xpos[box]
        tip_moves = velocity(task, data, mujoco.mjtObj.mjOBJ_SITE.value, site)[:3]
        box_moves = velocity(task, data, mujoco.mjtObj.mjOBJ_BODY.value, box)
        has_fingers = task.model.nu > NUM_JOINTS
        fingers, speeds = (data.qpos[7:9], data.qvel[7:9]) if has_fingers else (np.zeros(2), np.zeros(2))
        angles = euler_angles(*data.xquat[box])
        expected = [*tip, *there, *(there - tip), *fingers, *angles, *(box_moves[:3] - tip_moves), *box_moves[3:]]
        expected += [*tip_moves, *speeds]
        np.testing.assert_allclose(seen, np.clip(expected, task.observation_low, task.observation_high), atol=1e-5)


@pytest.mark.parametrize("name", ARMS)
def test_starts_and_goals_are_those_of_the_docstring(name: str) -> None:
    task = arm(name)
    states = task.new_states(np.arange(200, dtype=np.uint64))
    goals, home = task.desired_goals(states).astype(float), np.array(task.home)
    np.testing.assert_allclose(tips(task.chain, states), np.tile(home, (200, 1)), atol=1e-4)
    assert (np.abs(goals[:, :2]) <= GOAL_RANGE).all() and np.ptp(goals[:, :2], axis=0).min() > 1.8 * GOAL_RANGE
    if name == "arm_reach":
        assert (np.abs(goals[:, 2] - home[2]) <= GOAL_RANGE).all()
    else:
        boxes = task.achieved_goals(states)
        assert (np.abs(boxes[:, :2]) <= GOAL_RANGE).all() and np.allclose(boxes[:, 2], BOX)
        assert np.hypot(*boxes[:, :2].T).min() >= 0.1
    if name == "arm_push":
        assert np.allclose(goals[:, 2], BOX)
    if name == "arm_pick_place":
        assert 0.4 < (goals[:, 2] > BOX + 1e-6).mean() < 0.6 and goals[:, 2].max() < BOX + 0.3 + 1e-6


# --- how it moves ----------------------------------------------------------------------------------------------------


def test_an_action_moves_the_tip_by_its_share_of_five_centimetres() -> None:
    task = ArmReach()
    actions = np.float32(0.4 * np.concatenate([np.eye(3), -np.eye(3)]))
    states = task.new_states(np.zeros(6, np.uint64))
    for _ in range(5):
        task.step(states, actions)
    task.step(states, 0 * actions)  # the motors catch up
    task.step(states, 0 * actions)
    moved = tips(task.chain, states) - np.array(task.home)
    np.testing.assert_allclose(moved, 5 * STEP * actions, atol=0.01)


@pytest.mark.parametrize("name", ARMS)
def test_the_tip_stays_in_the_workspace(name: str) -> None:
    task = arm(name)
    corners = np.stack(np.meshgrid(*[(-1, 1)] * 3), -1).reshape(-1, 3)
    actions = np.ones((8, task.action_size), np.float32)
    actions[:, :3] = corners
    states = task.new_states(np.zeros(8, np.uint64))
    for _ in range(30):
        task.step(states, actions)
    low, high = np.array(WORKSPACE)
    places = tips(task.chain, states)
    np.testing.assert_allclose(places[:, :2], np.where(corners > 0, high, low)[:, :2], atol=0.02)
    assert (places[:, 2] > low[2] - 0.02).all() and (places[:, 2] < high[2] + 0.02).all()


def test_a_command_that_has_run_away_is_drawn_back_to_its_leash() -> None:
    """So a tip that was held up comes back at once when it is told to."""
    task = ArmReach()
    states = task.new_states(np.zeros(1, np.uint64))
    before = tips(task.chain, states)[0]
    states[0, task.layout.act] = home_angles(task.model, (0.15, -0.15, 0.2))
    task.step(states, np.zeros((1, 3), np.float32))
    commanded = np.zeros_like(states)
    commanded[:, :NUM_JOINTS] = states[:, task.layout.act]
    np.testing.assert_allclose(tips(task.chain, commanded)[0] - before, [LEASH, -LEASH, 0], atol=2e-3)


@pytest.mark.parametrize("friction", [0.3, 0.6, 1.0])
def test_a_box_slides_as_far_as_coulomb_has_it(friction: float) -> None:
    """v^2 / (2 friction g), the table's opinion having no say; the arm stands aside."""
    task = ArmPush()
    states = task.new_states(np.zeros(1, np.uint64))
    states[0, task.parameters["box_friction"].column] = friction
    box, moves = task.layout.qpos.stop - 7, task.layout.qvel.stop - 6
    states[0, box : box + 3], speed = (0.15, -0.15, BOX), 0.6
    states[0, moves] = speed
    for _ in range(25):
        task.step(states, np.zeros((1, 3), np.float32))
    slid = states[0, box] - 0.15
    assert slid == pytest.approx(speed**2 / (2 * friction * 9.81), rel=0.1)
    assert np.abs(states[0, moves : moves + 6]).max() < 0.01 and states[0, box + 2] == pytest.approx(BOX, abs=1e-3)


def test_a_box_that_is_held_is_lifted_and_falls_when_it_is_let_go() -> None:
    task = ArmPickPlace()
    states = task.new_states(np.arange(4, dtype=np.uint64))
    task.set_desired_goals(states, np.tile(np.float32([0, 0, 0.25]), (4, 1)))
    for _ in range(50):
        task.step(states, task.scripted_actions(states))
    assert task.successes(states).all() and (task.achieved_goals(states)[:, 2] > 0.25 - TOLERANCE).all()
    for _ in range(15):
        task.step(states, np.tile(np.float32([0, 0, 0, 1]), (4, 1)))
    assert (task.achieved_goals(states)[:, 2] < 2 * BOX).all() and not task.successes(states).any()


def test_success_is_to_be_within_five_centimetres() -> None:
    task, dense = ArmReach(), ArmReach(dense=True)
    here = np.zeros((3, 3), np.float32)
    there = np.float32([[0.0499, 0, 0], [0, 0.0501, 0], [0.03, 0.03, 0.03]])
    assert task.goal_successes(here, there).tolist() == [True, False, False]
    assert task.rewards(here, there).tolist() == [0, -1, -1]
    np.testing.assert_allclose(dense.rewards(here, there), [-0.0499, -0.0501, -0.03 * 3**0.5], rtol=1e-5)
