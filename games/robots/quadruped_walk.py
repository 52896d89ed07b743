"""QuadrupedWalk: a robot with four legs walks at the velocity that it is told."""

from __future__ import annotations

import math
from typing import ClassVar

import mujoco
import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray
from games.compiled import inlined, njit
from games.random import uniform
from games.robots.environment import TaskEnv
from games.robots.scalars import between, clip
from games.robots.simulation import Fields, SimulatedTask, layout_of, load_model
from games.robots.task import Parameter, RowArray
from games.robots.trot import NUM_LEGS, Motion, leg_angles, trot_foot
from games.robots.vector import TaskVectorEnv

RATE = 50  # Hz
NUM_JOINTS = 12
LAYOUT = layout_of(7 + NUM_JOINTS, 6 + NUM_JOINTS, NUM_JOINTS)
HEIGHT, QUATERNION, JOINTS = 2, 3, 7  # columns of the trunk's height, its quaternion, the joints' angles
VELOCITY, JOINT_SPEEDS, TARGETS = LAYOUT.qvel.start, LAYOUT.qvel.start + 6, LAYOUT.act.start
WANTED = LAYOUT.size  # column of the wanted velocity: m/s forward and left, rad/s
NUM_STEPS = WANTED + 3  # column of the number of steps since the start, by which the script trots
TRUNK_MASS, LEG_MASS, FRICTION, DAMPING, GAIN = range(NUM_STEPS + 1, NUM_STEPS + 6)

HOME = (0.0, 0.75, -1.5)  # rad: abduction, hip and knee where the actions are 0
SPAN = (0.5, 0.75, 0.75)  # rad to either side that the actions reach
START_HEIGHT = 0.3127  # m, the feet touching the floor
SLOWEST, FASTEST, SIDEWAYS, TURN = 0.3, 0.8, 0.2, 0.5  # m/s, m/s, m/s, rad/s: of what is wanted
TOLERANCE = 0.2  # m/s
LOWEST, MOST_TILTED = 0.16, 0.5  # m, and the cosine of 60 degrees: beyond, it has fallen
SPEED_LIMIT, SPIN_LIMIT, JOINT_SPEED_LIMIT = 5.0, 20.0, 50.0  # m/s, rad/s, rad/s: what is seen of more
_SPEED_SCALE, _TURN_SCALE = 0.1, 0.25  # (m/s)^2 and (rad/s)^2 that are missed for 1 / e of the reward

_BOUNDS = (
    *(SPEED_LIMIT,) * 3,
    *(SPIN_LIMIT,) * 3,
    *(1.0,) * 3,
    *(FASTEST, SIDEWAYS, TURN),
    *(math.pi,) * NUM_JOINTS,
    *(JOINT_SPEED_LIMIT,) * NUM_JOINTS,
    *(1.0,) * NUM_JOINTS,
)


@inlined
def along_body(state: npt.NDArray[np.float64], x: float, y: float, z: float) -> tuple[float, float, float]:
    """A vector of the world along the trunk's own axes: v - 2 u x (w v - u x v) for the trunk's quaternion (w, u)."""
    w, a, b, c = state[QUATERNION], state[QUATERNION + 1], state[QUATERNION + 2], state[QUATERNION + 3]
    p, q, r = w * x - (b * z - c * y), w * y - (c * x - a * z), w * z - (a * y - b * x)
    return x - 2.0 * (b * r - c * q), y - 2.0 * (c * p - a * r), z - 2.0 * (a * q - b * p)


@inlined
def motion_of(state: npt.NDArray[np.float64]) -> Motion:
    forward, left, _ = along_body(state, state[VELOCITY], state[VELOCITY + 1], state[VELOCITY + 2])
    return Motion(forward, left, state[VELOCITY + 5], state[VELOCITY + 3], state[VELOCITY + 4])


@inlined
def has_fallen(state: npt.NDArray[np.float64]) -> bool:
    _, _, upright = along_body(state, 0.0, 0.0, 1.0)
    return state[HEIGHT] < LOWEST or upright < MOST_TILTED


@inlined
def _missed(state: npt.NDArray[np.float64]) -> tuple[float, float]:
    """(m/s, rad/s) between what is wanted and what is."""
    motion = motion_of(state)
    speed = math.hypot(state[WANTED] - motion.forward, state[WANTED + 1] - motion.left)
    return speed, abs(state[WANTED + 2] - motion.turn)


@njit
def _rewards(states: RowArray, rewards: FloatArray, fallen: BoolArray) -> None:
    for row in range(len(states)):
        state = states[row]
        speed, turn = _missed(state)
        fallen[row] = has_fallen(state)
        tracked = 0.75 * math.exp(-speed * speed / _SPEED_SCALE) + 0.25 * math.exp(-turn * turn / _TURN_SCALE)
        rewards[row] = 0.0 if fallen[row] else tracked


