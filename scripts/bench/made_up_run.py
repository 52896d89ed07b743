"""A run directory as a long run leaves it, made up in a moment: random games, invented numbers, no training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from games.base import FloatArray, Game, IndexArray
from rl.arena.elo import Pairing
from rl.learning import checkpoint
from rl.protocols.played_game import PlayedGame, replayed
from rl.replay.chunks import ChunkWriter
from rl.replay.records import GameRecord, make_record, step_dtype
from rl.train.charts import CHARTS
from rl.train.config import TrainConfig
from rl.train.metrics import Counters, Metrics
from rl.train.positions import RECORD_NAME, PositionView, position_pictures

_SECONDS = 20.0
"""Between two lines of metrics."""
_GAMES = 40
_DIFFERENT_GAMES = 300
"""More are these over again, with other numbers."""


def make_run(
    run_dir: Path,
    game: Game,
    config: TrainConfig,
    *,
    num_lines: int,
    num_games: int = 30,
    ill: Mapping[str, float] | None = None,
) -> None:
    """`num_lines` lines of metrics, every tenth with an evaluation, and `num_games` games. `ill` replaces numbers of
    the last half."""
    run_dir.mkdir(parents=True)
    described = {"format": 1, "game": game.name, "also": {}, **asdict(config)}
    (run_dir / "config.json").write_text(json.dumps(described))
    views = [_view(game, seed) for seed in range(6)]
    record = [view.to_json(game) for view in views]
    pictures = position_pictures(game, views)
    draw = np.random.default_rng(0)
    with Metrics(run_dir) as metrics:
        for index in range(num_lines):
            scalars = _scalars(index / num_lines, draw)
            if ill and index >= num_lines // 2:
                scalars |= ill
            evaluated = index % 10 == 9
            if not evaluated:
                scalars = {name: value for name, value in scalars.items() if name[:4] not in ("elo/", "scor", "trut")}
            metrics.write(
                Counters(50 * index, _GAMES * index, 30 * _GAMES * index, 10**6 * index, _SECONDS * index),
                scalars,
                histograms={"search/policy_surprise": draw.exponential(0.5, 200)} if evaluated else {},
                records={RECORD_NAME: {"step": 50 * index, "views": record}} if evaluated else {},
                images=pictures if index == num_lines - 1 else {},
            )
    ladder = [Pairing("step-100", "random", 18, 1, 1), Pairing("step-200", "step-100", 14, 2, 4)]
    checkpoint.save(run_dir / "checkpoints", 200, {}, {"ladder": ladder})
    writer = ChunkWriter(run_dir / "replay", game, "worker0")
    different = [random_game(game, number) for number in range(min(num_games, _DIFFERENT_GAMES))]
    for number in range(num_games):
        writer.append(different[number % _DIFFERENT_GAMES]._replace(game_number=number))
    writer.close()


def random_game(game: Game, number: int) -> GameRecord:
    """A game of random moves, with a made-up search for every other one of them."""
    played, draw = PlayedGame(game), np.random.default_rng(number)
    steps: list[np.void] = []
    policies: list[tuple[IndexArray, FloatArray]] = []
    while not played.terminated:
        legal = np.flatnonzero(played.legal_actions())
        row = np.zeros(1, step_dtype(game))[0]
        row["action"], row["to_play"] = draw.choice(legal), played.to_play
        row["is_target"], row["root_value"] = len(steps) % 2 == 0, draw.uniform(-1, 1)
        if row["is_target"]:
            policies.append((legal, draw.dirichlet(np.ones(len(legal))).astype(np.float32)))
        played.play(played.to_play, int(row["action"]))
        row["reward"] = played.plies[-1].reward
        steps.append(row)
    return make_record(game, number, np.array(steps), policies)


def _view(game: Game, seed: int) -> PositionView:
    """A solved position where there are any, else a random one; the policies are made up."""
    solved = game.truth_positions()
    moves = solved[seed * (len(solved) // 6)].moves if solved else random_moves(game, seed, 3)
    played, draw = replayed(game, moves), np.random.default_rng(seed)
    legal = np.flatnonzero(played.legal_actions()).tolist()
    policy, search = (dict(zip(legal, draw.dirichlet(np.ones(len(legal))).tolist(), strict=True)) for _ in range(2))
    best = (legal[0],) if solved else ()
    return PositionView(tuple(moves), policy, search, 0.1, 0.2, best, 1.0 if solved else None)


def random_moves(game: Game, seed: int, num_moves: int) -> list[int]:
    """The first moves of a random game."""
    actions: list[int] = random_game(game, seed).steps["action"].tolist()
    return actions[:num_moves]


def _scalars(progress: float, draw: np.random.Generator) -> dict[str, float]:
    """Every curve there is, most of them falling from 1 to 0.5; nothing is ill."""
    names = [name for chart in CHARTS for name in (*chart.curves, *(chart.band or ())) if not chart.spread]
    scalars = {name: 1.0 - 0.5 * progress + draw.normal(0.0, 0.02) for name in names if "*" not in name}
    scalars |= {f"calibration/score_at_{10 * tenth + 5:02d}": (tenth + 0.5) / 10.0 for tenth in range(10)}
    scalars |= {"score/random": 0.9, "elo/low": 800.0, "elo/agent": 900.0, "elo/best": 910.0, "elo/high": 1000.0}
    counts = ("learner/skipped_steps", "learner/rollbacks", "selfplay/worker_restarts", "value/calibration_error")
    return scalars | dict.fromkeys(counts, 0.0) | {"selfplay/first_player_score": 0.55, "health/sicknesses": 0.0}
