"""`keima bench NAME`: measures every figure the README claims. Speed lives here, never in a timed test."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import subcommand

from rl.errors import UserError
from scripts.bench import (
    ablations,
    app,
    baselines,
    control,
    cuda,
    evaluators,
    games,
    hockey,
    labels,
    learner,
    lessons,
    levels,
    lookahead,
    page,
    peers,
    perfect,
    play,
    robots,
    rollouts,
    search,
    searches,
    selfplay,
    shipped,
    startup,
    strength,
    truth,
)
from scripts.bench.report import Options, Report, machine_text


@dataclass(frozen=True)
class AllBench(Options):
    """The quick ones (play, games, search, rollouts, robots, learner, startup, page, truth), each with its defaults.
    About five minutes."""


Command = (
    Annotated[AllBench, subcommand("all")]
    | Annotated[play.PlayBench, subcommand("play")]
    | Annotated[games.GamesBench, subcommand("games")]
    | Annotated[search.SearchBench, subcommand("search")]
    | Annotated[rollouts.RolloutsBench, subcommand("rollouts")]
    | Annotated[robots.RobotsBench, subcommand("robots")]
    | Annotated[control.ControlBench, subcommand("control")]
    | Annotated[baselines.BaselinesBench, subcommand("baselines")]
    | Annotated[lookahead.LookaheadBench, subcommand("lookahead")]
    | Annotated[hockey.HockeyBench, subcommand("hockey")]
    | Annotated[selfplay.SelfplayBench, subcommand("selfplay")]
    | Annotated[evaluators.EvaluatorsBench, subcommand("evaluators")]
    | Annotated[learner.LearnerBench, subcommand("learner")]
    | Annotated[startup.StartupBench, subcommand("startup")]
    | Annotated[page.PageBench, subcommand("page")]
    | Annotated[truth.TruthBench, subcommand("truth")]
    | Annotated[labels.LabelsBench, subcommand("labels")]
    | Annotated[strength.StrengthBench, subcommand("strength")]
    | Annotated[perfect.PerfectBench, subcommand("perfect")]
    | Annotated[shipped.ShippedBench, subcommand("shipped")]
    | Annotated[app.AppBench, subcommand("app")]
    | Annotated[levels.LevelsBench, subcommand("levels")]
    | Annotated[ablations.AblationsBench, subcommand("ablations")]
    | Annotated[lessons.LessonsBench, subcommand("lessons")]
    | Annotated[searches.SearchesBench, subcommand("searches")]
    | Annotated[peers.PeersBench, subcommand("peers")]
    | Annotated[cuda.CudaBench, subcommand("cuda")]
)

_MEASURES: dict[type[Options], Callable[[Any], Report]] = {
    play.PlayBench: play.measure,
    games.GamesBench: games.measure,
    search.SearchBench: search.measure,
    rollouts.RolloutsBench: rollouts.measure,
    robots.RobotsBench: robots.measure,
    control.ControlBench: control.measure,
    baselines.BaselinesBench: baselines.measure,
    lookahead.LookaheadBench: lookahead.measure,
    hockey.HockeyBench: hockey.measure,
    learner.LearnerBench: learner.measure,
    startup.StartupBench: startup.measure,
    page.PageBench: page.measure,
    truth.TruthBench: truth.measure,
    labels.LabelsBench: labels.measure,
    selfplay.SelfplayBench: selfplay.measure,
    evaluators.EvaluatorsBench: evaluators.measure,
    strength.StrengthBench: strength.measure,
    perfect.PerfectBench: perfect.measure,
    shipped.ShippedBench: shipped.measure,
    app.AppBench: app.measure,
    levels.LevelsBench: levels.measure,
    ablations.AblationsBench: ablations.measure,
    lessons.LessonsBench: lessons.measure,
    searches.SearchesBench: searches.measure,
    peers.PeersBench: peers.measure,
}
_QUICK: tuple[type[Options], ...] = (
    play.PlayBench,
    games.GamesBench,
    search.SearchBench,
    rollouts.RolloutsBench,
    robots.RobotsBench,
    learner.LearnerBench,
    startup.StartupBench,
    page.PageBench,
    truth.TruthBench,
)


def run(command: Options | cuda.CudaBench) -> int:
    """Print what the benchmark finds; `all` prints the reports of the quick ones, as a JSON list with --json."""
    if isinstance(command, cuda.CudaBench):
        return cuda.run(command)
    if not 0 <= command.seed < 2**63:
        raise UserError(f"--seed {command.seed}: must be at least 0 and less than 2**63")
    if isinstance(command, AllBench):
        reports = []
        for bench in _QUICK:
            print(f"bench {bench.__name__.removesuffix('Bench').lower()} ...", file=sys.stderr)
            reports.append(_MEASURES[bench](bench(seed=command.seed)))
    else:
        reports = [_MEASURES[type(command)](command)]
    if command.json:
        found = [report.to_json() for report in reports]
        print(json.dumps(found if isinstance(command, AllBench) else found[0]))
    else:
        print("\n\n".join([machine_text(), *(report.to_text() for report in reports)]))
    return 0
