"""Make the solved Connect Four positions that agents are measured against: games/board/data/connect_four_truth.txt.

The outcomes come from an outside solver, BitBully (`bitbully` on PyPI, AGPL-3.0), which is no dependency
of this project. Give it an environment of its own, from the repository's root:

    python -m venv solver
    solver/bin/pip install bitbully==0.0.79
    solver/bin/python scripts/solve_connect_four.py > games/board/data/connect_four_truth.txt

The same seed gives the same file. tests/test_truth.py solves positions of it again with a solver of its own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

WIDTH, HEIGHT = 7, 6
NUM_PLIES = 36
EPSILONS = (1.0, 0.75, 0.5, 0.25)
"""How often a move of the game that leads to a position is uniformly random instead of perfect; one of these a game."""
STRIDE = 3
"""Plies between two positions taken from one game."""
PATIENCE = 300
"""Games in a row that give nothing new, before the plies still lacking are taken to hold no more positions."""


Position = frozenset[tuple[tuple[int, int], int]]
"""Who has a stone where: ((column, row), player), from the lower left corner."""


class Line(NamedTuple):
    """One line of the file."""

    moves: tuple[int, ...]
    outcomes: str
    """One letter a column, for the player to move: W win, D draw, L loss, - full."""
    kept_by_random: float
    """The probability that a uniformly random move keeps the best outcome."""
    kept_by_tactics: float
    """The same of a player who wins at once, else blocks a win at once, else moves at random."""


def load_solver() -> tuple[Any, Any]:
    """BitBully's solver with its 12-ply opening book, and its board class."""
    try:
        from bitbully import BitBully, Board  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        print("solve_connect_four: needs bitbully in an environment of its own: see the file's top", file=sys.stderr)
        raise SystemExit(2) from None
    return BitBully("12-ply-dist"), Board


class Oracle:
    """The solver's scores of the columns: above 0 a win, below a loss; a quick win is more and a slow loss is more."""

    def __init__(self) -> None:
        self._solver, self._board_class = load_solver()
        self._known: dict[int, dict[int, int]] = {}

    def new_board(self) -> Any:
        return self._board_class()

    def scores(self, board: Any) -> dict[int, int]:
        """The score of each legal column."""
        key = board.uid()
        if key not in self._known:
            self._known[key] = dict(self._solver.score_all_moves(board))
        return self._known[key]


def winning_columns(cells: dict[tuple[int, int], int], player: int) -> set[int]:
    """The columns where a stone of `player` would make four now; `cells` maps (column, row) to the player there."""
    found = set()
    for column in range(WIDTH):
        row = sum((column, row) in cells for row in range(HEIGHT))
        if row == HEIGHT:
            continue
        for right, up in ((1, 0), (0, 1), (1, 1), (1, -1)):
            run = 1
            for sign in (1, -1):
                distance = 1
                while cells.get((column + sign * distance * right, row + sign * distance * up)) == player:
                    run, distance = run + 1, distance + 1
            if run >= 4:
                found.add(column)
    return found


def cells_of(moves: tuple[int, ...]) -> dict[tuple[int, int], int]:
    cells: dict[tuple[int, int], int] = {}
    for ply, column in enumerate(moves):
        cells[column, sum((column, row) in cells for row in range(HEIGHT))] = ply % 2
    return cells


def noisy_game(oracle: Oracle, num_plies: int, epsilon: float, random: Random) -> tuple[int, ...]:
    """The moves of a game up to this length, without the one that ends it."""
    board = oracle.new_board()
    moves: list[int] = []
    while len(moves) < num_plies:
        columns = board.legal_moves()
        if random.random() >= epsilon:
            scores = oracle.scores(board)
            columns = [column for column in columns if scores[column] == max(scores.values())]
        column = random.choice(sorted(columns))
        board.play(column)
        if board.is_game_over():
            break
        moves.append(column)
    return tuple(moves)


