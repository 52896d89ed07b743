"""Episodes of a robot, filmed at some of the run's evaluations."""

from __future__ import annotations

import base64
from html import escape

from scripts.report.run_record import Film, RunRecord

_TEXT = (
    "The same episode, played with a search by networks of different age, at the speed at which it goes in the world; "
    "the numbers are means over all episodes of that evaluation."
)


def html(record: RunRecord) -> str:
    """The films side by side, the oldest network first; nothing where there are none."""
    return f'<p>{_TEXT}</p><div class="films">{"".join(map(_figure, record.films))}</div>' if record.films else ""


def _figure(film: Film) -> str:
    data = base64.b64encode(film.data).decode("ascii")
    title = f"step {film.step:,}"
    told = [f"return {film.mean_return:.3g}"] if film.mean_return is not None else []
    told += [f"{film.successes:.0%} successes"] if film.successes is not None else []
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<img alt="an episode at {escape(title, quote=True)}" src="data:image/gif;base64,{data}">'
        f"<p>{escape(', '.join(told))}</p></figure>"
    )
