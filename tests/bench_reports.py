"""What `keima bench NAME --json` printed, and what every such report has to say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from scripts.cli import main


def bench_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["bench", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def check(report: dict[str, Any], name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The figures of a report by name and clock, after looking at what every report has to say."""
    assert report["benchmark"] == name
    assert report["machine"]["cpu"] and report["machine"]["cores"] >= report["machine"]["usable_cores"] >= 1
    assert {"torch", "numba", "numpy", "python", "load_average"} <= report["machine"].keys()
    assert isinstance(report["seed"], int) and report["settings"] and report["figures"]
    for figure in report["figures"]:
        assert min(figure["values"]) == figure["min"] <= figure["median"] <= figure["max"] == max(figure["values"])
        assert (
            figure["clock"] in ("wall", "cpu", "")
            and (figure["min"] >= 0 or figure["unit"] in ("return", "return gained", "success gained"))
            and np.isfinite(figure["max"])
        )
        if figure["unit"].endswith("/s"):
            assert figure["min"] > 0 and figure["clock"]
        if "goal" in figure:
            assert figure["met"] == (
                figure["median"] <= figure["goal"] if figure["at_most"] else figure["median"] >= figure["goal"]
            )
    return {(figure["name"], figure["clock"]): figure for figure in report["figures"]}
