"""CPU time: what each process used, exact to the context switch."""

from bpf.columns import PID, START, TS, key
from bpf.kind import Col, Kind, Map

CPU = Kind(
    "cpu",
    "cpu",
    "CPU time of one process since the snapshot before. What runs at a snapshot is counted up to that moment.",
    cols=(
        TS,
        key(PID),
        key(START),
        Col("oncpu_ns", "u64", "Time that its threads were on a CPU, interrupts included.", "ns", role="sum"),
        Col("switches", "u64", "Times that one of its threads left a CPU.", role="sum"),
    ),
    source=Map(16384),
)

KINDS = (CPU,)
