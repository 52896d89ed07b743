"""`keima sgf RUN_DIR`: games of a training run as game records, to look at in any viewer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from games.base import Game
from rl.errors import UserError
from rl.protocols.moves import BadRequest
from rl.protocols.sgf import SgfInfo, actions_to_sgf, check_sgf
from rl.replay.chunks import scan
from rl.replay.records import GameRecord
from scripts.runs import played_in


@dataclass(frozen=True)
class Command:
    """Write the newest self-play games of a run as SGF, with the search's win rates as comments. A run that is going on
    may be asked too."""

    run_dir: Annotated[Path, tyro.conf.Positional]
    """The run's directory."""
    into: Path = Path("sgf")
    """The directory for the records, one file a game; made where it does not exist."""
    games: int = 100
    """How many games, counted from the newest."""


def run(command: Command) -> int:
    if command.games < 1:
        raise UserError(f"--games {command.games}: must be at least 1")
    mixture = played_in(command.run_dir)
    for game in mixture.games:
        try:
            check_sgf(game)
        except BadRequest as error:
            raise UserError(str(error)) from None
    newest = deque(sorted(scan(command.run_dir / "replay", mixture), key=lambda record: record.game_number))
    while len(newest) > command.games:
        newest.popleft()
    command.into.mkdir(parents=True, exist_ok=True)
    for record in newest:
        path = command.into / f"game{record.game_number:08d}.sgf"
        path.write_text(_sgf(mixture.game(record.game_number), record), encoding="utf-8")
    print(f"{len(newest)} games are in {command.into}")
    return 0


def _sgf(game: Game, record: GameRecord) -> str:
    values = [float(step["root_value"]) if step["is_target"] else None for step in record.steps]
    networks = sorted({int(step["network_id"]) for step in record.steps if step["is_target"]})
    name = f"step {networks[0]} to {networks[-1]}" if networks else "random play"
    info = SgfInfo(name, name, comment=f"self-play game {record.game_number}")
    return actions_to_sgf(game, record.steps["action"].tolist(), values, info)
