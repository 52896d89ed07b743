"""Small games and evaluators made for testing the search: every shape of tree, and every rule of the hand-over."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from games.base import BoolArray, FloatArray, Game, HashArray, State, StateArray
from rl.search.evaluation import Evaluation

NO_HISTORY = np.zeros(0, np.uint64)


class RandomGame(Game):
    """A game out of a hash: who moves next, what is legal, when it ends and who wins follow from `hash`.

    A player may be to move several times in a row, and may lose by his own move. Another start is another game.
    """

    def __init__(self) -> None:
        self.name = "random_game"
        self.state_dtype = np.dtype([("hash", np.uint64), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 2, 6, 6, 7
        self.observation_shape = (1, 2, 4)
        self.num_policy_planes, self.num_extra_actions = 0, 6

    def mixed(self, bits: np.uint64) -> np.uint64:
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.uint64(bits ^ (bits >> np.uint64(31)))

    def start(self, number: int) -> State:
        """The start of the game of this number."""
        state = self.new_state()
        state["hash"] = self.mixed(np.uint64(number + 1))
        return state

    def reset(self, state: State) -> None:
        state["hash"] = self.mixed(np.uint64(1))
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        bits = self.mixed(state["hash"] + np.uint64(77))
        for action in range(self.num_actions):
            mask[action] = (bits >> np.uint64(action)) & np.uint64(1) == np.uint64(1)
        mask[int((bits >> np.uint64(8)) % np.uint64(self.num_actions))] = True

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        bits = self.mixed(state["hash"] + np.uint64(action + 1))
        state["hash"] = bits
        num_moves = int(state["num_moves"]) + 1
        state["num_moves"] = num_moves
        if (bits >> np.uint64(40)) % np.uint64(3) > np.uint64(0):
            state["to_play"] = 1 - state["to_play"]
        over = num_moves > 1 and (bits >> np.uint64(20)) % np.uint64(4) == np.uint64(0)
        if over or num_moves == self.max_num_moves:
            return float((bits >> np.uint64(50)) % np.uint64(3)) - 1.0, True
        return 0.0, False

    def observe(self, state: State, observation: FloatArray) -> None:
        for byte in range(8):
            observation[0, byte // 4, byte % 4] = (state["hash"] >> np.uint64(8 * byte)) & np.uint64(255)

    def hash(self, state: State) -> np.uint64:
        return np.uint64(state["hash"])


class TwiceNim(Game):
    """Nim with one heap of 9: take one to three, whoever takes the last one wins; each player moves twice in a row."""

    def __init__(self) -> None:
        self.name = "twice_nim"
        self.state_dtype = np.dtype([("heap", np.int8), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 2, 3, 3, 9
        self.observation_shape = (2, 1, 1)
        self.num_policy_planes, self.num_extra_actions = 0, 3

    def reset(self, state: State) -> None:
        state["heap"] = 9
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        for action in range(3):
            mask[action] = action < state["heap"]

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        heap, num_moves = int(state["heap"]) - action - 1, int(state["num_moves"]) + 1
        state["heap"] = heap
        state["num_moves"] = num_moves
        state["to_play"] = num_moves // 2 % 2
        return (1.0, True) if heap == 0 else (0.0, False)

    def observe(self, state: State, observation: FloatArray) -> None:
        observation[0, 0, 0] = state["heap"]
        observation[1, 0, 0] = int(state["num_moves"]) % 2

    def hash(self, state: State) -> np.uint64:
        return np.uint64(2 * int(state["heap"]) + int(state["num_moves"]) % 2 + 1)


class Walk(Game):
    """One walker on the places 0 to 6, from 2: one to the left, stay, one to the right. Rewards, a discount, no bounds.

    A step pays what lies at its end: 3 at place 0, 20 at place 6, which ends the walk, and -1 elsewhere.
    """

    discount = 0.75
    value_bounds = None
    zero_sum = False

    def __init__(self) -> None:
        self.name = "walk"
        self.state_dtype = np.dtype([("place", np.int8), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 1, 3, 3, 10
        self.observation_shape = (2, 1, 1)
        self.num_policy_planes, self.num_extra_actions = 0, 3

    def reset(self, state: State) -> None:
        state["place"] = 2
        state["to_play"] = 0
        state["num_moves"] = 0

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        mask[0] = state["place"] > 0
        mask[1] = True
        mask[2] = True

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        place, num_moves = int(state["place"]) + action - 1, int(state["num_moves"]) + 1
        state["place"] = place
        state["num_moves"] = num_moves
        reward = 3.0 if place == 0 else 20.0 if place == 6 else -1.0
        return reward, place == 6 or num_moves == self.max_num_moves

    def observe(self, state: State, observation: FloatArray) -> None:
        observation[0, 0, 0] = state["place"]
        observation[1, 0, 0] = state["num_moves"]

    def hash(self, state: State) -> np.uint64:
        return np.uint64(16 * int(state["place"]) + int(state["num_moves"]) + 1)


class Ring(Game):
    """One token on a ring of eight places, moved one to three on; no place may be entered twice.

    A player whose opponent cannot move has won. Both `legal_actions` and `step` need the history to know.
    """

    uses_history = True

    def __init__(self) -> None:
        self.name = "ring"
        self.state_dtype = np.dtype([("place", np.int8), ("to_play", np.int8), ("num_moves", np.int8)])
        self.num_players, self.num_actions, self.num_slots, self.max_num_moves = 2, 3, 3, 8
        self.observation_shape = (2, 1, 1)
        self.num_policy_planes, self.num_extra_actions = 0, 3

    def reset(self, state: State) -> None:
        state["place"] = 0
        state["to_play"] = 0
        state["num_moves"] = 0

    def seen(self, history: HashArray, place: int) -> bool:
        found = False
        for index in range(history.size):
            found = found or history[index] == np.uint64(place + 1)
        return found

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        for action in range(3):
            mask[action] = not self.seen(history, (int(state["place"]) + action + 1) % 8)

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        before, num_moves = int(state["place"]), int(state["num_moves"]) + 1
        place = (before + action + 1) % 8
        state["place"] = place
        state["num_moves"] = num_moves
        state["to_play"] = num_moves % 2
        for further in range(1, 4):
            target = (place + further) % 8
            if target != before and not self.seen(history, target):
                return 0.0, False
        return 1.0, True

    def observe(self, state: State, observation: FloatArray) -> None:
        observation[0, 0, 0] = state["place"]
        observation[1, 0, 0] = state["to_play"]

    def hash(self, state: State) -> np.uint64:
        return np.uint64(2 * int(state["place"]) + int(state["to_play"]) + 1)

    def history_hash(self, state: State) -> np.uint64:
        return np.uint64(int(state["place"]) + 1)


def hashed_evaluation(observation: FloatArray, num_actions: int, network_id: int = 0) -> tuple[FloatArray, float]:
    """(prior logits [num_actions], value) that look random but depend on the observation alone.

    Values are multiples of 1/64, so that their sums are exact in float32 in whatever order they are added.
    """
    shake = hashlib.shake_128(observation.tobytes() + network_id.to_bytes(4, "little"))
    numbers = np.frombuffer(shake.digest(2 * num_actions + 2), np.int16)
    return (numbers[:-1] / 12000).astype(np.float32), int(numbers[-1] >> 9) / 64


@dataclass
class HashedEvaluator:
    """`hashed_evaluation` for batches, which holds its user to every promise of `rl.search.evaluation.Evaluator`.

    Buffers are spoilt once submitted, answers once two further tickets were submitted.
    """

    game: Game
    batch_size: int
    network_id: int = 0
    num_rows: list[int] = field(default_factory=list)
    """Rows of every batch submitted."""

    def __post_init__(self) -> None:
        self._buffer = np.full((self.batch_size, *self.game.observation_shape), np.nan, np.float32)
        self._answers: dict[int, Evaluation] = {}
        self._outstanding: set[int] = set()

    def evaluate(self, observation: FloatArray) -> tuple[FloatArray, float]:
        return hashed_evaluation(observation, self.game.num_actions, self.network_id)

    def buffer(self) -> FloatArray:
        return self._buffer

    def submit(self, num_rows: int) -> int:
        assert 1 <= num_rows <= self.batch_size
        assert len(self._outstanding) < 2, "more than two tickets outstanding"
        assert not np.isnan(self._buffer[:num_rows]).any(), "rows were submitted that nobody wrote"
        found = [self.evaluate(observation) for observation in self._buffer[:num_rows]]
        answer = Evaluation(
            np.array([logits for logits, _ in found], np.float32), np.array([value for _, value in found], np.float32)
        )
        self._buffer[:] = np.nan
        ticket = len(self.num_rows)
        self.num_rows.append(num_rows)
        self._answers[ticket] = answer
        self._outstanding.add(ticket)
        if ticket - 2 in self._answers and ticket - 2 not in self._outstanding:
            spoilt = self._answers.pop(ticket - 2)
            spoilt.prior_logits[:] = np.nan
            spoilt.values[:] = np.nan
        return ticket

    def collect(self, ticket: int) -> Evaluation:
        self._outstanding.remove(ticket)
        return self._answers[ticket]


def legal_mask(game: Game, state: State, history: HashArray = NO_HISTORY) -> BoolArray:
    """[num_actions] True = legal."""
    mask = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(state, history, mask)
    return mask


def rows_of(game: Game, states: list[State]) -> StateArray:
    """[n] of the game's state_dtype."""
    rows: npt.NDArray[np.void] = np.array(states, game.state_dtype)
    return rows


def position(game: Game, actions: list[int]) -> tuple[State, HashArray]:
    """The state after some actions from the start, and the history before it."""
    state, history = game.new_state(), NO_HISTORY
    for action in actions:
        before = np.append(history, np.uint64(game.history_hash(state))) if game.uses_history else history
        _, terminated = game.step(state, action, history)
        assert not terminated
        history = before
    return state, history
