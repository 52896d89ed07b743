"""The page of a run: everything is in it, nothing else is needed, and a browser shows it."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import needs_browser, screenshot, shown_page
from tiny_runs import TINY

import games
from games.board.tic_tac_toe import TicTacToe
from rl.train.metrics import FILE_NAME
from rl.train.positions import RECORD_NAME
from scripts.bench.made_up_run import make_run, random_game
from scripts.cli import main
from scripts.report.page import _embedded
from scripts.report.run_record import read_run
from scripts.report.sample_games import changes

pytestmark = pytest.mark.plain_only  # the page is tested, not the games of the run that it shows

GAMES = ("tic_tac_toe", "connect_four", "breakthrough")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each of `GAMES`."""
    root = tmp_path_factory.mktemp("runs")
    ill = {"selfplay/first_player_score": 0.99}
    for name in GAMES:
        make_run(root / name, games.make(name), TINY, num_lines=100, num_games=20, ill=ill)
    return {name: root / name for name in GAMES}


def page_of(run_dir: Path) -> str:
    assert main(["report", str(run_dir)]) == 0
    return (run_dir / "report.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="run-data">(.*?)</script>', page, re.S)
    assert found is not None
    return dict(json.loads(found[1]))


class _Links(HTMLParser):
    """Everything that a page would load, its ids, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.targets.append(value or "")
            elif name in ("src", "href", "data", "srcset"):
                self.loads.append(value or "")


@pytest.mark.parametrize("name", GAMES)
def test_page_needs_nothing_else(runs: dict[str, Path], name: str) -> None:
    page = page_of(runs[name])
    links = _Links()
    links.feed(page)
    assert links.loads == [] and "@import" not in page and "url(" not in page
    assert not set(re.findall(r"https?://[^\"'\s<)]+", page)) - {"http://www.w3.org/2000/svg"}
    assert len(links.ids) == len(set(links.ids)) and {target[1:] for target in links.targets} <= set(links.ids)
    assert str(runs[name].parent) not in page
    for word in (
        "Health",
        "Learning",
        "Ladder",
        "Positions",
        "Sample games",
        "Settings",
        "first-player bias",
        "step-200",
    ):
        assert word in page, word


@pytest.mark.parametrize("name", GAMES)
def test_games_are_those_on_disk_and_boards_those_of_the_game(runs: dict[str, Path], name: str) -> None:
    """Played by the page's own changes, every game reaches the game's own positions."""
    game = games.make(name)
    data = data_of(page_of(runs[name]))
    assert data["games"][0]["short"] == "19" and len(data["games"]) == 12
    for found in data["games"]:
        record = random_game(game, int(found["short"]))
        texts = [game.action_to_text(int(step["action"])) for step in record.steps]
        assert found["moves"] == texts and len(found["heat"]) == len(found["values"]) == len(texts)
        state = game.new_state()
        shown = np.zeros(len(data["boards"][name]["cells"]), np.int64)
        shown[found["start"][::2]] = found["start"][1::2]
        for ply, step in enumerate(record.steps):
            assert np.array_equal(shown, game.contents(state))
            assert (found["values"][ply] is None) == (not step["is_target"]) == (found["heat"][ply] == [])
            if step["is_target"]:
                expected = float(step["root_value"]) * (1 if step["to_play"] == 0 else -1)
                assert found["values"][ply] == pytest.approx((expected + 1) / 2, abs=1e-3)
                assert sum(entry[0] for entry in found["heat"][ply]) == pytest.approx(1.0, abs=0.1)
            game.step(state, int(step["action"]), np.zeros(0, np.uint64))
            shown[found["changes"][ply][::2]] = found["changes"][ply][1::2]
            assert set(found["marks"][ply]) & set(found["changes"][ply][::2])
        assert np.array_equal(shown, game.contents(state))


def test_curves_are_the_metrics(runs: dict[str, Path]) -> None:
    curves = data_of(page_of(runs["tic_tac_toe"]))["curves"]
    lines = [json.loads(line) for line in (runs["tic_tac_toe"] / FILE_NAME).read_text().splitlines()]
    assert curves["axes"]["steps"] == [line["steps"] for line in lines]
    drawn = {curve["name"]: curve for chart in curves["charts"].values() for curve in chart["curves"]}
    assert drawn["loss/total"]["values"] == pytest.approx([line["loss/total"] for line in lines], rel=1e-3)
    expected = [line.get("elo/agent") for line in lines]
    assert drawn["elo/agent"]["values"] == expected and expected.count(None) == 90
    assert curves["charts"]["Elo"]["band"][1][9] == 1000.0
    surprise = [line.get("search/policy_surprise", {}).get("p90") for line in lines]
    assert drawn["search/policy_surprise"]["high"] == [
        None if p is None else pytest.approx(p, rel=1e-3) for p in surprise
    ]
    assert len(drawn) > 50


def test_positions_are_those_of_the_evaluations(runs: dict[str, Path]) -> None:
    shown = data_of(page_of(runs["connect_four"]))["positions"]
    assert shown["steps"] == [50 * index for index in range(9, 100, 10)] and len(shown["positions"]) == 6
    for position in shown["positions"]:
        view = position["views"][-1]["search"]
        assert view["score"] == pytest.approx(0.5, abs=0.5) and len(position["views"]) == 10
        assert sum(entry[0] for entry in view["heat"]) == pytest.approx(1.0, abs=0.05)
        occupied = set(position["contents"][::2])
        assert position["best"] and not occupied & set(position["best"])
        below = [cell + 7 for cell in position["best"] if cell < 35]
        assert set(below) <= occupied  # discs have fallen


def test_changes() -> None:
    assert changes([0, 1, 2], [0, 2, 2]) == [1, 2] and changes([1], [1]) == []


def test_long_run_stays_small(tmp_path: Path) -> None:
    """A thousand evaluations and more lines of metrics than a screen has columns."""
    run_dir = tmp_path / "long"
    make_run(run_dir, games.make("tic_tac_toe"), TINY, num_lines=3000, num_games=300)
    assert len(page_of(run_dir)) < 1_500_000
    data = data_of((run_dir / "report.html").read_text())
    assert len(data["curves"]["axes"]["steps"]) == 280 and len(data["positions"]["steps"]) <= 60
    assert data["positions"]["steps"][-1] == 50 * 2999
    assert data["games"][0]["short"] == "299" and data["games"][-1]["short"] == "0"


def test_young_run_has_a_page_too(tmp_path: Path, runs: dict[str, Path]) -> None:
    """One line of metrics, no checkpoint, no game."""
    run_dir = tmp_path / "young"
    run_dir.mkdir()
    shutil.copy(runs["tic_tac_toe"] / "config.json", run_dir)
    first = (runs["tic_tac_toe"] / FILE_NAME).read_text().splitlines()[0]
    (run_dir / FILE_NAME).write_text(first + "\n")
    page = page_of(run_dir)
    assert data_of(page)["games"] == [] and "<h2>Ladder" not in page and "<h2>Sample games" not in page


def test_what_cannot_be_read_is_left_out_and_told(tmp_path: Path, runs: dict[str, Path]) -> None:
    run_dir = tmp_path / "damaged"
    shutil.copytree(runs["tic_tac_toe"], run_dir)
    (chunk,) = (run_dir / "replay").glob("*.games")
    data = bytearray(chunk.read_bytes())
    data[300] ^= 1
    chunk.write_bytes(data)
    page = page_of(run_dir)
    assert data_of(page)["games"] == [] and "Left out:" in page and "SHA-256 differs" in page


def test_text_from_a_run_cannot_become_part_of_the_page(tmp_path: Path, runs: dict[str, Path]) -> None:
    run_dir = tmp_path / "<script>alert(1)"
    shutil.copytree(runs["tic_tac_toe"], run_dir)
    page = page_of(run_dir)
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_data_cannot_end_the_element_it_stands_in() -> None:
    data = {"text": "</script><b>&"}
    assert "<" not in _embedded(data) and json.loads(_embedded(data)) == data


@pytest.mark.parametrize("content", [None, "", "nonsense\n"])
def test_bad_run_directory_is_one_line(tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text('{"game": "tic_tac_toe"}')
        (tmp_path / FILE_NAME).write_text(content)
    assert main(["report", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "report.html").exists()


def test_fewer_games_may_be_asked_for(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert [record.game_number for record in read_run(runs["tic_tac_toe"], 1).games] == [19]
    assert [record.game_number for record in read_run(runs["tic_tac_toe"], 3).games] == [0, 10, 19]
    assert read_run(runs["tic_tac_toe"], 0).games == []
    assert main(["report", str(runs["tic_tac_toe"]), "--games", "-1"]) == 2
    assert "--games" in capsys.readouterr().err


def test_newest_value_of_a_metric(runs: dict[str, Path]) -> None:
    record = read_run(runs["tic_tac_toe"], 0)
    assert record.latest("elo/agent") == 900.0 and record.latest("elo/nobody") is None
    assert record.latest(RECORD_NAME)["step"] == 50 * 99


# --- in a real browser ----------------------------------------------------------------------------------------------


@needs_browser
def test_browser_draws_every_chart_and_board(runs: dict[str, Path], tmp_path: Path) -> None:
    """The page as the browser has it after its scripts ran, from the file."""
    page = page_of(runs["connect_four"])
    charts = page.count("data-chart=")
    shown = shown_page((runs["connect_four"] / "report.html").as_uri(), tmp_path)
    assert shown.count("<polyline") > charts >= 25
    assert not re.search(r'="[^"]*(NaN|Infinity|undefined)[^"]*"', shown)
    assert shown.count('class="legend"') == charts
    assert shown.count('href="#connect_four-ground"') == 1 + 2 * 6
    assert "game 19: " in shown and "perfect play" in shown and "network of step" in shown


@needs_browser
def test_game_without_a_look_is_shown_as_text(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TicTacToe, "look", lambda game: None)
    page = page_of(runs["tic_tac_toe"])
    (end,) = data_of(page)["games"][0]["texts"][-1:]
    shown = shown_page((runs["tic_tac_toe"] / "report.html").as_uri(), tmp_path)
    assert f"<pre>{end}</pre>" in shown and shown.count("<pre>") == 1 + 2 * 6


@needs_browser
def test_screenshot_has_colours_of_the_board(runs: dict[str, Path], tmp_path: Path) -> None:
    """What is on the screen: the board's blue, both players' discs, curves, and no empty page."""
    page_of(runs["connect_four"])
    image = screenshot((runs["connect_four"] / "report.html").as_uri(), tmp_path, width=1000, height=12_000)
    colours = {colour for _, colour in image.getcolors(1 << 24)}
    for wanted in ((0x24, 0x56, 0xB8), (0xF0, 0x48, 0x4E), (0xFF, 0xD2, 0x3F), (0x3B, 0x82, 0xF6)):
        assert any(max(abs(a - b) for a, b in zip(wanted, found, strict=True)) < 6 for found in colours), wanted


@needs_browser
def test_games_are_stepped_through_in_the_browser(runs: dict[str, Path], tmp_path: Path) -> None:
    """Clicks, made by a script that is put behind the page's own: to the first position, two forward, another game."""
    page = page_of(runs["connect_four"])
    clicks = """<script>
      const press = (name) => document.querySelector(`[aria-label="${name}"]`).click();
      const discs = () => document.querySelectorAll("#game-player .board use").length - 1;
      const told = [discs()];
      press("first position"); told.push(discs());
      press("forward"); press("forward"); told.push(discs());
      const pieces = [...document.querySelectorAll("#game-player .board use")].slice(1);
      told.push(pieces.map((piece) => piece.getAttribute("href")).sort().join());
      press("back"); told.push(discs());
      document.querySelectorAll("#game-player .choices button")[1].click(); told.push(discs());
      document.title = "told " + told.join(" ");
    </script></body>"""
    tried = tmp_path / "tried.html"
    tried.write_text(page.replace("</body>", clicks), encoding="utf-8")
    found = data_of(page)["games"]
    expected = [len(found[0]["moves"]), 0, 2, "#connect_four-1,#connect_four-2", 1, len(found[1]["moves"])]
    assert f"<title>told {' '.join(map(str, expected))}</title>" in shown_page(tried.as_uri(), tmp_path)


# --- one chart as a picture -----------------------------------------------------------------------------------------


def picture_of(tmp_path: Path, *arguments: str) -> str:
    into = tmp_path / "pictures" / "chart.svg"
    assert main(["report", *arguments, "--into", str(into)]) == 0
    return into.read_text(encoding="utf-8")


def test_a_chart_holds_the_curves_of_all_runs(runs: dict[str, Path], tmp_path: Path) -> None:
    both = [str(runs["tic_tac_toe"]), "--beside", str(runs["breakthrough"])]
    picture = picture_of(tmp_path, *both, "--chart", "Loss", "--x", "games")
    for name in ("tic_tac_toe", "breakthrough"):
        assert f"{name}: loss/total" in picture and f"{name}: holdout/loss/total" in picture
    assert "games of self-play" in picture and "connect_four" not in picture
    assert picture == picture_of(tmp_path, *both, "--chart", "Loss", "--x", "games"), "the same bytes each time"


def without_truth(run_dir: Path, copy: Path) -> Path:
    """A copy of a run that was measured on no solved positions."""
    shutil.copytree(run_dir, copy)
    lines = [json.loads(line) for line in (run_dir / FILE_NAME).read_text().splitlines()]
    kept = [{name: value for name, value in line.items() if not name.startswith("truth/")} for line in lines]
    (copy / FILE_NAME).write_text("".join(f"{json.dumps(line)}\n" for line in kept))
    return copy


def test_a_run_without_the_curve_is_left_out(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unmeasured = str(without_truth(runs["breakthrough"], tmp_path / "unmeasured"))
    picture = picture_of(tmp_path, str(runs["connect_four"]), "--beside", unmeasured, "--chart", "Truth")
    assert "connect_four: truth/policy_accuracy" in picture and "unmeasured" not in picture
    capsys.readouterr()
    assert main(["report", unmeasured, "--chart", "Truth"]) == 2
    assert capsys.readouterr().err == "keima: no run has anything to show as 'Truth' yet\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--chart", "Beauty"], "there is no chart 'Beauty': there are Loss, "),
        (["--beside", "elsewhere"], "--beside goes with --chart"),
    ],
)
def test_charts_that_there_are_not(
    runs: dict[str, Path], options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(runs["breakthrough"]), *options]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
