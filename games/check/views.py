"""Do the views of a position keep their promises: what the network sees, hashes, symmetries, text?"""

from __future__ import annotations

import numpy as np

from games.base import Game, Symmetry
from games.check.sample import Ply, Sample, advance, legal, moves_text, observed, require, start

_OBSERVED_PLIES = 60
"""The most positions of a game that a symmetry's observations are compared at."""
_OTHER_TEXTS = 300
_LETTERS = "abcdeghjkstzABZ0123456789-+ .,()\u00e9\u00bd\n"


def observations(game: Game, sample: Sample) -> str:
    """`observe` writes a number into every entry, at the end of a game too."""
    states = [position.state for position in sample.positions] + [plies[-1].after.state for plies in sample.games]
    for state in states:
        planes, again = observed(game, state), np.full(game.observation_shape, 7.5, np.float32)
        game.observe(state, again)
        bad = np.argwhere(~np.isfinite(planes))
        require(
            len(bad) == 0,
            f"observe leaves or writes NaN or infinity at [plane, row, column] {bad[:1].tolist()}: write every entry",
        )
        require(np.array_equal(planes, again), "observe adds to what the planes held before: write every entry")
    return f"{len(states)} positions are seen in full"


def hashes(game: Game, sample: Sample) -> str:
    """Equal hashes mean equal observations and the other way round, also where moves were exchanged."""
    by_hash: dict[int, bytes] = {}
    by_observation: dict[bytes, int] = {}
    for state in [*(position.state for position in sample.positions), *_transposed(game, sample)]:
        key, planes = int(game.hash(state)), (observed(game, state) + np.float32(0)).tobytes()  # -0.0 becomes 0.0
        require(key != 0, "a position's hash is 0, which stands for no position: start from another constant")
        require(
            by_hash.setdefault(key, planes) == planes,
            "two positions that look different share a hash: everything that observe reads belongs in it (to_play too)",
        )
        require(
            by_observation.setdefault(planes, key) == key,
            "two positions that look alike have different hashes: hash only what observe reads, or the evaluation "
            "cache misses them",
        )
    return f"{len(by_hash)} different positions"


def _transposed(game: Game, sample: Sample) -> list[np.void]:
    """Positions reached by exchanging two moves of a player, where that is legal: often the same position again."""
    found = []
    for plies in sample.games:
        for first in range(min(6, len(plies) - 2)):
            actions = [ply.action for ply in plies[: first + 3]]
            actions[first], actions[first + 2] = actions[first + 2], actions[first]
            position, open_still = plies[0].before, True
            for action in actions:
                if open_still and legal(game, position)[action]:
                    position, _, terminated = advance(game, position, action)
                    open_still = not terminated
                else:
                    open_still = False
            if open_still:
                found += [position.state, plies[first + 2].after.state]
    return found


def symmetries(game: Game, sample: Sample) -> str:
    """Playing a game's moves as a symmetry turns them gives the turned observations, masks, results and owners; by the
    other player where it swaps the players."""
    _, height, width = game.observation_shape
    found = game.symmetries()
    require(len(found) > 0, "symmetries is empty: the identity is the first")
    for symmetry, size, what in [(one, height * width, "cells") for one in found] + [
        (one, game.num_actions, "actions") for one in found
    ]:
        require(
            sorted(np.asarray(getattr(symmetry, what)).tolist()) == list(range(size)),
            f"a symmetry's {what} are no rearrangement of 0 to {size - 1}",
        )
    identity = (np.array_equal(found[0].cells, np.arange(height * width))) and (
        np.array_equal(found[0].actions, np.arange(game.num_actions))
    )
    require(identity, "the first symmetry has to be the identity")
    distinct = {(tuple(one.cells.tolist()), tuple(one.actions.tolist())) for one in found}
    require(len(distinct) == len(found), "two symmetries are the same: training would weigh it twice")
    for number, symmetry in enumerate(found):
        _play_turned(game, symmetry, number, sample.games[number % len(sample.games)])
    return f"{len(found)} of them, the identity included"


