"""Kinds of events of which only so many are made in a second, if that was asked for (`bpf/programs/throttle.bpf.h`)."""

from __future__ import annotations

from sysmon.bpf.columns import TS
from sysmon.bpf.kind import Col, Kind

STEPPED = ("open", "file_op", "socket", "syscall")
"""These kinds, by their place in the programs' map `steps`. Each such call is counted all the same, in
`syscall_stats`. The lives of processes are never among them: they say whose all other rows are."""

CAUSE = "stepped down"
"""Cause of losses: events that were not made because of it."""

REASONS = ("rate", "ring full")
"""Why a kind is stepped down, by its number in C."""

FULL_NS = 200_000_000
"""For how long a kind is stepped down when a ring of it is full: the recorder looks twice as often when that was."""

STEP = Kind(
    "step",
    "steps",
    "A kind of events was throttled by `record --max-rate`: from then on its calls were counted in "
    f"`syscall_stats`, but made no rows. Their number is in `losses`, cause '{CAUSE}'.",
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
        Col("down_ns", "u64", "How long it was throttled.", "ns", derived=True),
    ),
    opt_in=True,  # with --max-rate
)

KINDS = (STEP,)