@njit
def _successes(states: RowArray, successes: BoolArray) -> None:
    for row in range(len(states)):
        successes[row] = _missed(states[row])[0] < TOLERANCE and not has_fallen(states[row])


@njit
def _reset(states: RowArray, keys: HashArray) -> None:
    for row in range(len(states)):
        state, key = states[row], keys[row]
        state[:TRUNK_MASS] = 0.0
        heading = between(-math.pi, math.pi, uniform(key, np.uint64(0)))
        state[HEIGHT] = START_HEIGHT
        state[QUATERNION], state[QUATERNION + 3] = math.cos(0.5 * heading), math.sin(0.5 * heading)
        for joint in range(NUM_JOINTS):
            angle = HOME[joint % 3]
            state[TARGETS + joint] = angle
            state[JOINTS + joint] = angle + between(-0.05, 0.05, uniform(key, np.uint64(4 + joint)))
        state[WANTED] = np.float32(between(SLOWEST, FASTEST, uniform(key, np.uint64(1))))
        state[WANTED + 1] = np.float32(between(-SIDEWAYS, SIDEWAYS, uniform(key, np.uint64(2))))
        state[WANTED + 2] = np.float32(between(-TURN, TURN, uniform(key, np.uint64(3))))


@njit
def _observe(states: RowArray, observations: FloatArray) -> None:
    for row in range(len(states)):
        state, seen = states[row], observations[row]
        seen[0], seen[1], seen[2] = along_body(state, state[VELOCITY], state[VELOCITY + 1], state[VELOCITY + 2])
        seen[6], seen[7], seen[8] = along_body(state, 0.0, 0.0, 1.0)
        for axis in range(3):
            seen[3 + axis] = state[VELOCITY + 3 + axis]
            seen[9 + axis] = state[WANTED + axis]
        for joint in range(NUM_JOINTS):
            home, span = HOME[joint % 3], SPAN[joint % 3]
            seen[12 + joint] = state[JOINTS + joint] - home
            seen[24 + joint] = state[JOINT_SPEEDS + joint]
            seen[36 + joint] = (state[TARGETS + joint] - home) / span


@njit
def _script(states: RowArray, actions: FloatArray) -> None:
    """Trot."""
    for row in range(len(states)):
        state = states[row]
        wanted = Motion(state[WANTED], state[WANTED + 1], state[WANTED + 2], 0.0, 0.0)
        for leg in range(NUM_LEGS):
            x, y, z = trot_foot(leg, state[NUM_STEPS] / RATE, wanted, motion_of(state))
            angles = leg_angles(leg, x, y, z)
            for joint in range(3):
                share = (angles[joint] - HOME[joint]) / SPAN[joint]
                actions[row, 3 * leg + joint] = clip(share, -1.0, 1.0)


class QuadrupedWalk(SimulatedTask):
    """The task on state rows; `QuadrupedWalkEnv` tells its observations, actions and rewards."""

    name = "quadruped_walk"
    layout = LAYOUT
    state_size = GAIN + 1
    action_size = NUM_JOINTS
    observation_low = tuple(-bound for bound in _BOUNDS)
    observation_high = _BOUNDS
    control_rate = RATE
    num_substeps = 4
    max_episode_steps = 500
    discount = 0.98
    value_range = (0.0, 50.0)
    parameters: ClassVar = {
        "trunk_mass": Parameter(TRUNK_MASS, 6.0, 4.5, 8.0, "kg"),
        "leg_mass": Parameter(LEG_MASS, 1.0, 0.8, 1.2, "of nominal"),
        "friction": Parameter(FRICTION, 0.8, 0.5, 1.2, "of force"),
        "joint_damping": Parameter(DAMPING, 1.0, 0.5, 2.0, "of nominal"),
        "servo_gain": Parameter(GAIN, 1.0, 0.8, 1.2, "of nominal"),
    }
    varied_fields: ClassVar[tuple[str, ...]] = (
        "body_mass",
        "body_inertia",
        "geom_friction",
        "dof_damping",
        "actuator_gainprm",
        "actuator_biasprm",
    )

    @classmethod
    def load(cls) -> mujoco.MjModel:
        return load_model("quadruped")

    def reset(self, states: RowArray, keys: HashArray) -> None:
        _reset(states, keys)

    def step(self, states: RowArray, actions: FloatArray) -> tuple[FloatArray, BoolArray]:
        home, span = np.array(HOME * NUM_LEGS), np.array(SPAN * NUM_LEGS)
        self.simulate(states, home + span * np.clip(actions, -1.0, 1.0))
        states[:, NUM_STEPS] += 1.0
        rewards, fallen = np.empty(len(states), np.float32), np.empty(len(states), np.bool_)
        _rewards(states, rewards, fallen)
        return rewards, fallen

    def observe(self, states: RowArray, observations: FloatArray) -> None:
        _observe(states, observations)
        np.clip(observations, self.observation_low, self.observation_high, out=observations)

    def successes(self, states: RowArray) -> BoolArray:
        found = np.empty(len(states), np.bool_)
        _successes(states, found)
        return found

    def scripted_actions(self, states: RowArray) -> FloatArray:
        actions = np.empty((len(states), NUM_JOINTS), np.float32)
        _script(states, actions)
        return actions

    def vary(self, fields: Fields, states: RowArray) -> None:
        self.vary_mass(fields, "trunk", states[:, TRUNK_MASS])
        for body in range(self.model.body("trunk").id + 1, self.model.nbody):
            name = self.model.body(body).name
            self.vary_mass(fields, name, states[:, LEG_MASS] * self.model.body_mass[body])
        touching = self.model.geom_priority == 1  # the trunk, the kneecaps and the feet
        fields["geom_friction"][:, touching, 0] = states[:, FRICTION, None]
        motors, joints = slice(0, NUM_JOINTS), slice(6, 6 + NUM_JOINTS)
        self.vary_motors(fields, motors, joints, states[:, GAIN], states[:, DAMPING])

    def mark(self, data: mujoco.MjData, state: npt.NDArray[np.float64]) -> None:
        """The place on the floor where the middle of the trunk would be a second later at the velocity wanted."""
        forward, left = state[WANTED : WANTED + 2]
        heading = math.atan2(*data.xmat[self.model.body("trunk").id][[3, 0]])
        cosine, sine = math.cos(heading), math.sin(heading)
        x, y = data.qpos[:2]
        data.site("wanted").xpos[:] = x + cosine * forward - sine * left, y + sine * forward + cosine * left, 0.01