def _play_turned(game: Game, symmetry: Symmetry, number: int, plies: list[Ply]) -> None:
    position = start(game)
    if symmetry.swaps_players:
        position.state["to_play"] = 1
    interval = -(-len(plies) // _OBSERVED_PLIES)
    for index, ply in enumerate(plies):
        told = f"under symmetry {number}, after {moves_text(game, plies[: index + 1])},"
        compared = index % interval == 0 or ply.terminated
        if compared:
            same = np.array_equal(legal(game, position)[symmetry.actions], legal(game, ply.before))
            require(
                same, f"{told} other actions are legal than the turned ones: mend the symmetry's actions, or drop it"
            )
        position, reward, terminated = advance(game, position, int(symmetry.actions[ply.action]))
        same = (reward, terminated) == (ply.reward, ply.terminated)
        require(same, f"{told} the result differs: mend the symmetry's actions, or drop it")
        if compared:
            _compare_views(game, symmetry, position.state, ply, told)


def _compare_views(game: Game, symmetry: Symmetry, state: np.void, ply: Ply, told: str) -> None:
    num_planes = game.observation_shape[0]
    planes = observed(game, ply.after.state).reshape(num_planes, -1)
    turned_planes = observed(game, state).reshape(num_planes, -1)
    require(
        np.array_equal(turned_planes, planes[:, symmetry.cells], equal_nan=True),
        f"{told} the observation is not the turned one: mend the symmetry's cells or actions, or drop it",
    )
    if game.is_scored:
        owners, turned = np.zeros((2, planes.shape[1]), np.int8)
        game.ownership(ply.after.state, owners)
        game.ownership(state, turned)
        sign = -1 if symmetry.swaps_players else 1
        require(np.array_equal(turned, sign * owners[symmetry.cells]), f"{told} ownership is not the turned one")


def moves(game: Game, sample: Sample) -> str:
    """Every action has a text of its own that reads back; other text is refused in one line."""
    texts = [game.action_to_text(action) for action in range(game.num_actions)]
    for action, text in enumerate(texts):
        require(
            isinstance(text, str) and text.isascii() and text.isprintable() and text == text.strip() != "",
            f"action {action} is written {text!r}: a short plain text without spaces at its ends",
        )
        require(texts.index(text) == action, f"actions {texts.index(text)} and {action} are both written {text!r}")
        read = game.text_to_action(text)
        require(read == action, f"action {action} is written {text!r}, which reads back as {read}")
    for text in _other_texts(texts, sample.seed):
        _refuse(game, text, texts)
    return f"{texts[0]} to {texts[-1]}"


def _other_texts(texts: list[str], seed: int) -> list[str]:
    """Text that is no move, or hardly: spoilt moves and random letters."""
    generator = np.random.default_rng(seed)
    spoilt = [part for text in texts[:: max(1, len(texts) // 40)] for part in (f" {text}", f"{text}x", f"{text}{text}")]
    made = ["".join(generator.choice(list(_LETTERS), generator.integers(1, 6))) for _ in range(_OTHER_TEXTS)]
    return ["", " ", "-1", "99999999999999999999", *spoilt, *made]


def _refuse(game: Game, text: str, texts: list[str]) -> None:
    """Text is refused by a ValueError of one line, or read as the action that it names, whatever its case."""
    try:
        action = game.text_to_action(text)
    except ValueError as error:
        refusal = str(error)
        require(bool(refusal) and "\n" not in refusal, f"text_to_action refuses {text!r} in other than one line")
    except Exception as error:
        require(False, f"text_to_action raises {type(error).__name__} for {text!r}: it has to be a ValueError")
    else:
        named = isinstance(action, (int, np.integer)) and 0 <= action < game.num_actions
        require(
            named and texts[action].lower() == text.lower(),
            f"text_to_action reads {text!r} as {action}: it has to raise ValueError, in one clear line",
        )


def boards(game: Game, sample: Sample) -> str:
    """Boards are plain text of a fixed number of lines, and a move on the board is seen on it."""
    cells = game.action_cells()
    for plies in sample.games[:10]:
        before = game.to_text(plies[0].before.state)
        num_lines = len(before.splitlines())
        mend = f"the board has {num_lines} lines at first, and after"
        for number, ply in enumerate(plies, start=1):
            text = game.to_text(ply.after.state)
            plain = text.isascii() and text.replace("\n", "").isprintable()
            require(plain, f"after {moves_text(game, plies[:number])} the board is no plain text, or coloured")
            require(len(text.splitlines()) == num_lines, f"{mend} {moves_text(game, plies[:number])} another number")
            require(
                text != before or cells[ply.action][0] == -1,
                f"{game.action_to_text(ply.action)} changes nothing on the board: to_text has to show the position",
            )
            before = text
    return f"{len(before.splitlines())} lines"
