"""The analysis engine: lines of JSON in, lines of JSON out, in the protocol of KataGo's analysis engine.

A thread reads and checks lines as they come, so bad ones and orders are answered at once; the calling thread searches
positions, many at a time, so that they share network batches. Answers come in any order and are matched by `id` and
`turnNumber`; each analysed position gets exactly one.

    {"id": "a", "moves": ["4", "4"], "maxVisits": 100}
    {"id": "a", "turnNumber": 2, "isDuringSearch": false, "moveInfos": [...], "rootInfo": {...}}

`winrate` is from 0 to 1 and counts a draw as half; `utility` is the search's own value, from -1 to 1 in board games.
Both are for the side to move at the analysed turn, also those of its moves; so are `scoreLead` and `ownership`, which
games that are scored have.
"""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from games.base import Game
from rl.errors import UserError
from rl.protocols.analysis.answers import describe, describe_end, no_results
from rl.protocols.analysis.boards import SMALLEST_TREE, Board, Boards, Variants
from rl.protocols.analysis.fields import QueryError
from rl.protocols.analysis.query import Order, Query, parse_line
from rl.protocols.moves import Position
from rl.search.driver import Search, SearchConfig
from rl.search.evaluation import Evaluator, score_reader


class EngineNames(NamedTuple):
    """What `query_version` and `query_models` tell."""

    version: str
    """Keima's."""
    model: str
    """The agent's."""


@dataclass(frozen=True)
class EngineConfig:
    """How an engine searches."""

    search: SearchConfig = field(default_factory=lambda: SearchConfig(root="puct"))
    """Settings of the tree search."""
    visits: int = 500
    """Visits of a position when a query has no maxVisits."""
    leaves_per_tree: int = 1
    """Positions of one tree evaluated at a time. More are faster for a lone, long query, and a little weaker."""
    trees: int = 64
    """The most positions searched at a time."""
    memory: int = 1024
    """Memory for trees in MiB; bounds maxVisits and how many positions are searched at a time."""


@dataclass(eq=False)
class _Task:
    """One position that waits for its answer."""

    query: Query
    turn: int
    terminated: bool = False
    """A `terminate` reached it during its search."""

    @property
    def position(self) -> Position:
        return self.query.positions[self.turn]


