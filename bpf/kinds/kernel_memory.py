"""Memory that the kernel takes for itself and gives back: opt-in, as it does so a million times a second."""

from dataclasses import replace

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map


def _sum(name: str, doc: str, unit: str = "") -> Col:
    return Col(name, "u64", doc, unit, role="sum")


KERNEL_MEMORY = Kind(
    "kernel_memory",
    "kernel_memory",
    "Memory that the kernel allocated and freed while one process ran, since the snapshot before: gross, not what the "
    "process holds. What one process allocates another may free, or an interrupt. What interrupts did is a row "
    "without `pid`.",
    cols=(
        TS,
        key(replace(PID, null=(1 << 32) - 1)),
        key(replace(START, null=(1 << 64) - 1)),
        _sum("allocations", "Objects that kmalloc and the slab caches handed out."),
        _sum("allocated_bytes", "Bytes of these objects, as the allocator rounded them up.", "bytes"),
        _sum("frees", "Objects that were given back by kfree and kmem_cache_free."),
        _sum("freed_bytes", "Bytes of those of them whose size is known.", "bytes"),
        _sum(
            "frees_of_unknown_size",
            "Those of them whose size is not known: kmalloc handed them out before the recording began, or more were "
            "in use than sysmon keeps count of.",
        ),
        _sum(
            "pages_allocated_bytes",
            "Bytes of whole pages that were allocated: for user memory, the page cache, page tables and the slabs that "
            "objects come from.",
            "bytes",
        ),
        _sum("pages_freed_bytes", "Bytes of whole pages that were freed.", "bytes"),
    ),
    source=Map(16384),
    opt_in=True,
)

KINDS = (KERNEL_MEMORY,)
