"""A seat at a match for an outside engine: a process that follows the game over GTP, started again when it failed."""

from __future__ import annotations

from rl.errors import UserError
from rl.protocols.gtp.client import EngineFailure, EngineRefusal, GtpProcess
from rl.protocols.moves import COLOURS
from rl.protocols.played_game import PlayedGame

PREFIX = "gtp:"
"""What a player's name begins with when the rest is the command of an engine."""


class EngineSeat:
    """One outside engine, for one game after the other. Raises EngineFailure and EngineRefusal as `GtpProcess` does."""

    def __init__(self, name: str, *, seconds: float, first_reply_seconds: float = 180.0) -> None:
        """`name` is `gtp:COMMAND`; it gets `seconds` for each answer. Raises UserError when it cannot be started."""
        self.name, self._command, self._seconds = name, name.removeprefix(PREFIX), seconds
        self._first_reply_seconds = first_reply_seconds
        self._process: GtpProcess | None = None
        try:
            version = self.ask("protocol_version")
        except (EngineFailure, EngineRefusal) as error:
            self.close()
            raise UserError(f"{name}: {error}") from None
        if version != "2":
            self.close()
            raise UserError(f"{name}: speaks GTP version {version[:20]!r}, not 2")

    def ask(self, command: str) -> str:
        """The engine's answer; a new process where the last one failed."""
        if self._process is None:
            try:
                self._process = GtpProcess(self._command, name=self.name, first_reply_seconds=self._first_reply_seconds)
            except UserError as error:
                raise EngineFailure(str(error)) from None
        return self._process.ask(command, self._seconds)

    def begin(self, played: PlayedGame) -> None:
        """Put a game on its board."""
        if self._process is not None and not self._process.running:
            self.give_up()
        _, _, width = played.game.observation_shape
        self.ask(f"boardsize {width}")
        self.ask("clear_board")
        if played.komi is not None:
            self.ask(f"komi {played.komi:g}")
        for index in range(len(played.plies)):
            self.tell(played, index)

    def tell(self, played: PlayedGame, index: int) -> None:
        """Tell of a ply. An engine that refuses a pass where nothing else was legal has passed by itself (GRhino)."""
        ply = played.plies[index]
        try:
            self.ask(f"play {COLOURS[ply.player]} {played.game.action_to_text(ply.action)}")
        except EngineRefusal:
            if ply.action != played.pass_action or _num_choices(played, index) > 1:
                raise

    def genmove(self, player: int) -> str:
        """Ask for a move: a move's text, `pass` or `resign`, in lower case where it is one of these."""
        words = self.ask(f"genmove {COLOURS[player]}").split()
        if len(words) != 1:
            raise EngineFailure(f"answered genmove with {' '.join(words)[:60]!r}")
        return words[0].lower() if words[0].lower() in ("pass", "resign") else words[0]

    def give_up(self) -> None:
        """End a process that failed; the next question starts another."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None


def _num_choices(played: PlayedGame, index: int) -> int:
    """How many actions were legal before a ply."""
    before = played.copy()
    while len(before.plies) > index:
        before.undo()
    return int(before.legal_actions().sum())
