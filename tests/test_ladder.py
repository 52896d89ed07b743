"""The command `keima ladder`: what it plays, keeps, refuses and tells."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest

import games
from rl.arena.entrants import Entrant, short_names
from rl.arena.game_log import read_log
from rl.arena.results import Results
from scripts.cli import main
from scripts.ladder.players import find_entrants
from scripts.ladder.report import Report, write_report
from tests.test_engine_match import fake

ROOT = Path(__file__).resolve().parent.parent
GAME = games.make("tic_tac_toe")
FEW = ["--openings", "6", "--games", "4"]


def ladder(out: Path, *arguments: str) -> int:
    return main(["ladder", "tic_tac_toe", *arguments, "--out", str(out), *FEW])


def table(out: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((out / "ladder.json").read_text())
    return told


def played(out: Path) -> set[tuple[str, str, int]]:
    return {(game.first, game.second, game.number) for game in read_log(out / "games.jsonl").games}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with four networks, untrained, whose cards say what they cost."""
    import torch

    from rl.network.agent_file import save_agent
    from rl.network.model import Network, NetworkConfig, NetworkShape

    folder = tmp_path_factory.mktemp("runs") / "short"
    (folder / "networks").mkdir(parents=True)
    for step in (0, 10, 25, 40):
        torch.manual_seed(step)
        network = Network(NetworkShape.of(GAME), NetworkConfig(blocks=1, channels=8))
        card = {"step": str(step), "games": str(7 * step), "evaluations": str(90 * step), "minutes": str(0.6 * step)}
        save_agent(folder / "networks" / f"step-{step:08d}.safetensors", network, GAME, card)
    return folder


# --- what is played ---------------------------------------------------------------------------------------------------


def test_each_plays_each_from_both_sides_of_different_openings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ladder(tmp_path, "random", "rollouts:4", "rollouts:20") == 0
    log = read_log(tmp_path / "games.jsonl")
    assert len(log.games) == 3 * 4
    for pair in itertools.combinations(sorted(log.entrants), 2):
        own = [game for game in log.games if (game.first, game.second) == pair]
        assert [game.number for game in own] == [0, 1, 2, 3]
        assert [game.opening for game in own[0::2]] == [game.opening for game in own[1::2]]
        assert own[0].opening != own[2].opening and own[0].opening
        assert len({game.seed for game in own}) == 1
    assert len({game.seed for game in log.games}) == 3
    for game in log.games:
        moves = f"{game.opening} {game.moves}".split()
        state = GAME.new_state()
        for move in moves:
            reward, over = GAME.step(state, GAME.text_to_action(move), None)  # type: ignore[arg-type]
        assert over and len(moves) == game.length
        starter = 0.5 if reward == 0 else float(len(moves) % 2 == 1)
        assert game.score == (starter if game.number % 2 == 0 else 1 - starter)
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert lines[0] == "12 games of tic_tac_toe; random is rated 0"
    assert len(lines) == 6 and lines[-1] == f"games, table and plot are in {tmp_path}"


def test_the_same_command_plays_nothing_more_and_further_players_only_their_games(tmp_path: Path) -> None:
    assert ladder(tmp_path, "random", "rollouts:4") == 0
    before = (tmp_path / "games.jsonl").read_bytes()
    assert ladder(tmp_path, "rollouts:4", "random") == 0
    assert (tmp_path / "games.jsonl").read_bytes() == before
    assert ladder(tmp_path, "random", "rollouts:4", "uniform:8") == 0
    after = (tmp_path / "games.jsonl").read_bytes()
    assert after.startswith(before)
    assert played(tmp_path) == {
        (*pair, number)
        for pair in itertools.combinations(["random", "rollouts:4", "uniform:8"], 2)
        for number in range(4)
    }
    assert ladder(tmp_path, "random", "rollouts:4", "--extra", "4") == 0
    assert len(played(tmp_path)) == 16


def test_games_do_not_depend_on_the_batches_or_on_who_else_plays(tmp_path: Path) -> None:
    assert ladder(tmp_path / "one", "random", "rollouts:4", "rollouts:9", "--batch", "2") == 0
    assert ladder(tmp_path / "two", "rollouts:9", "random") == 0
    one, two = (read_log(tmp_path / name / "games.jsonl").games for name in ("one", "two"))
    assert two and set(two) <= set(one)


def test_more_players_than_are_kept_ready(tmp_path: Path) -> None:
    names = [f"uniform:{number}" for number in range(1, 11)]
    assert ladder(tmp_path, *names) == 0
    assert len(played(tmp_path)) == 45 * 4


