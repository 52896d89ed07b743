"""The screen at which robots are watched, brought to goals and played against."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from rich.console import RenderableType
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.widget import Widget

from games.simulated import SimulatedGame
from scripts.terminal.app.child import Failure, Ready
from scripts.terminal.app.desk import OTHER_LINES, PANEL, Desk
from scripts.terminal.app.layout import Size
from scripts.terminal.app.palette import Depth
from scripts.terminal.app.pen import Pen
from scripts.terminal.app.robots.commands import COMMANDS
from scripts.terminal.app.robots.messages import Order, Point, Reading, Room, Said, Scene, Seen, Steer
from scripts.terminal.app.robots.panel import robot_panel
from scripts.terminal.app.robots.view import View

_TICK = 0.02
_SLOW = 0.8
"""Below this share of the speed asked for it is told."""
_KEYS: tuple[tuple[str, str, str], ...] = (
    ("question_mark,f1", "help", "Help"),
    ("f2", "new", "New"),
    ("f3", "search", "Search"),
    ("tab", "panel", "Panel"),
    ("ctrl+q", "quit", "Quit"),
)
_STEERING = {
    "right": Steer(0, 1),
    "left": Steer(0, -1),
    "up": Steer(1, 1),
    "down": Steer(1, -1),
    "pageup": Steer(2, 1),
    "pagedown": Steer(2, -1),
}
_SPEEDS = {"plus": "faster", "equals_sign": "faster", "minus": "slower"}


class Link(Protocol):
    """The way to the stage; no method waits."""

    def send(self, message: Order) -> None:
        """Give an order."""
        ...

    def news(self) -> list[Any]:
        """What it has said since the last call, the oldest first."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Cockpit(Desk):
    """A stage, and a person who watches it, steers the goal, or plays."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"run('{word}')", label, priority=True) for key, word, label in _KEYS),
        Binding("ctrl+c", "run('quit')", show=False, priority=True),
    ]

    def __init__(self, game: SimulatedGame, link: Link, depth: Depth, *, with_person: bool = False) -> None:
        super().__init__(depth, COMMANDS, _first_words(game, with_person=with_person))
        self.game, self.link, self.with_person = game, link, with_person
        self.paused, self.factor = False, 1.0
        self.failure = ""
        self.reading: Reading | None = None
        self._scene: Scene | None = None
        self._room: Room | None = None

    # --- the screen -------------------------------------------------------------------------------------------------

    def large(self) -> Widget:
        return View(self.depth)

    def on_mount(self) -> None:
        """Begin to listen to the stage."""
        self.set_interval(_TICK, self.tick)
        self.redraw()

    def tick(self) -> None:
        """Take up what the stage has said."""
        changed = False
        for news in self.link.news():
            match news:
                case Scene():
                    self._scene, self.reading, changed = news, news.reading, True
                    self.link.send(Seen())
                case Said(text):
                    self.say(text)
                case Failure(text):
                    self.failure, changed = text, True
                case Ready():
                    changed = True
        if changed:
            self.redraw()

    def draw_large(self) -> int:
        columns = self.size.width - 2 - (PANEL if self.shows_panel else 0)
        room = Room(Size(max(1, columns), max(1, self.size.height - OTHER_LINES)), self.depth)
        if room != self._room:
            self._room = room
            self.link.send(room)
        view, scene = self.query_one(View), self._scene
        if scene is not None and scene.cells is not None:
            view.show(scene.cells)
            return scene.cells.size.width + 2
        view.show_text([scene.note] if scene is not None else [], room.size.width)
        return room.size.width + 2

    def panel_of(self, pen: Pen) -> RenderableType:
        return robot_panel(self.reading, self.failure, self.game.value_range, with_person=self.with_person, pen=pen)

    def title_words(self) -> str:
        words, reading = f" keima  {self.game.name}", self.reading
        if reading is None or self.failure:
            return words
        if reading.score is not None:
            first, second = reading.score
            words += f"  agent {first} : {second} {'you' if self.with_person else 'the other'}"
        if reading.score is not None and reading.match_over:
            return f"{words}  {'The agent' if first > second else 'You'} won. F2 plays again."
        if reading.paused:
            return f"{words}  paused"
        if reading.over:
            return f"{words}  the episode is over"
        if 0.0 < reading.pace < _SLOW * reading.factor:
            return f"{words}  {reading.pace:.2f} times real time: more is not to be had"
        return words if reading.factor == 1.0 else f"{words}  {reading.factor:g} times real time"

    # --- keys and the mouse -----------------------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        """What is no command: steering, and what is typed."""
        if not self.typed and event.key in _SPEEDS:
            self.carry_out(_SPEEDS[event.key])
        elif event.key in _STEERING:
            self.link.send(_STEERING[event.key])
        elif self.typing(event):
            return
        elif event.key == "space":
            self.carry_out("pause")
        else:
            return
        event.stop()

    def enter(self, line: str) -> None:
        if not line:
            self.carry_out("new" if self.reading is not None and self.reading.match_over else "step")
        elif line.split()[0].lower() in self.commands:
            self.carry_out(line)
        else:
            self.say(f"There is no {line.split()[0]!r}: ? lists what there is.")

    def on_view_pointed(self, message: View.Pointed) -> None:
        """The mouse brings the goal to a place, or what a person plays with."""
        if message.clicked or self.with_person:
            self.link.send(Point(message.x, message.y))


def _first_words(game: SimulatedGame, *, with_person: bool) -> str:
    if with_person:
        return "Arrow keys or the mouse move your mallet; Space stops; ? helps."
    if game.goal_setting is not None:
        return "Arrow keys move the goal; Space stops, Enter makes one step; ? helps."
    return "Space stops, Enter makes one step, + and - change the speed; ? helps."
