"""When a run is measured, by what opponents, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable

from rl.train.evaluation import EvaluationRequest, EvaluationResult, Evaluations, Opponent
from rl.train.ladder import ANCHOR
from rl.train.run import Run

_MOST_EVALUATED = 12
"""Files of networks kept as opponents; beyond that every other one goes."""
_REFERENCE_GAMES = 200
_LINKS = (3, 10, 30)
"""Budgets of rollout players that tie random play to the opponents: who wins every game has no telling rating."""


class Examiner:
    """Starts evaluations of a run when they are due, and puts their results where they belong."""

    def __init__(self, run: Run, loud: Callable[[str], None]) -> None:
        self._run = run
        self._config = run.config.evaluation
        # One evaluation is given longer than a stall: it compiles kernels of its own and plays long games.
        patience = 5.0 * run.config.schedule.stall_seconds
        self._evaluations = Evaluations(run.game, run.resources.device, run.directory.stacks, patience, loud)
        self._next = self._config.seconds
        self._begun = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether an evaluation is going on."""
        return self._evaluations.busy

    def start_when_due(self) -> None:
        """Begin an evaluation of the newest network if it is time, and something was learnt since the last."""
        run = self._run
        learnt = run.learner.steps > (run.evaluated[-1] if run.evaluated else 0)
        if self._config.seconds > 0 and not self.busy and learnt and time.monotonic() - self._begun >= self._next:
            self._start(self._config.games, self._config.positions, 1)

    def start_last(self) -> None:
        """Begin the evaluation that ends the run."""
        everything = max(1, len(self._run.game.truth_positions()))
        self._start(self._config.last_games, everything, self._run.resources.num_cores)

    def poll(self) -> bool:
        """Take up a result that has come; whether one has."""
        result = self._evaluations.poll()
        if result is None:
            return False
        cores = self._run.resources.num_cores
        self._next = max(self._config.seconds, result.cpu_seconds / (self._config.cpu_share * cores))
        self._take_up(result)
        return True

    def kill(self) -> None:
        """Drop what is going on."""
        self._evaluations.kill()

    def _start(self, games: int, positions: int, num_threads: int) -> None:
        run = self._run
        self._begun = time.monotonic()
        step = run.publish()
        request = EvaluationRequest(
            step=step,
            name=run.name_of(step),
            network=run.directory.network(step),
            opponents=self._opponents(step, games),
            references=self._references(),
            simulations=self._config.simulations,
            positions=positions,
            seed=run.config.seed + step,  # other openings each time
            num_threads=num_threads,
            sample=run.reporter.sample_game,
        )
        if step not in run.evaluated:
            run.evaluated.append(step)  # from now on its file is kept
        self._evaluations.start(request)

    def _fixed(self, games: int) -> list[Opponent]:
        return [
            Opponent(ANCHOR, ANCHOR, games),
            *(_rollouts(budget, games) for budget in sorted(self._config.rollouts)),
        ]

    def _opponents(self, step: int, games: int) -> tuple[Opponent, ...]:
        """The fixed players, the network evaluated last, and one from about half-way."""
        run = self._run
        earlier = [other for other in run.evaluated if other != step and run.directory.network(other).exists()]
        chosen = dict.fromkeys([*earlier[-1:], *earlier[len(earlier) // 2 :][:1]])
        networks = [Opponent(run.name_of(other), str(run.directory.network(other)), games) for other in chosen]
        return (*self._fixed(games), *networks)

    def _references(self) -> tuple[tuple[Opponent, Opponent], ...]:
        """Games between neighbouring fixed players, once a run."""
        first, *others = self._fixed(_REFERENCE_GAMES)
        weakest = min(self._config.rollouts, default=0)
        links = [_rollouts(budget, _REFERENCE_GAMES) for budget in _LINKS if budget < weakest]
        players = [first, *links, *others]
        pairs = zip(players[1:], players[:-1], strict=True)
        return tuple(pair for pair in pairs if not self._run.ladder.has(pair[0].name, pair[1].name))

    def _take_up(self, result: EvaluationResult) -> None:
        run = self._run
        run.ladder.add(result.pairings)
        self._thin()
        run.export()
        run.reporter.add_evaluation(result, run.ladder.ratings(), run.best_step)

    def _thin(self) -> None:
        """Forget every other network when there are many, but neither the newest nor the best."""
        run = self._run
        if len(run.evaluated) <= _MOST_EVALUATED:
            return
        best = run.best_step
        doomed = [step for step in run.evaluated[:-1][::2] if step != best]
        run.evaluated = [step for step in run.evaluated if step not in doomed]
        for step in set(doomed) - run.kept:
            run.directory.network(step).unlink(missing_ok=True)


def _rollouts(budget: int, games: int) -> Opponent:
    return Opponent(f"rollouts:{budget}", f"rollouts:{budget}", games)
