"""`keima bench peers`: self-play of Connect Four next to other AlphaZero implementations, each held to one core.

What is compared, and what is not, is told in docs/benchmarks.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import product

from rl.errors import UserError
from scripts.bench.peers.contenders import KEIMA, OPPONENTS, Contender, Opponent, Work, versions
from scripts.bench.peers.processes import PinnedPlayer, Played, last_core
from scripts.bench.report import Figure, Report, TimedOptions, rates, require_positive

_MOVES_GOAL, _RATIO_GOAL = 330.0, 3.0


@dataclass(frozen=True)
class PeersBench(TimedOptions):
    """Self-play of Connect Four beside mctx with pgx and OpenSpiel's Python AlphaZero, on one core in turns; about
    eight minutes. Needs pip install 'keima[peers]'."""

    against: tuple[Opponent, ...] = ("mctx", "open_spiel")
    """Whom to compare with."""
    simulations: int = 64
    """Simulations of every move."""
    blocks: int = 5
    """Residual blocks of the networks with random weights."""
    channels: int = 64
    """Their channels."""
    batch_sizes: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    """Games in lock-step that a peer may choose from: each is tried, the fastest counts."""
    seconds: float = 5.0
    """Length of a stretch of each; where one move of all games takes longer, it is that long."""
    warm_up_seconds: float = 20.0
    """Self-play before the first stretch that counts, so that games of all lengths are on the boards."""


def measure(command: PeersBench) -> Report:
    """Every contender in a process that waits while the others play; stretches in turns, on the same core."""
    require_positive(
        {
            "repeats": command.repeats,
            "simulations": command.simulations,
            "blocks": command.blocks,
            "channels": command.channels,
            "batch-sizes": min(command.batch_sizes, default=0),
            "seconds": command.seconds,
            "warm-up-seconds": command.warm_up_seconds,
        }
    )
    if command.simulations < 2:
        raise UserError("--simulations 1: must be at least 2, as no peer chooses by the root's evaluation alone")
    packages = versions(command.against)
    core = last_core()
    peers = [contender for opponent in dict.fromkeys(command.against) for contender in OPPONENTS[opponent]]
    works: dict[Contender, Work] = {}
    notes = []
    for contender in (*KEIMA, *peers):
        works[contender], note = _fastest(contender, command, core)
        notes += note
    played = _in_turns(works, command, core)
    notes += [_account(contender, works[contender], stretches) for contender, stretches in played.items()]
    settings = {
        "game": "connect_four",
        "network": f"{command.blocks}x{command.channels}, random weights",
        "simulations": command.simulations,
        "core": core,
        "seconds": command.seconds,
        "repeats": command.repeats,
        **packages,
    }
    return Report("peers", command.seed, settings, tuple(_figures(played, peers)), tuple(notes))


def _fastest(contender: Contender, command: PeersBench, core: int) -> tuple[Work, list[str]]:
    """(the contender's work with the fastest batch and precision, a note on what was tried where there is a choice)."""
    sizes = command.batch_sizes if contender.lockstep is None else (contender.lockstep,)
    network = (command.simulations, command.blocks, command.channels)
    choices = [Work(command.seed, *network, *choice) for choice in product(sizes, contender.precisions)]
    if len(choices) == 1:
        return choices[0], []
    speeds: dict[Work, float] = {}
    for work in choices:
        _say(f"{contender.name} tries {work.lockstep} games in {work.precision}")
        with closing(PinnedPlayer(contender, work, core, 0.0)) as player:
            speeds[work] = player.play(command.seconds).lap.per_cpu_second  # other programs disturb that clock less
    tried = (f"{work.lockstep} in {work.precision} {speed:.3g}" for work, speed in speeds.items())
    return max(speeds, key=speeds.__getitem__), [f"{contender.name}, moves/s (cpu) of each choice: {', '.join(tried)}"]


def _in_turns(works: Mapping[Contender, Work], command: PeersBench, core: int) -> dict[Contender, list[Played]]:
    """A stretch of each contender a round; while one plays, the others wait."""
    players: dict[Contender, PinnedPlayer] = {}
    played: dict[Contender, list[Played]] = {contender: [] for contender in works}
    with ExitStack() as stack:
        for contender, work in works.items():
            _say(f"{contender.name} warms up")
            player = PinnedPlayer(contender, work, core, command.warm_up_seconds)
            players[contender] = stack.enter_context(closing(player))
        for turn in range(command.repeats):
            _say(f"round {turn + 1} of {command.repeats}")
            for contender, player in players.items():
                played[contender].append(player.play(command.seconds))
    return played


def _figures(played: Mapping[Contender, list[Played]], peers: Iterable[Contender]) -> list[Figure]:
    """Rates of all, then in each round Keima's over each peer's."""
    figures = []
    for contender, stretches in played.items():
        goal = _MOVES_GOAL if contender is KEIMA[0] else None
        figures += rates(contender.name, "moves", [one.lap for one in stretches], goal)
    for contender, stretches in played.items():
        asked = [one.lap._replace(amount=one.stretch.evaluations) for one in stretches]
        figures += rates(f"{contender.name}: network", "evaluations", asked)[:1]
    for own, peer in product(KEIMA, peers):
        pairs = zip(played[own], played[peer], strict=True)
        values = tuple(ours.lap.per_wall_second / theirs.lap.per_wall_second for ours, theirs in pairs)
        figures.append(Figure(f"{own.name} over {peer.name}", "ratio", values, "wall", _RATIO_GOAL))
    return figures


def _account(contender: Contender, work: Work, played: Iterable[Played]) -> str:
    """What a move cost."""
    stretches = [one.stretch for one in played]
    moves = max(1, sum(one.moves for one in stretches))
    simulations = sum(one.simulations for one in stretches) / moves
    evaluations = sum(one.evaluations for one in stretches) / moves
    return (
        f"{contender.name}: batches of {work.lockstep}, {work.precision}; {simulations:.1f} simulations and "
        f"{evaluations:.1f} network evaluations a move; {sum(len(one.games) for one in stretches)} games ended"
    )


def _say(text: str) -> None:
    print(f"bench peers: {text} ...", file=sys.stderr)
