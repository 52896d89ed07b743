"""`keima rules GAME`: JSON lines, moves in, legal moves and results out."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import games
from rl.protocols.rules import answer
from scripts.arguments import GameName


@dataclass(frozen=True)
class Command:
    """A game's rules as JSON lines on standard input and output: {"moves": ["4", "4"], "trace": true} is answered by
    {"to_play", "legal", "terminated", "returns", "observation_shape", "num_legal"}. A move is its text or a pair such
    as ["B", "4"]; B is player 0 and moves first. "returns" is what players 0 and 1 got, null before the end, where
    "to_play" is null and "legal" empty; "num_legal", with "trace", lists the number of legal moves before each ply. An
    "id" comes back as it was given. A bad line is answered by an "error", which names the ply of a bad move, counted
    from 1, and the next line is served."""

    game: GameName


def run(command: Command) -> int:
    game = games.make_board(command.game)
    for line in sys.stdin.buffer:
        if line.strip():
            print(json.dumps(answer(game, line)), flush=True)
    return 0
