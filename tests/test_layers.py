"""Imports go only where DESIGN's layers let them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.plain_only  # what is read is source

ROOT = Path(__file__).resolve().parent.parent
# Layers of rl/, the lowest first: a module imports from its own layer and from lower ones.
LAYERS = [
    [f"rl.{name}" for name in layer.split()]
    for layer in (
        "errors files search agents",
        "network",
        "selfplay replay learning arena pictures",
        "train protocols",
    )
]
# What rl/ may know of games/: the contract, how kernels are compiled, the random numbers that both draw.
KNOWN_OF_GAMES = ("games.base", "games.simulated", "games.compiled", "games.random")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
    for folder in ("games", "rl")
    for path in (ROOT / folder).rglob("*.py")
}


def imports(module: str) -> set[str]:
    """Every name that `module` imports, as far as it may be a module: `from rl import replay` gives `rl.replay`."""
    found = set()
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def layer(name: str) -> int:
    ranks = [rank for rank, packages in enumerate(LAYERS) if within(name, *packages)]
    assert ranks, f"{name} stands in no layer of this test"
    return ranks[0]


@pytest.mark.parametrize("module", MODULES)
def test_imports_stay_in_their_layer(module: str) -> None:
    for name in imports(module):
        assert not within(name, "scripts", "tests"), f"{module} imports {name}"
        if within(module, "games"):
            assert not within(name, "torch", "rl"), f"{module} imports {name}"
        if within(module, "rl.search"):
            assert not within(name, "torch"), f"{module} imports {name}"
        if within(module, "rl"):
            assert not within(name, "games") or within(name, *KNOWN_OF_GAMES), f"{module} imports {name}"
            assert not within(name, "rl") or layer(name) <= layer(module), f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_only_scripts_read_arguments_and_the_environment(module: str) -> None:
    for node in ast.walk(MODULES[module]):
        assert not (isinstance(node, ast.Attribute) and node.attr in ("argv", "environ", "getenv")), module


def test_no_pickles_are_read() -> None:
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, module
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "torch.load", module
        # numba's kernel cache is made of pickles; games.compiled reads it in a folder of the user's own alone.
        assert module == "games.compiled" or not imports(module) & {"pickle", "cPickle", "dill", "shelve"}, module
