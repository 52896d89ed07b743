"""A few positions that a run is shown by: what the network and the search say of them at each evaluation.

Solved positions where the game has some, else the first position and a few random openings, the same all run long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from games.base import Game, State, TruthPosition
from rl.arena.openings import find_openings
from rl.arena.truth import spread, states_of
from rl.pictures.board import INK, BoardPicture
from rl.pictures.raster import png
from rl.pictures.scene import Scene, below, beside, titled
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import Evaluator

RECORD_NAME = "positions/evaluated"
_MOST_POSITIONS = 6
_LEAST_WEIGHT = 0.005
"""Actions with less are not recorded."""
_BOARDS_OF_GAME = 8
_BOARD_PIXELS = 230
_TITLE = 0.45


class PositionView(NamedTuple):
    """What is thought of one position. Values are for the player to move, -1 to 1."""

    moves: tuple[int, ...]
    """That lead to it from the start."""
    policy: dict[int, float]
    """By action: the network's priors of `_LEAST_WEIGHT` and more."""
    search: dict[int, float]
    """Likewise: the policy that the search made of them."""
    value: float
    """The network's."""
    search_value: float
    best: tuple[int, ...]
    """The actions that keep what perfect play reaches; none where that is not known."""
    truth: float | None
    """What perfect play reaches."""

    def to_json(self, game: Game) -> dict[str, Any]:
        """As the record of a run has it, moves in the game's notation."""
        text = game.action_to_text

        def written(weights: Mapping[int, float]) -> dict[str, float]:
            return {text(action): round(weight, 4) for action, weight in weights.items()}

        return {
            "moves": [text(action) for action in self.moves],
            "policy": written(self.policy),
            "search": written(self.search),
            "value": round(self.value, 4),
            "search_value": round(self.search_value, 4),
            "best": [text(action) for action in self.best],
            "truth": self.truth,
        }


class SampleGame(NamedTuple):
    """A game of self-play that is shown."""

    game: Game
    number: int
    actions: tuple[int, ...]


def played_states(game: Game, actions: Sequence[int]) -> list[State]:
    """All positions of a game that was played, the first one included; nobody asks again whether its moves are legal,
    which in Python takes seconds."""
    states = [game.new_state()]
    hashes = np.zeros(len(actions) if game.uses_history else 0, np.uint64)
    with np.errstate(over="ignore"):  # hashes wrap around
        for ply, action in enumerate(actions):
            state = states[-1].copy()
            if game.uses_history:
                hashes[ply] = game.history_hash(state)
            game.step(state, action, hashes[:ply])
            states.append(state)
    return states


def chosen_positions(game: Game) -> tuple[TruthPosition, ...]:
    """Which positions are shown; `action_values` are all NaN where the truth is not known."""
    if game.action_dtype.subdtype is not None:  # nobody can point at one of infinitely many actions
        return ()
    solved = sorted(game.truth_positions(), key=lambda position: len(position.moves))
    if solved:
        return tuple(spread(solved, _MOST_POSITIONS))
    openings, _ = find_openings(game, _MOST_POSITIONS - 1, seed=0)
    unknown = (float("nan"),) * game.num_actions
    return tuple(TruthPosition(moves, unknown) for moves in dict.fromkeys([(), *openings]))


def view_positions(
    game: Game,
    positions: Sequence[TruthPosition],
    evaluator: Evaluator,
    num_simulations: int,
    stop: Callable[[], bool] | None = None,
) -> tuple[PositionView, ...]:
    """What the network and a search of so many simulations say of each of `positions`."""
    if not positions:
        return ()
    states, histories = states_of(game, positions)
    search = Search(game, SearchConfig(), len(positions), num_simulations)
    found = search.run(evaluator, states, num_simulations, histories=histories, stop=stop)
    views = []
    for row, position in enumerate(positions):
        actions = found.actions[row, : found.num_slots[row]].tolist()
        values = np.array(position.action_values)
        is_known = not np.isnan(values).all()
        truth = float(np.nanmax(values)) if is_known else None
        views.append(
            PositionView(
                position.moves,
                _weights(actions, found.priors[row].tolist()),
                _weights(actions, found.policy[row].tolist()),
                float(found.raw_values[row]),
                float(found.root_values[row]),
                tuple(np.flatnonzero(values == truth).tolist()) if is_known else (),
                truth,
            )
        )
    return tuple(views)


def position_pictures(game: Game, views: Sequence[PositionView]) -> dict[str, bytes]:
    """PNG files by tag: of each position the network's policy, and beside it the search's."""
    board = BoardPicture(game)
    pictures = {}
    for number, view in enumerate(views, 1):
        state = states_of(game, [TruthPosition(view.moves, ())])[0][0]
        policy, search = (board.heat_map(state, weights, view.best) for weights in (view.policy, view.search))
        title = f"{_mover(board, int(state['to_play']))} to move{_truth(view.truth)}"
        panels = [
            titled(
                policy, [title, f"network: expects {_score(view.value)}{_off_board(board, view.policy)}"], _TITLE, INK
            ),
            titled(
                search,
                ["", f"search: expects {_score(view.search_value)}{_off_board(board, view.search)}"],
                _TITLE,
                INK,
            ),
        ]
        pictures[f"positions/{number}"] = png(beside(panels, 0.6), _cell_pixels(board))
    return pictures


def game_picture(sample: SampleGame) -> bytes:
    """A game as a PNG file: some of its positions, the last one among them."""
    board = BoardPicture(sample.game)
    game, num_moves = sample.game, len(sample.actions)
    shown = set(np.linspace(1, num_moves, min(num_moves, _BOARDS_OF_GAME)).round().astype(int).tolist())
    states = played_states(game, sample.actions)
    panels: list[Scene] = []
    for ply in sorted(shown):
        before, action = states[ply - 1], sample.actions[ply - 1]
        title = f"{ply}. {_mover(board, int(before['to_play']))} {game.action_to_text(action)}"
        panels.append(titled(board.position(states[ply], action, before), [title], _TITLE, INK))
    half = -(-len(panels) // 2)
    rows = [beside(panels[:half], 0.4), beside(panels[half:], 0.4)]
    return png(below(rows, 0.4), _cell_pixels(board))


def _weights(actions: Sequence[int], weights: Sequence[float]) -> dict[int, float]:
    pairs = zip(actions, weights, strict=False)  # the last slots may be unused
    return {int(action): float(weight) for action, weight in pairs if weight >= _LEAST_WEIGHT}


def _mover(board: BoardPicture, player: int) -> str:
    """A player by the name of his pieces."""
    names = [piece.name for piece in board.look.pieces if piece.player == player] if board.look is not None else []
    return names[0] if names else f"player {player}"


def _score(value: float) -> str:
    return f"{(value + 1.0) / 2.0:.0%}"


def _truth(truth: float | None) -> str:
    return "" if truth is None else f"; perfect play {'wins' if truth > 0 else 'loses' if truth < 0 else 'draws'}"


def _off_board(board: BoardPicture, weights: Mapping[int, float]) -> str:
    """Actions that have no place on the board, such as a pass."""
    contents = [0] * (board.width * board.height)
    named = [(action, weight) for action, weight in weights.items() if not board.cells(action, contents)]
    likely = sorted(named, key=lambda entry: -entry[1])[:3]
    return "".join(f", {board.game.action_to_text(action)} {weight:.0%}" for action, weight in likely)


def _cell_pixels(board: BoardPicture) -> int:
    return max(10, min(28, int(_BOARD_PIXELS / board.size[0])))
