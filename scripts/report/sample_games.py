"""Sample games, to be played through: boards as symbols and changes, which boards.js puts together."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from games.base import Game, State
from rl.pictures.board import BEST, HEAT, BoardPicture
from rl.pictures.svg import elements
from rl.protocols.played_game import score_text
from rl.replay.records import WEIGHT_SUM, GameRecord
from rl.train.positions import played_states
from scripts.report.run_record import RunRecord

_LEAST_WEIGHT = 0.01
_TEXT = (
    "Games of self-play from all over the run; arrow keys step, the curve is the score that the search expected for "
    "the first player. Numbers on the board are the search's policy in per cent, before the move."
)


def board_data(game: Game) -> dict[str, Any]:
    """What boards.js has to know of a game's board: its size, where its cells are, and whose its pieces are."""
    board = BoardPicture(game)
    cells = range(board.width * board.height) if board.look is not None else ()
    pieces = board.look.pieces if board.look is not None else ()
    return {
        "size": [round(length, 3) for length in board.size],
        "cells": [[round(place, 3) for place in board.centre(cell)] for cell in cells],
        "players": [next((piece.name for piece in pieces if piece.player == player), "") for player in (0, 1)],
        "heat": HEAT,
        "best": BEST,
    }


def symbols(record: RunRecord) -> str:
    """The empty boards and the pieces of all games of the run, as SVG groups with ids."""
    groups = []
    for game in record.boards:
        board = BoardPicture(game)
        if board.look is not None:
            name = escape(game.name, quote=True)
            groups.append(f'<g id="{name}-ground">{elements(board.ground())}</g>')
            for content in range(1, len(board.look.pieces)):
                groups.append(f'<g id="{name}-{content}">{elements(board.piece(content))}</g>')
    return "".join(groups)


def data(record: RunRecord) -> list[dict[str, Any]]:
    """The games, the newest first."""
    several = len(record.mixture.games) > 1
    return [_game(record.mixture.game(game.game_number), game, several) for game in reversed(record.games)]


def html(record: RunRecord) -> str:
    """Where boards.js puts them; nothing where there are none."""
    return f'<p>{_TEXT}</p><div id="game-player"></div>' if record.games else ""


def changes(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Cells that differ, each followed by what then stands on it."""
    pairs = enumerate(zip(before, after, strict=True))
    return [number for cell, (old, new) in pairs if old != new for number in (cell, new)]


def heat_cells(board: BoardPicture, contents: Sequence[int], weights: dict[int, float]) -> list[list[float]]:
    """[weight, cell] or [weight, from, to] of each action that has cells, the likeliest last."""
    shown = sorted((weight, action) for action, weight in weights.items() if weight >= _LEAST_WEIGHT)
    rows = ((weight, board.cells(action, contents)) for weight, action in shown)
    return [[round(weight, 3), *cells] for weight, cells in rows if cells]


def _game(game: Game, record: GameRecord, named: bool) -> dict[str, Any]:
    board = BoardPicture(game)
    actions = record.steps["action"].tolist()
    states = played_states(game, actions)
    contents = [board.contents(state) for state in states]
    networks = sorted({int(number) for number in record.steps["network_id"][record.steps["is_target"]]})
    step = f", network of step {networks[-1]:,}" if networks else ""
    found = {
        "title": f"game {record.game_number:,}: {_result(board, record, states[-1])} after {len(actions)} moves{step}",
        "short": f"{record.game_number:,}{f' {game.name}' if named else ''}",
        "board": game.name,
        "start": changes([0] * len(contents[0]), contents[0]),
        "moves": [game.action_to_text(action) for action in actions],
        "changes": [changes(one, two) for one, two in pairwise(contents)],
        "marks": [list(board.cells(action, at)) for action, at in zip(actions, contents, strict=False)],
        "values": _values(record),
        "heat": _heat(board, record, contents),
    }
    if board.look is None:
        found["texts"] = [game.to_text(state) for state in states]
    return found


def _result(board: BoardPicture, record: GameRecord, end: State) -> str:
    last = record.steps[-1]
    if last["reward"] == 0.0:
        return "a draw"
    winner = int(last["to_play"]) if last["reward"] > 0.0 else 1 - int(last["to_play"])
    by = f" ({score_text(float(board.game.score(end)))})" if board.game.is_scored else ""
    return f"{board_data(board.game)['players'][winner] or f'player {winner}'} wins{by}"


def _values(record: GameRecord) -> list[float | None]:
    """[plies] the score that the search expected for player 0 before each move; None where it was not asked in full."""
    signed = np.where(record.steps["to_play"] == 0, record.steps["root_value"], -record.steps["root_value"])
    pairs = zip(signed.tolist(), record.steps["is_target"].tolist(), strict=True)
    return [round((value + 1.0) / 2.0, 3) if asked else None for value, asked in pairs]


def _heat(board: BoardPicture, record: GameRecord, contents: Sequence[Sequence[int]]) -> list[list[list[float]]]:
    """[plies] the search's policy before each move."""
    ends = np.cumsum(record.steps["num_targets"].astype(np.int64))
    shown = []
    for step, end, at in zip(record.steps, ends.tolist(), contents, strict=False):
        targets = record.targets[end - int(step["num_targets"]) : end]
        weights = dict(zip(targets["action"].tolist(), (targets["weight"] / WEIGHT_SUM).tolist(), strict=True))
        shown.append(heat_cells(board, at, weights))
    return shown
