"""GTP's commands that think: moves, analyses that stream, the network's bare opinion, and how to think."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from rl.protocols.gtp.analysis import AnalysisRequest, Style, parse_analysis, raw_report, report
from rl.protocols.gtp.board import Handler, integer, number
from rl.protocols.gtp.lines import Request, parse_colour, shown, stream_head
from rl.protocols.gtp.session import GtpConfig, Session, Thought, note_of
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import PlayedGame
from rl.search.driver import SearchResult


class Channel(Protocol):
    """The conversation, as a reply that comes line by line needs it."""

    def write(self, text: str) -> None:
        """Send a part of the reply."""
        ...

    def input_waits(self) -> bool:
        """Whether another line has come, or the input has ended."""
        ...

    def wait_for_input(self) -> None:
        """Return once `input_waits`."""
        ...


Streamer = Callable[[Request, Channel], None]
"""Writes its reply itself, all of it; before it has written anything it may raise."""

_PARAMETERS: dict[str, tuple[Callable[[GtpConfig], object], Callable[[GtpConfig, str], GtpConfig]]] = {
    "maxVisits": (
        lambda config: config.simulations,
        lambda config, text: replace(config, simulations=integer(text, "number of visits", 1, 10**9)),
    ),
    "maxTime": (
        lambda config: config.seconds,
        lambda config, text: replace(config, seconds=_at_least(text, "time", 0.001)),
    ),
    "lagBuffer": (lambda config: config.lag, lambda config, text: replace(config, lag=_at_least(text, "time", 0.0))),
    "ponderingEnabled": (lambda config: config.ponder, lambda config, text: replace(config, ponder=_truth(text))),
}
"""How KataGo calls settings: what reads each and what changes it."""


class ThinkingCommands:
    """Carries these commands out. Each puts a new table in place of the session's, or raises and leaves it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def handlers(self) -> dict[str, Handler]:
        """The commands that are answered at once or after a search."""
        return {
            "genmove": self._genmove,
            "reg_genmove": self._reg_genmove,
            "kata-raw-nn": self._raw_nn,
            "kata-get-param": self._get_param,
            "kata-set-param": self._set_param,
            "kata-list-params": lambda request: " ".join(_PARAMETERS),
        }

    def streamers(self) -> dict[str, Streamer]:
        """The commands whose replies come line by line."""
        return {
            "lz-analyze": lambda request, channel: self._analyze(request, channel, "lz"),
            "kata-analyze": lambda request, channel: self._analyze(request, channel, "kata"),
            "lz-genmove_analyze": lambda request, channel: self._genmove_analyze(request, channel, "lz"),
            "kata-genmove_analyze": lambda request, channel: self._genmove_analyze(request, channel, "kata"),
        }

    # --- moves ------------------------------------------------------------------------------------------------------

    def _genmove(self, request: Request) -> str:
        player, played = self._turn_of(_colour(request))
        return self._move(player, played, self._session.think(played))

    def _reg_genmove(self, request: Request) -> str:
        _, played = self._turn_of(_colour(request))
        return played.game.action_to_text(self._session.think(played).choice.best_action)

    def _turn_of(self, player: int | None) -> tuple[int, PlayedGame]:
        """(player, a copy of the game in which that player is to move)."""
        played = self._session.table.played.copy()
        player = played.to_play if player is None else player
        played.give_turn(player)
        return player, played

    def _move(self, player: int, played: PlayedGame, thought: Thought) -> str:
        """Play what was thought out, and stop the player's clock."""
        table = self._session.table
        clocks = list(table.clocks)
        clock = clocks[player]
        clocks[player] = clock.after(thought.seconds) if clock is not None else None
        if not thought.resigns:
            played.play(player, thought.choice.best_action, note_of(thought))
        self._session.table = replace(
            table,
            played=table.played if thought.resigns else played,
            clocks=(clocks[0], clocks[1]),
            low_winrates=thought.low_winrates,
        )
        return "resign" if thought.resigns else played.game.action_to_text(thought.choice.best_action)

    # --- analysis ---------------------------------------------------------------------------------------------------

    def _analyze(self, request: Request, channel: Channel, style: Style) -> None:
        """Tell of the position again and again, once at least, until another line comes."""
        asked = parse_analysis(request.arguments)
        _, played = self._turn_of(asked.player)
        search = self._session.search
        channel.write(stream_head(request.number))
        while True:
            until = time.monotonic() + asked.interval
            result = search.think(played, search.max_simulations, _interrupted(channel, until))
            channel.write(report(search, result, asked, style) + "\n")
            if channel.input_waits():
                break
            if time.monotonic() < until:  # nothing is left to find out
                channel.wait_for_input()
                break
        channel.write("\n")

    def _genmove_analyze(self, request: Request, channel: Channel, style: Style) -> None:
        """A `genmove` that tells what it thinks meanwhile; further lines do not shorten it."""
        asked = parse_analysis(request.arguments)
        player, played = self._turn_of(asked.player)
        channel.write(stream_head(request.number))
        thought = self._session.think(played, self._teller(channel, asked, style), asked.interval)
        channel.write(f"play {self._move(player, played, thought)}\n\n")

    def _teller(self, channel: Channel, asked: AnalysisRequest, style: Style) -> Callable[[SearchResult], None]:
        return lambda result: channel.write(report(self._session.search, result, asked, style) + "\n")

    def _raw_nn(self, request: Request) -> str:
        played = self._session.table.played
        if played.terminated:
            raise BadRequest("the game is over")
        asked = request.arguments[0] if request.arguments else "0"
        if asked.lower() == "all":
            numbers = range(len(played.game.symmetries()))
        else:
            number = integer(asked, "symmetry", 0, 999)
            numbers = range(number, number + 1)
        return "\n".join(
            raw_report(played.game, number, played.to_play, self._session.search.evaluate(played, number))
            for number in numbers
        )

    # --- settings ---------------------------------------------------------------------------------------------------

    def _get_param(self, request: Request) -> str:
        read, _ = _parameter(request, 1)
        return json.dumps(read(self._session.table.config))

    def _set_param(self, request: Request) -> str:
        _, change = _parameter(request, 2)
        table = self._session.table
        self._session.table = replace(table, config=change(table.config, request.arguments[1]))
        return ""


def _colour(request: Request) -> int:
    if len(request.arguments) != 1:
        raise BadRequest(f"{request.command} takes a colour")
    return parse_colour(request.arguments[0])


def _interrupted(channel: Channel, until: float) -> Callable[[], bool]:
    return lambda: channel.input_waits() or time.monotonic() >= until


def _parameter(
    request: Request, num_arguments: int
) -> tuple[Callable[[GtpConfig], object], Callable[[GtpConfig, str], GtpConfig]]:
    if len(request.arguments) != num_arguments:
        raise BadRequest(f"{request.command} takes a parameter{' and its value' if num_arguments == 2 else ''}")
    name = request.arguments[0]
    if name not in _PARAMETERS:
        raise BadRequest(f"unknown parameter {shown(name)}: known are {', '.join(_PARAMETERS)}")
    return _PARAMETERS[name]


def _at_least(text: str, what: str, least: float) -> float:
    value = number(text, what)
    if value < least:
        raise BadRequest(f"{shown(text)} is no {what}: at least {least:g}")
    return value


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise BadRequest(f"{shown(text)} is neither true nor false")
    return text.lower() == "true"
