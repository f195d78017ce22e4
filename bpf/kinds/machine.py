"""The machine as a whole: memory and pressure, to compare a process's share with."""

from sysmon.bpf.columns import TS
from sysmon.bpf.kind import Col, Kind


def _now(name: str, doc: str) -> Col:
    return Col(name, "u64", doc, "bytes", derived=True)


def _stalled(name: str, doc: str) -> Col:
    return Col(name, "u64", f"{doc}, since the previous snapshot; NULL if the kernel does not say.", "ns", derived=True)


MACHINE = Kind(
    "machine",
    "machine",
    "Memory of the machine at a snapshot (/proc/meminfo), and pressure stall times since the previous one "
    "(/proc/pressure).",
    cols=(
        TS,
        _now("mem_total_bytes", "Total memory that the kernel manages."),
        _now("mem_free_bytes", "Unused memory."),
        _now("mem_available_bytes", "Memory available to programs without swapping, as estimated by the kernel."),
        _now("page_cache_bytes", "Page cache, including shared memory."),
        _now("slab_bytes", "Memory of the kernel's own objects."),
        _now("swap_total_bytes", "Swap space."),
        _now("swap_free_bytes", "Free swap space."),
        _stalled("cpu_some_ns", "Time during which at least one task waited for a CPU"),
        _stalled("memory_some_ns", "Time during which at least one task waited for memory"),
        _stalled("memory_full_ns", "Time during which all tasks with work waited for memory"),
        _stalled("io_some_ns", "Time during which at least one task waited for I/O"),
        _stalled("io_full_ns", "Time during which all tasks with work waited for I/O"),
    ),
    of_interval=True,
)

KINDS = (MACHINE,)
