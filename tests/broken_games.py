"""Games that break one promise each, by the name of the check that has to find it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scored_game import Patches

from games.base import BoolArray, FloatArray, Game, HashArray, State, Symmetry
from games.board.tic_tac_toe import TicTacToe
from games.look import Look


class SharedLogit(TicTacToe):
    """Two actions that are legal together share a cell."""

    def action_cells(self):  # type: ignore[no-untyped-def]
        cells = TicTacToe.action_cells(self)
        cells[8] = cells[0]
        return cells


class StrayLogit(TicTacToe):
    """An action's logit is read off the board."""

    def action_cells(self):  # type: ignore[no-untyped-def]
        return TicTacToe.action_cells(self) + 1


class LenientSingleAction(TicTacToe):
    """`is_legal` allows what `legal_actions` does not."""

    def is_legal(self, state: State, action: int, history: HashArray) -> bool:
        return True


class ForgetfulReset(TicTacToe):
    """`reset` leaves the stones of the game before."""

    def reset(self, state: State) -> None:
        state["to_play"] = 0
        state["num_moves"] = 0


class HalfMask(TicTacToe):
    """`legal_actions` writes only what is legal."""

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        for cell in range(9):
            if state["board"][cell] == 0:
                mask[cell] = True


class TouchingLook(TicTacToe):
    """`hash` changes the state."""

    def hash(self, state: State) -> np.uint64:
        state["num_moves"] = int(state["num_moves"]) + 1
        return np.uint64(1)


class NoEnd(TicTacToe):
    """A full board does not end the game."""

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        reward, _ = TicTacToe.step(self, state, action, history)
        return reward, reward == 1.0


class TooLong(TicTacToe):
    """Games last longer than declared."""

    def __init__(self) -> None:
        super().__init__()
        self.max_num_moves = 7


class OtherPlayersReward(TicTacToe):
    """The reward is for the player to move."""

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        reward, terminated = TicTacToe.step(self, state, action, history)
        return -reward, terminated


class HiddenCounter(TicTacToe):
    """How a game goes on depends on what the state does not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        self.count += 1
        reward, terminated = TicTacToe.step(self, state, action, history)
        return reward, terminated or self.count % 97 == 0


class UndeclaredHistory(TicTacToe):
    """What is legal depends on a history that the game does not declare."""

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        TicTacToe.legal_actions(self, state, history, mask)
        if history.size == 3:
            mask[mask.argmax()] = False


class FirstPlayersReward(Patches):
    """The reward at the end is player 0's, whoever moved."""

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        _, terminated = Patches.step(self, state, action, history)
        return (float(np.sign(self.score(state))) if terminated else 0.0), terminated


class WrongKomi(Patches):
    """Komi counts for player 0."""

    def score(self, state: State) -> float:
        return Patches.score(self, state) + 2 * float(state["komi"])


class DeafSetUp(Patches):
    """`set_up` does not hear who is to move."""

    def set_up(self, state, stones, to_play):  # type: ignore[no-untyped-def]
        Patches.set_up(self, state, stones, 0)


class HalfObservation(TicTacToe):
    """`observe` writes only the stones."""

    def observe(self, state: State, observation: FloatArray) -> None:
        for cell in range(9):
            if state["board"][cell] != 0:
                own = state["board"][cell] == state["to_play"] + 1
                observation[0, cell // 3, cell % 3] = own
                observation[1, cell // 3, cell % 3] = not own


class CollidingHash(TicTacToe):
    """The hash overlooks a cell."""

    def hash(self, state: State) -> np.uint64:
        code = np.uint64(1)
        for cell in range(8):
            code = code * np.uint64(3) + np.uint64(state["board"][cell])
        return code


class OrderedHash(TicTacToe):
    """The hash tells in which order the stones came, which nobody sees."""

    def __init__(self) -> None:
        super().__init__()
        self.state_dtype = np.dtype([*TicTacToe().state_dtype.descr, ("order", np.uint64)])

    def reset(self, state: State) -> None:
        TicTacToe.reset(self, state)
        state["order"] = 1

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        state["order"] = np.uint64(int(state["order"]) * 9 + action)
        return TicTacToe.step(self, state, action, history)

    def hash(self, state: State) -> np.uint64:
        return np.uint64(state["order"])


class CrookedSymmetry(TicTacToe):
    """A symmetry turns the board one way and the moves the other."""

    def symmetries(self) -> tuple[Symmetry, ...]:
        identity, turned, *_ = TicTacToe.symmetries(self)
        return identity, Symmetry(turned.cells, turned.cells)


class GuessingText(TicTacToe):
    """Any text is some move."""

    def text_to_action(self, text: str) -> int:
        try:
            return TicTacToe.text_to_action(self, text)
        except ValueError:
            return len(text) % 9


class ColouredBoard(TicTacToe):
    """The board is written in colours."""

    def to_text(self, state: State) -> str:
        return TicTacToe.to_text(self, state).replace("X", "\x1b[31mX\x1b[0m")


class ShiftedLook(TicTacToe):
    """The coordinates beside the board are not those of the moves."""

    def look(self) -> Look | None:
        look = TicTacToe.look(self)
        return replace(look, rows=look.rows[::-1])


class PaleLook(TicTacToe):
    """Without colours nobody can tell the pieces apart."""

    def look(self) -> Look | None:
        look = TicTacToe.look(self)
        return replace(look, pieces=tuple(replace(piece, bare="o") for piece in look.pieces))


class StillContents(TicTacToe):
    """What stands on the board is not told."""

    def contents(self, state: State) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
        return np.zeros(9, np.int8)


class SmallIntegers(TicTacToe):
    """Arithmetic on an int8 wraps as plain Python, not compiled."""

    def observe(self, state: State, observation: FloatArray) -> None:
        for cell in range(9):
            observation[0, cell // 3, cell % 3] = state["board"][cell] * 100
            observation[1, cell // 3, cell % 3] = state["to_play"]

    def symmetries(self) -> tuple[Symmetry, ...]:
        return Game.symmetries(self)


class DoesNotCompile(TicTacToe):
    """Uses what numba does not know."""

    def observe(self, state: State, observation: FloatArray) -> None:
        TicTacToe.observe(self, state, observation)


BROKEN: dict[str, tuple[type[Game], ...]] = {
    "declarations": (StrayLogit,),
    "reset": (ForgetfulReset,),
    "masks": (HalfMask, SharedLogit, LenientSingleAction),
    "looking": (TouchingLook,),
    "ends": (NoEnd, TooLong),
    "rewards": (OtherPlayersReward,),
    "records": (HiddenCounter,),
    "history": (UndeclaredHistory,),
    "score": (FirstPlayersReward, WrongKomi),
    "set-up": (DeafSetUp,),
    "observations": (HalfObservation,),
    "hashes": (CollidingHash, OrderedHash),
    "symmetries": (CrookedSymmetry,),
    "moves as text": (GuessingText,),
    "boards as text": (ColouredBoard,),
    "looks": (ShiftedLook, PaleLook, StillContents),
    "compiled": (SmallIntegers, DoesNotCompile),
}
