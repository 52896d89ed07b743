"""Games that a window rebuilds in other ways than by playing the moves: run by test_replay_window.py.

In a process and a cache of kernels of its own, since another one could not import these games from the cache.
"""

from __future__ import annotations

import numpy as np
from recorded_games import random_game, replayed

from games.base import BoolArray, Game, HashArray, State, Symmetry
from games.board.tic_tac_toe import TicTacToe
from rl.replay.window import Window, WindowConfig


class Upright(TicTacToe):
    """Tic-tac-toe without symmetries."""

    def symmetries(self) -> tuple[Symmetry, ...]:
        return super().symmetries()[:1]


class Remembering(Upright):
    """Tic-tac-toe in which an action's legality, and a mark on the board, tell of the whole history."""

    uses_history = True

    def __init__(self) -> None:
        super().__init__()
        self.observation_shape = (3, 3, 3)
        board, to_play = ("board", np.int8, (9,)), ("to_play", np.int8)
        self.state_dtype = np.dtype([board, to_play, ("num_moves", np.int8), ("memory", np.float32)])

    def reset(self, state: State) -> None:
        state["board"][:] = 0
        state["to_play"] = 0
        state["num_moves"] = 0
        state["memory"] = 0.0

    def digest(self, history: HashArray) -> int:
        total = np.uint64(0)
        for index in range(len(history)):
            total = (total * np.uint64(3) + history[index]) % np.uint64(1009)
        return np.int64(total)

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        first = self.digest(history) % 9
        found = False
        for nth in range(9):
            cell = (first + nth) % 9
            free = state["board"][cell] == 0
            mask[cell] = free and not found
            found = found or free

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        board = state["board"]
        board[action] = state["to_play"] + 1
        state["to_play"] = 1 - state["to_play"]
        state["num_moves"] += 1
        state["memory"] = np.float32(self.digest(history))
        return 0.0, state["num_moves"] == 9

    def observe(self, state: State, observation: np.ndarray) -> None:
        for cell in range(9):
            observation[0, cell // 3, cell % 3] = state["board"][cell]
            observation[1, cell // 3, cell % 3] = state["to_play"]
            observation[2, cell // 3, cell % 3] = state["memory"]


class Stored(Upright):
    """Tic-tac-toe that keeps its states; the window must not play its moves, which would tell another story."""

    stores_states = True


def check(game: Game, batch_size: int) -> None:
    """Every sampled position must be what replaying the record in plain Python gives."""
    records = {number: random_game(game, number, 1.0) for number in range(5)}
    if game.stores_states:
        for record in records.values():
            record.steps["state"]["board"][:, 0] = 2  # in no game that is replayed from the start
            record.steps["state"]["num_moves"] = 1
    window = Window(game, WindowConfig(holdout_fraction=0.0, trace_decay=0.0))
    window.add_all(records.values())
    batch = window.sample(batch_size, key=3)
    planes, mask = np.zeros(game.observation_shape, np.float32), np.zeros(game.num_actions, np.bool_)
    for row in range(batch_size):
        number, place = divmod(float(batch.lambda_returns[row]), 1.0)
        ply = round(place * 256)
        steps = records[int(number)].steps
        state, history = replayed(game, steps["action"][:ply])
        if game.stores_states:
            state = steps["state"][ply]
        game.observe(state, planes)
        game.legal_actions(state, history, mask)
        np.testing.assert_array_equal(batch.observations[row], planes)
        np.testing.assert_array_equal(batch.legal[row], mask)


if __name__ == "__main__":
    check(Remembering(), 40)
    check(Stored(), 40)
    print("as replayed")
