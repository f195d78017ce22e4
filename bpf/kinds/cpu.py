"""CPU time and waits of each thread, exact to the context switch, and what each CPU did."""

from dataclasses import replace

from sysmon.bpf.columns import PID, START, TID, TS, key
from sysmon.bpf.kind import Col, Kind, Map
from sysmon.bpf.kinds import waits
from sysmon.bpf.kinds.syscalls import ABI, NR, SYSCALL

THREAD = Col("thread", "comm", "Name of the thread, at most 15 bytes.")

WAITED_FOR = Col(
    "waited_for",
    "choice",
    "Why the thread was off the CPU: "
    + "; ".join(f"'{reason}', {meaning}" for reason, meaning in waits.REASONS.items())
    + ". NULL if that is unknown: before Linux 5.15, and if it was off the CPU before it was first seen.",
    names=tuple(waits.REASONS),
)

CPU = Kind(
    "cpu",
    "cpu",
    "What one thread used of CPUs, and how it waited, since the previous snapshot, by what it waited for before it ran "
    "and the system call in which it did. A running thread is counted up to the snapshot; a wait is counted when it "
    "ends. Sums over rows are those of a process.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(replace(TID, null=0)),
        replace(THREAD, role="any"),
        key(WAITED_FOR),
        key(NR),
        ABI,
        SYSCALL,
        Col(
            "oncpu_ns",
            "u64",
            "CPU time of its threads, as the kernel accounts it (sum_exec_runtime, as in getrusage(2)), without "
            "stolen time and interrupts if the kernel separates them (CONFIG_PARAVIRT_TIME_ACCOUNTING, "
            "CONFIG_IRQ_TIME_ACCOUNTING). For a thread running at a snapshot, the time since the kernel's last "
            "tick is an estimate, which the next row corrects. For a thread that ends it includes the last 2 to 10"
            " us, which getrusage leaves out. In traces of schema version 1 it equals `occupied_ns`.",
            "ns",
            role="sum",
        ),
        Col(
            "occupied_ns",
            "u64",
            "Wall time that its threads occupied a CPU, from switch to switch. The excess over `oncpu_ns` was "
            "stolen by a hypervisor or taken by interrupts. With many short stays it is smaller, as the kernel's "
            "account begins some us before the switch, at the wakeup.",
            "ns",
            role="sum",
        ),
        Col(
            "user_ns",
            "u64",
            "Part of `oncpu_ns` in user mode. Unless the kernel accounts it exactly (CONFIG_VIRT_CPU_ACCOUNTING), "
            "it charges a whole tick to the mode it finds. So it is an estimate: only its share of `user_ns + "
            "system_ns`, over many ticks, is meaningful.",
            "ns",
            role="sum",
        ),
        Col("system_ns", "u64", "The same in the kernel.", "ns", role="sum"),
        Col(
            "wait_ns",
            "u64",
            "Time that its threads were ready to run and waited for a CPU, summed over threads, as in "
            "/proc/PID/schedstat; NULL if the kernel does not count it (CONFIG_SCHED_INFO). Since Linux 6.12 the "
            "kernel sometimes counts a sleep as a wait: a thread that has used more than its share stays queued "
            "when it falls asleep.",
            "ns",
            role="sum",
        ),
        Col(
            "voluntary_switches",
            "u64",
            "Switches at which one of its threads gave up the CPU: it slept, blocked or ended.",
            role="sum",
        ),
        Col(
            "involuntary_switches",
            "u64",
            "Switches at which one of its threads was preempted.",
            role="sum",
        ),
        Col("migrations", "u64", "Times that one of its threads moved to another CPU.", role="sum"),
        Col("minor_faults", "u64", "Page faults that needed nothing from a disk.", role="sum"),
        Col("major_faults", "u64", "Page faults that had to wait for a disk.", role="sum"),
        Col("waits", "u64", "Times that it waited for `waited_for` and ran again.", role="sum"),
        Col("waited_ns", "u64", "How long it waited, until it was ready to run.", "ns", role="sum"),
        Col("max_waited_ns", "u64", "The longest of these waits.", "ns", role="max"),
        Col(
            "waited_before_ns",
            "u64",
            "Part of `waited_ns` before the previous snapshot. It belongs to one wait, which began that long before "
            "that snapshot and lasted beyond it.",
            "ns",
            role="sum",
        ),
        Col("ready_ns", "u64", "How long it was then ready to run, until it ran.", "ns", role="sum"),
        Col("ready_before_ns", "u64", "Part of `ready_ns` before the previous snapshot.", "ns", role="sum"),
    ),
    source=Map(16384, forgets=("tid", "nr")),
)

THREADS_OFF_CPU = Kind(
    "thread",
    "threads_off_cpu",
    "A thread that was off the CPU at the end of the recording. That wait, which is not over, is in no row of `cpu`.",
    cols=(
        TS,
        PID,
        START,
        TID,
        THREAD,
        WAITED_FOR,
        NR,
        ABI,
        SYSCALL,
        Col("off_cpu_ns", "u64", "How long it had been off the CPU, inside the recording.", "ns"),
    ),
)

HOST = Kind(
    "host",
    "host",
    "What one CPU did since the previous snapshot: idle, busy, stolen and offline time add up to the time between the "
    "snapshots.",
    cols=(
        TS,
        Col("cpu", "u32", "Number of the CPU.", derived=True),
        Col("idle_ns", "u64", "Time that it ran nothing but its idle thread.", "ns", derived=True),
        Col(
            "busy_ns",
            "u64",
            "Time that it ran threads of any process, recorded or not. In traces of schema version 1 this includes"
            " stolen time.",
            "ns",
            derived=True,
        ),
        Col(
            "stolen_ns",
            "u64",
            "Time that it had work while the hypervisor ran something else, from /proc/stat, in ticks of 10 ms.",
            "ns",
            derived=True,
        ),
        Col(
            "interrupt_ns",
            "u64",
            "Part of its idle and busy time in hard and soft interrupts, from /proc/stat, in ticks of 10 ms; "
            "sampled unless the kernel accounts it exactly (CONFIG_IRQ_TIME_ACCOUNTING).",
            "ns",
            derived=True,
        ),
        Col("offline_ns", "u64", "Time that it was offline.", "ns", derived=True),
    ),
    of_interval=True,
)

KINDS = (CPU, THREADS_OFF_CPU, HOST)
