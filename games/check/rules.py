"""Do `reset`, `legal_actions`, `step`, the rewards, the score and the use of history keep their promises?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from games.base import Game, State
from games.check.sample import Ply, Position, Sample, advance, legal, moves_text, observed, require, start

_REPLIES = 10
"""The most actions tried in one position."""
_BRANCHES = 40
"""The most positions in which several actions are tried."""


def reset(game: Game, sample: Sample) -> str:
    """`reset` writes every field, whatever the state held, and player 0 begins."""
    states = np.frombuffer(b"\x77" * game.state_dtype.itemsize, game.state_dtype).copy()
    game.reset(states[0])
    start = game.new_state()
    for field in game.state_dtype.names or ():
        same = np.array_equal(states[0][field], start[field])
        require(same, f"reset leaves what the field {field} held before: it has to write every field")
    require(int(start["to_play"]) == 0, f"to_play is {start['to_play']} after reset: player 0 moves first")
    require(int(start["num_moves"]) == 0, f"num_moves is {start['num_moves']} after reset: it counts moves from 0")
    return "every field is written"


def masks(game: Game, sample: Sample) -> str:
    """`legal_actions` writes every entry, no position has more legal actions than slots, no two of them share a logit,
    and `is_legal`, where there is one, says the same."""
    most, cells = 0, game.action_cells()
    for position in sample.positions:
        blank, full = np.zeros(game.num_actions, np.bool_), np.ones(game.num_actions, np.bool_)
        game.legal_actions(position.state, position.history, blank)
        game.legal_actions(position.state, position.history, full)
        left = np.flatnonzero(blank != full)
        require(
            len(left) == 0,
            f"legal_actions leaves what the mask held before at {left[:1].tolist()}: write every entry, False too",
        )
        actions = np.flatnonzero(blank)
        require(
            len(np.unique(cells[actions], axis=0)) == len(actions),
            "two actions that are legal together share a place in action_cells, so the network has one logit for both: "
            "add a policy plane",
        )
        most = max(most, len(actions))
    if game.answers_single_actions:
        _check_single_actions(game, sample)
    require(most <= game.num_slots, f"a position has {most} legal actions and num_slots is {game.num_slots}: raise it")
    return f"at most {most} legal actions were seen; num_slots is {game.num_slots}"


def _check_single_actions(game: Game, sample: Sample) -> None:
    for position in sample.positions[::4]:
        mask = legal(game, position)
        for action in range(game.num_actions):
            told = bool(game.is_legal(position.state, action, position.history))
            require(told == mask[action], f"is_legal says {told} of {_named(game, action)}, legal_actions the opposite")


def looking(game: Game, sample: Sample) -> str:
    """Methods that look at a position change neither it nor the history."""
    owners = np.zeros(game.observation_shape[1] * game.observation_shape[2], np.int8)
    looks: dict[str, Callable[[Position], object]] = {
        "legal_actions": lambda position: legal(game, position),
        "observe": lambda position: observed(game, position.state),
        "hash": lambda position: game.hash(position.state),
        "history_hash": lambda position: game.history_hash(position.state),
        "to_text": lambda position: game.to_text(position.state),
    }
    if game.is_scored:
        looks["ownership"] = lambda position: game.ownership(position.state, owners)
        looks["score"] = lambda position: game.score(position.state)
    for position in sample.positions[::4]:
        before = Position(position.state.copy(), position.history.copy())
        for name, look in looks.items():
            look(position)
            require(
                bool(position.state == before.state) and np.array_equal(position.history, before.history),
                f"{name} changes the state or the history: it may only look, so work on a copy or undo it",
            )
    return f"{len(looks)} methods leave {len(sample.positions[::4])} positions as they were"


def ends(game: Game, sample: Sample) -> str:
    """Whoever is to move has a legal action until `step` says that the game is over, within `max_num_moves`; every
    legal action can be played; moves are counted and `to_play` is a player."""
    for plies in sample.games:
        _check_end(game, plies)
        for number, ply in enumerate(plies, start=1):
            told = int(ply.after.state["num_moves"])
            require(told == number, f"num_moves is {told} after {number} moves: step has to add 1 to it")
            mover = int(ply.after.state["to_play"])
            require(0 <= mover < game.num_players, f"to_play is {mover}: players are 0 to {game.num_players - 1}")
    _try_replies(game, sample)
    lengths = [len(plies) for plies in sample.games]
    return (
        f"{len(lengths)} random games of {min(lengths)} to {max(lengths)} moves; max_num_moves is {game.max_num_moves}"
    )


def _check_end(game: Game, plies: list[Ply]) -> None:
    if plies[-1].terminated:
        return
    moves = moves_text(game, plies)
    require(
        bool(legal(game, plies[-1].after).any()),
        f"after {moves} no action is legal and the game goes on: step has to return that it ended, or a pass is legal",
    )
    require(
        len(plies) < game.max_num_moves,
        f"a game goes on after {len(plies)} moves: step has to end it within max_num_moves, {game.max_num_moves}",
    )
    require(False, f"a game goes on after {len(plies)} moves, too long to follow: lower max_num_moves and end it there")


def _try_replies(game: Game, sample: Sample) -> None:
    """Every legal action can be played, and where the game goes on something is legal again."""
    for position in sample.positions[:: max(1, len(sample.positions) // _BRANCHES)]:
        actions = legal(game, position).nonzero()[0]
        for action in actions[:: -(-len(actions) // _REPLIES)]:
            after, _, terminated = advance(game, position, int(action))
            require(
                terminated or bool(legal(game, after).any()),
                f"after {_named(game, int(action))} no action is legal and the game goes on: step has to end it",
            )


def _named(game: Game, action: int) -> str:
    return f"{game.action_to_text(action)} (action {action})"


def rewards(game: Game, sample: Sample) -> str:
    """Rewards are the mover's: 1, 0 or -1 at the end where the game is zero-sum, and within the bounds of values."""
    last = [plies[-1].reward for plies in sample.games]
    for plies in sample.games:
        received = [ply.reward for ply in plies]
        require(bool(np.isfinite(received).all()), "step returns a reward that is no number")
        if game.zero_sum:
            early = next((reward for reward in received[:-1] if reward != 0), 0)
            require(early == 0, f"a reward of {early} before the end: rewards come at the end, or set zero_sum = False")
            require(
                received[-1] in (-1, 0, 1),
                f"a game ends with the reward {received[-1]}: it is 1, 0 or -1, or set zero_sum = False",
            )
        if game.value_bounds is not None:
            low, high = game.value_bounds
            require(low <= sum(received) <= high, f"a game's rewards are outside value_bounds, {low} to {high}")
    if game.zero_sum and not game.is_scored:
        require(
            1 in last or -1 not in last,
            "whoever moves last never wins but loses: is the reward for the player who moved? (Only in a game that "
            "nobody wins by his own move is that as it should be.)",
        )
    counts = ", ".join(f"{reward:g} in {last.count(reward)}" for reward in sorted(set(last), reverse=True))
    return f"the last mover got {counts} games"


