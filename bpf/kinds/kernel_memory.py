"""Memory that the kernel allocates and frees for itself: opt-in, as this happens up to a million times a second."""

from dataclasses import replace

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map
from sysmon.bpf.nulls import NO_PROCESS_PID, NO_PROCESS_START


def _sum(name: str, doc: str, unit: str = "") -> Col:
    return Col(name, "u64", doc, unit, role="sum")


KERNEL_MEMORY = Kind(
    "kernel_memory",
    "kernel_memory",
    "Memory that the kernel allocated and freed while one process ran, since the previous snapshot. These are "
    "gross figures, not what the process holds: another process or an interrupt may free it. Interrupts have a row"
    " without `pid`.",
    cols=(
        TS,
        key(replace(PID, null=NO_PROCESS_PID)),
        key(replace(START, null=NO_PROCESS_START)),
        _sum("allocations", "Objects allocated by kmalloc and from slab caches."),
        _sum("allocated_bytes", "Bytes of these objects, as rounded up by the allocator.", "bytes"),
        _sum("frees", "Objects freed by kfree and kmem_cache_free."),
        _sum("freed_bytes", "Bytes of those of them whose size is known.", "bytes"),
        _sum(
            "frees_of_unknown_size",
            "Freed objects of unknown size: allocated by kmalloc before the recording, or beyond the number that "
            "sysmon tracks.",
        ),
        _sum(
            "pages_allocated_bytes",
            "Bytes of whole pages allocated: user memory, page cache, page tables, and the slabs that objects come"
            " from.",
            "bytes",
        ),
        _sum("pages_freed_bytes", "Bytes of whole pages that were freed.", "bytes"),
    ),
    source=Map(16384),
    opt_in=True,
)

KINDS = (KERNEL_MEMORY,)
