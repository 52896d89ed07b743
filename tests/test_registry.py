"""Games by name: sizes, options, and what is said of names that are none."""

from __future__ import annotations

import pytest

import games
from games.base import Game


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("othello", "othello8"),
        ("othello6", "othello6"),
        ("hex", "hex11"),
        ("hex:swap", "hex11:swap"),
        ("hex3:swap=yes", "hex3:swap"),
        ("hex19:swap=no", "hex19"),
        ("gomoku", "gomoku15"),
        ("gomoku9:exactly_five", "gomoku9:exactly_five"),
        ("breakthrough", "breakthrough"),
        ("connect_four7x6", "connect_four"),
        ("tic_tac_toe", "tic_tac_toe"),
    ],
)
def test_a_game_has_one_name(asked: str, name: str) -> None:
    assert games.make(asked).name == games.make(name).name == name


def test_every_listed_game_can_be_made() -> None:
    for name in games.names():
        game = games.make(name)
        assert game.name.startswith(name) and game.family == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "chess", "Connect_Four", "connect_four99x99", "connect_four4x4x4", "connect_four4", "connect_four3x4"),
        *("tic_tac_toe3x3", "othello5", "othello10", "hex2", "hex20", "hex5x5", "hex05", "gomoku8", "gomoku20"),
        *("breakthrough8", f"hex{'9' * 5000}", "hex\N{ARABIC-INDIC DIGIT FIVE}"),
        *("hex5:", "hex5:swap,swap", "hex5:swap=maybe", "hex5:swap=", "hex5:handicap=2"),
    ],
)
def test_unknown_games_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(games.UnknownGame) as refused:
        games.make(name)
    assert "\n" not in str(refused.value) and len(str(refused.value)) > 20


def test_a_wrong_option_is_told_the_right_ones() -> None:
    with pytest.raises(games.UnknownGame, match=r"hex5 has no option 'komi': its options are swap or swap=no"):
        games.make("hex5:komi=7")
    with pytest.raises(games.UnknownGame, match="tic_tac_toe has no option 'swap': it has none"):
        games.make("tic_tac_toe:swap")


class Optional(Game):
    """A game with an option of every kind."""

    def __init__(self, size: int, komi: float = 7.5, ko: str = "positional", limit: int = 3, suicide: bool = True):
        self.given = (size, komi, ko, limit, suicide)


def test_options_are_read_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(games._GAMES, "opt", games._Entry(Optional, ("size",), {"size": 19}))

    def given(name: str) -> object:
        game = games.make(name)
        assert isinstance(game, Optional)
        return game.given

    assert given("opt") == (19, 7.5, "positional", 3, True)
    assert given("opt9:komi=7,ko=simple,suicide=no,limit=-2") == (9, 7.0, "simple", -2, False)
    assert given("opt9:suicide,komi=-0.5") == (9, -0.5, "positional", 3, True)
    for name in ("opt:komi", "opt:komi=", "opt:komi=nan", "opt:komi=inf", "opt:limit=1.5", "opt:ko=", "opt:size=9"):
        with pytest.raises(games.UnknownGame, match=r"komi=7\.5|limit=3|ko=positional"):
            games.make(name)


def test_who_wants_a_board_gets_no_robot() -> None:
    assert games.make_board("othello6").name == "othello6"
    for name in games.simulated_names():
        with pytest.raises(games.UnknownGame, match=f"{name} is no board game"):
            games.make_board(name)
