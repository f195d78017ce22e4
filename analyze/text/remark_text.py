"""Marks and notes in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

QUERY = "SELECT remark, EPOCH_NS(ts), COALESCE(text, '') FROM report.remarks WHERE ts IS NOT NULL"

NAMED, LETTERS = 4, 40
"""How many are told, and how much of each."""


def line(trace: Trace) -> str:
    """How many there are, and the first of them with their time since the start; empty: none."""
    found = trace.own(QUERY).fetchall()
    counts = [(sum(kind == name for kind, *_ in found), name) for name in ("mark", "note")]
    told = " and ".join(f"{count:,} {name}{'s' if count != 1 else ''}" for count, name in counts if count)
    started_ns = trace.metadata["started_ns"]
    few = [f"+{(ns - started_ns) / 1e9:.3f} s {_cut(text)}" for _, ns, text in found[:NAMED]]
    return f"{told}: {'; '.join(few)}{'; …' if len(found) > NAMED else ''}" if found else ""


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
