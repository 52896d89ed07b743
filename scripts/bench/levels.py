"""`keima bench levels`: how strong the levels of `keima play` are, measured against each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import games
from games.base import Game, HashArray, IndexArray, StateArray
from rl.arena.elo import Rating, ladder
from rl.arena.match import MatchResult, play_match
from rl.arena.players import Player, Stop
from rl.arena.tactical import TacticalPlayer
from rl.errors import UserError
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import Evaluator
from scripts.agents import find_agent, load_evaluator
from scripts.arguments import GameName
from scripts.bench.report import Figure, Options, Report, machine_text, require_positive
from scripts.terminal.app.levels import TABLE
from scripts.terminal.thinking import (
    LEAVES_PER_TREE,
    LEVELS,
    Level,
    RolloutThinker,
    Situation,
    Thought,
    choose,
    read_thought,
)

_TREES = 32
"""Positions searched together."""
_CACHE_ENTRIES = 1 << 16
_BEGINNERS_GOAL = 2 / 3
"""The first level is to lose at least a third of its games to a player of one-ply tactics."""


@dataclass(frozen=True)
class LevelsBench(Options):
    """The levels of `keima play`: each against the next, and the first against a player of one-ply tactics, as Elo."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game, or a search with random rollouts."""
    matches: int = 200
    """Games of each match: random openings, each played from both sides."""
    levels: tuple[int, ...] = tuple(range(1, len(LEVELS) + 1))
    """Which levels, rising."""
    threads: int = 1
    """Threads of the network."""
    save: bool = False
    """Write the Elo where `keima play` shows it, into scripts/terminal/app/level_elos.json."""


class LevelPlayer:
    """A level as `keima play` has it, in many games at once. Nothing is kept from one move to the next."""

    def __init__(self, game: Game, level: Level, name: str, evaluator: Evaluator | None, seed: int) -> None:
        """Without an evaluator it thinks with random rollouts."""
        self.name, self._game, self._level = name, game, level
        self._evaluator = evaluator
        if evaluator is None:
            self._thinker = RolloutThinker(game, seed)
            return
        self._search = Search(
            game,
            SearchConfig(root="puct"),
            _TREES,
            level.simulations,
            leaves_per_tree=LEAVES_PER_TREE,
            cache_entries=_CACHE_ENTRIES,
        )

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        """As `rl.arena.players.Player`."""
        actions = np.zeros(len(states), np.int64)
        for first in range(0, len(states), _TREES):
            rows = slice(first, first + _TREES)
            thoughts = self._think(states[rows], histories[rows])
            for row, thought in enumerate(thoughts, start=first):
                generator = np.random.default_rng(int(keys[row]))
                actions[row] = choose(self._game, thought, self._level, generator)
        return actions

    def _think(self, states: StateArray, histories: Sequence[HashArray]) -> list[Thought]:
        if self._evaluator is None:
            asked = zip(states, histories, strict=True)
            return [self._thinker.think(Situation(state, past, ()), self._level.budget) for state, past in asked]
        result = self._search.run(self._evaluator, states, self._level.simulations, histories=histories)
        return [read_thought(result, row, ()) for row in range(len(states))]


def measure(command: LevelsBench) -> Report:
    """Ratings above the tactical player with their 95 % intervals."""
    require_positive({"matches": command.matches, "threads": command.threads})
    _check_levels(command.levels)
    game = games.make_board(command.game)
    path = find_agent(game, command.agent)
    evaluator = None
    if path is not None:
        evaluator = load_evaluator(game, path, _TREES * LEAVES_PER_TREE, num_threads=command.threads)
    results = _matches(game, command, evaluator)
    table = ladder([result.pairing for result in results], anchor=TacticalPlayer.name)
    ratings = {level: table[_name(level)] for level in command.levels}
    first = results[0]
    what = f"score of level {command.levels[0]} against {TacticalPlayer.name} play"
    goal = _BEGINNERS_GOAL if command.levels[0] == 1 else None
    figures = [Figure(what, "points a game", (first.score,), goal=goal, at_most=True)]
    figures += [Figure(f"level {level}", "Elo", (rating.elo,)) for level, rating in ratings.items()]
    notes = [f"level {level}: 95 % from {rating.low:.0f} to {rating.high:.0f}" for level, rating in ratings.items()]
    notes += [f"{result.first} against {result.second}: {result.score:.3f}" for result in results]
    notes.append(f"Elo above {TacticalPlayer.name} play; a draw counts half; nothing is kept from move to move")
    if command.save:
        _save(game, command, ratings)
    thinks = path.name if path is not None else "random rollouts"
    settings = {"game": game.name, "agent": thinks, "matches": command.matches}
    return Report("levels", command.seed, settings, tuple(figures), tuple(notes))


def _check_levels(levels: Sequence[int]) -> None:
    known = all(1 <= level <= len(LEVELS) for level in levels)
    if not levels or not known or any(lower >= higher for lower, higher in pairwise(levels)):
        raise UserError(f"--levels {' '.join(map(str, levels))}: some of 1 to {len(LEVELS)}, rising")


def _name(level: int) -> str:
    return f"level {level}"


def _matches(game: Game, command: LevelsBench, evaluator: Evaluator | None) -> list[MatchResult]:
    """The first level against tactics, then each level against the one below it; one search in memory at a time."""
    found: list[MatchResult] = []
    below: Player = TacticalPlayer(game)
    for level in command.levels:
        player = LevelPlayer(game, LEVELS[level - 1], _name(level), evaluator, command.seed)
        found.append(play_match(game, player, below, command.matches, command.seed + level))
        below = player
    return found


def _save(game: Game, command: LevelsBench, ratings: dict[int, Rating]) -> None:
    table: dict[str, Any] = json.loads(TABLE.read_text("utf-8")) if TABLE.is_file() else {}
    table[game.name] = {
        "command": f"keima bench levels {game.name} --matches {command.matches} --seed {command.seed}",
        "anchor": TacticalPlayer.name,
        "machine": machine_text(),
        "levels": {
            str(level): {
                "elo": round(rating.elo, 1),
                "low": round(rating.low, 1),
                "high": round(rating.high, 1),
                "games": int(rating.num_games),
            }
            for level, rating in ratings.items()
        },
    }
    TABLE.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
