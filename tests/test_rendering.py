"""Pictures of MuJoCo's models: depth against rays, which library draws, and what is said where none does."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import gymnasium
import mujoco
import numpy as np
import pytest
from robot_environments import IDS, make, needs_pictures

import games.robots
from games.robots import rendering
from games.robots.arm_push import ArmPush, ArmPushEnv
from games.robots.rendering import PICTURE_SIZE, Camera, NoPictures
from games.robots.simulation import load_model
from games.robots.task import SpatialTask

pytestmark = pytest.mark.plain_only  # what draws is not compiled


def test_depth_is_what_rays_measure() -> None:
    """From the eye through the middle of pixels, along the camera's axis, as MuJoCo's collision geometry has it."""
    needs_pictures("arm_push")
    task = ArmPush()
    data = mujoco.MjData(task.model)
    data.qpos[:] = task.new_states(np.zeros(1, np.uint64))[0, task.layout.qpos]
    mujoco.mj_forward(task.model, data)
    data.site("goal").xpos[:] = 0, 0, -1  # under the table: rays do not meet sites
    depths = Camera(task.model).depths(data)
    width, height = PICTURE_SIZE
    assert depths.shape == (height, width) and depths.dtype == np.float32
    camera = task.model.camera("view")
    axes, focal = data.cam("view").xmat.reshape(3, 3), 0.5 * height / np.tan(0.5 * np.radians(camera.fovy[0]))
    agreed = 0
    for row in range(20, height, 40):
        for column in range(20, width, 40):
            along = np.array([(column + 0.5 - width / 2) / focal, (height / 2 - row - 0.5) / focal, -1.0])
            way = axes @ along
            met = np.full(1, -1, np.int32)
            distance = mujoco.mj_ray(task.model, data, data.cam("view").xpos, way, None, 1, -1, met, None)
            if distance > 0:  # in units of `way`, whose part along the axis is 1
                agreed += abs(depths[row, column] - distance) < 0.01 * distance
            else:
                assert depths[row, column] > 5, "nothing there"
                agreed += 1
    assert agreed >= 0.96 * 9 * 12, "but for edges, which two ways of looking see in other pixels"


@pytest.mark.parametrize("name", [name for name in IDS if isinstance(make(name).task, SpatialTask)])
def test_environments_give_depth(name: str) -> None:
    """Those of one and of many, each pixel of the picture in metres."""
    needs_pictures(games.robots.ENVIRONMENTS[name].task)
    one = gymnasium.make(name, render_mode="depth_array")
    many = gymnasium.make_vec(name, 2, vectorization_mode="vector_entry_point", render_mode="depth_array")
    one.reset(seed=3)
    many.reset(seed=3)
    depths, both = one.render(), many.render()
    assert isinstance(depths, np.ndarray) and both is not None and len(both) == 2
    assert depths.dtype == np.float32 and depths.shape == PICTURE_SIZE[::-1]
    np.testing.assert_array_equal(depths, both[0])
    assert 0.3 < depths.min() < 3.5 and np.isfinite(depths).all()
    many.action_space.seed(3)
    for _ in range(5):
        many.step(many.action_space.sample())
    moved = many.render()
    assert moved is not None and all((after != before).any() for before, after in zip(both, moved, strict=True))


def test_each_thread_has_a_camera_of_its_own() -> None:
    needs_pictures("arm_push")
    env, drawn = ArmPushEnv(render_mode="rgb_array"), []
    env.reset(seed=1)
    drawn.append(env.render())
    thread = threading.Thread(target=lambda: drawn.append(env.render()))
    thread.start()
    thread.join()
    drawn.append(env.render())
    for picture in drawn[1:]:
        np.testing.assert_array_equal(drawn[0], picture)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What was found out about libraries is found out anew, before and after."""
    rendering.library.cache_clear()
    yield
    rendering.library.cache_clear()


def test_the_first_library_that_draws_is_taken(forgotten: None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = rendering.library()
    if found is None:
        pytest.skip("nothing draws here: on Debian, apt-get install libegl1 libgl1-mesa-dri")
    rendering.library.cache_clear()
    monkeypatch.setattr(rendering, "_LIBRARIES", ("mujoco.not_there", found))
    assert rendering.library() == found


def test_where_nothing_draws_pictures_are_refused_and_physics_goes_on(
    forgotten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "_LIBRARIES", ("mujoco.not_there",))
    with pytest.raises(NoPictures, match="neither EGL nor OSMesa draws here; on Debian, apt-get install libegl1"):
        Camera(load_model("arm"))
    env = ArmPushEnv()
    env.reset(seed=0)
    env.step(np.zeros(3, np.float32))
