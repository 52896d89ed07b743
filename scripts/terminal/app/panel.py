"""What stands beside the board: who plays, who is expected to win, what the agent thinks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from games.base import Game
from games.look import FAINT, WHITE, Colour
from rl.protocols.gtp.search import winrate
from rl.protocols.played_game import PlayedGame
from scripts.terminal.app.charts import bar, graph, sparkline
from scripts.terminal.app.levels import level_text
from scripts.terminal.app.mind import Report
from scripts.terminal.app.palette import ACCENT, BAD, DIM, GOOD, INK, paint
from scripts.terminal.app.pen import Pen
from scripts.terminal.app.review import Review
from scripts.terminal.app.session import Seat, Session
from scripts.terminal.app.view import hints
from scripts.terminal.thinking import Thought

_MOST_HINTS = 4
_MOST_MISTAKES = 6
_GRAPH_HEIGHT = 4


def session_panel(session: Session, pen: Pen, *, shows_hints: bool) -> RenderableType:
    """The panel while a game is played. What the agent would play in a person's place is shown as a hint alone."""
    report = session.report
    last = len(session.played.plies)
    estimate = session.estimates.get(last, _latest(session.estimates, last))
    rows: list[RenderableType] = [_player_line(session, player, pen) for player in (0, 1)]
    rows += [Text(""), *_estimate_lines(session.played.game, estimate, pen)]
    rows.append(sparkline(session.estimates, last, pen.width, _colours(session.played.game)[0], pen.depth))
    rows += [Text(""), _status_line(session, pen)]
    if report is not None:
        rows.append(_numbers_line(report, pen))
        if shows_hints or session.agent_moves:
            rows += _thought_lines(session.played, report.thought, pen)
    rows += [Text(""), pen.wrapped(_last_moves(session.played, pen.width), DIM)]
    return Group(*rows)


def review_panel(review: Review, session: Session, pen: Pen) -> RenderableType:
    """The panel while a game is looked at again; the session knows how its mind is."""
    game = review.played.game
    estimates, last = review.estimates(), len(review.positions) - 1
    mistakes = review.mistakes()
    at = review.at
    rows: list[RenderableType] = [pen.text(f"Move {at} of {last}", ACCENT, bold=True), *_move_lines(review, pen)]
    rows += [Text(""), *_estimate_lines(game, estimates.get(at), pen)]
    marked = [mistake.ply for mistake in mistakes]
    size = (pen.width, _GRAPH_HEIGHT)
    rows.append(graph(estimates, last, at, size, _colours(game)[0], pen.depth, marked))
    if review.thought is not None:
        rows += _thought_lines(review.played, review.thought, pen)
    rows.append(Text(""))
    if session.failure or not session.is_ready:
        rows.append(_state_of_mind(session, pen))
    elif review.num_open > 0:
        rows.append(pen.text(f"looking: {review.num_open} positions left", DIM, dim=True))
    rows.append(pen.text("Largest mistakes" if mistakes else "No mistakes found yet", INK, bold=True))
    for mistake in mistakes[:_MOST_MISTAKES]:
        played, better = game.action_to_text(mistake.action), game.action_to_text(mistake.better)
        words = f"{mistake.ply:3} {played}{mistake.mark} -{100 * mistake.loss:.0f}%, {better}"
        rows.append(pen.text(words, ACCENT if mistake.ply == at else BAD))
    return Group(*rows)


def _colours(game: Game) -> tuple[Colour, Colour]:
    look = game.look()
    if look is None:
        return ACCENT, FAINT
    first, second = (next(piece.colour for piece in look.pieces if piece.player == player) for player in (0, 1))
    # A black stone is not seen on a black screen.
    return (Colour("#5b6474", "bright_black") if first.ansi == "black" else first), second


def _player_line(session: Session, player: int, pen: Pen) -> Text:
    game, seat = session.game, session.seats[player]
    look = game.look()
    line = Text(no_wrap=True, overflow="ellipsis")
    moves = not session.over and session.played.to_play == player
    line.append("▶ " if moves else "  ", paint(pen.depth, ACCENT, bold=True))
    if look is not None:
        piece = next(piece for piece in look.pieces if piece.player == player)
        glyph = piece.glyph if pen.depth == "full" else piece.bare
        line.append(f"{glyph} ", paint(pen.depth, _colours(game)[player], bold=True))
    line.append(session.name_of(player), paint(pen.depth, INK, bold=moves))
    line.append(f" {_who(game, seat)}", paint(pen.depth, DIM, dim=True))
    if look is not None and look.tasks[player]:
        line.append(f", {look.tasks[player]}", paint(pen.depth, DIM, dim=True))
    return line


