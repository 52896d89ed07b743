"""The games that one network learns together: boards of several sizes, of one family.

Nothing in a network's weights depends on the size of the board. So each game is played on a board of its own size, and
learnt from on one canvas: the largest board, in whose upper left corner the smaller ones lie, and whose actions stand
for theirs (KataGo, Wu 2019, arXiv 1902.10565, appendix A.1).

Which game is played follows from the game number alone, so records need not say it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from games.base import FloatArray, Game, IndexArray
from rl.errors import UserError
from rl.search.random import random_bits

_KEY = np.uint64(0x6D697874757265)  # "mixture"


class Mixture:
    """The games of a run, the canvas first, and how often each is played."""

    def __init__(self, games: Sequence[Game], shares: Sequence[float]) -> None:
        """`shares` are weights, above 0. Raises UserError where the games are no boards of one game, or where one does
        not fit onto the first."""
        if len(games) != len(shares) or not all(share > 0 for share in shares):
            raise UserError("the games played together have shares above 0")
        self.games = tuple(games)
        self.shares = tuple(share / sum(shares) for share in shares)
        for game in games[1:]:
            _embedding(game, self.canvas)
        self._bounds = np.cumsum(self.shares)

    @classmethod
    def of(cls, game: Game) -> Mixture:
        """One game alone."""
        return cls((game,), (1.0,))

    @classmethod
    def mostly(cls, game: Game, others: Sequence[Game], others_share: float) -> Mixture:
        """`game`, and a share of games on the boards of `others`, all of these equally often."""
        if not others:
            return cls.of(game)
        names = [other.name for other in (game, *others)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"{twice} is named twice among the games to be played together")
        if not 0 < others_share < 1:
            raise UserError(f"the share of games on the other boards is above 0 and below 1, not {others_share}")
        return cls((game, *others), (1.0 - others_share, *(others_share / len(others) for _ in others)))

    @property
    def canvas(self) -> Game:
        """The game with the largest board, whose agent the run makes."""
        return self.games[0]

    @property
    def name(self) -> str:
        """Which games, and how often: two runs of one name play the same."""
        others = (f"{game.name} {share:.3g}" for game, share in zip(self.games[1:], self.shares[1:], strict=True))
        return ", ".join([self.canvas.name, *others])

    def index(self, game_number: int) -> int:
        """Which of `games` this one is."""
        if len(self.games) == 1:
            return 0
        with np.errstate(over="ignore"):  # where kernels run as plain Python
            share = int(random_bits(_KEY, np.uint64(game_number))) / 2.0**64
        return min(int(np.searchsorted(self._bounds, share, side="right")), len(self.games) - 1)

    def game(self, game_number: int) -> Game:
        """What is played under this number."""
        return self.games[self.index(game_number)]

    def embedding(self, index: int) -> IndexArray:
        """[num_actions] int64: the canvas's action for each one of `games[index]`."""
        return _embedding(self.games[index], self.canvas)

    def mask(self, index: int) -> FloatArray:
        """[1, H, W] float32 on the canvas: 1 on the board of `games[index]`, else 0."""
        _, height, width = self.games[index].observation_shape
        mask = np.zeros((1, *self.canvas.observation_shape[1:]), np.float32)
        mask[:, :height, :width] = 1.0
        return mask

    @property
    def needs_mask(self) -> bool:
        """Whether some board does not fill the canvas."""
        return any(game.observation_shape != self.canvas.observation_shape for game in self.games)


def _embedding(game: Game, canvas: Game) -> IndexArray:
    """Each action of `game` as that of `canvas` whose logit is read in the same cell of the same plane."""
    planes, height, width = game.observation_shape
    most_planes, most_height, most_width = canvas.observation_shape
    heads = game.num_policy_planes, game.num_extra_actions
    if (
        game.family != canvas.family
        or planes != most_planes
        or heads
        != (
            canvas.num_policy_planes,
            canvas.num_extra_actions,
        )
    ):
        raise UserError(f"{game.name} and {canvas.name} are no boards of one game: no network plays both")
    if height > most_height or width > most_width:
        raise UserError(f"{game.name} does not fit onto the board of {canvas.name}: name the largest first")
    actions = {tuple(cell): action for action, cell in enumerate(canvas.action_cells().tolist())}
    try:
        return np.array([actions[tuple(cell)] for cell in game.action_cells().tolist()], np.int64)
    except KeyError:
        raise UserError(f"{game.name} has actions that {canvas.name} has not: no network plays both") from None
