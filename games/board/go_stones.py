"""Go stones on the board: chains, liberties, captures, and the hash of what lies where.

A board of size 3 as `cells` holds it: rows of size + 1 cells, so that one column of walls (#) ends each row and begins
the next. Points are numbered from 1; point p lies in cell p + stride, stride being size + 1, and its neighbours in the
cells p, p + stride - 1, p + stride + 1 and p + 2 * stride.

     # # # # #        A cell holds 0 when empty, 1 when wall, else the code 2 * head + player of its stone's chain. The
       1 2 3 #        head is one of the chain's points. `next` leads from each stone of a chain to another one and back
       5 6 7 #        to the first. `liberties` counts, at the head, the pairs of a stone of the chain and an empty
       9 . . #        neighbour: a stone on p takes the chain's last liberty exactly when that many neighbours of p
     # # # # #        belong to the chain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from games.base import Game, HashArray, State

EMPTY, WALL = 0, 1
ILLEGAL, PLACES, CAPTURES, SUICIDE = 0, 1, 2, 3
NUM_RECENT = 4
CODE_SHIFT = np.uint64(54)
NUM_CODES = 1024


def _zobrist_keys() -> HashArray:
    """[2 * NUM_CODES] random keys (SplitMix64): first those of the stones by their codes, the others are free for what
    else is hashed. A stone's key holds the code in its top bits, so that a key tells whose it is."""
    counters = np.arange(1, 2 * NUM_CODES + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    keys = (counters ^ (counters >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    keys ^= keys >> np.uint64(31)
    codes = np.arange(NUM_CODES, dtype=np.uint64)
    keys[:NUM_CODES] = (codes << CODE_SHIFT) | (keys[:NUM_CODES] >> np.uint64(10))
    return keys


KEYS = _zobrist_keys()


class GoStones(Game):
    """What may lie on a board of Go, whoever's turn it is and whatever was there before."""

    size: int
    stride: int
    """Cells of a row: `size` points and a wall."""
    suicide: bool
    """Whether a stone may take its own chain of two or more off the board."""

    def stone_fields(self) -> list[tuple[Any, ...]]:
        """The fields of the state that the methods of this class keep."""
        last_point = self.size * self.stride - 1
        small: type[Any] = np.uint8 if 2 * last_point + 1 < 256 else np.uint16
        return [
            ("stones", np.uint64),  # Zobrist hash of the stones
            ("num_moves", np.int16),
            ("recent_plies", np.int16, (NUM_RECENT,)),  # the value of num_moves before the recent stones
            ("recent", small, (NUM_RECENT,)),  # codes 2 * point + player of first stones, the newest first
            ("ko", small),
            ("cells", small, (last_point + 2 * self.stride + 1,)),
            ("next", small, (last_point + 1,)),
            ("liberties", small, (last_point + 1,)),
            ("played", np.uint8, (last_point + 1,)),  # bit `player`: whether that player has ever had a stone here
        ]

    def clear(self, state: State) -> None:
        """Take all stones off the board, and forget those that were there."""
        cells = state["cells"]
        for place in range(cells.size):
            cells[place] = WALL
        for row in range(self.size):
            for column in range(self.size):
                cells[(row + 1) * self.stride + column + 1] = EMPTY
        for point in range(self.size * self.stride):
            state["next"][point] = 0
            state["liberties"][point] = 0
            state["played"][point] = 0
        for place in range(NUM_RECENT):
            state["recent"][place] = 0
            state["recent_plies"][place] = 0
        state["stones"] = np.uint64(0)
        state["ko"] = 0
        state["num_moves"] = 0

    def cell(self, state: State, place: int) -> int:
        """What a cell holds, as a number that can be reckoned with: unsigned and signed ones do not mix."""
        return int(np.int64(state["cells"][place]))

    def action_of(self, point: int) -> int:
        """The action that plays on a point."""
        return point - 1 - (point - 1) // self.stride

    def neighbours(self, state: State, point: int) -> tuple[int, int, int, int]:
        """What the cells above, left, right and below a point hold."""
        above, below = point, point + 2 * self.stride
        left, right = point + self.stride - 1, point + self.stride + 1
        return self.cell(state, above), self.cell(state, left), self.cell(state, right), self.cell(state, below)

    def has_room(self, state: State, point: int) -> bool:
        """Whether a neighbour of a point is empty."""
        above, left, right, below = self.neighbours(state, point)
        return above == EMPTY or left == EMPTY or right == EMPTY or below == EMPTY

    def takes_last_liberty(self, state: State, point: int, code: int) -> bool:
        """Whether a stone on an empty point takes the last liberty of the chain that cells know by `code`."""
        above, left, right, below = self.neighbours(state, point)
        touching = int(above == code) + int(left == code) + int(right == code) + int(below == code)
        return int(np.int64(state["liberties"][code >> 1])) == touching

    def effect(self, state: State, point: int, player: int) -> int:
        """What a stone of `player` on an empty point would do, ko aside: be illegal, lie there, capture, or go."""
        room, captures, joins = False, False, False
        for code in self.neighbours(state, point):
            last = self.takes_last_liberty(state, point, code)  # not so where there is no stone
            own = (code > WALL) & (code & 1 == player)
            captures |= last & (not own)
            room |= (code == EMPTY) | (own & (not last))
            joins |= own
        if captures:
            return CAPTURES
        if room:
            return PLACES
        return SUICIDE if joins and self.suicide else ILLEGAL

    def play(self, state: State, point: int, player: int) -> None:
        """Put a stone on an empty point and take off what has no liberty then: the opponent's first, else its own."""
        self.place(state, point, player)
        num_captured, captured = 0, 0
        for offset in (-self.stride, -1, 1, self.stride):
            code = self.cell(state, point + self.stride + offset)
            if code > WALL and code & 1 != player and state["liberties"][code >> 1] == 0:
                num_captured += self.remove(state, code)
                captured = point + offset
        code = self.cell(state, point + self.stride)
        liberties = state["liberties"][code >> 1]
        if liberties == 0:
            self.remove(state, code)
        elif num_captured == 1 and liberties == 1 and state["next"][point] == point:
            state["ko"] = captured

    def place(self, state: State, point: int, player: int) -> None:
        """Put a stone on an empty point and join it with the chains it touches; nothing is taken off."""
        liberties, played = state["liberties"], state["played"]
        own = 2 * point + player
        if (played[point] >> player) & 1 == 0:
            played[point] |= 1 << player
            self.note_first(state, own)
        state["stones"] ^= KEYS[own]
        room = 0
        liberties[0] = 4  # of no chain: counted with the others, it saves a branch
        for code in self.neighbours(state, point):
            liberties[code >> 1] -= 1
            room += int(code == EMPTY)
        liberties[0] = 0
        state["cells"][point + self.stride] = own
        state["next"][point] = point
        liberties[point] = room
        for offset in (-self.stride, -1, 1, self.stride):
            code = self.cell(state, point + self.stride + offset)
            if code > WALL and code & 1 == player:
                self.join(state, self.cell(state, point + self.stride), code)

    def note_first(self, state: State, code: int) -> None:
        """Remember that this stone is the first of its colour on its point."""
        recent, plies = state["recent"], state["recent_plies"]
        for place in range(NUM_RECENT - 1, 0, -1):
            recent[place] = recent[place - 1]
            plies[place] = plies[place - 1]
        recent[0] = code
        plies[0] = state["num_moves"]

    def join(self, state: State, code: int, other: int) -> None:
        """Make one chain of two, if they are two: the shorter one takes the other's head."""
        if code == other:
            return
        following = state["next"]
        first, second = code >> 1, other >> 1
        mine, theirs = following[first], following[second]
        while mine != first and theirs != second:
            mine, theirs = following[mine], following[theirs]
        if mine != first:
            code, other = other, code
            first, second = second, first
        stone = first
        while True:
            state["cells"][stone + self.stride] = other
            stone = int(np.int64(following[stone]))
            if stone == first:
                break
        state["liberties"][second] += state["liberties"][first]
        after = following[first]
        following[first] = following[second]
        following[second] = after

    def remove(self, state: State, code: int) -> int:
        """Take a chain off the board; returns how many stones it had."""
        cells, liberties, following = state["cells"], state["liberties"], state["next"]
        first, player = code >> 1, code & 1
        stone, count = first, 0
        key = np.uint64(0)
        while True:
            cells[stone + self.stride] = EMPTY
            key ^= KEYS[2 * stone + player]
            count += 1
            for neighbour in self.neighbours(state, stone):
                liberties[neighbour >> 1] += 1
            liberties[0] = 0
            stone = int(np.int64(following[stone]))
            if stone == first:
                break
        state["stones"] ^= key
        return count

    def count_liberties(self, state: State, head: int) -> int:
        """The different liberties of a chain; 4 stands for four or more."""
        first, second, third = 0, 0, 0
        stone = head
        while True:
            for offset in (-self.stride, -1, 1, self.stride):
                point = stone + offset
                if self.cell(state, point + self.stride) == EMPTY and point not in (first, second, third):
                    if third != 0:
                        return 4
                    first, second, third = point, first, second
            stone = int(np.int64(state["next"][stone]))
            if stone == head:
                return int(first != 0) + int(second != 0) + int(third != 0)

    def chain_hash(self, state: State, code: int) -> np.uint64:
        """The keys of a chain's stones together."""
        following = state["next"]
        first, player = code >> 1, code & 1
        stone, key = first, np.uint64(0)
        while True:
            key ^= np.uint64(KEYS[2 * stone + player])
            stone = int(np.int64(following[stone]))
            if stone == first:
                return key
