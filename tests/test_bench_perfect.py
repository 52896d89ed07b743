"""`keima bench perfect`: the defender resists as long as it can, and a win that was given away ends the game."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import games
from games.base import HashArray, IndexArray, StateArray
from rl.arena.players import Stop
from rl.network.agent_file import save_agent
from rl.network.model import Network, NetworkConfig, NetworkShape
from scripts.bench.perfect import EARLY_DEFENCES, Defender, Line, play_against
from scripts.cli import main
from scripts.solvers.connect_four import ConnectFourSolver

GAME = games.make("connect_four")


class Script:
    """Plays the same columns in every game."""

    name = "script"

    def __init__(self, columns: Sequence[int]) -> None:
        self._columns = iter(columns)

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        return np.full(len(states), next(self._columns), np.int64)


def test_a_lost_position_is_defended_as_long_as_it_can_be() -> None:
    defender = Defender(ConnectFourSolver(4, 4, 10_007), {})
    assert defender.defences((1, 1, 2)) == (), "not lost: nobody can win 4x4"
    defender = Defender(ConnectFourSolver(6, 4, 10_007), {})
    # . . . . . .  O to move. X stands three high in the fifth column: anything but the stone on top of them loses at
    # . . . . X O  once, and that loses four plies later.
    # O . . . X X
    # O X . . X O
    assert defender.defences((4, 5, 5, 0, 4, 0, 4, 5, 1)) == (4,)


def test_early_answers_come_from_the_table_alone() -> None:
    class NoSolver(ConnectFourSolver):
        def best_columns(self, moves: Sequence[int]) -> tuple[object, tuple[int, ...]]:  # type: ignore[override]
            raise AssertionError("not to be asked")

    defender = Defender(NoSolver(7, 6, 7), EARLY_DEFENCES)
    assert defender.defences((3,)) == (3,) and defender.defences((2,)) == ()
    assert defender.defences((3, 3, 3, 3, 3)) == tuple(range(7)) and defender.defences((3, 3, 3, 3, 2)) == ()


def test_a_game_ends_when_it_is_won_or_the_win_is_given_away() -> None:
    class Fixed(Defender):
        def __init__(self, answers: dict[Line, Line]) -> None:
            self._answers = answers

        def defences(self, line: Line) -> Line:
            return self._answers.get(line, ())

    always = Fixed({(0,): (5,), (0, 5, 0): (6,), (0, 5, 0, 6, 0): (5, 6)})
    played = play_against(GAME, Script([0, 0, 0, 0]), always, 200, 1)
    assert all(game.won and len(game.line) == 7 for game in played)
    last = Counter(game.line[5] for game in played)
    assert set(last) == {5, 6} and abs(last[5] - 100) < 40, "drawn uniformly"
    assert play_against(GAME, Script([0, 0, 0, 0]), always, 200, 1) == played
    given_away = play_against(GAME, Script([0, 3]), always, 3, 1)
    assert all(not game.won and game.line == (0, 5, 3) for game in given_away)


def test_an_agent_that_knows_nothing_is_told_where_it_gave_the_win_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.safetensors"
    save_agent(path, Network(NetworkShape.of(GAME), NetworkConfig(blocks=1, channels=8)), GAME, {})
    assert main(["bench", "perfect", "--agent", str(path), "--simulations", "1", "--games", "6", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (figure,) = report["figures"]
    assert figure["median"] == 0 and figure["goal"] == 6 and not figure["met"]
    assert any("given away: 6 at ply" in note for note in report["notes"])


@pytest.mark.long
@pytest.mark.compiled_only
def test_the_early_table_is_what_the_solver_says() -> None:
    """From the last position backwards, so that the first ones find much of their trees known. Takes some minutes."""
    solver = ConnectFourSolver(7, 6, (1 << 25) + 35)
    for line in sorted(EARLY_DEFENCES, key=len, reverse=True):
        assert solver.best_columns(line) == (solver.best_columns(line)[0], EARLY_DEFENCES[line]), line
        result, columns = solver.best_columns(line[:-1])
        assert result.outcome == 1 and columns == (3,), "the centre alone wins"
