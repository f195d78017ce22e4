"""CPUs: what each process used of them, exact to the context switch, and what each CPU did."""

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map

CPU = Kind(
    "cpu",
    "cpu",
    "CPU time, waiting and page faults of one process since the snapshot before. What runs at a snapshot is counted up "
    "to that moment; a wait is counted when it is over.",
    cols=(
        TS,
        key(PID),
        key(START),
        Col(
            "oncpu_ns",
            "u64",
            "CPU time of its threads, as the kernel accounts it (sum_exec_runtime, which getrusage(2) shows, too): "
            "without what a hypervisor took meanwhile and without interrupts, where the kernel keeps them apart "
            "(CONFIG_PARAVIRT_TIME_ACCOUNTING, CONFIG_IRQ_TIME_ACCOUNTING). Of what runs at a snapshot, what came "
            "since the kernel's last tick is an estimate, which the next row makes up for. Of a thread that ends it "
            "has the last 2 to 10 us, which getrusage leaves out. In traces of schema version 1 it is what "
            "`occupied_ns` is.",
            "ns",
            role="sum",
        ),
        Col(
            "occupied_ns",
            "u64",
            "Time that its threads had a CPU, by the clock, from switch to switch. What it is more than `oncpu_ns` was "
            "taken from them: by a hypervisor (stolen), or for interrupts. Of many short stays it is less, as the "
            "kernel's account begins some us before the switch, where the thread was woken up.",
            "ns",
            role="sum",
        ),
        Col(
            "user_ns",
            "u64",
            "Part of `oncpu_ns` in user mode, as the kernel samples it: unless it accounts exactly "
            "(CONFIG_VIRT_CPU_ACCOUNTING), it charges a whole tick to what it finds running there. So it is an "
            "estimate, and only its share of `user_ns + system_ns` means something, over many ticks.",
            "ns",
            role="sum",
        ),
        Col("system_ns", "u64", "The same in the kernel.", "ns", role="sum"),
        Col(
            "wait_ns",
            "u64",
            "Time that its threads were ready to run and waited for a CPU, summed over threads, as /proc/PID/schedstat "
            "counts it; NULL if the kernel does not (CONFIG_SCHED_INFO). Since Linux 6.12 the kernel now and then "
            "counts a sleep as a wait: a thread that has used more than its share stays queued when it falls asleep.",
            "ns",
            role="sum",
        ),
        Col(
            "voluntary_switches",
            "u64",
            "Times that one of its threads left a CPU because it had nothing to do there: it slept, blocked or ended.",
            role="sum",
        ),
        Col(
            "involuntary_switches",
            "u64",
            "Times that one of its threads left a CPU though it could have gone on: another was given it.",
            role="sum",
        ),
        Col("migrations", "u64", "Times that one of its threads ran on another CPU than before.", role="sum"),
        Col("minor_faults", "u64", "Page faults that needed nothing from a disk.", role="sum"),
        Col("major_faults", "u64", "Page faults that had to wait for a disk.", role="sum"),
    ),
    source=Map(16384),
)

HOST = Kind(
    "host",
    "host",
    "What one CPU did since the snapshot before: idle, busy, stolen and offline time add up to the time between the "
    "snapshots.",
    cols=(
        TS,
        Col("cpu", "u32", "Number of the CPU.", derived=True),
        Col("idle_ns", "u64", "Time that it ran nothing but its idle thread.", "ns", derived=True),
        Col(
            "busy_ns",
            "u64",
            "Time that it ran threads, of any process, recorded or not. In traces of schema version 1 with what was "
            "stolen meanwhile.",
            "ns",
            derived=True,
        ),
        Col(
            "stolen_ns",
            "u64",
            "Time that it had something to do, while the hypervisor ran something else: as /proc/stat says it, in "
            "ticks of 10 ms.",
            "ns",
            derived=True,
        ),
        Col(
            "interrupt_ns",
            "u64",
            "Part of its idle and busy time in interrupts, hard and soft: as /proc/stat says it, in ticks of 10 ms, "
            "and unless the kernel accounts it exactly (CONFIG_IRQ_TIME_ACCOUNTING) from samples.",
            "ns",
            derived=True,
        ),
        Col("offline_ns", "u64", "Time that it was off line: it could run nothing.", "ns", derived=True),
    ),
    of_interval=True,
)

KINDS = (CPU, HOST)
