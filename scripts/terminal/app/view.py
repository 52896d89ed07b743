"""What is to be seen of a game on its board: the last move, what may be played, and what the agent makes of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from games.base import FloatArray
from games.look import Look
from rl.protocols.gtp.search import winrate
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.drawing import Heat, Picture
from scripts.terminal.thinking import Thought, ranked

HeatKind = Literal["off", "policy", "visits", "winrate", "ownership"]
HEAT_KINDS: tuple[HeatKind, ...] = ("off", "policy", "visits", "winrate", "ownership")
_LEAST_SHOWN = 0.01


class Choice(NamedTuple):
    """Where a person is on the board."""

    cursor: int | None = None
    """A cell."""
    chosen: int | None = None
    """The cell of the piece that is about to move."""


class Hint(NamedTuple):
    """A move, and what the agent makes of it."""

    action: int
    winrate: float
    """Share of games that the player to move is expected to win with it."""
    visits: int


def landing(look: Look, contents: npt.NDArray[np.int8], action: int) -> int | None:
    """The cell on which the piece of an action comes to stand; None where it belongs to no cell."""
    cells = look.moves[action]
    if not cells or not look.falls:
        return cells[-1] if cells else None
    width = len(look.columns)
    column = cells[0] % width
    free = np.flatnonzero(contents[column::width] == 0)
    return int(free[-1]) * width + column if free.size else cells[0]


def legal_list(played: PlayedGame) -> list[int]:
    """The actions that may be played."""
    return [int(action) for action in played.legal_actions().nonzero()[0]]


def actions_at(look: Look, legal: list[int], cell: int, chosen: int | None) -> list[int]:
    """The legal actions that a person may mean by a cell: those from the piece chosen to there, or from there."""
    if look.falls:
        width = len(look.columns)
        return [action for action in legal if look.moves[action] and look.moves[action][0] % width == cell % width]
    if chosen is not None:
        return [action for action in legal if look.moves[action] == (chosen, cell)]
    return [action for action in legal if look.moves[action] and look.moves[action][0] == cell]


def picture_of(
    played: PlayedGame,
    look: Look,
    legal: list[int],
    choice: Choice,
    *,
    shows_legal: bool = True,
    heat: HeatKind = "off",
    thought: Thought | None = None,
    ownership: FloatArray | None = None,
) -> Picture:
    """The board of a game as it stands. `legal` are the actions that may be played, empty where nobody may choose."""
    contents = played.game.contents(played.state)
    shown = {cell for action in legal if (cell := _shown_cell(look, contents, action, choice)) is not None}
    cursor = choice.cursor
    if cursor is not None and look.falls:
        falling = actions_at(look, legal, cursor, None)
        cursor = landing(look, contents, falling[0]) if falling else cursor
    return Picture(
        contents=contents,
        last=_last_cells(played, look),
        cursor=cursor,
        chosen=choice.chosen,
        legal=frozenset(shown),
        shows_legal=shows_legal,
        heat={} if thought is None else _heat(played, look, contents, choice, heat, thought),
        owners=ownership if heat == "ownership" else None,
    )


def _shown_cell(look: Look, contents: npt.NDArray[np.int8], action: int, choice: Choice) -> int | None:
    """Where a legal action shows as such: of pieces that step, only the one chosen, or under the cursor, does."""
    cells = look.moves[action]
    if len(cells) > 1:
        return cells[-1] if cells[0] == (choice.chosen if choice.chosen is not None else choice.cursor) else None
    return landing(look, contents, action)


def _last_cells(played: PlayedGame, look: Look) -> tuple[int, ...]:
    if not played.plies:
        return ()
    before = played.plies[-2].state if len(played.plies) > 1 else None
    contents = played.game.contents(before) if before is not None else np.zeros(len(look.rows) * len(look.columns))
    cell = landing(look, contents.astype(np.int8), played.plies[-1].action)
    return () if cell is None else (cell,)


def _heat(
    played: PlayedGame,
    look: Look,
    contents: npt.NDArray[np.int8],
    choice: Choice,
    kind: HeatKind,
    thought: Thought,
) -> dict[int, Heat]:
    weights: dict[int, float] = {}
    if kind == "winrate":
        for index in ranked(thought):
            share = winrate(played.game, float(thought.values[index]))
            _put(weights, _heat_cell(look, contents, int(thought.actions[index]), choice), share, most=True)
        least = min(weights.values(), default=0.0)
        spread = max(max(weights.values(), default=0.0) - least, 1e-6)
        return {cell: Heat((share - least) / spread, _percent(share)) for cell, share in weights.items()}
    if kind not in ("policy", "visits"):
        return {}
    shares = thought.priors if kind == "policy" else thought.visit_counts / max(1, int(thought.visit_counts.sum()))
    for action, share in zip(thought.actions.tolist(), shares.tolist(), strict=True):
        _put(weights, _heat_cell(look, contents, action, choice), share)
    largest = max(weights.values(), default=1.0)
    return {cell: Heat(share / largest, _percent(share)) for cell, share in weights.items() if share >= _LEAST_SHOWN}


def _percent(share: float) -> str:
    return f"{min(100 * share, 99):.0f}"


def _put(weights: dict[int, float], cell: int | None, share: float, *, most: bool = False) -> None:
    """Add up what several actions give to one cell, or keep the most."""
    if cell is not None:
        weights[cell] = max(weights.get(cell, 0.0), share) if most else weights.get(cell, 0.0) + share


def _heat_cell(look: Look, contents: npt.NDArray[np.int8], action: int, choice: Choice) -> int | None:
    """Moves from cell to cell count for the piece that would move, until one is chosen; then for where it would go."""
    cells = look.moves[action]
    if len(cells) < 2:
        return landing(look, contents, action)
    if choice.chosen is None:
        return cells[0]
    return cells[-1] if cells[0] == choice.chosen else None


def hints(played: PlayedGame, thought: Thought, most: int) -> list[Hint]:
    """The moves that the agent likes best."""
    return [
        Hint(
            int(thought.actions[index]),
            winrate(played.game, float(thought.values[index])),
            int(thought.visit_counts[index]),
        )
        for index in ranked(thought)[:most]
    ]
