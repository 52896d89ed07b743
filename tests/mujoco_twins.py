"""Robots of games/robots as MuJoCo models of our own: the judges of physics that is written out by hand."""

from __future__ import annotations

import mujoco
import numpy as np

TIMESTEP = 0.001  # s, with MuJoCo's fourth-order Runge-Kutta

_MODEL = """
<mujoco>
  <compiler angle="radian"/>
  <option timestep="{timestep}" integrator="RK4" gravity="0 0 {gravity}"><flag contact="disable"/></option>
  <worldbody>{bodies}</worldbody>
  <actuator>{actuators}</actuator>
</mujoco>
"""


def load(bodies: str, actuators: str = "", gravity: float = 0.0) -> tuple[mujoco.MjModel, mujoco.MjData]:
    text = _MODEL.format(timestep=TIMESTEP, gravity=gravity, bodies=bodies, actuators=actuators)
    model = mujoco.MjModel.from_xml_string(text)
    return model, mujoco.MjData(model)


def arm(
    name: str,
    lengths: tuple[float, float],
    masses: tuple[float, float],
    rotors: tuple[float, float],
    payload: float = 0.0,
    place: str = 'pos="0 0 0"',
) -> str:
    """The bodies of a planar arm whose links are uniform rods, with joints `name`1 and `name`2."""
    (length_1, length_2), (mass_1, mass_2) = lengths, masses
    carried = (
        f'<body pos="{length_2} 0 0"><inertial pos="0 0 0" mass="{payload}" diaginertia="1e-9 1e-9 1e-9"/></body>'
        if payload
        else ""
    )
    return f"""
    <body {place}>
      <joint name="{name}1" type="hinge" axis="0 0 1" armature="{rotors[0]}"/>
      {_rod(length_1, mass_1)}
      <body pos="{length_1} 0 0">
        <joint name="{name}2" type="hinge" axis="0 0 1" armature="{rotors[1]}"/>
        {_rod(length_2, mass_2)}
        {carried}
      </body>
    </body>"""


def servos(name: str, gains: tuple[float, float]) -> str:
    return "".join(f'<velocity joint="{name}{joint + 1}" kv="{gain}"/>' for joint, gain in enumerate(gains))


def run(model: mujoco.MjModel, data: mujoco.MjData, controls: np.ndarray, seconds: float) -> None:
    """`seconds` under constant `controls`."""
    data.ctrl[:] = controls
    for _ in range(round(seconds / TIMESTEP)):
        mujoco.mj_step(model, data)


def _rod(length: float, mass: float) -> str:
    inertia = mass * length**2 / 12
    return f'<inertial pos="{length / 2} 0 0" mass="{mass}" diaginertia="{inertia * 0.01} {inertia} {inertia}"/>'
