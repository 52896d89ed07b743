"""Checkpoints: directories that are whole or not there.

    checkpoints/step_000000012000/
        model.safetensors ema.safetensors optimizer.safetensors    tensors by kind
        state.json                                                  counters, replay mark, configuration
        MANIFEST.json                                               SHA-256 and length of each file, written last

A checkpoint is written under a temporary name, synced, and renamed. Restoring takes the newest one of which every
byte verifies: neither safetensors nor JSON would notice a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
from torch import Tensor

from rl.errors import UserError

FORMAT = 1
_TEMPORARY = ".writing-"
_DELETED = ".deleting-"
_MANIFEST = "MANIFEST.json"
_STATE = "state.json"
_SUFFIX = ".safetensors"


class Checkpoint(NamedTuple):
    """A checkpoint that has been read and verified."""

    path: Path
    step: int
    tensors: dict[str, dict[str, Tensor]]
    """By kind (`model`, `ema`, `optimizer`), then by name; on the CPU."""
    state: dict[str, Any]


class DamagedCheckpoint(Exception):
    """The message is one line that names the file and what is wrong with it."""


def save(
    directory: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], *, keep: int = 3
) -> Path:
    """Write a checkpoint into `directory`, durable when this returns, and delete all but the newest `keep` valid ones.

    `tensors` are contiguous, by kind and name; `state` goes to JSON. A step that was saved before (the run went back
    to an older checkpoint) gets a new name beside the old one. Raises UserError naming the file that cannot be
    written (disk full); nothing of this checkpoint is left then.
    """
    files = {f"{kind}{_SUFFIX}": safetensors.torch.save(dict(entries)) for kind, entries in tensors.items()}
    files[_STATE] = json.dumps(state, indent=1, sort_keys=True, allow_nan=False).encode()
    files[_MANIFEST] = _manifest(step, files)
    path = _free_name(directory, step)
    temporary = directory / f"{_TEMPORARY}{path.name}"
    current = directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _clean(directory)
        temporary.mkdir()
        for name, content in files.items():
            current = temporary / name
            _write(current, content)
        current = temporary
        _sync_directory(temporary)
        current = path
        os.rename(temporary, path)
        _sync_directory(directory)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(f"cannot write {current}: {error.strerror or error}") from error
    _prune(directory, path, keep)
    return path


def latest_valid(directory: Path, report: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint of which every byte verifies, or None. `report` gets one line for each damaged one."""
    for path in _newest_first(directory):
        try:
            return load(path)
        except DamagedCheckpoint as damage:
            report(f"skipped a damaged checkpoint: {damage}")
    return None


def load(path: Path) -> Checkpoint:
    """Read and verify one checkpoint. Raises DamagedCheckpoint naming the file."""
    files = _verified_files(path)
    tensors = {}
    try:
        for name, content in files.items():
            if name.endswith(_SUFFIX):
                tensors[name.removesuffix(_SUFFIX)] = safetensors.torch.load(content)
        state = json.loads(files[_STATE])
    except (KeyError, ValueError, safetensors.SafetensorError) as error:  # verified, but never a checkpoint of ours
        raise DamagedCheckpoint(f"{path} is no checkpoint: {error}") from error
    return Checkpoint(path, _parse_name(path)[0], tensors, state)


def _manifest(step: int, files: Mapping[str, bytes]) -> bytes:
    entries = {
        name: {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    return _sealed({"format": FORMAT, "step": step, "files": entries})


def _sealed(manifest: dict[str, Any]) -> bytes:
    """The one spelling of a manifest, its own digest included, so that every bit of it is verified too."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return json.dumps({**manifest, "sha256": digest}, indent=1, sort_keys=True).encode()


def _verified_files(path: Path) -> dict[str, bytes]:
    """The content of each file that the manifest lists, after comparing lengths and digests."""
    content = _read(path / _MANIFEST)
    try:
        manifest = json.loads(content)
        del manifest["sha256"]
        if _sealed(manifest) != content:
            raise ValueError("its digest is wrong")
        if manifest["format"] != FORMAT or manifest["step"] != _parse_name(path)[0]:
            raise ValueError("it is of another format or step")
        entries = dict(manifest["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedCheckpoint(f"{path / _MANIFEST} is damaged: {error}") from error
    files = {}
    for name, entry in entries.items():
        file = path / Path(name).name
        files[name] = _read(file)
        if len(files[name]) != entry["length"]:
            raise DamagedCheckpoint(f"{file} has {len(files[name])} bytes instead of {entry['length']}")
        if hashlib.sha256(files[name]).hexdigest() != entry["sha256"]:
            raise DamagedCheckpoint(f"{file} has changed since it was written (SHA-256 differs)")
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DamagedCheckpoint(f"{path} is missing") from error
    except OSError as error:
        raise DamagedCheckpoint(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parse_name(path: Path) -> tuple[int, int]:
    """(step, attempt) of a checkpoint's name, which sort by age; (-1, 0) when it is none."""
    match = re.fullmatch(r"step_(\d{12})(?:\.(\d+))?", path.name)
    return (int(match[1]), int(match[2] or 0)) if match else (-1, 0)


def _free_name(directory: Path, step: int) -> Path:
    attempts = [attempt for other, attempt in map(_parse_name, _newest_first(directory)) if other == step]
    return directory / (f"step_{step:012d}.{max(attempts) + 1}" if attempts else f"step_{step:012d}")


def _newest_first(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted((path for path in directory.iterdir() if _parse_name(path)[0] >= 0), key=_parse_name, reverse=True)


def _clean(directory: Path) -> None:
    """Delete what writers and deleters that were killed have left."""
    for path in directory.iterdir():
        if path.name.startswith((_TEMPORARY, _DELETED)):
            shutil.rmtree(path, ignore_errors=True)


def _prune(directory: Path, saved: Path, keep: int) -> None:
    """Delete all but the newest `keep` valid checkpoints, `saved` always being one of them."""
    kept = 1
    for path in _newest_first(directory):
        if path == saved:
            continue
        if kept < keep and _is_valid(path):
            kept += 1
            continue
        # Renamed first: a checkpoint that is half deleted must not look like one that is damaged.
        doomed = directory / f"{_DELETED}{path.name}"
        try:
            os.rename(path, doomed)
        except OSError:
            continue  # it will be tried again at the next save
        shutil.rmtree(doomed, ignore_errors=True)


def _is_valid(path: Path) -> bool:
    try:
        _verified_files(path)
    except DamagedCheckpoint:
        return False
    return True
