"""The stacks of a trace, or of part of one, each with its weight: samples, or time blocked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sysmon.bpf.kinds import stacks
from sysmon.errors import NoData
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

CUT = "[callers unknown]"
"""Stands in for the callers of a stack that does not reach back to where its thread began."""

SKIPPED = f"[{stacks.SKIPPED}]"
"""Stands in for callers that are missing in between."""

BATCH_ROWS = 1024
"""Stacks that are held at a time."""

Origin = Literal["process", "user", "kernel", "reason", "unknown"]


@dataclass(frozen=True)
class Measure:
    """What stacks are weighted by: a kind of rows, the unit of the weight, and its SQL."""

    kind: str
    unit: Literal["samples", "ns"]
    weight: str
    group: str = "NULL"


ON_CPU = Measure(stacks.SAMPLES.name, "samples", "samples")
OFF_CPU = Measure(stacks.OFF_CPU.name, "ns", "waited_ns", "waited_for")

MEASURES = {one.kind: one for one in (ON_CPU, OFF_CPU)}

_QUERY = """
WITH
paths AS (
    SELECT stack, functions, reaches_back, DENSE_RANK() OVER (ORDER BY functions, reaches_back) AS path
    FROM unfiltered.stack_paths
),
shown AS (
    SELECT path, ANY_VALUE(functions) AS functions, ANY_VALUE(reaches_back) AS reaches_back
    FROM paths
    GROUP BY path
),
weighed AS (
    SELECT process_key, {group} AS reason, user_stack, kernel_stack, SUM({weight}) AS weight
    FROM main.{kind}
    GROUP BY ALL
),
merged AS (
    SELECT w.process_key.pid AS pid,
        CASE WHEN w.process_key.pid = 0 THEN '(other)' ELSE COALESCE(p.comm, '?') END AS comm,
        w.reason, u.path AS user_path, k.path AS kernel_path, SUM(w.weight) AS weight
    FROM weighed AS w
    LEFT JOIN unfiltered.processes AS p ON p.process_key = w.process_key
    LEFT JOIN paths AS u ON u.stack = w.user_stack
    LEFT JOIN paths AS k ON k.stack = w.kernel_stack
    GROUP BY ALL
    HAVING SUM(w.weight) > 0
)
SELECT m.pid, m.comm, m.reason, COALESCE(u.functions, []), COALESCE(k.functions, []), COALESCE(u.reaches_back, TRUE),
    m.weight
FROM merged AS m
LEFT JOIN shown AS u ON u.path = m.user_path
LEFT JOIN shown AS k ON k.path = m.kernel_path
ORDER BY m.pid, m.comm, m.reason, m.user_path NULLS FIRST, m.kernel_path NULLS FIRST
"""
"""Stacks with the same functions have the same number `path`, in order: rows are grouped and sorted by numbers."""


@dataclass(frozen=True)
class Frame:
    """One function of a stack, or what stands before all: its process."""

    name: str
    origin: Origin


@dataclass(frozen=True)
class Folded:
    """A stack, outermost first, above its process and, for waits, with the reason innermost; and its weight."""

    reason: str | None
    comm: str
    frames: tuple[Frame, ...]
    weight: int


def require(trace: Trace, measure: Measure) -> None:
    """Raises NoData if the trace was recorded without such stacks."""
    if measure.kind not in trace.metadata["kinds"]:
        raise NoData(
            f"{one_line(trace.source.path.name)}: recorded without {measure.kind}; record again --with {measure.kind}"
        )


def folded(trace: Trace, measure: Measure) -> Iterator[Folded]:
    """The stacks, in order of process and functions. Raises NoData as `require` does."""
    require(trace, measure)
    query = _QUERY.format(kind=measure.kind, weight=measure.weight, group=measure.group)
    for batch in trace.own(query).to_arrow_reader(BATCH_ROWS):
        for pid, comm, reason, user, kernel, reaches_back, weight in zip(
            *(col.to_pylist() for col in batch), strict=True
        ):
            head = Frame(f"{comm} ({pid})" if pid else comm, "process")
            why = (
                ()
                if measure.unit == "samples"
                else (Frame(f"[{reason or 'unknown'}]", "reason" if reason else "unknown"),)
            )
            yield Folded(
                reason, comm, (head, *_in_user_space(user, reaches_back), *_all(kernel, "kernel"), *why), int(weight)
            )


def _in_user_space(names: list[str], reaches_back: bool) -> Iterator[Frame]:
    if not reaches_back and not _is_unknown(names[0]):
        yield Frame(CUT, "unknown")
    yield from _all(names, "user")


def _all(names: list[str], origin: Origin) -> Iterator[Frame]:
    for name in names:
        yield Frame(name, "unknown" if name.startswith("0x") or _is_unknown(name) else origin)


def _is_unknown(name: str) -> bool:
    """Whether it says why nothing is known; `[vdso]+0xbe1` does not."""
    return name.startswith("[") and name.endswith("]")
