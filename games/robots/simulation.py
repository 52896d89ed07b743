"""Tasks whose physics is MuJoCo's: state rows in, state rows out, many at once.

A row begins with what MuJoCo has to know to go on to the last bit: positions, velocities, activations of the motors and
the accelerations that its solver starts from. The columns after these are the task's own.
"""

from __future__ import annotations

import functools
import threading
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import mujoco
import numpy as np
import numpy.typing as npt
from mujoco.batch import Batch

from games.robots.rendering import camera_of
from games.robots.task import RowArray, SpatialTask

if TYPE_CHECKING:
    from games.robots.drawing import Canvas

Fields = Mapping[str, npt.NDArray[np.float64]]
"""Fields of a MuJoCo model by name, with a value for each row: [n, ...] where the model has [...]."""

_MODELS = Path(__file__).resolve().parent / "models"


class Layout(NamedTuple):
    """Where MuJoCo's parts of a state stand in a row."""

    qpos: slice
    qvel: slice
    act: slice
    qacc_warmstart: slice

    @property
    def size(self) -> int:
        """The column after the last of them."""
        return int(self.qacc_warmstart.stop)


def layout_of(num_positions: int, num_velocities: int, num_activations: int) -> Layout:
    """Of a model with MuJoCo's sizes nq, nv and na."""
    ends = np.cumsum([0, num_positions, num_velocities, num_activations, num_velocities]).tolist()
    return Layout(*map(slice, ends[:-1], ends[1:]))


@functools.cache
def load_model(name: str, without: tuple[str, ...] = ()) -> mujoco.MjModel:
    """The model of `models/NAME.xml`, less the bodies, and the joints with their motors, that `without` names."""
    spec = mujoco.MjSpec.from_file(str(_MODELS / f"{name}.xml"))
    for part in without:
        if spec.joint(part) is None:
            spec.delete(spec.body(part))
        else:
            spec.delete(spec.actuator(part))
            spec.delete(spec.joint(part))
    return spec.compile()


class _Simulator:
    """Room for a number of rows of one model. It remembers nothing of what it stepped but what parameters it holds."""

    def __init__(self, model: mujoco.MjModel, num_rows: int, layout: Layout, fields: Iterable[str]) -> None:
        self.num_rows = num_rows
        self._batch = Batch(model, num_rows, nthread=1)
        self._parts = [(self._batch.bind(name), columns) for name, columns in layout._asdict().items()]
        self._controls = self._batch.bind("ctrl")
        self._time = self._batch.bind("time")
        self._fields = {name: self._batch.expand(name) for name in fields}
        self._parameters: npt.NDArray[np.float64] | None = None

    def advance(self, states: RowArray, controls: npt.NDArray[np.float64], num_steps: int) -> int:
        """Step `states` [n, S] in place under `controls` [n, number of motors]; returns how often MuJoCo warned."""
        count = len(states)
        for part, columns in self._parts:
            part[:count] = states[:, columns]
        self._controls[:count] = controls
        self._time[:count] = 0.0
        self._batch.warning[:count] = 0
        self._batch.step(np.arange(count, dtype=np.int32), num_steps)
        for part, columns in self._parts:
            states[:, columns] = part[:count]
        return int(self._batch.warning[:count, :, 1].sum())

    def vary(self, task: SimulatedTask, states: RowArray) -> None:
        """Have the models of the first rows be those of `states` [n, S], unless they are already."""
        columns = [parameter.column for parameter in task.parameters.values()]
        asked, held = states[:, columns], self._parameters
        if held is None:
            held = self._parameters = np.full((self.num_rows, len(columns)), np.nan)
        other = np.flatnonzero((held[: len(states)] != asked).any(axis=1)).astype(np.int32)
        if len(other):
            task.vary({name: field[: len(states)] for name, field in self._fields.items()}, states)
            self._batch.set_const(other)
            held[: len(states)] = asked


class _PerThread(threading.local):
    """The simulator of a task in this thread: one serves one thread. Another process begins without."""

    simulator: _Simulator | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _PerThread, ()


class SimulatedTask(SpatialTask):
    """A task on a MuJoCo model; it tells `load`, what its parameters change, and its own columns."""

    layout: ClassVar[Layout]
    num_substeps: ClassVar[int]
    """Time steps of the model in a control period."""
    varied_fields: ClassVar[tuple[str, ...]]
    """The fields of the model that parameters change."""

    costly_steps = True
    in_perspective = True
    view = (0.0, 0.0, 4.0, 3.0)  # pictures are the camera's: of this, their shape alone counts

    @classmethod
    @abstractmethod
    def load(cls) -> mujoco.MjModel:
        """The model; the same object at each call."""

    @abstractmethod
    def vary(self, fields: Fields, states: RowArray) -> None:
        """Write what the parameters of `states` [n, S] make of the model's fields, those of `varied_fields`."""

    @abstractmethod
    def mark(self, data: mujoco.MjData, state: npt.NDArray[np.float64]) -> None:
        """Place what only pictures show, such as the goal of a state [S], before one is taken."""

    # --- the same for every simulated task --------------------------------------------------------------------------

    @property
    def model(self) -> mujoco.MjModel:
        return self.load()

    @functools.cached_property
    def _thread(self) -> _PerThread:
        return _PerThread()

    def simulate(self, states: RowArray, controls: npt.NDArray[np.float64]) -> None:
        """One control period of `states` [n, S], in place, under `controls` [n, number of motors] of the model's.

        Warns (RuntimeWarning) where MuJoCo did: it then went on from its default pose.
        """
        simulator = self._thread.simulator
        if simulator is None or simulator.num_rows < len(states):
            simulator = _Simulator(self.model, len(states), self.layout, self.varied_fields)
            self._thread.simulator = simulator
        simulator.vary(self, states)
        num_warnings = simulator.advance(states, controls, self.num_substeps)
        if num_warnings:
            warnings.warn(f"{self.name}: MuJoCo warned {num_warnings} times in a step", RuntimeWarning, stacklevel=2)

    def vary_mass(self, fields: Fields, body: str, masses: npt.NDArray[np.float64]) -> None:
        """Give a body `masses` [n] in kg, its shape and density's distribution being what they are."""
        index = self.model.body(body).id
        fields["body_mass"][:, index] = masses
        share = masses / self.model.body_mass[index]
        fields["body_inertia"][:, index] = share[:, None] * self.model.body_inertia[index]

    def vary_motors(
        self,
        fields: Fields,
        motors: slice,
        joints: slice,
        gains: npt.NDArray[np.float64],
        dampings: npt.NDArray[np.float64],
    ) -> None:
        """Give motors, and the joints that they move, by their places among the model's motors and velocities, so many
        times their gain and damping: `gains` [n], `dampings` [n]."""
        fields["dof_damping"][:, joints] = dampings[:, None] * self.model.dof_damping[joints]
        for name in ("actuator_gainprm", "actuator_biasprm"):
            fields[name][:, motors] = gains[:, None, None] * getattr(self.model, name)[motors]

    def draw(self, canvas: Canvas, state: npt.NDArray[np.float64]) -> None:
        canvas.image(camera_of(self.model, canvas.is_small).pixels(self._data(state)))

    def depths(self, state: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        return camera_of(self.model).depths(self._data(state))

    def _data(self, state: npt.NDArray[np.float64]) -> mujoco.MjData:
        data = mujoco.MjData(self.model)
        data.qpos[:] = state[self.layout.qpos]
        mujoco.mj_forward(self.model, data)
        self.mark(data, state)
        return data
