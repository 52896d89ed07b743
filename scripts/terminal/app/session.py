"""A game as it is played in the app: who plays, whose turn it is, what was thought. Knows nothing of the screen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from games.base import FloatArray, Game
from rl.protocols.gtp.search import winrate
from rl.protocols.moves import COLOURS, BadRequest
from rl.protocols.played_game import PlayedGame, Ply, SearchNote, result_text
from rl.protocols.sgf import SgfInfo, write_sgf
from scripts.terminal.app.child import Failure, Ready
from scripts.terminal.app.mind import Mind, News, Report
from scripts.terminal.thinking import Budget, Situation, Strength, choose

OPEN_ENDED = Budget(1, seconds=math.inf)
"""Think until something else is asked."""


@dataclass(frozen=True)
class Seat:
    """Who plays one side."""

    strength: Strength
    agent: int | None = None
    """Which of the mind's agents; None: a person."""

    @property
    def is_person(self) -> bool:
        return self.agent is None


class Session:
    """One game at a time between two seats, with a mind that thinks for agents, and along with people.

    Nothing here waits: `tick` is called some ten times a second and takes up what the mind has said meanwhile.
    """

    def __init__(
        self,
        game: Game,
        mind: Mind,
        seats: tuple[Seat, Seat],
        generator: np.random.Generator,
        *,
        pace: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pace` is the least number of seconds between two moves of agents."""
        self.game, self.mind, self.seats = game, mind, seats
        self.ponders = True
        """Whether the agent thinks while a person does."""
        self.paused = False
        """Agents do not move."""
        self.is_ready = False
        """The agents are loaded."""
        self.failure = ""
        self._generator, self._pace, self._clock = generator, pace, clock
        self._reset(PlayedGame(game))

    def _reset(self, played: PlayedGame) -> None:
        self.played = played
        self.resigned: int | None = None
        self.report: Report | None = None
        """What is thought of the position on the board; None while nothing is."""
        self.estimates: dict[int, float] = {}
        """By number of plies: the share of games that player 0 is expected to win from there."""
        self._undone: list[Ply] = []
        self._moved = -math.inf
        self._consider()

    # --- where it stands --------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        return self.played.terminated or self.resigned is not None

    @property
    def person_moves(self) -> bool:
        """Whether the game waits for a person."""
        return not self.over and self.seats[self.played.to_play].is_person

    @property
    def agent_moves(self) -> bool:
        """Whether the game waits for an agent."""
        return not self.over and not self.person_moves and not self.paused and not self.failure

    @property
    def is_thinking(self) -> bool:
        return self._asked is not None and (self.report is None or not self.report.done)

    @property
    def ownership(self) -> FloatArray | None:
        """[H*W] as the network expects it, else, in games that are scored, as the board would be counted now; from 1,
        player 0's, to -1, player 1's."""
        if self.report is not None and self.report.ownership is not None:
            return self.report.ownership
        if not self.game.is_scored:
            return None
        owners = np.zeros(math.prod(self.game.observation_shape[1:]), np.int8)
        self.game.ownership(self.played.state, owners)
        return owners.astype(np.float32)

    def result(self) -> str:
        """How the game ended, as people say it; empty while it goes on."""
        if self.resigned is not None:
            return f"{self.name_of(self.resigned)} resigned: {self.name_of(1 - self.resigned)} won"
        if not self.played.terminated:
            return ""
        returns = self.played.returns
        if returns == 0.0:
            return "A draw"
        winner = self.name_of(0 if returns > 0 else 1)
        margin = abs(float(self.game.score(self.played.state))) if self.game.is_scored else 0.0
        return f"{winner} won by {margin:g}" if margin else f"{winner} won"

    def name_of(self, player: int) -> str:
        """A side as it is called in this game."""
        look = self.game.look()
        if look is None:
            return ("X", "O")[player]
        return next(piece.name for piece in look.pieces if piece.player == player)

    # --- what people do ---------------------------------------------------------------------------------------------

    def play(self, action: int) -> None:
        """A person's move. Raises BadRequest where it is not a person's turn, or the move is illegal."""
        if not self.person_moves:
            raise BadRequest("the game is over" if self.over else "the agent is to move")
        self._play(action)

    def _play(self, action: int) -> None:
        note = None
        if self.report is not None:
            note = SearchNote(self.report.thought.value, self.report.thought.visits)
        player = self.played.to_play
        self.played.play(player, action, note)
        self._undone.clear()
        self._moved = self._clock()
        self._consider()

    def undo(self) -> None:
        """Back to where a person last chose; one move, and a pause, where no person plays. Raises BadRequest where
        there is nothing to take back."""
        if self.resigned is not None:
            self.resigned = None
            self._consider()
            return
        people = any(seat.is_person for seat in self.seats)
        own = [ply for ply in self.played.plies if self.seats[ply.player].is_person]
        if not self.played.plies or (people and not own):
            raise BadRequest("there is nothing to take back")
        self.paused = self.paused or not people
        while True:
            ply = self.played.plies[-1]
            self.played.undo()
            self._undone.append(ply)
            if self.seats[ply.player].is_person or not people:
                break
        self._forget_estimates()
        self._consider()

    def redo(self) -> None:
        """Take back what `undo` did. Raises BadRequest where there is nothing."""
        if not self._undone:
            raise BadRequest("there is nothing to play again")
        people = any(seat.is_person for seat in self.seats)
        while self._undone:
            ply = self._undone.pop()
            self.played.play(ply.player, ply.action, ply.note)
            if not people or self.person_moves:
                break
        self._consider()

    def swap(self) -> None:
        """The seats change sides, in the middle of the game."""
        self.seats = self.seats[1], self.seats[0]
        self._consider()

    def resign(self) -> None:
        """The person whose turn it is gives up; else the other person. Raises BadRequest where nobody can."""
        if self.over:
            raise BadRequest("the game is over")
        people = [player for player in (self.played.to_play, 1 - self.played.to_play) if self.seats[player].is_person]
        if not people:
            raise BadRequest("no person plays")
        self.resigned = people[0]
        self._consider()

    def begin(self, played: PlayedGame | None = None) -> None:
        """A new game, or one that goes on from where `played` stands."""
        self.paused = False
        self._reset(played or PlayedGame(self.game, self.played.komi))

    def set_strength(self, strength: Strength) -> None:
        """Of all agents."""
        self.seats = replace(self.seats[0], strength=strength), replace(self.seats[1], strength=strength)
        self._consider()

    def set_pondering(self, ponders: bool) -> None:
        """Whether the agent thinks while a person does."""
        self.ponders = ponders
        self._consider()

    def set_paused(self, paused: bool) -> None:
        """Whether agents wait."""
        self.paused = paused
        self._consider()

    def record(self) -> str:
        """The game as an SGF record. Raises BadRequest where SGF does not know the game."""
        names = ["human" if seat.is_person else f"Keima, level {seat.strength.level}" for seat in self.seats]
        result = None if self.resigned is None else f"{COLOURS[1 - self.resigned]}+R"
        if result is None and self.played.terminated:
            result = result_text(self.played)
        return write_sgf(self.played, SgfInfo(names[0], names[1], result))

    # --- the mind ---------------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Think about the board again, after somebody else had the mind."""
        self._consider()

    def tick(self) -> bool:
        """Take up what the mind has said; whether anything changed."""
        changed = False
        for news in self.mind.news():
            changed = True
            self.hear(news)
        return self._move_when_due() or changed

    def hear(self, news: News) -> None:
        """Take up one thing that the mind has said, to whomever: a review tells it on."""
        if isinstance(news, Failure):
            self.failure = news.text
        elif isinstance(news, Ready):
            self.is_ready = True
        elif news.number == self._number and self._asked is not None:
            self.report = news
            share = winrate(self.game, news.thought.value)
            self.estimates[len(self.played.plies)] = share if self.played.to_play == 0 else 1.0 - share

    def _move_when_due(self) -> bool:
        """Play what an agent has thought out, once the last move has been on the board long enough."""
        due = self._asked == "move" and self.report is not None and self.report.done
        if not due or self.report is None or self._clock() < self._moved + self._pace:
            return False
        seat = self.seats[self.played.to_play]
        self._play(choose(self.game, self.report.thought, seat.strength.settings, self._generator))
        return True

    def _consider(self) -> None:
        """Ask the mind about the position on the board, or let it rest."""
        self.report = None
        self._asked: str | None = None
        if self.agent_moves:
            seat = self.seats[self.played.to_play]
            self._ask("move", seat.agent or 0, seat.strength.thinking)
        elif not self.over and not self.failure and (self.ponders or self.paused):
            agents = [seat.agent for seat in self.seats if seat.agent is not None]
            self._ask("ponder", agents[0] if agents else 0, OPEN_ENDED)
        else:
            self.mind.rest()

    def _ask(self, what: str, agent: int, budget: Budget) -> None:
        self._asked = what
        self._number = self.mind.ask(situation_of(self.played), budget, agent)

    def _forget_estimates(self) -> None:
        plies = len(self.played.plies)
        self.estimates = {ply: estimate for ply, estimate in self.estimates.items() if ply <= plies}


def situation_of(played: PlayedGame) -> Situation:
    """Where a game stands, as thinkers take it."""
    own_start = PlayedGame(played.game, played.komi).start_key == played.start_key
    return Situation(played.state, played.history, played.actions, b"" if own_start else played.start_key)
