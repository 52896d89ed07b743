"""`keima bench ablations`: what each technique of learning is worth, by runs with and without it.

Every run is `keima train` with one setting changed and the same number of network evaluations, in a folder of its own,
where it stays: the same command takes up what was interrupted and measures what is finished.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import games
from games.base import Game
from rl.errors import UserError
from scripts.arguments import GameName
from scripts.bench.compared import compare
from scripts.bench.report import Options, Report, require_positive
from scripts.bench.solved import positions_to_choose_by

DEFAULT = "default"
"""The technique that others are compared with: none."""


@dataclass(frozen=True)
class Technique:
    """One setting that differs from the defaults."""

    options: tuple[str, ...]
    """What `keima train` is given in addition."""
    means: str
    """What these options do, and where the technique comes from."""


TECHNIQUES = {
    DEFAULT: Technique((), "everything as `keima train` has it"),
    "no_td_lambda": Technique(
        ("--window.trace-decay", "1"), "values learnt from outcomes alone (Sutton and Barto 2018, chapter 12)"
    ),
    "no_partition_loss": Technique(
        ("--learner.partition-loss-weight", "0"), "no z-loss (Chowdhery et al. 2022, section 5)"
    ),
    "adamw": Technique(("--learner.optimizer", "adamw"), "AdamW moves all weights, Muon none (Jordan et al. 2024)"),
    "no_ema": Technique(("--learner.ema-decay", "0"), "the newest weights play, not their moving average"),
    "no_pooling": Technique(("--network.pooling-interval", "1000"), "no pooling in the blocks (Wu 2019, section 3.3)"),
    "puct": Technique(
        ("--selfplay.search.root", "puct"), "PUCT with Dirichlet noise, not Gumbel (Danihelka et al. 2022)"
    ),
    "forced_playouts": Technique(
        ("--selfplay.search.root", "puct", "--selfplay.search.forced-playouts", "2"),
        "PUCT with forced playouts, pruned from the targets (Wu 2019, section 3.2): to be compared with puct",
    ),
    "policy_openings": Technique(
        ("--selfplay.opening-policy-share", "0.5"), "half of the opening plies from the policy (KataGo)"
    ),
    "detours": Technique(
        ("--selfplay.detour-share", "0.1"), "one search in ten is followed by a random move (forks within a game)"
    ),
    "decided": Technique(("--selfplay.decided-value", "0.9"), "decided games ended by fast searches (KataGo)"),
    "surprise": Technique(
        ("--window.surprise-share", "0.5"), "surprising positions are learnt from more often (KataGo)"
    ),
    "settled": Technique(
        ("--window.settled-weight", "3"), "positions whose outcome is settled are learnt from three times as often"
    ),
    "soft_targets": Technique(
        ("--selfplay.search.c-scale", "0.25"), "search values count a quarter in policy targets (Danihelka et al.: 1)"
    ),
    "playout_cap": Technique(
        (
            *("--selfplay.simulations", "64", "--selfplay.fast-simulations", "12"),
            *("--selfplay.full-search-fraction", "0.25", "--samples-per-target", "8"),
        ),
        "playout-cap randomisation: one move in four is a target (Wu 2019, section 3.1)",
    ),
    "soft_policy": Technique(
        ("--network.soft-policy-head",), "a second policy learns softer targets (KataGoMethods, auxiliary soft policy)"
    ),
    "reply": Technique(("--network.reply-head",), "the opponent's reply is learnt too (Wu 2019, section 3.4)"),
    "short_value": Technique(
        ("--network.short-value-head",), "the value a few plies on is learnt too (KataGoMethods, short-term value)"
    ),
    "progressive": Technique(
        ("--selfplay.first-simulations", "4", "--selfplay.simulations", "36"),
        "searches grow from 4 to 36 simulations, 20 in the mean (progressive simulation, Wu et al. 2023)",
    ),
    "weight_decay": Technique(
        ("--learner.weight-decay", "0.1"), "weights decay ten times as fast (Loshchilov and Hutter, 1711.05101)"
    ),
    "equivariant": Technique(
        ("--learner.equivariant",), "weights are the same in all symmetries of the game (Cohen and Welling 2016)"
    ),
    "wider": Technique(("--network.channels", "96"), "96 channels, 1.9 times the computation of 64"),
    "deeper": Technique(("--network.blocks", "8"), "8 blocks, 1.6 times the computation of 5"),
    "score_heads": Technique(("--network.score-heads",), "ownership and lead are learnt too (Wu 2019, section 4.1)"),
}


@dataclass(frozen=True)
class AblationsBench(Options):
    """Runs with single techniques switched off or on, equal in network evaluations; takes hours, and can be resumed."""

    game: GameName = "connect_four"
    techniques: tuple[str, ...] = tuple(name for name in TECHNIQUES if name != "score_heads")
    """Which of the techniques; `default` is what the others are compared with."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """A run each."""
    evaluations: int = 3_000_000
    """Network evaluations of every run."""
    simulations: int = 100
    """Simulations of the search, where strength is measured."""
    games: int = 100
    """Games of each match against the default's agent, where the game has no solved positions."""
    solved: Path | None = None
    """Ask those of a file that scripts/solve_connect_four.py made, not those that runs are watched on."""
    out: Path = Path("runs/ablations")
    """Where the runs lie."""


def measure(command: AblationsBench) -> Report:
    """Train what is missing, then measure all: one value a seed."""
    require_positive({"evaluations": command.evaluations, "simulations": command.simulations, "games": command.games})
    if strange := [name for name in command.techniques if name not in TECHNIQUES]:
        raise UserError(f"there is no technique {strange[0]!r}: there are {', '.join(TECHNIQUES)}")
    game = games.make_board(command.game)
    positions = positions_to_choose_by(game, command.solved)
    agents = {
        name: [_train(command, game, name, seed) for seed in command.seeds]
        for name in dict.fromkeys((DEFAULT, *command.techniques))
    }
    compared = compare(game, positions, agents, DEFAULT, command.seeds, command.simulations, command.games)
    figures = tuple(figure for of_one in compared.values() for figure in of_one)
    settings = {
        "game": game.name,
        "seeds": " ".join(map(str, command.seeds)),
        "evaluations": command.evaluations,
        "simulations": command.simulations,
        "positions": len(positions),
    }
    notes = tuple(f"{name}: {TECHNIQUES[name].means}" for name in agents)
    return Report("ablations", command.seed, settings, figures, notes)


def training_command(command: AblationsBench, game: Game, name: str, seed: int) -> tuple[Path, list[str]]:
    """The run directory and the arguments of `keima` that train this agent."""
    run_dir = command.out / f"{game.name}-{command.evaluations}" / f"{name}-{seed}"
    limits = ["--seed", str(seed), "--evaluations", str(command.evaluations), "--evaluation.seconds", "0"]
    return run_dir, ["train", game.name, "--run-dir", str(run_dir), *limits, *TECHNIQUES[name].options]


def _train(command: AblationsBench, game: Game, name: str, seed: int) -> Path:
    """The agent of this technique and seed, trained now unless it is there."""
    run_dir, arguments = training_command(command, game, name, seed)
    print(f"bench ablations: {name}, seed {seed}: keima {' '.join(arguments)}", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", "scripts.cli", *arguments], stdout=sys.stderr)
    if done.returncode != 0:
        raise UserError(f"the run in {run_dir} ended with code {done.returncode}: the same command goes on from there")
    return run_dir / "agents" / f"{game.name}.safetensors"
