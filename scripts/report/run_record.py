"""What a run has left behind, read for its page: nothing here changes the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from games.base import Game
from games.simulated import SimulatedGame
from rl.arena.elo import Rating
from rl.errors import UserError
from rl.learning import checkpoint
from rl.replay.chunk_format import Chunk, Frame, chunk_paths, read_chunk
from rl.replay.mixture import Mixture
from rl.replay.records import GameRecord
from rl.train.episodes import FILM_NAME
from rl.train.health import HealthWatch, examined
from rl.train.ladder import Ladder
from rl.train.metrics import FILE_NAME, read_metrics
from rl.train.run_directory import film_path
from scripts.runs import played_in, read_config

_CANDIDATES = 3
_LEAST_SEARCHED = 0.5
"""Share of a game's moves that were searched in full: of others, a sample shows random openings."""
_FILMS = 4
_CHUNKS_READ = 12
"""Files of games that samples are taken from: long runs have thousands."""


class Film(NamedTuple):
    """An episode of one network."""

    step: int
    """Learner steps of the network."""
    data: bytes
    """A GIF file."""
    mean_return: float | None
    """Of all episodes of that evaluation."""
    successes: float | None
    """The share of them; None where the task knows none."""


@dataclass(frozen=True)
class RunRecord:
    """Everything that a page tells of a run."""

    name: str
    config: Mapping[str, Any]
    mixture: Mixture
    lines: Sequence[Mapping[str, Any]]
    """Of `metrics.jsonl`; at least one."""
    health: HealthWatch
    """After all of the lines."""
    ratings: Mapping[str, Rating]
    """The ladder, best first; empty before the first evaluation."""
    games: Sequence[GameRecord]
    """Samples, by their numbers."""
    films: Sequence[Film]
    """Episodes of a robot at some evaluations, the oldest first."""
    notes: Sequence[str]
    """What could not be read."""

    @property
    def boards(self) -> tuple[Game, ...]:
        """The games of the run that are drawn as boards: not the simulated ones."""
        return tuple(game for game in self.mixture.games if not isinstance(game, SimulatedGame))

    def latest(self, name: str) -> Any:
        """The newest value of a metric that is known; None where there is none."""
        return next((line[name] for line in reversed(self.lines) if line.get(name) is not None), None)


def read_run(run_dir: Path, num_games: int) -> RunRecord:
    """Read a run. Raises UserError where there is none, or where it has not told anything yet."""
    if num_games < 0:
        raise UserError(f"--games {num_games}: must not be negative")
    config, mixture = read_config(run_dir), played_in(run_dir)
    lines = read_metrics(run_dir / FILE_NAME)
    if not lines:
        raise UserError(f"{run_dir} has no metrics yet: {FILE_NAME} is missing or empty")
    notes: list[str] = []
    saved = checkpoint.latest_valid(run_dir / "checkpoints", notes.append)
    simulated = isinstance(mixture.canvas, SimulatedGame)  # whose episodes are no games to step through
    ladder = Ladder() if saved is None else Ladder.from_json(saved.state["ladder"])
    return RunRecord(
        name=run_dir.resolve().name,
        config=config,
        mixture=mixture,
        lines=lines,
        health=examined(lines),
        ratings=ladder.ratings(),
        games=_sample(run_dir / "replay", mixture, 0 if simulated else num_games, notes),
        films=_films(run_dir, lines),
        notes=notes,
    )


def _films(run_dir: Path, lines: Sequence[Mapping[str, Any]]) -> list[Film]:
    """Those of some evaluations, evenly spaced over the ones that the run has kept."""
    filmed = {line[FILM_NAME]["step"]: line for line in lines if line.get(FILM_NAME)}
    paths = {step: path for step in filmed if (path := film_path(run_dir, step)).is_file()}
    return [
        Film(step, paths[step].read_bytes(), line.get("episodes/search_return"), line.get("episodes/search_success"))
        for step, line in ((step, filmed[step]) for step in _spread(sorted(paths), _FILMS))
    ]


def _sample(directory: Path, mixture: Mixture, num_games: int, notes: list[str]) -> list[GameRecord]:
    """So many games from all over the run, evenly by their numbers; of candidates, those that were searched."""
    paths = chunk_paths(directory)
    places: list[tuple[Chunk, Frame]] = []
    for path in _spread(sorted(paths, key=lambda path: path.stat().st_mtime), _CHUNKS_READ):
        try:
            chunk = read_chunk(path, mixture.canvas)
        except UserError as error:
            notes.append(str(error))
        else:
            places += ((chunk, frame) for frame in chunk.frames)
    places.sort(key=lambda place: place[1].game_number)
    records = []
    for chunk, frame in _spread(places, _CANDIDATES * num_games):
        try:
            records.append(chunk.record(mixture.game(frame.game_number), frame))
        except UserError as error:
            notes.append(str(error))
    if notes and places and not records:
        return _none_readable(notes)
    searched = [record for record in records if record.steps["is_target"].mean() >= _LEAST_SEARCHED]
    return _spread(searched or records, num_games)


def _none_readable(notes: list[str]) -> list[GameRecord]:
    """One line instead of one for each game."""
    del notes[1:]
    return []


def _spread(entries: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the entries, evenly spaced, the last one among them."""
    count = min(most, len(entries))
    chosen = np.linspace(len(entries) - 1, 0, count).round().astype(int) if count > 1 else [len(entries) - 1][:count]
    return [entries[index] for index in sorted(chosen)]
