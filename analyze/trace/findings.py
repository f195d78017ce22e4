"""Findings: what of a trace is worth a look, with its evidence, its threshold and what to type next."""

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
"""Findings that are in memory at most. A recording has some dozens; the report `findings` has all."""


@dataclass(frozen=True)
class Finding:
    """One row of the report `findings`, whose columns say what is in it, with the title of its rule.

    `pid`, `comm` and `start` are None where it is of no process or of several; `weakened_by` where nothing was lost.
    Texts hold what the trace holds: make them safe before they are shown.
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
    """What the rules find in the part of the trace that is open, the worst first, and no more than `MOST`."""
    titles = {rule.name: rule.title for rule in rules()}
    rows = Result.of(trace.own(f"{QUERY} LIMIT {MOST}")).records()
    return [Finding(title=titles[str(row["rule"])], **row) for row in rows]  # type: ignore[arg-type]