def _who(game: Game, seat: Seat) -> str:
    if seat.is_person:
        return "you"
    budget = seat.strength.budget
    if budget is None:
        return level_text(game, seat.strength.level)
    length = f"{budget.seconds:g} s" if budget.seconds is not None else f"{budget.simulations} visits"
    return f"{level_text(game, seat.strength.level)}, {length}"


def _estimate_lines(game: Game, estimate: float | None, pen: Pen) -> list[RenderableType]:
    first, second = _colours(game)
    colours = (first, second if second != first else WHITE)
    percent = "   ?" if estimate is None else f"{100 * estimate:3.0f}%"
    look = game.look()
    name = "X" if look is None else next(piece.name for piece in look.pieces if piece.player == 0)
    line = pen.text(f"{name} wins {percent}", INK)
    return [line, bar(estimate, pen.width, colours, pen.depth)]


def _state_of_mind(session: Session, pen: Pen) -> Text:
    """Why nothing is thought."""
    if session.failure:
        return pen.wrapped(session.failure, BAD)
    return pen.wrapped("the agent gets ready; a game's first time takes longer …", DIM)


def _status_line(session: Session, pen: Pen) -> Text:
    if session.failure or not session.is_ready:
        return _state_of_mind(session, pen)
    if session.over:
        return pen.text("", DIM)
    if session.paused:
        return pen.text("paused", ACCENT)
    if session.agent_moves:
        return pen.text("the agent thinks …", ACCENT)
    return pen.text("the agent ponders" if session.is_thinking else "your move", DIM, dim=True)


def _numbers_line(report: Report, pen: Pen) -> Text:
    speed = f", {report.speed:,.0f}/s" if report.speed > 0 else ""
    return pen.text(f"{report.thought.visits:,} visits{speed}", DIM, dim=True)


def _thought_lines(played: PlayedGame, thought: Thought, pen: Pen) -> list[RenderableType]:
    text = played.game.action_to_text
    found: list[RenderableType] = []
    if thought.plies_to_end:
        moves = (abs(thought.plies_to_end) + 1) // 2
        outcome = "win" if thought.plies_to_end > 0 else "loss"
        found.append(pen.text(f"a {outcome} in {moves}", GOOD if thought.plies_to_end > 0 else BAD))
    found.append(pen.text("best " + " ".join(map(text, thought.line)), INK))
    for hint in hints(played, thought, _MOST_HINTS):
        found.append(pen.text(f" {text(hint.action):<5}{100 * hint.winrate:3.0f}% {hint.visits:>7,}", DIM))
    return found


def _move_lines(review: Review, pen: Pen) -> list[RenderableType]:
    """The move that led here, and what it cost."""
    if review.at == 0:
        return [pen.text("the first position", DIM, dim=True)]
    ply = review.played.plies[-1]
    game = review.played.game
    words = game.action_to_text(ply.action)
    if ply.note is not None:
        words += f"  (then {100 * winrate(game, ply.note.value):.0f} %)"
    mistake = next((mistake for mistake in review.mistakes() if mistake.ply == review.at), None)
    line = pen.text(words, INK)
    if mistake is not None:
        line.append(f" {mistake.mark} better {game.action_to_text(mistake.better)}", paint(pen.depth, BAD, bold=True))
    return [line]


def _last_moves(played: PlayedGame, width: int) -> str:
    """The latest moves, as many as two lines hold."""
    texts = [f"{number}.{played.game.action_to_text(ply.action)}" for number, ply in enumerate(played.plies, start=1)]
    kept: Sequence[str] = texts
    while len(" ".join(kept)) > 2 * width - 8 and len(kept) > 1:
        kept = kept[1:]
    return " ".join(kept)


def _latest(estimates: dict[int, float], last: int) -> float | None:
    known = [ply for ply in estimates if ply <= last]
    return estimates[max(known)] if known else None
