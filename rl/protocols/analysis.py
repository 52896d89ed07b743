"""The analysis engine: lines of JSON in, lines of JSON out, in the protocol of KataGo's analysis engine.

A thread reads and checks lines as they come, so bad ones and orders are answered at once; the calling thread searches
positions, many at a time, so that they share network batches. Answers come in any order and are matched by `id` and
`turnNumber`; each analysed position gets exactly one.

    {"id": "a", "moves": ["4", "4"], "maxVisits": 100}
    {"id": "a", "turnNumber": 2, "isDuringSearch": false, "moveInfos": [...], "rootInfo": {...}}

`winrate` is from 0 to 1 and counts a draw as half; `utility` is the search's own value, from -1 to 1 in board games.
Both are for the side to move at the analysed turn, also those of its moves.
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
from rl.protocols.analysis_query import Limits, Order, Query, QueryError, parse_line
from rl.protocols.moves import COLOURS, Position
from rl.search.driver import Search, SearchConfig, SearchResult
from rl.search.evaluation import Evaluator
from rl.search.tree import node_dtype

_SMALLEST_TREE = 256
_MOST_VISITS = 10_000_000


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
    """Serves queries about one game with one evaluator."""

    def __init__(
        self, game: Game, evaluator: Evaluator, names: EngineNames, config: EngineConfig | None = None
    ) -> None:
        """Raises UserError on a game whose values have no bounds: it has no winrate."""
        if game.value_bounds is None:
            raise UserError(f"{game.name} cannot be analysed: its values have no bounds, so there is no winrate")
        self._game = game
        self._evaluator = evaluator
        self._names = names
        self._config = config or EngineConfig()
        self._num_nodes = max(1, self._config.memory * 2**20 // node_dtype(game).itemsize)
        self._limits = Limits(self._config.visits, min(_MOST_VISITS, max(_SMALLEST_TREE, self._num_nodes)))
        self._search: Search | None = None
        self._search_size = 0
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
            asked, warnings = parse_line(self._game, line, self._limits)
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
                self._send(self._describe_end(task))
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
            added = {"models": [{**model, "maxBatchSize": self._evaluator.batch_size, "version": self._names.version}]}
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
            self._send({**_head(task), "noResults": True})

    def _send(self, answer: dict[str, Any]) -> None:
        line = json.dumps(answer)
        with self._write_lock:
            self._write(line)

    # --- the searching thread ---------------------------------------------------------------------------------------

    def _next_group(self) -> list[_Task]:
        """The first waiting task and others of as many visits, as fit into one search; none when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._failure is not None or not self._waiting:
                return []
            group: list[_Task] = []
            others: list[tuple[int, int, _Task]] = []
            max_visits = self._waiting[0][2].query.max_visits
            num_trees = self._num_trees(max_visits)
            while self._waiting and len(group) < num_trees:
                entry = heapq.heappop(self._waiting)
                if entry[2].query.max_visits == max_visits:
                    group.append(entry[2])
                else:
                    others.append(entry)
            for entry in others:
                heapq.heappush(self._waiting, entry)
            self._running = group
            return group

    def _num_trees(self, max_visits: int) -> int:
        by_batch = max(1, self._evaluator.batch_size // self._config.leaves_per_tree)
        return max(1, min(self._config.trees, by_batch, self._num_nodes // _tree_size(max_visits)))

    def _search_for(self, max_visits: int) -> Search:
        """The search to use, made anew where the trees of the last one are of another size."""
        size = min(_tree_size(max_visits), self._limits.max_visits)
        with self._changed:
            if self._search is None or self._search_size != size:
                self._search_size = size
                self._search = Search(
                    self._game,
                    self._config.search,
                    self._num_trees(max_visits),
                    size,
                    leaves_per_tree=self._config.leaves_per_tree,
                    cache_entries=_CACHE_ENTRIES,
                )
            return self._search

    def _analyze(self, group: list[_Task]) -> None:
        """Search the positions of a group together and answer each, a terminated one at once with what it has."""
        query = group[0].query
        search = self._search_for(query.max_visits)
        states = np.array([task.position.state for task in group], self._game.state_dtype)
        histories = [task.position.history for task in group]
        open_rows = dict(enumerate(group))

        def interrupted() -> bool:
            return self._failure is not None or any(task.terminated for task in open_rows.values())

        result = search.run(self._evaluator, states, query.max_visits, histories=histories, stop=interrupted)
        while open_rows and self._failure is None:
            ended = {row: task for row, task in open_rows.items() if task.terminated} or dict(open_rows)
            for row, task in ended.items():
                self._send(self._describe(task, search, result, row))
                del open_rows[row]
            if open_rows:
                result = search.continue_run(self._evaluator, query.max_visits, stop=interrupted)

    # --- answers ----------------------------------------------------------------------------------------------------

    def _describe(self, task: _Task, search: Search, result: SearchResult, row: int) -> dict[str, Any]:
        num_slots = int(result.num_slots[row])
        if num_slots == 0:
            return {**_head(task), "noResults": True}
        root_value = float(result.root_values[row])
        visited = [slot for slot in range(num_slots) if result.visit_counts[row, slot] > 0]
        order = sorted(visited or range(num_slots), key=lambda slot: _rank(result, row, slot), reverse=True)
        answer = {
            **_head(task),
            "moveInfos": [self._describe_move(search, result, row, slot, place) for place, slot in enumerate(order)],
            "rootInfo": self._describe_root(task, root_value, 1 + int(result.visit_counts[row, :num_slots].sum())),
        }
        if task.query.include_policy:
            policy = np.full(self._game.num_actions, -1.0)
            policy[result.actions[row, :num_slots]] = result.priors[row, :num_slots]
            answer["policy"] = policy.tolist()
        return answer

    def _describe_move(self, search: Search, result: SearchResult, row: int, slot: int, place: int) -> dict[str, Any]:
        action = int(result.actions[row, slot])
        visits = int(result.visit_counts[row, slot])
        value = float(result.values[row, slot]) if visits > 0 else float(result.root_values[row])
        line = search.principal_variation(row, action) if visits > 0 else [action]
        return {
            "move": self._game.action_to_text(action),
            "visits": visits,
            "winrate": self._winrate(value),
            "prior": float(result.priors[row, slot]),
            "utility": value,
            "order": place,
            "pv": [self._game.action_to_text(step) for step in line],
        }

    def _describe_end(self, task: _Task) -> dict[str, Any]:
        """A finished game: no moves, no visits, and the result for the side that would be to move."""
        assert task.position.returns is not None
        value = task.position.returns[int(task.position.state["to_play"])]
        answer = {**_head(task), "moveInfos": [], "rootInfo": self._describe_root(task, value, 0)}
        if task.query.include_policy:
            answer["policy"] = [-1.0] * self._game.num_actions
        return answer

    def _describe_root(self, task: _Task, value: float, visits: int) -> dict[str, Any]:
        player = COLOURS[int(task.position.state["to_play"])]
        return {"winrate": self._winrate(value), "utility": value, "visits": visits, "currentPlayer": player}

    def _winrate(self, value: float) -> float:
        assert self._game.value_bounds is not None
        low, high = self._game.value_bounds
        return min(max((value - low) / (high - low), 0.0), 1.0)


_CACHE_ENTRIES = 1 << 16


def _tree_size(max_visits: int) -> int:
    """Nodes of a tree: the next power of two, so that queries of like visits use the same memory."""
    return max(_SMALLEST_TREE, 1 << (max_visits - 1).bit_length())


def _head(task: _Task) -> dict[str, Any]:
    return {"id": task.query.query_id, "turnNumber": task.turn, "isDuringSearch": False}


def _rank(result: SearchResult, row: int, slot: int) -> tuple[bool, int, float, float]:
    """What orders moves: the one to play first, then visits, then value, then prior."""
    best = bool(result.actions[row, slot] == result.best_actions[row])
    value = float(np.nan_to_num(result.values[row, slot], nan=-np.inf))
    return best, int(result.visit_counts[row, slot]), value, float(result.priors[row, slot])
