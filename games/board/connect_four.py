"""Connect Four: drop stones into columns; four in a row in any direction wins. Columns are `1` to `7`.

Bitboards as in John Tromp's Fhourstones: a column takes `height + 1` bits, the lowest row first, the top bit of each
column always empty, so that shifts never carry four-in-a-rows from one column into the next.

     6 13 20 27 34 41 48     <- always empty
     5 12 19 26 33 40 47
     .  .  .  .  .  .  .
     0  7 14 21 28 35 42
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State, Symmetry, TruthPosition
from games.look import Colour, Look, disc, hole

_PIECES = (
    hole(Colour("#0e2452", "black")),
    disc("Red", Colour("#f0484e", "bright_red"), 0),
    disc("Yellow", Colour("#ffd23f", "bright_yellow"), 1),
)


class ConnectFour(Game):
    """`stones` [2] uint64 holds each player's bitboard. Action = column, 0 at the left."""

    family = "connect_four"

    def __init__(self, width: int = 7, height: int = 6) -> None:
        if width < 4 or height < 4 or width * (height + 1) > 62:
            limits = "columns and rows are at least 4, columns x (rows + 1) at most 62"
            raise ValueError(f"connect_four {width}x{height}: {limits}")
        self.width, self.height = width, height
        self.name = "connect_four" if (width, height) == (7, 6) else f"connect_four{width}x{height}"
        self.state_dtype = np.dtype([("stones", np.uint64, (2,)), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players = 2
        self.num_actions = self.num_slots = width
        self.max_num_moves = width * height
        self.observation_shape = (5, height, width)
        self.num_policy_planes, self.num_extra_actions = 1, 0

    def reset(self, state: State) -> None:
        state["stones"][0] = np.uint64(0)
        state["stones"][1] = np.uint64(0)
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        occupied = state["stones"][0] | state["stones"][1]
        for column in range(self.width):
            top = np.uint64(1) << np.uint64(column * (self.height + 1) + self.height - 1)
            mask[column] = (occupied & top) == np.uint64(0)

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        player = int(state["to_play"])
        occupied = state["stones"][0] | state["stones"][1]
        shift = np.uint64(action * (self.height + 1))
        column = np.uint64((1 << self.height) - 1) << shift
        # Adding the column's lowest bit to its occupied bits carries into the lowest empty one.
        drop = ((occupied & column) + (np.uint64(1) << shift)) & column
        own = state["stones"][player] | drop
        state["stones"][player] = own
        state["to_play"] = 1 - player
        num_moves = int(state["num_moves"]) + 1
        state["num_moves"] = num_moves
        if self.has_four(own):
            return 1.0, True
        return 0.0, num_moves == self.max_num_moves

    def has_four(self, stones: np.uint64) -> bool:
        """Whether a bitboard holds four in a row."""
        fours = np.uint64(0)
        for direction in (1, self.height, self.height + 1, self.height + 2):  # up, diagonals and sideways
            pairs = stones & (stones >> np.uint64(direction))
            fours |= pairs & (pairs >> np.uint64(2 * direction))
        return bool(fours != np.uint64(0))

    def threats(self, stones: np.uint64) -> np.uint64:
        """The cells that complete four with three of `stones`, some of them perhaps taken, some beside the board."""
        found = (stones << np.uint64(1)) & (stones << np.uint64(2)) & (stones << np.uint64(3))
        for direction in (self.height, self.height + 1, self.height + 2):  # diagonals and sideways
            one, two, three = np.uint64(direction), np.uint64(2 * direction), np.uint64(3 * direction)
            found |= (stones << one) & (stones << two) & ((stones << three) | (stones >> one))
            found |= (stones >> one) & (stones >> two) & ((stones >> three) | (stones << one))
        return np.uint64(found)

    def observe(self, state: State, observation: FloatArray) -> None:
        """Own and other stones, the empty cells that complete four for either, and the rows on which a threat is worth
        most in the end: odd ones for the player who began, even ones for the other (Allis 1988, on zugzwang)."""
        player = int(state["to_play"])
        own, other = state["stones"][player], state["stones"][1 - player]
        empty = ~(own | other)
        own_threats, other_threats = self.threats(own) & empty, self.threats(other) & empty
        for column in range(self.width):
            for row in range(self.height):
                height = self.height - 1 - row
                bit = np.uint64(column * (self.height + 1) + height)
                observation[0, row, column] = (own >> bit) & np.uint64(1)
                observation[1, row, column] = (other >> bit) & np.uint64(1)
                observation[2, row, column] = (own_threats >> bit) & np.uint64(1)
                observation[3, row, column] = (other_threats >> bit) & np.uint64(1)
                observation[4, row, column] = height % 2 == player

    def hash(self, state: State) -> np.uint64:
        # The key of Fhourstones: own stones plus a mask whose top bit marks each column's height. Then a multiply-xor
        # finaliser (splitmix64's), since tables index by the low bits. It maps no key but 0 to 0, and no key is 0.
        stones = state["stones"]
        bottom = np.uint64(0)
        for column in range(self.width):
            bottom |= np.uint64(1) << np.uint64(column * (self.height + 1))
        key = stones[int(state["to_play"])] + (stones[0] | stones[1]) + bottom
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.uint64(key ^ (key >> np.uint64(31)))

    def action_cells(self) -> IndexArray:
        return np.array([(0, 0, column) for column in range(self.width)])

    def symmetries(self) -> tuple[Symmetry, ...]:
        board = np.arange(self.height * self.width).reshape(self.height, self.width)
        columns = np.arange(self.width)
        return Symmetry(board.ravel(), columns), Symmetry(board[:, ::-1].ravel(), columns[::-1].copy())

    def look(self) -> Look:
        columns = tuple(map(self.action_to_text, range(self.width)))
        moves = tuple((column,) for column in range(self.width))
        return Look(_PIECES, columns, ("",) * self.height, moves, Colour("#2456b8", "blue"), falls=True)

    def to_text(self, state: State) -> str:
        first, second = (int(stones) for stones in state["stones"])

        def cell(row: int, column: int) -> str:
            bit = column * (self.height + 1) + row
            return ".XO"[(first >> bit & 1) + 2 * (second >> bit & 1)]

        rows = [[cell(row, column) for column in range(self.width)] for row in reversed(range(self.height))]
        return "\n".join(" ".join(line) for line in [*rows, map(self.action_to_text, range(self.width))])

    def action_to_text(self, action: int) -> str:
        return str(action + 1)

    def text_to_action(self, text: str) -> int:
        columns = [self.action_to_text(action) for action in range(self.width)]
        if text not in columns:
            raise ValueError(f"{text!r} is no column: columns are 1 to {self.width}")
        return columns.index(text)

    def truth_positions(self, *, held_out: bool = False) -> tuple[TruthPosition, ...]:
        if self.name != "connect_four":
            return ()
        path = f"data/connect_four_{'held_out' if held_out else 'truth'}.txt"
        return self.read_solved(resources.files("games.board").joinpath(path).read_text("ascii"))

    def read_solved(self, text: str) -> tuple[TruthPosition, ...]:
        values = {"W": 1.0, "D": 0.0, "L": -1.0, "-": float("nan")}
        positions = []
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            moves, _, outcomes = line.partition(" ")
            if len(outcomes) != self.width or not set(outcomes) <= set(values) or set(outcomes) <= {"-"}:
                raise ValueError(f"{line!r} is no line of moves and an outcome of each of {self.width} columns")
            actions = tuple(self.text_to_action(column) for column in moves.replace(".", ""))
            if any(actions.count(column) > self.height for column in actions):
                raise ValueError(f"{line!r}: a column takes {self.height} stones")
            positions.append(TruthPosition(actions, tuple(values[letter] for letter in outcomes)))
        return tuple(positions)
