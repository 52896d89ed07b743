"""Go by the Tromp-Taylor rules, with options. Moves are GTP vertices (`D4`, no letter I, row 1 at the bottom), `pass`.

Area scoring; no move may bring an earlier position back (positional superko); a move may take the mover's own chain of
two or more stones off the board (suicide), never the single stone just played; two passes in a row end the game, and so
does a move limit of 4 * size**2 plies, with the board counted as it stands.

A board of size 3 as `cells` holds it: rows of size + 1 cells, so that one column of walls (#) ends each row and begins
the next. Points are numbered from 1; point p lies in cell p + stride, stride being size + 1, and its neighbours in the
cells p, p + stride - 1, p + stride + 1 and p + 2 * stride.

     # # # # #        A cell holds 0 when empty, 1 when wall, else the code 2 * head + player of its stone's chain. The
       1 2 3 #        head is one of the chain's points. `next` leads from each stone of a chain to another one and back
       5 6 7 #        to the first. `liberties` counts, at the head, the pairs of a stone of the chain and an empty
       9 . . #        neighbour: a stone on p takes the chain's last liberty exactly when that many neighbours of p
     # # # # #        belong to the chain.

Superko asks only where something can repeat. `played` knows on which points each player has ever had a stone: a stone
that is the first of its colour on its point makes a position that never was, unless it goes at once (suicide). While it
lies there no position from before it can come back: the newest such stones (`recent`) bound how far back to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State, Symmetry

_EMPTY, _WALL = 0, 1
_ILLEGAL, _PLACES, _CAPTURES, _SUICIDE = 0, 1, 2, 3
_LETTERS = "ABCDEFGHJKLMNOPQRST"
_KO_RULES = ("positional", "situational", "simple")
_LARGEST_KOMI = 1000
_NUM_RECENT = 4
_CODE_SHIFT = np.uint64(54)
_KO, _PASS, _SIDE = 1024, 2046, 2047
_KOMI_PLANE = 0.1


def _zobrist_keys() -> HashArray:
    """[2048] random keys (splitmix64): of a stone by its code, from _KO on of a forbidden point, of a pass, of the side
    to move. A stone's key holds the code in its top bits, so that a key tells whose it is."""
    counters = np.arange(1, 2049, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    keys = (counters ^ (counters >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    keys ^= keys >> np.uint64(31)
    codes = np.arange(1024, dtype=np.uint64)
    keys[:1024] = (codes << _CODE_SHIFT) | (keys[:1024] >> np.uint64(10))
    return keys


_KEYS = _zobrist_keys()


class Go(Game):
    """Action = point, row by row from the top; the last action is the pass.

    `komi` (points for player 1) is a field of the state: protocols may change it; a whole number makes draws possible.
    `ko` is the point that simple ko forbids, 0 if none. Every superko forbids it too, so the network may see it always.
    """

    is_scored = True

    def __init__(self, size: int = 19, komi: float = 7.5, ko: str = "positional", suicide: bool = True) -> None:
        if not 2 <= size <= len(_LETTERS):
            raise ValueError(f"go{size}: sizes are 2 to {len(_LETTERS)}")
        if ko not in _KO_RULES:
            raise ValueError(f"ko {ko!r}: the rules are {', '.join(_KO_RULES)}")
        if not abs(komi) <= _LARGEST_KOMI:
            raise ValueError(f"komi {komi}: it is at most {_LARGEST_KOMI} points")
        self.size, self.komi, self.suicide = size, float(komi), suicide
        self.ko = ko
        self.uses_history, self.situational = ko != "simple", ko == "situational"
        self.stride = stride = size + 1
        changes = {f"komi={komi:g}": komi != 7.5, f"ko={ko}": ko != "positional", "suicide=no": not suicide}
        options = ",".join(option for option, changed in changes.items() if changed)
        self.name = f"go{size}:{options}" if options else f"go{size}"
        last_point = size * stride - 1
        small: np.dtype[Any] = np.dtype(np.uint8) if 2 * last_point + 1 < 256 else np.dtype(np.uint16)
        self.state_dtype = np.dtype(
            [
                ("stones", np.uint64),  # Zobrist hash of the stones
                ("komi", np.float32),
                ("num_moves", np.int16),
                ("recent_plies", np.int16, (_NUM_RECENT,)),  # the value of num_moves before the recent stones
                ("recent", small, (_NUM_RECENT,)),  # codes 2 * point + player of first stones, the newest first
                ("ko", small),
                ("cells", small, (last_point + 2 * stride + 1,)),
                ("next", small, (last_point + 1,)),
                ("liberties", small, (last_point + 1,)),
                ("played", np.uint8, (last_point + 1,)),  # bit `player`: whether that player has ever had a stone here
                ("to_play", np.int8),
                ("passes", np.int8),  # in a row, just now
            ]
        )
        self.num_players = 2
        self.num_actions = self.num_slots = size * size + 1
        self.max_num_moves = 4 * size * size
        self.observation_shape = (9, size, size)
        self.num_policy_planes, self.num_extra_actions = 1, 1

    # --- rules --------------------------------------------------------------------------------------------------------

    def reset(self, state: State) -> None:
        cells = state["cells"]
        for place in range(cells.size):
            cells[place] = _WALL
        for row in range(self.size):
            for column in range(self.size):
                cells[(row + 1) * self.stride + column + 1] = _EMPTY
        for point in range(self.size * self.stride):
            state["next"][point] = 0
            state["liberties"][point] = 0
            state["played"][point] = 0
        for place in range(_NUM_RECENT):
            state["recent"][place] = 0
            state["recent_plies"][place] = 0
        state["stones"] = np.uint64(0)
        state["komi"] = self.komi
        state["ko"] = 0
        state["passes"] = 0
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        player = int(state["to_play"])
        played = state["played"]
        replays = False
        action = 0
        for row in range(self.size):
            for column in range(self.size):
                point = row * self.stride + column + 1
                legal = False
                if self.cell(state, point + self.stride) == _EMPTY:
                    known = self.uses_history and (played[point] >> player) & 1 == 1
                    if not known and self.has_room(state, point):
                        legal = True
                    else:
                        effect = self.effect(state, point, player)
                        legal = effect != _ILLEGAL
                        if known and effect == _PLACES:
                            replays = True
                        elif legal and (known or effect == _SUICIDE):
                            legal = not self.repeats(state, point, player, effect, history)
                mask[action] = legal
                action += 1
        mask[action] = True
        if replays:
            self.forbid_repetitions(state, player, history, mask)
        if not self.uses_history and state["ko"] != 0:
            mask[self.action_of(int(state["ko"]))] = False

    def is_legal(self, state: State, action: int, history: HashArray) -> bool:
        """Whether one action is legal: for random play that draws moves until it has a legal one."""
        if action == self.num_actions - 1:
            return True
        point = action + action // self.size + 1
        # Apart, so that this much is inlined: most of what is drawn is occupied.
        return self.cell(state, point + self.stride) == _EMPTY and self.may_play(state, point, history)

    def may_play(self, state: State, point: int, history: HashArray) -> bool:
        """Whether a stone on an empty point is legal."""
        player = int(state["to_play"])
        known = self.uses_history and (state["played"][point] >> player) & 1 == 1
        if not self.uses_history and state["ko"] == point:
            return False
        if not known and self.has_room(state, point):
            return True
        effect = self.effect(state, point, player)
        if known or effect == _SUICIDE:
            return effect != _ILLEGAL and not self.repeats(state, point, player, effect, history)
        return effect != _ILLEGAL

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        player = int(state["to_play"])
        state["ko"] = 0
        if action == self.num_actions - 1:
            state["passes"] += 1
        else:
            state["passes"] = 0
            self.play(state, action + action // self.size + 1, player)
        num_moves = int(state["num_moves"]) + 1
        state["num_moves"] = num_moves
        state["to_play"] = 1 - player
        if state["passes"] < 2 and num_moves < self.max_num_moves:
            return 0.0, False
        lead = self.score(state)
        if lead == 0.0:
            return 0.0, True
        return (1.0 if (lead > 0.0) == (player == 0) else -1.0), True

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
        return above == _EMPTY or left == _EMPTY or right == _EMPTY or below == _EMPTY

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
            own = (code > _WALL) & (code & 1 == player)
            captures |= last & (not own)
            room |= (code == _EMPTY) | (own & (not last))
            joins |= own
        if captures:
            return _CAPTURES
        if room:
            return _PLACES
        return _SUICIDE if joins and self.suicide else _ILLEGAL

    def play(self, state: State, point: int, player: int) -> None:
        """Put a stone on an empty point and take off what has no liberty then: the opponent's first, else its own."""
        self.place(state, point, player)
        num_captured, captured = 0, 0
        for offset in (-self.stride, -1, 1, self.stride):
            code = self.cell(state, point + self.stride + offset)
            if code > _WALL and code & 1 != player and state["liberties"][code >> 1] == 0:
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
        state["stones"] ^= _KEYS[own]
        room = 0
        liberties[0] = 4  # of no chain: counted with the others, it saves a branch
        for code in self.neighbours(state, point):
            liberties[code >> 1] -= 1
            room += int(code == _EMPTY)
        liberties[0] = 0
        state["cells"][point + self.stride] = own
        state["next"][point] = point
        liberties[point] = room
        for offset in (-self.stride, -1, 1, self.stride):
            code = self.cell(state, point + self.stride + offset)
            if code > _WALL and code & 1 == player:
                self.join(state, self.cell(state, point + self.stride), code)

    def note_first(self, state: State, code: int) -> None:
        """Remember that this stone is the first of its colour on its point."""
        recent, plies = state["recent"], state["recent_plies"]
        for place in range(_NUM_RECENT - 1, 0, -1):
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
            cells[stone + self.stride] = _EMPTY
            key ^= _KEYS[2 * stone + player]
            count += 1
            for neighbour in self.neighbours(state, stone):
                liberties[neighbour >> 1] += 1
            liberties[0] = 0
            stone = int(np.int64(following[stone]))
            if stone == first:
                break
        state["stones"] ^= key
        return count

    # --- superko ------------------------------------------------------------------------------------------------------

    def repeats(self, state: State, point: int, player: int, effect: int, history: HashArray) -> bool:
        """Whether a stone of `player` on an empty point, with this effect, brings an earlier position back."""
        key = self.hash_after(state, point, player, effect)
        found = False
        for index in range(self.oldest_possible(state, point, history), history.size):
            if history[index] == key:
                found = True
        return found

    def forbid_repetitions(self, state: State, player: int, history: HashArray, mask: BoolArray) -> None:
        """Clear the actions that repeat a position by placing a stone and removing none: those whose stone is all that
        lies between this position and an earlier one. One pass for all actions, since a key names its stone."""
        key = self.hash_before_stone(state, player)
        for index in range(self.oldest_possible(state, 0, history), history.size):
            difference = key ^ history[index]
            code = int(np.int64(difference >> _CODE_SHIFT))
            if code & 1 == player and difference == _KEYS[code]:
                mask[self.action_of(code >> 1)] = False

    def oldest_possible(self, state: State, point: int, history: HashArray) -> int:
        """The index in `history` of the oldest position that a stone on `point` could bring back.

        Positions from before the newest first stone that stays on the board are out of reach. Point 0 is no move: at
        worst a stone in a corner is thought to go and an older position is looked at in vain.
        """
        recent = state["recent"]
        for place in range(_NUM_RECENT):
            first = int(np.int64(recent[place]))
            if first == 0:
                return 0
            code = self.cell(state, (first >> 1) + self.stride)
            if code > _WALL and (code ^ first) & 1 == 0 and not self.takes_last_liberty(state, point, code):
                plies_since = int(state["num_moves"]) - int(state["recent_plies"][place])
                return max(0, history.size - plies_since + 1)
        return 0

    def hash_before_stone(self, state: State, player: int) -> np.uint64:
        """`history_hash` of the position after a move of `player`, but for the stones that the move changes."""
        key = np.uint64(state["stones"])
        return key ^ _KEYS[_SIDE] if self.situational and player == 0 else key

    def hash_after(self, state: State, point: int, player: int, effect: int) -> np.uint64:
        """`history_hash` of the position after a stone of `player` on an empty point, with this effect."""
        key = self.hash_before_stone(state, player)
        stone = _KEYS[2 * point + player]
        if effect == _PLACES:
            return key ^ stone
        above, left, right, below = self.neighbours(state, point)
        if left == above:
            left = _WALL  # one chain, met twice
        if right in (above, left):
            right = _WALL
        if below in (above, left, right):
            below = _WALL
        captured, own = np.uint64(0), np.uint64(0)
        for code in (above, left, right, below):
            if code > _WALL and self.takes_last_liberty(state, point, code):
                if code & 1 == player:
                    own ^= self.chain_hash(state, code)
                else:
                    captured ^= self.chain_hash(state, code)
        return key ^ stone ^ captured if effect == _CAPTURES else key ^ own

    def chain_hash(self, state: State, code: int) -> np.uint64:
        """The keys of a chain's stones together."""
        following = state["next"]
        first, player = code >> 1, code & 1
        stone, key = first, np.uint64(0)
        while True:
            key ^= _KEYS[2 * stone + player]
            stone = int(np.int64(following[stone]))
            if stone == first:
                return key

    def history_hash(self, state: State) -> np.uint64:
        key = np.uint64(state["stones"])
        return key ^ _KEYS[_SIDE] if self.situational and state["to_play"] == 1 else key

    # --- what is seen, and the score ----------------------------------------------------------------------------------

    def observe(self, state: State, observation: FloatArray) -> None:
        """Own stones, the other's; chains of one, two and three liberties; the point that ko forbids; whether the last
        move was a pass; the board (ones); the mover's komi, in tens."""
        player = int(state["to_play"])
        passed = 1.0 if state["passes"] > 0 else 0.0
        komi = _KOMI_PLANE * (float(state["komi"]) if player == 1 else -float(state["komi"]))
        for plane in range(9):
            filling = passed if plane == 6 else 1.0 if plane == 7 else komi if plane == 8 else 0.0
            for row in range(self.size):
                for column in range(self.size):
                    observation[plane, row, column] = filling
        for row in range(self.size):
            for column in range(self.size):
                point = row * self.stride + column + 1
                code = self.cell(state, point + self.stride)
                if code > _WALL:
                    observation[(code & 1) ^ player, row, column] = 1.0
                    if code >> 1 == point:
                        self.observe_liberties(state, point, observation)
                elif point == state["ko"]:
                    observation[5, row, column] = 1.0

    def observe_liberties(self, state: State, head: int, observation: FloatArray) -> None:
        """Mark the stones of a chain in the plane of its number of liberties, if it has but one, two or three."""
        num_liberties = self.count_liberties(state, head)
        if num_liberties > 3:
            return
        stone = head
        while True:
            row = (stone - 1) // self.stride
            observation[1 + num_liberties, row, stone - 1 - row * self.stride] = 1.0
            stone = int(np.int64(state["next"][stone]))
            if stone == head:
                return

    def count_liberties(self, state: State, head: int) -> int:
        """The different liberties of a chain; 4 stands for four or more."""
        first, second, third = 0, 0, 0
        stone = head
        while True:
            for offset in (-self.stride, -1, 1, self.stride):
                point = stone + offset
                if self.cell(state, point + self.stride) == _EMPTY and point not in (first, second, third):
                    if third != 0:
                        return 4
                    first, second, third = point, first, second
            stone = int(np.int64(state["next"][stone]))
            if stone == head:
                return int(first != 0) + int(second != 0) + int(third != 0)

    def hash(self, state: State) -> np.uint64:
        key = np.uint64(state["stones"]) ^ _KEYS[_KO + int(state["ko"])]
        if state["to_play"] == 1:
            key ^= _KEYS[_SIDE]
        if state["passes"] > 0:
            key ^= _KEYS[_PASS]
        key ^= np.uint64(np.int64(float(state["komi"]) * 65536.0))
        return key if key != np.uint64(0) else np.uint64(1)

    def ownership(self, state: State, owners: npt.NDArray[np.int8]) -> None:
        # Until the end an entry holds which colours the point reaches, bit 0 player 0 and bit 1 player 1; empty points
        # learn it from their neighbours, in sweeps to and fro until nothing changes.
        size = self.size
        for action in range(size * size):
            code = self.cell(state, action + action // size + 1 + self.stride)
            owners[action] = 1 << (code & 1) if code > _WALL else 0
        changed = True
        while changed:
            changed = False
            for forward in (True, False):
                for count in range(size * size):
                    action = count if forward else size * size - 1 - count
                    row = action // size
                    if self.cell(state, action + row + 1 + self.stride) == _EMPTY:
                        reached = int(owners[action])
                        before = reached
                        if row > 0:
                            reached |= int(owners[action - size])
                        if row < size - 1:
                            reached |= int(owners[action + size])
                        if action - row * size > 0:
                            reached |= int(owners[action - 1])
                        if action - row * size < size - 1:
                            reached |= int(owners[action + 1])
                        owners[action] = reached
                        changed = changed or reached != before
        for action in range(size * size):
            owners[action] = 1 if owners[action] == 1 else -1 if owners[action] == 2 else 0

    def score(self, state: State) -> float:
        owners = np.empty(self.size * self.size, np.int8)  # once a game
        self.ownership(state, owners)
        lead = 0
        for action in range(self.size * self.size):
            lead += int(owners[action])
        return lead - float(state["komi"])

    # --- geometry, text, set-up ---------------------------------------------------------------------------------------

    def action_cells(self) -> IndexArray:
        size = self.size
        return np.array([*((0, action // size, action % size) for action in range(size * size)), (-1, 0, 0)])

    def symmetries(self) -> tuple[Symmetry, ...]:
        board = np.arange(self.size * self.size).reshape(self.size, self.size)
        turned = [np.rot90(side, turns).ravel() for side in (board, board.T) for turns in range(4)]
        return tuple(Symmetry(cells, np.append(np.argsort(cells), cells.size)) for cells in turned)

    def to_text(self, state: State) -> str:
        width = len(str(self.size))
        codes = state["cells"][self.stride + 1 :][: self.size * self.stride].reshape(self.size, self.stride)
        lines = [
            " ".join(
                [f"{self.size - row:{width}}", *(".XO"[0 if code <= _WALL else 1 + code % 2] for code in line[:-1])]
            )
            for row, line in enumerate(codes.tolist())
        ]
        return "\n".join([*lines, " ".join([" " * width, *_LETTERS[: self.size]])])

    def action_to_text(self, action: int) -> str:
        if action == self.num_actions - 1:
            return "pass"
        return _LETTERS[action % self.size] + str(self.size - action // self.size)

    def text_to_action(self, text: str) -> int:
        if text == "pass":
            return self.num_actions - 1
        column = _LETTERS[: self.size].find(text[:1])
        if not text or column < 0 or text[1:] not in map(str, range(1, self.size + 1)):
            corner = f"{_LETTERS[self.size - 1]}{self.size}"
            raise ValueError(f"{text!r} is no vertex: vertices are A1 to {corner} without the letter I, and pass")
        return (self.size - int(text[1:])) * self.size + column

    def set_up(self, state: State, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        self.reset(state)
        for player, action in stones:
            if not (0 <= action < self.num_actions - 1 and player in (0, 1)):
                raise ValueError(f"player {player}, action {action}: no stone for this board")
            point = action + action // self.size + 1
            if self.cell(state, point + self.stride) != _EMPTY:
                raise ValueError(f"two stones on {self.action_to_text(action)}")
            self.place(state, point, player)
        for _, action in stones:
            code = self.cell(state, action + action // self.size + 1 + self.stride)
            if state["liberties"][code >> 1] == 0:
                raise ValueError(f"the stone on {self.action_to_text(action)} has no liberty")
        state["recent"][:] = 0  # these stones lie in every position of the history
        state["to_play"] = to_play
