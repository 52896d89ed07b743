"""Giving disk space back: chunks that fell out of the window, deleted without forgetting how much was played."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import NamedTuple

from rl.errors import UserError
from rl.replay.chunk_format import Chunk, chunk_paths, read_chunk
from rl.replay.chunks import fsync_directory
from rl.replay.mixture import Mixture

_NAME = "pruned.jsonl"


class PrunedTotals(NamedTuple):
    """What deleted chunks held: add it to what `scan` finds, for the counters of a run."""

    num_games: int
    num_steps: int
    num_positions: int
    """Steps with a policy target, as `Window.total_positions` counts them."""


def prune(directory: Path, mixture: Mixture, oldest_game: int) -> list[Path]:
    """Delete the sealed chunks that hold no game numbered `oldest_game` or above; returns their paths.

    The last chunk of each writer stays, so that no name is used twice. What the others held is written to
    `pruned.jsonl` first. Raises UserError naming the file: damaged, or disk full.
    """
    old = []
    paths = chunk_paths(directory)
    for path, following in itertools.pairwise(paths):
        if _writer(path) != _writer(following):
            continue
        chunk = read_chunk(path, mixture.canvas)
        if chunk.sealed and all(frame.game_number < oldest_game for frame in chunk.frames):
            _note(directory, mixture, chunk)
            path.unlink()
            old.append(path)
    return old


def pruned_totals(directory: Path) -> PrunedTotals:
    """The totals of all chunks that were ever deleted from `directory`. Raises UserError for a damaged note."""
    totals = [PrunedTotals(*map(int, note["totals"])) for note in _notes(directory).values()]
    return PrunedTotals(*(sum(column) for column in zip(PrunedTotals(0, 0, 0), *totals, strict=True)))


def _writer(path: Path) -> str:
    return path.name.rpartition("-")[0]


def _note(directory: Path, mixture: Mixture, chunk: Chunk) -> None:
    records = [chunk.record(mixture.game(frame.game_number), frame) for frame in chunk.frames]
    num_steps = sum(len(record.steps) for record in records)
    totals = PrunedTotals(len(records), num_steps, sum(int(record.steps["is_target"].sum()) for record in records))
    path = directory / _NAME
    try:
        with open(path, "a+b") as file:
            file.seek(0)
            data = file.read()
            file.truncate(data.rfind(b"\n") + 1)  # an interrupted note: its chunk was not deleted
            file.write(json.dumps({"chunk": chunk.path.name, "totals": totals}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"{path}: cannot write: {error.strerror}") from error
    fsync_directory(directory)


def _notes(directory: Path) -> dict[str, dict[str, list[int]]]:
    """The note of each deleted chunk, by its name; the last counts, for a deletion may have been interrupted."""
    path = directory / _NAME
    if not path.exists():
        return {}
    notes = {}
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            note = json.loads(line)
            name = note["chunk"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: damaged: no note of deleted games: {line[:80]!r}") from error
        if not (directory / name).exists():  # else it was noted, but not yet deleted
            notes[name] = note
    return notes
