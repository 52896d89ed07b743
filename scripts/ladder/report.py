"""What a ladder tells: the table on the terminal, and the same as Markdown, JSON and a plot in its directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rl.arena.entrants import Entrant, short_names
from rl.arena.results import Results
from rl.arena.sprt import SprtResult
from rl.arena.standings import Cells, Standings, crosstable, markdown, notes, standings, table, to_json
from rl.arena.tournament import PairTest
from rl.files import replace_file

if TYPE_CHECKING:
    from rl.arena.plot import Axis

_WIDTH = 200
"""Columns where nobody watches: no name is folded."""


@dataclass(frozen=True)
class Report:
    """A ladder as it stands."""

    standing: Standings
    test: PairTest | None
    verdict: SprtResult | None
    axis: Axis
    """Of the plot."""

    @classmethod
    def of(
        cls,
        game: str,
        entrants: Sequence[Entrant],
        results: Results,
        anchor: str,
        test: PairTest | None,
        axis: Axis,
    ) -> Report:
        """What there is to tell of `entrants` and their `results`."""
        verdict = None if test is None else test.run(results)
        return cls(standings(game, entrants, results, anchor), test, verdict, axis)

    def to_json(self) -> dict[str, Any]:
        """Everything, for `json.dumps`."""
        told = to_json(self.standing)
        if self.test is not None and self.verdict is not None:
            players = {"first": self.test.first, "second": self.test.second}
            told["sprt"] = {
                **players,
                **asdict(self.test.sprt),
                **asdict(self.verdict),
                "bounds": self.test.sprt.bounds,
            }
        return told

    @property
    def head(self) -> str:
        """What the ratings are of."""
        num_games = sum(self.standing.num_games.values())
        return f"{num_games} games of {self.standing.game}; {self._shown(self.standing.anchor)} is rated 0"

    @property
    def lines(self) -> list[str]:
        """What is to be said besides the table."""
        lines = list(notes(self.standing))
        if self.test is not None and self.verdict is not None:
            first, second = self._shown(self.test.first), self._shown(self.test.second)
            sprt, verdict = self.test.sprt, self.verdict
            decision = {
                "elo1": f"{sprt.elo1:g} Elo or more accepted against {sprt.elo0:g}",
                "elo0": f"{sprt.elo0:g} Elo or less accepted against {sprt.elo1:g}",
                "": f"undecided between {sprt.elo0:g} and {sprt.elo1:g} Elo",
            }[verdict.verdict]
            lower, upper = sprt.bounds
            lines.append(
                f"SPRT of {first} over {second}: {decision} after {2 * verdict.num_openings} games; "
                f"LLR {verdict.llr:.2f}, bounds {lower:.2f} and {upper:.2f}"
            )
        return lines

    def _shown(self, name: str) -> str:
        return short_names(row.entrant for row in self.standing.rows)[name]


def write_report(report: Report, directory: Path) -> None:
    """Write `ladder.json`, `ladder.md` and `ladder.svg`, each replacing the old one when it is whole."""
    from rl.arena.plot import draw  # matplotlib takes a moment to import

    standing = report.standing
    parts = [
        f"# {standing.game}",
        f"{report.head}. Elo with 95 % intervals of the difference to it.",
        markdown(table(standing)),
        *report.lines,
        "![Ratings with their intervals](ladder.svg)",
        "## Points taken, row from column",
        markdown(crosstable(standing)),
    ]
    replace_file(directory / "ladder.json", (json.dumps(report.to_json(), indent=2) + "\n").encode())
    replace_file(directory / "ladder.md", ("\n\n".join(parts) + "\n").encode())
    replace_file(directory / "ladder.svg", draw(standing, report.axis))


def print_report(report: Report, directory: Path, *, as_json: bool, with_crosstable: bool) -> None:
    """The table on standard output, or `ladder.json` as one line."""
    if as_json:
        print(json.dumps(report.to_json()))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    console.print(report.head, markup=False)
    for cells in (table(report.standing), *([crosstable(report.standing)] if with_crosstable else [])):
        console.print(_as_table(cells))
    for line in report.lines:
        console.print(line, markup=False)
    console.print(f"games, table and plot are in {directory}", markup=False)


def _as_table(cells: Cells) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    head, *rows = cells
    for name in head:
        shown.add_column(name, justify="left" if name == "player" else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(escape(text) for text in row))
    return shown
