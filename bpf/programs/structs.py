"""Structs and constants that programs and recorder share, besides the rows of kinds.

`csource` generates their C, with a static assert on each offset; the recorder reads and writes them with their numpy
dtypes.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from sysmon.bpf import nulls
from sysmon.bpf.kind import Field, Layout
from sysmon.bpf.kinds import block, connections, dns, objects, path_columns, stacks, waits, wakeups
from sysmon.bpf.kinds.calls import FORMS, MOVES, Shape
from sysmon.bpf.kinds.syscall_events import FD_RESULT, KEEP_EXEC, KEEP_EXIT, KEEP_FILE, UNUSED, EventCall
from sysmon.bpf.kinds.throttle import REASONS
from sysmon.bpf.types import COMM_LEN

_NUMPY = {"u8": "<u1", "u16": "<u2", "u32": "<u4", "u64": "<u8"}

Member = tuple[str, str, str] | tuple[str, str, str, int]
"""Name, C type, meaning and, for an array, its length."""


def _struct(name: str, *members: Member) -> Layout:
    fields = []
    for member, c_type, _doc, *length in members:
        count = length[0] if length else 0
        fields.append(Field(member, c_type, f"({count},){_NUMPY[c_type]}" if count else _NUMPY[c_type], count))
    return Layout(name, tuple(fields))


CONTROL = _struct(
    "control",
    ("t0", "u64", "When the recording began [ns, CLOCK_BOOTTIME]."),
    ("epoch", "u32", "Which of a kind's two maps is being filled; 0: not recording."),
    ("filters", "u32", "BY_… and CHILDREN: the conditions on a process; 0: all are recorded."),
    ("cpu_offsets", "u64", "Where the kernel has __per_cpu_offset; 0: it does not say."),
    ("cgroup", "u64", "Id of the one in `cgroups`."),
    ("turned", "u64", "When the epoch began [ns, CLOCK_BOOTTIME]."),
)
"""What user space tells all programs."""

BY_PID, BY_COMM, BY_UID, BY_CGROUP, CHILDREN = 1, 2, 4, 8, 16
"""Bits of `filters`: a process is in `followed`; its name is in `comms`; its real user is in `uids`; it is in or below
one of `cgroups`; it descends from a recorded one.
"""

CPU_STATE = _struct(
    "cpu_state",
    ("caller", "u64", "pid_tgid of the thread that is in a system call, 0: none."),
    ("entered", "u64", "When it entered."),
    ("known", "u64", "pid_tgid of the thread that `start` and `wanted` describe, 0: none."),
    ("start", "u64", "Start of its process."),
    ("charged", "u64", "CPU time is accounted up to here."),
    ("mark", "u64", "See again.bpf.h."),
    ("switches", "u32", "Times that this CPU has switched threads; counted where programs are preemptible."),
    ("known_at", "u32", "`switches` before `start` and `wanted` were looked for."),
    ("nr", "u16", "Number of the system call."),
    ("wanted", "u16", "Whether the thread's process is recorded."),
    ("uid", "u32", "Its real user when that was decided; kept if there are conditions."),
    ("change", "u64", "`changes.count` then."),
    ("renamed", "u64", "Whether the thread has given a name since it entered its call."),
    ("leaving", "u64", "Whether the CPU goes off line, or is off line."),
    ("came", "u64", "When the thread came onto it."),
    ("message", "u64", "pid_tgid of the thread whose call has reached a socket of datagrams, 0: none."),
    ("interrupts", "u64", "Interrupts that it is in, WOKEN_BY_… in 4 bits each, the innermost lowest."),
    ("signals", "u64", "Signals that were sent on it."),
)
"""State of a CPU. What of it belongs to the running thread is cleared by a switch."""

CALL = _struct(
    "call",
    (
        "entered",
        "u64",
        "0: none; at or before t0: user space found the thread in it when the recording began; OUTSIDE.",
    ),
    ("start", "u64", "Of its process."),
    ("nr", "u32", "Number of the system call."),
    ("pid", "u32", "Or has REACHED_DATAGRAMS."),
    ("left", "u64", "When its thread left a CPU last; 0: it did not."),
    ("run_delay", "u64", "Of the thread then: how long it had waited for a CPU, as the kernel counts it."),
    ("state", "u64", "Of the thread then; 0: it could have gone on."),
    ("blocked_ns", "u64", "What came of it before."),
    ("uninterruptible_ns", "u64", "Likewise."),
    ("runnable_ns", "u64", "Likewise."),
)
"""A call whose thread was switched out during it."""

OUTSIDE = (1 << 64) - 1
"""`entered` of a call that began while its process did not pass the filters: it is not recorded."""

REACHED_DATAGRAMS = 1 << 31
"""Flag in `pid`: the call has reached a datagram socket."""

CPU_TIME = _struct(
    "cpu_time",
    ("idle_ns", "u64", "By the parity of the epoch.", 2),
    ("busy_ns", "u64", "Likewise.", 2),
    ("left", "u64", "Times that the CPU went off line."),
)
"""Time of a CPU."""

RATE = _struct(
    "rate",
    ("until", "u64", "End of the second."),
    ("full", "u64", "Until then there is no room."),
    ("down_at", "u64", "When the kind was throttled last."),
    ("up_at", "u64", "And when it goes on."),
    ("made", "u32", "Events in this second."),
    ("reason", "u32", "The place in throttle.REASONS."),
    ("unused", "u64", "A cache line for each.", 3),
)
"""How many events a kind may still make in this second."""

SHAPE = _struct("shape", *((field.name, "u8", "") for field in dataclasses.fields(Shape)))
"""What to do with a call: `kinds.calls.Shape`. Argument positions count from 1; 0: the call has no such argument."""

KEPT_STACK = _struct(
    "kept_stack",
    ("start", "u64", "Start of the process that had it first."),
    ("pid", "u32", "Its pid."),
    ("depth", "u32", "Addresses in it."),
    ("at", "u64", "The addresses, innermost first.", stacks.DEPTH),
)
"""A stack, by its hash."""

EVENT_CALL = _struct(
    "event_call", *((field.name, "u8", "") for field in dataclasses.fields(EventCall)), ("unused", "u8", "", UNUSED)
)
"""What is read of a call that is a row: `kinds.syscall_events.EventCall`."""

BLOCK_REQUEST = _struct(
    "block_request",
    ("made", "u64", "When it was made [ns, CLOCK_BOOTTIME]; 0: before the recording, or by the block layer."),
    ("issued", "u64", "When the driver got it last; 0: not yet, or it gave it back."),
    ("start", "u64", "As in `block_io`."),
    ("io_group", "u64", "Likewise."),
    ("ended_bytes", "u64", "Bytes of it that have ended."),
    ("pid", "u32", "As in `block_io`."),
    ("disk_device", "u32", "Likewise."),
    ("requeues", "u32", "Times that the driver gave it back."),
    ("operation", "u8", "As in `block_io`."),
    ("submitted_by", "u8", "Likewise."),
    ("unused", "u8", "", 2),
)
"""A request to a disk that has not ended."""

ALL = (CONTROL, CPU_STATE, CALL, CPU_TIME, RATE, SHAPE, KEPT_STACK, EVENT_CALL, BLOCK_REQUEST)

CONSTANTS = {
    **{name: globals()[name] for name in ("BY_PID", "BY_COMM", "BY_UID", "BY_CGROUP", "CHILDREN")},
    **{name: nulls.in_c(value) for name, value in nulls.NULLS.items()},
    "COMM_LEN": COMM_LEN,
    "OUTSIDE": nulls.in_c(OUTSIDE),
    "REACHED_DATAGRAMS": nulls.in_c(REACHED_DATAGRAMS),
    **{f"ORIGIN_{name}": number for number, name in enumerate(path_columns.ORIGINS)},
    "NO_ORIGIN": len(path_columns.ORIGINS),
    "KEEP_EXEC": KEEP_EXEC,
    "KEEP_EXIT": KEEP_EXIT,
    "KEEP_FILE": KEEP_FILE,
    "FD_RESULT": FD_RESULT,
    **{f"FORM_{name}": number for name, number in FORMS.items()},
    **{f"MOVES_{name}": number for name, number in MOVES.items()},
    **{f"WAITS_{name.replace(' ', '_')}": number for name, number in waits.NUMBERS.items()},
    **{f"WOKEN_BY_{name}": number for number, name in enumerate(wakeups.WAKERS)},
    "WOKEN_BY_NOBODY": wakeups.NOBODY,
    **{f"AWAITS_{name}": number for name, number in waits.AWAITS.items()},
    **{f"BLOCK_{name.replace(' ', '_')}": number for number, name in enumerate(block.OPERATIONS)},
    **{f"BLOCK_BY_{name.replace('-', '_')}": number for number, name in enumerate(block.SUBMITTERS)},
    **{f"BLOCK_STAGE_{name}": number for number, name in enumerate(block.STAGES)},
    "BLOCK_NO_SIZE": block.NO_SIZE,
    "WAITS_UNKNOWN": waits.UNKNOWN_REASON,
    "WAITS_BY_DESCRIPTOR": waits.BY_DESCRIPTOR,
    "DNS_PORT": dns.PORT,
    **{f"DIRECTION_{name}": number for number, name in enumerate(connections.DIRECTIONS)},
    **{f"CLOSER_{name}": number for number, name in enumerate(connections.CLOSERS)},
    **{f"END_{name.replace(' ', '_')}": number for number, name in enumerate(connections.ENDS)},
    **{f"SEGMENT_{name.replace('-', '_')}": number for number, name in enumerate(connections.SEGMENTS)},
    **{f"OBJECT_{name.replace(' ', '_')}": number for number, name in enumerate(objects.TYPES)},
    **{
        f"NAME_{name.replace(' ', '_')}": f"{int.from_bytes(start.ljust(8, bytes(1)), 'little')}ULL"
        for name, start in objects.ANONYMOUS.items()
    },
    **{f"WAY_{name}": number for number, name in enumerate(objects.WAYS)},
    "LARGEST_NAME": objects.LARGEST_NAME,
    "MOST_POLLED": objects.MOST_POLLED,
    "MOST_SETS": objects.MOST_SETS,
    "DESCRIBED_ENTRIES": objects.DESCRIBED_ENTRIES,
    "STACK_DEPTH": stacks.DEPTH,
    "STACK_ENTRIES": stacks.ENTRIES,
    **{f"STACK_{name}": getattr(stacks, name) for name in ("NONE", "NO_ROOM", "UNREADABLE", "NOT_TAKEN")},
    **{f"REASON_{name.replace(' ', '_')}": number for number, name in enumerate(REASONS)},
}
"""Constants that become a #define in C."""


def packed(layout: Layout, **values: int) -> bytes:
    """Bytes of a struct; members that are not given are 0."""
    record = np.zeros(1, layout.dtype)
    for name, value in values.items():
        record[name] = value
    return record.tobytes()