class QuadrupedWalkEnv(TaskEnv):
    """
    ## Description

    A robot of 12 kg on four legs walks at a velocity that it is told: forward, to the left, and turning. Each leg has
    an abduction joint, a hip and a knee; feet, kneecaps and trunk touch the floor. MuJoCo simulates it
    (`models/quadruped.xml`, 4 steps of 5 ms a control period). The axes are the trunk's own: x forward, y to the left,
    z up. Observations are in the order of legged_gym's (Rudin, Hoeller, Reist and Hutter, "Learning to walk in minutes
    using massively parallel deep reinforcement learning", 2021), but in SI units.

    ## Action Space

    `Box(-1, 1, (12,), float32)`, 50 times a second: the angles that the joints are brought to, in which motors follow
    with a lag of 20 ms. At 0 the robot stands.

    | Num | Action                   | Min | Max | Stands for             |
    |-----|---------------------------|-----|-----|------------------------|
    | 0   | front left abduction     | -1  | 1   | -0.5 rad to 0.5 rad    |
    | 1   | front left hip           | -1  | 1   | 0 rad to 1.5 rad       |
    | 2   | front left knee          | -1  | 1   | -2.25 rad to -0.75 rad |
    | 3   | front right abduction    | -1  | 1   | -0.5 rad to 0.5 rad    |
    | 4   | front right hip          | -1  | 1   | 0 rad to 1.5 rad       |
    | 5   | front right knee         | -1  | 1   | -2.25 rad to -0.75 rad |
    | 6   | rear left abduction      | -1  | 1   | -0.5 rad to 0.5 rad    |
    | 7   | rear left hip            | -1  | 1   | 0 rad to 1.5 rad       |
    | 8   | rear left knee           | -1  | 1   | -2.25 rad to -0.75 rad |
    | 9   | rear right abduction     | -1  | 1   | -0.5 rad to 0.5 rad    |
    | 10  | rear right hip           | -1  | 1   | 0 rad to 1.5 rad       |
    | 11  | rear right knee          | -1  | 1   | -2.25 rad to -0.75 rad |

    ## Observation Space

    `Box(float32)` of 48 numbers. Angles are from where the robot stands; targets are the angles that the motors follow
    just now, as actions have them. What lies beyond a bound is seen as the bound.

    | Num | Observation                                 | Min     | Max    | Unit  |
    |-----|---------------------------------------------|---------|--------|-------|
    | 0   | velocity of the trunk forward               | -5      | 5      | m/s   |
    | 1   | velocity of the trunk to the left           | -5      | 5      | m/s   |
    | 2   | velocity of the trunk up                    | -5      | 5      | m/s   |
    | 3   | turning of the trunk about x                | -20     | 20     | rad/s |
    | 4   | turning of the trunk about y                | -20     | 20     | rad/s |
    | 5   | turning of the trunk about z                | -20     | 20     | rad/s |
    | 6   | the world's upward direction along x        | -1      | 1      |       |
    | 7   | the world's upward direction along y        | -1      | 1      |       |
    | 8   | the world's upward direction along z        | -1      | 1      |       |
    | 9   | wanted velocity forward                     | -0.8    | 0.8    | m/s   |
    | 10  | wanted velocity to the left                 | -0.2    | 0.2    | m/s   |
    | 11  | wanted turning about z                      | -0.5    | 0.5    | rad/s |
    | 12  | front left abduction, from its rest         | -pi     | pi     | rad   |
    | 13  | front left hip, from its rest               | -pi     | pi     | rad   |
    | 14  | front left knee, from its rest              | -pi     | pi     | rad   |
    | 15  | front right abduction, from its rest        | -pi     | pi     | rad   |
    | 16  | front right hip, from its rest              | -pi     | pi     | rad   |
    | 17  | front right knee, from its rest             | -pi     | pi     | rad   |
    | 18  | rear left abduction, from its rest          | -pi     | pi     | rad   |
    | 19  | rear left hip, from its rest                | -pi     | pi     | rad   |
    | 20  | rear left knee, from its rest               | -pi     | pi     | rad   |
    | 21  | rear right abduction, from its rest         | -pi     | pi     | rad   |
    | 22  | rear right hip, from its rest               | -pi     | pi     | rad   |
    | 23  | rear right knee, from its rest              | -pi     | pi     | rad   |
    | 24  | speed of the front left abduction           | -50     | 50     | rad/s |
    | 25  | speed of the front left hip                 | -50     | 50     | rad/s |
    | 26  | speed of the front left knee                | -50     | 50     | rad/s |
    | 27  | speed of the front right abduction          | -50     | 50     | rad/s |
    | 28  | speed of the front right hip                | -50     | 50     | rad/s |
    | 29  | speed of the front right knee               | -50     | 50     | rad/s |
    | 30  | speed of the rear left abduction            | -50     | 50     | rad/s |
    | 31  | speed of the rear left hip                  | -50     | 50     | rad/s |
    | 32  | speed of the rear left knee                 | -50     | 50     | rad/s |
    | 33  | speed of the rear right abduction           | -50     | 50     | rad/s |
    | 34  | speed of the rear right hip                 | -50     | 50     | rad/s |
    | 35  | speed of the rear right knee                | -50     | 50     | rad/s |
    | 36  | target of the front left abduction          | -1      | 1      |       |
    | 37  | target of the front left hip                | -1      | 1      |       |
    | 38  | target of the front left knee               | -1      | 1      |       |
    | 39  | target of the front right abduction         | -1      | 1      |       |
    | 40  | target of the front right hip               | -1      | 1      |       |
    | 41  | target of the front right knee              | -1      | 1      |       |
    | 42  | target of the rear left abduction           | -1      | 1      |       |
    | 43  | target of the rear left hip                 | -1      | 1      |       |
    | 44  | target of the rear left knee                | -1      | 1      |       |
    | 45  | target of the rear right abduction          | -1      | 1      |       |
    | 46  | target of the rear right hip                | -1      | 1      |       |
    | 47  | target of the rear right knee               | -1      | 1      |       |

    ## Rewards

    At each step 0.75 exp(-v^2 / 0.1) + 0.25 exp(-w^2 / 0.25), where v is how far, in m/s, the horizontal velocity is
    from the wanted one, and w, in rad/s, the turning about z: from 0 to 1. 0 for a fall. Success is not to have fallen,
    and v below 0.2 m/s.

    ## Starting State

    Standing in any direction, the joints within 0.05 rad of their rest. The wanted velocity is 0.3 to 0.8 m/s forward,
    within 0.2 m/s to a side, and turning within 0.5 rad/s; it stays for the episode.

    ## Episode End

    It terminates with a fall: where the trunk's middle is below 0.16 m, or it leans by more than 60 degrees. It is
    truncated after 500 steps (10 s).

    ## Options of reset

    `options={"randomize": True}` draws the parameters from the ranges below, `options={"randomize": {"trunk_mass": (5,
    9)}}` those that are named from other ranges; they are told in `info["parameters"]`.

    | Parameter       | Nominal | Low | High | Unit       |
    |-----------------|---------|-----|------|------------|
    | `trunk_mass`    | 6       | 4.5 | 8    | kg         |
    | `leg_mass`      | 1       | 0.8 | 1.2  | of nominal |
    | `friction`      | 0.8     | 0.5 | 1.2  | of force   |
    | `joint_damping` | 1       | 0.5 | 2    | of nominal |
    | `servo_gain`    | 1       | 0.8 | 1.2  | of nominal |
    """

    task_class = QuadrupedWalk


class QuadrupedWalkVectorEnv(TaskVectorEnv):
    """Many `QuadrupedWalkEnv` in one."""

    task_class = QuadrupedWalk
