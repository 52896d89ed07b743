"""Pictures of MuJoCo models, without a desktop. Nothing here is needed for physics."""

from __future__ import annotations

import copy
import functools
import importlib
import subprocess
import sys
import threading
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

PICTURE_SIZE = 480, 360
"""Width and height of a picture in pixels."""
SMALL_SIZE = 240, 180
"""The same of a small one, which takes a fifth of the time: in software, shadows and smooth edges take the most."""
_SMALL_SHADOWS = 512

# Each has a GLContext: by a GPU or Mesa without a desktop, in software, and whatever MUJOCO_GL or the platform means.
_LIBRARIES = ("mujoco.egl", "mujoco.osmesa", "mujoco.gl_context")
_MAX_GEOMS = 500


class NoPictures(RuntimeError):
    """No OpenGL library draws here. One line, for people."""


@functools.cache
def library() -> str | None:
    """The module of the first OpenGL library that works here, or None. Each is tried in a process of its own: an
    attempt that fails leaves settings behind that would spoil the next."""
    for name in _LIBRARIES:
        attempt = f"from {name} import GLContext; GLContext(8, 8).make_current()"
        if subprocess.run([sys.executable, "-c", attempt], capture_output=True).returncode == 0:
            return name
    return None


class Camera:
    """Takes pictures of one model through its camera `view`."""

    def __init__(self, model: mujoco.MjModel, *, small: bool = False) -> None:
        """`small` pictures have `SMALL_SIZE`, and coarser shadows. Raises NoPictures where nothing can be drawn."""
        found = library()
        if found is None:
            raise NoPictures(
                "no pictures: neither EGL nor OSMesa draws here; on Debian, apt-get install libegl1 libgl1-mesa-dri"
            )
        self.size = SMALL_SIZE if small else PICTURE_SIZE
        self._model = copy.copy(model)
        if small:
            self._model.vis.quality.shadowsize, self._model.vis.quality.offsamples = _SMALL_SHADOWS, 0
        self._context = importlib.import_module(found).GLContext(*self.size)
        with self._context.as_current():
            self._target = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._target)
        self._target.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(self._model, _MAX_GEOMS)
        self._options = mujoco.MjvOption()
        self._eye = mujoco.MjvCamera()
        self._eye.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._eye.fixedcamid = model.camera("view").id

    def pixels(self, data: mujoco.MjData) -> npt.NDArray[np.uint8]:
        """[height, width, 3] uint8."""
        width, height = self.size
        pixels = np.empty((height, width, 3), np.uint8)
        self._take(data, pixels, None)
        return np.ascontiguousarray(pixels[::-1])

    def depths(self, data: mujoco.MjData) -> npt.NDArray[np.float32]:
        """[height, width] float32: how far away, along the camera's axis, the nearest thing is, in m; at most where the
        model's pictures end."""
        width, height = self.size
        depths = np.empty((height, width), np.float32)
        self._take(data, None, depths)
        near = self._model.vis.map.znear * self._model.stat.extent
        far = self._model.vis.map.zfar * self._model.stat.extent
        # The buffer holds 1 at `near` and 0 at `far`, and is linear in 1 / depth.
        metres = 1.0 / (1.0 / far + depths[::-1].astype(np.float64) * (1.0 / near - 1.0 / far))
        return np.ascontiguousarray(metres, np.float32)

    def _take(self, data: mujoco.MjData, pixels: Any, depths: Any) -> None:
        every = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._eye, every, self._scene)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX.value] = depths is None  # the sky is a box, and has no depth
        area = mujoco.MjrRect(0, 0, *self.size)
        with self._context.as_current():
            mujoco.mjr_render(area, self._scene, self._target)
            mujoco.mjr_readPixels(pixels, depths, area, self._target)


class _PerThread(threading.local):
    """An OpenGL context belongs to the thread that made it."""

    def __init__(self) -> None:
        self.cameras: dict[tuple[int, bool], Camera] = {}


_THREAD = _PerThread()


def camera_of(model: mujoco.MjModel, small: bool = False) -> Camera:
    """This thread's camera for `model`, which is kept: models are few. Raises NoPictures where nothing can be drawn."""
    key = id(model), small
    if key not in _THREAD.cameras:
        _THREAD.cameras[key] = Camera(model, small=small)
    return _THREAD.cameras[key]
