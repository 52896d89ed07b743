"""The ladder: ratings with their 95 % intervals, drawn as bars."""

from __future__ import annotations

from html import escape

from rl.arena.elo import Rating
from scripts.report.run_record import RunRecord


def html(record: RunRecord) -> str:
    """A table, best first; nothing before the first evaluation."""
    if not record.ratings:
        return ""
    low = min(rating.low for rating in record.ratings.values())
    high = max(rating.high for rating in record.ratings.values())
    rows = "".join(_row(name, rating, low, max(1.0, high - low)) for name, rating in record.ratings.items())
    head = "<tr><th>player</th><th>Elo</th><th>95 % interval</th><th>games</th><th></th></tr>"
    words = (
        "<p>Bradley-Terry ratings of all games played at evaluations; random play is 0, and intervals are of the "
        "difference to it. <code>step-N</code> is this run's network after N learner steps.</p>"
    )
    return f'{words}<table class="ladder">{head}{rows}</table>'


def _row(name: str, rating: Rating, least: float, span: float) -> str:
    def place(elo: float) -> float:
        return 100.0 * (elo - least) / span

    left, width = place(rating.low), place(rating.high) - place(rating.low)
    kind = "own" if name.startswith("step-") else "fixed"
    bar = (
        f'<div class="bar {kind}"><i style="left:{left:.2f}%;width:{width:.2f}%"></i>'
        f'<b style="left:{place(rating.elo):.2f}%"></b></div>'
    )
    return (
        f'<tr><td>{escape(name)}</td><td class="number">{rating.elo:.0f}</td>'
        f'<td class="number">{rating.low:.0f} to {rating.high:.0f}</td><td class="number">{rating.num_games:.0f}</td>'
        f"<td>{bar}</td></tr>"
    )
