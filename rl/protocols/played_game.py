"""One game as protocols keep it: played move by move, taken back, set up, and replayed into records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from games.base import BoolArray, Game, HashArray, State
from rl.protocols.moves import COLOURS, BadRequest


class SearchNote(NamedTuple):
    """What the search thought of the position before a move."""

    value: float
    """For the player who moved, in the game's `value_bounds`."""
    visits: int
    """Positions looked at; 0 where unknown."""


class Ply(NamedTuple):
    """One move of a game."""

    player: int
    action: int
    state: State
    """The position after it."""
    reward: float
    """Of `player`."""
    terminated: bool
    inserted: bool = False
    """A pass that nobody played: it stands between two moves of one player."""
    note: SearchNote | None = None


class PlayedGame:
    """A game for two from its first position, or one that was set up, on. What fails leaves it as it was."""

    def __init__(self, game: Game, komi: float | None = None) -> None:
        """`komi` only where the game has one; None leaves the game's own. Raises BadRequest as `set_komi` does."""
        self.game = game
        self.set_up_stones: tuple[tuple[int, int], ...] = ()
        self.pass_action = find_pass(game)
        self.plies: list[Ply] = []
        self._start = game.new_state()
        self._hashes: list[int] = []
        if komi is not None:
            self.set_komi(komi)

    def copy(self) -> PlayedGame:
        """An independent game that stands at the same position."""
        twin = PlayedGame(self.game)
        twin.set_up_stones, twin._start = self.set_up_stones, self._start.copy()
        twin.plies, twin._hashes = list(self.plies), list(self._hashes)
        return twin

    # --- where it stands --------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.plies[-1].state if self.plies else self._start

    @property
    def history(self) -> HashArray:
        """[K] uint64: hashes of the positions before this one; empty unless the game uses them."""
        return np.array(self._hashes, np.uint64)

    @property
    def start_key(self) -> bytes:
        """Equal for games that began at the same position."""
        return bytes(self._start.tobytes())

    @property
    def actions(self) -> tuple[int, ...]:
        """All actions from the start, inserted passes included."""
        return tuple(ply.action for ply in self.plies)

    @property
    def to_play(self) -> int:
        return int(self.state["to_play"])

    @property
    def terminated(self) -> bool:
        return bool(self.plies) and self.plies[-1].terminated

    @property
    def returns(self) -> float:
        """What player 0 got so far: at the end 1 for a win, 0 for a draw, -1 for a loss."""
        return sum(ply.reward if ply.player == 0 else -ply.reward for ply in self.plies)

    @property
    def komi(self) -> float | None:
        return float(self.state["komi"]) if has_komi(self.game) else None

    def legal_actions(self) -> BoolArray:
        """[num_actions] True = legal; all False at the end."""
        mask = np.zeros(self.game.num_actions, np.bool_)
        if not self.terminated:
            with np.errstate(over="ignore"):  # hashes wrap around
                self.game.legal_actions(self.state, self.history, mask)
        return mask

    # --- what changes it --------------------------------------------------------------------------------------------

    def play(self, player: int, action: int, note: SearchNote | None = None) -> None:
        """Play a move. Where it is the other player's turn, that one passes first, if this ends no game.

        Raises BadRequest for an illegal move, a player who is not to move, and a game that is over.
        """
        self.give_turn(player)
        inserted = bool(self.plies) and self.plies[-1].inserted
        try:
            self._step(action, note=note)
        except BadRequest:
            if inserted:
                self._pop()
            raise

    def give_turn(self, player: int) -> None:
        """Make `player` the one to move, by a pass of the other where needed. Raises BadRequest where none will do."""
        if self.terminated:
            raise BadRequest("the game is over")
        if player == self.to_play:
            return
        refusal = BadRequest(f"{COLOURS[player]} is not to move, {COLOURS[self.to_play]} is")
        if self.pass_action is None or not self.legal_actions()[self.pass_action]:
            raise refusal
        self._step(self.pass_action, inserted=True)
        if self.terminated or self.to_play != player:
            self._pop()
            raise refusal

    def undo(self) -> None:
        """Take the last move back. Raises BadRequest where there is none."""
        if not self.plies:
            raise BadRequest("there is no move to take back")
        self._pop()
        if self.plies and self.plies[-1].inserted:
            self._pop()

    def set_up(self, stones: Sequence[tuple[int, int]], to_play: int) -> None:
        """Begin at the position with these (player, action) stones. Raises BadRequest where that is no position."""
        start, komi = self.game.new_state(), self.komi
        try:
            self.game.set_up(start, stones, to_play)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        if komi is not None:
            start["komi"] = komi
        self._start, self.set_up_stones = start, tuple(stones)
        self.plies, self._hashes = [], []

    def set_komi(self, komi: float) -> None:
        """Change the komi, also of the moves that were played. Raises BadRequest where the game cannot hold it."""
        if not has_komi(self.game):
            raise BadRequest(f"{self.game.name} has no komi")
        start = _with_komi(self._start, komi)
        if abs(float(start["komi"]) - komi) > 1e-3:
            raise BadRequest(f"{self.game.name} cannot be played with a komi of {komi:g}")
        self._start = start
        self.plies = [ply._replace(state=_with_komi(ply.state, komi)) for ply in self.plies]

    def _step(self, action: int, *, inserted: bool = False, note: SearchNote | None = None) -> None:
        if self.terminated:
            raise BadRequest("the game is over")
        if not self.legal_actions()[action]:
            raise BadRequest(f"{self.game.action_to_text(action)} is not legal here")
        state, player = self.state.copy(), self.to_play
        with np.errstate(over="ignore"):
            hashed = int(self.game.history_hash(state)) if self.game.uses_history else 0
            reward, terminated = self.game.step(state, action, self.history)
        if self.game.uses_history:
            self._hashes.append(hashed)
        self.plies.append(Ply(player, action, state, float(reward), bool(terminated), inserted, note))

    def _pop(self) -> None:
        self.plies.pop()
        if self._hashes:
            self._hashes.pop()


