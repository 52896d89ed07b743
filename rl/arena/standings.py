"""How a ladder stands: who is rated what, as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rl.arena.elo import Rating
from rl.arena.entrants import Entrant, short_names
from rl.arena.results import Pair, Results

Cells = list[list[str]]
"""A table as text: its head, then its rows."""


class Row(NamedTuple):
    """A player's place."""

    entrant: Entrant
    short_name: str
    """Its name in tables."""
    rating: Rating | None
    """None where no games link it to the anchor."""
    wins: int
    draws: int
    losses: int
    forfeits: int
    """Losses by what it did off the board."""

    @property
    def num_games(self) -> int:
        return self.wins + self.draws + self.losses

    @property
    def margin(self) -> float | None:
        """Half the width of the rating's 95 % interval."""
        return None if self.rating is None else self.rating.high - self.rating.elo


@dataclass(frozen=True)
class Standings:
    """All players, the best first, those without a rating last."""

    game: str
    anchor: str
    """Who is rated 0; intervals are of the difference to it."""
    rows: tuple[Row, ...]
    points: Mapping[tuple[str, str], float]
    """What the first took from the second, of all who have met."""
    num_games: Mapping[Pair, int]


def standings(game: str, entrants: Iterable[Entrant], results: Results, anchor: str) -> Standings:
    """The standings of `entrants`, to whom everyone with results belongs."""
    entrants = list(entrants)
    names = short_names(entrants)
    ratings = results.ratings(anchor)
    tallies = {entrant.name: [0, 0, 0] for entrant in entrants}
    points: dict[tuple[str, str], float] = {}
    num_games: dict[Pair, int] = {}
    for first, second, *counts in results.pairings():
        wins, draws, losses = (int(count) for count in counts)
        points[first, second], points[second, first] = wins + draws / 2.0, losses + draws / 2.0
        num_games[Pair(first, second)] = wins + draws + losses
        for name, of_it in ((first, (wins, draws, losses)), (second, (losses, draws, wins))):
            tallies[name] = [old + new for old, new in zip(tallies[name], of_it, strict=True)]
    rows = []
    for entrant in entrants:
        wins, draws, losses = tallies[entrant.name]
        forfeits = results.forfeits[entrant.name]
        rating = ratings.get(entrant.name)
        rows.append(Row(entrant, names[entrant.name], rating, wins, draws, losses, forfeits))
    rows.sort(key=lambda row: (row.rating is None, 0.0 if row.rating is None else -row.rating.elo))
    return Standings(game, anchor, tuple(rows), points, num_games)


def table(standing: Standings) -> Cells:
    """Rank, player, rating, half the 95 % interval, games, score a game, draws; and what training had cost, where an
    agent's file knows."""
    costs = [name for name in ("games", "evaluations", "hours") if _any_knows(standing, name)]
    heads = {"games": "self-play games", "evaluations": "evaluations", "hours": "hours"}
    cells = [["", "player", "Elo", "± 95 %", "games", "score", "draws", *(heads[name] for name in costs)]]
    for rank, row in enumerate(standing.rows, start=1):
        rating, margin = row.rating, row.margin
        cells.append(
            [
                str(rank),
                row.short_name,
                "?" if rating is None else f"{rating.elo:.0f}",
                "" if margin is None or row.entrant.name == standing.anchor else f"{margin:.0f}",
                str(row.num_games),
                f"{(row.wins + row.draws / 2.0) / row.num_games:.3f}" if row.num_games else "",
                f"{row.draws / row.num_games:.0%}" if row.num_games else "",
                *(_cost(row.entrant, name) for name in costs),
            ]
        )
    return cells


def crosstable(standing: Standings) -> Cells:
    """What the row's player took from the column's, of how many games; columns by rank."""
    names = [row.entrant.name for row in standing.rows]
    cells = [["", "player", *(str(rank) for rank in range(1, len(names) + 1))]]
    for rank, row in enumerate(standing.rows, start=1):
        own = []
        for opponent in names:
            points = standing.points.get((row.entrant.name, opponent))
            met = 0 if points is None else standing.num_games[Pair.of(row.entrant.name, opponent)]
            own.append("" if points is None else f"{points:g}/{met}")
        cells.append([str(rank), row.short_name, *own])
    return cells


def markdown(cells: Cells) -> str:
    """A table in Markdown: all but the player's column to the right."""
    head, *rows = [[text.replace("|", "\\|") for text in line] for line in cells]
    rule = ["---" if name == "player" else "---:" for name in head]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def to_json(standing: Standings) -> dict[str, Any]:
    """Everything, for `json.dumps`."""
    return {
        "game": standing.game,
        "anchor": standing.anchor,
        "num_games": sum(standing.num_games.values()),
        "players": [
            {
                "name": row.entrant.name,
                "short_name": row.short_name,
                "training": {name: getattr(row.entrant, name) for name in ("step", "games", "evaluations", "hours")},
                "elo": None if row.rating is None else row.rating.elo,
                "elo_interval": None if row.rating is None else [row.rating.low, row.rating.high],
                "num_games": row.num_games,
                "wins": row.wins,
                "draws": row.draws,
                "losses": row.losses,
                "forfeits": row.forfeits,
            }
            for row in standing.rows
        ],
        "pairs": [
            {"players": list(pair), "points": [standing.points[pair], standing.points[pair[::-1]]], "num_games": met}
            for pair, met in standing.num_games.items()
        ],
    }


def notes(standing: Standings) -> Sequence[str]:
    """What a reader should know besides."""
    told = [
        f"{row.short_name} forfeited {row.forfeits} of its {row.num_games} games: the reasons are in games.jsonl"
        for row in standing.rows
        if row.forfeits
    ]
    unrated = [row.short_name for row in standing.rows if row.rating is None]
    if unrated:
        told.append(f"no games link {', '.join(unrated)} to {standing.anchor}, who is rated 0")
    return told


def _any_knows(standing: Standings, name: str) -> bool:
    return any(getattr(row.entrant, name) is not None for row in standing.rows)


def _cost(entrant: Entrant, name: str) -> str:
    value = getattr(entrant, name)
    return "" if value is None else f"{value:.2f}" if name == "hours" else str(value)
