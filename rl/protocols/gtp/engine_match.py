"""Matches with outside engines: one game after the other, before a referee who knows the rules.

An engine loses a game in which it plays what is illegal, crashes, hangs, answers nonsense or refuses a legal move; the
reason is kept. Openings, colours and results are those of `rl.arena.match`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from games.base import Game
from rl.arena.match import MatchGame, MatchResult, Progress
from rl.arena.openings import find_openings
from rl.arena.players import Player, Stop, root_values
from rl.errors import UserError
from rl.protocols.gtp.client import EngineFailure, EngineRefusal
from rl.protocols.gtp.judge import Judge, ended_early
from rl.protocols.gtp.seat import EngineSeat
from rl.protocols.moves import COLOURS, BadRequest
from rl.protocols.played_game import PlayedGame, SearchNote, parse_move, replayed, score_text
from rl.search.random import random_bits


class Forfeit(Exception):
    """A player lost the game off the board. The message says why."""

    def __init__(self, reason: str, letter: str) -> None:
        """`letter` as records write it: F forfeit, T time, R resignation."""
        super().__init__(reason)
        self.letter = letter


class Seat(Protocol):
    """One side of a match."""

    name: str

    def begin(self, played: PlayedGame) -> None:
        """A game stands like that now. Raises Forfeit."""
        ...

    def move(self, played: PlayedGame, key: int, stop: Stop | None) -> None:
        """Play a move of whoever is to move. `key` is a random stream. Raises Forfeit."""
        ...

    def follow(self, played: PlayedGame) -> None:
        """The other side has played the last move of `played`. Raises Forfeit."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class OwnSeat:
    """One of our own players."""

    def __init__(self, player: Player) -> None:
        self.name, self._player = player.name, player

    def begin(self, played: PlayedGame) -> None:
        pass

    def move(self, played: PlayedGame, key: int, stop: Stop | None) -> None:
        states = np.array([played.state], played.game.state_dtype)
        action = int(self._player.choose(states, [played.history], np.array([key], np.uint64), stop)[0])
        if stop is not None and stop():
            return
        values = root_values(self._player)
        note = None if values is None else SearchNote(float(values[0]), 0)
        if not (0 <= action < played.game.num_actions and played.legal_actions()[action]):
            raise Forfeit(f"illegal action {action} at ply {len(played.plies) + 1}", "F")
        played.play(played.to_play, action, note)

    def follow(self, played: PlayedGame) -> None:
        pass

    def close(self) -> None:
        pass


class OutsideSeat:
    """An outside engine."""

    def __init__(self, engine: EngineSeat) -> None:
        self.name, self._engine = engine.name, engine

    def begin(self, played: PlayedGame) -> None:
        try:
            self._engine.begin(played)
        except EngineRefusal as error:
            raise Forfeit(f"refuses the game: {error}", "F") from None
        except EngineFailure as error:
            raise self._failed(error) from None

    def move(self, played: PlayedGame, key: int, stop: Stop | None) -> None:
        ply = len(played.plies) + 1
        try:
            text = self._engine.genmove(played.to_play)
        except EngineRefusal as error:
            raise Forfeit(f"gives no move at ply {ply}: {error}", "F") from None
        except EngineFailure as error:
            raise self._failed(error) from None
        if text == "resign":
            raise Forfeit(f"resigns at ply {ply}", "R")
        try:
            played.play(played.to_play, parse_move(played.game, text))
        except BadRequest as error:
            raise Forfeit(f"illegal move {text[:20]} at ply {ply}: {error}", "F") from None

    def follow(self, played: PlayedGame) -> None:
        move = played.game.action_to_text(played.plies[-1].action)
        try:
            self._engine.tell(played, len(played.plies) - 1)
        except EngineRefusal as error:
            raise Forfeit(f"refuses the legal move {move} at ply {len(played.plies)}: {error}", "F") from None
        except EngineFailure as error:
            raise self._failed(error) from None

    def close(self) -> None:
        self._engine.close()

    def _failed(self, error: EngineFailure) -> Forfeit:
        self._engine.give_up()
        return Forfeit(str(error), "T" if error.late else "F")


