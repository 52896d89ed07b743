"""The boards of an analysis engine: the game it was started with, and those that queries ask for by size and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from games.base import Game
from rl.errors import UserError
from rl.protocols.remake import Remake
from rl.search.evaluation import Evaluator, score_reader
from rl.search.tree import node_dtype

SMALLEST_TREE = 256
_MOST_VISITS = 10_000_000


class Limits(NamedTuple):
    """What a query gets when it does not say, and the most it may ask for."""

    default_visits: int
    max_visits: int


class Variants(NamedTuple):
    """How to come by other boards than the one an engine was started with."""

    remake: Remake
    make_evaluator: Callable[[Game], Evaluator]
    """Raises UserError where the agent cannot play the game."""


@dataclass(eq=False)
class Board:
    """One game of the family, and what its positions cost."""

    game: Game
    num_nodes: int
    """Nodes of trees that fit into the engine's memory."""
    limits: Limits
    evaluator: Evaluator | None
    """None until its first search."""


class Boards:
    """All boards that were asked for so far. Found by the thread that reads, evaluated by the one that searches."""

    def __init__(
        self, game: Game, evaluator: Evaluator, visits: int, memory: int, variants: Variants | None = None
    ) -> None:
        """`memory` in MiB bounds the trees of a search. Without `variants` there is the one board. Raises UserError on
        a game whose values have no bounds."""
        if game.value_bounds is None:
            raise UserError(f"{game.name} cannot be analysed: its values have no bounds, so there is no winrate")
        self._visits, self._memory, self._variants = visits, memory, variants
        self.first = self._make(game, evaluator)
        self.foretell_scores = score_reader(evaluator) is not None
        """Whether the agent has learnt to foretell scores."""
        self._known = {game.name: self.first}

    def find(self, size: tuple[int, int] | None, options: Mapping[str, str]) -> Board:
        """The board of (width, height), None being the first one's, by the first one's rules with these `options`.

        Raises ValueError, in one line, where there is none.
        """
        _, height, width = self.first.game.observation_shape
        if size in (None, (width, height)) and not options:
            return self.first
        if self._variants is None:
            raise ValueError(f"only {self.first.game.name} is analysed here, {width} x {height}")
        game = self._variants.remake(self.first.game, size, options)
        if size is not None and game.observation_shape[1:] != size[::-1]:
            raise ValueError(f"{game.name} is not played on a board of {size[0]} x {size[1]}")
        return self._known.setdefault(game.name, self._make(game, None))

    def evaluator(self, board: Board) -> Evaluator:
        """What evaluates a board's positions, made when it is first wanted. Raises UserError where nothing can."""
        if board.evaluator is None:
            assert self._variants is not None
            board.evaluator = self._variants.make_evaluator(board.game)
        return board.evaluator

    def _make(self, game: Game, evaluator: Evaluator | None) -> Board:
        num_nodes = max(1, self._memory * 2**20 // node_dtype(game).itemsize)
        limits = Limits(self._visits, min(_MOST_VISITS, max(SMALLEST_TREE, num_nodes)))
        return Board(game, num_nodes, limits, evaluator)
