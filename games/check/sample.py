"""Random games to try a game's promises on, played by its methods as plain Python."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from games.base import BoolArray, FloatArray, Game, HashArray, IndexArray, State

_FEWEST_GAMES, _MOST_GAMES = 2, 60
_MOST_POSITIONS = 400
_MOST_ANSWERS = 40_000
_LONGEST = 20_000


class Broken(Exception):
    """A promise that a game does not keep: one sentence that tells where it was seen and what to mend."""


class Unplayable(Exception):
    """A game's own methods raised an error in the middle of random play. One line."""


class Position(NamedTuple):
    """A position that has not ended, and what led to it."""

    state: State
    history: HashArray
    """[K] uint64, as `Game.legal_actions` takes it."""


class Ply(NamedTuple):
    """One move of a game."""

    before: Position
    action: int
    reward: float
    terminated: bool
    after: Position
    """Where `terminated`, the position in which the game has ended."""


class Sample:
    """Random games of a game: the same ones for the same seed."""

    def __init__(self, game: Game, num_plies: int = 1000, seed: int = 0, *, most_positions: int | None = None) -> None:
        """As many whole games as make `num_plies` moves, but 2 to 60 of them. `most_positions` of them are looked at;
        by default fewer on large boards, whose rules take long as plain Python."""
        self.game, self.num_plies, self.seed = game, num_plies, seed
        self._most_positions = most_positions

    def numbers(self, game_number: int) -> IndexArray:
        """[D] int64: what picks the moves of the random game of this number."""
        longest = min(max(int(self.game.max_num_moves), 1), _LONGEST)
        return np.random.default_rng((self.seed, game_number)).integers(0, 1 << 30, longest)

    @cached_property
    def _played(self) -> list[list[Ply]] | Unplayable:
        games: list[list[Ply]] = []
        try:
            with np.errstate(over="ignore"):
                while len(games) < _FEWEST_GAMES or (
                    len(games) < _MOST_GAMES and sum(map(len, games)) < self.num_plies
                ):
                    games.append(play(self.game, self.numbers(len(games))))
        except Exception as error:  # whatever the game's own methods raise
            return Unplayable(blame(error))
        return games

    @property
    def games(self) -> list[list[Ply]]:
        """The games, each with at least one move. Raises Unplayable, each time, where the game's methods raised."""
        if isinstance(self._played, Unplayable):
            raise self._played
        return self._played

    @cached_property
    def positions(self) -> list[Position]:
        """The start and positions that have not ended, from all stages of the games."""
        most = self._most_positions or max(40, min(_MOST_POSITIONS, _MOST_ANSWERS // self.game.num_actions))
        found = [plies[0].before for plies in self.games[:1]]
        found += [ply.after for plies in self.games for ply in plies if not ply.terminated]
        return found[:: -(-len(found) // most)]


def play(game: Game, numbers: IndexArray | Sequence[int]) -> list[Ply]:
    """The game in which ply p takes the legal action that `numbers[p]` picks, until its end or that of `numbers`, or
    until no action is legal."""
    position, plies = start(game), list[Ply]()
    for number in numbers:
        actions = legal(game, position).nonzero()[0]
        if len(actions) == 0:
            break
        action = int(actions[number % len(actions)])
        after, reward, terminated = advance(game, position, action)
        plies.append(Ply(position, action, reward, terminated, after))
        position = after
        if terminated:
            break
    if not plies:
        raise Broken("no action is legal at the start: legal_actions has to write True for what can be played")
    return plies


def start(game: Game) -> Position:
    """Where a game begins."""
    return Position(game.new_state(), np.zeros(0, np.uint64))


def advance(game: Game, position: Position, action: int) -> tuple[Position, float, bool]:
    """(the position after a legal `action`, the reward, whether the game ended); `position` stays as it is."""
    state, history = position.state.copy(), position.history
    reward, terminated = game.step(state, action, history)
    if game.uses_history:
        history = np.append(history, np.uint64(game.history_hash(position.state)))
    return Position(state, history), float(reward), bool(terminated)


def legal(game: Game, position: Position) -> BoolArray:
    """[num_actions] which actions are legal; never called on a position that has ended."""
    mask = np.zeros(game.num_actions, np.bool_)
    game.legal_actions(position.state, position.history, mask)
    return mask


def observed(game: Game, state: State) -> FloatArray:
    """[C, H, W] what the network sees; NaN where `observe` writes nothing."""
    planes = np.full(game.observation_shape, np.nan, np.float32)
    game.observe(state, planes)
    return planes


def require(kept: bool, mend: str) -> None:
    """Raise Broken with `mend` unless a promise is kept."""
    if not kept:
        raise Broken(mend)


def moves_text(game: Game, plies: Sequence[Ply]) -> str:
    """The last few moves of a game as people write them, for a message."""
    try:
        texts = [game.action_to_text(ply.action) for ply in plies[-6:]]
    except Exception:  # how moves are written is another check's business
        texts = [str(ply.action) for ply in plies[-6:]]
    return f"{'... ' if len(plies) > 6 else ''}{' '.join(texts)}"


def blame(error: Exception) -> str:
    """An error of a game's own methods in one line: what, and where."""
    what = " ".join(f"{type(error).__name__}: {error}".split()) if not isinstance(error, Broken) else str(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent != _HERE]
    where = f" ({frames[-1].name}, {Path(frames[-1].filename).name} line {frames[-1].lineno})" if frames else ""
    return what + where


_HERE = Path(__file__).parent
