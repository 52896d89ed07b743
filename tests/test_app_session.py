"""The app's game without its screen: turns, taking back, sides, strength, what the mind is asked, reviews."""

from __future__ import annotations

import math

import numpy as np
import pytest
from app_mind import ToldMind, play_all, session_of

import games
from games.base import Game
from rl.protocols.moves import BadRequest
from rl.protocols.played_game import PlayedGame, SearchNote
from rl.protocols.sgf import read_sgf
from scripts.terminal.app.child import Failure
from scripts.terminal.app.review import Review
from scripts.terminal.app.session import Seat, Session
from scripts.terminal.thinking import LEVELS, Budget, Strength

TIC_TAC_TOE = games.make("tic_tac_toe")
CONNECT_FOUR = games.make("connect_four")


def say(session: Session, mind: ToldMind, moves: str) -> None:
    """A person's moves, each answered by the first legal one."""
    for move in moves.split():
        session.play(session.game.text_to_action(move))
        if session.agent_moves:
            mind.answer()
            session.tick()


def texts(session: Session) -> str:
    return " ".join(session.game.action_to_text(action) for action in session.played.actions)


def test_people_and_agents_take_turns() -> None:
    session, mind = session_of(TIC_TAC_TOE)
    assert session.is_ready and session.person_moves and not session.agent_moves
    session.play(4)
    assert session.agent_moves and mind.asked[-1][1] == LEVELS[9].budget
    with pytest.raises(BadRequest, match="agent is to move"):
        session.play(0)
    mind.answer(done=False)
    session.tick()
    assert session.agent_moves and session.is_thinking, "it is not done"
    mind.answer(0.4)
    session.tick()
    assert session.person_moves and texts(session) == "b2 a3"
    assert session.played.plies[-1].note == SearchNote(0.4, 120)
    assert mind.asked[-1][1].seconds == math.inf, "it ponders"


def test_estimates_are_player_0s_whoever_thinks() -> None:
    session, mind = session_of(TIC_TAC_TOE)
    mind.answer(0.5, done=False)
    session.tick()
    session.play(4)
    mind.answer(0.5)
    session.tick()
    assert session.estimates == {0: 0.75, 1: 0.25}


def test_what_was_asked_before_is_not_heard() -> None:
    session, mind = session_of(TIC_TAC_TOE)
    session.play(4)
    late = len(mind.asked)
    session.undo()
    mind.answer(number=late)
    session.tick()
    assert session.report is None and session.played.actions == ()


def test_undo_goes_back_to_where_the_person_chose_and_redo_forth_again() -> None:
    session, mind = session_of(CONNECT_FOUR)
    say(session, mind, "4 4 5")
    assert texts(session) == "4 1 4 1 5 1"
    session.undo()
    assert texts(session) == "4 1 4 1" and session.person_moves
    session.undo()
    session.redo()
    session.redo()
    assert texts(session) == "4 1 4 1 5 1" and session.person_moves
    with pytest.raises(BadRequest, match="play again"):
        session.redo()
    session.undo()
    say(session, mind, "6")
    with pytest.raises(BadRequest):
        session.redo()
    assert all(ply <= len(session.played.plies) for ply in session.estimates)


def test_undo_while_the_agent_thinks_takes_back_the_own_move() -> None:
    session, mind = session_of(CONNECT_FOUR)
    session.play(3)
    session.undo()
    assert session.played.actions == () and session.person_moves
    with pytest.raises(BadRequest, match="take back"):
        session.undo()
    other, mind = session_of(CONNECT_FOUR, person=1)
    mind.answer()
    other.tick()
    with pytest.raises(BadRequest, match="take back"):
        other.undo()


def test_swap_hands_the_move_to_the_agent() -> None:
    session, _ = session_of(CONNECT_FOUR)
    session.swap()
    assert session.agent_moves and not session.seats[0].is_person and session.seats[1].is_person


def test_resigning_ends_the_game_and_undo_takes_it_back() -> None:
    session, mind = session_of(CONNECT_FOUR)
    session.resign()
    assert session.over and session.result() == "Red resigned: Yellow won" and mind.resting
    with pytest.raises(BadRequest, match="over"):
        session.resign()
    with pytest.raises(BadRequest, match="over"):
        session.play(0)
    session.undo()
    assert session.person_moves
    session.begin()
    assert session.played.actions == () and session.person_moves


@pytest.mark.parametrize(("moves", "result"), [("b2 a3 c2 b3 a2", "X won"), ("a1 b2 c3 b1 b3 a3 c1 c2 a2", "A draw")])
def test_results_in_words(moves: str, result: str) -> None:
    session, _ = session_of(TIC_TAC_TOE)
    played = PlayedGame(TIC_TAC_TOE)
    play_all(played, moves)
    session.begin(played)
    assert session.over and session.result() == result


def test_scored_games_tell_by_how_much() -> None:
    session, _ = session_of(games.make("go2:komi=0.5"))
    played = PlayedGame(session.game)
    play_all(played, "A1 pass B2 pass pass")
    session.begin(played)
    assert session.result() == "Black won by 3.5"
    assert session.ownership is not None and session.ownership.tolist() == [1, 1, 1, 1]


