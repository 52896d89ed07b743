"""A game between a person and the agent, spoken in lines: moves and commands in, boards and remarks out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from games.base import Game, State
from rl.protocols.moves import COLOURS, BadRequest
from rl.protocols.sgf import SgfInfo, actions_to_sgf
from scripts.terminal.board import draw, mark
from scripts.terminal.console import Console
from scripts.terminal.thinking import LEVELS, Budget, Situation, Strength, Thinker, Thought, choose, ranked

_HELP = """\
A move       {example}
hint         what the agent would play in your place
undo         take back your last move and the answer to it
swap         change sides: the agent goes on with yours
level [N]    tell or set how strong the agent is, 1 to {levels}
resign       give the game up
save FILE    write the game as an SGF record
new          begin another game
help         this list
quit         stop playing"""
_MOST_LISTED = 24
_ALIASES = {"?": "help", "h": "help", "u": "undo", "q": "quit", "exit": "quit"}


class Ply(NamedTuple):
    """A position of the game and how it came about."""

    state: State
    action: int | None
    """The action that led here; None at the start."""
    reward: float
    """Of that action, for the player who chose it."""
    terminated: bool
    value: float | None = None
    """The search's value of the position before, for the player who moved; None where nobody searched."""


class Dialogue:
    """Plays games until the person has enough."""

    def __init__(
        self,
        game: Game,
        console: Console,
        thinker: Callable[[], Thinker],
        strength: Strength,
        first: Callable[[], int],
        generator: np.random.Generator,
    ) -> None:
        """`thinker` is asked when the agent first has to think, and may take its time; `first` says for each game which
        player the person is."""
        self._game, self._console = game, console
        self._get_thinker = thinker
        self._strength, self._first, self._generator = strength, first, generator
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "help": self._help,
            "hint": self._hint,
            "undo": self._undo,
            "swap": self._swap,
            "level": self._level,
            "resign": self._resign,
            "save": self._save,
            "new": self._begin,
            "quit": self._quit,
        }
        self._begun = self._done = False
        self._begin([])

    def play(self) -> None:
        """Play until `quit`, the end of the input, or, where no person asks for more, the end of a game."""
        while not self._done:
            if self._over():
                self._console.say(self._result())
                self._after_the_end()
            elif self._to_play() == self._human:
                self._human_turn()
            else:
                self._agent_turn()

    # --- the game ---------------------------------------------------------------------------------------------------

    def _begin(self, words: list[str]) -> None:
        self._human = self._first()
        self._plies = [Ply(self._game.new_state(), None, 0.0, False)]
        self._resigned = False
        self._introduce()

    def _introduce(self) -> None:
        style = self._console.style
        order = ("first", "second")[self._human]
        self._console.say(f"{self._game.name}: you are {mark(self._human, style)} and move {order}.")
        agent = mark(1 - self._human, style)
        self._console.say(f"The agent is {agent}, level {self._strength.level} of {len(LEVELS)}.")
        if style.interactive and not self._begun:
            self._console.say("A move in the game's notation, or help, hint, undo, swap, level, resign, new, quit.")
        self._begun = True
        self._show()

    def _to_play(self) -> int:
        return int(self._plies[-1].state["to_play"])

    def _over(self) -> bool:
        return self._resigned or self._plies[-1].terminated

    def _situation(self) -> Situation:
        states = [ply.state for ply in self._plies[:-1]] if self._game.uses_history else []
        with np.errstate(over="ignore"):  # hashes wrap around
            history = np.array([self._game.history_hash(state) for state in states], np.uint64)
        moves = tuple(ply.action for ply in self._plies if ply.action is not None)
        return Situation(self._plies[-1].state, history, moves)

    def _legal(self) -> list[int]:
        mask = np.zeros(self._game.num_actions, np.bool_)
        situation = self._situation()
        self._game.legal_actions(situation.state, situation.history, mask)
        return [int(action) for action in mask.nonzero()[0]]

    def _move(self, action: int, value: float | None = None) -> None:
        situation = self._situation()
        state = situation.state.copy()
        reward, terminated = self._game.step(state, action, situation.history)
        self._plies.append(Ply(state, action, float(reward), bool(terminated), value))

    def _show(self) -> None:
        before = self._plies[-2].state if len(self._plies) > 1 else None
        self._console.show("\n" + draw(self._game, self._plies[-1].state, self._console.style, before) + "\n")

    def _result(self) -> str:
        if self._resigned:
            return "You resign: the agent wins."
        last = self._plies[-1]
        mover = int(self._plies[-2].state["to_play"])
        if last.reward == 0.0:
            return "The game is over: a draw."
        winner = mover if last.reward > 0.0 else 1 - mover
        return "The game is over: you win!" if winner == self._human else "The game is over: the agent wins."

    # --- turns ------------------------------------------------------------------------------------------------------

    def _human_turn(self) -> None:
        line = self._console.ask("Your move: ")
        if line is None:
            self._done = True
            return
        words = line.split()
        if not words:
            return
        name = _ALIASES.get(words[0].lower(), words[0].lower())
        if name in self._commands:
            self._commands[name](words[1:])
            return
        action = self._parse_move(" ".join(words))
        if action is not None:
            self._move(action)
            if self._over():
                self._show()

    def _parse_move(self, text: str) -> int | None:
        """The legal action that a line names, or None after one line that says what is wrong with it."""
        legal = self._legal()
        complaint = ""
        for spelling in (text, text.lower(), text.upper()):
            try:
                action = self._game.text_to_action(spelling)
            except ValueError as error:
                complaint = complaint or str(error)
                continue
            if action in legal:
                return action
            listed = f": {' '.join(map(self._game.action_to_text, legal))} are" if len(legal) <= _MOST_LISTED else ""
            self._console.say(f"{spelling} is not legal now{listed}.")
            return None
        self._console.say(f"{complaint} (help lists the commands)")
        return None

    def _agent_turn(self) -> None:
        thought = self._think(self._strength.thinking)
        action = choose(self._game, thought, self._strength.settings, self._generator)
        self._move(action, thought.value)
        self._show()
        estimate, thinking = self._estimate("It expects", thought), self._thinking(thought)
        self._console.say(f"The agent plays {self._game.action_to_text(action)}. {estimate}; {thinking}.")

    def _think(self, budget: Budget) -> Thought:
        self._console.passing("The agent is thinking ...")
        thought = self._get_thinker().think(self._situation(), budget)
        self._console.passing("")
        return thought

    def _estimate(self, who_expects: str, thought: Thought) -> str:
        """The value of a position in words, for the player to move."""
        if thought.plies_to_end:
            moves = (abs(thought.plies_to_end) + 1) // 2
            outcome = "win" if thought.plies_to_end > 0 else "lose"
            return f"{who_expects} to {outcome} in {moves} move{'s' * (moves != 1)}"
        return f"{who_expects} to win {_percent(thought.value)}"

    def _thinking(self, thought: Thought) -> str:
        line = " ".join(self._game.action_to_text(action) for action in thought.line)
        return f"{thought.visits} visit{'s' * (thought.visits != 1)}, best line {line}"

    # --- commands ---------------------------------------------------------------------------------------------------

    def _help(self, words: list[str]) -> None:
        example = " ".join(map(self._game.action_to_text, self._legal()[:8])) if not self._over() else ""
        self._console.say(_HELP.format(example=f"such as {example}", levels=len(LEVELS)))

    def _hint(self, words: list[str]) -> None:
        thought = self._think(replace(LEVELS[-1].budget, seconds=self._hint_seconds()))
        self._console.say(f"{self._estimate('With best play you expect', thought)}; {self._thinking(thought)}.")
        for index in ranked(thought)[:3]:
            move = self._game.action_to_text(int(thought.actions[index]))
            visits = int(thought.visit_counts[index])
            self._console.say(f"  {move}: wins {_percent(float(thought.values[index]))}, {visits} visits")

    def _hint_seconds(self) -> float | None:
        return self._strength.budget.seconds if self._strength.budget is not None else None

    def _undo(self, words: list[str]) -> None:
        if self._resigned:
            self._resigned = False
        else:
            own = [index for index, ply in enumerate(self._plies[:-1]) if int(ply.state["to_play"]) == self._human]
            if not own:
                self._console.say("You have not moved yet: nothing to take back.")
                return
            del self._plies[own[-1] + 1 :]
        self._show()

    def _swap(self, words: list[str]) -> None:
        self._human = 1 - self._human
        self._console.say(f"You are {mark(self._human, self._console.style)} now.")

    def _level(self, words: list[str]) -> None:
        if words:
            if not (words[0].isascii() and words[0].isdigit() and 1 <= int(words[0]) <= len(LEVELS)):
                self._console.say(f"{words[0]!r} is no level: levels are 1 to {len(LEVELS)}.")
                return
            self._strength = Strength(int(words[0]))
        settings = self._strength.settings
        budget = self._strength.thinking
        length = f"{budget.seconds:g} s" if budget.seconds is not None else f"{budget.simulations} visits"
        slips = f", {round(100 * settings.slips)} % of its moves are slips" if settings.slips else ""
        self._console.say(f"Level {self._strength.level} of {len(LEVELS)}: {length} a move{slips}.")

    def _resign(self, words: list[str]) -> None:
        self._resigned = True

    def _save(self, words: list[str]) -> None:
        if len(words) != 1:
            self._console.say("save takes the name of a file: save game.sgf")
            return
        names = ["Keima", "Keima"]
        names[self._human] = "human"
        result = f"{COLOURS[1 - self._human]}+R" if self._resigned else None
        played = self._plies[1:]
        actions = [ply.action for ply in played if ply.action is not None]
        try:
            info = SgfInfo(names[0], names[1], result)
            text = actions_to_sgf(self._game, actions, [ply.value for ply in played], info)
            with open(words[0], "x", encoding="utf-8") as file:
                file.write(text)
        except BadRequest as error:
            self._console.say(f"{error}.")
        except FileExistsError:
            self._console.say(f"There is a file {words[0]} already: it stays as it is.")
        except OSError as error:
            self._console.say(f"{words[0]}: {error.strerror}.")
        else:
            self._console.say(f"The game is in {words[0]}.")

    def _quit(self, words: list[str]) -> None:
        self._done = True

    def _after_the_end(self) -> None:
        """Ask for another game; under a pipe only `new`, `undo` and `save` go on, anything else ends."""
        while not self._done:
            line = self._console.ask("Another game? (yes, no, undo, save FILE) ")
            answer = (line or "").strip().lower()
            if answer in ("new", "y", "yes"):
                self._begin([])
            elif answer in ("undo", "u"):
                self._undo([])
            elif answer.startswith("save"):
                self._save((line or "").split()[1:])
                continue
            elif line is None or not self._console.style.interactive or answer in ("", "n", "no", "q", "quit", "exit"):
                self._done = True
            else:
                continue
            return


def _percent(value: float) -> str:
    """A value from -1 to 1 as a share of games won, a draw counting as half."""
    return f"{50 * (1 + value):.0f} %"
