"""GTP's commands about the game on the board: moves, komi, handicap, rules, clocks, records and the final score."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from games.base import Game
from rl.protocols.gtp.clock import Clock
from rl.protocols.gtp.kata_rules import parse_rules, rules_text
from rl.protocols.gtp.lines import Request, parse_colour, shown
from rl.protocols.gtp.session import Session
from rl.protocols.moves import COLOURS, BadRequest
from rl.protocols.played_game import (
    PlayedGame,
    has_komi,
    parse_move,
    result_text,
    score_text,
    takes_stones,
)
from rl.protocols.sgf import MOST_BYTES, read_sgf, write_sgf

Handler = Callable[[Request], str]

_MOST_SIZE = 52
_MOST_SECONDS = 1e9


class BoardCommands:
    """Carries these commands out. Each puts a new table in place of the session's, or raises and leaves it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def handlers(self) -> dict[str, Handler]:
        """The commands that the session's game has a meaning for."""
        game = self._session.game
        found: dict[str, Handler] = {
            "boardsize": self._boardsize,
            "clear_board": self._clear_board,
            "play": self._play,
            "undo": self._undo,
            "showboard": self._showboard,
            "final_score": self._final_score,
            "time_settings": self._time_settings,
            "time_left": self._time_left,
        }
        if has_komi(game):
            found |= {"komi": self._komi, "get_komi": self._get_komi}
        if has_komi(game) and takes_stones(game):
            found |= {
                "fixed_handicap": self._fixed_handicap,
                "place_free_handicap": self._place_free_handicap,
                "set_free_handicap": self._set_free_handicap,
                "final_status_list": self._final_status_list,
                "kata-get-rules": self._get_rules,
                "kata-set-rules": self._set_rules,
            }
        if game.sgf_number is not None:
            found |= {"loadsgf": self._loadsgf, "printsgf": self._printsgf}
        return found

    def refusals(self) -> dict[str, str]:
        """Commands of the protocol that are not carried out, and why."""
        name = self._session.game.name
        return {
            "rectangular_boardsize": "boards that are not square are not played: use boardsize",
            "komi": f"{name} has no komi",
            "get_komi": f"{name} has no komi",
            "fixed_handicap": f"{name} has no handicap stones",
            "place_free_handicap": f"{name} has no handicap stones",
            "set_free_handicap": f"{name} has no handicap stones",
            "final_status_list": f"{name} has no dead stones",
            "kata-get-rules": f"KataGo has no rules of {name}",
            "kata-set-rules": f"KataGo has no rules of {name}",
            "loadsgf": f"SGF has no records of {name}",
            "printsgf": f"SGF has no records of {name}",
        }

    # --- moves ------------------------------------------------------------------------------------------------------

    def _boardsize(self, request: Request) -> str:
        size = integer(_one(request, "a size"), "size", 1, _MOST_SIZE)
        try:
            game = self._session.remake(size)
        except BadRequest as error:
            raise BadRequest(f"unacceptable size: {error}") from None
        return self._put(self._session.begin(game))

    def _clear_board(self, request: Request) -> str:
        return self._put(self._session.begin(self._session.game))

    def _play(self, request: Request) -> str:
        if len(request.arguments) != 2:
            raise BadRequest("play takes a colour and a move")
        player, played = parse_colour(request.arguments[0]), self._session.table.played.copy()
        played.play(player, parse_move(played.game, request.arguments[1]))
        self._session.table = replace(self._session.table, played=played)
        return ""

    def _undo(self, request: Request) -> str:
        played = self._session.table.played.copy()
        try:
            played.undo()
        except BadRequest:
            raise BadRequest("cannot undo") from None
        self._session.table = replace(self._session.table, played=played)
        return ""

    def _showboard(self, request: Request) -> str:
        played = self._session.table.played
        status = f"over: {result_text(played)}" if played.terminated else f"{COLOURS[played.to_play]} to move"
        return f"\n{played.game.to_text(played.state)}\n{status}"

    def _put(self, played: PlayedGame) -> str:
        """Put a new game on the table; its clocks start afresh."""
        table = self._session.table
        clocks = (table.start_clock, table.start_clock)
        self._session.table = replace(table, played=played, clocks=clocks, low_winrates=(0, 0))
        return ""

    # --- komi, handicap, rules --------------------------------------------------------------------------------------

    def _komi(self, request: Request) -> str:
        komi = number(_one(request, "a komi"), "komi")
        played = self._session.table.played.copy()
        played.set_komi(komi)
        self._session.table = replace(self._session.table, played=played, komi=komi)
        return ""

    def _get_komi(self, request: Request) -> str:
        return f"{self._session.table.played.komi:g}"

    def _fixed_handicap(self, request: Request) -> str:
        count = integer(_one(request, "a number of stones"), "number of stones", 2, 9)
        points = handicap_points(self._session.game, count)
        if len(points) < count:
            raise BadRequest(f"at most {len(points)} handicap stones have fixed points on this board")
        return self._give_handicap(points)

    def _place_free_handicap(self, request: Request) -> str:
        count = integer(_one(request, "a number of stones"), "number of stones", 2, 9999)
        points = handicap_points(self._session.game, count)
        if not points:
            raise BadRequest("no handicap stones on a board this small")
        return self._give_handicap(points)

    def _set_free_handicap(self, request: Request) -> str:
        game = self._session.game
        points = [parse_move(game, vertex) for vertex in request.arguments]
        if len(points) < 2 or len(set(points)) < len(points):
            raise BadRequest("bad vertex list: two handicap stones or more, all different")
        if any(plane != 0 for plane, _, _ in game.action_cells()[points].tolist()):
            raise BadRequest("bad vertex list: handicap stones are put on points")
        self._give_handicap(points)
        return ""

    def _give_handicap(self, points: list[int]) -> str:
        played = self._session.table.played
        if played.plies or played.set_up_stones:
            raise BadRequest("board not empty")
        played = played.copy()
        played.set_up([(0, point) for point in points], 1)
        self._put(played)
        return " ".join(played.game.action_to_text(point) for point in points)

    def _get_rules(self, request: Request) -> str:
        return rules_text(self._session.game)

    def _set_rules(self, request: Request) -> str:
        game = self._session.remake(options=parse_rules(request.rest))
        before = self._session.table.played
        played = PlayedGame(game, before.komi)
        if before.set_up_stones:
            played.set_up(before.set_up_stones, before.plies[0].player if before.plies else before.to_play)
        for ply in before.plies:
            if not ply.inserted:
                played.play(ply.player, ply.action, ply.note)
        self._session.table = replace(self._session.table, played=played)
        return ""

    # --- the end ----------------------------------------------------------------------------------------------------

    def _final_score(self, request: Request) -> str:
        played = self._session.table.played
        if played.game.is_scored:
            return score_text(float(played.game.score(played.state)))
        if not played.terminated:
            raise BadRequest("cannot score: the game is not over")
        return result_text(played)

    def _final_status_list(self, request: Request) -> str:
        status = _one(request, "alive, dead or seki")
        if status not in ("alive", "dead", "seki"):
            raise BadRequest(f"{shown(status)} is no status: they are alive, dead and seki")
        played = self._session.table.played
        if status != "alive":
            return ""  # the rules know no dead stones: what stands at the end, lives
        return " ".join(played.game.action_to_text(action) for _, action in played.game.stones(played.state))

    # --- clocks -----------------------------------------------------------------------------------------------------

    def _time_settings(self, request: Request) -> str:
        if len(request.arguments) != 3:
            raise BadRequest("time_settings takes main time, byo-yomi time and byo-yomi stones")
        main, period = (_seconds(text) for text in request.arguments[:2])
        stones = integer(request.arguments[2], "number of stones", 0, 10**6)
        clock = Clock.start(main, period, stones)
        self._session.table = replace(self._session.table, start_clock=clock, clocks=(clock, clock))
        return ""

    def _time_left(self, request: Request) -> str:
        if len(request.arguments) != 3:
            raise BadRequest("time_left takes a colour, a time and a number of stones")
        player, seconds = parse_colour(request.arguments[0]), _seconds(request.arguments[1])
        stones = integer(request.arguments[2], "number of stones", 0, 10**6)
        clocks = list(self._session.table.clocks)
        clocks[player] = (clocks[player] or Clock(0.0)).told(seconds, stones)
        self._session.table = replace(self._session.table, clocks=(clocks[0], clocks[1]))
        return ""

    # --- records ----------------------------------------------------------------------------------------------------

    def _loadsgf(self, request: Request) -> str:
        if not 1 <= len(request.arguments) <= 2:
            raise BadRequest("loadsgf takes a file name and, if wanted, a move number")
        last_move = None
        if len(request.arguments) == 2:
            last_move = integer(request.arguments[1], "move number", 1, 10**6) - 1  # up to, but not with, that move
        path = self._record_path(request.arguments[0])
        try:
            with open(path, "rb") as file:
                data = file.read(MOST_BYTES + 1)
        except OSError:
            raise BadRequest("cannot load file") from None
        played = read_sgf(data, self._session.remake, last_move)
        if played.komi is not None:
            self._session.table = replace(self._session.table, komi=played.komi)
        return self._put(played)

    def _printsgf(self, request: Request) -> str:
        text = write_sgf(self._session.table.played)
        if not request.arguments:
            return "\n" + text
        path = self._record_path(_one(request, "a file name"))
        try:
            path.write_text(text, encoding="utf-8")
        except OSError:
            raise BadRequest("cannot write file") from None
        return ""

    def _record_path(self, name: str) -> Path:
        """The file of that name in the one directory for records, links resolved. Raises BadRequest for any other."""
        directory = self._session.table.config.sgf_dir
        if directory is None:
            raise BadRequest("no directory for records: start with --sgf-dir")
        try:
            path = (directory / name).resolve()
        except (OSError, ValueError, RuntimeError):
            raise BadRequest("cannot use this file name") from None
        if path.suffix != ".sgf" or not path.is_relative_to(directory.resolve()):
            raise BadRequest("only .sgf files in the directory for records can be used")
        if path.exists() and not path.is_file():
            raise BadRequest("only .sgf files in the directory for records can be used")
        return path


