"""What is installed is what is here: packages, shipped data, ranges in pyproject.toml, pins in constraints.txt."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
)
REQUIREMENTS = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["test"]]
SOURCES = [
    path
    for folder in ("games", "rl", "scripts")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
]


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_pyproject_gives_ranges_and_the_constraints_pin(requirement: str) -> None:
    match = re.fullmatch(r"([a-z0-9_-]+)(?:\[\w+\])?>=[0-9.]+", requirement)
    assert match, f"{requirement}: neither a range nor a plain name"
    assert match[1] in PINS, f"constraints.txt does not pin {match[1]}"


def test_what_is_installed_is_what_is_pinned() -> None:
    installed = {name: distribution(name).version.split("+")[0] for name in PINS if name in ("torch", "numba", "numpy")}
    assert installed == {name: PINS[name] for name in installed}


def test_every_folder_of_sources_is_a_package() -> None:
    folders = {path.parent for path in SOURCES if path.suffix == ".py"}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_data_file_is_shipped() -> None:
    shipped = {
        path
        for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    assert [path for path in SOURCES if path.suffix != ".py" and path not in shipped] == []
