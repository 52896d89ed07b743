"""Arguments that several commands take, so that they read alike in every `--help`."""

from __future__ import annotations

from typing import Annotated

import tyro

import games

GameName = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="GAME",
        help=f"What is played: {', '.join(games.names())}; with a size and options where the game has them, such as "
        "othello6, hex5:swap or connect_four5x4.",
    ),
]
"""The positional GAME of a command: `game: GameName`, given to `games.make_board`."""

AnyGameName = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="GAME",
        help=f"What is learnt: {', '.join(games.names())}, with a size and options where the game has them, such as "
        f"othello6 or hex5:swap; or a task for a robot: {', '.join(games.simulated_names())}.",
    ),
]
"""The same of commands that learn tasks of robots as well: given to `games.make`."""

PlayedName = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="GAME",
        help=f"What is played: {', '.join(games.names())}, with a size and options where the game has them, such as "
        f"othello6 or hex5:swap; or what is watched, a task for a robot: {', '.join(games.simulated_names())}.",
    ),
]
"""The same of `keima play`."""
