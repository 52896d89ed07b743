"""The charts of a run: what belongs together, what each curve should look like, and what to do when it does not.

One table, shown in three places: TensorBoard's custom scalars, its text page, and the page of `keima report`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from games.base import Game
from games.simulated import SimulatedGame

CATEGORIES = ("Learning", "Strength", "Search", "Throughput", "Data", "Health")


class Chart(NamedTuple):
    """Some curves that are read together."""

    category: str
    """One of `CATEGORIES`."""
    title: str
    curves: tuple[str, ...]
    """Names of `rl.train.metrics.NAMES`; a `*` stands for anything."""
    healthy: str
    """What it should look like."""
    otherwise: str
    """What to do when it does not."""
    band: tuple[str, str] | None = None
    """Curves between which the truth lies: an interval's ends."""
    spread: bool = False
    """The curves are summaries of histograms, which custom scalars cannot show: TensorBoard has them on a page of their
    own."""
    only: Literal["", "boards", "solved", "robots"] = ""
    """What has these curves: games with boards, those of them with solved positions, or simulated games; empty: all."""


CHARTS = (
    Chart(
        "Learning",
        "Loss",
        ("loss/total", "holdout/loss/total"),
        "falls fast, then slowly; the held-out curve follows the other a little above it",
        "rising for long: lower --learner.learning-rate. The two drift apart: see Value loss",
    ),
    Chart(
        "Learning",
        "Policy loss",
        ("loss/policy", "holdout/loss/policy", "policy/target_entropy"),
        "falls towards the entropy of the search's policy, which is the least it can be and falls too",
        "far above it to the end: a wider network, or more samples a target",
    ),
    Chart(
        "Learning",
        "Value loss",
        ("loss/value", "holdout/loss/value"),
        "falls slowly, and both alike; no game is so clear that it reaches 0",
        "the held-out curve rises while the other falls: fewer samples a target (--samples-per-target), or more games",
    ),
    Chart(
        "Learning",
        "Policy",
        ("policy/entropy", "policy/target_entropy", "policy/kl_to_search"),
        "the network's entropy sinks from that of random play and stays above the search's; the distance of the two "
        "shrinks and never becomes 0, for the search always knows more",
        "entropy near 0: the policy has collapsed, see Logits; a distance that grows: the learner cannot follow",
    ),
    Chart(
        "Learning",
        "Accuracy",
        ("policy/accuracy", "holdout/policy/accuracy", "value/accuracy", "holdout/value/accuracy"),
        "rises and flattens; held out, a little lower",
        "flat from the beginning: check that games end and are won (selfplay/draws, selfplay/game_length)",
        only="boards",
    ),
    Chart(
        "Learning",
        "Value calibration",
        ("calibration/score_at_*",),
        "ten level curves, evenly spread: where 0.85 was expected, 0.85 was scored",
        "all near the middle: values say too much; the lowest and highest beyond 0.05 and 0.95: too little",
        only="boards",
    ),
    Chart(
        "Learning",
        "Values of winners and losers",
        ("value/of_winners", "value/of_losers"),
        "part from the middle, one up and one down: who will win is seen ever earlier in a game. On the page of "
        "histograms, few winners' values are near 0 and few losers' near 1",
        "stay together at 1/2: nothing is learnt of who wins; few in between: games are decided by their openings",
        spread=True,
        only="boards",
    ),
    Chart(
        "Strength",
        "Elo",
        ("elo/agent", "elo/best"),
        "rises steeply, then slower; the newest network is the best or within its interval. Random play is 0",
        "falling for several evaluations: see Health; flat: the run is done, or its searches are too short to teach",
        band=("elo/low", "elo/high"),
        only="boards",
    ),
    Chart(
        "Strength",
        "Score",
        ("score/*",),
        "against random play 1 within minutes, against rollouts later; against earlier networks above 1/2",
        "below 1/2 against earlier networks, again and again: see Health",
        only="boards",
    ),
    Chart(
        "Strength",
        "Truth",
        ("truth/policy_accuracy", "truth/search_accuracy"),
        "rises towards 1; the search is above the bare policy",
        "the search no better than the policy: values are bad, see Value loss",
        only="solved",
    ),
    Chart(
        "Strength",
        "Value error",
        ("truth/value_error",),
        "falls; mean distance from perfect play's outcome, which is -1, 0 or 1",
        "rising while the value loss falls: the network learns how its own games end, not how they should",
        only="solved",
    ),
    Chart(
        "Strength",
        "Returns of episodes",
        ("episodes/policy_return", "episodes/search_return", "selfplay/return"),
        "rises, the search above the policy alone, which comes nearer; self-play, which explores, a little below",
        "flat: rewards are too rare, or see Value loss; falling for long: a lower --learner.learning-rate",
        only="robots",
    ),
    Chart(
        "Strength",
        "Successes",
        ("episodes/policy_success", "episodes/search_success", "selfplay/success"),
        "rises towards 1. Only tasks that can be achieved have it",
        "0 to the end: rewards are too rare; where there are goals, hindsight (--window.hindsight-share) is off",
        only="robots",
    ),
    Chart(
        "Search",
        "Depth",
        ("search/depth",),
        "rises as the network learns where to look",
        "stays at 1 or 2: the policy is flat, or the searches are short (--selfplay.simulations)",
    ),
    Chart(
        "Search",
        "Root values",
        ("search/root_value", "search/root_value_spread"),
        "the mean near 0, the spread growing: positions come to be told apart",
        "spread near 0: values are not learnt; mean far from 0: see First player",
    ),
    Chart(
        "Search",
        "Policy surprise",
        ("search/policy_surprise",),
        "falls: the network learns to foresee what searches find. On the page of histograms, a tail that stays is "
        "good: positions to learn from",
        "rises for long: the learner cannot follow self-play",
        spread=True,
    ),
    Chart(
        "Search",
        "Cache hits",
        ("search/cache_hits",),
        "the share of leaves that were seen before: high in small games, and it rises as play narrows",
        "near 1: games are all alike; play longer or wilder openings",
        only="boards",
    ),
    Chart(
        "Throughput",
        "Self-play",
        ("selfplay/positions_per_second",),
        "level, or slowly falling where games get harder to decide",
        "falls with no reason: other programs use the cores, or memory is short; zero: see stacks.txt",
    ),
    Chart(
        "Throughput",
        "Network evaluations",
        ("selfplay/evaluations_per_second",),
        "level: the network is what self-play waits for",
        "falls while the share of time in the network stays: the processor is slowed down, by heat or by others",
    ),
    Chart(
        "Throughput",
        "Learner",
        ("learner/samples_per_second",),
        "level",
        "far below what `keima bench learner` shows: more workers than cores, or other programs on them",
    ),
    Chart(
        "Throughput",
        "Time",
        ("time/network", "time/search", "time/learning", "time/other"),
        "on a CPU the network takes most, then learning; search and the rest are small",
        "much of `other`: evaluations take the cores, or something else runs on them",
    ),
    Chart(
        "Throughput",
        "Batches",
        ("selfplay/batch_fill",),
        "near 1: the network computes no rows for nothing",
        "below 1/2: fewer places for games (--selfplay.games-per-worker), or the run is about to end",
    ),
    Chart(
        "Data",
        "Window",
        ("replay/window_size",),
        "grows slower than the games played",
        "level from the beginning: the window is too small to remember openings (--window.min-positions)",
    ),
    Chart(
        "Data",
        "Age of samples",
        ("replay/sample_age", "replay/window_games"),
        "the mean age is about half of the window, and grows with it",
        "grows as fast as the run: the window forgets nothing",
    ),
    Chart(
        "Data",
        "Samples a position",
        ("learner/samples_per_position",),
        "reaches what --samples-per-target asks for, times the share of full searches, and stays",
        "below it: the learner is too slow, and self-play pauses for it",
    ),
    Chart(
        "Data",
        "Game length",
        ("selfplay/game_length",),
        "changes at first, as blunders go, then settles",
        "at the most that the rules allow: nobody knows how to end a game",
    ),
    Chart(
        "Data",
        "First player",
        ("selfplay/first_player_score", "selfplay/draws"),
        "near the worth of the first move: 1/2 in a fair game, more where moving first helps",
        "near 0 or 1: all games teach the same; change the komi, or play longer openings",
        only="boards",
    ),
    Chart(
        "Health",
        "Sicknesses",
        ("health/sicknesses",),
        "0",
        "the text page of `keima watch` and the page of `keima report` name them, and what to do",
    ),
    Chart(
        "Health",
        "Logits",
        ("policy/log_partition", "holdout/policy/log_partition"),
        "below 1",
        "above 10: raise --learner.partition-loss-weight, for the policy is about to collapse",
        only="boards",
    ),
    Chart(
        "Health",
        "Gradient",
        ("learner/gradient_norm",),
        "level or slowly rising, without leaps of ten times and more",
        "leaps: lower the learning rate, or warm up longer (--learner.warmup-steps)",
    ),
    Chart(
        "Health",
        "Skipped steps",
        ("learner/skipped_steps", "learner/rollbacks"),
        "0",
        "rising: losses are not finite; lower the learning rate, or train in float32",
    ),
    Chart(
        "Health",
        "Workers",
        ("selfplay/worker_restarts",),
        "0",
        "rising: workers die, mostly of too little memory; fewer --workers, or fewer games at once",
    ),
    Chart(
        "Health",
        "Calibration error",
        ("value/calibration_error", "holdout/value/calibration_error"),
        "below 0.1; the noise of one batch is 0.05",
        "above 0.2: values and results disagree; look at Value calibration",
        only="boards",
    ),
)


