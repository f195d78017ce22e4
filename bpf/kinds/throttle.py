"""Throttling: limits events of a kind per second, on request (`bpf/programs/throttle.bpf.h`)."""

from __future__ import annotations

from sysmon.bpf.columns import TS
from sysmon.bpf.kind import Col, Kind

THROTTLED = ("open", "file_op", "socket", "syscall")
"""The throttled kinds, by index in the programs' map `rates`. Each such call is still counted in `syscall_stats`.
Process lifecycle kinds are never throttled: they say to whom all other rows belong.
"""

CAUSE = "stepped down"
"""Loss cause of events that were throttled."""

REASONS = ("rate", "ring full")
"""Why a kind was throttled, by its number in C."""

FULL_NS = 200_000_000
"""How long a kind is throttled after one of its rings was full: the recorder reads the rings twice in that time."""

STEP = Kind(
    "step",
    "steps",
    "A kind of events was throttled by `record --max-rate`: recording stepped down from rows to counts. Its calls are "
    f"still counted in `syscall_stats`; how many made no rows is in `losses`, cause '{CAUSE}'.",
    cols=(
        TS,
        Col("stepped", "text", "The throttled kind: 'open', 'file_op', 'socket' or 'syscall'.", derived=True),
        Col(
            "reason",
            "text",
            "'rate': more events of the kind in a second than `record --max-rate` allows. 'ring full': they came "
            "faster than they were read or written.",
            derived=True,
        ),
        Col("down_ns", "u64", "How long it was throttled, from `ts` on.", "ns", derived=True),
    ),
    opt_in=True,  # with --max-rate
)

KINDS = (STEP,)