def solved_line(oracle: Oracle, moves: tuple[int, ...]) -> Line:
    board = oracle.new_board()
    for column in moves:
        board.play(column)
    outcomes = {column: "DWL"[(score > 0) - (score < 0)] for column, score in oracle.scores(board).items()}
    best = min(outcomes.values(), key="WDL".index)
    kept = {column for column, outcome in outcomes.items() if outcome == best}
    cells, player = cells_of(moves), len(moves) % 2
    forced = winning_columns(cells, player) or winning_columns(cells, 1 - player) or set(outcomes)
    text = "".join(outcomes.get(column, "-") for column in range(WIDTH))
    return Line(moves, text, len(kept) / len(outcomes), len(kept & forced) / len(forced))


def both_sides(moves: tuple[int, ...]) -> set[Position]:
    """The position after these moves, and its mirror image."""
    cells = cells_of(moves)
    mirrored = {(WIDTH - 1 - column, row): player for (column, row), player in cells.items()}
    return {frozenset(cells.items()), frozenset(mirrored.items())}


def positions_of(path: Path) -> set[Position]:
    """The positions of a file that this script made, and their mirror images."""
    lines = [line for line in path.read_text("ascii").splitlines() if not line.startswith("#")]
    games = [tuple(int(column) - 1 for column in line.split()[0].replace(".", "")) for line in lines]
    return set().union(*map(both_sides, games))


def draw_lines(oracle: Oracle, per_ply: int, random: Random, others: set[Position]) -> list[Line]:
    """Up to `per_ply` lines a ply, distinct up to mirroring and none of `others`, whose columns differ in outcome."""
    lines: list[list[Line]] = [[] for _ in range(NUM_PLIES)]
    seen = set(others)
    fruitless = 0
    while fruitless < PATIENCE:
        open_plies = [ply for ply in range(random.randrange(STRIDE), NUM_PLIES, STRIDE) if len(lines[ply]) < per_ply]
        fruitless += 1
        if not open_plies:
            continue
        moves = noisy_game(oracle, open_plies[-1], random.choice(EPSILONS), random)
        for ply in open_plies:
            if ply > len(moves) or both_sides(moves[:ply]) & seen:
                continue
            seen |= both_sides(moves[:ply])
            line = solved_line(oracle, moves[:ply])
            if len(set(line.outcomes) - {"-"}) >= 2:
                lines[ply].append(line)
                fruitless = 0
    return [line for of_ply in lines for line in of_ply]


def main() -> None:
    parser = argparse.ArgumentParser(description="Print solved Connect Four positions whose moves differ in outcome.")
    parser.add_argument("--per-ply", type=int, default=28, help="positions a ply, as far as there are as many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--exclude", type=Path, help="a file of this script's, none of whose positions to give again")
    options = parser.parse_args()
    others = positions_of(options.exclude) if options.exclude else set()
    lines = draw_lines(Oracle(), options.per_ply, Random(options.seed), others)
    by_random = sum(line.kept_by_random for line in lines) / len(lines)
    by_tactics = sum(line.kept_by_tactics for line in lines) / len(lines)
    for header in (
        f"{len(lines)} Connect Four positions (7x6) whose legal moves differ in outcome, distinct up to mirroring.",
        f"Made by scripts/solve_connect_four.py {' '.join(sys.argv[1:])}, bitbully 0.0.79.",
        f"Drawn by noisy play: moves random with probability {', '.join(map(str, EPSILONS))}, else perfect.",
        f"Random play keeps the best outcome in {by_random:.3f} of them,",
        f"one-ply tactics (win at once, else block a win, else random) in {by_tactics:.3f}.",
        "A line: the columns played from the start (1 to 7; . for none), then the outcome of a stone in each column",
        "for the player to move: W win, D draw, L loss, - full.",
    ):
        print("#", header)
    for line in lines:
        print("".join(str(column + 1) for column in line.moves) or ".", line.outcomes)


if __name__ == "__main__":
    main()