def records(game: Game, sample: Sample) -> str:
    """The actions of a game, played again from `reset` on a used state, give the same game."""
    again: State = np.zeros(1, game.state_dtype)[0]
    for plies in sample.games:
        game.reset(again)
        for number, ply in enumerate(plies, start=1):
            reward, terminated = game.step(again, ply.action, ply.before.history)
            require(
                bool(again == ply.after.state) and (float(reward), bool(terminated)) == (ply.reward, ply.terminated),
                f"the same {number} moves ({moves_text(game, plies[:number])}) end elsewhere when played again: all "
                "that a position depends on has to be a field of the state, none an attribute of the game",
            )
    return f"{len(sample.games)} games played again are the same"


def history(game: Game, sample: Sample) -> str:
    """A game that declares no history reads none; of one that does it is told how often that mattered."""
    if game.uses_history:
        decided = sum(
            not np.array_equal(legal(game, position), legal(game, Position(position.state, position.history[:0])))
            for position in sample.positions
        )
        return f"the history decided what is legal in {decided} of {len(sample.positions)} positions"
    for plies in sample.games[:10]:
        past = np.array([game.history_hash(ply.before.state) for ply in plies], np.uint64)
        for number, ply in enumerate(plies):
            state = ply.before.state.copy()
            same_mask = np.array_equal(legal(game, ply.before), legal(game, Position(state, past[:number])))
            told = game.step(state, ply.action, past[:number])
            require(
                same_mask and bool(state == ply.after.state) and told == (ply.reward, ply.terminated),
                "what is legal or where a step leads depends on the history: set uses_history = True, or the search "
                "and the records give it none",
            )
    return "reads none, as declared"


def score(game: Game, sample: Sample) -> str:
    """`ownership` writes every cell, `score` decides the reward at the end, and komi counts for player 1."""
    cells = game.observation_shape[1] * game.observation_shape[2]
    for position in sample.positions[::4]:
        owners, again = np.full(cells, 7, np.int8), np.full(cells, -7, np.int8)
        game.ownership(position.state, owners)
        game.ownership(position.state, again)
        require(
            np.array_equal(owners, again) and bool(np.isin(owners, (-1, 0, 1)).all()),
            "ownership has to write 1, 0 or -1 into every cell",
        )
        require(bool(np.isfinite(game.score(position.state))), "score is no number")
        _check_komi(game, position.state)
    for plies in sample.games:
        points, mover = float(game.score(plies[-1].after.state)), int(plies[-1].before.state["to_play"])
        expected = float(np.sign(points)) * (1 if mover == 0 else -1)
        require(
            not game.zero_sum or plies[-1].reward == expected,
            f"player 0 leads by {points:g} at the end and player {mover}, who moved last, gets {plies[-1].reward:g} "
            f"instead of {expected:g}: the reward is for the player who moved, the score is player 0's lead",
        )
    return f"decides the rewards of {len(sample.games)} games"


def _check_komi(game: Game, state: State) -> None:
    if "komi" not in (game.state_dtype.names or ()):
        return
    more = state.copy()
    more["komi"] = more["komi"] + 1
    require(
        float(game.score(more)) == float(game.score(state)) - 1,
        "one point more of komi has to lower the score, player 0's lead, by one point",
    )


def set_up(game: Game, sample: Sample) -> str:
    """`set_up` refuses in one line, or gives a position in which the asked player is to move and can."""
    state, empty = game.new_state(), np.zeros(0, np.uint64)
    first = int(np.flatnonzero(legal(game, start(game)))[0])
    taken = 0
    for stones in ([], [(0, first)], [(1, first)]):
        for player in range(game.num_players):
            try:
                game.set_up(state, stones, player)
            except ValueError as error:
                require("\n" not in str(error) and bool(str(error)), "set_up has to say why it refuses in one line")
                continue
            taken += 1
            require(int(state["to_play"]) == player, f"set_up leaves player {state['to_play']} to move, not {player}")
            require(
                bool(legal(game, Position(state, empty)).any()),
                "set_up writes a position without a legal action: raise ValueError, for it is none to play from",
            )
    return f"{taken} of {3 * game.num_players} positions are taken" if taken else "takes no stones, and says so"
