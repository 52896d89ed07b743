"""Where compiled kernels are kept on disk, and how processes that compile at the same time share them.

numba's on-disk cache does not notice an edited callee in another file. The cache folder is therefore named by a
digest of every source file that kernels are made of (`games/` and `rl/search/`): any edit starts an empty folder.

Nor does it know of other processes. Two that need the same kernel both compile it; and two that store kernels of one
function for different games at the same time may give both the same file, so that one is lost, or even taken for the
other by who loads it next. Here a kernel is compiled by one process while the others wait for it, and the files of a
function are read and written by one process at a time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
import numpy as np
from filelock import FileLock
from numba.core.caching import IndexDataCacheFile
from numba.core.compiler_lock import global_compiler_lock

_ROOT = Path(__file__).resolve().parent.parent
_KEPT_CACHES = 4
_PATIENCE_SECONDS, _POLL_SECONDS = 120.0, 0.02
"""How long to wait for another process, which may have been stopped, and how often to look."""


def source_digest() -> str:
    """Hex digest of all sources that compiled kernels are made of, and of what compiles them."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for path in sorted([*_ROOT.glob("games/**/*.py"), *_ROOT.glob("rl/search/**/*.py")]):
        digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def open_kernel_cache() -> Path | None:
    """The folder that numba keeps kernels in from now on. None where none can be written, or nothing is compiled:
    kernels are then compiled at each start."""
    if numba.config.DISABLE_JIT:
        return None
    directory = _writable_directory()
    if directory is not None:
        numba.config.CACHE_DIR = str(directory)
    return directory


def _writable_directory() -> Path | None:
    """A folder for the digest of these sources."""
    asked = numba.config.CACHE_DIR
    home = Path(os.path.expanduser("~"), ".cache", "keima")  # stays relative where nobody knows a home
    temporary = Path(tempfile.gettempdir(), f"keima-{os.getuid()}")
    for parent in [Path(asked)] if asked else [path for path in (home, temporary) if path.is_absolute()]:
        directory = parent / f"kernels-{source_digest()}"
        try:
            # The cache holds pickles: a folder that somebody else could write is none.
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not asked and (parent.stat().st_uid != os.getuid() or parent.stat().st_mode & 0o022):
                continue
            directory.mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                pass
            os.utime(directory)
        except OSError:
            continue
        _forget_old_caches(parent)
        return directory
    return None


def _forget_old_caches(parent: Path) -> None:
    """Keep the most recently used caches of `parent`: each edit of a kernel makes a new one."""
    try:
        old = sorted(parent.glob("kernels-*"), key=lambda path: path.stat().st_mtime, reverse=True)[_KEPT_CACHES:]
    except OSError:
        return
    for path in old:
        shutil.rmtree(path, ignore_errors=True)


def share(dispatcher: Any) -> None:
    """Have processes share what a dispatcher of `numba.njit(cache=True)` compiles."""
    cache = dispatcher._cache
    base, folder = cache._impl.filename_base, cache.cache_path
    cache._cache_file = _SharedFiles(folder, base, cache._impl.locator.get_source_stamp())
    compile_alone = dispatcher.compile

    def compile_once(signature: Any) -> Any:
        if signature in dispatcher.overloads:
            return compile_alone(signature)
        kind = hashlib.sha256(str(signature).encode()).hexdigest()[:16]
        # numba's lock first, as in calls from within a compilation: another order could have two threads wait for
        # each other. Two processes never do, for kernels call one another in one direction.
        with global_compiler_lock, _held(os.path.join(folder, f"{base}.{kind}.lock")):
            return compile_alone(signature)

    dispatcher.compile = compile_once


class _SharedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """The index and the machine code of one function, for one process at a time."""

    def load(self, key: Any) -> Any:
        with _held(f"{self._index_path}.lock"):
            return super().load(key)

    def save(self, key: Any, data: Any) -> None:
        with _held(f"{self._index_path}.lock"):
            super().save(key, data)


@contextmanager
def _held(path: str) -> Iterator[None]:
    """Hold the lock of this file; without one where it cannot be had, as numba does by itself."""
    lock = FileLock(path, timeout=_PATIENCE_SECONDS, poll_interval=_POLL_SECONDS)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        lock.acquire()
    except OSError:  # a folder that has gone, a file system without locks, patience at its end
        yield
        return
    try:
        yield
    finally:
        lock.release()
