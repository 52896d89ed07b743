"""What a finished game came to, in numbers and as text: who won, or what an episode earned."""

from __future__ import annotations

from games.base import Game
from games.simulated import SimulatedGame
from rl.replay.records import GameRecord
from rl.train.positions import SampleGame, played_states


def outcome_scalars(game: Game, record: GameRecord) -> dict[str, float]:
    """By metric name."""
    last = record.steps[-1]
    if isinstance(game, SimulatedGame):
        earned = {"selfplay/return": float(record.steps["reward"].sum())}
        return {**earned, "selfplay/success": float(last["success"])} if game.tells_success else earned
    reward = float(last["reward"]) if last["to_play"] == 0 else -float(last["reward"])
    return {"selfplay/first_player_score": (reward + 1.0) / 2.0, "selfplay/draws": float(reward == 0.0)}


def game_text(game: Game, record: GameRecord) -> str:
    """A game for people: its moves, who won, and the last position; or an episode's return and how it ended."""
    last = record.steps[-1]
    if isinstance(game, SimulatedGame):
        ending = "ended" if last["terminated"] else "was cut"
        success = (", a success" if last["success"] else ", no success") if game.tells_success else ""
        earned = f"return {float(record.steps['reward'].sum()):.1f}"
        lines = [f"episode {record.game_number}: {earned}; {ending} after {len(record.steps)} steps{success}"]
        return "\n".join([*lines, *(game.to_text(state) for state in record.steps["state"])])
    actions = record.steps["action"].tolist()
    state = played_states(game, actions)[-1]
    moves = [game.action_to_text(action) for action in actions]
    winner = int(last["to_play"]) if last["reward"] > 0 else 1 - int(last["to_play"])
    result = "draw" if last["reward"] == 0 else f"player {winner} wins"
    return f"game {record.game_number}: {result} after {len(moves)} moves\n{' '.join(moves)}\n\n{game.to_text(state)}"


def sample_game(game: Game, record: GameRecord) -> SampleGame | None:
    """The game as it is drawn move by move; None of episodes, which are drawn by who measures."""
    if isinstance(game, SimulatedGame):
        return None
    return SampleGame(game, record.game_number, tuple(record.steps["action"].tolist()))
