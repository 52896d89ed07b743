"""Who won a scored game that two passes ended early, while dead stones may still stand on the board.

The rules count what stands. To ask the players to capture first is fair only among programs that do: so a game may be
played out by one of our own players, or an outside engine may say which stones are dead.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from rl.arena.players import Player
from rl.protocols.gtp.client import EngineFailure, EngineRefusal
from rl.protocols.gtp.seat import EngineSeat
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import PlayedGame, parse_move


class Verdict(NamedTuple):
    """How a game was judged."""

    score: float
    """By how many points player 0 leads, komi counted."""
    remark: str
    """How that was found; empty where the rules said it."""


class Judge(Protocol):
    """Scores games that ended early."""

    def judge(self, played: PlayedGame) -> Verdict:
        """The score of a game that two passes ended."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class RulesJudge:
    """Counts what stands on the board."""

    def judge(self, played: PlayedGame) -> Verdict:
        return Verdict(float(played.game.score(played.state)), "")

    def close(self) -> None:
        pass


class PlayOutJudge:
    """Lets one player go on for both sides from before the passes, until the rules end the game."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def judge(self, played: PlayedGame) -> Verdict:
        going_on = played.copy()
        while going_on.plies and going_on.plies[-1].action == going_on.pass_action:
            going_on.undo()
        num_moves = len(going_on.plies)
        while not going_on.terminated:
            states = np.array([going_on.state], going_on.game.state_dtype)
            keys = np.array([len(going_on.plies)], np.uint64)
            action = int(self._player.choose(states, [going_on.history], keys)[0])
            going_on.play(going_on.to_play, action)
        score = float(going_on.game.score(going_on.state))
        return Verdict(score, f"played out by {self._player.name}, {len(going_on.plies) - num_moves} moves more")

    def close(self) -> None:
        pass


class EngineJudge:
    """Asks an outside engine which stones are dead and counts the others."""

    def __init__(self, engine: EngineSeat) -> None:
        self._engine = engine

    def judge(self, played: PlayedGame) -> Verdict:
        try:
            self._engine.begin(played)
            listed = self._engine.ask("final_status_list alive") + " " + self._engine.ask("final_status_list seki")
            living = {parse_move(played.game, vertex) for vertex in listed.split()}
        except (EngineFailure, EngineRefusal, BadRequest) as error:
            self._engine.give_up()
            verdict = RulesJudge().judge(played)
            return verdict._replace(remark=f"counted as it stands: {self._engine.name} gave no judgement: {error}")
        stones = played.game.stones(played.state)
        state = played.game.new_state()
        played.game.set_up(state, [stone for stone in stones if stone[1] in living], played.to_play)
        if played.komi is not None:
            state["komi"] = played.komi
        num_dead = sum(action not in living for _, action in stones)
        return Verdict(float(played.game.score(state)), f"{num_dead} stones dead as {self._engine.name} says")

    def close(self) -> None:
        self._engine.close()


def ended_early(played: PlayedGame) -> bool:
    """Whether two passes ended a scored game in which somebody could have played on."""
    if not (played.game.is_scored and played.terminated) or len(played.plies) < 2:
        return False
    if any(ply.action != played.pass_action for ply in played.plies[-2:]):
        return False
    before = played.copy()
    choices = []
    for _ in range(2):
        before.undo()
        choices.append(int(before.legal_actions().sum()))
    return max(choices) > 1