def charts_of(game: Game) -> tuple[Chart, ...]:
    """Those of `CHARTS` that a run of this game has curves for."""
    kinds = {"", "robots"} if isinstance(game, SimulatedGame) else {"", "boards"}
    if "boards" in kinds and len(game.truth_positions()) > 0:
        kinds.add("solved")
    return tuple(chart for chart in CHARTS if chart.only in kinds)


def layout(charts: Iterable[Chart] = CHARTS) -> dict[str, dict[str, list[Any]]]:
    """What TensorBoard's custom scalars show, as `EventFile.add_layout` takes it."""
    pages: dict[str, dict[str, list[Any]]] = {}
    for chart in charts:
        if chart.spread:
            continue
        tags = [_pattern(curve) for curve in chart.curves]
        page = pages.setdefault(chart.category, {})
        page[chart.title] = ["Multiline", tags]
        if chart.band is not None:
            middle, (low, high) = chart.curves[0], chart.band
            page[f"{chart.title}, 95 % interval"] = ["Margin", [middle, low, high]]
    return pages


def guide(category: str, charts: Iterable[Chart] = CHARTS) -> str:
    """What the charts of a category should look like, in Markdown."""
    rows = [
        f"| **{chart.title}** | {_code(chart)} | {chart.healthy} | {chart.otherwise} |"
        for chart in charts
        if chart.category == category
    ]
    return "\n".join(["| chart | curves | healthy | otherwise |", "|---|---|---|---|", *rows])


def found(chart: Chart, names: Iterable[str]) -> list[str]:
    """Those of `names` that are curves of the chart, in its order."""
    names = list(names)
    patterns = [re.compile(_pattern(curve)) for curve in chart.curves]
    return [name for pattern in patterns for name in sorted(names) if pattern.match(name)]


def guides(charts: Iterable[Chart] = CHARTS) -> Mapping[str, str]:
    """The text page: a tag for each category."""
    charts = tuple(charts)
    return {f"charts/{category}": guide(category, charts) for category in CATEGORIES}


def _pattern(curve: str) -> str:
    return f"^{re.escape(curve).replace(re.escape('*'), '.*')}$"


def _code(chart: Chart) -> str:
    return ", ".join(f"`{curve}`" for curve in (*chart.curves, *(chart.band or ())))