def test_two_agents_play_by_themselves_at_a_pace_and_can_be_paused() -> None:
    now = [0.0]
    mind = ToldMind(TIC_TAC_TOE)
    seats = (Seat(Strength(10), 0), Seat(Strength(3), 1))
    session = Session(TIC_TAC_TOE, mind, seats, np.random.default_rng(0), pace=1.0, clock=lambda: now[0])
    assert mind.asked[-1][2] == 0
    mind.answer()
    session.tick()
    assert len(session.played.plies) == 1 and mind.asked[-1][2] == 1 and mind.asked[-1][1] == LEVELS[2].budget
    mind.answer()
    session.tick()
    assert len(session.played.plies) == 1, "the last move has not been on the board for a second"
    now[0] = 1.0
    assert session.tick() and len(session.played.plies) == 2
    session.set_paused(True)
    assert not session.agent_moves
    session.undo()
    assert len(session.played.plies) == 1 and session.paused
    session.set_paused(False)
    assert session.agent_moves
    with pytest.raises(BadRequest, match="no person"):
        session.resign()


def test_levels_times_and_pondering_reach_the_mind() -> None:
    session, mind = session_of(CONNECT_FOUR)
    session.set_strength(Strength(2, Budget(1, seconds=3.0)))
    session.set_pondering(False)
    assert mind.resting
    session.play(3)
    assert mind.asked[-1][1] == Budget(1, seconds=3.0)


def test_a_mind_that_ends_is_told_and_people_play_on() -> None:
    session, mind = session_of(CONNECT_FOUR)
    mind.say(Failure("the agent's process ended"))
    session.tick()
    assert session.failure == "the agent's process ended"
    session.play(3)
    assert not session.agent_moves
    session.undo()
    assert session.person_moves


def test_a_record_is_read_as_it_was_saved() -> None:
    session, mind = session_of(games.make("hex3"))
    say(session, mind, "b2 c1")
    text = session.record()
    assert "PB[human]" in text and "PW[Keima, level 10]" in text and "C[W 75.0 % (120 visits)]" in text
    assert read_sgf(text.encode(), lambda size: games.make(f"hex{size}")).actions == session.played.actions
    with pytest.raises(BadRequest, match="SGF has no records"):
        session_of(CONNECT_FOUR)[0].record()


# --- reviews ----------------------------------------------------------------------------------------------------------


def reviewed(game: Game, moves: str, values: list[float]) -> Review:
    """A review whose positions were found to have these values, for the player to move, in the order asked."""
    played, (session, mind) = PlayedGame(game), session_of(game)
    play_all(played, moves)
    review = Review(played, session, 50)
    for value in values:
        mind.answer(value)
        review.tick()
    return review


def test_a_review_begins_where_it_is_looked_at_and_looks_at_all() -> None:
    review = reviewed(TIC_TAC_TOE, "b2 a1 c3", [])
    assert review.at == 3 and review.num_open == 4
    mind = review._mind
    assert isinstance(mind, ToldMind)
    for expected in (3, 0, 1, 2):
        assert len(mind.asked[-1][0].moves) == expected and mind.asked[-1][1] == Budget(50)
        mind.answer(0.0)
        review.tick()
    assert review.num_open == 0 and mind.resting
    review.go(-5)
    assert review.at == 0 and review.played.actions == ()
    review.go(99)
    assert review.at == 3


def test_what_becomes_of_the_mind_during_a_review_is_known_after_it() -> None:
    """Else who begins with a review would for ever be told that the agent gets ready."""
    mind = ToldMind(CONNECT_FOUR)
    session = Session(CONNECT_FOUR, mind, (Seat(Strength(5)), Seat(Strength(5), 0)), np.random.default_rng(0))
    review = Review(PlayedGame(CONNECT_FOUR), session, 50)
    assert not session.is_ready
    assert review.tick() and session.is_ready
    mind.say(Failure("the agent's process ended"))
    assert review.tick() and session.failure == "the agent's process ended"
    session.resume()
    assert session.person_moves and not session.is_thinking


def test_mistakes_are_what_the_mover_lost() -> None:
    # In the order asked: position 2 (X to move), 0, 1. X: 0.6, then O to move 0.6, that is 20 % for X: X lost 60 %.
    review = reviewed(TIC_TAC_TOE, "b1 c2", [0.2, 0.6, 0.6])
    assert review.estimates() == pytest.approx({0: 0.8, 1: 0.2, 2: 0.6})
    first, second = review.mistakes()
    assert (first.ply, first.player, first.mark, first.loss) == (1, 0, "??", pytest.approx(0.6))
    assert (second.ply, second.player, second.mark, second.loss) == (2, 1, "??", pytest.approx(0.4))
    assert first.better == 0, "the mind likes the first legal action"


def test_the_move_that_the_agent_would_play_is_no_mistake() -> None:
    assert reviewed(TIC_TAC_TOE, "a3", [0.9, 0.9]).mistakes() == []


def test_the_end_of_a_game_is_known_without_a_search() -> None:
    review = reviewed(TIC_TAC_TOE, "b2 a3 c2 b3 a2", [])
    assert review.estimates() == {5: 1.0} and review.num_open == 5
