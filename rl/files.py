"""Files that a crash, or a full disk, does not harm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl.errors import UserError


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees all of the old one or all of the new one."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def naming_disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a missing permission and their like into one line that names the file."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}") from error