def has_komi(game: Game) -> bool:
    """Whether a game is played with a komi."""
    return "komi" in (game.state_dtype.names or ())


def takes_stones(game: Game) -> bool:
    """Whether games may begin with set-up stones."""
    return type(game).set_up is not Game.set_up


def find_pass(game: Game) -> int | None:
    """The action that passes; None where the game has none."""
    try:
        return game.text_to_action("pass")
    except ValueError:
        return None


def parse_move(game: Game, text: str) -> int:
    """The action that `text` names, whatever its case. Raises BadRequest when it names none."""
    for spelling in (text, text.upper(), text.lower()):
        try:
            return game.text_to_action(spelling)
        except ValueError as error:
            refusal = str(error)
    raise BadRequest(refusal)


def replayed(game: Game, actions: Sequence[int], notes: Sequence[SearchNote | None] = ()) -> PlayedGame:
    """The game with these moves. Raises BadRequest, which names the ply, where one is illegal."""
    played = PlayedGame(game)
    for ply, action in enumerate(actions):
        try:
            played.play(played.to_play, action, notes[ply] if ply < len(notes) else None)
        except BadRequest as error:
            raise BadRequest(f"ply {ply + 1}: {error}") from None
    return played


def result_text(played: PlayedGame) -> str:
    """The result of a finished game as SGF and GTP write it: `B+3.5`, `W+`, `0`."""
    if played.game.is_scored:
        return score_text(float(played.game.score(played.state)))
    returns = played.returns
    return "0" if returns == 0.0 else "B+" if returns > 0.0 else "W+"


def score_text(score: float) -> str:
    """A lead of player 0 as GTP writes it."""
    return "0" if score == 0.0 else f"{COLOURS[0] if score > 0.0 else COLOURS[1]}+{abs(score):g}"


def _with_komi(state: State, komi: float) -> State:
    changed = state.copy()
    changed["komi"] = komi
    return changed
