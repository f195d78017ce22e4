"""What a trace says about itself: its clocks, what was lost, and what recording cost."""

from sysmon.bpf.columns import TS
from sysmon.bpf.kind import Col, Kind

CLOCK = Kind(
    "clock",
    "clocks",
    "The clocks of the kernel, read together at the start, at each snapshot and at the end.",
    cols=(
        TS,
        Col("event", "text", "'start', 'snapshot' or 'end'.", derived=True),
        Col("monotonic_ns", "u64", "CLOCK_MONOTONIC: without the time the machine was suspended.", "ns", derived=True),
        Col(
            "boottime_ns",
            "u64",
            "CLOCK_BOOTTIME: with it. `ts` is this plus one offset for the whole trace.",
            "ns",
            derived=True,
        ),
        Col("realtime_ns", "u64", "CLOCK_REALTIME: the wall clock, since 1970; it can be set.", "ns", derived=True),
        Col("read_ns", "u64", "How long the snapshot took to read, from `ts` to the last map.", "ns", derived=True),
    ),
)

LOSS = Kind(
    "loss",
    "losses",
    "Something that should be in the trace and is not, counted since the snapshot before.",
    cols=(
        TS,
        Col(
            "cause",
            "text",
            "'ring full': events came faster than they were read. 'map full': more processes, threads or "
            "cells than a map holds; what had no room in a kind's map is counted under pid 0, but for what is lost "
            "'of others'. 'unreadable': a string was not in memory. 'refused': a call that seccomp refused "
            "before the kernel traced its entry. 'stepped down': events beyond `record --max-rate`, which are counted "
            "in `syscall_stats` but made no rows; `steps` says when. 'recursion': a program was running on the CPU "
            "already, and so was its copy, if it has one.",
            derived=True,
        ),
        Col("place", "text", "The kind of row, the map, string or program concerned.", derived=True),
        Col("lost", "u64", "How many.", derived=True),
    ),
    of_interval=True,
)

OVERHEAD = Kind(
    "overhead",
    "overhead",
    "What recording cost. A BPF program's run time is sampled: the kernel measures it in short windows only, because "
    "measuring costs too. The recorder's own CPU time is exact, what its child processes do for it included.",
    cols=(
        TS,
        Col(
            "part",
            "text",
            "'recorder', or the name of a BPF program. What makes events of system calls is part of on_sys_exit.",
            derived=True,
        ),
        Col("window_ns", "u64", "The span that `runs` and `run_ns` cover.", "ns", derived=True),
        Col("runs", "u64", "Times that the program ran in the window, on all CPUs.", derived=True),
        Col("run_ns", "u64", "CPU time that it took in the window, on all CPUs.", "ns", derived=True),
        Col("rss_bytes", "u64", "Resident memory, of the recorder only.", "bytes", derived=True),
        Col(
            "longest_reading_ns",
            "u64",
            "The longest `reading_ns` of the kind `pss` in the window, of the recorder only; NULL: nothing was read.",
            "ns",
            derived=True,
        ),
    ),
    of_interval=True,
)

KINDS = (CLOCK, LOSS, OVERHEAD)
