"""The file of a ladder's games: nothing that was written is lost, and nothing else is taken for such a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rl.arena.entrants import Entrant
from rl.arena.game_log import GameLog, LoggedGame, read_log
from rl.errors import UserError

pytestmark = pytest.mark.plain_only  # nothing here is compiled

SETTINGS = {"game": "tic_tac_toe", "seed": 3, "simulations": 100}
ENTRANTS = [Entrant("a"), Entrant("b:5", weights="12", run="runs/x", num_simulations=5, games=40, hours=0.5)]
GAME = LoggedGame("a", "b:5", 0, 0.5, 77, "a1 b2", "c3", 3)
GAMES = [replace(GAME, number=number, score=score) for number, score in enumerate((1.0, 0.5, 0.0, 0.0))]


def write(path: Path) -> bytes:
    """A file of two players and four games."""
    with GameLog(path, SETTINGS) as log:
        log.enter(ENTRANTS)
        log.add(GAMES[:1])
        log.add(GAMES[1:])
    return path.read_bytes()


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "games.jsonl"
    data = write(path)
    for line in data.splitlines():
        json.loads(line)
    with GameLog(path, SETTINGS) as log:
        assert list(log.games) == GAMES and list(log.entrants.values()) == ENTRANTS
        log.enter(ENTRANTS)
        log.add([replace(GAME, number=9)])
    assert path.read_bytes().startswith(data) and path.read_bytes().count(b"\n") == data.count(b"\n") + 1
    assert [game.number for game in read_log(path).games] == [0, 1, 2, 3, 9]


def test_wherever_a_write_was_cut_the_whole_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    data = write(path)
    for size in sorted({*range(0, len(data), 11), *(index + 1 for index in range(len(data)) if data[index] == 10)}):
        path.write_bytes(data[:size])
        whole = data[:size].count(b"\n")
        assert len(read_log(path).games) == max(0, whole - 3)
        with GameLog(path, SETTINGS) as log:
            assert list(log.games) == GAMES[: max(0, whole - 3)]
            assert list(log.entrants.values()) == ENTRANTS[: max(0, whole - 1)]
            log.enter(ENTRANTS)
            log.add(GAMES[len(log.games) :])
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({**SETTINGS, "game": "hex5"}, "its game is tic_tac_toe, not hex5"),
        ({**SETTINGS, "simulations": 50}, "its simulations is 100, not 50"),
        ({**SETTINGS, "judge": "rules"}, "its judge is None, not rules"),
    ],
)
def test_other_settings_are_refused_and_change_nothing(
    settings: dict[str, object], difference: str, tmp_path: Path
) -> None:
    path = tmp_path / "games.jsonl"
    data = write(path) + b'{"torn'
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"holds another ladder: {difference}; give another --out"):
        GameLog(path, settings)
    assert path.read_bytes() == data


def test_settings_bind_only_once_somebody_plays(tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    GameLog(path, SETTINGS).close()
    with GameLog(path, {**SETTINGS, "seed": 4}) as log:
        log.enter(ENTRANTS[:1])
    assert read_log(path).settings == {"format": 1, **SETTINGS, "seed": 4}


def test_another_network_of_the_same_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    data = write(path)
    with GameLog(path, SETTINGS) as log:
        log.enter([replace(ENTRANTS[1], games=41)])  # what a card says may change
        with pytest.raises(UserError, match="another network named 'b:5'"):
            log.enter([Entrant("c"), replace(ENTRANTS[1], weights="13")])
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "damage",
    [
        "nonsense",
        "[]",
        "7",
        "{}",
        '{"game": {}}',
        '{"game": {"first": "a"}}',
        '{"player": {"called": "a"}}',
        '{"game": ' + json.dumps({**vars(GAME), "number": 1}) + "}",
        '{"game": ' + json.dumps({**vars(GAME), "number": -1}) + "}",
        '{"game": ' + json.dumps({**vars(GAME), "number": "8"}) + "}",
        '{"game": ' + json.dumps({**vars(GAME), "number": 8, "score": 2}) + "}",
        '{"game": ' + json.dumps({**vars(GAME), "number": 8, "first": "b:5", "second": "a"}) + "}",
        '{"game": ' + json.dumps({**vars(GAME), "number": 8, "first": "a", "second": "stranger"}) + "}",
        '{"game": ' + json.dumps({**vars(GAME), "number": 8, "colour": "red"}) + "}",
    ],
)
def test_a_damaged_line_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    data = write(path) + damage.encode() + b"\n" + write(tmp_path / "other")[-50:]
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"games.jsonl is damaged in line 8$"):
        GameLog(path, SETTINGS)
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [b"hello", b"hello\n", b'{"seed": 1}\n', b"\x00\xff\n", b'{"ladder": 3}\n', b"[]\n"])
def test_other_files_are_left_alone(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is no file of a ladder's games"):
        GameLog(path, SETTINGS)
    assert path.read_bytes() == data


def test_one_ladder_at_a_time_but_anybody_may_look(tmp_path: Path) -> None:
    path = tmp_path / "games.jsonl"
    with GameLog(path, SETTINGS) as log:
        log.enter(ENTRANTS)
        with pytest.raises(UserError, match="another ladder is being played into it"):
            GameLog(path, SETTINGS)
        assert list(read_log(path).entrants.values()) == ENTRANTS
    GameLog(path, SETTINGS).close()


def test_a_full_disk_leaves_whole_lines(small_disk: Path) -> None:
    path = small_disk / "games.jsonl"
    log = GameLog(path, SETTINGS)
    log.enter(ENTRANTS)
    with pytest.raises(UserError, match=r"games.jsonl: No space left on device"):
        for number in range(10_000):
            log.add([replace(GAME, number=number, moves="a1 " * 20)])
    log.close()
    kept = read_log(path).games
    assert [game.number for game in kept] == list(range(len(kept))) and len(kept) > 50
    assert path.read_bytes().endswith(b"\n")
