"""The run's settings; what differs from the program's defaults stands out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from html import escape
from typing import Any

from rl.train.config import TrainConfig
from scripts.report.run_record import RunRecord


def html(record: RunRecord) -> str:
    """One table, a setting a row."""
    defaults = dict(_flat(asdict(TrainConfig())))
    rows = "".join(
        f'<tr class="{"" if name not in defaults or _same(defaults[name], value) else "changed"}">'
        f"<td><code>{escape(name)}</code></td><td>{escape(_text(value))}</td>"
        f"<td>{escape(_text(defaults[name])) if name in defaults else ''}</td></tr>"
        for name, value in _flat(record.config)
        if name != "format"
    )
    head = "<tr><th>setting</th><th>here</th><th>without a preset</th></tr>"
    return f"<details open><summary>All settings</summary><table>{head}{rows}</table></details>"


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _same(default: Any, value: Any) -> bool:
    """JSON has lists where the program has tuples."""
    return _text(default) == _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None or value == {} else str(value)
