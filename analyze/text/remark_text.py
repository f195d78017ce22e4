"""Marks and notes in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

COUNTS = "SELECT remark, COUNT(*) FROM report.remarks GROUP BY remark ORDER BY remark"

FIRST = """
SELECT EPOCH_NS(ts) AS ns, COALESCE(text, '')
FROM report.remarks
WHERE EPOCH_NS(ts) IS NOT NULL
LIMIT $few
"""

NAMED, LETTERS = 4, 40
"""How many are told, and how much of each."""


def line(trace: Trace) -> str:
    """How many there are, and the first of them with their time since the start; empty: none."""
    counts = trace.own(COUNTS).fetchall()
    told = " and ".join(f"{count:,} {name}{'s' if count != 1 else ''}" for name, count in counts)
    started_ns = trace.metadata["started_ns"]
    first = trace.own(FIRST, {"few": NAMED}).fetchall()
    few = "; ".join(f"+{(ns - started_ns) / 1e9:.3f} s {_cut(text)}" for ns, text in first)
    more = "; …" if sum(count for _, count in counts) > NAMED else ""
    return f"{told}{': ' if few else ''}{few}{more}"


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
