"""The games of a ladder being played: until all that was asked for is there, or somebody stops it."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from games.base import Game
from rl.arena.entrants import Entrant, short_names
from rl.arena.game_log import GameLog, LoggedGame
from rl.arena.match import MatchGame, Progress
from rl.arena.openings import find_openings
from rl.arena.results import Pair, Results
from rl.arena.tournament import Batch, Plan, Tournament
from rl.protocols.gtp.contest import Contest, is_engine
from rl.search.driver import SearchConfig
from rl.train.signals import Stopped, StopRequest
from scripts.games_bar import games_bar, shown_on
from scripts.ladder.report import Report, write_report

_REPORT_SECONDS = 60.0
"""Between two writings of the table while games are played."""
_ENGINE_BATCH = 2
"""Games with an outside engine follow one another: nothing is won by more at once, and less is lost by a crash."""


@dataclass(frozen=True)
class Settings:
    """What all games of a ladder have in common, beside the game."""

    seed: int
    simulations: int
    openings: int
    average_symmetries: bool
    engine_seconds: float
    judge: str
    search: SearchConfig

    def described(self, game: Game) -> dict[str, object]:
        """As the file of games has them."""
        fields = {name: value for name, value in asdict(self).items() if name != "search"}
        return {"game": game.name, **fields, **{f"search.{name}": value for name, value in asdict(self.search).items()}}


def play_ladder(
    game: Game,
    directory: Path,
    entrants: Sequence[Entrant],
    settings: Settings,
    plan: Plan,
    *,
    num_threads: int,
    report: Callable[[Sequence[Entrant], Results], Report],
) -> tuple[Report, int]:
    """Play what `plan` asks for and `directory` does not have; the ladder as it stands then, and the exit code.

    `report` makes it of all players whose games there are, and of their results. The first Ctrl-C or SIGTERM ends the
    games in progress, the second the process; finished games are kept either way. Raises UserError where the directory
    holds another ladder or a player cannot play.
    """
    contest = Contest(
        game,
        num_simulations=settings.simulations,
        config=settings.search,
        num_threads=num_threads,
        average_symmetries=settings.average_symmetries,
        engine_seconds=settings.engine_seconds,
        judge=settings.judge,
    )
    with StopRequest(contest.kill) as stop, contest:
        try:
            with GameLog(directory / "games.jsonl", settings.described(game)) as log:
                openings, _ = find_openings(game, settings.openings, settings.seed)
                names = [entrant.name for entrant in entrants]
                tournament = Tournament(names, Results(log.games), plan, len(openings))
                contest.prepare(names)
                stop.drains = True
                log.enter(entrants)
                if 2 * len(openings) < plan.games:
                    few = f"there are {len(openings)} different openings, so a pair plays {2 * len(openings)} games"
                    print(f"keima: {few}", file=sys.stderr)
                session = _Session(game, contest, log, tournament, openings, settings.seed)
                session.play(stop, lambda: write_report(session.told(report), directory))
                told = session.told(report)
        except Stopped:
            raise SystemExit(stop.exit_code) from None
    if stop:
        print(f"keima: stopped; the same command goes on from the {len(log.games)} games there are", file=sys.stderr)
    return told, stop.exit_code


class _Session:
    """One sitting."""

    def __init__(
        self,
        game: Game,
        contest: Contest,
        log: GameLog,
        tournament: Tournament,
        openings: Sequence[tuple[int, ...]],
        seed: int,
    ) -> None:
        self._game, self._contest, self._log, self._tournament = game, contest, log, tournament
        self._openings, self._seed = openings, seed

    def told(self, report: Callable[[Sequence[Entrant], Results], Report]) -> Report:
        """How the ladder stands."""
        return report(list(self._log.entrants.values()), self._tournament.results)

    def play(self, stop: StopRequest, write: Callable[[], None]) -> None:
        """Play what there is to play, each batch going to the log when it is over; `write` the table now and then."""
        shown = short_names(self._log.entrants.values())
        num_played, written = 0, time.monotonic()
        with games_bar("", self._tournament.num_left) as bar:
            while not stop and (batch := self._tournament.next_batch()) is not None:
                names = " against ".join(shown[name] for name in batch.pair)
                bar.update(bar.task_ids[0], description=names)
                games = self._play_batch(batch, stop, shown_on(bar, num_played))
                self._log.add(games)
                self._tournament.results.add(games)
                num_played += len(games)
                if time.monotonic() - written > _REPORT_SECONDS:
                    write()
                    written = time.monotonic()

    def _play_batch(self, batch: Batch, stop: StopRequest, progress: Progress) -> list[LoggedGame]:
        """The games of a batch that were finished; those with an engine are fewer than it may have."""
        pair, seed = batch.pair, _pair_seed(self._seed, batch.pair)
        num_games = min(batch.num_games, _ENGINE_BATCH) if any(map(is_engine, pair)) else batch.num_games
        result = self._contest.play(
            *pair,
            num_games,
            seed,
            openings=self._openings,
            start=batch.start,
            stop=lambda: bool(stop),
            progress=progress,
        )
        return [self._logged(played, pair, seed) for played in result.games]

    def _logged(self, played: MatchGame, pair: Pair, seed: int) -> LoggedGame:
        moves = [self._game.action_to_text(action) for action in played.moves]
        return LoggedGame(
            *pair,
            number=played.number,
            score=played.score,
            seed=seed,
            opening=" ".join(moves[: played.num_opening_moves]),
            moves=" ".join(moves[played.num_opening_moves :]),
            length=len(moves),
            result=played.result,
            remark=played.remark or played.forfeit,
            forfeit=bool(played.forfeit),
        )


def _pair_seed(seed: int, pair: Pair) -> int:
    """One for each pair: what its players draw at random has nothing to do with any other pair's."""
    text = "\n".join([str(seed), *pair])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
