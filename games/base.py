"""The contract between what can be played and what learns to play it.

A game is a class whose methods act on **one** state, a NumPy structured record of fixed size. The author writes
plain Python that numba can compile (`games.compiled` does that); nothing is vectorised by hand.

Perspective, said once for the whole project: **rewards are for the player who moved; values are for the player to
move.** A value that travels up the tree is negated only where `to_play` differs between two states, never by depth:
an Othello pass, or a robot that is always player 0, needs no special case.

Axes, said once: B trees, N nodes, A slots, C observation planes, H board rows, W board columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from games.look import Look

State = Any
"""One row of a NumPy array of `Game.state_dtype`. Read and written as `state["field"]`, compiled or not."""

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
HashArray = npt.NDArray[np.uint64]
IndexArray = npt.NDArray[np.int64]
StateArray = npt.NDArray[np.void]


@dataclass(frozen=True)
class Symmetry:
    """A relabelling of the board under which the game is the same.

    With `s` a symmetry, the position reached by playing `s.actions[a]` for each `a` of a game is observed as
    `planes[:, s.cells]` of the position that the game itself reached, `planes` being [C, H*W].
    """

    cells: IndexArray
    """[H*W] int64: cell i of the transformed planes shows cell `cells[i]` of the original ones."""
    actions: IndexArray
    """[num_actions] int64: the action that stands for each original action."""
    swaps_players: bool = False
    """The same holds, but only where the other player begins (`to_play` of the start set to 1): Hex transposed is Hex
    with the colours exchanged, and so is Othello turned by 90 degrees. What the network sees and learns is turned by
    it like by any other, but a line of play is not."""


@dataclass(frozen=True)
class TruthPosition:
    """A position whose outcome under perfect play is known for every legal action."""

    moves: tuple[int, ...]
    """The actions that lead to it from the start."""
    action_values: tuple[float, ...]
    """[num_actions] the perfect outcome after each action, for the player to move: 1 win, 0 draw, -1 loss; NaN where
    the action is illegal."""


class Game:
    """What every game declares. Sub-classes set the attributes in `__init__` and write the methods.

    Attributes that compiled methods read (`self.width`) are int, float, bool or tuples of these, and are constants to
    the compiler: they are part of the game's compiled type, so set them once. What changes during play (komi, the
    side to move) is a field of the state.
    """

    name: str
    """As `games.make` takes it, size and the options that differ from the defaults included: `connect_four4x4`,
    `go9:komi=7`."""
    state_dtype: np.dtype[np.void]
    """Fixed-size structured dtype. Has the fields `to_play` (integer, 0 or 1) and `num_moves` (integer)."""
    num_players: int
    num_actions: int
    num_slots: int
    """A: the most legal actions in any position (82 for 9x9 Go, 218 for chess whose num_actions is 4,672)."""
    max_num_moves: int
    """No game lasts longer."""
    observation_shape: tuple[int, int, int]
    """(C, H, W) of what `observe` writes."""
    num_policy_planes: int
    """Planes of the convolutional policy head. Together with `action_cells` it says where an action's logit is read."""
    num_extra_actions: int
    """Logits that belong to no cell (a pass), read from the pooled features."""
    action_dtype: np.dtype[Any] = np.dtype(np.int16)
    """How an action is stored: an integer, or a sub-array dtype such as `np.dtype((np.float32, (4,)))` for robots."""
    stores_states: ClassVar[bool] = False
    """True when replaying the actions is no cheap way to a state (physics): records then hold the states."""
    uses_history: bool = False
    """True when `legal_actions` or `step` read `history` (superko). Then the search gathers it for every node."""
    discount: float = 1.0
    """A reward this many steps later counts discount**steps. 1 for board games."""
    value_bounds: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)
    """Bounds of any value. None: unknown, and the search min-max normalises per tree (robots)."""
    rows_per_state: int = 1
    """R: observation rows of one state: 1, or more where others act at the same time and are played by a policy
    (`SimulatedGame`)."""
    goal_size: int = 0
    """How many numbers a goal has that another one can be put in the place of (`SimulatedGame`); 0: there is none."""
    zero_sum: ClassVar[bool] = True
    """True when the only rewards are 1, 0, -1 at the end and two players have opposite interests: the search may then
    prove wins and losses."""

    sgf_number: ClassVar[int | None] = None
    """The number that SGF, the format of game records, gives this game (its property GM: 1 Go, 2 Othello, 4 Gomoku,
    11 Hex); None where it has none, and then games are not saved as SGF."""
    sgf_letters: ClassVar[bool] = True
    """Whether SGF writes its moves as two letters, column and row from the upper left corner (Go); else they are
    written in the game's own notation (Hex)."""

    is_scored: ClassVar[bool] = False
    """True when the board is counted at the end (Go, Othello): then `ownership` and `score` are there. A game with a
    komi has it as a state field of that name."""

    # --- compiled: acting on one state ------------------------------------------------------------------------------

    def reset(self, state: State) -> None:
        """Write the starting position into `state` (every field, whatever it held before)."""
        raise TypeError(f"{type(self).__name__} has no reset")

    def legal_actions(self, state: State, history: HashArray, mask: BoolArray) -> None:
        """Write which actions are legal (True = legal) into `mask` [num_actions] bool, every entry.

        `history` [K] uint64: `history_hash` of the positions before this one, the game's and then the tree path's,
        oldest first; empty unless `uses_history`. Not called on a position that has ended.
        """
        raise TypeError(f"{type(self).__name__} has no legal_actions")

    def step(self, state: State, action: int, history: HashArray) -> tuple[float, bool]:
        """Play a legal `action` in place and return (reward, terminated); the reward is for the player who moved.

        `state["to_play"]` and `state["num_moves"]` are advanced here. `history` as in `legal_actions`.
        """
        raise TypeError(f"{type(self).__name__} has no step")

    def observe(self, state: State, observation: FloatArray) -> None:
        """Write what the network sees into `observation` [C, H, W] float32, every entry, as the player to move."""
        raise TypeError(f"{type(self).__name__} has no observe")

    def hash(self, state: State) -> np.uint64:
        """A uint64 of everything that `observe` reads: equal hashes mean equal observations. Never 0."""
        raise TypeError(f"{type(self).__name__} has no hash")

    def history_hash(self, state: State) -> np.uint64:
        """The uint64 that `history` holds of a position: what a repetition rule compares."""
        return self.hash(state)

    def is_legal(self, state: State, action: int, history: HashArray) -> bool:
        """Whether one action is legal; the position has not ended, `history` as in `legal_actions`.

        Optional, for games where one answer costs far less than all of them: random play can then draw actions until
        one is legal. `answers_single_actions` tells who has it.
        """
        raise TypeError(f"{type(self).__name__} has no is_legal")

    def ownership(self, state: State, owners: npt.NDArray[np.int8]) -> None:
        """Write whose each cell is, were the game to end here, into `owners` [H*W]: 1 player 0, -1 player 1, 0 neither.

        For games that are scored: an auxiliary target, and what protocols show.
        """
        raise TypeError(f"{type(self).__name__} is not scored")

    def score(self, state: State) -> float:
        """By how many points player 0 leads, komi counted, were the game to end here; for games that are scored."""
        raise TypeError(f"{type(self).__name__} is not scored")

    # --- Python: geometry, text, truth ------------------------------------------------------------------------------

    def action_cells(self) -> IndexArray:
        """[num_actions, 3] int64: (plane, row, column) where each action's logit is read; (-1, i, 0) is extra i.

        Actions of different players may share a place, where `observe` shows each player the board from its own side.
        """
        raise TypeError(f"{type(self).__name__} has no action_cells")

    def symmetries(self) -> tuple[Symmetry, ...]:
        """All symmetries, the identity first."""
        _, height, width = self.observation_shape
        return (Symmetry(np.arange(height * width), np.arange(self.num_actions)),)

    def to_text(self, state: State) -> str:
        """The board as plain lines of text, without colours; X is player 0, O player 1 unless the game has its own."""
        raise TypeError(f"{type(self).__name__} has no to_text")

    def look(self) -> Look | None:
        """How the board is drawn, with colours and for the mouse. None: only as the text of `to_text`."""
        return None

    def contents(self, state: State) -> npt.NDArray[np.int8]:
        """[H*W] what stands on each cell, as an index into the pieces of `look`, 0 being the empty cell.

        As written here, 1 is a piece of player 0 and 2 one of player 1, for boards whose first two observation planes
        are the mover's and the other's pieces.
        """
        observation = np.zeros(self.observation_shape, np.float32)
        self.observe(state, observation)
        own, other = (observation[plane].ravel() != 0.0 for plane in (0, 1))
        to_play = int(state["to_play"])
        found: npt.NDArray[np.int8] = (own * (1 + to_play) + other * (2 - to_play)).astype(np.int8)
        return found

    def action_to_text(self, action: int) -> str:
        """An action in the game's usual notation."""
        raise TypeError(f"{type(self).__name__} has no action_to_text")

    def text_to_action(self, text: str) -> int:
        """The action that `text` names; raises ValueError with one clear line when it names none."""
        raise TypeError(f"{type(self).__name__} has no text_to_action")

    def set_up(self, state: State, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        """Write the position with these (player, action) stones on the empty board and `to_play` to move, as handicap
        and set-up stones of game records want it. Raises ValueError, in one line, where that is no position."""
        raise ValueError(f"{self.name} takes no set-up stones: it begins at its first position")

    def stones(self, state: State) -> tuple[tuple[int, int], ...]:
        """The (player, action) stones of a position, as `set_up` takes them; for games with set-up stones.

        As written here, for boards whose first two observation planes are the mover's and the other's stones, and
        whose actions of policy plane 0 put a stone on their cell.
        """
        observation = np.zeros(self.observation_shape, np.float32)
        self.observe(state, observation)
        to_play, cells = int(state["to_play"]), self.action_cells()
        on_board = [(action, row, column) for action, (plane, row, column) in enumerate(cells.tolist()) if plane == 0]
        return tuple(
            (to_play if plane == 0 else 1 - to_play, action)
            for action, row, column in on_board
            for plane in (0, 1)
            if observation[plane, row, column] != 0.0
        )

    def truth_positions(self, *, held_out: bool = False) -> tuple[TruthPosition, ...]:
        """Positions with known outcomes, for evaluation against the truth; none unless the game ships some.

        Runs are watched on these, so settings come to be chosen by them. What is reported is measured on other
        positions, those `held_out`, by which nothing was chosen.
        """
        return ()

    def read_solved(self, text: str) -> tuple[TruthPosition, ...]:
        """The positions of a file of solved ones. Raises ValueError, in one line, where it is none of this game's."""
        raise ValueError(f"{self.name} knows no files of solved positions")

    # --- conveniences for Python callers, on top of the contract ----------------------------------------------------

    def new_state(self) -> State:
        """A fresh record at the starting position."""
        states = np.zeros(1, self.state_dtype)
        self.reset(states[0])
        return states[0]

    @cached_property
    def family(self) -> str:
        """Games of one family differ in size and options alone, and one agent plays them all: networks do not depend
        on the size. A game's own name, unless its class sets the attribute `family`."""
        return self.name

    @property
    def answers_single_actions(self) -> bool:
        """Whether the game has `is_legal`."""
        return type(self).is_legal is not Game.is_legal

    @property
    def exchanges(self) -> bool:
        """Whether the game has `SimulatedGame.exchange_batch`."""
        return False

    @property
    def step_fields(self) -> tuple[tuple[Any, ...], ...]:
        """What the record of a step holds besides what every game's does: fields of a structured dtype."""
        return (("state", self.state_dtype),) if self.stores_states else ()

    @property
    def proves(self) -> bool:
        """Whether terminal results are exact outcomes that the search may prove and back up."""
        return self.zero_sum and self.discount == 1.0 and self.num_players == 2

    @property
    def bounded(self) -> bool:
        """Whether the range of values is known beforehand."""
        return self.value_bounds is not None

    @property
    def value_low(self) -> float:
        """The least possible value; +inf where unknown, so that the first value seen replaces it."""
        return np.inf if self.value_bounds is None else self.value_bounds[0]

    @property
    def value_high(self) -> float:
        """The largest possible value; -inf where unknown."""
        return -np.inf if self.value_bounds is None else self.value_bounds[1]
