"""What is told of robots: the numbers in each environment's docstring, and the pages."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from robot_environments import IDS, TASKS, make

import games
import games.robots
from games.robots.task import GoalTask
from rl.agents import shipped_agent

ROOT = Path(__file__).resolve().parent.parent


def table(text: str, column: str) -> list[list[str]]:
    """The cells of the Markdown table of `text` whose second column is called `column`, without its head."""
    lines = [line.strip() for line in text.splitlines()]
    head = next(index for index, line in enumerate(lines) if re.match(rf"\| Num +\| {column} +\|", line))
    rows = []
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize("name", IDS)
def test_the_docstring_tells_numbers_units_and_bounds(name: str) -> None:
    env = make(name)
    text = type(env).__doc__ or ""
    task = env.task
    described = [("Observation", task.observation_low, task.observation_high)]
    if isinstance(task, GoalTask):
        described.append(("Goal", task.goal_low, task.goal_high))
    for column, low, high in described:
        rows = table(text, column)
        assert [int(row[0]) for row in rows] == list(range(len(low))) and all(row[1] for row in rows)
        bounds = {"pi": np.pi, "-pi": -np.pi}
        told = [[bounds.get(cell) or float(cell) for cell in row[2:4]] for row in rows]
        np.testing.assert_allclose(told, np.transpose([low, high]), rtol=1e-3)
        units = {row[4] for row in rows}
        assert units <= {"", "m", "m/s", "rad", "rad/s"}
    rows = table(text, "Action")
    assert [row[2:4] for row in rows] == [["-1", "1"]] * task.action_size and all(row[4] for row in rows)
    for parameter, (_, nominal, lowest, highest, unit) in task.parameters.items():
        row = re.search(rf"\| `{parameter}` +\|([^|]+)\|([^|]+)\|([^|]+)\|([^|]+)\|", text)
        assert row, f"{parameter} is not told"
        assert [float(cell) for cell in row.groups()[:3]] == [nominal, lowest, highest] and row[4].strip() == unit
        assert lowest < nominal < highest
    assert str(task.max_episode_steps) in text and f"{task.control_rate} times a second" in text


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_its_page_with_a_picture(task: str) -> None:
    page = (ROOT / "docs" / "robots" / f"{task}.md").read_text()
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)
    assert pictures and all((ROOT / "docs" / "robots" / picture).is_file() for picture in pictures)
    assert all(f"`{name}`" in page for name in IDS if games.robots.ENVIRONMENTS[name].task == task)
    players = re.findall(r"^\| ([^,|]+?)(?:,[^|]*)? \|", page[page.index("## Scores") :], re.MULTILINE)
    assert {"random", "scripted"} <= set(players)
    learnt = task in games.simulated_names() and shipped_agent(games.make(task)) is not None
    assert "learned" in players or not learnt, "an agent ships that the page does not tell of"


@pytest.mark.parametrize("task", ["planar_reach", "arm_push", "arm_pick_place", "quadruped_walk"])
def test_what_stable_baselines_learns_is_told(task: str) -> None:
    page = (ROOT / "docs" / "robots" / f"{task}.md").read_text()
    row = re.search(r"^\| SAC(\+HER)? \|(.*)\|$", page, re.MULTILINE)
    assert row and (row[1] is not None) == (task != "quadruped_walk")
    assert f"keima bench baselines --tasks {task}" in page
    assert len(re.findall(r"\d", row[2])) > 5, "steps, CPU seconds and scores"
