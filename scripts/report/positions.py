"""Positions at each evaluation: the network's policy and the search's as heat maps, and how they changed."""

from __future__ import annotations

from typing import Any

from games.base import Game
from rl.pictures.board import BoardPicture
from rl.train.positions import RECORD_NAME, played_states
from scripts.report.run_record import RunRecord
from scripts.report.sample_games import board_data, changes, heat_cells

_MOST_EVALUATIONS = 60
_TEXT = (
    "What the network and a search with it say of some positions, at each evaluation: colour and number are the "
    "probability of a move in per cent, green rings the moves that keep what perfect play reaches, where that is "
    "known. <b>Healthy:</b> both gather on few moves, the search before the network."
)


def html(record: RunRecord) -> str:
    """Where boards.js puts them; nothing where the run has not written any."""
    return f'<p>{_TEXT}</p><div id="position-views"></div>' if record.latest(RECORD_NAME) else ""


def data(record: RunRecord) -> dict[str, Any] | None:
    """The evaluations' steps, and each position with what was thought of it then; None without evaluations."""
    evaluations = [line[RECORD_NAME] for line in record.lines if line.get(RECORD_NAME)]
    if not evaluations:
        return None
    every = -(-len(evaluations) // _MOST_EVALUATIONS)
    evaluations = evaluations[::-1][::every][::-1]  # the newest stays
    game = record.mixture.canvas
    latest = evaluations[-1]["views"]
    return {
        "board": game.name,
        "steps": [evaluation["step"] for evaluation in evaluations],
        "positions": [
            _position(game, [entry["views"][index] for entry in evaluations]) for index in range(len(latest))
        ],
    }


def _position(game: Game, views: list[dict[str, Any]]) -> dict[str, Any]:
    board = BoardPicture(game)
    moves = [game.text_to_action(text) for text in views[-1]["moves"]]
    state = played_states(game, moves)[-1]
    contents = board.contents(state)
    best = [board.cells(game.text_to_action(text), contents)[-1:] for text in views[-1]["best"]]
    mover = board_data(game)["players"][int(state["to_play"])] or f"player {state['to_play']}"
    truth = views[-1]["truth"]
    outcome = "" if truth is None else f", perfect play {'wins' if truth > 0 else 'loses' if truth < 0 else 'draws'}"
    found = {
        "title": f"after {len(moves)} moves: {mover} to move{outcome}",
        "contents": changes([0] * len(contents), contents),
        "best": [cell for cells in best for cell in cells],
        "views": [
            {
                kind: {
                    "heat": heat_cells(board, contents, _actions(game, view[kind])),
                    "others": _others(board, game, contents, view[kind]),
                    "score": round((view[value] + 1.0) / 2.0, 3),
                }
                for kind, value in (("policy", "value"), ("search", "search_value"))
            }
            for view in views
        ],
    }
    if board.look is None:
        found["text"] = game.to_text(state)
    return found


def _actions(game: Game, weights: dict[str, float]) -> dict[int, float]:
    return {game.text_to_action(text): weight for text, weight in weights.items()}


def _others(board: BoardPicture, game: Game, contents: list[int], weights: dict[str, float]) -> list[str]:
    """Moves without a cell (a pass), the three likeliest."""
    named = [(weight, text) for text, weight in weights.items() if not board.cells(game.text_to_action(text), contents)]
    return [f"{text} {weight:.0%}" for weight, text in sorted(named, reverse=True)[:3]]
