"""Who is on a ladder: a player under the one name by which its games are kept, and what its training cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from games.base import Game
from rl.arena.players import parse_spec, shipped_agent

RANDOM = "random"
"""The name of random play, which ladders rate 0."""


@dataclass(frozen=True)
class Entrant:
    """A player of a ladder."""

    name: str
    """As `rl.arena.players.make_player` takes it, the simulations always in it; `gtp:COMMAND` for an outside engine."""
    weights: str = ""
    """SHA-256 of its network, empty where it has none: a file of the same name may come to hold another one."""
    run: str = ""
    """The folder of its file, empty where it has none. Agents of one run with as many simulations make a curve."""
    num_simulations: int | None = None
    step: int | None = None
    """Learner steps that it was trained for; None, as everything below, where its file does not know."""
    games: int | None = None
    """Games of self-play before it."""
    evaluations: int | None = None
    """Positions that self-play had asked the network about."""
    hours: float | None = None
    """Of running, whatever the machine."""


def entrant(text: str, game: Game, num_simulations: int) -> Entrant:
    """The player that `text` names for `game`, with `num_simulations` where it leaves them out.

    Reads an agent's file and checks that it can play. Raises UserError, in one line, where that cannot be.
    """
    spec = parse_spec(text)
    if spec.kind == RANDOM:
        return Entrant(RANDOM)
    simulations = spec.num_simulations or num_simulations
    name = f"{spec.kind}:{simulations}"
    if spec.kind in ("rollouts", "uniform"):
        return Entrant(name, num_simulations=simulations)
    from rl.network.agent_file import card_number, load_agent, read_card, weights_digest  # torch takes a second

    path = shipped_agent(game) if spec.kind == "shipped" else Path(spec.kind)
    load_agent(path, game)
    card = read_card(path)
    minutes = card_number(card, "minutes")
    counts = {key: card_number(card, key) for key in ("step", "games", "evaluations")}
    return Entrant(
        name,
        weights=weights_digest(path),
        run=spec.kind if spec.kind == "shipped" else str(path.parent),
        num_simulations=simulations,
        **{key: None if count is None else int(count) for key, count in counts.items()},
        hours=None if minutes is None else minutes / 60.0,
    )


def short_names(entrants: Iterable[Entrant]) -> dict[str, str]:
    """Names for tables: of a file its own name, with as many folders before it as tell it from the others."""
    shortened: dict[str, str] = {}
    parts = {one.name: Path(one.name.replace(".safetensors", "")).parts if one.run else () for one in entrants}
    for name, own in parts.items():
        others = [other for other_name, other in parts.items() if other_name != name]
        lengths = range(1, len(own) + 1)
        enough = next((n for n in lengths if all(other[-n:] != own[-n:] for other in others)), len(own))
        shortened[name] = "/".join(own[-enough:]) if own else name
    return shortened
