"""Another process that resets and goes on with robots: prints what becomes of each environment, as JSON.

In: {"ID": {"seed": 3, "state": "hexadecimal", "actions": [[...], ...]}}. Out: {"ID": ["state after the reset", "state
after all actions from the given one"]}, hexadecimal too.
"""

from __future__ import annotations

import json
import sys

import gymnasium
import numpy as np

import games.robots  # noqa: F401  # registers the environments

found = {}
for name, asked in json.load(sys.stdin).items():
    env = gymnasium.make(name).unwrapped
    env.reset(seed=asked["seed"])
    begun = env.get_state().tobytes().hex()
    env.set_state(np.frombuffer(bytes.fromhex(asked["state"])))
    for action in asked["actions"]:
        env.step(np.array(action, np.float32))
    found[name] = [begun, env.get_state().tobytes().hex()]
print(json.dumps(found))
