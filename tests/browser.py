"""A headless Chromium, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_BROWSER = next((path for name in _NAMES if (path := shutil.which(name))), None)
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=5000",
)

needs_browser = pytest.mark.skipif(_BROWSER is None, reason="no chromium here: install it to see pages in a browser")


def shown_page(address: str, folder: Path) -> str:
    """The document after its scripts have run."""
    return _run(["--dump-dom", address], folder)


def screenshot(address: str, folder: Path, *, width: int, height: int) -> Image.Image:
    """What is seen in a window of this size, in pixels."""
    picture = folder / "screenshot.png"
    _run([f"--screenshot={picture}", f"--window-size={width},{height}", address], folder)
    return Image.open(picture).convert("RGB")


def _run(arguments: list[str], folder: Path) -> str:
    assert _BROWSER is not None
    command = [_BROWSER, *_OPTIONS, f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
