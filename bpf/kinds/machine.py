"""The machine as a whole: memory and pressure, so that what a process has can be set against what there is."""

from sysmon.bpf.columns import TS
from sysmon.bpf.kind import Col, Kind


def _now(name: str, doc: str) -> Col:
    return Col(name, "u64", doc, "bytes", derived=True)


def _stalled(name: str, doc: str) -> Col:
    return Col(name, "u64", f"{doc}, since the snapshot before; NULL if the kernel does not say.", "ns", derived=True)


MACHINE = Kind(
    "machine",
    "machine",
    "Memory of the machine at a snapshot (/proc/meminfo), and how long work stood still for want of something "
    "(/proc/pressure) since the snapshot before.",
    cols=(
        TS,
        _now("mem_total_bytes", "Memory that the kernel manages."),
        _now("mem_free_bytes", "Memory that is used for nothing."),
        _now("mem_available_bytes", "Memory that programs could get without swapping, as the kernel estimates it."),
        _now("page_cache_bytes", "Memory that holds content of files, shared memory included."),
        _now("slab_bytes", "Memory of the kernel's own objects."),
        _now("swap_total_bytes", "Swap space."),
        _now("swap_free_bytes", "Swap space that is not in use."),
        _stalled("cpu_some_ns", "Time in which at least one task waited for a CPU"),
        _stalled("memory_some_ns", "Time in which at least one task waited for memory"),
        _stalled("memory_full_ns", "Time in which all tasks that had work waited for memory"),
        _stalled("io_some_ns", "Time in which at least one task waited for I/O"),
        _stalled("io_full_ns", "Time in which all tasks that had work waited for I/O"),
    ),
    of_interval=True,
)

KINDS = (MACHINE,)
