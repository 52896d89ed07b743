"""Boards of several sizes learnt together: which game a number is, where its actions lie, and what batches hold."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded_games import NO_HOLDOUT, random_game, replayed
from tiny_runs import TINY

import games
from rl.errors import UserError
from rl.network.agent_file import load_agent
from rl.replay.chunks import scan
from rl.replay.mixed_window import MixedWindow
from rl.replay.mixture import Mixture
from rl.replay.window import Window
from rl.train.config import LimitsConfig
from rl.train.loop import train
from scripts.cli import main

GO3, GO5 = games.make("go3"), games.make("go5")
GO = Mixture.mostly(GO5, [GO3], 0.4)
HEX = Mixture.mostly(games.make("hex4"), [games.make("hex3")], 0.5)


def test_games_are_drawn_by_their_shares() -> None:
    mixture = Mixture.mostly(games.make("go9"), [games.make(f"go{size}") for size in (5, 6, 7, 8)], 0.4)
    counts = Counter(mixture.game(number).size for number in range(10_000))
    assert counts[9] == pytest.approx(6000, abs=200)
    assert all(counts[size] == pytest.approx(1000, abs=120) for size in (5, 6, 7, 8))
    assert mixture.name == "go9, go5 0.1, go6 0.1, go7 0.1, go8 0.1"


def test_one_game_alone_is_itself() -> None:
    alone = Mixture.mostly(GO5, [], 0.4)
    assert alone.name == "go5" and alone.games == (GO5,) and not alone.needs_mask
    assert alone.embedding(0).tolist() == list(range(26))


def test_actions_lie_in_the_upper_left_corner_of_the_canvas() -> None:
    assert GO.embedding(1).tolist() == [0, 1, 2, 5, 6, 7, 10, 11, 12, 25], "and the pass is the pass"
    assert GO.mask(1)[0].tolist() == [[1, 1, 1, 0, 0]] * 3 + [[0] * 5] * 2
    assert GO.needs_mask and GO.mask(0).all()


@pytest.mark.parametrize(
    ("game", "others", "share", "complaint"),
    [
        ("go5", ["hex5"], 0.4, "no boards of one game"),
        ("go3", ["go5"], 0.4, "does not fit onto the board of go3"),
        ("go5", ["go3", "go3"], 0.4, "go3 is named twice"),
        ("go5", ["go5"], 0.4, "go5 is named twice"),
        ("go5", ["go3"], 0.0, "above 0 and below 1"),
        ("go5", ["go3"], 1.0, "above 0 and below 1"),
    ],
)
def test_what_no_network_can_play_is_refused_in_one_line(
    game: str, others: list[str], share: float, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint) as refused:
        Mixture.mostly(games.make(game), [games.make(other) for other in others], share)
    assert "\n" not in str(refused.value)


def test_batches_hold_each_board_in_its_corner() -> None:
    window = MixedWindow(GO, NO_HOLDOUT)
    records = {number: random_game(GO.game(number), number) for number in range(12)}
    window.add_all(records.values())
    batch = window.sample(200, key=3)
    seen = Counter[str]()
    assert batch.mask is not None
    for row in range(200):
        number, ply = int(batch.lambda_returns[row]), round(float(batch.lambda_returns[row]) % 1 * 256)
        game, index = GO.game(number), GO.index(number)
        seen[game.name] += 1
        state, history = replayed(game, records[number].steps["action"][:ply].tolist())
        legal = np.zeros(game.num_actions, np.bool_)
        game.legal_actions(state, history, legal)
        planes = np.zeros(game.observation_shape, np.float32)
        game.observe(state, planes)
        size = game.observation_shape[1]
        corner = batch.observations[row, :, :size, :size]
        actions = GO.embedding(index)
        turned = [
            symmetry
            for symmetry in game.symmetries()
            if (corner.reshape(9, -1) == planes.reshape(9, -1)[:, symmetry.cells]).all()
            and (batch.legal[row, actions[symmetry.actions]] == legal).all()
        ]
        assert turned, "the board is that of the record, turned or mirrored"
        assert batch.legal[row].sum() == legal.sum() and batch.observations[row].sum() == pytest.approx(corner.sum())
        assert (batch.mask[row] == GO.mask(index)).all()
        assert batch.policy[row].sum() == pytest.approx(1, abs=1e-5) and not batch.policy[row, ~batch.legal[row]].any()
        assert batch.ages[row] == 11 - number
        last, _ = replayed(game, records[number].steps["action"].tolist())
        owners = np.zeros(size * size, np.int8)
        game.ownership(last, owners)
        assert batch.ownership is not None and batch.leads is not None
        sign = 1 - 2 * int(records[number].steps[ply]["to_play"])
        assert batch.ownership[row, :size, :size].sum() == batch.ownership[row].sum() == sign * owners.sum()
        assert batch.leads[row] == sign * game.score(last)
    shares = {name: count / 200 for name, count in seen.items()}
    held = Counter[str]()
    for number, record in records.items():
        held[GO.game(number).name] += int(record.steps["is_target"].sum())
    for name, count in held.items():
        assert shares[name] == pytest.approx(count / sum(held.values()), abs=0.12)


def test_one_game_alone_is_sampled_as_by_its_window() -> None:
    mixed, plain = MixedWindow(Mixture.of(GO3), NO_HOLDOUT), Window(GO3, NO_HOLDOUT)
    for window in (mixed, plain):
        window.add_all(random_game(GO3, number) for number in range(5))
    for array, other in zip(mixed.sample(20, 7), plain.sample(20, 7), strict=True):
        assert (array is None and other is None) or np.array_equal(array, other)  # type: ignore[arg-type]
    assert (mixed.num_positions, mixed.num_games, mixed.newest_game) == (plain.num_positions, 5, 4)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [(None, "holds no run"), ("{}", "is damaged"), ('{"game": "tic_tac_toe"}', "SGF has no records of tic_tac_toe")],
)
def test_what_is_no_run_has_no_records(
    tmp_path: Path, config: str | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    assert main(["sgf", str(tmp_path), "--into", str(tmp_path / "sgf")]) == 2
    told = capsys.readouterr().err
    assert complaint in told and told.count("\n") == 1 and not (tmp_path / "sgf").exists()


def test_nothing_to_sample() -> None:
    with pytest.raises(ValueError, match="no positions"):
        MixedWindow(GO, NO_HOLDOUT).sample(4, 0)


@pytest.mark.plain_only
def test_a_run_learns_two_boards_at_once_and_its_agent_plays_both(tmp_path: Path) -> None:
    config = replace(TINY, limits=LimitsConfig(games=40))
    assert train(HEX, config, tmp_path, io.StringIO()) == 0
    records = {record.game_number: record for record in scan(tmp_path / "replay", HEX)}
    assert len(records) == 40
    for number, record in records.items():
        size = HEX.game(number).observation_shape[1]
        assert record.steps["action"].max() < size * size and len(record.steps) <= size * size
    agent = tmp_path / "agents" / "hex4.safetensors"
    for game in HEX.games:
        assert load_agent(agent, game).shape.num_actions == game.num_actions
    code = main(["sgf", str(tmp_path), "--into", str(tmp_path / "sgf"), "--games", "7"])
    records_written = sorted((tmp_path / "sgf").iterdir())
    assert code == 0 and len(records_written) == 7
    newest = max(records)
    text = records_written[-1].read_text()
    assert f"self-play game {newest}" in text and "GM[11]" in text and " %]" in text
    assert f"SZ[{HEX.game(newest).observation_shape[1]}]" in text
    output = io.StringIO()
    assert train(HEX, replace(config, limits=LimitsConfig(games=50)), tmp_path, output) == 0
    assert "40 games" in output.getvalue(), "all games are found again, of both boards"
    with pytest.raises(UserError, match="holds another run"):
        train(Mixture.of(HEX.canvas), config, tmp_path, io.StringIO())
