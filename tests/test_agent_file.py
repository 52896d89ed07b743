"""Agents in files: what was saved comes back, and what is damaged is said in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_games import NETWORK_GAMES

import games
from games.base import Game
from rl.agents import shipped_agent
from rl.errors import UserError
from rl.network.agent_file import load_agent, read_card, save_agent, weights_digest
from rl.network.model import Network, NetworkConfig, NetworkShape
from tests.toy_area import ToyArea

CONFIG = NetworkConfig(blocks=3, channels=8, policy_channels=4, value_channels=4, value_hidden=8)


@pytest.fixture(params=NETWORK_GAMES)
def game(request: pytest.FixtureRequest) -> Game:
    return games.make(request.param)


def saved(path: Path, game: Game) -> Network:
    torch.manual_seed(3)
    network = Network(NetworkShape.of(game), CONFIG)
    save_agent(path, network, game, {"trained": "with love", "seed": "7"})
    return network


def assert_one_line_error(path: Path, game: Game) -> str:
    with pytest.raises(UserError) as caught:
        load_agent(path, game)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_a_saved_agent_comes_back(tmp_path: Path, game: Game) -> None:
    path = tmp_path / "agent.safetensors"
    network = saved(path, game)
    loaded = load_agent(path, game)
    assert loaded.config == CONFIG and loaded.shape == NetworkShape.of(game) and not loaded.training
    state, expected = loaded.state_dict(), network.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert read_card(path) == {"trained": "with love", "seed": "7"}
    assert list(tmp_path.iterdir()) == [path]


def test_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    game = games.make(games.names()[0])
    saved(tmp_path / "one", game)
    saved(tmp_path / "two", game)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_network_s_digest_follows_its_weights_alone(tmp_path: Path) -> None:
    game = games.make("tic_tac_toe")
    network = saved(tmp_path / "one", game)
    save_agent(tmp_path / "other_card", network, game, {"step": "12"})
    next(network.parameters()).data[0] += 1.0
    save_agent(tmp_path / "other_weights", network, game, {"trained": "with love", "seed": "7"})
    one, other_card, other_weights = (
        weights_digest(tmp_path / name) for name in ("one", "other_card", "other_weights")
    )
    assert one == other_card != other_weights


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    game = games.make(games.names()[0])
    assert "no agent" in assert_one_line_error(tmp_path / "nothing.safetensors", game)
    assert "no agent" in assert_one_line_error(tmp_path, game)


def test_an_agent_of_another_game(tmp_path: Path) -> None:
    saved(tmp_path / "agent", games.make("tic_tac_toe"))
    message = assert_one_line_error(tmp_path / "agent", games.make("connect_four"))
    assert "tic_tac_toe" in message and "connect_four" in message


def test_an_agent_of_another_version_of_the_game(tmp_path: Path) -> None:
    game = games.make("tic_tac_toe")
    saved(tmp_path / "agent", game)
    game.num_extra_actions = 1
    assert "another version" in assert_one_line_error(tmp_path / "agent", game)


def test_an_agent_plays_its_family(tmp_path: Path) -> None:
    path, trained, other = tmp_path / "agent", games.make("hex5"), games.make("hex4:swap")
    network = saved(path, trained)
    loaded = load_agent(path, other)
    assert loaded.shape == NetworkShape.of(other)
    assert all(torch.equal(loaded.state_dict()[name], weights) for name, weights in network.state_dict().items())
    other.num_extra_actions = 2
    assert "another version" in assert_one_line_error(path, other)


def test_agents_from_before_families_still_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, game = tmp_path / "agent", games.make("connect_four")
    written = json.dumps

    def without_family(header: dict[str, Any], **options: Any) -> str:
        return written({name: value for name, value in header.items() if name != "family"}, **options)

    monkeypatch.setattr("rl.network.agent_file.json.dumps", without_family)
    saved(path, game)
    assert b'\\"family\\"' not in path.read_bytes()
    for name in ("connect_four", "connect_four5x4"):
        assert load_agent(path, games.make(name)).shape == NetworkShape.of(games.make(name))
    assert "connect_four" in assert_one_line_error(path, games.make("tic_tac_toe"))


def test_agents_ship_for_a_game_or_its_family() -> None:
    for name in ("connect_four", "connect_four5x4"):
        path = shipped_agent(games.make(name))
        assert path is not None and path.name == "connect_four.safetensors"
    assert shipped_agent(ToyArea()) is None


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    game = games.make("tic_tac_toe")
    path = tmp_path / "agent"
    saved(path, game)
    whole = path.read_bytes()
    for length in (0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert_one_line_error(path, game)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    game = games.make("tic_tac_toe")
    path = tmp_path / "agent"
    saved(path, game)
    whole = path.read_bytes()
    header_length = 8 + int.from_bytes(whole[:8], "little")
    generator = torch.Generator().manual_seed(0)
    in_header = torch.randint(0, header_length, (150,), generator=generator).tolist()
    in_payload = torch.randint(header_length, len(whole), (50,), generator=generator).tolist()
    for position in (*range(8), *in_header, *in_payload):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(bytes(damaged))
        assert_one_line_error(path, game)


def test_a_foreign_safetensors_file_and_plain_text(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    game = games.make("tic_tac_toe")
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign")
    assert "no Keima agent" in assert_one_line_error(tmp_path / "foreign", game)
    (tmp_path / "text").write_text("not an agent at all\n" * 50)
    assert_one_line_error(tmp_path / "text", game)


def test_a_newer_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    game = games.make("tic_tac_toe")
    monkeypatch.setattr("rl.network.agent_file.FORMAT_VERSION", 99)
    saved(tmp_path / "agent", game)
    monkeypatch.undo()
    assert "format 99" in assert_one_line_error(tmp_path / "agent", game)


def test_an_unwritable_place_is_a_user_error_and_keeps_the_old_agent(tmp_path: Path) -> None:
    game = games.make("tic_tac_toe")
    network = saved(tmp_path / "agent", game)
    with pytest.raises(UserError, match="cannot write"):
        save_agent(tmp_path / "missing" / "agent", network, game, {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        save_agent(tmp_path / "folder", network, game, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent", "folder"]
    load_agent(tmp_path / "agent", game)
