"""Findings: what in a trace is worth a look, with evidence, threshold and what to type next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sysmon.analyze.trace.result import Result
from sysmon.analyze.trace.rules import rules

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

QUERY = (
    "SELECT rule, severity, summary, evidence, threshold, command, pid, comm, start, weakened_by FROM report.findings"
)

MOST = 1_000
"""Most findings in memory. A recording has a few dozen; the report `findings` has all."""


@dataclass(frozen=True)
class Finding:
    """A row of the report `findings`, with the title of its rule.

    `pid`, `comm` and `start` are None if it is about no process or several; `weakened_by` if nothing was lost. Texts
    come from the trace: make them safe before showing them.
    """

    rule: str
    title: str
    severity: str
    summary: str
    evidence: str
    threshold: str
    command: str
    pid: int | None
    comm: str | None
    start: int | None
    weakened_by: str | None


def findings(trace: Trace) -> list[Finding]:
    """What the rules find in the open part of the trace, worst first, at most `MOST`."""
    titles = {rule.name: rule.title for rule in rules()}
    rows = Result.of(trace.own(f"{QUERY} LIMIT {MOST}")).records()
    return [Finding(title=titles[str(row["rule"])], **row) for row in rows]  # type: ignore[arg-type]