class _Ending(NamedTuple):
    """How a game ended."""

    returns: float
    """Player 0's: 1, 0 or -1."""
    result: str
    remark: str = ""
    loser: int | None = None
    """Who forfeited; None where nobody did."""


def play_engine_match(
    game: Game,
    first: Seat,
    second: Seat,
    num_games: int,
    seed: int,
    judge: Judge,
    *,
    openings: Sequence[Sequence[int]] | None = None,
    start: int = 0,
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> MatchResult:
    """Play `num_games` games, each opening twice with the colours swapped; `judge` scores those that ended early.

    `openings` and `start` are as `rl.arena.match.play_match` has them. `stop` is polled at every ply; an unfinished
    game is dropped then. Closes nothing. Raises UserError when the game is not for two or `num_games` is below 1.
    """
    if game.num_players != 2:
        raise UserError(f"{game.name} is a game for {game.num_players}: a match needs two players")
    if num_games < 1:
        raise UserError(f"a match of {num_games} games: it needs at least one")
    notes: tuple[str, ...] = ()
    if openings is None:
        openings, notes = find_openings(game, (start + num_games + 1) // 2, seed)
    finished: list[MatchGame] = []
    for number in range(start, start + num_games):
        opening = openings[number // 2 % len(openings)]
        first_begins = number % 2 == 0
        seats = (first, second) if first_begins else (second, first)
        played = replayed(game, opening)
        ending = _play(played, seats, _keys(seed, number, game.max_num_moves), judge, stop)
        if ending is None:
            break
        forfeit = ""
        if ending.loser is not None and ending.remark and not ending.result.endswith("R"):
            forfeit = f"{seats[ending.loser].name} forfeits game {number + 1}: {ending.remark}"
            notes = (*notes, forfeit)
        finished.append(
            MatchGame(
                first_begins=first_begins,
                moves=played.actions,
                num_opening_moves=len(opening),
                score=0.5 + 0.5 * ending.returns * (1.0 if first_begins else -1.0),
                forfeit=forfeit,
                result=ending.result,
                values=tuple(None if ply.note is None else ply.note.value for ply in played.plies),
                remark=ending.remark,
                number=number,
            )
        )
        if progress is not None:
            progress(len(finished), num_games)
    return MatchResult(game.name, first.name, second.name, seed, tuple(finished), len(openings), notes)


def _play(
    played: PlayedGame, seats: Sequence[Seat], keys: list[int], judge: Judge, stop: Stop | None
) -> _Ending | None:
    """Play a game from where it stands to its end; None when it was stopped. `seats` are players 0 and 1."""
    at_fault = 0
    try:
        for at_fault in (0, 1):
            seats[at_fault].begin(played)
        while not played.terminated:
            if stop is not None and stop():
                return None
            at_fault = played.to_play
            num_moves = len(played.plies)
            seats[at_fault].move(played, keys[num_moves], stop)
            if len(played.plies) == num_moves:
                return None
            at_fault = 1 - at_fault
            seats[at_fault].follow(played)
    except Forfeit as forfeit:
        returns = 1.0 if at_fault == 1 else -1.0
        result = f"{COLOURS[1 - at_fault]}+{forfeit.letter}"
        return _Ending(returns, result, str(forfeit), at_fault)
    if ended_early(played):
        verdict = judge.judge(played)
        return _Ending(float(np.sign(verdict.score)), score_text(verdict.score), verdict.remark)
    return _Ending(float(np.sign(played.returns)), "")


def _keys(seed: int, number: int, num_plies: int) -> list[int]:
    """The random stream of each ply of a game."""
    with np.errstate(over="ignore"):
        game_key = np.uint64(random_bits(np.uint64(seed % 2**64), np.uint64(number)))  # compiled, it gives an int
        return [int(random_bits(game_key, np.uint64(ply))) for ply in range(num_plies)]
