"""Pictures and windows of robots."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from robot_environments import IDS, TASKS, actions_of, can_be_drawn, make, needs_pictures

import games.robots
from games.robots import planar_reach

pytestmark = pytest.mark.plain_only  # what draws is not compiled

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", TASKS)
def test_pictures_show_the_state(name: str) -> None:
    needs_pictures(name)
    env = make(next(one for one in IDS if games.robots.ENVIRONMENTS[one].task == name), render_mode="rgb_array")
    env.reset(seed=1)
    before = env.render()
    assert before is not None and before.dtype == np.uint8 and before.ndim == 3 and before.shape[2] == 3
    assert min(before.shape[:2]) >= 120 and len(np.unique(before.reshape(-1, 3), axis=0)) > 3
    for action in actions_of(env.task, 10, seed=1):
        env.step(action)
    after = env.render()
    assert after is not None and after.shape == before.shape and (after != before).any()
    env.close()


WINDOW = """
import sys, gymnasium, games.robots, pygame
for name in sys.argv[1:]:
    env = gymnasium.make(name, render_mode="human")
    env.reset(seed=1)
    for _ in range(3):
        env.step(env.action_space.sample())
    assert pygame.display.get_driver() == "x11" and env.render() is None
    shown = pygame.surfarray.array3d(pygame.display.get_surface())
    assert len({tuple(pixel) for pixel in shown.reshape(-1, 3)[::7].tolist()}) > 3
    env.close()
    assert not pygame.display.get_init()
print("shown")
"""


@pytest.fixture
def display() -> Iterator[str]:
    """The name of an X display that nobody sees."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb, a desktop for windows, is not installed: on Debian, apt-get install xvfb")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x800x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with open(reading) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait()


def test_windows_follow_each_step(display: str) -> None:
    environment = {**os.environ, "DISPLAY": display, "SDL_VIDEODRIVER": "x11"}
    shown = [one for one in IDS if "Dense" not in one and can_be_drawn(games.robots.ENVIRONMENTS[one].task)]
    command = [sys.executable, "-c", WINDOW, *shown]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert result.stdout == "shown\n", result.stderr


def test_keima_play_shows_a_window(display: str) -> None:
    environment = {**os.environ, "DISPLAY": display, "SDL_VIDEODRIVER": "x11"}
    command = [sys.executable, "-m", "scripts.cli", "play", "planar_reach", "--window", "--seed", "1"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert "Close the window" in process.stdout.readline()
    assert process.stdout.readline().startswith("step 50 of 50")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and rest.endswith("Goodbye.\n")


def test_modes_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="the modes are human, rgb_array"):
        planar_reach.PlanarReachEnv(render_mode="ansi")
    with pytest.raises(ValueError, match="there is only rgb_array"):
        planar_reach.PlanarReachVectorEnv(render_mode="human")
    with pytest.warns(UserWarning, match="render_mode"):
        assert make(IDS[0]).render() is None
