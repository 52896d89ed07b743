"""What the analysis engine says of a position that it has searched.

`scoreLead` and `ownership`, for games that are scored, are foretold by the agent's network where it has learnt to, and
else what the board counts for at the end of the principal variation, komi included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from games.base import Game, HashArray, IndexArray, StateArray
from games.compiled import njit
from rl.protocols.analysis.query import Query
from rl.protocols.moves import COLOURS, Position
from rl.protocols.scores import Foretold, foretell
from rl.search.driver import Search, SearchResult
from rl.search.evaluation import ScoreReader


def head(query: Query, turn: int) -> dict[str, Any]:
    """The fields that every answer about a position begins with."""
    return {"id": query.query_id, "turnNumber": turn, "isDuringSearch": False}


def no_results(query: Query, turn: int) -> dict[str, Any]:
    """The answer about a position that was not searched."""
    return {**head(query, turn), "noResults": True}


def describe(
    query: Query, turn: int, search: Search, result: SearchResult, row: int, reader: ScoreReader | None = None
) -> dict[str, Any]:
    """The answer about a position whose search is row `row` of `result`; `reader` foretells scores."""
    num_slots = int(result.num_slots[row])
    if num_slots == 0:
        return no_results(query, turn)
    game, position = query.board.game, query.positions[turn]
    visited = [slot for slot in range(num_slots) if result.visit_counts[row, slot] > 0]
    order = sorted(visited or range(num_slots), key=lambda slot: _rank(result, row, slot), reverse=True)
    lines = [_line(search, result, row, slot) for slot in order]
    infos = [
        _describe_move(game, result, row, slot, place, line)
        for place, (slot, line) in enumerate(zip(order, lines, strict=True))
    ]
    root = _describe_root(game, position, float(result.root_values[row]), _visits(result, row))
    answer = {**head(query, turn), "moveInfos": infos, "rootInfo": root}
    if game.is_scored:
        scores = _counted(game, position, lines) if reader is None else _foretold(reader, game, position, lines)
        root["scoreLead"] = scores.lead
        for info, lead in zip(infos, scores.leads_after, strict=True):
            info["scoreLead"] = lead
        if query.include_ownership:
            answer["ownership"] = scores.ownership
    if query.include_policy:
        policy = np.full(game.num_actions, -1.0)
        policy[result.actions[row, :num_slots]] = result.priors[row, :num_slots]
        answer["policy"] = policy.tolist()
    return answer


def describe_end(query: Query, turn: int) -> dict[str, Any]:
    """A finished game: no moves, no visits, and the result for the side that would be to move."""
    game, position = query.board.game, query.positions[turn]
    assert position.returns is not None
    value = position.returns[int(position.state["to_play"])]
    root = _describe_root(game, position, value, 0)
    answer = {**head(query, turn), "moveInfos": [], "rootInfo": root}
    if game.is_scored:
        root["scoreLead"], owners = count_after(game, position, [])
        if query.include_ownership:
            answer["ownership"] = owners
    if query.include_policy:
        answer["policy"] = [-1.0] * game.num_actions
    return answer


def _foretold(reader: ScoreReader, game: Game, position: Position, lines: Sequence[Sequence[int]]) -> Foretold:
    return foretell(reader, game, position.state, position.history, [line[0] for line in lines])


def _counted(game: Game, position: Position, lines: Sequence[Sequence[int]]) -> Foretold:
    """What the board counts for at the end of each line, the first one speaking for the position."""
    counts = [count_after(game, position, line) for line in lines]
    return Foretold(counts[0][1], counts[0][0], [lead for lead, _ in counts])


def count_after(game: Game, position: Position, line: Sequence[int]) -> tuple[float, list[float]]:
    """(lead in points, owner of each cell by rows from the top) after the actions of `line`, for the player to move in
    `position`: 1 is his, -1 the other's, 0 neither's."""
    states = np.array([position.state], game.state_dtype)
    past = len(position.history)
    history = np.concatenate([position.history, np.zeros(len(line) if game.uses_history else 0, np.uint64)])
    owners = np.zeros(game.observation_shape[1] * game.observation_shape[2], np.int8)
    lead = float(_play_and_count(game, states, history, past, np.asarray(line, np.int64), owners))
    sign = 1 if int(position.state["to_play"]) == 0 else -1
    return sign * lead + 0.0, [float(sign * owner) for owner in owners.tolist()]


@njit
def _play_and_count(
    game: Game, states: StateArray, history: HashArray, past: int, line: IndexArray, owners: npt.NDArray[np.int8]
) -> float:
    """Player 0's lead after `line`, and `owners` [H*W]; `history[:past]` is that of `states[0]`, the rest scratch."""
    state = states[0]
    for action in line:
        before = game.history_hash(state) if game.uses_history else np.uint64(0)
        game.step(state, action, history[:past])
        if game.uses_history:
            history[past] = before
            past += 1
    game.ownership(state, owners)
    return game.score(state)


def _line(search: Search, result: SearchResult, row: int, slot: int) -> list[int]:
    """The principal variation of a move, which is its first action."""
    action = int(result.actions[row, slot])
    return search.principal_variation(row, action) if result.visit_counts[row, slot] > 0 else [action]


def _describe_move(
    game: Game, result: SearchResult, row: int, slot: int, place: int, line: Sequence[int]
) -> dict[str, Any]:
    visits = int(result.visit_counts[row, slot])
    value = float(result.values[row, slot]) if visits > 0 else float(result.root_values[row])
    return {
        "move": game.action_to_text(line[0]),
        "visits": visits,
        "winrate": _winrate(game, value),
        "prior": float(result.priors[row, slot]),
        "utility": value,
        "order": place,
        "pv": [game.action_to_text(step) for step in line],
    }


def _describe_root(game: Game, position: Position, value: float, visits: int) -> dict[str, Any]:
    player = COLOURS[int(position.state["to_play"])]
    return {"winrate": _winrate(game, value), "utility": value, "visits": visits, "currentPlayer": player}


def _visits(result: SearchResult, row: int) -> int:
    return 1 + int(result.visit_counts[row, : int(result.num_slots[row])].sum())


def _winrate(game: Game, value: float) -> float:
    assert game.value_bounds is not None
    low, high = game.value_bounds
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _rank(result: SearchResult, row: int, slot: int) -> tuple[bool, int, float, float]:
    """What orders moves: the one to play first, then visits, then value, then prior."""
    best = bool(result.actions[row, slot] == result.best_actions[row])
    value = float(np.nan_to_num(result.values[row, slot], nan=-np.inf))
    return best, int(result.visit_counts[row, slot]), value, float(result.priors[row, slot])
