"""Matches between players told by their names, our own and outside engines, of which many may take part."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from games.base import Game
from rl.arena.match import MatchResult, Progress, play_match
from rl.arena.players import Player, Stop, make_player
from rl.protocols.gtp.engine_match import OutsideSeat, OwnSeat, Seat, play_engine_match
from rl.protocols.gtp.judge import EngineJudge, Judge, PlayOutJudge, RulesJudge
from rl.protocols.gtp.seat import PREFIX, EngineSeat
from rl.search.driver import SearchConfig

if TYPE_CHECKING:
    from rl.network.choice import Backend

_JUDGING_PLAYER = "rollouts:400"
"""Plays games out that were ended early, where no player of the match can."""
_JUDGE = 2
"""The copy of an engine that judges; 0 and 1 play."""
_ONE_AT_A_TIME: Backend = "measured"
"""Against an engine games are played one after the other, and single positions are what PyTorch is slow at. An engine
seldom repeats itself to the letter, so nothing is lost that could be repeated."""
_MOST_PLAYERS = 8
"""Of our own that are kept ready: trees and networks are large, and a ladder may have dozens of agents."""


class Contest:
    """Plays matches of a game. Engines run from their first match until it is closed, which is never left out."""

    def __init__(
        self,
        game: Game,
        *,
        num_simulations: int,
        config: SearchConfig,
        num_threads: int,
        average_symmetries: bool,
        engine_seconds: float,
        judge: str,
    ) -> None:
        """`num_simulations` a move for players whose name leaves them out; the next three, for all of our own, are as
        `make_player` takes them; `engine_seconds` for each answer of an engine. `judge` scores what two passes ended
        early: `playout` (the first searching player of the match plays on), `rules`, any player to play on, or an
        engine that says which stones are dead."""
        self._game = game
        self._num_simulations, self._config, self._num_threads = num_simulations, config, num_threads
        self._average_symmetries = average_symmetries
        self._engine_seconds, self._judge_name = engine_seconds, judge
        self._players: OrderedDict[tuple[str, Backend], Player] = OrderedDict()
        self._engines: dict[tuple[str, int], EngineSeat] = {}

    def prepare(self, names: Sequence[str]) -> None:
        """Open the players, as far as many may be open, and the judge: so mistakes show before a game is played.

        Raises UserError, in one line, where one cannot play."""
        has_engines = any(is_engine(name) for name in names)
        for name in sorted(names, key=is_engine):  # what can be checked quickly comes first
            if is_engine(name):
                self._engine(name)
            else:
                self._player(name, _ONE_AT_A_TIME if has_engines else "torch")
        if has_engines:
            self._judge(names)

    def play(
        self,
        first: str,
        second: str,
        num_games: int,
        seed: int,
        *,
        openings: Sequence[Sequence[int]] | None = None,
        start: int = 0,
        stop: Stop | None = None,
        progress: Progress | None = None,
    ) -> MatchResult:
        """A match, with the arguments of `rl.arena.match.play_match`. Raises UserError where a player cannot play."""
        if not (is_engine(first) or is_engine(second)):
            players = self._player(first), self._player(second)
            return play_match(
                self._game, *players, num_games, seed, openings=openings, start=start, stop=stop, progress=progress
            )
        seats = self._seat(first), self._seat(second, int(first == second))
        judge = self._judge((first, second))
        return play_engine_match(
            self._game, *seats, num_games, seed, judge, openings=openings, start=start, stop=stop, progress=progress
        )

    def close(self) -> None:
        """End the engines."""
        while self._engines:
            self._engines.popitem()[1].close()

    def kill(self) -> None:
        """End the engines at once, whatever they are doing."""
        for engine in self._engines.values():
            engine.give_up()

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _player(self, name: str, backend: Backend = "torch") -> Player:
        if (name, backend) not in self._players:
            self._players[name, backend] = make_player(
                name,
                self._game,
                num_simulations=self._num_simulations,
                config=self._config,
                num_threads=self._num_threads,
                average_symmetries=self._average_symmetries,
                backend=backend,
            )
        self._players.move_to_end((name, backend))
        while len(self._players) > _MOST_PLAYERS:
            self._players.popitem(last=False)
        return self._players[name, backend]

    def _seat(self, name: str, copy: int = 0) -> Seat:
        if is_engine(name):
            return OutsideSeat(self._engine(name, copy))
        return OwnSeat(self._player(name, _ONE_AT_A_TIME))

    def _engine(self, name: str, copy: int = 0) -> EngineSeat:
        """One of the processes of an engine, which may play both sides and judge as well."""
        if (name, copy) not in self._engines:
            self._engines[name, copy] = EngineSeat(name, seconds=self._engine_seconds)
        return self._engines[name, copy]

    def _judge(self, names: Sequence[str]) -> Judge:
        """Who scores the games of these players."""
        if self._judge_name == "rules" or not self._game.is_scored:
            return RulesJudge()
        if is_engine(self._judge_name):
            return EngineJudge(self._engine(self._judge_name, _JUDGE))
        if self._judge_name != "playout":
            return PlayOutJudge(self._player(self._judge_name, _ONE_AT_A_TIME))
        searching = [name for name in names if not is_engine(name) and name != "random"]
        return PlayOutJudge(self._player(searching[0] if searching else _JUDGING_PLAYER, _ONE_AT_A_TIME))


def is_engine(name: str) -> bool:
    """Whether a player's name is the command of an outside engine."""
    return name.startswith(PREFIX)
