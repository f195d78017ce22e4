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

BATCH_ROWS = 1024
"""Stacks that are held at a time."""

Origin = Literal["process", "user", "kernel", "unknown"]


@dataclass(frozen=True)
class Measure:
    """What stacks are weighed by: a kind of rows, the unit of the weight, and its SQL."""

    kind: str
    unit: Literal["samples", "ns"]
    weight: str
    group: str = "NULL"


ON_CPU = Measure(stacks.SAMPLES.name, "samples", "samples")
OFF_CPU = Measure(stacks.OFF_CPU.name, "ns", "waited_ns", "waited_for")

MEASURES = {one.kind: one for one in (ON_CPU, OFF_CPU)}

_QUERY = """
SELECT s.process_key.pid AS pid, COALESCE(p.comm, '(other)') AS comm, {group} AS reason,
    COALESCE(u.functions, []), COALESCE(k.functions, []),
    COALESCE(u.is_whole, TRUE), SUM(s.{weight}) AS weight
FROM main.{kind} AS s
LEFT JOIN unfiltered.processes AS p ON p.process_key = s.process_key
LEFT JOIN unfiltered.stack_paths AS u ON u.stack = s.user_stack
LEFT JOIN unfiltered.stack_paths AS k ON k.stack = s.kernel_stack
GROUP BY ALL
HAVING SUM(s.{weight}) > 0
ORDER BY ALL
"""


@dataclass(frozen=True)
class Frame:
    """One function of a stack, or what stands before all: its process."""

    name: str
    origin: Origin


@dataclass(frozen=True)
class Folded:
    """A stack, outermost first, above its process and, for waits, with the reason innermost; and its weight."""

    reason: str | None
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
        for pid, comm, reason, user, kernel, whole, weight in zip(*(col.to_pylist() for col in batch), strict=True):
            head = Frame(f"{comm} ({pid})" if pid else comm, "process")
            why = () if measure.unit == "samples" else (Frame(f"[{reason or 'unknown'}]", "unknown"),)
            yield Folded(reason, (head, *_in_user_space(user, whole), *_all(kernel, "kernel"), *why), int(weight))


def _in_user_space(names: list[str], whole: bool) -> Iterator[Frame]:
    if not whole and not _is_unknown(names[0]):
        yield Frame(CUT, "unknown")
    yield from _all(names, "user")


def _all(names: list[str], origin: Origin) -> Iterator[Frame]:
    for name in names:
        yield Frame(name, "unknown" if name.startswith("0x") or _is_unknown(name) else origin)


def _is_unknown(name: str) -> bool:
    """Whether it says why nothing is known; `[vdso]+0xbe1` does not."""
    return name.startswith("[") and name.endswith("]")
