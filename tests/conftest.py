"""What all tests share. Markers are declared in pyproject.toml."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numba
import pytest
from tmux_terminal import Tmux

import games

# Derandomised: a change fails because of the change. No deadline: the first example may compile kernels.
hypothesis.settings.register_profile("keima", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("keima")

# A shell that starts the tests in the background has Ctrl-C ignored, which the commands under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to the other of the two runs: the one with compiled kernels, the one with the JIT off. A
    test that is marked for both alone would run in neither."""
    if stray := [item.nodeid for item in items if _marked(item, "compiled_only") and _marked(item, "plain_only")]:
        raise pytest.UsageError(f"marked plain_only and compiled_only, so never run: {', '.join(stray)}")
    other = "compiled_only" if numba.config.DISABLE_JIT else "plain_only"
    left_out = [item for item in items if _marked(item, other)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _marked(item: pytest.Item, name: str) -> bool:
    return item.get_closest_marker(name) is not None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that holds 64 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("may not mount a small file system here: run as root, outside a container without mounts")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def small_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained agent for tic-tac-toe."""
    return _untrained("tic_tac_toe", tmp_path_factory)


@pytest.fixture(scope="session")
def connect_four_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained agent for Connect Four."""
    return _untrained("connect_four", tmp_path_factory)


def _untrained(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rl.network.agent_file import save_agent
    from rl.network.model import Network, NetworkConfig, NetworkShape

    game = games.make(name)
    path = tmp_path_factory.mktemp("agent") / "small.safetensors"
    save_agent(path, Network(NetworkShape.of(game), NetworkConfig(blocks=1, channels=8)), game, {})
    return path


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    """A real terminal."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux, for a real terminal, is not installed: on Debian, apt-get install tmux")
    terminal = Tmux(tmp_path / "tmux")
    yield terminal
    terminal.call("kill-server")
