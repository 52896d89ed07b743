"""Breakthrough: men step forward, straight or diagonally, and capture diagonally; the first to reach the far row wins,
and so does who captures the last man. There are no draws.

Moves are from-to, `a7a6`, the letter the column, row 1 at the bottom. Player 0 starts on rows 7 and 8 and moves toward
row 1, player 1 on rows 1 and 2 and moves toward row 8.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State, Symmetry
from games.board.square import LETTERS, mixed
from games.look import BLACK, WHITE, Colour, Look, empty, pawn

_FIRST_LEFT, _FIRST_RIGHT, _PLAYER_ACTIONS = 56, 105, 154
"""Of each player's actions the first 56 step straight (7 rows of 8), the next 49 left and 49 right (7 rows of 7)."""


class Breakthrough(Game):
    """`men` [2] uint64 holds each player's bitboard **as that player sees it**: bit 8r + c is the cell r rows ahead of
    its own back row, in column c from the a-file. So both players step to higher bits, and the same cell is bit b to
    one and b ^ 56 to the other.

    Actions are player 0's moves, then player 1's: straight, left, right, for each row and each column that has it. The
    network sees the board as the player to move does, so both players' moves are read at the same three planes.
    """

    def __init__(self) -> None:
        self.name = "breakthrough"
        self.state_dtype = np.dtype([("men", np.uint64, (2,)), ("to_play", np.int8), ("num_moves", np.int16)])
        self.num_players = 2
        self.num_actions = 2 * _PLAYER_ACTIONS
        self.num_slots = 48  # 16 men with three moves each
        self.max_num_moves = 2 * 8 * (5 + 6) + 1  # every man up to the last row but one, and one step more
        self.observation_shape = (2, 8, 8)
        self.num_policy_planes, self.num_extra_actions = 3, 0
        self._names = tuple(self._name(action) for action in range(self.num_actions))

    def reset(self, state: State) -> None:
        state["men"][0] = np.uint64(0xFFFF)
        state["men"][1] = np.uint64(0xFFFF)
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        player = int(state["to_play"])
        own, other = state["men"][player], self.seen_across(state["men"][1 - player])
        straight = own & ~((own | other) >> np.uint64(8))
        left = (own & ~(own >> np.uint64(7))) >> np.uint64(1)  # column 1 to bit 0: no man on column 0 steps left
        right = own & ~(own >> np.uint64(9))
        first = player * _PLAYER_ACTIONS
        mask[:] = False
        moves = mask[first : first + _PLAYER_ACTIONS]
        self.write_bits(straight, moves[:_FIRST_LEFT])
        self.write_bits(self.seven_columns(left), moves[_FIRST_LEFT:_FIRST_RIGHT])
        self.write_bits(self.seven_columns(right), moves[_FIRST_RIGHT:])

    def write_bits(self, bits: np.uint64, mask: BoolArray) -> None:
        """Write the lowest bits into `mask`. A loop this plain, counting from 0, becomes vector instructions."""
        for bit in range(mask.size):
            mask[bit] = (bits >> np.uint64(bit)) & np.uint64(1) != np.uint64(0)

    def seven_columns(self, men: np.uint64) -> np.uint64:
        """The lower seven rows without their last column, packed: bit 7r + c is the cell of row r and column c."""
        packed = np.uint64(0)
        for row in range(7):
            packed |= ((men >> np.uint64(8 * row)) & np.uint64(0x7F)) << np.uint64(7 * row)
        return packed

    def seen_across(self, men: np.uint64) -> np.uint64:
        """A bitboard as the other player sees it: its rows in reverse order."""
        men = ((men >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)) | (
            (men & np.uint64(0x00FF00FF00FF00FF)) << np.uint64(8)
        )
        men = ((men >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)) | (
            (men & np.uint64(0x0000FFFF0000FFFF)) << np.uint64(16)
        )
        return np.uint64((men >> np.uint64(32)) | (men << np.uint64(32)))

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        player = int(state["to_play"])
        start, target = self.bits_of(action - player * _PLAYER_ACTIONS)
        own = state["men"][player] ^ (np.uint64(1) << np.uint64(start)) ^ (np.uint64(1) << np.uint64(target))
        other = state["men"][1 - player] & ~(np.uint64(1) << np.uint64(target ^ 56))
        state["men"][player] = own
        state["men"][1 - player] = other
        state["to_play"] = 1 - player
        state["num_moves"] += 1
        won = target >= 56 or other == np.uint64(0)
        return (1.0 if won else 0.0), won

    def bits_of(self, move: int) -> tuple[int, int]:
        """(start, target) bits of a player's move number `move`, as that player sees the board."""
        if move < _FIRST_LEFT:
            return move, move + 8
        if move < _FIRST_RIGHT:
            start = move - _FIRST_LEFT + (move - _FIRST_LEFT) // 7 + 1
            return start, start + 7
        start = move - _FIRST_RIGHT + (move - _FIRST_RIGHT) // 7
        return start, start + 9

    def observe(self, state: State, observation: FloatArray) -> None:
        """Own men, the other's men, the own back row on top: the player to move steps down."""
        player = int(state["to_play"])
        own, other = state["men"][player], self.seen_across(state["men"][1 - player])
        for row in range(8):
            for column in range(8):
                bit = np.uint64(8 * row + column)
                observation[0, row, column] = (own >> bit) & np.uint64(1)
                observation[1, row, column] = (other >> bit) & np.uint64(1)

    def hash(self, state: State) -> np.uint64:
        player = int(state["to_play"])
        key = mixed(np.uint64(mixed(state["men"][player])) ^ state["men"][1 - player])
        return np.uint64(key) if key != 0 else np.uint64(1)

    def _name(self, action: int) -> str:
        player, move = divmod(action, _PLAYER_ACTIONS)
        cells = [divmod(bit, 8) for bit in self.bits_of(move)]
        return "".join(f"{LETTERS[column]}{row + 1 if player == 1 else 8 - row}" for row, column in cells)

    def action_cells(self) -> IndexArray:
        cells = []
        for action in range(self.num_actions):
            move = action % _PLAYER_ACTIONS
            start, _ = self.bits_of(move)
            cells.append((int(move >= _FIRST_LEFT) + int(move >= _FIRST_RIGHT), *divmod(start, 8)))
        return np.array(cells)

    def symmetries(self) -> tuple[Symmetry, ...]:
        """The board and its mirror image, the a-file and the h-file exchanged."""
        board = np.arange(64).reshape(8, 8)
        exchanged = str.maketrans(LETTERS[:8], LETTERS[7::-1])
        actions = np.array([self.text_to_action(name.translate(exchanged)) for name in self._names])
        return Symmetry(board.ravel(), np.arange(self.num_actions)), Symmetry(board[:, ::-1].ravel(), actions)

    def look(self) -> Look:
        names = [f"{LETTERS[column]}{8 - row}" for row in range(8) for column in range(8)]
        light, dark = Colour("#c9a777", "yellow"), Colour("#a9814f", "green")
        return Look(
            pieces=(empty(BLACK), pawn("Black", BLACK, 0), pawn("White", WHITE, 1)),
            columns=tuple(LETTERS[:8]),
            rows=tuple(str(8 - row) for row in range(8)),
            moves=tuple((names.index(name[:2]), names.index(name[2:])) for name in self._names),
            ground=light,
            ink=BLACK,
            second_ground=dark,
            tasks=("steps down", "steps up"),
        )

    def contents(self, state: State) -> npt.NDArray[np.int8]:
        first, second = (int(men) for men in state["men"])
        return np.array([(first >> bit & 1) + 2 * (second >> (bit ^ 56) & 1) for bit in range(64)], np.int8)

    def to_text(self, state: State) -> str:
        marks = [".XO"[content] for content in self.contents(state)]
        lines = [f"{8 - row} {' '.join(marks[8 * row : 8 * row + 8])}" for row in range(8)]
        return "\n".join([*lines, f"  {' '.join(LETTERS[:8])}"])

    def action_to_text(self, action: int) -> str:
        return self._names[action]

    def text_to_action(self, text: str) -> int:
        if text not in self._names:
            raise ValueError(f"{text!r} is no move: moves are from-to, one row ahead, such as a7a6 or b2c3")
        return self._names.index(text)
