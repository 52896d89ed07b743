"""Tasks that MuJoCo simulates: batches of rows against MuJoCo's own single steps, and the models with what varies."""

from __future__ import annotations

import copy
from pathlib import Path

import mujoco
import numpy as np
import pytest
from robot_environments import TASKS, actions_of

import games.robots
from games.robots.simulation import SimulatedTask, load_model

SIMULATED = [name for name in TASKS if isinstance(games.robots.make(name), SimulatedTask)]

CHANGED = {
    "mass": {"body_mass", "body_inertia"},
    "damping": {"dof_damping"},
    "gain": {"actuator_gainprm", "actuator_biasprm"},
    "friction": {"geom_friction"},
}
"""The fields of a model that a parameter changes, by how its name ends."""


def simulated(name: str) -> SimulatedTask:
    task = games.robots.make(name)
    assert isinstance(task, SimulatedTask)
    return task


def data_of(task: SimulatedTask, state: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(task.model)
    for name, columns in task.layout._asdict().items():
        getattr(data, name)[:] = state[columns]
    return data


@pytest.mark.parametrize("name", SIMULATED)
def test_the_columns_of_a_row_are_the_models(name: str) -> None:
    task = simulated(name)
    model, sizes = task.model, [columns.stop - columns.start for columns in task.layout]
    assert sizes == [model.nq, model.nv, model.na, model.nv]
    assert task.control_rate * task.num_substeps * model.opt.timestep == pytest.approx(1)
    assert {parameter.column for parameter in task.parameters.values()} <= set(range(task.layout.size, task.state_size))


@pytest.mark.parametrize("name", SIMULATED)
def test_many_rows_are_stepped_as_mujoco_steps_one(name: str) -> None:
    task, count = simulated(name), 3
    states = task.new_states(np.arange(count, dtype=np.uint64))
    low, high = np.where(task.model.actuator_ctrllimited[:, None], task.model.actuator_ctrlrange, [-1.0, 1.0]).T
    generator = np.random.default_rng(4)
    alone = [data_of(task, state) for state in states]
    for _ in range(10):
        controls = generator.uniform(low, high, (count, task.model.nu))
        task.simulate(states, controls)
        for row, data in enumerate(alone):
            data.ctrl[:] = controls[row]
            mujoco.mj_step(task.model, data, task.num_substeps)
            for part, columns in task.layout._asdict().items():
                np.testing.assert_array_equal(states[row, columns], getattr(data, part))


@pytest.mark.parametrize("name", SIMULATED)
def test_what_varies_is_each_rows_own_and_goes_back(name: str) -> None:
    """Rows with other parameters in between leave no trace on the models."""
    task = simulated(name)
    keys, actions = np.arange(4, dtype=np.uint64), actions_of(task, 4, seed=2)
    nominal, expected, varied = (task.new_states(keys) for _ in range(3))
    ranges = {key: (parameter.low, parameter.high) for key, parameter in task.parameters.items()}
    task.set_parameters(varied, keys, ranges)
    once = varied.copy()
    for _ in range(4):
        task.step(expected, actions)
        task.step(once, actions)
    fresh = simulated(name)
    for _ in range(4):
        fresh.step(nominal, actions)
        fresh.step(varied, actions)
    np.testing.assert_array_equal(nominal, expected)
    np.testing.assert_array_equal(varied, once)


@pytest.mark.parametrize("name", SIMULATED)
def test_a_row_that_varies_is_stepped_as_a_model_of_its_own(name: str) -> None:
    """Whose constants MuJoCo has worked out anew; beside it, and before, stand nominal ones."""
    task, keys = simulated(name), np.arange(3, dtype=np.uint64)
    states = task.new_states(keys)
    actions = actions_of(task, 3, seed=6)
    task.step(states.copy(), actions)
    ranges = {key: (parameter.low, parameter.high) for key, parameter in task.parameters.items()}
    task.set_parameters(states[1:2], keys[1:2], ranges)
    task.reset(states, keys)
    model, data = copy.copy(task.model), data_of(task, states[1])
    task.vary({field: getattr(model, field)[None] for field in task.varied_fields}, states[1:2])
    mujoco.mj_setConst(model, mujoco.MjData(model))
    controls = np.where(model.actuator_ctrllimited, model.actuator_ctrlrange.mean(axis=1), 0.3)
    for _ in range(5):
        task.simulate(states, np.tile(controls, (3, 1)))
        data.ctrl[:] = controls
        mujoco.mj_step(model, data, task.num_substeps)
    np.testing.assert_array_equal(states[1, task.layout.qpos], data.qpos)
    np.testing.assert_array_equal(states[1, task.layout.qvel], data.qvel)


@pytest.mark.parametrize("name", SIMULATED)
def test_nominal_parameters_are_the_models_own(name: str) -> None:
    task = simulated(name)
    states = task.new_states(np.zeros(2, np.uint64))
    fields = {field: np.stack([getattr(task.model, field)] * 2) for field in task.varied_fields}
    before = {field: values.copy() for field, values in fields.items()}
    task.vary(fields, states)
    for field, values in fields.items():
        np.testing.assert_allclose(values, before[field], rtol=1e-12, err_msg=field)


@pytest.mark.parametrize("name", SIMULATED)
def test_a_parameter_changes_the_model_and_twice_the_mass_is_twice_the_inertia(name: str) -> None:
    task = simulated(name)
    for key, parameter in task.parameters.items():
        states = task.new_states(np.zeros(2, np.uint64))
        states[1, parameter.column] *= 2
        fields = {field: np.stack([getattr(task.model, field)] * 2) for field in task.varied_fields}
        task.vary(fields, states)
        changed = {field for field, values in fields.items() if (values[0] != values[1]).any()}
        assert changed == next(expected for ending, expected in CHANGED.items() if key.endswith(ending)), key
        for field in changed:
            nominal, doubled = fields[field]
            np.testing.assert_allclose(doubled[nominal != doubled], 2 * nominal[nominal != doubled])


def test_parts_of_a_model_can_be_left_out() -> None:
    whole, less = load_model("arm"), load_model("arm", ("box", "left_finger", "right_finger"))
    assert whole.nq - less.nq == 7 + 2 and whole.nu - less.nu == 2
    assert less.nbody == whole.nbody - 1, "fingers that do not move are still there"
    assert load_model("arm") is whole


def test_rows_that_mujoco_cannot_step_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it is
    task = simulated("quadruped_walk")
    states = task.new_states(np.zeros(2, np.uint64))
    states[1, task.layout.qvel] = 1e12
    with pytest.warns(RuntimeWarning, match="quadruped_walk: MuJoCo warned"):
        task.step(states, np.zeros((2, task.action_size), np.float32))
    expected = task.new_states(np.zeros(1, np.uint64))
    task.step(expected, np.zeros((1, task.action_size), np.float32))
    np.testing.assert_array_equal(states[0], expected[0], "its neighbour goes on as if nothing had been")
