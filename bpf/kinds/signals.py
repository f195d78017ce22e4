"""Signals: each one sent, its sender and receiver, and what the kernel did with it."""

from sysmon.bpf.columns import PID, START, TID, TS
from sysmon.bpf.kind import Col, Kind, Program, Ring

SIGNAL = Kind(
    "signal",
    "signals",
    "A signal that was sent to a process or thread, by a process or by the kernel. `pid`, `start` and `tid` are the "
    "receiver's. Signals that no process sent, such as those of faults, timers and terminals, have no sender.",
    cols=(
        TS,
        PID,
        START,
        TID,
        Col("signo", "u32", "Number of the signal, as kill(2) takes it."),
        Col("sender_pid", "u32", "Process id of the sender; NULL if it was the kernel.", null=0),
        Col("sender_start", "start", "`start` of the sender; NULL if it was the kernel.", "ns", null=0),
        Col(
            "to_thread",
            "bool",
            "Whether it was sent to the thread `tid` (tgkill(2), a fault), and not to any thread of the process.",
        ),
        Col(
            "delivery",
            "choice",
            "What the kernel did with it: 'queued' for the receiver, 'ignored' by it, 'pending' already and so not "
            "queued again, 'overflow': a real-time signal that did not fit into the queue, 'stripped': queued without "
            "its data.",
            names=("queued", "ignored", "pending", "overflow", "stripped"),
        ),
    ),
    source=Ring((512 * 1024,)),
    program=Program(
        "signal",
        "signals.bpf.c",
        "signal_generate",
        "signals sent",
        members=(("task_struct", "pid tgid"),),
    ),
)

KINDS = (SIGNAL,)
