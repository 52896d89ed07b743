"""`keima bench levels`: how strong the levels of `keima play` are, measured against each other."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import games
from games.base import Game, HashArray, IndexArray, StateArray
from rl.arena.elo import Pairing, Rating, ladder, wilson_interval
from rl.arena.match import play_match
from rl.arena.players import AgentPlayer, Player, RolloutPlayer, Stop
from rl.arena.tactical import TacticalPlayer
from rl.errors import UserError
from rl.files import replace_file
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import Evaluator
from scripts.agents import find_agent, load_evaluator
from scripts.arguments import GameName
from scripts.bench.report import Figure, Options, Report, machine_text, require_positive
from scripts.terminal.app.levels import TABLE
from scripts.terminal.thinking import (
    LEAVES_PER_TREE,
    LEVELS,
    ROLLOUTS_PER_SIMULATION,
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
_BARE = "bare search"
_BEGINNERS_GOAL = 2 / 3
"""The first level is to lose at least a third of its games to a player of one-ply tactics."""


@dataclass(frozen=True)
class LevelsBench(Options):
    """The levels of `keima play`: each against the next, the lower ones against a player of one-ply tactics, as Elo."""

    game: GameName = "connect_four"
    agent: Path | None = None
    """The agent's file; by default the agent that ships with the game, or a search with random rollouts."""
    matches: int = 200
    """Games of each match: random openings, each played from both sides."""
    levels: tuple[int, ...] = tuple(range(1, len(LEVELS) + 1))
    """Which levels, rising."""
    bare: int = 50
    """As many games of full strength against the level below it are played again, by the search alone in its place."""
    threads: int = 1
    """Threads of the network."""
    save: bool = False
    """Write the Elo where `keima play` shows it, into scripts/terminal/app/level_elos.json, after each match. Matches
    that are there already, of the same agent and settings, are not played again: a long measurement goes on where it
    was interrupted."""


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
    require_positive({"matches": command.matches, "threads": command.threads, "bare": command.bare})
    _check_levels(command.levels)
    game = games.make_board(command.game)
    path = find_agent(game, command.agent)
    matches = _Matches(game, command, path)
    pairings = _level_pairings(matches, command)
    if command.levels[-1] == len(LEVELS):
        pairings.append(matches.result(_BARE, pairings[-1].second, min(command.bare, command.matches), len(LEVELS)))
    ratings = _ratings(pairings, command.levels)
    first = pairings[0]
    goal = _BEGINNERS_GOAL if command.levels[0] == 1 else None
    what = f"score of {first.first} against {first.second} play"
    figures = [Figure(what, "points a game", (_score(first),), goal=goal, at_most=True)]
    figures += [_lost(pairing) for pairing in pairings[-2:] if pairings[-1].first == _BARE]
    figures += [Figure(_name(level), "Elo", (rating.elo,)) for level, rating in ratings.items()]
    notes = [f"{_name(level)}: 95 % from {rating.low:.0f} to {rating.high:.0f}" for level, rating in ratings.items()]
    notes += [_text(pairing) for pairing in pairings]
    notes.append(f"Elo above {TacticalPlayer.name} play; a draw counts half; nothing is kept from move to move")
    notes.append(f"the {_BARE} has as many simulations as {_name(len(LEVELS))}, and its first openings")
    thinks = path.name if path is not None else "random rollouts"
    settings = {"game": game.name, "agent": thinks, "matches": command.matches}
    return Report("levels", command.seed, settings, tuple(figures), tuple(notes))


def _check_levels(levels: Sequence[int]) -> None:
    known = all(1 <= level <= len(LEVELS) for level in levels)
    if not levels or not known or any(lower >= higher for lower, higher in pairwise(levels)):
        raise UserError(f"--levels {' '.join(map(str, levels))}: some of 1 to {len(LEVELS)}, rising")


def _name(level: int) -> str:
    return f"level {level}"


