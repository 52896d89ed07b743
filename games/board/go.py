"""Go by the Tromp-Taylor rules, with options. Moves are GTP vertices (`D4`, no letter I, row 1 at the bottom), `pass`.

Area scoring; no move may bring an earlier position back (positional superko); a move may take the mover's own chain of
two or more stones off the board (suicide), never the single stone just played; two passes in a row end the game, and so
does a move limit of 4 * size**2 plies, with the board counted as it stands.

Superko asks only where something can repeat. `played` knows on which points each player has ever had a stone: a stone
that is the first of its colour on its point makes a position that never was, unless it goes at once (suicide). While it
lies there no position from before it can come back: the newest such stones (`recent`) bound how far back to look.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, HashArray, IndexArray, State, Symmetry
from games.board.go_stones import (
    CAPTURES,
    CODE_SHIFT,
    EMPTY,
    ILLEGAL,
    KEYS,
    NUM_CODES,
    NUM_RECENT,
    PLACES,
    SUICIDE,
    WALL,
    GoStones,
)
from games.board.square import GTP_LETTERS, cell_names, relabelled, square_turns
from games.look import BLACK, WHITE, WOOD, Colour, Look, disc, empty, placements, star_points

_LETTERS = GTP_LETTERS[:19]
_KO_RULES = ("positional", "situational", "simple")
_LARGEST_KOMI = 1000
_KO, _PASS, _SIDE = NUM_CODES, 2 * NUM_CODES - 2, 2 * NUM_CODES - 1
_KOMI_PLANE = 0.1


class Go(GoStones):
    """Action = point, row by row from the top; the last action is the pass.

    `komi` (points for player 1) is a field of the state: protocols may change it; a whole number makes draws possible.
    `ko` is the point that simple ko forbids, 0 if none. Every superko forbids it too, so the network may see it always.
    """

    is_scored = True
    family = "go"
    sgf_number = 1

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
        self.stride = size + 1
        changes = {f"komi={komi:g}": komi != 7.5, f"ko={ko}": ko != "positional", "suicide=no": not suicide}
        options = ",".join(option for option, changed in changes.items() if changed)
        self.name = f"go{size}:{options}" if options else f"go{size}"
        self.state_dtype = np.dtype(
            [
                *self.stone_fields(),
                ("komi", np.float32),
                ("to_play", np.int8),
                ("passes", np.int8),  # in a row, just now
            ]
        )
        self.num_players = 2
        self.num_actions = self.num_slots = size * size + 1
        self.max_num_moves = 4 * size * size
        self.observation_shape = (9, size, size)
        self.num_policy_planes, self.num_extra_actions = 1, 1
        self._names = (*cell_names(size, _LETTERS, row_one_on_top=False), "pass")

    # --- rules --------------------------------------------------------------------------------------------------------

    def reset(self, state: State) -> None:
        self.clear(state)
        state["komi"] = self.komi
        state["passes"] = 0
        state["to_play"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        player = int(state["to_play"])
        played = state["played"]
        replays = False
        action = 0
        for row in range(self.size):
            for column in range(self.size):
                point = row * self.stride + column + 1
                legal = False
                if self.cell(state, point + self.stride) == EMPTY:
                    known = self.uses_history and (played[point] >> player) & 1 == 1
                    if not known and self.has_room(state, point):
                        legal = True
                    else:
                        effect = self.effect(state, point, player)
                        legal = effect != ILLEGAL
                        if known and effect == PLACES:
                            replays = True
                        elif legal and (known or effect == SUICIDE):
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
        point = action + action // self.size + 1
        passes = action == self.num_actions - 1
        # Apart, so that this much is inlined: most of what is drawn is occupied.
        return passes or (self.cell(state, point + self.stride) == EMPTY and self.may_play(state, point, history))

    def may_play(self, state: State, point: int, history: HashArray) -> bool:
        """Whether a stone on an empty point is legal."""
        player = int(state["to_play"])
        known = self.uses_history and (state["played"][point] >> player) & 1 == 1
        if not self.uses_history and state["ko"] == point:
            return False
        if not known and self.has_room(state, point):
            return True
        effect = self.effect(state, point, player)
        if known or effect == SUICIDE:
            return effect != ILLEGAL and not self.repeats(state, point, player, effect, history)
        return effect != ILLEGAL

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
            code = int(np.int64(difference >> CODE_SHIFT))
            if code & 1 == player and difference == KEYS[code]:
                mask[self.action_of(code >> 1)] = False

    def oldest_possible(self, state: State, point: int, history: HashArray) -> int:
        """The index in `history` of the oldest position that a stone on `point` could bring back.

        Positions from before the newest first stone that stays on the board are out of reach. Point 0 is no move: at
        worst a stone in a corner is thought to go and an older position is looked at in vain.
        """
        recent = state["recent"]
        for place in range(NUM_RECENT):
            first = int(np.int64(recent[place]))
            if first == 0:
                return 0
            code = self.cell(state, (first >> 1) + self.stride)
            if code > WALL and (code ^ first) & 1 == 0 and not self.takes_last_liberty(state, point, code):
                plies_since = int(state["num_moves"]) - int(state["recent_plies"][place])
                return max(0, history.size - plies_since + 1)
        return 0

    def hash_before_stone(self, state: State, player: int) -> np.uint64:
        """`history_hash` of the position after a move of `player`, but for the stones that the move changes."""
        key = np.uint64(state["stones"])
        return np.uint64(key ^ KEYS[_SIDE]) if self.situational and player == 0 else key

    def hash_after(self, state: State, point: int, player: int, effect: int) -> np.uint64:
        """`history_hash` of the position after a stone of `player` on an empty point, with this effect."""
        key = self.hash_before_stone(state, player)
        stone = np.uint64(KEYS[2 * point + player])
        if effect == PLACES:
            return key ^ stone
        above, left, right, below = self.neighbours(state, point)
        if left == above:
            left = WALL  # one chain, met twice
        if right in (above, left):
            right = WALL
        if below in (above, left, right):
            below = WALL
        captured, own = np.uint64(0), np.uint64(0)
        for code in (above, left, right, below):
            if code > WALL and self.takes_last_liberty(state, point, code):
                if code & 1 == player:
                    own ^= self.chain_hash(state, code)
                else:
                    captured ^= self.chain_hash(state, code)
        return key ^ stone ^ captured if effect == CAPTURES else key ^ own

    def history_hash(self, state: State) -> np.uint64:
        key = np.uint64(state["stones"])
        return np.uint64(key ^ KEYS[_SIDE]) if self.situational and state["to_play"] == 1 else key

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
                if code > WALL:
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

    def hash(self, state: State) -> np.uint64:
        key = np.uint64(state["stones"]) ^ KEYS[_KO + int(state["ko"])]
        if state["to_play"] == 1:
            key ^= KEYS[_SIDE]
        if state["passes"] > 0:
            key ^= KEYS[_PASS]
        key ^= np.uint64(np.int64(float(state["komi"]) * 65536.0))
        return key if key != np.uint64(0) else np.uint64(1)

    def ownership(self, state: State, owners: npt.NDArray[np.int8]) -> None:
        # Until the end an entry holds which colours the point reaches, bit 0 player 0 and bit 1 player 1; empty points
        # learn it from their neighbours, in sweeps to and fro until nothing changes.
        size = self.size
        for action in range(size * size):
            code = self.cell(state, action + action // size + 1 + self.stride)
            owners[action] = 1 << (code & 1) if code > WALL else 0
        changed = True
        while changed:
            changed = False
            for forward in (True, False):
                for count in range(size * size):
                    action = count if forward else size * size - 1 - count
                    row = action // size
                    if self.cell(state, action + row + 1 + self.stride) == EMPTY:
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
        return tuple(relabelled(cells, num_extra_actions=1) for cells in square_turns(self.size))

    def look(self) -> Look:
        return Look(
            pieces=(empty(BLACK), disc("Black", BLACK, 0), disc("White", WHITE, 1)),
            columns=tuple(_LETTERS[: self.size]),
            rows=tuple(str(self.size - row) for row in range(self.size)),
            moves=placements(self.size * self.size, self.num_actions),
            ground=WOOD,
            ink=Colour("#6b4a1f", "black"),
            on_lines=True,
            stars=star_points(self.size),
        )

    def contents(self, state: State) -> npt.NDArray[np.int8]:
        rows = state["cells"][self.stride + 1 :][: self.size * self.stride].reshape(self.size, self.stride)
        codes = rows[:, :-1].ravel()
        return np.where(codes <= WALL, 0, 1 + codes % 2).astype(np.int8)

    def to_text(self, state: State) -> str:
        width = len(str(self.size))
        lines = [
            " ".join([f"{self.size - row:{width}}", *(".XO"[content] for content in line)])
            for row, line in enumerate(self.contents(state).reshape(self.size, self.size).tolist())
        ]
        return "\n".join([*lines, " ".join([" " * width, *_LETTERS[: self.size]])])

    def action_to_text(self, action: int) -> str:
        return self._names[action]

    def text_to_action(self, text: str) -> int:
        if text not in self._names:
            corner = self._names[self.size - 1]
            raise ValueError(f"{text!r} is no vertex: vertices are A1 to {corner} without the letter I, and pass")
        return self._names.index(text)

    def set_up(self, state: State, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        self.reset(state)
        for player, action in stones:
            if not (0 <= action < self.num_actions - 1 and player in (0, 1)):
                raise ValueError(f"player {player}, action {action}: no stone for this board")
            point = action + action // self.size + 1
            if self.cell(state, point + self.stride) != EMPTY:
                raise ValueError(f"two stones on {self.action_to_text(action)}")
            self.place(state, point, player)
        for _, action in stones:
            code = self.cell(state, action + action // self.size + 1 + self.stride)
            if state["liberties"][code >> 1] == 0:
                raise ValueError(f"the stone on {self.action_to_text(action)} has no liberty")
        state["recent"][:] = 0  # these stones lie in every position of the history
        state["to_play"] = to_play
