"""What stands beside the robot: who moves it, how the episode goes, what is expected and thought."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from scripts.terminal.app.charts import bar, sparkline
from scripts.terminal.app.palette import ACCENT, BAD, DIM, GOOD, INK, PAPER, paint
from scripts.terminal.app.pen import Pen
from scripts.terminal.app.robots.messages import Reading

_LEVELS = "▁▂▃▄▅▆▇█"
_MANY, _MOST_TOLD = 3, 4
"""From so many numbers on an action is rounded more; the most that are written out."""


def robot_panel(
    reading: Reading | None, failure: str, value_range: tuple[float, float], *, with_person: bool, pen: Pen
) -> RenderableType:
    """The panel; values are shown within `value_range`."""
    if failure:
        return pen.wrapped(failure, BAD)
    if reading is None:
        return pen.wrapped("the agent gets ready; a task's first time takes longer …", DIM)
    rows: list[RenderableType] = [pen.wrapped(reading.pilot, ACCENT), Text("")]
    rows += [*_episode_lines(reading, pen, with_person=with_person), *_goal_lines(reading, pen), Text("")]
    rows += _value_lines(reading.values, value_range, pen)
    rows += _thought_lines(reading, pen)
    return Group(*rows)


def _episode_lines(reading: Reading, pen: Pen, *, with_person: bool) -> list[Text]:
    head = f"{'round' if reading.score else 'episode'} {reading.number}, step {reading.step} of {reading.most_steps}"
    if reading.most_steps is None:
        head = f"your goal, step {reading.step}"
    lines = [pen.text(head, INK, bold=True)]
    if reading.score is not None:
        first, second = reading.score
        other = "you" if with_person else "the other"
        return [*lines, pen.text(f"agent {first} : {second} {other}", ACCENT, bold=True)]
    lines.append(pen.text(f"return {reading.returns:.1f}", INK))
    if reading.success is not None:
        told = f"   {reading.num_successes} of {reading.num_done} episodes" if reading.num_done else ""
        words = f"✓ achieved{told}" if reading.success else f"· not achieved{told}"
        lines.append(pen.text(words, GOOD if reading.success else DIM, bold=reading.success))
    return lines


def _goal_lines(reading: Reading, pen: Pen) -> list[Text]:
    if not reading.goal:
        return []
    lines = [pen.text(f"goal {reading.goal}", INK)]
    if reading.distance is not None:
        aside = f", turned {reading.turn:.0f}°" if reading.turn is not None else ""
        lines.append(pen.text(f"{reading.distance:.3f} m away{aside}", INK))
    return lines


def _value_lines(values: Sequence[float], value_range: tuple[float, float], pen: Pen) -> list[RenderableType]:
    """What is expected from here, within what returns can be; below, its course over the episode, from its least to
    its largest."""
    if not values:
        return []
    low, high = value_range
    share = min(max((values[-1] - low) / (high - low), 0.0), 1.0)
    least, spread = min(values), max(max(values) - min(values), 1e-6)
    course = {index: (value - least) / spread for index, value in enumerate(values)}
    return [
        pen.text(f"value {values[-1]:.2f}  ({low:g} to {high:g})", INK),
        bar(share, pen.width, (ACCENT, PAPER), pen.depth),
        sparkline(course, len(values) - 1, pen.width, DIM, pen.depth),
        Text(""),
    ]


def _thought_lines(reading: Reading, pen: Pen) -> list[Text]:
    lines = []
    if reading.action:
        marks = "".join(_LEVELS[min(int(4 * (number + 1)), 7)] for number in reading.action)
        line = pen.text("action ", INK)
        line.append(marks, paint(pen.depth, ACCENT))
        told = f"  {_numbers(reading.action)}"
        if line.cell_len + len(told) <= pen.width:
            line.append(told, paint(pen.depth, DIM, dim=True))
        lines.append(line)
    if reading.visits:
        speed = f", {reading.speed:,.0f}/s" if reading.speed > 0 else ""
        lines.append(pen.text(f"{reading.visits:,} visits{speed}", DIM, dim=True))
        for option in reading.options:
            told = _numbers(option.action[:_MOST_TOLD], digits=2 if len(option.action) < _MANY else 1)
            lines.append(pen.text(f"{option.visits:>4}{option.value:8.2f}  {told}", DIM))
    return lines


def _numbers(numbers: Sequence[float], digits: int = 2) -> str:
    return " ".join(f"{number:+.{digits}f}" for number in numbers)