class _Matches:
    """Matches of players by their names, and the table that `keima play` shows."""

    def __init__(self, game: Game, command: LevelsBench, agent: Path | None) -> None:
        """Raises UserError as `load_evaluator` does."""
        self._game, self._command = game, command
        self._evaluator: Evaluator | None = None
        if agent is not None:
            self._evaluator = load_evaluator(game, agent, _TREES * LEAVES_PER_TREE, num_threads=command.threads)
        self._settings = {
            "command": f"keima bench levels {game.name} --matches {command.matches} --seed {command.seed}",
            "anchor": TacticalPlayer.name,
            "agent": None if agent is None else hashlib.sha256(agent.read_bytes()).hexdigest(),
            "settings": [list(astuple(level)) for level in LEVELS],
        }
        self._pairings: list[Pairing] = []
        entry = _read_table().get(game.name, {}) if command.save else {}
        if all(entry.get(name, 0) == value for name, value in self._settings.items()):
            self._pairings = [Pairing(*match) for match in entry["matches"]]

    def result(self, first: str, second: str, num_games: int, number: int) -> Pairing:
        """Of a match, which is played unless the table has it; matches of other numbers have other openings."""
        known = [pairing for pairing in self._pairings if (pairing.first, pairing.second) == (first, second)]
        if known:
            return known[0]
        players = self._player(first), self._player(second)
        tally = play_match(self._game, *players, num_games, self._command.seed + number).tally
        pairing = Pairing(first, second, *tally)
        print(f"bench levels: {_text(pairing)}", file=sys.stderr, flush=True)
        self._pairings.append(pairing)
        if self._command.save:
            self._save()
        return pairing

    def _player(self, name: str) -> Player:
        if name == TacticalPlayer.name:
            return TacticalPlayer(self._game)
        if name == _BARE:
            return self._bare_search(LEVELS[-1].simulations)
        level = int(name.split()[1])
        return LevelPlayer(self._game, LEVELS[level - 1], name, self._evaluator, self._command.seed)

    def _bare_search(self, simulations: int) -> Player:
        if self._evaluator is None:
            return RolloutPlayer(self._game, ROLLOUTS_PER_SIMULATION * simulations)
        return AgentPlayer(self._game, self._evaluator, simulations, SearchConfig(root="puct"), name=_BARE)

    def _save(self) -> None:
        """The levels whose matches have all been played. The table is read again: other games may be measured too."""
        played = {pairing.first for pairing in self._pairings}
        levels = [level for level in self._command.levels if _name(level) in played]
        ratings = _ratings(self._pairings, levels)
        rows = {
            str(level): {
                "elo": round(rating.elo, 1),
                "low": round(rating.low, 1),
                "high": round(rating.high, 1),
                "games": int(rating.num_games),
            }
            for level, rating in ratings.items()
        }
        entry = {**self._settings, "machine": machine_text(), "matches": self._pairings, "levels": rows}
        table = _read_table() | {self._game.name: entry}
        replace_file(TABLE, (json.dumps(table, indent=1) + "\n").encode())


def _read_table() -> dict[str, Any]:
    return dict(json.loads(TABLE.read_text("utf-8"))) if TABLE.is_file() else {}


def _level_pairings(matches: _Matches, command: LevelsBench) -> list[Pairing]:
    """Each level against the one below it, the first against tactics; so are all others that draw their moves, for a
    chain of neighbours alone would say little of how far its ends are apart."""
    found: list[Pairing] = []
    below = TacticalPlayer.name
    for level in command.levels:
        opponents = [below]
        if below != TacticalPlayer.name and LEVELS[level - 1].temperature > 0.0:
            opponents.insert(0, TacticalPlayer.name)
        found += [matches.result(_name(level), opponent, command.matches, level) for opponent in opponents]
        below = _name(level)
    return found


def _ratings(pairings: Sequence[Pairing], levels: Sequence[int]) -> dict[int, Rating]:
    table = ladder([pairing for pairing in pairings if pairing.first != _BARE], anchor=TacticalPlayer.name)
    return {level: table[_name(level)] for level in levels}


def _score(pairing: Pairing) -> float:
    return (pairing.wins + pairing.draws / 2.0) / _num_games(pairing)


def _num_games(pairing: Pairing) -> float:
    return pairing.wins + pairing.draws + pairing.losses


def _lost(pairing: Pairing) -> Figure:
    return Figure(
        f"{pairing.first} against {pairing.second}: lost", "of its games", (pairing.losses / _num_games(pairing),)
    )


def _text(pairing: Pairing) -> str:
    low, high = wilson_interval(_score(pairing), int(_num_games(pairing)))
    return (
        f"{pairing.first} against {pairing.second}: {_score(pairing):.3f} ({low:.3f} to {high:.3f}), "
        f"won {pairing.wins:.0f}, drawn {pairing.draws:.0f}, lost {pairing.losses:.0f}"
    )
