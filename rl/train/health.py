"""The usual sicknesses of a run, known by their signs in its metrics.

`RULES` is the table: what is measured, over how long, beyond which number it is a sickness, and what to do. It is asked
while the run goes on (`HealthWatch` in `rl.train.reporting`), and over a finished record by `keima watch` and
`keima report`.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Line = Mapping[str, Any]
"""A line of `metrics.jsonl`."""

_CHECK_SECONDS = 15.0
"""Of the run's clock, from one look to the next."""
_FEWEST = 5
"""Values that a median is taken of, at least."""


class Recent:
    """The last lines of metrics, and what they say together."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines

    def median(self, name: str) -> float | None:
        """The median of a number, which no single line moves far; None where there are too few."""
        values = self._values(name)
        return statistics.median(values) if len(values) >= _FEWEST else None

    def last(self, name: str) -> float | None:
        """The newest value; None where there is none."""
        values = self._values(name)
        return values[-1] if values else None

    def rise(self, name: str) -> float | None:
        """By how much a count has risen, None where there are fewer than two."""
        values = self._values(name)
        return values[-1] - values[0] if len(values) > 1 else None

    def _values(self, name: str) -> list[float]:
        return [float(value) for line in self._lines if (value := line.get(name)) is not None]


@dataclass(frozen=True)
class Rule:
    """One sickness."""

    name: str
    sign: str
    """In words: what is measured, and the number beyond which it is ill."""
    minutes: float
    """Of running, that it is measured over; shorter stretches say nothing."""
    measure: Callable[[Recent], float | None]
    """None where the metrics do not tell."""
    limit: float
    """Ill when the measure is above it (below it, where `below`)."""
    advice: str
    """What to do."""
    below: bool = False

    def is_ill(self, value: float) -> bool:
        """Whether this measure is beyond the limit."""
        return value < self.limit if self.below else value > self.limit


def _ratio(over: str, under: str) -> Callable[[Recent], float | None]:
    def measure(recent: Recent) -> float | None:
        above, below = recent.median(over), recent.median(under)
        return None if above is None or not below else above / below

    return measure


def _median(name: str) -> Callable[[Recent], float | None]:
    return lambda recent: recent.median(name)


def _rise(name: str) -> Callable[[Recent], float | None]:
    return lambda recent: recent.rise(name)


def _network_share(recent: Recent) -> float | None:
    return recent.median("time/network") if recent.median("selfplay/evaluations_per_second") else None


def _age_share(recent: Recent) -> float | None:
    """At the beginning of a run, and of short ones to the end, every game is old and that is right."""
    age, games, progress = recent.median("replay/sample_age"), recent.last("games"), recent.last("time/progress")
    if age is None or games is None or progress is None or games < 5000 or progress < 0.5:
        return None
    return age / games


def _steps_without_games(recent: Recent) -> float | None:
    steps, games = recent.rise("steps"), recent.rise("games")
    return None if steps is None or games is None else steps if games == 0 else 0.0


def _first_player_lead(recent: Recent) -> float | None:
    score = recent.median("selfplay/first_player_score")
    return None if score is None else abs(score - 0.5)


def _behind_best(recent: Recent) -> float | None:
    best, high = recent.last("elo/best"), recent.last("elo/high")
    return None if best is None or high is None else best - high


RULES = (
    Rule(
        "policy collapse",
        "policy/entropy is below 0.3 of policy/target_entropy",
        3.0,
        _ratio("policy/entropy", "policy/target_entropy"),
        0.3,
        "the network has made up its mind against its teacher: lower --learner.learning-rate, see that "
        "--learner.partition-loss-weight is not 0, go back to an earlier network",
        below=True,
    ),
    Rule(
        "one move only",
        "policy/entropy is below 0.02 nats",
        3.0,
        _median("policy/entropy"),
        0.02,
        "every position has one move left: more noise at the roots, longer openings "
        "(--selfplay.opening-policy-share lower); right only where the game is solved",
        below=True,
    ),
    Rule(
        "logits adrift",
        "policy/log_partition is above 10",
        3.0,
        _median("policy/log_partition"),
        10.0,
        "raise --learner.partition-loss-weight: beyond some hundreds bfloat16 no longer tells logits apart",
    ),
    Rule(
        "value overfitting",
        "holdout/loss/value is more than 1.3 of loss/value",
        5.0,
        _ratio("holdout/loss/value", "loss/value"),
        1.3,
        "positions are learnt by heart: fewer samples of each (--samples-per-target), more games, a larger window, or "
        "values learnt less from how games ended (a smaller --window.trace-decay)",
    ),
    Rule(
        "values astray",
        "value/calibration_error is above 0.2",
        5.0,
        _median("value/calibration_error"),
        0.2,
        "expected and actual scores disagree: the window may hold games of much weaker play, or "
        "--window.trace-decay is too low",
    ),
    Rule(
        "idle network",
        "time/network is below 0.1 while games are played",
        3.0,
        _network_share,
        0.1,
        "other programs take the cores, or there is too little to ask the network: more games at once "
        "(--selfplay.games-per-worker), more workers, a larger network; right for games as small as tic-tac-toe",
        below=True,
    ),
    Rule(
        "empty batches",
        "selfplay/batch_fill is below 0.5",
        3.0,
        _median("selfplay/batch_fill"),
        0.5,
        "more than half of what the network computes is padding: fewer --workers, or fewer boards in --also",
        below=True,
    ),
    Rule(
        "stale window",
        "replay/sample_age is above 0.4 of all games, in the second half of a run of 5,000 games and more",
        5.0,
        _age_share,
        0.4,
        "the window forgets nothing, and early play is learnt for ever: a smaller --window.min-positions, or a lower "
        "exponent of its growth",
    ),
    Rule(
        "self-play stands still",
        "more than 100 learner steps, and no game has been finished",
        5.0,
        _steps_without_games,
        100.0,
        "the learner goes round in old games: look into stacks.txt, and whether the workers live",
    ),
    Rule(
        "first-player bias",
        "selfplay/first_player_score is further than 0.35 from 1/2",
        5.0,
        _first_player_lead,
        0.35,
        "whoever begins wins (or loses), so results teach little: change the komi, play longer openings, use the swap "
        "rule; right where the game is decided at its first move",
    ),
    Rule(
        "NaN skips",
        "learner/skipped_steps has risen by 3 or more",
        5.0,
        _rise("learner/skipped_steps"),
        2.0,
        "losses or gradients are not finite: lower --learner.learning-rate, warm up longer, train in float32",
    ),
    Rule(
        "dying workers",
        "selfplay/worker_restarts has risen by 2 or more",
        10.0,
        _rise("selfplay/worker_restarts"),
        1.0,
        "workers die, mostly of too little memory: fewer --workers, or fewer games at once",
    ),
    Rule(
        "falling strength",
        "elo/high, the upper end of the newest network's interval, is below elo/best",
        1.0,
        _behind_best,
        0.0,
        "the newest network is clearly weaker than an earlier one: look at the other signs; lower the learning rate",
    ),
)


class Finding(NamedTuple):
    """A sickness, and when it was seen."""

    rule: Rule
    value: float
    """The measure when it was first seen."""
    since: float
    """Seconds of running."""
    until: float | None
    """When it was over; None while it lasts."""

    @property
    def text(self) -> str:
        """One line: what, by which sign, and what to do."""
        return f"{self.rule.name}: {self.rule.sign} ({self.value:.3g}); {self.rule.advice}"


class HealthWatch:
    """Reads lines of metrics as they come, and remembers what was wrong."""

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self._rules = rules
        self._keep_seconds = max(rule.minutes for rule in rules) * 60.0
        self._lines: deque[Line] = deque()
        self._next_check = 0.0
        self._begun: float | None = None
        self._current: dict[str, Finding] = {}
        self._past: list[Finding] = []

    @property
    def current(self) -> list[Finding]:
        """What is wrong now, the oldest first."""
        return sorted(self._current.values(), key=lambda finding: finding.since)

    @property
    def findings(self) -> list[Finding]:
        """Everything that was ever wrong, the oldest first."""
        return sorted([*self._past, *self._current.values()], key=lambda finding: finding.since)

    def add(self, line: Line) -> list[Finding]:
        """Take up a line; what has begun or ended with it."""
        now = float(line["seconds"])
        if self._lines and now < float(self._lines[-1]["seconds"]):  # the run went back to a checkpoint
            self._lines.clear()
            self._begun = None
        self._begun = now if self._begun is None else self._begun
        self._lines.append(line)
        while float(self._lines[0]["seconds"]) < now - self._keep_seconds:
            self._lines.popleft()
        if now < self._next_check <= now + _CHECK_SECONDS:
            return []
        self._next_check = now + _CHECK_SECONDS
        return [change for rule in self._rules if (change := self._ask(rule, now)) is not None]

    def _ask(self, rule: Rule, now: float) -> Finding | None:
        assert self._begun is not None
        first = now - 60.0 * rule.minutes
        if self._begun > first:
            return None
        recent = Recent([line for line in self._lines if float(line["seconds"]) >= first])
        value, known = rule.measure(recent), self._current.get(rule.name)
        if value is None:  # nothing was measured, which is no news: evaluations are far between
            return None
        is_ill = rule.is_ill(value)
        if is_ill and known is None:
            self._current[rule.name] = Finding(rule, value, now, None)
            return self._current[rule.name]
        if not is_ill and known is not None:
            del self._current[rule.name]
            self._past.append(known._replace(until=now))
            return self._past[-1]
        return None


def examined(lines: Iterable[Line]) -> HealthWatch:
    """What the health of a recorded run was."""
    watch = HealthWatch()
    for line in lines:
        watch.add(line)
    return watch


def health_text(findings: Sequence[Finding]) -> str:
    """What is wrong now, for people; a line each."""
    if not findings:
        return "No sign of the usual sicknesses."
    return "\n".join(finding.text for finding in findings)
