"""What one GTP conversation is about: the game on the board, the clocks, the search, and the settings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from games.base import Game
from rl.errors import UserError
from rl.protocols.gtp.clock import Clock, expected_moves
from rl.protocols.gtp.search import Choice, GameSearch, Stop, read_choice, winrate
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import PlayedGame, SearchNote, has_komi
from rl.protocols.remake import Remake
from rl.search.driver import SearchResult

_DEFAULT_SIMULATIONS = 400


@dataclass(frozen=True)
class GtpConfig:
    """How the engine plays. GTP's `time_settings` rule over `seconds`, `kata-set-param` over both."""

    simulations: int | None = None
    """Positions looked at a move, at most. Without it, without `seconds` and without a clock: 400."""
    seconds: float | None = None
    """Seconds to think on a move, at most."""
    ponder: bool = False
    """Think on while the opponent does."""
    resign: float | None = None
    """Resign when the win rate is below this in three searches in a row; by default never."""
    lag: float = 0.2
    """Seconds of each move kept back for what a clock loses between the programs."""
    sgf_dir: Path | None = None
    """The one directory that `loadsgf` reads from and `printsgf` writes to; by default neither touches a file."""

    def __post_init__(self) -> None:
        if self.simulations is not None and self.simulations < 1:
            raise UserError(f"--simulations {self.simulations}: must be at least 1")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0):
            raise UserError(f"--seconds {self.seconds}: must be more than 0")
        if self.resign is not None and not 0 < self.resign < 1:
            raise UserError(f"--resign {self.resign}: a win rate is more than 0 and less than 1")
        if not (math.isfinite(self.lag) and self.lag >= 0):
            raise UserError(f"--lag {self.lag}: must be at least 0")


@dataclass(frozen=True)
class Table:
    """What a failed command leaves as it was. Nothing in it is changed in place: commands put a new one."""

    played: PlayedGame
    komi: float | None = None
    """As `komi` set it; it stays when the board is cleared."""
    start_clock: Clock | None = None
    """As `time_settings` set it; None: no limit."""
    clocks: tuple[Clock | None, Clock | None] = (None, None)
    """Of players 0 and 1."""
    low_winrates: tuple[int, int] = (0, 0)
    """How many searches in a row saw less than `GtpConfig.resign`, for players 0 and 1."""
    config: GtpConfig = field(default_factory=GtpConfig)


class Thought(NamedTuple):
    """What a search for a move found."""

    choice: Choice
    seconds: float
    """That it took."""
    low_winrates: tuple[int, int]
    """`Table.low_winrates` after it."""
    resigns: bool


_SEARCHES_BEFORE_RESIGNING = 3

Progress = Callable[[SearchResult], None]


class Session:
    """The table, and what it takes to think about it."""

    def __init__(
        self, game: Game, remake: Remake, make_search: Callable[[Game], GameSearch], config: GtpConfig | None = None
    ) -> None:
        """`make_search` loads what is needed for a game and compiles everything; it is asked once for each game."""
        if game.num_players != 2 or game.value_bounds is None:
            raise UserError(f"{game.name} cannot be played over GTP: it is no game for two that somebody wins")
        self._remake, self._make_search = remake, make_search
        self._searches: dict[str, GameSearch] = {}
        self.table = Table(PlayedGame(game), config=config or GtpConfig())
        self.search_for(game)

    @property
    def game(self) -> Game:
        return self.table.played.game

    @property
    def search(self) -> GameSearch:
        return self.search_for(self.game)

    def search_for(self, game: Game) -> GameSearch:
        """The search of a game, compiled. Only the last two games' are kept: trees are large."""
        if game.name not in self._searches:
            made = self._make_search(game)
            while len(self._searches) > 1:
                del self._searches[next(iter(self._searches))]
            self._searches[game.name] = made
        return self._searches[game.name]

    def remake(self, size: int | None = None, options: Mapping[str, str] | None = None) -> Game:
        """This game on another square board or by other rules, ready to be searched. Raises BadRequest if none is."""
        try:
            game = self._remake(self.game, None if size is None else (size, size), options or {})
        except ValueError as error:
            raise BadRequest(str(error)) from None
        if game.name == self.game.name:
            return self.game
        self.search_for(game)
        return game

    def begin(self, game: Game) -> PlayedGame:
        """A new game with the komi that was set, where this one takes it."""
        return PlayedGame(game, self.table.komi if has_komi(game) else None)

    def wants_to_ponder(self) -> bool:
        return self.table.config.ponder and not self.table.played.terminated and bool(self.table.played.plies)

    def ponder(self, stop: Stop) -> None:
        """Think about the position on the board until `stop` says so or the tree is full."""
        self.search.think(self.table.played, self.search.max_simulations, stop)

    def think(self, played: PlayedGame, progress: Progress | None = None, interval: float = 1.0) -> Thought:
        """Search for the move of whoever is to move, within what the clock and the settings allow. `progress` is told
        every `interval` seconds how the search stands."""
        begun = time.monotonic()
        simulations, seconds = self._budget(played)
        deadline = math.inf if seconds is None else begun + seconds
        while True:
            pause = math.inf if progress is None else time.monotonic() + interval
            result = self.search.think(played, simulations, past(min(deadline, pause)))
            now = time.monotonic()
            if progress is None or now < pause or now >= deadline:
                break
            progress(result)
        choice = read_choice(result)
        low_winrates = self._low_winrates(played.to_play, winrate(played.game, choice.value))
        resigns = low_winrates[played.to_play] >= _SEARCHES_BEFORE_RESIGNING
        return Thought(choice, time.monotonic() - begun, low_winrates, resigns)

    def _low_winrates(self, player: int, share: float) -> tuple[int, int]:
        resign = self.table.config.resign
        counts = list(self.table.low_winrates)
        counts[player] = counts[player] + 1 if resign is not None and share < resign else 0
        return counts[0], counts[1]

    def _budget(self, played: PlayedGame) -> tuple[int, float | None]:
        """(simulations, seconds) for the next move."""
        config = self.table.config
        num_legal = int(played.legal_actions().sum())
        clock = self.table.clocks[played.to_play]
        most_left = (played.game.max_num_moves - int(played.state["num_moves"]) + 1) // 2
        seconds = clock.allotment(expected_moves(num_legal, most_left), config.lag) if clock else None
        if config.seconds is not None:
            seconds = config.seconds if seconds is None else min(seconds, config.seconds)
        if num_legal == 1:
            return 2, seconds
        if config.simulations is not None:
            return config.simulations, seconds
        return (_DEFAULT_SIMULATIONS if seconds is None else self.search.max_simulations), seconds


def past(moment: float) -> Stop:
    """Says whether `time.monotonic()` has reached a moment."""
    return lambda: time.monotonic() >= moment


def note_of(thought: Thought) -> SearchNote:
    """What a record keeps of a search."""
    return SearchNote(thought.choice.value, thought.choice.visits)
