"""Matches: two players over many games at once, from varied openings, with the colours swapped.

All games of a match advance in lock-step, one move of every unfinished game at a time, so that a player who asks a
network asks for many positions in one batch. Everything drawn at random comes from (seed, game, ply): a match is
reproducible whatever the batches were.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import Game, HashArray, IndexArray, StateArray
from games.compiled import njit
from rl.arena.elo import Pairing, elo_difference, wilson_interval
from rl.arena.openings import find_openings
from rl.arena.players import Player, Stop, root_values
from rl.errors import UserError
from rl.search.random import random_bits

_RUNNING, _ENDED, _ILLEGAL = 0, 1, 2

Progress = Callable[[int, int], None]
"""Told (games finished, games in all) after every ply."""


class Tally(NamedTuple):
    """Results of some games, as one player saw them."""

    wins: int
    draws: int
    losses: int


@dataclass(frozen=True)
class MatchGame:
    """One finished game."""

    first_begins: bool
    """Whether the match's first player was player 0."""
    moves: tuple[int, ...]
    """All actions, the opening's included."""
    num_opening_moves: int
    score: float
    """The first player's: 1 win, 0.5 draw, 0 loss."""
    forfeit: str
    """Why a player lost by an illegal action, or by crashing or hanging; empty otherwise."""
    result: str = ""
    """As game records write it: `B+3.5`, `W+R` after a resignation, `B+F` and `B+T` where the other one forfeits, by
    time where T. Empty: what the moves lead to."""
    values: tuple[float | None, ...] = ()
    """The search's value before each of `moves`, for the player to move; None where nobody told."""
    remark: str = ""
    """What else there is to say of how it ended."""
    number: int = 0
    """Its place in the match, from 0."""


