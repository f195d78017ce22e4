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
            "CLOCK_BOOTTIME: including suspended time. `ts` is this plus one offset for the whole trace.",
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
    "Data lost from the trace since the previous snapshot.",
    cols=(
        TS,
        Col(
            "cause",
            "text",
            "'ring full': events came faster than they were read. 'map full': more processes, threads or cells "
            "than a map holds; they are counted under pid 0, except for losses 'of others'. 'unreadable': a string"
            " was not in memory. 'refused': seccomp refused the call before the kernel traced its entry. 'stepped "
            "down': throttled by `record --max-rate`; counted in `syscall_stats`, but without a row; `steps` says "
            "when. 'recursion': the program, and its copy if it has one, was already running on the CPU. 'too many "
            "marks': `sysmon mark` was used more often than a recording takes marks.",
            derived=True,
        ),
        Col("place", "text", "The kind of row, map, string or program concerned.", derived=True),
        Col("lost", "u64", "How many.", derived=True),
    ),
    of_interval=True,
)

OVERHEAD = Kind(
    "overhead",
    "overhead",
    "What recording cost. The run time of BPF programs is measured in short windows only, because measuring has a "
    "cost too. The recorder's own CPU time is exact and includes its child processes.",
    cols=(
        TS,
        Col(
            "part",
            "text",
            "'recorder', or the name of a BPF program. The programs that make events of system calls are part of "
            "on_sys_exit.",
            derived=True,
        ),
        Col("window_ns", "u64", "The span that `runs` and `run_ns` cover.", "ns", derived=True),
        Col("runs", "u64", "Runs of the program in the window, on all CPUs.", derived=True),
        Col("run_ns", "u64", "CPU time used in the window, on all CPUs.", "ns", derived=True),
        Col("rss_bytes", "u64", "Resident memory, of the recorder only.", "bytes", derived=True),
        Col(
            "longest_reading_ns",
            "u64",
            "The longest `reading_ns` of the kind `pss` in the window, for the recorder only; NULL if nothing was "
            "read.",
            "ns",
            derived=True,
        ),
    ),
    of_interval=True,
)

KINDS = (CLOCK, LOSS, OVERHEAD)
