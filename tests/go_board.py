"""Go as slowly and plainly as it can be said, for the tests: a position is a set of stones, a game a list of positions.

After John Tromp's statement of the Tromp-Taylor rules (tromp.github.io/go.html), with the options of `games.board.go`.
"""

from __future__ import annotations

from typing import NamedTuple

Point = tuple[int, int]  # (row, column), row 0 at the top


class Position(NamedTuple):
    """A colouring of the board and whose turn it is."""

    stones: frozenset[tuple[Point, int]]
    to_play: int


class SlowGo:
    """A game in progress. Actions are numbered as in `games.board.go`."""

    def __init__(self, size: int, komi: float, ko: str, suicide: bool) -> None:
        self.size, self.komi, self.ko, self.suicide = size, komi, ko, suicide
        self.past: list[Position] = []
        self.now = Position(frozenset(), 0)
        self.passes = 0
        self.neighbours = {
            (row, column): [
                (row + down, column + right)
                for down, right in ((-1, 0), (0, -1), (0, 1), (1, 0))
                if 0 <= row + down < size and 0 <= column + right < size
            ]
            for row in range(size)
            for column in range(size)
        }
        self._results: dict[int, tuple[Position, int, int]] = {}  # of the position now
        self.lead: float | None = None
        """Player 0's, once the game is over."""

    @property
    def num_moves(self) -> int:
        return len(self.past)

    def region(self, colours: dict[Point, int], start: Point) -> tuple[set[Point], set[int | None]]:
        """The points of one colour (or of none) connected to `start`, and the colours (None: empty) next to them."""
        colour, found, edge, border = colours.get(start), {start}, [start], set()
        while edge:
            for point in self.neighbours[edge.pop()]:
                if colours.get(point) != colour:
                    border.add(colours.get(point))
                elif point not in found:
                    found.add(point)
                    edge.append(point)
        return found, border

    def clear(self, colours: dict[Point, int], player: int) -> int:
        """Remove the stones of `player` that reach no empty point; returns how many."""
        left, num_dead = {point for point, colour in colours.items() if colour == player}, 0
        while left:
            chain, border = self.region(colours, next(iter(left)))
            left -= chain
            if None not in border:
                num_dead += len(chain)
                for point in chain:
                    del colours[point]
        return num_dead

    def result(self, action: int) -> tuple[Position, int, int]:
        """The position after a stone, how many of the other's stones it took, and how many of the mover's own."""
        if action not in self._results:
            player = self.now.to_play
            colours = dict(self.now.stones)
            colours[divmod(action, self.size)] = player
            taken, lost = self.clear(colours, 1 - player), self.clear(colours, player)
            self._results[action] = Position(frozenset(colours.items()), 1 - player), taken, lost
        return self._results[action]

    def is_legal(self, action: int) -> bool:
        if action == self.size**2:
            return True
        if divmod(action, self.size) in dict(self.now.stones):
            return False
        after, _, lost = self.result(action)
        if lost == 1 or (lost > 1 and not self.suicide):
            return False
        if self.ko == "simple":
            return len(self.past) == 0 or after.stones != self.past[-1].stones
        if self.ko == "situational":
            return after not in [*self.past, self.now]
        return after.stones not in [position.stones for position in [*self.past, self.now]]

    def legal(self) -> list[bool]:
        return [self.is_legal(action) for action in range(self.size**2 + 1)]

    def step(self, action: int) -> None:
        if action == self.size**2:
            after, self.passes = Position(self.now.stones, 1 - self.now.to_play), self.passes + 1
        else:
            (after, _, _), self.passes = self.result(action), 0
        self.past.append(self.now)
        self.now = after
        self._results = {}
        if self.passes == 2 or self.num_moves == 4 * self.size**2:
            self.lead = self.score()

    def owners(self) -> list[int]:
        """Of each point, row by row: 1 in player 0's area, -1 in player 1's, 0 in neither's."""
        colours = dict(self.now.stones)
        found = {point: 1 - 2 * colour for point, colour in colours.items()}
        for start in self.neighbours:
            if start not in found:
                empty, border = self.region(colours, start)
                found |= dict.fromkeys(empty, {(0,): 1, (1,): -1}.get(tuple(border), 0))  # type: ignore[arg-type]
        return [found[point] for point in self.neighbours]

    def score(self) -> float:
        return sum(self.owners()) - self.komi

    def liberties(self, point: Point) -> int:
        """Of the chain on a point."""
        colours = dict(self.now.stones)
        chain, _ = self.region(colours, point)
        return len({free for stone in chain for free in self.neighbours[stone] if free not in colours})

    def ko_point(self) -> Point | None:
        """Where the player to move would at once bring the position before the last move back."""
        for action in range(self.size**2) if self.past else ():
            point = divmod(action, self.size)
            if point not in dict(self.now.stones):
                after, _, lost = self.result(action)
                if lost == 0 and after.stones == self.past[-1].stones:
                    return point
        return None