def test_few_openings_are_told_and_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["ladder", "tic_tac_toe", "random", "uniform:4", "--openings", "3", "--games", "20"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err == "keima: there are 3 different openings, so a pair plays 6 games\n"
    assert len(played(tmp_path)) == 6


def test_engines_play_too_and_what_they_forfeit_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = fake("good"), fake("illegal", 1)
    assert ladder(tmp_path, "random", good, bad, "--json") == 0
    assert json.loads(capsys.readouterr().out) == table(tmp_path)
    rows = {row["name"]: row for row in table(tmp_path)["players"]}
    assert rows[good]["forfeits"] == 0 < rows[bad]["forfeits"] <= 8
    remarks = [game.remark for game in read_log(tmp_path / "games.jsonl").games if game.forfeit]
    assert len(remarks) == rows[bad]["forfeits"] and all("illegal move" in remark for remark in remarks)
    assert f"forfeited {len(remarks)} of its 8 games" in (tmp_path / "ladder.md").read_text()


# --- a run's checkpoints ----------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_a_run_s_networks_make_a_curve(run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ladder(tmp_path, f"{run_dir}:2", "random", "--x", "games") == 0
    names = {f"{run_dir}/networks/step-{step:08d}.safetensors:2": step for step in (0, 10, 25, 40)}
    rows = {row["name"]: row for row in table(tmp_path)["players"]}
    assert set(rows) == {"random", *names}
    for name, step in names.items():
        costs = {"step": step, "games": 7 * step, "evaluations": 90 * step, "hours": pytest.approx(step / 100)}
        assert rows[name]["training"] == costs
    assert rows["random"]["training"] == dict.fromkeys(("step", "games", "evaluations", "hours"))
    shown = capsys.readouterr().out
    assert re.search(r"step-00000025:2 .* 175 +2250 +0\.25", shown)
    words = drawn_words(tmp_path)
    assert "games of self-play" in words and any("short, 2 simulations" in word for word in words)
    assert "random" in words and not any("step-" in word for word in words), "a line for random, a curve for the run"


@pytest.mark.parametrize(
    ("number", "steps"), [(1, [40]), (2, [0, 40]), (3, [0, 25, 40]), (9, [0, 10, 25, 40]), (None, [0, 10, 25, 40])]
)
def test_some_checkpoints_are_evenly_spaced_and_the_newest_among_them(
    number: int | None, steps: list[int], run_dir: Path
) -> None:
    entrants = find_entrants([str(run_dir)], GAME, 7, number)
    assert [entrant.step for entrant in entrants] == steps
    assert all(entrant.name.endswith(".safetensors:7") for entrant in entrants)


def test_another_network_in_a_player_s_file_is_refused(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = tmp_path / "agent.safetensors"
    agent.write_bytes((run_dir / "networks" / "step-00000010.safetensors").read_bytes())
    assert ladder(tmp_path, "random", f"{agent}:1") == 0
    before = (tmp_path / "games.jsonl").read_bytes()
    agent.write_bytes((run_dir / "networks" / "step-00000025.safetensors").read_bytes())
    capsys.readouterr()
    assert ladder(tmp_path, "random", f"{agent}:1") == 2
    assert "another network named" in capsys.readouterr().err
    assert (tmp_path / "games.jsonl").read_bytes() == before


# --- what is told -----------------------------------------------------------------------------------------------------


def drawn_words(out: Path) -> list[str]:
    """The texts of the plot."""
    root = ElementTree.parse(out / "ladder.svg").getroot()
    return ["".join(element.itertext()).strip() for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_without_players_the_ladder_is_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ladder(tmp_path, "random", "rollouts:4", "rollouts:20", "--crosstable") == 0
    shown, markdown, plot = capsys.readouterr().out, (tmp_path / "ladder.md").read_text(), drawn_words(tmp_path)
    for name in ("ladder.md", "ladder.json", "ladder.svg"):
        (tmp_path / name).unlink()
    games_before = (tmp_path / "games.jsonl").read_bytes()
    assert ladder(tmp_path, "--crosstable") == 0
    assert capsys.readouterr().out == shown
    assert (tmp_path / "ladder.md").read_text() == markdown and drawn_words(tmp_path) == plot
    assert {"random", "rollouts:4", "rollouts:20", "tic_tac_toe"} <= set(plot)
    assert (tmp_path / "games.jsonl").read_bytes() == games_before
    for row in table(tmp_path)["players"]:
        assert row["short_name"] in shown and row["wins"] + row["draws"] + row["losses"] == 8
    points = [pair["points"] for pair in table(tmp_path)["pairs"]]
    assert all(sum(of_both) == 4 for of_both in points)
    assert f"{points[0][0]:g}/4" in shown and f"{points[0][0]:g}/4" in markdown


def test_the_anchor_may_be_chosen(tmp_path: Path) -> None:
    for arguments, anchor in (
        (["rollouts:4", "uniform:4"], "rollouts:4"),
        (["rollouts:4", "uniform:4", "random"], "random"),
        (["rollouts:4", "uniform:4", "random", "--anchor", "uniform", "--simulations", "4"], "uniform:4"),
    ):
        out = tmp_path / str(len(arguments))
        assert ladder(out, *arguments) == 0
        told = table(out)
        assert told["anchor"] == anchor
        assert {row["name"]: row["elo"] for row in told["players"]}[anchor] == 0.0


def test_a_test_gives_its_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["ladder", "tic_tac_toe", "random", "rollouts:40", "--games", "2", "--batch", "2", "--openings", "30"]
    command += ["--sprt", "rollouts:40", "random", "--elo1", "250", "--out", str(tmp_path)]
    assert main(command) == 0
    told = table(tmp_path)["sprt"]
    assert told["verdict"] == "elo1" and told["llr"] > told["bounds"][1] == pytest.approx(2.944, abs=0.001)
    num_games = 2 * told["num_openings"]
    assert len(played(tmp_path)) == num_games < 60
    assert (
        f"SPRT of rollouts:40 over random: 250 Elo or more accepted against 0 after {num_games} games; "
        f"LLR {told['llr']:.2f}, bounds -2.94 and 2.94" in capsys.readouterr().out
    )


def test_a_ladder_without_games_can_be_told(tmp_path: Path) -> None:
    """As when it is stopped during its first game."""
    report = Report.of("tic_tac_toe", [Entrant("random"), Entrant("uniform:3")], Results(), "random", None, "players")
    write_report(report, tmp_path)
    assert [row["elo"] for row in table(tmp_path)["players"]] == [None, None]
    assert "| 1 | random | ? |" in (tmp_path / "ladder.md").read_text() and drawn_words(tmp_path)


def test_names_are_as_short_as_tells_them_apart() -> None:
    names = [
        "random",
        "gtp:engine --level 1/2",
        "a/x/step-1.safetensors:8",
        "b/x/step-1.safetensors:8",
        "c/y.safetensors:8",
    ]
    entrants = [Entrant(name, run="somewhere" if "safetensors" in name else "") for name in names]
    shown = ["random", "gtp:engine --level 1/2", "a/x/step-1:8", "b/x/step-1:8", "y:8"]
    assert list(short_names(entrants).values()) == shown


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["random"], "only 'random' would play: a ladder needs at least two players"),
        ([], "there is no"),
        (["random", "random"], "player 'random' is given twice"),
        (["rollouts", "rollouts:100"], "player 'rollouts:100' is given twice"),
        (["random", "minimax"], "unknown player 'minimax'"),
        (["random", "nothing.safetensors"], "there is no agent at nothing.safetensors"),
        (["random", "gtp:/nowhere/engine"], "/nowhere/engine"),
        (["random", str(ROOT / "tests")], "tests holds no networks of a run"),
        (["random", f"{ROOT / 'tests'}:many"], "tests holds no networks of a run"),
        (["random", "rollouts:2", "--games", "3"], "--games 3: must be even"),
        (["random", "rollouts:2", "--games", "-2"], "--games -2: must be even, for openings"),
        (["random", "rollouts:2", "--extra", "5"], "--extra 5: must be even"),
        (["random", "rollouts:2", "--batch", "0"], "--batch 0"),
        (["random", "rollouts:2", "--margin", "0"], "--margin 0.0: must be more than 0"),
        (["random", "rollouts:2", "--margin", "nan"], "--margin nan"),
        (["random", "rollouts:2", "--openings", "0"], "--openings 0: must be at least 1"),
        (["random", "rollouts:2", "--checkpoints", "0"], "--checkpoints 0: must be at least 1"),
        (["random", "rollouts:2", "--seed", "-1"], "--seed -1"),
        (["random", "rollouts:2", "--engine-seconds", "0"], "--engine-seconds 0"),
        (["random", "rollouts:2", "--anchor", "rollouts:3"], "'rollouts:3' is none of the players, who are random"),
        (["random", "rollouts:2", "--sprt", "random", "gtp:x"], "'gtp:x' is none of the players"),
        (["random", "rollouts:2", "--sprt", "random", "random"], "cannot be tested against itself"),
        (["random", "rollouts:2", "--sprt", "random", "rollouts:2", "--elo0", "40"], "elo0 40 has to be below elo1 30"),
        (["random", "rollouts:2", "--sprt", "random", "rollouts:2", "--alpha", "0"], "alpha 0: must be between"),
        (["random", "rollouts:2", "--x", "hours"], "--x hours: no player's file says how many hours its training took"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(
    arguments: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--out", str(tmp_path / "new"), "--openings", "6"]
    assert main(["ladder", "tic_tac_toe", *options, *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and complaint in told.err
    kept = tmp_path / "new" / "games.jsonl"
    assert not kept.exists() or kept.read_bytes() == b""


@pytest.mark.parametrize(
    ("game", "arguments", "difference"),
    [
        ("connect_four4x4", ["random", "rollouts:4"], "its game is tic_tac_toe, not connect_four4x4"),
        ("connect_four4x4", [], "its game is tic_tac_toe, not connect_four4x4"),
        ("tic_tac_toe", ["random", "rollouts:4", "--simulations", "7"], "its simulations is 100, not 7"),
        ("tic_tac_toe", ["random", "rollouts:4", "--seed", "7"], "its seed is 0, not 7"),
        ("tic_tac_toe", ["random", "rollouts:4", "--search.root", "puct"], "its search.root is gumbel, not puct"),
    ],
)
def test_another_ladder_is_refused_in_one_line(
    game: str, arguments: list[str], difference: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ladder(tmp_path, "random", "rollouts:4") == 0
    before = (tmp_path / "games.jsonl").read_bytes()
    capsys.readouterr()
    assert main(["ladder", game, *arguments, "--out", str(tmp_path), *FEW]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and f"holds another ladder: {difference}" in told.err
    assert (tmp_path / "games.jsonl").read_bytes() == before


# --- interruptions ----------------------------------------------------------------------------------------------------

SLOW = ["random", "rollouts:1500", "rollouts:2000", "--games", "12", "--openings", "6", "--batch", "2"]


def started(out: Path, num_lines: int) -> subprocess.Popen[str]:
    """The command in a process of its own, once it has written so many lines."""
    command = [sys.executable, "-m", "scripts.cli", "ladder", "connect_four4x4", *SLOW, "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    path, deadline = out / "games.jsonl", time.monotonic() + 200
    while not path.exists() or path.read_bytes().count(b"\n") < num_lines:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


@pytest.mark.compiled_only
def test_an_interrupted_ladder_goes_on_as_if_it_had_not_been(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed, stopped = (tmp_path / name for name in ("whole", "killed", "stopped"))
    assert main(["ladder", "connect_four4x4", *SLOW, "--out", str(whole)]) == 0
    expected = set(read_log(whole / "games.jsonl").games)
    assert len(expected) == 36

    for num_lines in (8, 20):
        process = started(killed, num_lines)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kept = read_log(killed / "games.jsonl").games
        assert num_lines - 4 <= len(kept) < 36 and set(kept) <= expected
    with (killed / "games.jsonl").open("ab") as file:
        file.write(b'{"game": {"first": "ran')  # as if it had been killed while it wrote
    assert main(["ladder", "connect_four4x4", *SLOW, "--out", str(killed)]) == 0
    assert set(read_log(killed / "games.jsonl").games) == expected

    process = started(stopped, 10)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    kept = read_log(stopped / "games.jsonl").games
    assert 6 <= len(kept) < 36 and set(kept) <= expected
    assert f"keima: stopped; the same command goes on from the {len(kept)} games there are" in err
    assert "Traceback" not in err and out.startswith(f"{len(kept)} games of connect_four4x4")
    assert main(["ladder", "connect_four4x4", *SLOW, "--out", str(stopped)]) == 0
    assert set(read_log(stopped / "games.jsonl").games) == expected
    assert table(stopped)["players"] == table(whole)["players"] == table(killed)["players"]


def test_a_second_signal_ends_a_ladder_whose_engine_hangs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.cli", "ladder", "tic_tac_toe", "random", fake("hang"), *FEW]
    process = subprocess.Popen([*command, "--out", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    family = psutil.Process(process.pid)
    deadline = time.monotonic() + 120
    while not any("sleep(1000)" in str(child.cmdline()) for child in family.children(recursive=True)):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    engines = family.children(recursive=True)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None, "the first waits for the engine's answer"
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130 and "stopped at once" in told
    assert not any(engine.is_running() and engine.status() != psutil.STATUS_ZOMBIE for engine in engines)
    assert read_log(tmp_path / "games.jsonl").games == []