class AnalysisEngine:
    """Serves queries about one game, or about its other sizes and rules too."""

    def __init__(
        self,
        game: Game,
        evaluator: Evaluator,
        names: EngineNames,
        config: EngineConfig | None = None,
        variants: Variants | None = None,
    ) -> None:
        """Queries that tell no size are about `game`; others need `variants`. Raises UserError on a game whose values
        have no bounds: it has no winrate."""
        self._batch_size = evaluator.batch_size
        self._names = names
        self._config = config or EngineConfig()
        self._boards = Boards(game, evaluator, self._config.visits, self._config.memory, variants)
        self._search: Search | None = None
        self._searched: tuple[Board, int] | None = None
        """The board and the size of trees that `_search` was made for. One search at a time: trees are large."""
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int, _Task]] = []
        """Heap by priority and order of arrival."""
        self._running: list[_Task] = []
        self._num_tasks = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._write_lock = threading.Lock()
        self._write: Callable[[str], None] = lambda line: None

    def serve(self, lines: Iterable[str], write: Callable[[str], None]) -> None:
        """Answer every line until they end and all their answers are written; `write` takes a line without its end.

        `lines` is read in a thread, which outlives this call only when `write` raised; the error is raised here.
        """
        self._write = write
        self._ended = False
        threading.Thread(target=self._read, args=(lines,), name="analysis-reader", daemon=True).start()
        while group := self._next_group():
            self._analyze(group)
        if self._failure is not None:
            raise self._failure

    # --- the reader's thread ----------------------------------------------------------------------------------------

    def _read(self, lines: Iterable[str]) -> None:
        try:
            for line in lines:
                if line.strip():
                    self._take(line)
        except BaseException as error:
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _take(self, line: str) -> None:
        try:
            asked, warnings = parse_line(self._boards, line)
        except QueryError as error:
            self._send(error.answer())
            return
        for warning in warnings:
            self._send(warning)
        if isinstance(asked, Order):
            self._obey(asked)
        else:
            self._enqueue(asked)

    def _enqueue(self, query: Query) -> None:
        for turn, position in query.positions.items():
            task = _Task(query, turn)
            if position.terminated:
                self._send(describe_end(query, turn))
                continue
            with self._changed:
                heapq.heappush(self._waiting, (-query.priorities[turn], self._num_tasks, task))
                self._num_tasks += 1
                self._changed.notify()

    def _obey(self, order: Order) -> None:
        added: dict[str, Any] = {}
        if order.action == "query_version":
            added = {"version": self._names.version, "git_hash": "<omitted>"}
        elif order.action == "query_models":
            model = {"name": self._names.model, "internalName": self._names.model}
            added = {"models": [{**model, "maxBatchSize": self._batch_size, "version": self._names.version}]}
        elif order.action == "clear_cache":
            with self._changed:
                self._search = None  # a search that runs keeps the old cache to itself, and drops it
        else:
            self._terminate(order)
        self._send({**order.fields, **added})

    def _terminate(self, order: Order) -> None:
        def meant(task: _Task) -> bool:
            named = order.terminate_id is None or task.query.query_id == order.terminate_id
            return named and (order.turns is None or task.turn in order.turns)

        with self._changed:
            dropped = [entry for entry in self._waiting if meant(entry[2])]
            self._waiting = [entry for entry in self._waiting if not meant(entry[2])]
            heapq.heapify(self._waiting)
            for task in self._running:
                task.terminated = task.terminated or meant(task)
        for _, _, task in sorted(dropped, key=lambda entry: entry[:2]):
            self._send(no_results(task.query, task.turn))

    def _send(self, answer: dict[str, Any]) -> None:
        line = json.dumps(answer)
        with self._write_lock:
            self._write(line)

    # --- the searching thread ---------------------------------------------------------------------------------------

    def _next_group(self) -> list[_Task]:
        """The first waiting task and others of its board and visits, as fit into one search; none when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._failure is not None or not self._waiting:
                return []
            group: list[_Task] = []
            others: list[tuple[int, int, _Task]] = []
            first = self._waiting[0][2].query
            num_trees = self._num_trees(first.board, first.max_visits)
            while self._waiting and len(group) < num_trees:
                entry = heapq.heappop(self._waiting)
                query = entry[2].query
                if query.board is first.board and query.max_visits == first.max_visits:
                    group.append(entry[2])
                else:
                    others.append(entry)
            for entry in others:
                heapq.heappush(self._waiting, entry)
            self._running = group
            return group

    def _num_trees(self, board: Board, max_visits: int) -> int:
        by_batch = max(1, self._batch_size // self._config.leaves_per_tree)
        return max(1, min(self._config.trees, by_batch, board.num_nodes // _tree_size(max_visits)))

    def _search_for(self, board: Board, max_visits: int) -> Search:
        """The search to use, made anew where the last one was on another board or its trees are of another size."""
        size = min(_tree_size(max_visits), board.limits.max_visits)
        with self._changed:
            if self._search is None or self._searched != (board, size):
                self._searched = (board, size)
                self._search = None  # its memory goes before the next one's comes
                self._search = Search(
                    board.game,
                    self._config.search,
                    self._num_trees(board, max_visits),
                    size,
                    leaves_per_tree=self._config.leaves_per_tree,
                    cache_entries=_CACHE_ENTRIES,
                )
            return self._search

    def _analyze(self, group: list[_Task]) -> None:
        """Search the positions of a group together and answer each, a terminated one at once with what it has."""
        query = group[0].query
        try:
            evaluator = self._boards.evaluator(query.board)
        except UserError as error:
            for task in group:
                self._send(QueryError(str(error), "boardXSize", task.query.query_id).answer())
            return
        search = self._search_for(query.board, query.max_visits)
        states = np.array([task.position.state for task in group], query.board.game.state_dtype)
        histories = [task.position.history for task in group]
        open_rows = dict(enumerate(group))

        def interrupted() -> bool:
            return self._failure is not None or any(task.terminated for task in open_rows.values())

        result = search.run(evaluator, states, query.max_visits, histories=histories, stop=interrupted)
        while open_rows and self._failure is None:
            ended = {row: task for row, task in open_rows.items() if task.terminated} or dict(open_rows)
            for row, task in ended.items():
                self._send(describe(task.query, task.turn, search, result, row, score_reader(evaluator)))
                del open_rows[row]
            if open_rows:
                result = search.continue_run(evaluator, query.max_visits, stop=interrupted)


_CACHE_ENTRIES = 1 << 16


def _tree_size(max_visits: int) -> int:
    """Nodes of a tree: the next power of two, so that queries of like visits use the same memory."""
    return max(SMALLEST_TREE, 1 << (max_visits - 1).bit_length())
