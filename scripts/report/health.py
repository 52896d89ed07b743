"""What was wrong with the run, and what to do."""

from __future__ import annotations

from html import escape

from rl.train.display import duration
from rl.train.health import RULES, Finding
from scripts.report.run_record import RunRecord


def html(record: RunRecord) -> str:
    """The findings, the newest first, and all rules to unfold."""
    findings = record.health.findings
    head = "<tr><th>sickness</th><th>when</th><th>sign</th><th>what to do</th></tr>"
    rows = "".join(_row(finding) for finding in reversed(findings))
    told = f"<table>{head}{rows}</table>" if findings else "<p>No sign of the usual sicknesses, all run long.</p>"
    rules = "".join(
        f"<tr><td>{escape(rule.name)}</td><td>{escape(rule.sign)}, for {rule.minutes:g} minutes</td>"
        f"<td>{escape(rule.advice)}</td></tr>"
        for rule in RULES
    )
    return f"{told}<details><summary>What was looked for</summary><table>{rules}</table></details>"


def _row(finding: Finding) -> str:
    rule = finding.rule
    until = "now" if finding.until is None else duration(finding.until)
    kind = "ill" if finding.until is None else "past"
    return (
        f'<tr class="{kind}"><td>{escape(rule.name)}</td><td>{duration(finding.since)} to {until}</td>'
        f"<td>{escape(rule.sign)} ({finding.value:.3g})</td><td>{escape(rule.advice)}</td></tr>"
    )