def handicap_points(game: Game, count: int) -> list[int]:
    """The first `count` fixed handicap points in the order of the GTP 2 specification, 4.1.1; fewer on small boards."""
    _, height, width = game.observation_shape
    if height != width or width < 7:
        return []
    near = 3 if width >= 13 else 2
    far, middle = width - 1 - near, width // 2
    corners = [(far, near), (near, far), (near, near), (far, far)]
    sides, centre = [(middle, near), (middle, far), (far, middle), (near, middle)], [(middle, middle)]
    if width % 2 == 0 or width == 7:
        cells = corners[:count]
    else:
        even = corners + sides
        cells = even[:count] if count < 5 or count in (6, 8) else even[: min(count, 9) - 1] + centre
    actions = {(row, column): action for action, (plane, row, column) in enumerate(_cells(game)) if plane == 0}
    return [actions[cell] for cell in cells]


def _cells(game: Game) -> list[list[int]]:
    cells: list[list[int]] = game.action_cells().tolist()
    return cells


# --- arguments --------------------------------------------------------------------------------------------------------


def integer(text: str, what: str, least: int, most: int) -> int:
    """The integer that `text` is. Raises BadRequest when it is none, or outside its bounds."""
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not least <= int(text) <= most:
        raise BadRequest(f"{shown(text)} is no {what}: an integer from {least} to {most}")
    return int(text)


def number(text: str, what: str) -> float:
    """The decimal number that `text` is. Raises BadRequest when it is none."""
    if not re.fullmatch(r"[-+]?([0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9})", text, re.ASCII):
        raise BadRequest(f"{shown(text)} is no {what}: a number")
    return float(text)


def _seconds(text: str) -> float:
    seconds = number(text, "time")
    if not (math.isfinite(seconds) and 0 <= seconds <= _MOST_SECONDS):
        raise BadRequest(f"{shown(text)} is no time: seconds, at least 0")
    return seconds


def _one(request: Request, what: str) -> str:
    if len(request.arguments) != 1:
        raise BadRequest(f"{request.command} takes {what}")
    return request.arguments[0]
