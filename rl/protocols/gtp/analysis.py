"""The lines of Leela Zero's `lz-analyze` and KataGo's `kata-analyze`: arguments in, one line a report out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from games.base import Game
from rl.protocols.gtp.lines import parse_colour, shown
from rl.protocols.gtp.search import GameSearch, RawEvaluation, read_choice, winrate
from rl.protocols.moves import COLOURS, BadRequest
from rl.search.driver import SearchResult

Style = Literal["lz", "kata"]

_DEFAULT_INTERVAL = 1.0
_IGNORED = ("movesOwnership", "ownershipStdev", "pvVisits", "pvEdgeVisits", "noResultValue", "rootInfo")
"""Reports that this engine has no figures for: asked for, they are left out, as KataGo's own absent fields are."""


@dataclass(frozen=True)
class AnalysisRequest:
    """What to analyse and how often to tell of it."""

    player: int | None
    """The player to move; None is whoever is."""
    interval: float
    """Seconds between two reports."""
    min_moves: int
    """Tell of so many moves, where there are, also unvisited ones."""
    max_moves: int
    """Tell of at most so many."""
    ownership: bool
    """Tell whose each cell will be, where the agent foretells it."""


def parse_analysis(arguments: tuple[str, ...]) -> AnalysisRequest:
    """`[player] [interval] [key value ...]` taken apart. Raises BadRequest on what cannot be honoured."""
    words = list(arguments)
    player = None
    if words and words[0].lower() in ("b", "w", "black", "white"):
        player = parse_colour(words.pop(0))
    ownership = False
    numbers = {"interval": 100.0 * _DEFAULT_INTERVAL, "minmoves": 0.0, "maxmoves": 1e6}
    if words and _is_number(words[0]):
        numbers["interval"] = float(words.pop(0))
    while words:
        key = words.pop(0)
        if not words:
            raise BadRequest(f"{shown(key)} lacks its value")
        value = words.pop(0)
        if key in numbers:
            if not _is_number(value):
                raise BadRequest(f"{shown(value)} is no number of {key}")
            numbers[key] = float(value)
        elif key == "ownership":
            ownership = value.lower() == "true"
        elif key not in _IGNORED:
            raise BadRequest(f"analysis knows no {shown(key)}")
    interval = max(0.01, numbers["interval"] / 100)
    return AnalysisRequest(player, interval, int(numbers["minmoves"]), int(numbers["maxmoves"]), ownership)


def report(search: GameSearch, result: SearchResult, asked: AnalysisRequest, style: Style) -> str:
    """One line that tells of the moves of a position, the best first."""
    choice = read_choice(result)
    told = [
        slot
        for place, slot in enumerate(choice.slots[: max(1, asked.max_moves)])
        if result.visit_counts[0, slot] > 0 or place < max(1, asked.min_moves)
    ]
    scores = search.foretell([int(result.actions[0, slot]) for slot in told]) if style == "kata" else None
    infos: list[str] = []
    for place, slot in enumerate(told):
        visits = int(result.visit_counts[0, slot])
        value = float(result.values[0, slot]) if visits else choice.value
        action, prior = int(result.actions[0, slot]), float(result.priors[0, slot])
        line = search.line(action) if visits else [action]
        moves = " ".join(search.game.action_to_text(step) for step in line)
        share = winrate(search.game, value)
        figures = (
            f"visits {visits} winrate {round(10000 * share)} prior {round(10000 * prior)}"
            if style == "lz"
            else f"visits {visits} utility {value:.6g} winrate {share:.6g} prior {prior:.6g}"
        )
        if scores is not None:
            figures += f" scoreLead {scores.leads_after[place]:.6g}"
        infos.append(f"info move {search.game.action_to_text(action)} {figures} order {len(infos)} pv {moves}")
    if scores is not None and asked.ownership:
        infos.append("ownership " + " ".join(f"{owner:.4g}" for owner in scores.ownership))
    return " ".join(infos)


def raw_report(game: Game, symmetry: int, to_play: int, found: RawEvaluation) -> str:
    """The network's bare opinion as `kata-raw-nn` tells it: white's chances, and the policy by rows of the board."""
    share = winrate(game, found.value if COLOURS[to_play] == "W" else -found.value)
    lines = [f"symmetry {symmetry}", f"whiteWin {share:.6f}", f"whiteLoss {1 - share:.6f}", "noResult 0.000000"]
    _, height, width = game.observation_shape
    cells = game.action_cells().tolist()
    if game.num_policy_planes == 1:
        board = [["NAN"] * width for _ in range(height)]
        for action, (plane, row, column) in enumerate(cells):
            if plane == 0:
                board[row][column] = _share(found.priors[action])
        lines += ["policy", *(" ".join(row) for row in board)]
    else:
        lines += ["policy", " ".join(_share(prior) for prior in found.priors)]
    extras = [_share(found.priors[action]) for action, (plane, _, _) in enumerate(cells) if plane < 0]
    return "\n".join([*lines, *(f"policyPass {share}" for share in extras)])


def _share(prior: float) -> str:
    return "NAN" if prior != prior else f"{prior:.6f}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= 9