@dataclass(frozen=True)
class MatchResult:
    """What a match showed. Scores and Elo are the first player's."""

    game: str
    first: str
    second: str
    seed: int
    games: tuple[MatchGame, ...]
    """The finished games; fewer than asked for when the match was stopped."""
    num_openings: int
    """Different openings, mirrored ones counting as one."""
    notes: tuple[str, ...]
    """What a reader should know: repeated openings, forfeits."""

    def as_player(self, player: int) -> Tally:
        """The first player's results in the games where it was player 0 or 1."""
        return _tally([game for game in self.games if game.first_begins == (player == 0)])

    @property
    def tally(self) -> Tally:
        """The first player's results."""
        return _tally(self.games)

    @property
    def score(self) -> float:
        """Points per game, a draw counting half; 0.5 when no game was finished."""
        return sum(game.score for game in self.games) / len(self.games) if self.games else 0.5

    @property
    def score_interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the score."""
        return wilson_interval(self.score, len(self.games))

    @property
    def elo(self) -> float:
        """Rating difference that explains the score; infinite when one player took every point."""
        return elo_difference(self.score)

    @property
    def elo_interval(self) -> tuple[float, float]:
        """95 % interval of the rating difference: that of the score, expressed in Elo."""
        low, high = self.score_interval
        return elo_difference(low), elo_difference(high)

    @property
    def num_distinct_games(self) -> int:
        """Games that differ in their moves or in who played which side."""
        return len({(game.first_begins, game.moves) for game in self.games})

    @property
    def pairing(self) -> Pairing:
        """The result as a ladder takes it."""
        return Pairing(self.first, self.second, *self.tally)

    def to_json(self) -> dict[str, Any]:
        """Everything but the moves, for `json.dumps`; an infinite Elo is null."""

        def finite(value: float) -> float | None:
            return value if math.isfinite(value) else None

        return {
            "game": self.game,
            "first": self.first,
            "second": self.second,
            "seed": self.seed,
            "num_games": len(self.games),
            "num_distinct_games": self.num_distinct_games,
            "num_openings": self.num_openings,
            **self.tally._asdict(),
            "as_player_0": self.as_player(0)._asdict(),
            "as_player_1": self.as_player(1)._asdict(),
            "score": self.score,
            "score_interval": list(self.score_interval),
            "elo": finite(self.elo),
            "elo_interval": [finite(end) for end in self.elo_interval],
            "notes": list(self.notes),
        }


def play_match(
    game: Game,
    first: Player,
    second: Player,
    num_games: int,
    seed: int,
    *,
    openings: Sequence[Sequence[int]] | None = None,
    swap_colours: bool = True,
    start: int = 0,
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> MatchResult:
    """Play `num_games` games, each opening twice with the colours swapped.

    `openings` are actions from the start, taken in turn; None finds some that are all different. Without `swap_colours`
    each is played once a round, and the first player is player 0 throughout. The games are the last `num_games` of a
    match of `start` more. `stop` is polled at every ply, and by players while they think; games unfinished then are
    dropped. A player who chooses an illegal action loses that game. Raises UserError when the game is not for two or
    `num_games` is below 1.
    """
    if game.num_players != 2:
        raise UserError(f"{game.name} is a game for {game.num_players}: a match needs two players")
    if num_games < 1:
        raise UserError(f"a match of {num_games} games: it needs at least one")
    games_an_opening = 2 if swap_colours else 1
    notes: tuple[str, ...] = ()
    if openings is None:
        openings, notes = find_openings(game, -(-(start + num_games) // games_an_opening), seed)
    numbers = start + np.arange(num_games)
    table = _Table(game, numbers)
    for row, number in enumerate(numbers.tolist()):
        for action in openings[number // games_an_opening % len(openings)]:
            table.play(np.array([row]), np.array([action]))
    opening_lengths = table.lengths.copy()
    players = (first, second)
    begins = numbers % games_an_opening == 0  # whether the first player is player 0
    forfeits: dict[int, str] = {}
    running = np.arange(num_games)
    while running.size and not (stop is not None and stop()):
        second_moves = (table.states["to_play"][running] == 0) != begins[running]
        for index, player in enumerate(players):
            rows = running[second_moves == bool(index)]
            if not rows.size:
                continue
            actions = player.choose(table.states[rows], table.histories(rows), table.keys(rows, seed), stop)
            if stop is not None and stop():
                break
            table.note(rows, root_values(player))
            for row, action in table.play(rows, actions):
                table.returns[row] = -1.0 if begins[row] == (index == 0) else 1.0
                ply = int(table.lengths[row]) + 1
                forfeits[row] = f"{player.name} forfeits game {numbers[row] + 1}: illegal action {action} at ply {ply}"
        running = running[table.running[running]]
        if progress is not None:
            progress(num_games - running.size, num_games)
    finished = [
        MatchGame(
            first_begins=bool(begins[row]),
            moves=tuple(table.moves[row, : table.lengths[row]].tolist()),
            num_opening_moves=int(opening_lengths[row]),
            score=0.5 + 0.5 * float(np.sign(table.returns[row])) * (1.0 if begins[row] else -1.0),
            forfeit=forfeits.get(row, ""),
            result=_forfeited(float(table.returns[row])) if row in forfeits else "",
            values=tuple(table.told[row]),
            number=int(numbers[row]),
        )
        for row in np.flatnonzero(~table.running).tolist()
    ]
    notes = (*notes, *forfeits.values())
    return MatchResult(game.name, first.name, second.name, seed, tuple(finished), len(openings), notes)


def _forfeited(returns: float) -> str:
    """The result of a game that somebody forfeited, from what player 0 got."""
    return "B+F" if returns > 0 else "W+F"


def _tally(games: Sequence[MatchGame]) -> Tally:
    counts = Counter(game.score for game in games)
    return Tally(counts[1.0], counts[0.5], counts[0.0])


class _Table:
    """The positions of all games of a match."""

    def __init__(self, game: Game, numbers: IndexArray) -> None:
        """`numbers` [games]: their places in the match."""
        num_games = numbers.size
        self.game = game
        self.numbers = numbers
        self.states: StateArray = np.zeros(num_games, game.state_dtype)
        for state in self.states:
            game.reset(state)
        self.moves: IndexArray = np.zeros((num_games, game.max_num_moves), np.int64)
        self.hashes: HashArray = np.zeros((num_games, game.max_num_moves if game.uses_history else 0), np.uint64)
        self.lengths: IndexArray = np.zeros(num_games, np.int64)
        self.returns = np.zeros(num_games)
        """Player 0's."""
        self.running = np.ones(num_games, np.bool_)
        self.told: list[list[float | None]] = [[] for _ in range(num_games)]
        """For each game the values that players told of, before each move."""

    def note(self, rows: IndexArray, values: npt.NDArray[np.float32] | None) -> None:
        """Keep what the player to move in `rows` thinks of the positions before it moves."""
        for index, row in enumerate(rows.tolist()):
            before = self.told[row]
            before += [None] * (int(self.lengths[row]) - len(before))
            before.append(None if values is None else float(values[index]))

    def histories(self, rows: IndexArray) -> list[HashArray]:
        return [self.hashes[row, : self.lengths[row]] for row in rows]  # empty unless the game uses history

    def keys(self, rows: IndexArray, seed: int) -> HashArray:
        """[rows] uint64: a random stream for each position."""
        keys = np.zeros(rows.size, np.uint64)
        _position_keys(np.uint64(seed % 2**64), self.numbers[rows], self.lengths[rows], keys)
        return keys

    def play(self, rows: IndexArray, actions: IndexArray) -> list[tuple[int, int]]:
        """Play one action in each of `rows`; returns the illegal (row, action) pairs, whose games are over."""
        statuses = np.zeros(rows.size, np.int8)
        actions = np.asarray(actions, np.int64)
        _play(self.game, self.states, self.hashes, self.moves, self.lengths, self.returns, rows, actions, statuses)
        self.running[rows] = statuses == _RUNNING
        illegal = np.flatnonzero(statuses == _ILLEGAL)
        return [(int(rows[index]), int(actions[index])) for index in illegal]


@njit
def _position_keys(seed: np.uint64, numbers: IndexArray, lengths: IndexArray, keys: HashArray) -> None:
    for index in range(numbers.size):
        game_key = random_bits(seed, np.uint64(numbers[index]))
        keys[index] = random_bits(game_key, np.uint64(lengths[index]))


@njit
def _play(
    game: Game,
    states: StateArray,
    hashes: HashArray,
    moves: IndexArray,
    lengths: IndexArray,
    returns: npt.NDArray[np.float64],
    rows: IndexArray,
    actions: IndexArray,
    statuses: npt.NDArray[np.int8],
) -> None:
    mask = np.zeros(game.num_actions, np.bool_)
    for index in range(rows.size):
        row, action = rows[index], actions[index]
        state, length = states[row], lengths[row]
        history = hashes[row, :length]  # stays empty where the game uses none
        game.legal_actions(state, history, mask)
        if action < 0 or action >= game.num_actions or not mask[action]:
            statuses[index] = _ILLEGAL
            continue
        position_hash = game.history_hash(state) if game.uses_history else np.uint64(0)
        player = int(state["to_play"])
        reward, ended = game.step(state, action, history)
        if game.uses_history:
            hashes[row, length] = position_hash
        moves[row, length] = action
        lengths[row] = length + 1
        returns[row] += reward if player == 0 else -reward
        statuses[index] = _ENDED if ended else _RUNNING
