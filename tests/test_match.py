"""Matches: fair openings, right results, and the command."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

import games
from games.base import Game, HashArray, IndexArray, StateArray
from rl.arena.match import MatchResult, play_match
from rl.arena.openings import find_openings
from rl.arena.players import RandomPlayer, RolloutPlayer, Stop
from rl.errors import UserError
from scripts.cli import main

NO_HISTORY = np.zeros(0, np.uint64)


class Lowest:
    """Plays the lowest legal action, and notes what it was asked."""

    name = "lowest"

    def __init__(self, game: Game) -> None:
        self.game = game
        self.asked: list[int] = []

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        self.asked.append(len(states))
        assert len(states) == len(histories) == len(keys) == len(set(keys.tolist()))
        mask = np.zeros(self.game.num_actions, np.bool_)
        actions = []
        for state in states:
            self.game.legal_actions(state, NO_HISTORY, mask)
            actions.append(mask.argmax())
        return np.array(actions, np.int64)


class Cheat(Lowest):
    """Plays an action that no game has, from its third move on."""

    name = "cheat"

    def choose(
        self, states: StateArray, histories: Sequence[HashArray], keys: HashArray, stop: Stop | None = None
    ) -> IndexArray:
        actions = super().choose(states, histories, keys)
        return np.where(states["num_moves"] >= 6, self.game.num_actions, actions)


def winner(game: Game, moves: Sequence[int]) -> int | None:
    """The player who won a Connect Four game, found on the printed board; None for a draw."""
    state = game.new_state()
    for action in moves:
        game.step(state, action, NO_HISTORY)
    rows = [line.split() for line in game.to_text(state).splitlines()[:-1]]
    cells = {(row, column): text for row, line in enumerate(rows) for column, text in enumerate(line)}
    for (row, column), text in cells.items():
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            four = [cells.get((row + step * down, column + step * right)) for step in range(4)]
            if text != "." and four == [text] * 4:
                return "XO".index(text)
    assert "." not in cells.values(), "the game was not over"
    return None


@pytest.fixture(scope="module")
def random_match() -> MatchResult:
    game = games.make("connect_four")
    return play_match(game, RandomPlayer(game), RolloutPlayer(game, 3), 60, 11)


def test_recorded_games_are_real_and_their_results_right(random_match: MatchResult) -> None:
    game = games.make("connect_four")
    assert len(random_match.games) == 60
    for played in random_match.games:
        won = winner(game, played.moves)
        expected = 0.5 if won is None else float((won == 0) == played.first_begins)
        assert played.score == expected and not played.forfeit
    counts = Counter(played.score for played in random_match.games)
    assert random_match.tally == (counts[1.0], counts[0.5], counts[0.0])
    assert random_match.score == sum(played.score for played in random_match.games) / 60
    sides = [random_match.as_player(player) for player in (0, 1)]
    assert [sum(side) for side in sides] == [30, 30]
    assert tuple(a + b for a, b in zip(*sides, strict=True)) == random_match.tally
    low, high = random_match.score_interval
    assert low < random_match.score < high and random_match.elo_interval[0] < random_match.elo < 0


def test_each_opening_is_played_from_both_sides(random_match: MatchResult) -> None:
    openings = [played.moves[: played.num_opening_moves] for played in random_match.games]
    assert openings[0::2] == openings[1::2]
    assert [played.first_begins for played in random_match.games] == [True, False] * 30
    assert len(set(openings)) == random_match.num_openings == 30
    assert random_match.num_distinct_games == 60 and random_match.notes == ()


@pytest.mark.compiled_only
@pytest.mark.parametrize("num_openings", [1, 20, 60, 150])
def test_openings_are_distinct_short_and_undecided(num_openings: int) -> None:
    game = games.make("connect_four")
    openings, notes = find_openings(game, num_openings, 3)
    assert len(openings) == num_openings and notes == ()
    boards = set()
    for moves in openings:
        assert len(moves) == len(openings[0])
        state = game.new_state()
        for action in moves:
            assert not game.step(state, action, NO_HISTORY)[1]
        rows = game.to_text(state).splitlines()[:-1]
        boards |= {tuple(rows), tuple(row[::-1] for row in rows)}
        if len(moves) < 6:  # nobody can have three in a row yet
            continue
        for action in range(7):
            after = state.copy()
            if rows[0].split()[action] == ".":
                assert game.step(after, action, NO_HISTORY)[0] == 0.0
    symmetric = sum(1 for rows in boards if all(row == row[::-1] for row in rows))
    assert len(boards) == 2 * num_openings - symmetric, "two openings mirror each other"


def test_openings_that_let_the_next_player_win_are_left_out() -> None:
    game = games.make("tic_tac_toe")
    openings, _ = find_openings(game, 40, 5)
    for moves in openings:
        state = game.new_state()
        for action in moves:
            game.step(state, action, NO_HISTORY)
        for cell in np.flatnonzero(state["board"] == 0).tolist():
            assert not game.step(state.copy(), cell, NO_HISTORY)[1]


@pytest.mark.compiled_only
def test_a_small_game_repeats_openings_and_says_so() -> None:
    game = games.make("tic_tac_toe")
    openings, notes = find_openings(game, 60, 1)
    # Three moves: 38 positions up to symmetry, and in none can O, with one stone, win at once.
    assert len(openings) == 38
    assert notes == ("tic_tac_toe has only 38 openings of up to 3 moves: they are played repeatedly",)
    result = play_match(game, Lowest(game), Lowest(game), 160, 1)
    assert len(result.games) == 160 and result.num_openings == 38 and result.num_distinct_games == 76


def test_given_openings_are_played_in_turn_and_on_request_from_one_side() -> None:
    game = games.make("connect_four")
    players = RandomPlayer(game), RandomPlayer(game)
    both = play_match(game, *players, 6, 1, openings=[(3,), (2, 2)])
    assert [played.moves[: played.num_opening_moves] for played in both.games] == [
        (3,),
        (3,),
        (2, 2),
        (2, 2),
        (3,),
        (3,),
    ]
    assert [played.first_begins for played in both.games] == [True, False] * 3
    one = play_match(game, *players, 5, 1, openings=[(3,), (2,)], swap_colours=False)
    assert [played.moves[0] for played in one.games] == [3, 2, 3, 2, 3]
    assert all(played.first_begins for played in one.games) and one.num_openings == 2


@pytest.mark.compiled_only
def test_a_match_may_be_played_in_parts(random_match: MatchResult) -> None:
    game = games.make("connect_four")
    openings, _ = find_openings(game, 30, 11)
    parts = []
    for start, num_games in ((0, 7), (7, 1), (8, 52)):
        players = RandomPlayer(game), RolloutPlayer(game, 3)
        parts += play_match(game, *players, num_games, 11, openings=openings, start=start).games
    assert tuple(parts) == random_match.games
    assert [played.number for played in parts] == list(range(60))
    last = play_match(game, RandomPlayer(game), RolloutPlayer(game, 3), 10, 11, start=50)
    assert last.games == random_match.games[50:], "without openings they are those of the whole match"


@pytest.mark.compiled_only
def test_a_match_is_reproducible_and_its_seed_matters(random_match: MatchResult) -> None:
    game = games.make("connect_four")
    again = play_match(game, RandomPlayer(game), RolloutPlayer(game, 3), 60, 11)
    assert again == random_match
    other = play_match(game, RandomPlayer(game), RolloutPlayer(game, 3), 60, 12)
    assert [played.moves for played in other.games] != [played.moves for played in random_match.games]


@pytest.mark.compiled_only
def test_random_against_random_is_even() -> None:
    game = games.make("connect_four4x4")
    result = play_match(game, RandomPlayer(game), RandomPlayer(game), 4000, 2)
    deviation = np.std([played.score for played in result.games]) / np.sqrt(4000)
    assert abs(result.score - 0.5) < 4 * deviation
    first, second = result.as_player(0), result.as_player(1)
    assert first.wins - first.losses > 0 > second.wins - second.losses, "the first move is worth something"


@pytest.mark.compiled_only
def test_search_beats_random_and_more_search_beats_less() -> None:
    game = games.make("connect_four4x4")
    random, weak, strong = RandomPlayer(game), RolloutPlayer(game, 10), RolloutPlayer(game, 100)
    assert play_match(game, weak, random, 20, 1).score > 0.7
    assert play_match(game, strong, weak, 20, 1).score > 0.5
    assert play_match(game, random, weak, 20, 1).elo < -100


def test_games_run_in_lock_step() -> None:
    game = games.make("connect_four")
    player = Lowest(game)
    play_match(game, player, RandomPlayer(game), 30, 1)
    assert player.asked[0] == 15 and max(player.asked) == 15
    assert len(player.asked) <= game.max_num_moves


def test_an_illegal_action_forfeits_the_game_and_no_other() -> None:
    game = games.make("connect_four")
    result = play_match(game, Lowest(game), Cheat(game), 8, 1)
    forfeited = [played for played in result.games if played.forfeit]
    assert forfeited and all(played.score == 1.0 for played in forfeited)
    assert set(result.notes) == {played.forfeit for played in forfeited}
    assert "cheat forfeits game 1: illegal action 7 at ply 8" in result.notes
    assert len(result.games) == 8
    turned = play_match(game, Cheat(game), Lowest(game), 8, 1)
    assert all(played.score == 0.0 for played in turned.games if played.forfeit)


def test_stopping_keeps_the_finished_games() -> None:
    game = games.make("connect_four")
    told: list[tuple[int, int]] = []
    whole = play_match(game, RandomPlayer(game), RandomPlayer(game), 50, 4)
    part = play_match(
        game,
        RandomPlayer(game),
        RandomPlayer(game),
        50,
        4,
        stop=lambda: bool(told) and told[-1][0] >= 20,
        progress=lambda finished, total: told.append((finished, total)),
    )
    assert 20 <= len(part.games) < 50 and told[-1] == (len(part.games), 50)
    assert set(part.games) <= set(whole.games)
    nothing = play_match(game, RandomPlayer(game), RandomPlayer(game), 50, 4, stop=lambda: True)
    assert nothing.games == () and nothing.score == 0.5 and nothing.score_interval == (0.0, 1.0)


def test_results_as_json() -> None:
    game = games.make("tic_tac_toe")
    result = play_match(game, RolloutPlayer(game, 50), RandomPlayer(game), 4, 1)
    told = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert told["wins"] + told["draws"] + told["losses"] == told["num_games"] == 4
    assert result.pairing == ("rollouts:50", "random", *result.tally)


@pytest.mark.parametrize("num_games", [0, -5])
def test_no_games_are_no_match(num_games: int) -> None:
    game = games.make("tic_tac_toe")
    with pytest.raises(UserError, match="at least one"):
        play_match(game, RandomPlayer(game), RandomPlayer(game), num_games, 1)


def test_games_for_one_are_no_match() -> None:
    game = games.make("tic_tac_toe")
    game.num_players = 1
    with pytest.raises(UserError, match="needs two players"):
        play_match(game, RandomPlayer(game), RandomPlayer(game), 1, 1)


# --- the command ------------------------------------------------------------------------------------------------------


def test_command_prints_score_elo_and_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["match", "rollouts:20", "random", "--game", "tic_tac_toe", "--games", "10", "--seed", "3"]
    assert main(arguments) == 0
    text = capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert text.err == ""
    assert "rollouts:20 against random: 10 games of tic_tac_toe" in text.out
    assert f"score   {told['score']:.3f}   95 % interval" in text.out
    assert f"games   {told['wins']} won, {told['draws']} drawn, {told['losses']} lost" in text.out
    assert len(told["games"]) == 10
    assert sum(played["score"] for played in told["games"]) == pytest.approx(10 * told["score"])
    assert all(len(move) == 2 for played in told["games"] for move in played["moves"])


def test_command_says_what_a_clean_sweep_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["match", "random", "rollouts", "--simulations", "60", "--games", "2"]) == 0
    told = capsys.readouterr().out
    assert "random against rollouts:60" in told and "Elo     at most" in told


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["random", "minimax"], "unknown player 'minimax'"),
        (["random", "rollouts:many"], "'many' is no positive number"),
        (["random", "nothing.safetensors"], "nothing.safetensors"),
        (["random", "random", "--games", "0"], "--games 0"),
        (["random", "random", "--games", "-4"], "--games -4"),
        (["random", "random", "--simulations", "0"], "--simulations 0"),
        (["random", "random", "--seed", "-1"], "--seed -1"),
        (["random", "random", "--game", "ludo"], "ludo"),
        (["random"], "B"),
    ],
)
def test_command_refuses_bad_input_in_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["match", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert complaint.lower() in told.err.lower()
