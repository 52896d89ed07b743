"""The drawn board and the dialogue of a game, with an agent that plays the first legal move."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from small_games import SMALL_GAMES

import games
from games.base import Game, State
from scripts.terminal.board import draw
from scripts.terminal.console import Console, Style
from scripts.terminal.dialogue import Dialogue
from scripts.terminal.thinking import LEVELS, Budget, Situation, Strength, Thinker, Thought, Watcher

CONNECT_FOUR = games.make("connect_four")
TIC_TAC_TOE = games.make("tic_tac_toe")


def position(game: Game, moves: str) -> State:
    """The position after moves in the game's notation."""
    state = game.new_state()
    for move in moves.split():
        game.step(state, game.text_to_action(move), np.zeros(0, np.uint64))
    return state


class FirstLegal:
    """Thinks that the first legal action is best, and remembers what it was asked."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.asked: list[tuple[tuple[int, ...], Budget]] = []

    def think(self, situation: Situation, budget: Budget, watcher: Watcher | None = None) -> Thought:
        self.asked.append((situation.moves, budget))
        mask = np.zeros(self.game.num_actions, np.bool_)
        self.game.legal_actions(situation.state, situation.history, mask)
        actions = mask.nonzero()[0]
        visits = np.zeros(len(actions), np.int64)
        visits[0] = 9
        values = np.full(len(actions), np.nan, np.float32)
        values[0] = 0.5
        priors = np.full(len(actions), 1 / len(actions), np.float32)
        return Thought(0.5, 10, actions, visits, values, priors, int(actions[0]), (int(actions[0]),), 0)

    def ownership(self, situation: Situation) -> None:
        return None


def converse(
    game: Game,
    lines: str,
    *,
    human: int = 0,
    strength: Strength = Strength(10),  # noqa: B008  # a NamedTuple
    style: Style = Style(),  # noqa: B008  # frozen
    thinker: Thinker | None = None,
) -> str:
    """What is said while a person types `lines`."""
    said = io.StringIO()
    console = Console(io.StringIO(lines.replace(",", "\n")), said, style)
    chosen = thinker or FirstLegal(game)
    Dialogue(game, console, lambda: chosen, strength, lambda: human, np.random.default_rng(0)).play()
    return said.getvalue()


# --- saving ---------------------------------------------------------------------------------------------------------


def test_a_game_is_saved_with_the_win_rates_of_the_agent(tmp_path: Path) -> None:
    file = tmp_path / "game.sgf"
    said = converse(games.make("hex3"), f"b2,save {file},resign,save {file}x", human=0).replace("\n", " ")
    assert f"The game is in {file}." in said and f"The game is in {file}x." in said
    saved = file.read_text()
    assert "GM[11]" in saved and "PB[human]" in saved and "PW[Keima]" in saved and "RE[?]" in saved
    assert "B[b2]" in saved and "C[W 75.0 %]\nW[a1]" in saved
    assert "RE[W+R]" in Path(f"{file}x").read_text()


@pytest.mark.parametrize(
    ("game", "name", "complaint"),
    [
        ("hex3", "", "save takes the name of a file"),
        ("hex3", "there.sgf", "There is a file"),
        ("hex3", "nowhere/game.sgf", "No such file or directory"),
        ("tic_tac_toe", "game.sgf", "SGF has no records of tic_tac_toe"),
    ],
)
def test_what_cannot_be_saved_is_told_and_nothing_is_lost(tmp_path: Path, game: str, name: str, complaint: str) -> None:
    (tmp_path / "there.sgf").write_text("mine")
    said = converse(games.make(game), f"save {tmp_path / name if name else ''},quit")
    assert complaint in said.replace("\n", " ")  # it is wrapped to the width
    assert [path.name for path in tmp_path.iterdir()] == ["there.sgf"]
    assert (tmp_path / "there.sgf").read_text() == "mine"


# --- the board ------------------------------------------------------------------------------------------------------


def test_the_board_marks_the_last_move() -> None:
    before, after = position(CONNECT_FOUR, "4 1"), position(CONNECT_FOUR, "4 1 1")
    assert draw(CONNECT_FOUR, after, Style(), before).split("\n") == [
        " . . . . . . .",
        " . . . . . . .",
        " . . . . . . .",
        " . . . . . . .",
        "[X]. . . . . .",
        " O . . X . . .",
        " 1 2 3 4 5 6 7",
    ]


def test_colours_tell_the_players_apart() -> None:
    state = position(TIC_TAC_TOE, "a1 b2")
    plain = draw(TIC_TAC_TOE, state, Style())
    assert plain.split("\n")[1:] == [" 2 . O .", " 1 X . .", "   a b c"]
    coloured = draw(TIC_TAC_TOE, state, Style(colours=True, discs=True))
    assert "\x1b[1;31m\N{BLACK CIRCLE}\x1b[0m" in coloured and "\x1b[1;33m\N{WHITE CIRCLE}\x1b[0m" in coloured
    assert "X" not in coloured and "O" not in coloured


class Lettered(Game):
    """A board with X and O among its column letters, on which a move turns marks over: text is all that is drawn."""

    def to_text(self, state: State) -> str:
        return str(state["text"])


def test_letters_above_the_columns_are_no_marks_and_marks_turned_over_are_not_the_move() -> None:
    header = "   M N O P"
    before = {"text": f"{header}\n12 . X O .\n   X to move", "to_play": 0}
    after = {"text": f"{header}\n12 . X X X\n   O to move", "to_play": 1}
    drawn = draw(Lettered(), after, Style(), before).split("\n")
    assert drawn == [f" {header}", " 12 . X X[X]", "    O to move"]
    moved = {"text": f"{header}\n12 . . X .\n   O to move", "to_play": 1}
    assert draw(Lettered(), moved, Style(), before).split("\n")[1] == " 12 . .[X]."
    assert "\x1b[1;33m" not in draw(Lettered(), after, Style(colours=True), before).split("\n")[0]


@pytest.mark.parametrize("name", SMALL_GAMES)
def test_every_game_can_be_drawn(name: str) -> None:
    game = games.make(name)
    state = game.new_state()
    rows = draw(game, state, Style()).split("\n")
    assert [row[1:].rstrip() for row in rows] == [row.rstrip() for row in game.to_text(state).split("\n")]


def test_text_is_folded_to_a_narrow_window() -> None:
    said = converse(CONNECT_FOUR, "help,9,level", style=Style(width=24))
    assert max(map(len, said.split("\n"))) <= 24


# --- the dialogue ---------------------------------------------------------------------------------------------------


def test_a_game_under_a_pipe_ends_with_its_result() -> None:
    said = converse(CONNECT_FOUR, "4,4,4,4,1,2,3")
    assert "you are X and move first" in said
    assert said.count("The agent plays 1. It expects to win 75 %; 10 visits, best line 1.") == 3
    assert said.rstrip().endswith("The game is over: you win!")
    assert "Your move" not in said and "\x1b" not in said
    assert " X . . . . . ." not in said


def test_the_agent_may_win_and_move_first() -> None:
    said = converse(TIC_TAC_TOE, "b2,a1", human=1)
    assert "you are O and move second" in said
    assert said.index("The agent plays a3") < said.index("The agent plays b3") < said.index("The agent plays c3")
    assert said.rstrip().endswith("The game is over: the agent wins.")


def test_a_draw_is_called_one() -> None:
    assert converse(TIC_TAC_TOE, "b3,a2,b2,a1,c1").rstrip().endswith("The game is over: a draw.")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("9", "'9' is no column"),
        ("four", "'four' is no column"),
        ("4 4", "'4 4' is no column"),
        ("\x1b[A", "is no column"),
        ("level 11", "'11' is no level: levels are 1 to 10."),
        ("level \N{SUPERSCRIPT TWO}", "is no level"),
        ("undo", "nothing to take back"),
    ],
)
def test_bad_input_is_one_friendly_line_and_asked_again(typed: str, answer: str) -> None:
    quiet = converse(CONNECT_FOUR, "4")
    said = converse(CONNECT_FOUR, f"{typed},4")
    assert answer in said
    assert said.count("\n") == quiet.count("\n") + 1
    assert said.endswith("best line 1.\n")


def test_a_full_column_is_illegal_and_the_legal_ones_are_told() -> None:
    said = converse(CONNECT_FOUR, "1,1,1,1", thinker=FirstLegal(CONNECT_FOUR))  # the agent plays 1 too
    assert "1 is not legal now: 2 3 4 5 6 7 are." in said


def test_moves_may_be_typed_in_either_case() -> None:
    assert "The agent plays a3" in converse(TIC_TAC_TOE, " B2 ")


def test_undo_takes_back_a_move_and_its_answer() -> None:
    thinker = FirstLegal(CONNECT_FOUR)
    converse(CONNECT_FOUR, "4,undo,5,6,undo,undo,undo,7", thinker=thinker)
    assert [moves for moves, _ in thinker.asked] == [(3,), (4,), (4, 0, 5), (6,)]


def test_undo_reaches_back_over_the_end_and_a_resignation() -> None:
    assert converse(CONNECT_FOUR, "4,4,4,4,undo,1").count("The agent plays") == 4
    said = converse(CONNECT_FOUR, "4,resign,undo,5")
    assert "You resign: the agent wins." in said and said.count("The agent plays") == 2


def test_swap_lets_the_agent_go_on_with_the_persons_side() -> None:
    thinker = FirstLegal(CONNECT_FOUR)
    said = converse(CONNECT_FOUR, "4,swap,5", thinker=thinker)
    assert "You are O now." in said
    assert [moves for moves, _ in thinker.asked] == [(3,), (3, 0), (3, 0, 0, 4)]


def test_hint_thinks_at_full_strength_and_moves_nothing() -> None:
    thinker = FirstLegal(CONNECT_FOUR)
    said = converse(CONNECT_FOUR, "hint,4", strength=Strength(1), thinker=thinker)
    assert "With best play you expect to win 75 %; 10 visits, best line 1." in said
    assert "  1: wins 75 %, 9 visits" in said
    assert thinker.asked[0] == ((), LEVELS[9].budget) and thinker.asked[1] == ((3,), LEVELS[0].budget)


def test_level_tells_and_sets_the_strength() -> None:
    thinker = FirstLegal(CONNECT_FOUR)
    said = converse(CONNECT_FOUR, "level,4,level 9,4", strength=Strength(10, Budget(7)), thinker=thinker)
    assert "Level 10 of 10: 7 visits a move." in said and "Level 9 of 10: 400 visits a move." in said
    assert [budget.simulations for _, budget in thinker.asked] == [7, 400]


def test_new_begins_again_also_after_the_end() -> None:
    assert converse(CONNECT_FOUR, "4,new,5").count("you are X") == 2
    assert converse(CONNECT_FOUR, "resign,new,5").count("you are X") == 2
    assert converse(CONNECT_FOUR, "resign,4,new,5").count("you are X") == 1  # a pipe ends with the game


def test_quit_and_the_end_of_input_end_it() -> None:
    for lines in ("", "quit,4", "q,4", "exit,4"):
        assert "The agent plays" not in converse(CONNECT_FOUR, lines)


def test_a_person_is_asked_for_another_game() -> None:
    style = Style(interactive=True)
    assert converse(CONNECT_FOUR, "resign,maybe,yes,4,resign,n,4", style=style).count("you are X") == 2


def test_help_names_every_command() -> None:
    said = converse(CONNECT_FOUR, "help")
    assert all(f"\n{name}" in said for name in ("hint", "undo", "swap", "level", "resign", "new", "help", "quit"))
